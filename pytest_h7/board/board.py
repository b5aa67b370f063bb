"""The board: two cores and what is around them, as one object."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_h7.bench.connection import translated_errors
from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.boot import BootReport, follow_boot_contract
from pytest_h7.board.clocks import PeripheralClocks
from pytest_h7.board.core import REPORTED_REGISTERS, Core, CoreState
from pytest_h7.board.domains import Domains, DomainState
from pytest_h7.board.exti import Exti
from pytest_h7.board.flashing import Flasher, FlashResult, Progress
from pytest_h7.board.gpio import Button, Led, Pin
from pytest_h7.board.hsem import Hsem
from pytest_h7.board.observation import describe, observed
from pytest_h7.board.option_bytes import OptionBytes
from pytest_h7.board.option_ledger import OptionLedger
from pytest_h7.board.option_registers import OptionRegisters
from pytest_h7.board.registers import Registers
from pytest_h7.board.watch import ExpectedFault, ExpectedReset, Watch
from pytest_h7.errors import CoreUnreachable, H7Error, TargetAccessError, WaitTimeout

if TYPE_CHECKING:
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import FlashPolicy
    from pytest_h7.board.images import Image, ImagePair
    from pytest_h7.twin.serial_peer import SerialPeer

ResetKind = Literal["hardware", "system", "power"]

_POLL = 0.001


@dataclass(frozen=True)
class CoreSnapshot:
    """A core at one moment; registers only if it was halted for it."""

    state: CoreState
    location: str | None
    registers: dict[str, int]
    fault: str | None


@dataclass(frozen=True)
class Snapshot:
    """The board at one moment, read without changing it."""

    time: float
    cores: dict[str, CoreSnapshot]
    domains: dict[str, DomainState]
    semaphores: dict[int, str] = field(default_factory=dict)


class Pins:
    """All pins by name: ``gpio["PC13"]``."""

    def __init__(self, make: Callable[[str], Pin]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> Pin:
        return self._make(name)


class Board:
    """A board with an STM32H755, real or virtual.

    Attributes:
        ap: The access ports AP0 to AP3.
        cm7: The Cortex-M7.
        cm4: The Cortex-M4, reachable at this moment or not.
        domains: The power domains `d1`, `d2` and `d3`.
        hsem: The hardware semaphores.
        exti: The EXTI lines.
        gpio: The pins, by name.
        description: What is wired to the chip.
        leds: The LEDs by their names on the board, such as ``LD1``.
        registers: All peripheral registers by name.
        option_bytes: The option bytes.
        option_ledger: What puts them back after a test.
        watch: What notices faults and resets that a test has not asked for.
        images: The images that symbols are looked up in, None before a test has asked for any.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        connection = bench.connection
        self._connection = connection
        self._clock = bench.clock
        self.images: ImagePair | None = None
        self.ap = tuple(AccessPort(connection, apsel) for apsel in range(4))
        self.cm7 = self._make_core("cm7", 0)
        self.cm4 = self._make_core("cm4", 3)
        self.domains = Domains(connection)
        self._clocks = PeripheralClocks(connection)
        self.registers = Registers(connection, self._clocks)
        self.hsem = Hsem(self.registers)
        self.exti = Exti(self.registers)
        self.gpio = Pins(lambda name: Pin(name, self.registers, bench))
        self.description = bench.settings.board_description
        self.leds = {
            name: Led(self.gpio[led.pin], led.active_high) for name, led in self.description.leds.items()
        }
        registers = OptionRegisters(
            connection, bench.clock, self.halt_reachable_cores, self.reset, self.reset_and_hold
        )
        self.option_ledger = OptionLedger(registers, bench.option_journal())
        self.option_bytes = OptionBytes(registers, self.option_ledger)
        self.watch = Watch(self)

    def _make_core(self, name: str, apsel: int) -> Core:
        def image() -> Image | None:
            return getattr(self.images, name) if self.images is not None else None

        return Core(name, self._connection, self._clock, self.ap[apsel], image)

    def __repr__(self) -> str:
        return f"<Board at {self.bench.probe.serial}>"

    @property
    def button(self) -> Button:
        """The user button; raise H7Error if the board has none."""
        wiring = self.description.button
        if wiring is None:
            raise H7Error(f"The {self.description.name} has no user button.")
        return Button(self.gpio[wiring.pin], wiring.active_high)

    # -- what is around the chip ------------------------------------------------------------------

    def serial_peer(self, tx: str, rx: str, baud_rate: int = 115_200) -> SerialPeer:
        """Wire a serial port to two pins, named as the chip sees them, until the end of the test.

        Returns:
            What `read`, `write` and `in_waiting` belong to.

        Raises:
            H7Error: this bench cannot; ask for ``h7_requires("surroundings")``.
        """
        return self.bench.require_surroundings().serial_peer(tx, rx, baud_rate)

    def set_supply(self, volts: float) -> None:
        """Supply the board with another voltage until the end of the test; raise H7Error if the bench cannot."""
        self.bench.require_surroundings().set_supply(volts)

    def set_boot0(self, high: bool) -> None:
        """Hold the BOOT0 pin high or low until the end of the test; raise H7Error if the bench cannot.

        The next reset looks at it: high chooses BOOT_CM7_ADD1 and BOOT_CM4_ADD1 (RM0399 2.6).
        """
        self.bench.require_surroundings().set_boot0(high)

    # -- time -------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return board time in seconds: simulated on the virtual board, else the monotonic clock."""
        return self._clock.time()

    def sleep(self, seconds: float) -> None:
        """Let board time pass."""
        self._clock.sleep(seconds)

    def wait_until(self, predicate: Callable[[], object], timeout: float, message: str | None = None) -> None:
        """Wait until `predicate` is true.

        Args:
            predicate: Called again and again.
            timeout: Board time in seconds; the predicate is called at least once.
            message: What was waited for, for the error.

        Raises:
            WaitTimeout: it did not become true in time; the message tells what it read of the board the last time.
        """
        __tracebackhide__ = True
        deadline = self.time() + timeout
        while True:
            result, readings = observed(predicate)
            if result:
                return
            if self.time() >= deadline:
                what = message or "what the test waits for"
                last = f" The last time, {describe(readings)}." if readings else ""
                raise WaitTimeout(f"Within {timeout:g} s of board time, {what} did not happen.{last}")
            self.sleep(_POLL)

    # -- cores and reset --------------------------------------------------------------------------

    @property
    def cores(self) -> tuple[Core, Core]:
        """Both cores."""
        return self.cm7, self.cm4

    def halt(self) -> tuple[str, ...]:
        """Halt both cores together, through the cross trigger; each by itself where it cannot be used.

        Together they stop at the same moment: the virtual board shows no cycle in between, a real chip takes a few
        to synchronise (Arm DDI0480). By itself the CM4 stops 1.7 ms after the CM7, which the ST-LINK takes for it.

        Returns:
            The names of the cores that are halted now; one that cannot be reached is not.

        Raises:
            CoreUnreachable: neither can be.
        """
        with self._connection.actions.doing("halt both cores"):
            return self._halt()

    def _halt(self) -> tuple[str, ...]:
        with translated_errors("halt both cores"):
            if self._connection.target.halt_together():
                return tuple(core.name for core in self.cores)
        halted: list[str] = []
        unreachable = None
        for core in self.cores:
            try:
                if not core.is_halted:
                    core.halt()
            except CoreUnreachable as error:
                unreachable = error
            else:
                halted.append(core.name)
        if unreachable is not None and not halted:
            raise unreachable
        return tuple(halted)

    def resume(self) -> None:
        """Let both cores run, together if both are halted; does nothing with one that runs or is unreachable."""
        with self._connection.actions.doing("resume both cores"):
            with translated_errors("resume both cores"):
                if self._connection.target.resume_together():
                    return
            for core in self.cores:
                if core.is_halted:
                    core.resume()

    def halt_reachable_cores(self) -> None:
        """Halt every core that can be reached."""
        for core in self.cores:
            try:
                core.halt()
            except CoreUnreachable:
                continue

    def reset(self, halt: bool = False, kind: ResetKind = "hardware") -> None:
        """Reset the chip.

        Args:
            halt: Stop the CM7 at its first instruction; the CM4 runs.
            kind: ``"hardware"`` by NRST, ``"system"`` by SYSRESETREQ, ``"power"`` by cutting the supply, which
                needs a bench that can.

        Raises:
            ValueError: `halt` with a power reset.
            H7Error: the bench has no power switch, or the CM7 could not be stopped.
        """
        with self._connection.actions.doing(f"reset ({kind}{', halt the CM7' if halt else ''})"):
            self._reset(halt, kind)

    def _reset(self, halt: bool, kind: ResetKind) -> None:
        if kind == "power":
            if halt:
                raise ValueError("a power reset cannot stop the CM7 at its first instruction")
            self._cycle_power()
            return
        with self.bench.probe.usage.purpose("reset"), translated_errors("reset the chip"):
            caught = self._connection.target.reset_chip(
                catch=("cm7",) if halt else (), hardware=kind == "hardware"
            )
        if halt and "cm7" not in caught:
            raise H7Error(
                f"The CM7 did not stop at its first instruction after the reset. {self.ap[0].explain()}"
            )

    def reset_and_hold(self) -> None:
        """Reset the chip and halt the CM7, so that AP0 gives access to flash and option bytes.

        AP0 has the CM7's clock, and reaches nothing while that sleeps or is held. A CM7 that its option byte
        holds is released through RCC_GCR (RM0399 9.7.34).

        Raises:
            H7Error: the CM7 could not be halted.
        """
        try:
            self.reset(halt=True)
        except H7Error:
            self.registers.RCC.GCR.BOOT_C1 = 1
            self.cm7.halt()

    def _cycle_power(self) -> None:
        if self.bench.power is None:
            raise H7Error("This bench cannot switch the board's power: mark the test h7_requires('power').")
        with uninterrupted():
            self.bench.power.cycle()
            self._connection.reconnect()

    def boot_contract(self, timeout: float = 1.0) -> BootReport:
        """Reset the board and watch both cores start; return when each stage was seen.

        Raises:
            BootContractBroken: a stage was not seen within `timeout` seconds of board time.
        """
        __tracebackhide__ = True
        return follow_boot_contract(self, timeout)

    # -- flash ------------------------------------------------------------------------------------

    def flash(self, pair: ImagePair, policy: FlashPolicy, progress: Progress | None = None) -> FlashResult:
        """Have both images in flash, proven by reading back; reset the board afterwards to run them.

        Cores are left halted after a reset, but for small images that were there already.

        Args:
            pair: The images.
            policy: Whether they are programmed where flash differs, always or never.
            progress: Is told what is being done, and how far it is.

        Raises:
            FlashError: it could not be done.
            InfrastructureError: the board has lost its power.
        """
        self.images = pair
        with self._connection.actions.doing("flash"), self.bench.probe.usage.purpose("flash"):
            return Flasher(self, progress).flash(pair, policy)

    def reach(self, name: Hashable, steps: Callable[[], None]) -> None:
        """Bring the board into a state that several tests begin with, from where `h7_flashed` has left it.

        On a real board `steps` are taken each time. On the virtual one they are taken once, and later the state
        they have led to is put back, which differs in nothing but the wall clock. ``h7_board.reach("started",
        lambda: wait_until_started(h7_board))`` in a fixture saves all tests that use it the start of the firmware.

        Args:
            name: What these steps are called; one name always stands for the same steps.
            steps: What is done to the board, and to nothing else.
        """
        self.bench.checkpoints.reach(name, steps)

    # -- order between tests ------------------------------------------------------------------------

    def clean(self) -> None:
        """Bring the board into the state a test may expect.

        No breakpoints and watchpoints are left, DBGMCU is configured as asked for, no pin is driven, no core is
        halted by the debugger. From now on both cores are watched.
        """
        with self._connection.actions.unnoticed(), self.bench.probe.usage.purpose("clean-up"):
            self.bench.release_pins()
            with translated_errors("clean up after the last test"):
                self._connection.clean()
            self.watch.begin()

    def expect_fault(self, core: str, timeout: float = 0.0) -> AbstractContextManager[ExpectedFault]:
        """Expect a core to fault, or to lock up, until the end of the context; unexpected that fails the test.

        What the core has done since the test began counts as well: a firmware that faults as it starts has done so
        before the test comes to this line.

        ``with h7_board.expect_fault("cm4") as expected: ...``; afterwards `expected.fault` is what it was.

        Args:
            core: ``"cm7"`` or ``"cm4"``.
            timeout: How long to wait for it at the end of the context, in seconds of board time.

        Raises:
            CoreFaulted: it has not.
        """
        return self.watch.expect_fault(core, timeout)

    def expect_reset(self, timeout: float = 0.0) -> AbstractContextManager[ExpectedReset]:
        """Expect the chip to be reset by something else than the test; unexpected that fails it.

        By a watchdog, the firmware itself, a brown-out or the reset button, between the begin of the test and the
        end of the context. Afterwards `flags` of what the context gives are those of RCC_RSR that tell why.

        Args:
            timeout: How long to wait for it at the end of the context, in seconds of board time.

        Raises:
            ChipReset: it has not been.
        """
        return self.watch.expect_reset(timeout)

    def snapshot(self) -> Snapshot:
        """Return the state of both cores, the domains and the taken semaphores.

        No register whose reading has an effect is read. Registers of cores that run are not part of it.
        """
        return Snapshot(
            self.time(),
            {core.name: self._core_snapshot(core) for core in self.cores},
            {name: getattr(self.domains, name.lower()).state for name in ("D1", "D2", "D3")},
            self._taken_semaphores(),
        )

    def _core_snapshot(self, core: Core) -> CoreSnapshot:
        state = core.state
        if state in (CoreState.UNREACHABLE, CoreState.HELD):
            return CoreSnapshot(state, None, {}, None)
        registers = {}
        if state in (CoreState.HALTED, CoreState.LOCKUP):
            try:
                registers = core.registers.read(*REPORTED_REGISTERS)
            except H7Error:
                registers = {}
        fault = core.fault
        return CoreSnapshot(state, core.location, registers, str(fault) if fault else None)

    def _taken_semaphores(self) -> dict[int, str]:
        try:
            return self.hsem.owners()
        except TargetAccessError:
            return {}
