"""A connection that only looks: no reset, no core attached, DBGMCU as it is found.

A run's own connection configures DBGMCU and the debug units of both cores, which is just what may hide why another
debugger cannot reach a core. This one opens the debug port, and reads through the access ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_h7.bench.access_trace import AccessTrace
from pytest_h7.bench.clock import Clock, HostClock
from pytest_h7.bench.connection import Connection, translated_errors
from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.opening import abandon, create_session, explained_failure, open_session
from pytest_h7.bench.probes import Probe, board_behind, link_to, reserve_probe
from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.registers import peripheral, private_peripheral
from pytest_h7.errors import H7Error, TargetAccessError

if TYPE_CHECKING:
    from pyocd.core.session import Session

    from pytest_h7.bench.settings import Settings

_CSW, _DBGSWEN = 0x00, 1 << 31
_CORE_PORTS = (0, 3)
_DHCSR = private_peripheral("cm7", "SCS").registers["DHCSR"]
_DBGMCU_CR = peripheral("DBGMCU").registers["CR"]
_SLEEP_BITS = {"cm7": "DBG_SLEEPD1", "cm4": "DBG_SLEEPD2"}


class Observation:
    """The probe of a board, and on demand a connection that leaves the board as it is. Close it when done.

    Args:
        settings: Which board, and how fast SWCLK is.
        announce: Tells the user what this waits for.
        trace: Gets a line for each access to the debug port and through it, None for nobody.

    Attributes:
        probe: The probe.
        clock: Board time.

    Raises:
        ProbeNotFound: no probe matches, or several do.
        InfrastructureError: the board is in use and did not become free in time.
    """

    def __init__(
        self,
        settings: Settings,
        announce: Callable[[str], None],
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        driver, self._lease = reserve_probe(settings, announce)
        self.probe = Probe(driver)
        self._virtual_board = board_behind(driver)
        self._session: Session | None = None
        self._csw_found: int | None = None
        self.clock: Clock = HostClock()
        if self._virtual_board is not None:
            from pytest_h7.bench.virtual import TwinClock

            self.clock = TwinClock(self._virtual_board)
        link = link_to(driver)
        if link is not None and link.is_virtual:
            from pytest_h7.remote.services import RemoteClock

            self.clock = RemoteClock(link)
        if trace is not None:
            AccessTrace(driver, trace)

    @property
    def is_virtual(self) -> bool:
        """Whether this is the virtual board."""
        return self.probe.is_virtual

    @contextmanager
    def debugging(self, settings: Settings) -> Iterator[Connection]:
        """Give a connection as a debugger makes it while the context lasts; halted cores stay halted after it."""
        session = open_session(self.probe, settings)
        session.options["resume_on_disconnect"] = False
        try:
            yield Connection(session)
        finally:
            with uninterrupted():
                abandon(session)

    def connect(self) -> Connection:
        """Connect to the debug port and to nothing behind it.

        Raises:
            ConnectionLost: the probe or the link has failed, the board has no power, or the chip does not answer.
            InfrastructureError: the probe cannot be opened or used.
        """
        session = create_session(self.probe, self.settings)
        target = session.target
        with explained_failure(self.probe, self.settings, session):
            self.probe.driver.open()
            self.probe.require_firmware()
            self.probe.driver.set_clock(self.settings.frequency)
            self.probe.require_power()
            target.dp.connect()
        self._session = session
        connection = Connection(session, attaches=False)
        try:
            self._csw_found = connection.read_ap_register(2, _CSW)
        except TargetAccessError:
            self._csw_found = None
        return connection

    @property
    def found_debug_bus_open(self) -> bool:
        """Whether CSW.DBGSWEN of AP2 was set, which an ST-LINK sets with its first access through that port."""
        return self._csw_found is None or bool(self._csw_found & _DBGSWEN)

    def leave_debug_bus_open(self) -> None:
        """Leave CSW.DBGSWEN of AP2 set, however it was found."""
        self._csw_found = None

    def close(self) -> None:
        """Let go of the board, and of the probe.

        The debug port's power is switched off, as it is without a debugger, unless a debugger has halted a core:
        its session shall be able to go on.
        """
        with uninterrupted():
            session, self._session = self._session, None
            if session is not None:
                try:
                    connection = Connection(session, attaches=False)
                    if not self.found_debug_bus_open:
                        self._close_debug_bus(connection)
                    if not _holds_a_core(connection):
                        _switch_debug_power_off(session)
                finally:
                    abandon(session)
            if self._virtual_board is not None:
                from pytest_h7.twin.board import give_up

                give_up(self._virtual_board)
            if self._lease is not None:
                self._lease.release()
                self._lease = None

    def _close_debug_bus(self, connection: Connection) -> None:
        """Put CSW of AP2 back as it was found; nothing may go through that port after it."""
        assert self._csw_found is not None
        try:
            connection.write_ap_register(2, _CSW, self._csw_found)
        except H7Error:
            return  # what does not answer any more is reset by its next power-on


def _holds_a_core(connection: Connection) -> bool:
    """Return whether a core is halted."""
    for apsel in _CORE_PORTS:
        try:
            if connection.read_word(apsel, _DHCSR.address) & _DHCSR.fields["S_HALT"].mask:
                return True
        except H7Error:
            continue
    return False


def _switch_debug_power_off(session: Session) -> None:
    try:
        with translated_errors("switch the debug port's power off"):
            session.target.dp.disconnect()
    except H7Error:
        return  # what does not answer has none


@contextmanager
def lent_sleep_clocks(connection: Connection, cores: Iterable[str] = ("cm7", "cm4")) -> Iterator[None]:
    """Keep the clocks of cores in CSleep while the context lasts, so that their debug registers answer.

    That wakes nothing, and a domain in Stop stays so (RM0399 63.5.8). DBGMCU is put back as it was found.
    """
    address = DBGMCU_AP2_ADDRESS + _DBGMCU_CR.offset
    bits = sum(_DBGMCU_CR.fields[_SLEEP_BITS[core]].mask for core in cores)
    try:
        found = connection.read_word(2, address) if bits else 0
    except TargetAccessError:
        bits = found = 0  # the chip is in reset or has no clock: nothing sleeps there
    if found & bits == bits:
        yield
        return
    connection.write_word(2, address, found | bits)
    try:
        yield
    finally:
        connection.write_word(2, address, found)
