"""What the registers of a U(S)ART say: speed, format, signals (RM0399 51.5.7, 51.8; LPUART: 52.4.7, 52.7)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz, kernel_clock_source
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.serial_line import Format
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

LPUART = "LPUART1"
CORES = ("cm7", "cm4")

UE, UESM, RE, TE = (1 << bit for bit in range(4))
FIFOEN = 1 << 29
SWAP, TXINV = 1 << 15, 1 << 17
HDSEL, RTSE, CTSE, DDRE, DEM, DEP = (1 << bit for bit in (3, 8, 9, 13, 14, 15))
_FORMAT_BITS = {"CR1": 1 << 9 | 1 << 10 | 1 << 12 | 1 << 28, "CR2": 3 << 12 | 3 << 18}

FIFO_SIZE = 16
_PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)
_THRESHOLDS = (2, 4, 8, 12, 14, 16)
_SWAPPED = {"TX": "RX", "RX": "TX"}
_STOP_BITS = (1.0, 0.5, 2.0, 1.5)
_RUN_IN_STOP = ("hsi", "csi", "lse")
"""Kernel clocks that a U(S)ART with UESM gets in Stop mode (RM0399 51.5.21)."""


@cache
def _format(cr1: int, cr2: int) -> Format:
    word_length = cr1 >> 27 & 2 | cr1 >> 12 & 1
    return Format(
        (8, 9, 7, 8)[word_length],
        parity=cr1 >> 9 & 1 if cr1 & 1 << 10 else None,
        stop_bits=_STOP_BITS[cr2 >> 12 & 3],
        data_inverted=bool(cr2 & 1 << 18),
        most_significant_first=bool(cr2 & 1 << 19),
    )


class UsartSettings(Peripheral):
    """The registers, seen from the transmitter and the receiver."""

    unsaved = frozenset({"_signals"})

    def __init__(self, mcu: Mcu, name: str) -> None:
        self._signals = {line: f"{name}_{line}" for line in ("TX", "RX", "CTS", "RTS", "DE")}
        super().__init__(mcu, name)

    # -- speed ----------------------------------------------------------------------------------

    @property
    def kernel_hz(self) -> int:
        """The kernel clock in Hz, 0 where it has none: without bus clock it goes on only for a wake-up."""
        if self.mcu.clocked(self.name):
            return kernel_clock_hz(self.mcu.rcc, self.name)
        return self._kernel_hz_in_stop()

    def _kernel_hz_in_stop(self) -> int:
        source = kernel_clock_source(self.mcu.rcc, self.name)
        if not self["CR1"] & UESM or source not in _RUN_IN_STOP:
            return 0
        if not any(self.mcu.rcc.enabled_by(core, self.name, asleep=True) for core in CORES):
            return 0
        return kernel_clock_hz(self.mcu.rcc, self.name) if source == "lse" else self.mcu.rcc.clock_hz(source)

    @property
    def stopped(self) -> bool:
        """Whether it has no bus clock, and waits for something that wakes the chip up."""
        return bool(self["CR1"] & UESM) and not self.mcu.clocked(self.name)

    @property
    def baud_rate(self) -> float:
        """Bits per second at the present kernel clock; 0 without a clock or with BRR below its minimum."""
        divider = self["BRR"]
        clock = self.kernel_hz / _PRESCALERS[min(self["PRESC"], len(_PRESCALERS) - 1)]
        if self.name == LPUART:
            return 256 * clock / divider if divider >= 0x300 else 0.0
        if divider < 16:
            return 0.0
        if self.option("CR1", "OVER8"):
            return 2 * clock / (divider & 0xFFF0 | (divider & 7) << 1)
        return clock / divider

    def set_baud_rate(self, baud_rate: float) -> bool:
        """Set the divider for a baud rate, as automatic detection does; return whether it is in range."""
        clock = self.kernel_hz / _PRESCALERS[min(self["PRESC"], len(_PRESCALERS) - 1)]
        if self.option("CR1", "OVER8"):
            divider = round(2 * clock / baud_rate)
            self["BRR"] = divider & 0xFFF0 | (divider & 0xF) >> 1
        else:
            divider = round(clock / baud_rate)
            self["BRR"] = divider & 0xFFFF
        return 16 <= divider <= 0xFFFF

    # -- format ---------------------------------------------------------------------------------

    @property
    def format(self) -> Format:
        """How characters become frames; what the inversion of the line makes of it is left out."""
        return _format(self["CR1"] & _FORMAT_BITS["CR1"], self["CR2"] & _FORMAT_BITS["CR2"])

    def frame_time(self, baud_rate: float) -> int:
        """Return how long a frame takes, in picoseconds."""
        return round(self.format.duration(baud_rate))

    # -- modes ----------------------------------------------------------------------------------

    @property
    def fifo(self) -> bool:
        """Whether the FIFOs are on."""
        return bool(self["CR1"] & FIFOEN)

    def threshold(self, field: str) -> int:
        """Return the characters (receive) or free places (transmit) that RXFTCFG or TXFTCFG stands for."""
        return _THRESHOLDS[min(self.field("CR3", field), len(_THRESHOLDS) - 1)]

    def enabled(self, bit: int) -> bool:
        """Return whether UE and a bit of CR1 are set."""
        return self["CR1"] & (UE | bit) == UE | bit

    def option(self, register: str, field: str) -> int:
        """Return a field that LPUART1 does not have; of that one 0."""
        return self.field(register, field) if field in self.map.registers[register].fields else 0

    @property
    def half_duplex(self) -> bool:
        """Whether the transmitter's line is the receiver's, too."""
        return bool(self["CR3"] & HDSEL)

    # -- signals --------------------------------------------------------------------------------

    def signal(self, line: str) -> str:
        """Return the signal of ``"TX"`` or ``"RX"``, which SWAP exchanges, ``"CTS"``, ``"RTS"`` or ``"DE"``."""
        if self["CR2"] & SWAP:
            line = _SWAPPED.get(line, line)
        return self._signals[line]

    @property
    def receives_from(self) -> str:
        """The signal the receiver listens to."""
        return self.signal("TX" if self.half_duplex else "RX")

    def hears(self, signal: str) -> bool:
        """Return whether the receiver is at a signal."""
        return signal == self.receives_from

    @property
    def receiver_connected(self) -> bool:
        """Whether a pin is switched to the receiver's signal."""
        return bool(self.mcu.pins.switched_to(self.receives_from))

    def bits(self, count: float, baud_rate: float) -> int:
        """Return the time of some bits, in picoseconds."""
        return round(count * PS_PER_S / baud_rate)
