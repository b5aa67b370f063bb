"""Running a test in C: from the reset of the chip to what has become of it."""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.registers import private_peripheral
from pytest_h7.ctests.places import Place, calls_of_test, raise_in_c
from pytest_h7.ctests.record import Record
from pytest_h7.errors import (
    CoreFaulted,
    CoreUnreachable,
    FirmwareError,
    H7Error,
    InfrastructureError,
    ResultOverwritten,
    TargetAccessError,
    WaitTimeout,
)

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.ctests.places import FindSource
    from pytest_h7.ctests.record import Site
    from pytest_h7.ctests.suite import CTest, Suite

_SCS = private_peripheral("cm7", "SCS").registers
_CFSR, _HFSR, _DHCSR = (_SCS[name] for name in ("CFSR", "HFSR", "DHCSR"))
_HALT, _LOCKUP = (_DHCSR.fields[name].mask for name in ("S_HALT", "S_LOCKUP"))
_PASSED, _FAILED, _SKIPPED = 1, 2, 3
_START_TIMEOUT = 1.0
_FIRST_POLL, _LONGEST_POLL = 0.0001, 0.005


class _End(enum.Enum):
    """Why the core was looked at no longer."""

    HALTED = enum.auto()
    FAULTED = enum.auto()
    TIMED_OUT = enum.auto()


