"""What a stream of DMA1 and DMA2 and a channel of BDMA have in common: moving items on requests.

Sources: RM0399 chapters 16 (DMA) and 17 (BDMA). Times are assumptions: a request is served after
`REQUEST_CYCLES` bus clocks, and a transfer between memories takes `ITEM_CYCLES` an item, read and write.
Streams and channels do not wait for each other: priorities have no effect. Data is read when it is moved:
nothing is fetched ahead of a request.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_h7.twin.bus import BusFault
from pytest_h7.twin.bus_port import BusPort, Pointer
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

CHANNELS = 8
REQUEST_CYCLES = 5
ITEM_CYCLES = 2
SLICE = 64
"""Items that a transfer between memories moves at once, so that its progress shows."""


class DmaFlag(enum.Enum):
    """What a channel reports."""

    COMPLETE = "TC"
    HALF = "HT"
    TRANSFER_ERROR = "TE"


@dataclass(frozen=True, slots=True)
class Setup:
    """What the registers say when a channel is enabled.

    Attributes:
        reads_peripheral: Whether data goes from the address in PAR to memory, otherwise the other way.
        between_memories: Whether it goes on without requests.
        circular: Whether it starts anew at its end.
        double_buffer: Whether it changes to the other memory address at its end, and goes on.
        peripheral: Address in PAR.
        peripheral_size: Bytes of an item there; their number is what NDTR counts.
        peripheral_step: Bytes from one to the next.
        memory_size: Bytes of an item in memory.
        memory_step: Bytes from one to the next.
        count: Items at the peripheral.
        burst: Items that a request moves.
        threshold: Bytes that are collected in the FIFO before they go to memory, 0 without one.
        packs: Whether items of different sizes are cut and joined; else each is cut or filled with zeros.
        stays_enabled: Whether EN remains set at the end of a transfer that is not circular.
    """

    reads_peripheral: bool
    between_memories: bool
    circular: bool
    double_buffer: bool
    peripheral: int
    peripheral_size: int
    peripheral_step: int
    memory_size: int
    memory_step: int
    count: int
    burst: int = 1
    threshold: int = 0
    packs: bool = False
    stays_enabled: bool = False


class RequestMux(Protocol):
    """What selects the request lines of a controller: its DMAMUX."""

    def requested(self, output: int) -> bool:
        """Return whether an output asks for a transfer."""
        ...

    def acknowledge(self, output: int) -> None:
        """Take note that an output's request is served."""
        ...


class DmaController(Peripheral):
    """A controller with eight channels, each with the request line of an output of a DMAMUX.

    Args:
        mcu: The chip.
        name: Of the peripheral.
        master: What it is on the bus.
    """

    def __init__(self, mcu: Mcu, name: str, master: Master) -> None:
        self.port = BusPort(mcu, master)
        self.channels = [DmaChannel(self, number) for number in range(CHANNELS)]
        self._mux: RequestMux | None = None
        self._first_output = 0
        super().__init__(mcu, name)

    def connect(self, mux: RequestMux, first_output: int) -> None:
        """Take requests from the outputs of a DMAMUX from `first_output` on."""
        self._mux = mux
        self._first_output = first_output

    def reset(self) -> None:
        """Reset by a system reset or by RCC: transfers end where they are."""
        super().reset()
        for channel in self.channels:
            channel.reset()

    def clock_changed(self) -> None:
        """Go on with what waited for the bus clock."""
        for channel in self.channels:
            if channel.enabled:
                channel.go_on()

    @property
    def cycle(self) -> int:
        """Picoseconds of a bus clock, 0 while there is none."""
        bus_hz = self.mcu.rcc.clock_hz("hclk") if self.mcu.clocked(self.name) else 0
        return PS_PER_S // bus_hz if bus_hz else 0

    def requested(self, number: int) -> bool:
        """Return whether the request line of a channel is active."""
        return self._mux is not None and self._mux.requested(self._first_output + number)

    def acknowledge(self, number: int) -> None:
        """Answer the request of a channel."""
        if self._mux is not None:
            self._mux.acknowledge(self._first_output + number)

    def memory_address(self, number: int, target: int) -> int:
        """Return memory address 0 or 1 of a channel."""
        raise NotImplementedError

    def report(self, number: int, flag: DmaFlag) -> None:
        """Show a flag of a channel."""
        raise NotImplementedError


