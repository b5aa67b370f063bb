"""The four access ports: what they are, whether their core can be read, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.board.observation import seen
from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7
from pytest_h7.diagnosis.causes import Cause, Diagnosis
from pytest_h7.diagnosis.explain import explain_closed_core
from pytest_h7.errors import TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection

_CPUID = 0xE000_ED00
_CORES = {0: ("cm7", CPUID_CM7), 3: ("cm4", CPUID_CM4)}
_PROBED = {1: 0x5802_4400, 2: 0xE00E_1000}
"""For the ports without a core, a register that is never zero: RCC_CR and DBGMCU_IDCODE."""


class AccessPort:
    """AP0 (CM7), AP1 (D3 bus), AP2 (debug APB) or AP3 (CM4)."""

    def __init__(self, connection: Connection, apsel: int) -> None:
        self._connection = connection
        self.apsel = apsel

    def __repr__(self) -> str:
        return f"<AccessPort AP{self.apsel}>"

    @property
    def idr(self) -> int:
        """Identification register, read now.

        Raises:
            TargetAccessError: the debug port does not answer for this access port.
        """
        return self._connection.read_ap_register(self.apsel, 0xFC)

    @property
    def readable(self) -> bool:
        """Whether its core's CPUID can be read now and is the right one.

        For AP1 and AP2, which have no core, whether their bus answers.
        """
        return seen(f"ap[{self.apsel}].readable", self._answers())

    def _answers(self) -> bool:
        try:
            if self.apsel in _CORES:
                return self._connection.read_word(self.apsel, _CPUID) == _CORES[self.apsel][1]
            return self._connection.read_word(self.apsel, _PROBED[self.apsel]) != 0
        except TargetAccessError:
            return False

    def explain(self) -> Diagnosis:
        """Return why the core behind AP0 or AP3 cannot be read; `Cause.NONE` when it can.

        Only registers whose reading has no effect are read. What is wrong with a core that can be read, such as a
        lockup, `Core.explain` tells.
        """
        if self._answers():
            return Diagnosis(Cause.NONE, (Cause.NONE,))
        if self.apsel not in _CORES:
            return Diagnosis(Cause.BUS_DEAD, (Cause.BUS_DEAD,))
        return explain_closed_core(
            self._connection, _CORES[self.apsel][0], nrst_is_low=self._connection.nrst_is_low
        )

    def read_u32(self, address: int) -> int:
        """Read a word through this port; raise TargetAccessError where the chip refuses."""
        return self._connection.read_word(self.apsel, address)

    def write_u32(self, address: int, value: int) -> None:
        """Write a word through this port; raise TargetAccessError where the chip refuses."""
        self._connection.write_word(self.apsel, address, value)
