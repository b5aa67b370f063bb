"""What ``pytest-h7 doctor --fix`` does: what a debugger can do safely and a power cycle takes back.

It lets halted cores run, without the breakpoints of the session that halted them; has DBGMCU keep sleeping cores
visible; gives software its way to DBGMCU back; and starts a core that option bytes hold, if there is firmware for
it. It never resets, and never touches flash or option bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.registers import peripheral, private_peripheral
from pytest_h7.diagnosis.causes import Cause
from pytest_h7.diagnosis.facts import PORTS

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.bench.observation import Observation
    from pytest_h7.diagnosis.report import Report

_DHCSR = private_peripheral("cm7", "SCS").registers["DHCSR"].address
_FP_CTRL = private_peripheral("cm7", "FPB").registers["CTRL"].address
_DEBUG_KEY = 0xA05F_0000
_FPB_KEY, _FPB_ENABLED = 1 << 1, 1 << 0
_DBGMCU_CR = peripheral("DBGMCU").registers["CR"]
_GCR = peripheral("RCC").registers["GCR"]

_DBGMCU_BITS = {
    Cause.D1_DEBUG_CLOCK_OFF: ("DBG_CKD1EN", "DBG_CKD3EN"),
    Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP: ("DBG_SLEEPD1",),
    Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP: ("DBG_SLEEPD2",),
}
_RELEASES = {
    Cause.CM7_HELD_BY_OPTION_BYTES: ("cm7", "BOOT_C1"),
    Cause.CM4_HELD_BY_OPTION_BYTES: ("cm4", "BOOT_C2"),
}


def fix(observation: Observation, connection: Connection, report: Report) -> list[str]:
    """Do what can be done about a report; return a sentence for each thing done.

    Args:
        observation: The observation of the board.
        connection: Its connection.
        report: What is wrong.

    Raises:
        TargetAccessError: the chip refuses an access that it allowed before.
    """
    causes = {finding.diagnosis.cause for finding in report.findings}
    done = []
    if Cause.DBGSWEN_CLEARED in causes:
        # The probe has set it with the first access through AP2.
        observation.leave_debug_bus_open()
        done.append("DBGSWEN is set in the CSW of AP2.")
    bits = [bit for cause in _DBGMCU_BITS if cause in causes for bit in _DBGMCU_BITS[cause]]
    if bits:
        done.append(_keep_clocks(connection, bits))
    can_start = {image.core: image.can_start for image in report.flash}
    for cause, (held, bit) in _RELEASES.items():
        if cause in causes and can_start.get(held):
            connection.write_word(1, _GCR.address, _GCR.fields[bit].mask)
            done.append(f"The {held.upper()} has been released by RCC_GCR.{bit}, until the next reset.")
    for core in report.cores:
        if core.state == "halted":
            done.append(_let_run(connection, core.name))
    return done


def _let_run(connection: Connection, core: str) -> str:
    apsel = PORTS[core]
    without = ""
    if connection.read_word(apsel, _FP_CTRL) & _FPB_ENABLED:
        connection.write_word(apsel, _FP_CTRL, _FPB_KEY)
        without = ", its breakpoints are switched off"
    connection.write_word(apsel, _DHCSR, _DEBUG_KEY)
    return f"The {core.upper()} runs again{without}."


def _keep_clocks(connection: Connection, bits: list[str]) -> str:
    address = DBGMCU_AP2_ADDRESS + _DBGMCU_CR.offset
    word = connection.read_word(2, address)
    for bit in bits:
        word |= _DBGMCU_CR.fields[bit].mask
    connection.write_word(2, address, word)
    return f"DBGMCU_CR has {', '.join(bits)} set now, until the next power-on."
