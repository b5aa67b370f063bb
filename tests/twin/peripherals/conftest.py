"""A chip of peripherals only: time is moved by hand, and what would reach a core is written down."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from manual_timeline import Event, Timeline

from pytest_h7.chip.memory import FLASH_BANKS, FLASH_WORD_SIZE, Memory
from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.dbgmcu import Dbgmcu
from pytest_h7.twin.peripherals.exti import Exti
from pytest_h7.twin.peripherals.flash import Flash
from pytest_h7.twin.peripherals.gpio import Gpio
from pytest_h7.twin.peripherals.hsem import Hsem
from pytest_h7.twin.peripherals.syscfg import Syscfg
from pytest_h7.twin.pins import PORTS, Pins
from pytest_h7.twin.triggers import Triggers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.peripherals.peripheral import Peripheral


class Bench:
    """What the peripheral models see of the chip, and registers by name for a test."""

    def __init__(self) -> None:
        self.now = 0
        self.timeline = Timeline()
        self.irqs: set[tuple[str, int]] = set()
        self.events: list[str] = []
        self.wake_ups: list[str] = []
        self.unmodelled: Counter[tuple[str, str]] = Counter()
        self.csi_ready = False
        self.boot0 = False
        self.cells = {bank.name: bytearray(b"\xff" * bank.size) for bank in FLASH_BANKS}
        self.guards = {bank.name: bytearray(bank.size // FLASH_WORD_SIZE) for bank in FLASH_BANKS}
        self.changed_code: list[tuple[int, int]] = []
        self.executing: dict[str, str] = {}
        self.stalled: set[str] = set()
        self.modes = SimpleNamespace(stall=self.stalled.add, resume=self.stalled.discard)
        self.pwr = SimpleNamespace(voltage_scale=3, boost_changed=lambda: None)
        self.intruded = False
        mcu = cast("Any", self)
        self.rcc = self
        self.pins = Pins(mcu)
        self.triggers = Triggers()
        self.flash = Flash(mcu)
        self.syscfg = Syscfg(mcu)
        self.exti = Exti(mcu)
        self.hsem = Hsem(mcu)
        self.dbgmcu = Dbgmcu(mcu)
        self.gpio = {port: Gpio(mcu, port, self.pins) for port in PORTS}
        self.models: dict[str, Peripheral] = {
            model.name: model
            for model in (
                self.flash,
                self.syscfg,
                self.exti,
                self.hsem,
                self.dbgmcu,
                *self.gpio.values(),
            )
        }
        self.reset()

    def reset(self) -> None:
        """A system reset of the peripherals."""
        for model in self.models.values():
            model.reset()

    # -- what the models use --------------------------------------------------------------------

    def schedule(self, delay: int, action: Callable[[], None]) -> Event:
        return self.timeline.schedule(self.now + delay, action)

    def set_irq(self, core: str, irq: int, level: bool) -> None:
        (self.irqs.add if level else self.irqs.discard)((core, irq))

    def send_event(self, core: str) -> None:
        self.events.append(core)

    def wakeup_changed(self, core: str) -> None:
        if self.exti.wake_pending(core):
            self.wake_ups.append(core)

    def debug_clocks_changed(self) -> None:
        """Nothing sleeps here."""

    def observe(self) -> None:
        """Nobody traces signals here."""

    def count_unmodelled(self, peripheral: str, register: str, master: Master, *, write: bool) -> None:
        self.unmodelled[peripheral, register] += 1

    def update_domains(self) -> None:
        """There are no domains here."""

    def memory(self, name: str) -> memoryview:
        return memoryview(self.cells[name])

    def flash_guard(self, bank: Memory) -> memoryview:
        return memoryview(self.guards[bank.name])

    def guards_changed(self) -> None:
        """No core looks at them here."""

    def backup_access_changed(self) -> None:
        """There is no backup SRAM here."""

    def cores_executing_in(self, memory: Memory) -> list[str]:
        return [core for core, name in self.executing.items() if name == memory.name]

    def clock_hz(self, name: str) -> int:
        return 64_000_000

    def check_clocks(self) -> None:
        """Nobody warns here."""

    def code_changed(self, address: int, length: int) -> None:
        self.changed_code.append((address, length))

    def field(self, register: str, field: str) -> int:
        assert (register, field) == ("CR", "CSIRDY")
        return int(self.csi_ready)

    # -- what a test uses -----------------------------------------------------------------------

    def run(self, duration: int) -> None:
        """Advance board time by `duration` picoseconds."""
        end = self.now + duration
        while (time := self.timeline.next_time()) is not None and time <= end:
            self.now = time
            self.timeline.run_due(time)
        self.now = end

    def read(self, register: str, master: Master = Master.CM7) -> int:
        """Read ``"HSEM.R0"`` as a word."""
        model, offset = self._place(register)
        return model.read(offset, 4, master)

    def write(self, register: str, value: int, master: Master = Master.CM7) -> None:
        """Write ``"HSEM.R0"`` as a word."""
        model, offset = self._place(register)
        model.write(offset, 4, value, master)

    def set_bits(self, register: str, bits: int, master: Master = Master.CM7) -> None:
        self.write(register, self.read(register, master) | bits, master)

    def _place(self, register: str) -> tuple[Peripheral, int]:
        name, register = register.split(".")
        model = self.models[name]
        return model, model.map.registers[register].offset


@pytest.fixture
def chip() -> Bench:
    return Bench()


@pytest.fixture(scope="session")
def make_chip() -> type[Bench]:
    """For tests that need a new chip for each example."""
    return Bench
