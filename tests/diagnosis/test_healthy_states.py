"""No false alarm: whatever a debugger has done to a board that is in order, nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_h7 import Cause
from pytest_h7.bench.settings import ConnectMode, LowPowerDebug, Settings
from pytest_h7.diagnosis.explain import explain_open_core
from pytest_h7.diagnosis.report import Health, Report

from .conftest import Firmware, Patient

STARTED = 0.05
"""Seconds of board time from a reset until both cores of the reference firmware work."""

REMARKS = {
    Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP,
    Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP,
    Cause.D1_DEBUG_CLOCK_OFF,
}


@pytest.fixture
def healthy(patient: Patient) -> Patient:
    patient.give(Firmware(), STARTED)
    return patient


@pytest.fixture
def put_back(healthy: Patient) -> Callable[[], None]:
    """Bring the board back to where both cores have just started."""
    started = healthy.board.take_snapshot()
    return lambda: healthy.board.restore(started)


def session(*, reset: bool, mode: LowPowerDebug, halts: tuple[str, ...]) -> Callable[[Patient], None]:
    """A debug session that ends with some cores halted."""
    connect = ConnectMode.UNDER_RESET if reset else ConnectMode.ATTACH

    def attend(patient: Patient) -> None:
        settings = Settings(connect=connect, low_power_debug=mode)
        with patient.observed() as observation, observation.debugging(settings) as connection:
            if reset:
                connection.core(0).resume()
            observation.clock.sleep(STARTED)
            for name, apsel in (("cm7", 0), ("cm4", 3)):
                core = connection.core(apsel)
                if core is not None:  # else it sleeps, and this session does not keep its clock
                    (core.halt if name in halts else core.resume)()

    return attend


def press_reset(patient: Patient) -> None:
    patient.board.mcu.set_nrst(True)
    patient.board.mcu.set_nrst(False)
    patient.board.sleep(STARTED)


def cut_power(patient: Patient) -> None:
    patient.board.power_cycle()
    patient.board.sleep(STARTED)


def press_button(patient: Patient) -> None:
    patient.board.mcu.pins.drive("PC13", True)
    patient.board.sleep(0.002)
    patient.board.mcu.pins.release("PC13")


def wait(seconds: float) -> Callable[[Patient], None]:
    return lambda patient: patient.board.sleep(seconds)


sessions = st.builds(
    session,
    reset=st.booleans(),
    mode=st.sampled_from(LowPowerDebug),
    halts=st.sampled_from([(), ("cm7",), ("cm4",), ("cm7", "cm4")]),
)
events = st.one_of(
    sessions,
    st.sampled_from([press_reset, cut_power, press_button]),
    st.integers(1, 20_000).map(lambda microseconds: wait(1e-6 * microseconds)),
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(what=st.lists(events, max_size=3), answer=st.sampled_from(["zero", "fault", "wait"]))
def test_no_false_alarm(
    healthy: Patient, put_back: Callable[[], None], what: list[Callable[[Patient], None]], answer: str
) -> None:
    healthy.board.set_closed_policy(answer)
    put_back()
    for happens in what:
        happens(healthy)
    report = healthy.report()
    assert report.health is Health.HEALTHY, report.verdict
    assert {finding.diagnosis.cause for finding in report.findings} <= REMARKS
    assert {core.state for core in report.cores} <= {"running", "sleeping", "halted"}
    assert report.next_step == ""


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(after=st.floats(0, 0.03))
def test_no_false_alarm_while_the_board_starts(healthy: Patient, after: float) -> None:
    """At each moment of the start, which the doctor waits for."""
    healthy.board.power_cycle(0.01)
    healthy.board.sleep(after)
    report = healthy.report()
    assert report.health is Health.HEALTHY, report.verdict


SLOW_MASTER = """
void program(void)
{
    EXTI_C2EMR3 |= EXTI_C2EMR3_MR78_Msk;
    while (RCC_CR & RCC_CR_D2CKRDY_Msk) {}
    for (volatile uint32_t left = 300000; left; --left) {}
    RCC_AHB4ENR |= RCC_AHB4ENR_HSEMEN_Msk;
    (void)RCC_AHB4ENR;
    (void)HSEM_RLR0;
    HSEM_R0 = 0x300;
    for (;;) result[0] = result[0] + 1;
}"""
WAITING_CORE = """
void program(void)
{
    RCC_AHB4ENR |= RCC_AHB4ENR_HSEMEN_Msk;
    (void)RCC_AHB4ENR;
    HSEM_C2IER = 1;
    sev();
    wfe();
    SCS_SCR |= SCS_SCR_SEVONPEND_Msk | SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    wfe();
    SCS_SCR &= ~SCS_SCR_SLEEPDEEP_Msk;
    for (;;) result[0] = result[0] + 1;
}"""


def test_a_slow_start_is_waited_for(patient: Patient) -> None:
    patient.give(Firmware(cm7=SLOW_MASTER, cm4=WAITING_CORE), seconds=0.001)
    assert patient.board.mcu.domain_state("D2") == "stop"
    report = patient.report()
    assert report.health is Health.HEALTHY, report.verdict
    assert [core.state for core in report.cores] == ["running", "running"]


def test_the_first_moments_of_a_start_are_what_the_doctor_waits_for(healthy: Patient) -> None:
    """Without waiting it would have found the CM4 asleep; else the test above shows nothing."""
    healthy.board.power_cycle(0.01)
    seen = set()
    for _ in range(100):
        healthy.board.sleep(0.0001)
        seen.add(healthy.board.mcu.domain_state("D2"))
    assert seen == {"run", "stop"}


def test_open_cores_of_a_healthy_board_have_nothing(healthy: Patient) -> None:
    with healthy.observed() as observation:
        connection = observation.connect()
        for core in ("cm7", "cm4"):
            assert explain_open_core(connection, core).cause is Cause.NONE


def test_an_alarm_would_be_seen(patient: Patient) -> None:
    patient.give(Firmware(cm4=None))
    report: Report = patient.report()
    assert report.health is Health.FIRMWARE
