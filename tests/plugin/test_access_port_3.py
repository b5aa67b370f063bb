"""Whatever AP3 answers while the CM4 has no clock, everything that looks at it comes to the same result."""

import pytest

from .conftest import Run

TESTS = '''
import pytest
from pytest_h7 import Cause, CoreState, CoreUnreachable, DomainState, reference_image

@pytest.fixture
def closed(h7_board, h7_flashed):
    """The board with the CM4 in D2 stop, waiting for the CM7, which is halted."""
    h7_board.reset(halt=True)
    h7_board.wait_until(lambda: h7_board.domains.d2.state is DomainState.STOP, timeout=0.1)
    return h7_board

def test_not_readable(closed, cm4):
    assert not closed.ap[3].readable
    assert cm4.state is CoreState.UNREACHABLE
    with pytest.raises(CoreUnreachable, match="semaphore 0"):
        cm4.cpuid

def test_diagnosis(closed):
    diagnosis = closed.ap[3].explain()
    assert diagnosis.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    assert diagnosis.candidates[0] is diagnosis.cause
    assert diagnosis.evidence["RCC_CR.D2CKRDY"] == 0

def test_the_other_port_works_in_between(closed, cm7):
    for _ in range(3):
        assert not closed.ap[3].readable
        assert cm7.cpuid.part_name == "Cortex-M7"
        assert cm7.state is CoreState.HALTED
        first = cm7.pc
        cm7.step()
        assert cm7.pc != first
        assert closed.ap[1].read_u32(0x5802_4400)

def test_controlling_the_closed_core_is_refused(closed, cm4):
    for action in (cm4.halt, cm4.resume, cm4.step, lambda: cm4.registers["pc"], lambda: cm4.fault):
        with pytest.raises(CoreUnreachable):
            action()

def test_opens_late_and_can_be_debugged(closed, cm7, cm4):
    cm7.resume()
    closed.wait_until(lambda: closed.ap[3].readable, timeout=0.5)
    assert closed.ap[3].explain().cause is Cause.NONE
    assert cm4.cpuid.part_name == "Cortex-M4"
    cm4.run_until("SysTick_Handler", timeout=0.1)
    assert cm4.location.startswith("SysTick_Handler")

def test_closes_and_opens_again_with_its_breakpoint(closed, cm7, cm4):
    cm7.resume()
    closed.wait_until(lambda: closed.ap[3].readable, timeout=0.5)
    with cm4.breakpoint("SysTick_Handler") as point:
        closed.reset(halt=True)
        closed.sleep(0.01)
        assert cm4.state is CoreState.UNREACHABLE
        cm7.resume()
        closed.wait_until(lambda: cm4.state is not CoreState.UNREACHABLE, timeout=0.5)

def test_programming_while_it_is_closed(closed, h7_images):
    from pytest_h7.bench.settings import FlashPolicy
    closed.flash(h7_images, FlashPolicy.ALWAYS)
    closed.boot_contract(1.0)

@pytest.mark.h7_option_bytes(BCM4=0)
def test_held(h7_board, cm4):
    assert cm4.state is CoreState.HELD
    assert h7_board.ap[3].explain().cause is Cause.CM4_HELD_BY_OPTION_BYTES

@pytest.mark.h7_images(cm7=reference_image("cm7_never_releases"))
def test_never_released(h7_board, h7_flashed, cm4):
    h7_board.sleep(0.1)
    assert h7_board.ap[3].explain().cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM

def test_failure_is_explained(closed):
    assert False, "on purpose"
'''


@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
@pytest.mark.parametrize("connect", ["under-reset", "attach"])
def test_whatever_ap3_answers(run: Run, answer: str, connect: str) -> None:
    result = run(TESTS, f"--h7-twin-ap3={answer}", f"--h7-connect={connect}")
    result.assert_outcomes(passed=9, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: on purpose",
            "cm7: halted in Reset_Handler*",
            "cm4: unreachable",
            "AP3: The CM4 sleeps in D2 stop until the CM7 releases hardware semaphore 0,*",
        ]
    )
