"""Why a core cannot be reached, told from registers; what cannot be read makes no cause disappear."""

from __future__ import annotations

import pytest

from pytest_h7.board.access_port import AccessPort
from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7
from pytest_h7.diagnosis.causes import Cause, Diagnosis, diagnosis
from pytest_h7.diagnosis.knowledge import KNOWLEDGE

D1CKRDY, D2CKRDY = 1 << 14, 1 << 15
HSI = 0x25
FACTORY_OPTSR = 0x03C6_AAF0
BCM4, BCM7 = 1 << 22, 1 << 23
BOOT_C1, BOOT_C2 = 1 << 2, 1 << 3
HSEMEN, USART3EN, FLASHEN = 1 << 25, 1 << 18, 1 << 8
PDDS_D1, PDDS_D2 = 1 << 0, 1 << 1
SLEEP_BITS = 1 << 0 | 1 << 3
TAKEN_BY_CM7 = 0x8000_0300
PWR_CPUCR = 0x5802_4810
HSEM_R0, HSEM_RLR = 0x5802_6400, range(0x5802_6480, 0x5802_6500)


@pytest.fixture
def closed_cm4(chip):
    """A chip whose CM4 is in D2 stop, as after the start of ST's dual-core template with the CM7 halted."""
    chip.set(
        RCC_CR=HSI | D1CKRDY,
        FLASH_OPTSR_CUR=FACTORY_OPTSR,
        RCC_C2_AHB4ENR=HSEMEN,
        DBGMCU_CR=SLEEP_BITS,
    )
    chip.closed.add(3)
    return chip


@pytest.fixture
def closed_cm7(chip):
    """A chip whose CM7 cannot be reached and whose CM4 can."""
    chip.set(RCC_CR=HSI | D1CKRDY | D2CKRDY, FLASH_OPTSR_CUR=FACTORY_OPTSR, DBGMCU_CR=SLEEP_BITS)
    chip.closed.add(0)
    return chip


def explain(chip, apsel: int) -> Diagnosis:
    return AccessPort(chip.connection, apsel).explain()


# -- the CM4 ----------------------------------------------------------------------------------------


def test_waiting_for_the_semaphore(closed_cm4) -> None:
    found = explain(closed_cm4, 3)
    assert found.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    assert found.candidates == (Cause.CM4_IN_STOP_WAITING_FOR_HSEM, Cause.CM4_IN_STOP)
    assert found.evidence["RCC_CR.D2CKRDY"] == 0
    assert found.evidence["BCM4"] == 1
    assert found.evidence["RCC_C2_AHB4ENR.HSEMEN"] == 1


def test_semaphore_without_a_clock_is_not_looked_at(closed_cm4) -> None:
    # Its registers would read as zero or junk: nothing of it may become evidence.
    closed_cm4.set(HSEM_C2ISR=1, HSEM_C2IER=1)
    found = explain(closed_cm4, 3)
    assert found.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    assert not [name for name in found.evidence if name.startswith("HSEM")]


def test_semaphore_taken_and_not_released(closed_cm4) -> None:
    closed_cm4.set(RCC_C1_AHB4ENR=HSEMEN, HSEM_C2IER=1, HSEM_R0=TAKEN_BY_CM7)
    found = explain(closed_cm4, 3)
    assert found.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    assert (found.evidence["HSEM_R0.LOCK"], found.evidence["HSEM_R0.COREID"]) == (1, 3)


def test_semaphore_released_too_early(closed_cm4) -> None:
    closed_cm4.set(RCC_C1_AHB4ENR=HSEMEN, HSEM_C2IER=1, HSEM_C2ISR=1)
    found = explain(closed_cm4, 3)
    assert found.candidates == (Cause.CM4_MISSED_HSEM_RELEASE, Cause.CM4_IN_STOP)
    assert "D2CKRDY = 0" in found.remedy


def test_stop_that_does_not_wait_for_the_semaphore(closed_cm4) -> None:
    closed_cm4.set(RCC_C1_AHB4ENR=HSEMEN, HSEM_C2IER=0)
    assert explain(closed_cm4, 3).candidates == (Cause.CM4_IN_STOP,)
    closed_cm4.set(RCC_C1_AHB4ENR=0, RCC_C2_AHB4ENR=0)
    assert explain(closed_cm4, 3).candidates == (Cause.CM4_IN_STOP,)


def test_register_that_does_not_answer_is_part_of_the_evidence(closed_cm4) -> None:
    closed_cm4.faulting.add(PWR_CPUCR)
    found = explain(closed_cm4, 3)
    assert found.evidence["PWR_CPUCR"] == "no answer"
    assert found.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM


def test_standby_needs_the_wish_of_both_cores(closed_cm4) -> None:
    closed_cm4.set(PWR_CPU2CR=PDDS_D2)
    assert explain(closed_cm4, 3).cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    closed_cm4.set(PWR_CPUCR=PDDS_D2)
    found = explain(closed_cm4, 3)
    assert found.candidates == (Cause.D2_IN_STANDBY,)
    assert found.evidence["PWR_CPUCR.PDDS_D2"] == found.evidence["PWR_CPU2CR.PDDS_D2"] == 1


def test_held_by_the_option_byte(closed_cm4) -> None:
    closed_cm4.set(FLASH_OPTSR_CUR=FACTORY_OPTSR & ~BCM4, RCC_CR=HSI | D1CKRDY | D2CKRDY)
    found = explain(closed_cm4, 3)
    assert found.candidates == (Cause.CM4_HELD_BY_OPTION_BYTES,)
    assert found.is_hold


def test_released_by_the_other_core_and_stopped_later(closed_cm4) -> None:
    closed_cm4.set(FLASH_OPTSR_CUR=FACTORY_OPTSR & ~BCM4, RCC_GCR=BOOT_C2)
    found = explain(closed_cm4, 3)
    assert found.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    assert not found.is_hold


def test_asleep_without_the_debugger_keeping_its_clock(closed_cm4) -> None:
    closed_cm4.set(RCC_CR=HSI | D1CKRDY | D2CKRDY, DBGMCU_CR=0)
    assert explain(closed_cm4, 3).candidates == (Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP,)


def test_asleep_or_stopped_in_a_domain_that_is_kept_running(closed_cm4) -> None:
    closed_cm4.set(RCC_CR=HSI | D1CKRDY | D2CKRDY, DBGMCU_CR=0, RCC_C1_APB1LENR=USART3EN)
    found = explain(closed_cm4, 3)
    assert found.candidates == (Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP, Cause.CM4_IN_STOP_D2_ALLOCATED)
    assert found.evidence["RCC_C1_APB1LENR"] == USART3EN


@pytest.mark.parametrize("register", ["AHB1ENR", "AHB2ENR", "APB1LENR", "APB1HENR", "APB2ENR"])
def test_stopped_in_a_domain_that_the_cm7_keeps_running(closed_cm4, register: str) -> None:
    closed_cm4.set(RCC_CR=HSI | D1CKRDY | D2CKRDY, **{f"RCC_C1_{register}": 1})
    assert explain(closed_cm4, 3).candidates == (Cause.CM4_IN_STOP_D2_ALLOCATED,)


def test_nothing_explains_it(closed_cm4) -> None:
    closed_cm4.set(RCC_CR=HSI | D1CKRDY | D2CKRDY)
    found = explain(closed_cm4, 3)
    assert found.candidates == (Cause.UNKNOWN,)
    assert "evidence" in found.remedy


# -- the CM7 ----------------------------------------------------------------------------------------


def test_cm7_held(closed_cm7) -> None:
    closed_cm7.set(FLASH_OPTSR_CUR=FACTORY_OPTSR & ~BCM7)
    found = explain(closed_cm7, 0)
    assert found.candidates == (Cause.CM7_HELD_BY_OPTION_BYTES,)
    assert found.is_hold
    closed_cm7.set(RCC_GCR=BOOT_C1)
    assert explain(closed_cm7, 0).cause is Cause.UNKNOWN


def test_cm7_asleep(closed_cm7) -> None:
    closed_cm7.set(DBGMCU_CR=1 << 3)
    assert explain(closed_cm7, 0).candidates == (Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP,)


def test_cm7_stopped(closed_cm7) -> None:
    closed_cm7.set(RCC_CR=HSI | D2CKRDY)
    assert explain(closed_cm7, 0).candidates == (Cause.CM7_IN_STOP,)
    closed_cm7.set(PWR_CPUCR=PDDS_D1, PWR_CPU2CR=PDDS_D1)
    assert explain(closed_cm7, 0).candidates == (Cause.D1_IN_STANDBY,)


def test_cm7_stopped_in_a_domain_that_the_cm4_keeps_running(closed_cm7) -> None:
    closed_cm7.set(RCC_C2_AHB3ENR=FLASHEN)
    assert explain(closed_cm7, 0).candidates == (Cause.CM7_IN_STOP_D1_ALLOCATED,)


# -- both, and the whole chip -------------------------------------------------------------------------