class Execution:
    """One test on a board that has its ELF file in flash, and was just reset.

    Args:
        board: The board.
        suite: The tests of the ELF file.
        test: One of them.
        find: Gives the path of a source file.
    """

    def __init__(self, board: Board, suite: Suite, test: CTest, find: FindSource) -> None:
        self._board = board
        self._suite = suite
        self._test = test
        self._find = find
        self._core = board.cm7 if suite.core == "cm7" else board.cm4
        self._connection = board.bench.connection
        self._site: Site | None = None

    def run(self) -> None:
        """Run the test; what it has printed goes to the standard output.

        Raises:
            AssertionError: a check has failed, or the fault that it is to end with has not come.
            pytest.skip.Exception: it has found out that it is not possible.
            FirmwareError: it has not returned, has faulted, was reset, or has overwritten its result.
        """
        __tracebackhide__ = True
        try:
            # On the virtual board the start is made once.
            self._board.reach(("C test", self._core.name), self._wait_until_ready)
            self._start()
            end = self._wait_for_end()
            self._judge(end, self._read_record(end))
        except (AssertionError, H7Error, pytest.skip.Exception, pytest.fail.Exception) as error:
            error.__context__ = None
            raise_in_c(error, self._places(error))

    def _places(self, error: BaseException) -> list[Place]:
        """Return the calls that have led to where the test has ended, or at least the test."""
        line = self._test.line
        whole = Place(self._find(self._test.file), line, f"h7_test_{self._test.function}", line)
        # After these the stack says nothing, or pytest-timeout has struck, and the core runs on.
        says_nothing = (InfrastructureError, ResultOverwritten, pytest.fail.Exception)
        places = [] if isinstance(error, says_nothing) else calls_of_test(self._core, whole, self._find)
        places = places or [whole]
        if self._site is not None:
            # Exactly the line of the check, which the code of a macro may not tell.
            file, inner = self._find(self._site.file), places[-1]
            begin = inner.begin if file == inner.file else None
            places[-1] = Place(file, self._site.line, inner.function, begin)
        return places

    # -- start ------------------------------------------------------------------------------------

    def _wait_until_ready(self) -> None:
        """Wait until the core halts where it is to be told the test."""
        __tracebackhide__ = True
        try:
            self._board.wait_until(self._is_ready, _START_TIMEOUT)
        except WaitTimeout:
            location = self._core.location
            raise FirmwareError(
                f"The {self._core.name} has not come to h7_test_run within {_START_TIMEOUT:g} s of board time "
                f"after the reset: it is {self._core.state.value}{f' in {location}' if location else ''}."
            ) from None

    def _is_ready(self) -> bool:
        # Enables halting on the way, which a reset of D2 has disabled for the CM4.
        driver = self._connection.core(self._core.apsel)
        return driver is not None and self._core.is_halted and self._core.pc == self._suite.ready

    def _start(self) -> None:
        values = {"r0": self._test.descriptor, "r1": self._test.param, "pc": self._suite.ready + 2}
        with self._core.control("start a C test") as driver:
            driver.write_core_registers_raw(list(values), list(values.values()))
            driver.resume()

    # -- end --------------------------------------------------------------------------------------

    def _wait_for_end(self) -> _End:
        deadline = self._board.time() + self._test.timeout
        pause = _FIRST_POLL
        has_faulted = False
        while True:
            cfsr, hfsr, dhcsr = self._status()
            if dhcsr & _HALT:
                return _End.HALTED
            # A fault that is still there the next time is not one that the firmware deals with.
            faults = bool(hfsr or dhcsr & _LOCKUP or (cfsr and self._test.fault))
            if faults and has_faulted:
                return _End.FAULTED
            has_faulted = faults
            if self._board.time() >= deadline:
                return _End.TIMED_OUT
            self._board.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)

    def _status(self) -> tuple[int, int, int]:
        """Return CFSR, HFSR and DHCSR, zeros for a core without a clock."""
        try:
            words = self._connection.read_words(
                self._core.apsel, _CFSR.address, (_DHCSR.address - _CFSR.address) // 4 + 1
            )
        except TargetAccessError:
            return 0, 0, 0
        return words[0], words[(_HFSR.address - _CFSR.address) // 4], words[-1]

    def _read_record(self, end: _End) -> Record | None:
        """Return what the test has left, None if that cannot be read; what it has printed is printed here."""
        try:
            if end is not _End.HALTED:
                self._core.halt()
            record = Record(self._core, self._suite)
        except (CoreUnreachable, TargetAccessError, WaitTimeout):
            return None
        except ResultOverwritten:
            if end is _End.HALTED:
                raise
            return None
        sys.stdout.write(record.output)
        return record

    def _judge(self, end: _End, record: Record | None) -> None:
        """Raise what the test fails with."""
        if end is _End.TIMED_OUT:
            raise self._timed_out()
        if end is _End.FAULTED:
            self._judge_fault()
            return
        values = self._core.registers.read("pc", "r0")
        if values["pc"] == self._suite.ready:
            raise FirmwareError(f"The {self._core.name} has started anew during the test: it was reset.")
        if values["pc"] != self._suite.end or record is None:
            where = self._core.location or f"0x{values['pc']:08X}"
            raise FirmwareError(f"The {self._core.name} has stopped at a breakpoint instruction in {where}.")
        self._judge_result(values["r0"], record)

    def _judge_result(self, result: int, record: Record) -> None:
        if result in (_FAILED, _SKIPPED):
            self._site = record.site()
            if result == _SKIPPED:
                raise pytest.skip.Exception(self._site.actual)
            raise AssertionError(record.failure(self._site))
        if result != _PASSED:
            raise ResultOverwritten(f"The test has ended with {result} for its result: its stack is damaged.")
        if self._test.fault is not None:
            raise AssertionError(f"The test was to end with a fault, {self._test.fault}, and has returned.")

    def _judge_fault(self) -> None:
        if self._test.fault is None:
            errors = self._board.watch.end()
            raise errors[0] if errors else CoreFaulted(f"The {self._core.name} has faulted.")
        with self._board.expect_fault(self._core.name) as expected:
            pass
        fault = expected.fault
        if self._test.fault != "any" and (fault is None or self._test.fault not in fault.flags):
            raise AssertionError(
                f"The test was to end with the fault {self._test.fault}, and it was {fault or 'a lock-up'}"
            )

    def _timed_out(self) -> WaitTimeout:
        location = self._core.location
        return WaitTimeout(
            f"The test has not returned within {self._test.timeout:g} s of board time: the {self._core.name} is "
            + (f"in {location}." if location else f"{self._core.state.value}.")
        )
