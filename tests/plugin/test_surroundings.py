"""What a test joins to the board: wires, serial ports, a worn button, another supply; gone after it."""

from __future__ import annotations

import pytest

from .conftest import Run

WIRE = """
import pytest
from pytest_h7 import SafetyError, H7Error


def make_output(board, pin, high):
    port = getattr(board.registers, f"GPIO{pin[1]}")
    setattr(board.registers.RCC_C1.AHB4ENR, f"GPIO{pin[1]}EN", 1)
    setattr(port.MODER, f"MODE{pin[2:]}", 1)
    setattr(port.ODR, f"OD{pin[2:]}", int(high))

def make_input(board, pin):
    setattr(board.registers.RCC_C1.AHB4ENR, f"GPIO{pin[1]}EN", 1)
    setattr(getattr(board.registers, f"GPIO{pin[1]}").MODER, f"MODE{pin[2:]}", 0)

def test_wire_carries_the_level(started):
    make_output(started, "PA5", True)
    make_input(started, "PE12")
    assert not started.gpio["PE12"].level
    started.gpio["PA5"].connect("PE12")
    assert started.gpio["PE12"].level
    started.registers.GPIOA.ODR.OD5 = 0
    assert not started.gpio["PE12"].level
    started.registers.GPIOA.ODR.OD5 = 1
    started.gpio["PE12"].disconnect("PA5")
    assert not started.gpio["PE12"].level

def test_wire_left_behind(started):
    make_output(started, "PA5", True)
    started.gpio["PA5"].connect("PE12")

def test_is_gone(started):
    make_output(started, "PA5", True)
    make_input(started, "PE12")
    assert not started.gpio["PE12"].level

def test_two_outputs_are_not_joined(started):
    make_output(started, "PA5", True)
    make_output(started, "PE12", True)
    with pytest.raises(SafetyError, match="^Refused to join PA5 and PE12: the firmware has both as outputs.$"):
        started.gpio["PA5"].connect("PE12")

def test_a_wire_has_two_ends(started):
    with pytest.raises(H7Error, match="not to itself"):
        started.gpio["PA5"].connect("PA5")
"""

LEVELS = """
import pytest
from pytest_h7 import H7Error, SafetyError


def make_input(board, pin):
    setattr(board.registers.RCC_C1.AHB4ENR, f"GPIO{pin[1]}EN", 1)
    setattr(getattr(board.registers, f"GPIO{pin[1]}").MODER, f"MODE{pin[2:]}", 0)

def test_resistor_pulls_and_an_output_is_stronger(started):
    pin = started.gpio["PA5"]
    make_input(started, "PA5")
    assert not pin.level
    pin.pull(True)
    assert pin.level
    pin.drive(False)
    assert not pin.level
    pin.release()
    assert pin.level
    pin.pull(None)
    assert not pin.level

def test_resistor_of_the_board_is_back(started):
    started.gpio["PC13"].pull(True)
    assert started.gpio["PC13"].level
    started.gpio["PC13"].pull(None)
    assert not started.gpio["PC13"].level

def test_what_is_left_behind(started):
    started.gpio["PA5"].pull(True)
    started.gpio["PA6"].clock(1000)
    started.set_supply(0)

def test_is_gone(started):
    make_input(started, "PA5")
    make_input(started, "PA6")
    for _ in range(4):
        assert not started.gpio["PA5"].level
        assert not started.gpio["PA6"].level
        started.sleep(0.0003)

def test_clock_is_seen_by_the_firmware(started, cm7):
    before = cm7.variable("exti_count").value
    started.gpio["PC13"].clock(500)
    started.sleep(0.0201)
    assert cm7.variable("exti_count").value - before == 11
    started.gpio["PC13"].clock(None)
    started.sleep(0.01)
    assert cm7.variable("exti_count").value - before == 11

@pytest.mark.parametrize("turn", range(2))
def test_state_with_a_clock_is_not_kept(h7_board, h7_flashed, turn):
    h7_board.gpio["PA6"].clock(1000)
    h7_board.reach("ticking", lambda: h7_board.sleep(0.0012))
    h7_board.gpio["PA6"].clock(None)
    make_input(h7_board, "PA6")
    for _ in range(4):
        assert not h7_board.gpio["PA6"].level
        h7_board.sleep(0.0003)

def test_what_cannot_be(started):
    with pytest.raises(H7Error, match="^A clock at PC13 has more than 0 Hz, not -1.$"):
        started.gpio["PC13"].clock(-1)
    with pytest.raises(SafetyError, match="PB0"):
        started.gpio["PB0"].clock(1000)
"""