class DmaChannel:
    """One stream or channel.

    Attributes:
        enabled: EN.
        remaining: Items still to be moved, as NDTR shows it.
        target: Memory address in use, 0 or 1, as CT shows it.
        fifo: Bytes that have been read and not been written.
    """

    def __init__(self, host: DmaController, number: int) -> None:
        self._host = host
        self._number = number
        self.enabled = False
        self.remaining = 0
        self.target = 0
        self.fifo = bytearray()
        self._setup: Setup | None = None
        self._peripheral = Pointer(0, 1, 0)
        self._memory = Pointer(0, 1, 0)
        self._event: Event | None = None

    def reset(self) -> None:
        """Forget everything, without a flag."""
        self._cancel()
        self.enabled = False
        self.remaining = self.target = 0
        self.fifo.clear()

    def start(self, setup: Setup, target: int = 0) -> None:
        """Enable: from here on requests are served, or the memories copied."""
        self._setup = setup
        self.enabled = True
        self.target = target
        self.fifo.clear()
        self._begin()
        self.go_on()

    def stop(self) -> None:
        """Disable: what the FIFO holds is written; NDTR keeps what is left to do."""
        if not self.enabled:
            return
        self._cancel()
        self.enabled = False
        if self.fifo and self._setup is not None and self._setup.reads_peripheral:
            try:
                self._write_memory(flush=True)
            except BusFault:
                self._host.report(self._number, DmaFlag.TRANSFER_ERROR)

    def go_on(self) -> None:
        """Serve what may wait: a request line has risen, or the clock is back."""
        if not self.enabled or self.remaining == 0 or self._event is not None or not self._host.cycle:
            return
        assert self._setup is not None
        if self._setup.between_memories:
            items = self._slice(self._setup)
            self._event = self._host.mcu.schedule(items * ITEM_CYCLES * self._host.cycle, self._move_slice)
        elif self._host.requested(self._number):
            self._event = self._host.mcu.schedule(REQUEST_CYCLES * self._host.cycle, self._serve)

    # -- a transfer -----------------------------------------------------------------------------

    def _begin(self) -> None:
        """Load the counter and both addresses."""
        setup = self._setup
        assert setup is not None
        self.remaining = setup.count
        self._peripheral = Pointer(setup.peripheral, setup.peripheral_size, setup.peripheral_step)
        memory = self._host.memory_address(self._number, self.target)
        self._memory = Pointer(memory, setup.memory_size, setup.memory_step)

    def _cancel(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None

    def _serve(self) -> None:
        self._event = None
        if self._host.cycle and self._host.requested(self._number):
            assert self._setup is not None
            self._host.acknowledge(self._number)
            for _ in range(self._setup.burst):
                if self.enabled and self.remaining:
                    self._move(1)
        self.go_on()

    def _slice(self, setup: Setup) -> int:
        """Items up to the next one that shows: of a slice, the half or the end."""
        half = setup.count // 2
        to_flag = self.remaining - half if self.remaining > half else self.remaining
        return min(SLICE, to_flag)

    def _move_slice(self) -> None:
        self._event = None
        if self._host.cycle:
            assert self._setup is not None
            self._move(self._slice(self._setup))
        self.go_on()

    def _move(self, count: int) -> None:
        """Move items, as NDTR counts them, and show how far it is."""
        setup = self._setup
        assert setup is not None
        try:
            if setup.reads_peripheral:
                data = self._host.port.read(self._peripheral, count)
                self.fifo += data if setup.packs else _resized(data, setup.peripheral_size, setup.memory_size)
                self.remaining -= count
                self._write_memory(flush=self.remaining == 0)
            else:
                self._write_peripheral(setup, count)
                self.remaining -= count
        except BusFault:
            self._cancel()
            self.enabled = False
            self._host.report(self._number, DmaFlag.TRANSFER_ERROR)
            return
        if self.remaining == setup.count // 2:
            self._host.report(self._number, DmaFlag.HALF)
        if self.remaining == 0:
            self._complete(setup)

    def _write_memory(self, *, flush: bool) -> None:
        """Write whole items from the FIFO, at its end what is left of one, too."""
        setup = self._setup
        assert setup is not None
        if not flush and len(self.fifo) < setup.threshold:
            return
        whole = len(self.fifo) // setup.memory_size * setup.memory_size
        if whole:
            self._host.port.write(self._memory, bytes(self.fifo[:whole]))
            del self.fifo[:whole]
        if flush and self.fifo:
            rest = Pointer(self._memory.address, 1, 1)
            self._host.port.write(rest, bytes(self.fifo))
            self.fifo.clear()

    def _write_peripheral(self, setup: Setup, count: int) -> None:
        size = setup.peripheral_size
        if setup.packs:
            missing = count * size - len(self.fifo)
            if missing > 0:
                self.fifo += self._host.port.read(self._memory, -(-missing // setup.memory_size))
            data = bytes(self.fifo[: count * size])
            del self.fifo[: count * size]
        else:
            data = _resized(self._host.port.read(self._memory, count), setup.memory_size, size)
        self._host.port.write(self._peripheral, data)

    def _complete(self, setup: Setup) -> None:
        if setup.double_buffer:
            self.target ^= 1
        if setup.circular or setup.double_buffer:
            self._begin()
        else:
            self.enabled = setup.stays_enabled
        self._host.report(self._number, DmaFlag.COMPLETE)


def _resized(data: bytes, size: int, wanted: int) -> bytes:
    """Cut items of `size` bytes to `wanted`, or fill them with zeros (RM0399 table 124)."""
    if size == wanted:
        return data
    items = (data[place : place + size] for place in range(0, len(data), size))
    return b"".join(item[:wanted].ljust(wanted, b"\0") for item in items)
