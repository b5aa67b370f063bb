"""ETH without a cable: resets, the management interface, settings (RM0399 chapter 61).

Nothing is received. Transmission is not modelled: descriptors stay as they are, and handing one over is counted.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_SWR = 1 << 0
_BUSY = 1 << 0
_WRITE, _READ = 1, 3
_MANAGEMENT_CLOCKS = 64
_MANAGEMENT_DIVIDERS = (42, 62, 16, 26, 102, 124, 42, 42, 4, 6, 8, 10, 12, 14, 16, 18)
"""HCLK cycles of MDC, by MACMDIOAR.CR."""

_SILENCE = 0xFFFF
"""What is read from MDIO, which is pulled up, where no PHY answers."""

_RMII = 4
_FUNCTION = 11
_COMMANDS = {
    "MMC_CONTROL": 1 << 0,
    "MTLOMR": 1 << 8 | 1 << 9,
    "MTLTxQOMR": 1 << 0,
    "MACPCSR": 1 << 31,
    "MACTSCR": 1 << 2 | 1 << 3 | 1 << 5,
}
"""Bits that start something which is over at once."""

_TRANSMITS = "DMACTxDTPR"


class Phy(Protocol):
    """What answers on the management interface."""

    def read(self, register: int) -> int:
        """Return a register of 16 bits."""
        ...

    def write(self, register: int, value: int) -> None:
        """Write a register."""
        ...


class Ethernet(Peripheral):
    """The Ethernet controller."""

    def __init__(self, mcu: Mcu) -> None:
        self._phys: dict[int, Phy] = {}
        self._transfer: Event | None = None
        super().__init__(mcu, "ETH")
        for register, bits in _COMMANDS.items():
            self.model(register, writer=partial(self._write_command, register, bits))

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers) - {_TRANSMITS}

    def attach(self, phy: Phy, address: int) -> None:
        """Connect a PHY, which also supplies the clocks of MII or RMII.

        Args:
            phy: What answers.
            address: Its address, 0 to 31.
        """
        self._phys[address] = phy

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        if self._transfer is not None:
            self._transfer.cancel()
        self._transfer = None

    # -- software reset -------------------------------------------------------------------------

    def _has_clocks(self) -> bool:
        """Return whether all clock domains run, without which SWR stays set.

        The bus clocks are enabled, and a PHY is there whose clock reaches pins that are switched to it.
        """
        mcu = self.mcu
        pins = [("A", 1)] if mcu.syscfg.field("PMCR", "EPIS_SEL") == _RMII else [("A", 1), ("C", 3)]
        switched = all(mcu.gpio[port].alternate_function(pin) == _FUNCTION for port, pin in pins)
        return bool(self._phys) and switched and mcu.clocked("ETH1TX") and mcu.clocked("ETH1RX")

    def write_DMAMR(self, value: int, master: Master) -> None:
        self["DMAMR"] = value & self.implemented("DMAMR")

    def read_DMAMR(self, master: Master) -> int:
        """Return DMAMR; a software reset is over as soon as somebody looks, if the clocks are there."""
        if self["DMAMR"] & _SWR and self._has_clocks():
            self.reset()
        return self["DMAMR"]

    def _write_command(self, register: str, bits: int, value: int, master: Master) -> None:
        self[register] = value & ~bits

    # -- status ---------------------------------------------------------------------------------

    def read_DMACSR(self, master: Master) -> int:
        return self["DMACSR"]

    def write_DMACSR(self, value: int, master: Master) -> None:
        self["DMACSR"] &= ~value

    # -- management interface -------------------------------------------------------------------

    def write_MACMDIOAR(self, value: int, master: Master) -> None:
        """Start a transfer on MDIO, if MB is set and none is under way."""
        if self["MACMDIOAR"] & _BUSY:
            return
        self["MACMDIOAR"] = value & self.implemented("MACMDIOAR")
        if value & _BUSY:
            cycles = _MANAGEMENT_CLOCKS * _MANAGEMENT_DIVIDERS[self.field("MACMDIOAR", "CR")]
            delay = cycles * PS_PER_S // self.mcu.rcc.clock_hz("hclk")
            self._transfer = self.mcu.schedule(delay, self._finish_transfer)

    def _finish_transfer(self) -> None:
        self._transfer = None
        self["MACMDIOAR"] &= ~_BUSY
        phy = self._phys.get(self.field("MACMDIOAR", "PA"))
        register = self.field("MACMDIOAR", "RDA")
        operation = self.field("MACMDIOAR", "GOC")
        if operation == _READ:
            data = _SILENCE if phy is None else phy.read(register)
            self["MACMDIODR"] = self["MACMDIODR"] & ~0xFFFF | data
        elif operation == _WRITE and phy is not None:
            phy.write(register, self["MACMDIODR"] & 0xFFFF)
