"""A line for every access that goes over the debug port: DP, AP, memory through an AP, and NRST."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.registers import peripheral, peripheral_names, private_peripheral

_DEBUG_PORT = {0x0: "DPIDR/ABORT", 0x4: "CTRL/STAT", 0x8: "SELECT/RESEND", 0xC: "RDBUFF"}
_ACCESS_PORT = {0x00: "CSW", 0x04: "TAR", 0x0C: "DRW", 0xF8: "BASE", 0xFC: "IDR"}
_SHOWN_WORDS = 4
_LAST_PRIVATE = 0xE00F_FFFF


@cache
def _places() -> tuple[list[int], list[str]]:
    names = {
        register.address: f"{unit}_{register.name}"
        for unit in peripheral_names()
        for register in peripheral(unit).registers.values()
    }
    names |= {
        register.address: f"{unit}_{register.name}"
        for unit in ("SCS", "DWT", "FPB", "ITM")
        for register in private_peripheral("cm7", unit).registers.values()
    }
    names |= {
        DBGMCU_AP2_ADDRESS + register.offset: f"DBGMCU_{register.name}"
        for register in peripheral("DBGMCU").registers.values()
    }
    addresses = sorted(names)
    return addresses, [names[address] for address in addresses]


def register_name(address: int) -> str:
    """Return the name of the register at an address, empty where none is."""
    addresses, names = _places()
    index = bisect.bisect_left(addresses, address)
    return names[index] if index < len(addresses) and addresses[index] == address else ""


class AccessTrace:
    """Reports the accesses that a pyOCD probe makes, each attempt of those that fail too.

    Args:
        driver: pyOCD's object for the probe.
        tell: Gets one line for each access.
    """

    def __init__(self, driver: Any, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._interfaces: dict[int, Any] = {}
        driver.read_dp = self._reported(driver.read_dp, "read", self._debug_port)
        driver.write_dp = self._reported(driver.write_dp, "write", self._debug_port)
        driver.read_ap = self._reported(driver.read_ap, "read", self._access_port)
        driver.write_ap = self._reported(driver.write_ap, "write", self._access_port)
        driver.assert_reset = self._reported(driver.assert_reset, "write", lambda _level: "NRST")
        find = driver.get_memory_interface_for_ap

        def find_and_watch(address: Any) -> Any:
            interface = find(address)
            if interface is not None and self._interfaces.get(address.apsel) is not interface:
                self._interfaces[address.apsel] = interface
                self._watch(interface, address.apsel)
            return interface

        driver.get_memory_interface_for_ap = find_and_watch

    def _watch(self, interface: Any, apsel: int) -> None:
        def place(address: int) -> str:
            return f"AP{apsel}  0x{address:08X} {register_name(address)}".rstrip()

        for name in ("read_memory", "read_memory_block32", "read_memory_block8"):
            if hasattr(interface, name):
                setattr(interface, name, self._reported(getattr(interface, name), "read", place))
        for name in ("write_memory", "write_memory_block32", "write_memory_block8"):
            if hasattr(interface, name):
                setattr(interface, name, self._reported(getattr(interface, name), "write", place))

    @staticmethod
    def _debug_port(address: int) -> str:
        return f"DP   {_DEBUG_PORT.get(address & 0xC, '')}"

    @staticmethod
    def _access_port(address: int) -> str:
        register = address & 0xFF
        return f"AP{address >> 24}  {_ACCESS_PORT.get(register, f'register 0x{register:02X}')}"

    def _reported(
        self, access: Callable[..., Any], kind: str, describe: Callable[[int], str]
    ) -> Callable[..., Any]:
        def report(address: int, *arguments: Any, **options: Any) -> Any:
            what = f"{kind:<5}  {describe(address)}"
            try:
                result = access(address, *arguments, **options)
            except Exception as error:
                self._tell(f"{what} : {type(error).__name__.removesuffix('Error')}")
                raise
            if kind == "write":
                self._tell(f"{what} <- {_values(arguments[0] if arguments else address)}")
            else:
                # pyOCD fetches the result of a read later, where the probe may queue it.
                self._tell(f"{what} -> {_values(result() if callable(result) else result)}")
            return result

        return report


def _values(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        words = " ".join(f"{word:08X}" for word in value[:_SHOWN_WORDS])
        return words + (f" ... ({len(value)} in all)" if len(value) > _SHOWN_WORDS else "")
    if isinstance(value, bool):
        return "low" if value else "high"
    return f"{value:08X}"
