"""What this package refuses to do to a board, wherever it comes from. Every write passes here.

Refused are changes of the option bits that can lock a chip for ever or hide its flash (RDP, SECURITY, PCROP,
secure areas, write protection), a change of any option byte that nobody would put back, bank and mass erase, and
driving a pin against an output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_h7.chip.option_bytes import OPTION_BYTES, current_register, program_register
from pytest_h7.chip.registers import Field, peripheral
from pytest_h7.errors import FirmwareError, SafetyError

_FLASH = peripheral("FLASH")
_MIRROR = 0x100
"""Distance of the registers of bank 2, among them mirrors of those that both banks share (RM0399 4.9)."""

_REGISTER_BLOCK = range(_FLASH.base, _FLASH.base + 2 * _MIRROR)
_MODE_OUTPUT, _MODE_ALTERNATE = 1, 2


def _protected_options() -> dict[int, list[tuple[Field, int]]]:
    """Fields that must keep their value, by address, with the address of the value in force.

    The mirrored registers of bank 2 are included.
    """
    fields: dict[int, list[tuple[Field, int]]] = {}
    for option in OPTION_BYTES.values():
        if not option.protected:
            continue
        name = program_register(option)
        in_force = _FLASH.registers[current_register(option)].address
        for alias in (name, f"{name}_MIRROR"):
            if alias in _FLASH.registers:
                field = Field(option.name, option.lsb, option.width)
                fields.setdefault(_FLASH.registers[alias].address, []).append((field, in_force))
    return fields


def _erase_bits() -> dict[int, tuple[Field, str]]:
    bits = {}
    for register, name, what in (
        ("CR1", "BER", "erase bank 1"),
        ("CR2", "BER", "erase bank 2"),
        ("OPTCR", "MER", "mass-erase the chip"),
        ("OPTCR_MIRROR", "MER", "mass-erase the chip"),
    ):
        unit = _FLASH.registers[register]
        field = unit.fields.get(name) or _FLASH.registers[register.removesuffix("_MIRROR")].fields[name]
        bits[unit.address] = (field, what)
    return bits


_PROTECTED = _protected_options()
_ERASES = _erase_bits()
_STARTS = {
    _FLASH.registers[name].address: _FLASH.registers[name].fields["OPTSTART"].mask
    for name in ("OPTCR", "OPTCR_MIRROR")
}
"""Where a change of option bytes is started, and by which bit."""


def check_write(
    address: int, data: bytes, read_word: Callable[[int], int], *, changes_options: bool = False
) -> None:
    """Check a write through any access port before it happens.

    Args:
        address: Where the write starts.
        data: What it writes.
        read_word: Reads a register, to compare with what is there now.
        changes_options: Whether whoever writes puts the option bytes back that he changes.

    Raises:
        SafetyError: the write would change a protected option bit, change option bytes for good or erase more than
            a sector.
    """
    if address >= _REGISTER_BLOCK.stop or address + len(data) <= _REGISTER_BLOCK.start:
        return
    for word_address in range(address & ~3, address + len(data), 4):
        mask, value = _written_bits(word_address, address, data)
        for field, in_force in _PROTECTED.get(word_address, ()):
            if (read_word(in_force) ^ value) & mask & field.mask:
                raise _refused_option(field.name)
        if value & mask & _STARTS.get(word_address, 0):
            _check_start(read_word, changes_options=changes_options)
        erase = _ERASES.get(word_address)
        if erase is not None and value & mask & erase[0].mask:
            raise SafetyError(f"Refused to {erase[1]}: erase the sectors that you program instead.")


def _check_start(read_word: Callable[[int], int], *, changes_options: bool) -> None:
    """Check that what would be programmed now may be; firmware may have prepared it."""
    if not changes_options:
        raise SafetyError(
            "Refused to start a change of option bytes through FLASH.OPTCR: use option_bytes.set or the marker "
            "h7_option_bytes, which have them put back."
        )
    for address, fields in _PROTECTED.items():
        for field, in_force in fields:
            # A mirror shows what the register itself does.
            if abs(address - in_force) < _MIRROR and (read_word(address) ^ read_word(in_force)) & field.mask:
                raise _refused_option(field.name)


def _written_bits(word_address: int, address: int, data: bytes) -> tuple[int, int]:
    """Return which bits of a word a write touches, and their new value in place."""
    mask = value = 0
    for index in range(4):
        position = word_address + index - address
        if 0 <= position < len(data):
            mask |= 0xFF << 8 * index
            value |= data[position] << 8 * index
    return mask, value


def check_pin_drive(pin: str, mode: int) -> None:
    """Check that a pin may be driven from outside the chip.

    Args:
        pin: Its name, such as ``"PC13"``.
        mode: Its two bits of GPIOx_MODER: 0 input, 1 output, 2 alternate function, 3 analog.

    Raises:
        SafetyError: the pin is an output, so that two drivers would work against each other.
    """
    if mode in (_MODE_OUTPUT, _MODE_ALTERNATE):
        what = "an output" if mode == _MODE_OUTPUT else "in its alternate function"
        raise SafetyError(f"Refused to drive {pin}: the firmware has it as {what}.")


def check_wire(pin: str, other: str, modes: Sequence[int]) -> None:
    """Check that two pins may be joined by a wire.

    Args:
        pin: One.
        other: The other.
        modes: Their bits of GPIOx_MODER.

    Raises:
        SafetyError: both are outputs.
    """
    if all(mode == _MODE_OUTPUT for mode in modes):
        raise SafetyError(f"Refused to join {pin} and {other}: the firmware has both as outputs.")


def short_circuit(pin: str) -> FirmwareError:
    """Return the error for a pin that the firmware has turned against the test that drives it."""
    return FirmwareError(
        f"The firmware drives {pin} against the level that the test holds it at, a short circuit on a real "
        "board: release the pin before the firmware makes it an output."
    )


def check_option_names(names: Sequence[str]) -> None:
    """Check that option bytes may be changed by a test.

    Raises:
        SafetyError: one of them is protected.
        KeyError: there is no option byte of that name.
    """
    for name in names:
        if OPTION_BYTES[name].protected:
            raise _refused_option(name)


def _refused_option(name: str) -> SafetyError:
    return SafetyError(
        f"Refused to change the option byte {name}: it can lock the chip or hide its flash for good; "
        "use STM32CubeProgrammer if you really mean it."
    )
