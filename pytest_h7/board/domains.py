"""The power domains as they can be seen from the D3 bus (RM0399 chapter 7, 9.7.2)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.board.observation import seen
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection

_CR = peripheral("RCC").registers["CR"]
_CPUCR = peripheral("PWR").registers["CPUCR"]


class DomainState(enum.Enum):
    """State of a power domain. The text is that of reports."""

    RUN = "run"
    STOP = "stop"
    STANDBY = "standby"
    UNKNOWN = "unknown"


class DomainView:
    """One power domain."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    @property
    def state(self) -> DomainState:
        """The state, read now: ``UNKNOWN`` where nothing answers.

        D1 and D2 run while RCC_CR shows their clock ready. Stopped, they are in DStandby if both cores
        allow it (PDDS_Dn in CPUCR and CPU2CR), else in DStop. D3 runs if its bus answers.
        """
        return seen(f"domains.{self.name.lower()}.state", self._state())

    def _state(self) -> DomainState:
        try:
            control = self._connection.read_word(1, _CR.address)
            if control == 0:
                return DomainState.UNKNOWN
            if self.name == "D3" or _CR.fields[f"{self.name}CKRDY"].extract(control):
                return DomainState.RUN
            wishes = self._connection.read_words(1, _CPUCR.address, 2)
        except TargetAccessError:
            return DomainState.UNKNOWN
        standby = _CPUCR.fields[f"PDDS_{self.name}"]
        return DomainState.STANDBY if all(map(standby.extract, wishes)) else DomainState.STOP


class Domains:
    """The three domains: `d1`, `d2` and `d3`."""

    def __init__(self, connection: Connection) -> None:
        self.d1 = DomainView(connection, "D1")
        self.d2 = DomainView(connection, "D2")
        self.d3 = DomainView(connection, "D3")
