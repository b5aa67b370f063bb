"""Board descriptions: those that come along, a team's own, and what is wrong with a file."""

from pathlib import Path

import pytest

from pytest_h7.chip.boards import (
    BoardFileError,
    Contact,
    Supply,
    VirtualComPortWiring,
    board_description,
    known_boards,
)

OWN = """
name = "own"
supply = "ldo"

[hse]
hz = 16_000_000
bypass = false

[button]
name = "USER"
pin = "PA0"
pressed = "low"

[leds]
RED = { pin = "PK15", lit = "low" }

[vcp]
usart = "LPUART1"
tx = "PB6"
rx = "PB7"
"""


def test_nucleo_is_the_default() -> None:
    board = board_description()
    assert board.name == "NUCLEO-H755ZI-Q"
    assert (board.hse_hz, board.hse_bypass) == (8_000_000, True)
    assert board.button == Contact("PC13", active_high=True)
    assert {name: led.pin for name, led in board.leds.items()} == {"LD1": "PB0", "LD2": "PE1", "LD3": "PB14"}
    assert board.vcp == VirtualComPortWiring("USART3", "PD8", "PD9")


@pytest.mark.parametrize("name", known_boards())
def test_every_board_is_readable_in_any_case(name: str) -> None:
    assert board_description(name.upper()).name.lower() == name
    assert board_description(name).supply is Supply.SMPS


def test_discovery_boards_have_a_crystal() -> None:
    for name in ("stm32h745i-disco", "stm32h747i-disco"):
        assert board_description(name).hse_hz == 25_000_000


def test_ethernet_transceiver_of_a_board(tmp_path: Path) -> None:
    assert board_description("nucleo-h755zi-q").phy_address == 0
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    assert board_description(str(path)).phy_address is None
    path.write_text(OWN + "\n[ethernet]\nphy_address = 31\n")
    assert board_description(str(path)).phy_address == 31


def test_own_board(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    board = board_description(str(path))
    assert board.button == Contact("PA0", active_high=False)
    assert board.button_name == "USER"
    assert board.leds == {"RED": Contact("PK15", active_high=False)}
    assert board.supply is Supply.LDO


def test_board_without_anything(tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text('name = "bare"\nsupply = "external"\n[hse]\nhz = 50_000_000\nbypass = true\n')
    board = board_description(str(path))
    assert (board.button, board.leds, board.vcp) == (None, {}, None)


def test_there_is_no_such_board() -> None:
    with pytest.raises(
        BoardFileError, match=r"^nucleo-h743zi is neither a board \(nucleo-h745zi-q, .*\) nor a file"
    ):
        board_description("nucleo-h743zi")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "own"', "name = 3", "name must be a text"),
        ('supply = "ldo"', 'supply = "battery"', "supply must be one of smps, ldo, external"),
        ("hz = 16_000_000", "hz = 3_999_999", "hse.hz is 3999999, and OSC_IN takes 4 to 50 MHz"),
        ("bypass = false", 'bypass = "no"', "hse.bypass must be true or false"),
        ("bypass = false", "", "hse must have bypass, hz"),
        ('pin = "PA0"', 'pin = "PA16"', "button.pin is 'PA16', and pins are PA0 to PK15"),
        ('pressed = "low"', 'pressed = "down"', "button.pressed must be high or low"),
        ('RED = { pin = "PK15", lit = "low" }', 'RED = "PK15"', "RED must be a table"),
        ('usart = "LPUART1"', 'usart = "USART9"', "vcp.usart is 'USART9', which is no USART of the chip"),
        (
            'name = "own"',
            'name = "own"\nethernet.phy_address = 32',
            "ethernet.phy_address is 32, and PHYs have addresses 0 to 31",
        ),
        ('name = "own"', 'name = "own"\ncolour = "blue"', "it has colour, which means nothing"),
        ('name = "own"', "name = ", "Invalid value"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "own.toml"
    assert old in OWN
    path.write_text(OWN.replace(old, new, 1))
    with pytest.raises(BoardFileError) as caught:
        board_description(str(path))
    assert str(caught.value).startswith(f"{path} does not describe a board: {message}")
