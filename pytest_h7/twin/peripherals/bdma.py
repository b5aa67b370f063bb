"""BDMA, the controller of domain D3 (RM0399 chapter 17); what its channels do is in `dma_channel`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.dma_channel import CHANNELS, DmaController, DmaFlag, Setup

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

_GI, _TC, _HT, _TE = (1 << bit for bit in range(4))
_FLAGS = {DmaFlag.COMPLETE: _TC, DmaFlag.HALF: _HT, DmaFlag.TRANSFER_ERROR: _TE}
_EN, _TCIE, _HTIE, _TEIE, _DIR, _CIRC, _PINC, _MINC = (1 << bit for bit in range(8))
_MEM2MEM, _DBM, _CT = (1 << bit for bit in (14, 15, 16))
_WRITABLE_WHILE_ENABLED = _EN | _TCIE | _HTIE | _TEIE


class Bdma(DmaController):
    """The controller, with eight channels; it reaches what is in domain D3 only.

    A channel stays enabled at the end of a transfer that is not circular: firmware disables it to load CNDTR anew.
    """

    def __init__(self, mcu: Mcu) -> None:
        self._flags = [0] * CHANNELS
        super().__init__(mcu, "BDMA", Master.BDMA)
        for number in range(CHANNELS):
            self.model(
                f"CCR{number}", partial(self._read_control, number), partial(self._write_control, number)
            )
            self.model(
                f"CNDTR{number}", partial(self._read_count, number), partial(self._write_count, number)
            )
            for register in ("CPAR", "CM0AR", "CM1AR"):
                name = f"{register}{number}"
                self.model(name, writer=partial(self._write_address, number, name))

    def reset(self) -> None:
        """Reset by a system reset or by RCC: no channel is enabled, no flag set."""
        super().reset()
        for number in range(CHANNELS):
            self._flags[number] = 0
            self._update_interrupt(number)

    # -- flags ----------------------------------------------------------------------------------

    def report(self, number: int, flag: DmaFlag) -> None:
        self._flags[number] |= _FLAGS[flag]
        self._update_interrupt(number)

    def read_ISR(self, master: Master) -> int:
        return sum((flags | bool(flags)) << 4 * number for number, flags in enumerate(self._flags))

    def write_IFCR(self, value: int, master: Master) -> None:
        """Clear flags; CGIF clears all of a channel."""
        for number in range(CHANNELS):
            cleared = value >> 4 * number & 0xF
            self._flags[number] &= 0 if cleared & _GI else ~cleared
            self._update_interrupt(number)

    def _update_interrupt(self, number: int) -> None:
        level = bool(self._flags[number] & self[f"CCR{number}"] & (_TCIE | _HTIE | _TEIE))
        self.mcu.drive_interrupt(f"BDMA_Channel{number}", self.name, level)

    # -- a channel's registers --------------------------------------------------------------------

    def _read_control(self, number: int, master: Master) -> int:
        channel = self.channels[number]
        value = self[f"CCR{number}"] & ~(_EN | _CT)
        return value | (_EN if channel.enabled else 0) | (_CT if channel.target else 0)

    def _write_control(self, number: int, value: int, master: Master) -> None:
        """Write CCR; of an enabled channel only the interrupts can be changed, and EN cleared."""
        name, channel = f"CCR{number}", self.channels[number]
        value &= self.implemented(name)
        if channel.enabled:
            value = value & _WRITABLE_WHILE_ENABLED | self[name] & ~_WRITABLE_WHILE_ENABLED
        else:
            channel.target = int(bool(value & _CT))
        self[name] = value
        if value & _EN and not channel.enabled:
            channel.start(self._setup(number), channel.target)
        elif not value & _EN:
            channel.stop()
        self._update_interrupt(number)

    def _setup(self, number: int) -> Setup:
        control = self[f"CCR{number}"]
        between_memories = bool(control & _MEM2MEM)
        peripheral_size = 1 << min(control >> 8 & 3, 2)
        memory_size = 1 << min(control >> 10 & 3, 2)
        return Setup(
            reads_peripheral=not control & _DIR,
            between_memories=between_memories,
            circular=bool(control & _CIRC) and not between_memories,
            double_buffer=bool(control & _DBM) and not between_memories,
            peripheral=self[f"CPAR{number}"],
            peripheral_size=peripheral_size,
            peripheral_step=peripheral_size if control & _PINC else 0,
            memory_size=memory_size,
            memory_step=memory_size if control & _MINC else 0,
            count=self.channels[number].remaining,
            stays_enabled=True,
        )

    def memory_address(self, number: int, target: int) -> int:
        return self[f"CM{target}AR{number}"]

    def _read_count(self, number: int, master: Master) -> int:
        return self.channels[number].remaining

    def _write_count(self, number: int, value: int, master: Master) -> None:
        if not self.channels[number].enabled:
            self.channels[number].remaining = value & 0xFFFF

    def _write_address(self, number: int, register: str, value: int, master: Master) -> None:
        """Set an address; with double buffering the one that is not in use may be changed at any time."""
        channel = self.channels[number]
        spare = register == f"CM{1 - channel.target}AR{number}" and self[f"CCR{number}"] & _DBM
        if not channel.enabled or spare:
            self[register] = value
