"""The option-byte ledger: what is in force when a run begins is in force again after each of its tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.chip.option_bytes import OPTION_BYTES, current_register
from pytest_h7.errors import H7Error, InfrastructureError, OptionBytesChanged, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.journal import Journal
    from pytest_h7.board.option_registers import OptionRegisters

_WATCHED = tuple(option for option in OPTION_BYTES.values() if not current_register(option).endswith("2"))
"""All but the protection of bank 2, which takes another transfer to read, and which no tool of ours can change."""


class OptionLedger:
    """Remembers the option bytes, and puts them back.

    Before something is changed it is in the journal, and it stays there until it has been put back and read. If
    this process is killed or the board loses its power, the next process that connects puts it back.

    Attributes:
        recovered: What was put back at connect, as a sentence for the header; None if there was nothing.
    """

    def __init__(self, registers: OptionRegisters, journal: Journal) -> None:
        self._registers = registers
        self._journal = journal
        self._baseline: dict[str, int] | None = None
        self._test = ""
        self._left: dict[str, tuple[int, int]] = {}
        self.recovered: str | None = None

    def open(self) -> None:
        """Put back what an earlier process could not, and remember what is in force now.

        Raises:
            InfrastructureError: it could not be put back.
        """
        if self._journal.values:
            self._recover()
        try:
            self._baseline = self._registers.read(_WATCHED)
        except TargetAccessError:
            # A board that is attached to may sleep; it is looked at before the first change.
            self._baseline = None

    def _recover(self) -> None:
        test, before = self._journal.test, dict(self._journal.values)
        with uninterrupted():
            found = self._read_anyway()
            changed = {
                name: found[name]
                for name in before
                if found[name] != before[name] and not OPTION_BYTES[name].protected
            }
            self._baseline = found | before
            self._put_back(found)
        if changed:
            self.recovered = (
                f"option bytes put back: {_listing({name: before[name] for name in changed})} "
                f"(a run that was cut in {test} had left {_listing(changed)})"
            )

    def begin(self, test: str) -> None:
        """Note the test that runs from now on; put back what could not be after the last one.

        Raises:
            InfrastructureError: it still cannot.
        """
        self.put_back()
        self._test = test
        self._left.clear()

    def change(self, values: Mapping[str, int]) -> None:
        """Bring option bytes into force, for this test; nothing happens where they are already.

        Raises:
            SafetyError: one of them is protected.
            FlashError: the chip did not take the change.
        """
        with uninterrupted():
            found = self._registers.read_anyway(_WATCHED)
            if all(found[name] == value for name, value in values.items()):
                return
            if self._baseline is None:
                self._baseline = found
            self._journal.add({name: self._baseline[name] for name in values}, self._test)
            self._registers.program(values)

    def change_for_good(self, values: Mapping[str, int]) -> None:
        """Bring option bytes into force that are to stay; raises what `change` does."""
        with uninterrupted():
            self._registers.program(values)
            self._baseline = self._registers.read_anyway(_WATCHED)

    def settle(self, expected: Mapping[str, int], *, check: bool) -> None:
        """After a test, put back what it or its firmware has changed; may be done again where it has failed.

        Where no core has a clock to read them with, or the probe is gone, this does nothing if nothing is known to
        be changed and `check` does not ask for it.

        Args:
            expected: What was changed for the test, by its marker.
            check: Whether any other change that is left is an error.

        Raises:
            OptionBytesChanged: the test has left a change and `check` is set, or one that cannot be put back.
            InfrastructureError: the option bytes could not be put back; the next test or run tries again.
        """
        try:
            found = self._registers.read(_WATCHED)
        except H7Error:
            if not self._journal.values and not check:
                return
            found = self._read_anyway()
        if self._baseline is None:
            self._baseline = found
            return
        baseline, wanted = self._baseline, self._baseline | dict(expected)
        self._left |= {
            name: (baseline[name], value)
            for name, value in found.items()
            if value not in (baseline[name], wanted[name])
        }
        lost = self._put_back(found)
        if lost:
            raise OptionBytesChanged(
                f"{self._test} has left protected option bytes changed: {_changes(lost)}; they cannot be put back "
                "by this plugin."
            )
        if check and self._left:
            raise OptionBytesChanged(
                f"{self._test} has left option bytes changed: {_changes(self._left)}; they have been put back."
            )

    def put_back(self) -> None:
        """Put back what is known to be changed.

        Raises:
            InfrastructureError: it cannot be now.
        """
        if self._journal.values:
            self._put_back(self._read_anyway())

    def _read_anyway(self) -> dict[str, int]:
        try:
            return self._registers.read_anyway(_WATCHED)
        except H7Error as error:
            if not self._journal.values:
                raise
            raise self._cannot_put_back(error) from error

    def _put_back(self, found: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Put back all that can be, given what is in force; return the rest as old and new values.

        What cannot be put back counts as normal from now on, so that it is reported once.
        """
        assert self._baseline is not None
        with uninterrupted():
            changed = {name: value for name, value in found.items() if value != self._baseline[name]}
            before = {name: self._baseline[name] for name in changed if not OPTION_BYTES[name].protected}
            if before:
                self._journal.add(before, self._test)
                try:
                    self._registers.program(before)
                except H7Error as error:
                    raise self._cannot_put_back(error) from error
                found = self._registers.read_anyway(_WATCHED)
            if self._journal.values:
                self._journal.clear()
        lost = {
            name: (self._baseline[name], value)
            for name, value in found.items()
            if value != self._baseline[name]
        }
        self._baseline = dict(found)
        return lost

    def _cannot_put_back(self, error: H7Error) -> InfrastructureError:
        return InfrastructureError(
            f"The option bytes {_listing(self._journal.values)} could not be put back after {self._journal.test}: "
            f"{str(error).rstrip('.')}. The next run that connects to this board tries again."
        )


def _listing(values: Mapping[str, int]) -> str:
    return " ".join(f"{name}={OPTION_BYTES[name].format(value)}" for name, value in values.items())


def _changes(changes: Mapping[str, tuple[int, int]]) -> str:
    """Say what is instead of what was, given old and new values."""
    return ", ".join(
        f"{name} is {OPTION_BYTES[name].format(new)} instead of {OPTION_BYTES[name].format(old)}"
        for name, (old, new) in changes.items()
    )
