"""MDMA, the master DMA controller of domain D1 (RM0399 chapter 14).

A channel moves buffers of up to 128 bytes. A request, by software or from another peripheral, is for one
buffer, a block of them, a block that is repeated, or a list of such settings in memory. Of the hardware requests
those of DMA1 and DMA2 exist (a stream's TCIF rises); a channel that waits for another one is counted.
Assumptions: an item read and an item written take a bus clock each, channels do not wait for each other, and a
hardware request is an edge.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.bus_port import BusPort, Pointer
from pytest_h7.twin.peripherals.mdma_data import converted
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.peripherals.dma import Dma
    from pytest_h7.twin.timeline import Event

CHANNELS = 16
_REQUESTS = 16
"""Requests that there are here: the streams of DMA1 and DMA2 (RM0399 table 99)."""
_TE, _CTC, _BRT, _BT, _TC = (1 << bit for bit in range(5))
_CRQA = 1 << 16
_EN, _SWRQ = 1 << 0, 1 << 16
_INTERRUPTS = 0x3E
_SWRM = 1 << 30
_BUFFER, _BLOCK, _REPEATED_BLOCK, _WHOLE = range(4)
_TED, _TELD, _ASE, _BSE = 1 << 7, 1 << 8, 1 << 10, 1 << 11
_SBUS, _DBUS = 1 << 16, 1 << 17
_ADDRESS = 0xFFFF_FFFF
_ERROR_STATUS = frozenset(f"C{number}ESR" for number in range(CHANNELS))
_NODE = ("TCR", "BNDTR", "SAR", "DAR", "BRUR", "LAR", "TBR", None, "MAR", "MDR")
"""Words of an entry of a linked list (RM0399 14.3.10)."""


def _in_tcm(address: int) -> bool:
    return address >> 24 in (0x00, 0x20)


class _Channel:
    """What a channel does at the moment; its settings are in its registers."""

    def __init__(self) -> None:
        self.requested = False
        self.block_size = 0
        """Bytes of a block, which BNDT is loaded with for each repetition."""
        self.event: Event | None = None


class Mdma(Peripheral):
    """The controller.

    Args:
        mcu: The chip.
        controllers: DMA1 and DMA2, whose completed transfers are requests.
    """

    def __init__(self, mcu: Mcu, controllers: Sequence[Dma]) -> None:
        self._port = BusPort(mcu, Master.MDMA)
        self._channels = [_Channel() for _ in range(CHANNELS)]
        self._flags = [0] * CHANNELS
        super().__init__(mcu, "MDMA")
        for index, controller in enumerate(controllers):
            controller.on_complete = partial(self._hardware_request, 8 * index)
        for number in range(CHANNELS):
            self.model(f"C{number}ISR", partial(self._read_flags, number))
            self.model(f"C{number}IFCR", writer=partial(self._clear_flags, number))
            self.model(f"C{number}CR", writer=partial(self._write_control, number))
            for register in _NODE:
                if register is not None:
                    name = f"C{number}{register}"
                    self.model(name, writer=partial(self._write_setting, number, name))

    def plain_storage(self) -> frozenset[str]:
        return _ERROR_STATUS

    def reset(self) -> None:
        """Reset by a system reset or by RCC: transfers end where they are."""
        super().reset()
        for number, channel in enumerate(self._channels):
            self._stop(channel)
            self._flags[number] = 0
        self._update_interrupt()

    def clock_changed(self) -> None:
        """Go on with what waited for the bus clock."""
        for number, channel in enumerate(self._channels):
            if channel.requested:
                self._go_on(number)

    # -- requests -------------------------------------------------------------------------------

    def _hardware_request(self, first: int, stream: int) -> None:
        """Take the request of a stream: of all enabled channels that have it selected."""
        for number in range(CHANNELS):
            if self._selection(number) == first + stream and not self[f"C{number}TCR"] & _SWRM:
                self._request(number)

    def _selection(self, number: int) -> int:
        """Return TSEL: which request a channel takes."""
        return self[f"C{number}TBR"] & 0x3F

    def _request(self, number: int) -> None:
        if self[f"C{number}CR"] & _EN:
            self._channels[number].requested = True
            self._go_on(number)

    def _go_on(self, number: int) -> None:
        """Let the next buffer end in time."""
        channel = self._channels[number]
        bus_hz = self.mcu.rcc.clock_hz("hclk") if self.mcu.clocked(self.name) else 0
        if channel.event is None and bus_hz:
            length = self._buffer_length(number)
            items = length // self._size(number, "SSIZE") + length // self._size(number, "DSIZE")
            duration = max(1, items) * PS_PER_S // bus_hz
            channel.event = self.mcu.schedule(duration, partial(self._finish_buffer, number))

    def _stop(self, channel: _Channel) -> None:
        if channel.event is not None:
            channel.event.cancel()
        channel.event = None
        channel.requested = False

    # -- a transfer -----------------------------------------------------------------------------

    def _setting(self, number: int, register: str, field: str) -> int:
        return self.map.registers[f"C{number}{register}"].fields[field].extract(self[f"C{number}{register}"])

    def _size(self, number: int, field: str) -> int:
        return 1 << self._setting(number, "TCR", field)

    def _step(self, number: int, mode: str, offset: str) -> int:
        step = 1 << self._setting(number, "TCR", offset)
        return (0, 0, step, -step)[self._setting(number, "TCR", mode)]

    def _buffer_length(self, number: int) -> int:
        left = self._setting(number, "BNDTR", "BNDT")
        return min(self._setting(number, "TCR", "TLEN") + 1, left)

    def _finish_buffer(self, number: int) -> None:
        """Move a buffer, and see what it ends."""
        channel = self._channels[number]
        channel.event = None
        if not self.mcu.clocked(self.name):
            return
        try:
            self._move(number)
            self._acknowledge(number)
        except BusFault:
            return
        flags = _TC
        if not self._setting(number, "BNDTR", "BNDT"):
            flags |= _BT | self._next_block(number)
        mode = self._setting(number, "TCR", "TRGM")
        if flags & (_CTC | (0, _BT, _BRT, _CTC)[mode]) or mode == _BUFFER:
            channel.requested = False
        self._raise(number, flags)
        if channel.requested:
            self._go_on(number)

    def _move(self, number: int) -> None:
        length = self._buffer_length(number)
        control = self[f"C{number}TCR"]
        source = Pointer(
            self[f"C{number}SAR"], self._size(number, "SSIZE"), self._step(number, "SINC", "SINCOS")
        )
        destination = Pointer(
            self[f"C{number}DAR"], self._size(number, "DSIZE"), self._step(number, "DINC", "DINCOS")
        )
        self._check(number, source, _SBUS, 0)
        self._check(number, destination, _DBUS, _TED)
        try:
            data = self._port.read(source, length // source.size)
        except BusFault:
            self._fail(number, source.address & 0x7F)
            raise
        data = converted(data, source.size, destination.size, control, self[f"C{number}CR"])
        try:
            self._port.write(destination, data)
        except BusFault:
            self._fail(number, _TED | destination.address & 0x7F)
            raise
        self[f"C{number}SAR"] = source.address & _ADDRESS
        self[f"C{number}DAR"] = destination.address & _ADDRESS
        self[f"C{number}BNDTR"] -= length

    def _check(self, number: int, pointer: Pointer, bus: int, write: int) -> None:
        """Fail where the address is not one of the selected bus: the TCMs are at the AHBS port (SBUS, DBUS)."""
        if _in_tcm(pointer.address) != bool(self[f"C{number}TBR"] & bus):
            self._fail(number, write | pointer.address & 0x7F)
            raise BusFault(pointer.address)

    def _acknowledge(self, number: int) -> None:
        """Clear the request at its source: MDR is written to the address in MAR, if there is one."""
        address = self[f"C{number}MAR"]
        if address and not self[f"C{number}TCR"] & _SWRM:
            self.mcu.write(address, 4, self[f"C{number}MDR"], Master.MDMA)

    def _next_block(self, number: int) -> int:
        """Begin a repetition of the block, or the next entry of the list; return the flags of what has ended."""
        settings = self[f"C{number}BNDTR"]
        repetitions = settings >> 20
        if repetitions:
            self[f"C{number}BNDTR"] = (
                repetitions - 1 << 20 | settings & 3 << 18 | self._channels[number].block_size
            )
            self._update_address(number, "SAR", self._setting(number, "BRUR", "SUV"), down=settings >> 18 & 1)
            self._update_address(number, "DAR", self._setting(number, "BRUR", "DUV"), down=settings >> 19 & 1)
            return 0
        link = self[f"C{number}LAR"]
        if link:
            return _BRT | self._load(number, link)
        self[f"C{number}CR"] &= ~_EN
        return _BRT | _CTC

    def _update_address(self, number: int, register: str, update: int, *, down: int) -> None:
        name = f"C{number}{register}"
        self[name] = self[name] + (-update if down else update) & _ADDRESS

    def _load(self, number: int, link: int) -> int:
        """Take the settings of an entry of the linked list; return the flag of an error."""
        try:
            for index, register in enumerate(_NODE):
                word = self.mcu.read(link + 4 * index, 4, Master.MDMA)
                if register is not None:
                    self[f"C{number}{register}"] = word
        except BusFault:
            self._fail(number, _TELD | link & 0x7F)
            return _TE
        return 0 if self._accept(number) else _TE

    def _fail(self, number: int, status: int) -> None:
        self[f"C{number}ESR"] = status
        self[f"C{number}CR"] &= ~_EN
        self._stop(self._channels[number])
        self._raise(number, _TE)

    # -- registers ------------------------------------------------------------------------------

    def _write_control(self, number: int, value: int, master: Master) -> None:
        """Write CR; of an enabled channel only the interrupts can be changed, EN cleared and SWRQ set."""
        name, channel = f"C{number}CR", self._channels[number]
        before = self[name]
        value &= self.implemented(name)
        kept = _EN | _INTERRUPTS
        self[name] = value & kept | before & ~kept if before & _EN else value & ~_SWRQ
        if value & _EN and not before & _EN:
            self._accept(number)
            if not self[f"C{number}TCR"] & _SWRM and self._selection(number) >= _REQUESTS and master.is_core:
                self.mcu.count_unmodelled(self.name, f"C{number}TBR", master, write=True)
        elif before & ~value & _EN:
            self._stop(channel)
            self._raise(number, _CTC)
        if value & _SWRQ and self[f"C{number}TCR"] & _SWRM:
            self._request(number)
        self._update_interrupt()

    def _accept(self, number: int) -> bool:
        """Take over settings; sizes have to divide block, buffer and addresses (RM0399 14.5.4)."""
        block = self._channels[number].block_size = self._setting(number, "BNDTR", "BNDT")
        buffer = self._setting(number, "TCR", "TLEN") + 1
        source, destination = self._size(number, "SSIZE"), self._size(number, "DSIZE")
        largest = max(source, destination) if self._setting(number, "TCR", "PKE") else source
        if not block or block % largest or buffer % largest:
            self._fail(number, _BSE)
        elif self[f"C{number}SAR"] % source or self[f"C{number}DAR"] % destination:
            self._fail(number, _ASE)
        return bool(self[f"C{number}CR"] & _EN)

    def _write_setting(self, number: int, name: str, value: int, master: Master) -> None:
        """Write any other register of a channel; ignored while it is enabled."""
        if not self[f"C{number}CR"] & _EN:
            self[name] = value & self.implemented(name)

    def read_GISR0(self, master: Master) -> int:
        return sum(1 << number for number in range(CHANNELS) if self._interrupts(number))

    def _read_flags(self, number: int, master: Master) -> int:
        return self._flags[number] | (_CRQA if self._channels[number].requested else 0)

    def _clear_flags(self, number: int, value: int, master: Master) -> None:
        self._flags[number] &= ~value
        if value & _TE:
            self[f"C{number}ESR"] = 0
        self._update_interrupt()

    def _raise(self, number: int, flags: int) -> None:
        self._flags[number] |= flags
        self._update_interrupt()

    def _interrupts(self, number: int) -> bool:
        return bool(self._flags[number] << 1 & self[f"C{number}CR"] & _INTERRUPTS)

    def _update_interrupt(self) -> None:
        self.mcu.drive_interrupt("MDMA", self.name, any(map(self._interrupts, range(CHANNELS))))
