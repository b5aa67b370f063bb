"""A chip of two memories and a few registers around one core."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable

from pytest_h7.twin.bus import BusFault
from pytest_h7.twin.cpu import Core

FLASH, FLASH_SIZE = 0x0800_0000, 0x2_0000
RAM, RAM_SIZE = 0x2000_0000, 0x2_0000

OUTPUT, PULSE_IRQ, RAISE_IRQ, LOWER_IRQ = 0x4000_0000, 0x4000_0004, 0x4000_0008, 0x4000_000C

MODELS = {"cm7": "cortex-m7", "cm4": "cortex-m4"}


class Chip:
    """The host of one core. What the core writes to OUTPUT is `output`; `calls` are the host's other callbacks,
    `halts` those that tell of Debug state."""

    def __init__(self, name: str = "cm7") -> None:
        self.arena = mmap.mmap(-1, FLASH_SIZE + RAM_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.pointer = ctypes.addressof(ctypes.c_char.from_buffer(self.arena))
        self.flash = memoryview(self.arena)[:FLASH_SIZE]
        self.ram = memoryview(self.arena)[FLASH_SIZE:]
        self.flash[:] = b"\xff" * FLASH_SIZE
        self.output = ""
        self.calls: list[str] = []
        self.halts: list[bool] = []
        self.stores: list[tuple[int, int, int]] = []
        self.on_store: Callable[[int, int, int], None] = lambda *store: self.stores.append(store)
        self.on_read: dict[int, Callable[[], int]] = {}
        self.on_write: dict[int, Callable[[int], None]] = {}
        self.core = Core(
            name,
            MODELS[name],
            self,
            [
                (FLASH, FLASH_SIZE, self.pointer, False),
                (RAM, RAM_SIZE, self.pointer + FLASH_SIZE, True),
            ],
        )

    def core_read(self, core: Core, address: int, size: int) -> int:
        if address in self.on_read:
            return self.on_read[address]()
        raise BusFault(address)

    def core_write(self, core: Core, address: int, size: int, value: int) -> None:
        match address:
            case 0x4000_0000:
                self.output += chr(value & 0xFF)
            case 0x4000_0004:
                core.pulse_irq(value)
            case 0x4000_0008:
                core.set_irq(value, True)
            case 0x4000_000C:
                core.set_irq(value, False)
            case _ if address in self.on_write:
                self.on_write[address](value)
            case _ if FLASH <= address < FLASH + FLASH_SIZE:
                self.on_store(address, size, value)
            case _:
                raise BusFault(address)

    def core_slept(self, core: Core) -> None:
        self.calls.append(core.sleep.value)

    def core_woke(self, core: Core) -> None:
        self.calls.append("woke")

    def event_sent(self, core: Core) -> None:
        self.calls.append("event")

    def reset_requested(self, core: Core) -> None:
        self.calls.append("reset")

    def exception_changed(self, core: Core) -> None:
        self.calls.append("locked up" if core.lockup else "exception")

    def halt_changed(self, core: Core) -> None:
        self.halts.append(core.halted)

    def load(self, image: bytes) -> None:
        """Put an image into flash and reset the core, with the debugger attached so that BKPT ends a test."""
        self.flash[: len(image)] = image
        self.core.invalidate(FLASH, FLASH_SIZE)
        self.core.write_debug(0xE000_EDF0, 0xA05F_0001)
        self.core.reset(FLASH)

    def run(self, cycles: int = 1_000_000, quantum: int = 1_000_000) -> str:
        """Run until the core stops for good or the time is over; return the output."""
        end = self.core.cycles + cycles
        while self.core.cycles < end and self.core.running:
            self.core.run(min(quantum, end - self.core.cycles))
        return self.output