@pytest.mark.parametrize(("apsel", "held"), [(0, "CM7"), (3, "CM4")])
def test_held_cannot_be_excluded_where_the_option_bytes_cannot_be_read(chip, apsel: int, held: str) -> None:
    chip.closed |= {0, 3}
    chip.set(RCC_CR=HSI | D1CKRDY | D2CKRDY, DBGMCU_CR=SLEEP_BITS)
    found = explain(chip, apsel)
    assert found.candidates == (Cause[f"{held}_HELD_BY_OPTION_BYTES"],)
    assert found.evidence[f"B{held}"] == "no answer"
    chip.set(RCC_GCR=BOOT_C1 | BOOT_C2)
    assert explain(chip, apsel).cause is Cause.UNKNOWN


def test_zeros_of_a_core_without_clock_are_no_option_bytes(closed_cm4) -> None:
    # Debug logic without a clock may answer zeros; BCM4 = 0 must not be concluded from them.
    closed_cm4.set(FLASH_OPTSR_CUR=0)
    found = explain(closed_cm4, 3)
    assert found.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    assert found.evidence["BCM4"] == "no answer"


@pytest.mark.parametrize("apsel", [0, 3])
def test_both_cores_stopped(chip, apsel: int) -> None:
    chip.closed |= {0, 3}
    chip.set(RCC_CR=HSI)
    assert explain(chip, apsel).cause is Cause.SYSTEM_STOP


@pytest.mark.parametrize("silence", ["faults", "zeros"])
def test_bus_is_dead(chip, silence: str) -> None:
    chip.closed |= {0, 3}
    if silence == "faults":
        chip.closed |= {1}
    chip.words[0xE00E_1000] = 0x2003_6450
    assert explain(chip, 3).candidates == (Cause.SYSTEM_STOP, Cause.BUS_DEAD)
    chip.closed |= {2}
    assert explain(chip, 3).candidates == (Cause.BUS_DEAD,)
    assert explain(chip, 1).cause is Cause.BUS_DEAD


def test_nrst_explains_it_all(closed_cm4) -> None:
    closed_cm4.nrst = True
    found = explain(closed_cm4, 3)
    assert (found.candidates, found.evidence) == ((Cause.NRST_ASSERTED,), {"NRST": "low"})


@pytest.mark.parametrize("apsel", [0, 3])
def test_reachable_core(chip, apsel: int) -> None:
    assert explain(chip, apsel) == Diagnosis(Cause.NONE, (Cause.NONE,))


@pytest.mark.parametrize(
    ("apsel", "answers"), [(0, (0, 0xFFFF_FFFF, CPUID_CM4)), (3, (0, 0xFFFF_FFFF, CPUID_CM7))]
)
def test_wrong_cpuid_is_not_reachable(chip, apsel: int, answers: tuple[int, ...]) -> None:
    for answer in answers:
        chip.cpuids[apsel] = answer
        assert not AccessPort(chip.connection, apsel).readable


def test_nothing_is_written_and_nothing_with_side_effects_read(closed_cm4) -> None:
    closed_cm4.set(RCC_C1_AHB4ENR=HSEMEN, HSEM_C2IER=1)
    explain(closed_cm4, 0)
    explain(closed_cm4, 3)
    assert closed_cm4.writes == []
    assert HSEM_R0 in closed_cm4.reads
    assert not closed_cm4.reads & set(HSEM_RLR)


# -- the text -------------------------------------------------------------------------------------------


def test_every_cause_has_a_sentence_and_a_remedy() -> None:
    assert set(KNOWLEDGE) == set(Cause)
    for cause, known in KNOWLEDGE.items():
        assert cause.value.endswith(".")
        assert known.remedy.endswith(".") or cause is Cause.NONE
        assert known.source or cause is Cause.UNKNOWN


def test_text_of_a_diagnosis() -> None:
    text = str(
        diagnosis(
            [Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP, Cause.CM4_IN_STOP_D2_ALLOCATED],
            {"RCC_CR.D2CKRDY": 1, "RCC_C1_APB1LENR": USART3EN, "BCM4": "no answer"},
        )
    )
    assert text.splitlines() == [
        "The CM4 is in CSleep, and DBGMCU does not keep its clock (DBGSLEEP_D2).",
        "Way out: Connect with --h7-low-power-debug=sleep.",
        f"It may also be: {Cause.CM4_IN_STOP_D2_ALLOCATED.value}",
        "Read: RCC_CR.D2CKRDY = 1, RCC_C1_APB1LENR = 0x40000, BCM4 = no answer",
    ]


def test_text_without_evidence_or_remedy() -> None:
    assert str(Diagnosis(Cause.NONE, (Cause.NONE,))) == "The core can be read."