SERIAL = """
import pytest

def test_peer_hears_what_the_console_says(started):
    peer = started.serial_peer("PD8", "PD9")
    started.button.press(0.01)
    started.sleep(0.02)
    assert b"EXTI13" in peer.read(1000)

def test_peer_talks(started):
    peer = started.serial_peer("PD8", "PD9", baud_rate=9600)
    peer.write(b"?")
    started.sleep(0.02)
    assert started.registers.USART3.ISR.FE == 1

def test_nothing_is_left(started):
    assert not started.bench.surroundings._peers
"""

BOUNCE = """
import pytest

@pytest.mark.parametrize("bounce, presses", [(0.0, 1), (0.004, 5)])
def test_bounce(started, cm7, bounce, presses):
    before = cm7.variable("exti_count").value
    started.button.press(0.01, bounce=bounce)
    started.sleep(0.005)
    assert cm7.variable("exti_count").value - before == presses
"""

SUPPLY = """
import pytest

def test_brown_out(started):
    started.registers.RCC_C1.RSR.RMVF = 1
    started.registers.RCC_C1.RSR.RMVF = 0
    started.set_supply(1.0)
    started.sleep(0.01)
    started.set_supply(3.3)
    started.bench.connection.reconnect()
    started.sleep(0.05)
    assert started.registers.RCC_C1.RSR.BORRSTF == 1

def test_probe_sees_the_voltage(started, h7_probe):
    started.set_supply(2.5)
    h7_probe.require_power()
    assert h7_probe.voltage == pytest.approx(2.5, abs=0.02)

def test_supply_is_back(started, h7_probe):
    h7_probe.require_power()
    assert h7_probe.voltage == pytest.approx(3.3, abs=0.02)
"""


BOOT = """
SYSTEM_MEMORY = range(0x1FF0_0000, 0x1FF2_0000)

def test_boot0_chooses_the_second_address(started, cm7):
    started.set_boot0(True)
    with started.expect_fault("cm4"):  # out of SRAM1, where there is nothing
        started.reset()
        started.sleep(0.01)
    cm7.halt()
    assert cm7.pc in SYSTEM_MEMORY

def test_and_is_low_again(started, cm7):
    cm7.halt()
    assert cm7.pc not in SYSTEM_MEMORY
"""


@pytest.mark.parametrize(
    ("source", "passed"),
    [(WIRE, 5), (LEVELS, 8), (SERIAL, 3), (BOUNCE, 2), (SUPPLY, 3), (BOOT, 2)],
    ids=["wire", "levels", "serial", "bounce", "supply", "boot"],
)
def test_on_the_virtual_board(run: Run, source: str, passed: int) -> None:
    run(source).assert_outcomes(passed=passed)


def test_real_board_has_no_hands(run: Run, real_board: str) -> None:
    result = run(
        """
        import pytest
        from pytest_h7 import H7Error

        def test_it(h7_board):
            for action in (
                lambda: h7_board.gpio["PA5"].connect("PE12"),
                lambda: h7_board.gpio["PA5"].pull(True),
                lambda: h7_board.gpio["PA5"].clock(1000),
                lambda: h7_board.serial_peer("PD8", "PD9"),
                lambda: h7_board.set_supply(3.0),
                lambda: h7_board.set_boot0(True),
            ):
                with pytest.raises(H7Error, match="^This bench cannot change what is wired to the board"):
                    action()

        @pytest.mark.h7_requires("surroundings")
        def test_skipped(h7_board):
            assert 0
        """,
        f"--h7-probe={real_board}",
    )
    result.assert_outcomes(passed=1, skipped=1)
