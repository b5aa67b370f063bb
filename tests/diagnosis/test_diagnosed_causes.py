"""Every cause is produced by what produces it on a board, and named right whatever a closed port answers.

Not produced are the causes that silence a chip for ever (RDP level 2) and those of wires: the virtual board has no
wires, and refuses nothing of what STM32CubeProgrammer would do to it. Both are named wherever the chip is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pytest_h7 import Cause
from pytest_h7.bench.settings import ConnectMode, LowPowerDebug, Settings
from pytest_h7.board.access_port import AccessPort
from pytest_h7.diagnosis.causes import Diagnosis
from pytest_h7.diagnosis.report import Health, Report
from pytest_h7.diagnosis.rules import CHIP_RULES, SILENT_CHIP, closed_port_rules, open_core_rules

from .conftest import Firmware, Patient

COUNT = "void program(void) { for (;;) result[0] = result[0] + 1; }"
SLEEP = "void program(void) { for (;;) wfi(); }"
STOP = "void program(void) { SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk; dsb(); for (;;) wfi(); }"
DEEP = "SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk; dsb(); for (;;) wfi();"
FOREVER = "for (;;) result[0] = result[0] + 1;"
WAIT = "for (volatile uint32_t left = 300000; left; --left) {}"
USE_D2 = f"void program(void) {{ RCC_APB1LENR |= RCC_APB1LENR_USART3EN_Msk; {FOREVER} }}"
USE_D1 = f"void program(void) {{ RCC_AHB3ENR |= 1; {FOREVER} }}"
TAKE_THE_PINS = f"""
void program(void)
{{
    RCC_AHB4ENR |= RCC_AHB4ENR_GPIOAEN_Msk;
    (void)RCC_AHB4ENR;
    GPIOA_MODER &= ~(0xFu << 26);
    {FOREVER}
}}"""
WRONG_SUPPLY = f"void program(void) {{ PWR_CR3 = 0x2; {FOREVER} }}"
ILLEGAL_SUPPLY = f"void program(void) {{ PWR_CR3 = 0x7; {FOREVER} }}"
FAULT = 'void program(void) { __asm volatile("udf #0"); }'
LOCK_UP = FAULT + 'void HardFault_Handler(void) { __asm volatile("udf #0"); }'
RELEASE_TOO_EARLY = f"""
void program(void)
{{
    EXTI_C2EMR3 |= EXTI_C2EMR3_MR78_Msk;
    RCC_AHB4ENR |= RCC_AHB4ENR_HSEMEN_Msk;
    (void)RCC_AHB4ENR;
    (void)HSEM_RLR0;
    while (!HSEM_C2IER) {{}}
    HSEM_R0 = 0x300;
    {FOREVER}
}}"""
SLEEP_TOO_LATE = """
void program(void)
{
    RCC_AHB4ENR |= RCC_AHB4ENR_HSEMEN_Msk;
    (void)RCC_AHB4ENR;
    HSEM_C2IER = 1;
    while (!HSEM_C2ISR) {}
    sev();
    wfe();
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    for (;;) wfe();
}"""
SLEEP_TOO_LATE_MASKED = SLEEP_TOO_LATE.replace("sev();", "EXTI_C2IMR3 &= ~EXTI_C2IMR3_MR78_Msk; sev();")


def allow_standby(register: str, bits: int, then: str) -> str:
    return f"void program(void) {{ {register} = {bits}; {then} }}"


@dataclass(frozen=True)
class Case:
    """How a cause comes about, and where it shows.

    Attributes:
        about: What the finding is about.
        causes: The candidates, most likely first.
        firmware: What is in flash and option bytes.
        spoil: What else is done to the board, after it has had power for a while.
        evidence: Some of what is read.
        remedy: A part of the remedy.
    """

    about: str
    causes: tuple[Cause, ...]
    firmware: Firmware = field(default_factory=Firmware)
    spoil: Callable[[Patient], None] = lambda patient: None
    evidence: dict[str, int | str] = field(default_factory=dict)
    remedy: str = ""
    health: Health = Health.FIRMWARE


def halt_at_main(patient: Patient) -> None:
    patient.stop_at("main")


def halt_at_reset(patient: Patient) -> None:
    with patient.debugged():
        pass


def clear_dbgswen(patient: Patient) -> None:
    """What a tool does that writes the CSW that the manual shows."""
    with patient.observed() as observation:
        observation.connect().write_ap_register(2, 0, 0x0000_0012)


def pull_nrst(patient: Patient) -> None:
    patient.board.stlink.nrst_stuck = True


def take_power(patient: Patient) -> None:
    patient.board.mcu.power_off()


def other_program(patient: Patient) -> None:
    patient.board.stlink.claimed_elsewhere = True


CASES = {
    # The story of the question, and its variants.
    "CM7 halted at main": Case(
        "AP3",
        (Cause.CM4_IN_STOP_WAITING_FOR_HSEM, Cause.CM4_IN_STOP),
        spoil=halt_at_main,
        evidence={"RCC_CR.D2CKRDY": 0, "BCM4": 1, "RCC_C2_AHB4ENR.HSEMEN": 1, "CM7": "halted"},
        remedy="Resume the CM7",
    ),
    "CM7 never releases": Case(
        "AP3",
        (Cause.CM4_IN_STOP_WAITING_FOR_HSEM, Cause.CM4_IN_STOP),
        Firmware(cm7="cm7_never_releases"),
        evidence={"HSEM_R0.LOCK": 1, "HSEM_R0.COREID": 3, "HSEM_C2IER.ISE0": 1},
        remedy="has taken semaphore 0 and keeps it",
    ),
    "CM4 idles": Case(
        "AP3",
        (Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP,),
        Firmware(cm7=COUNT, cm4=SLEEP),
        evidence={"RCC_CR.D2CKRDY": 1, "BCM4": 1, "DBGMCU_CR.DBG_SLEEPD2": 0},
        remedy="--h7-low-power-debug=sleep",
        health=Health.HEALTHY,
    ),
    "CM7 idles": Case(
        "AP0",
        (Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP,),
        Firmware(cm7=SLEEP, cm4=COUNT),
        evidence={"RCC_CR.D1CKRDY": 1, "BCM7": 1, "DBGMCU_CR.DBG_SLEEPD1": 0},
        health=Health.HEALTHY,
    ),
    "CM4 stops, CM7 uses D2": Case(
        "AP3",
        (Cause.CM4_IN_STOP_D2_ALLOCATED,),
        Firmware(cm7=USE_D2, cm4=STOP),
        evidence={"RCC_CR.D2CKRDY": 1, "RCC_C1_APB1LENR": 1 << 18},
    ),
    "CM7 stops, CM4 uses D1": Case(
        "AP0",
        (Cause.CM7_IN_STOP_D1_ALLOCATED,),
        Firmware(cm7=STOP, cm4=USE_D1),
        evidence={"RCC_CR.D1CKRDY": 1, "RCC_C2_AHB3ENR": 1},
    ),
    "CM4 stops": Case(
        "AP3", (Cause.CM4_IN_STOP,), Firmware(cm7=COUNT, cm4=STOP), evidence={"RCC_CR.D2CKRDY": 0}
    ),
    "CM7 stops": Case(
        "AP0", (Cause.CM7_IN_STOP,), Firmware(cm7=STOP, cm4=COUNT), evidence={"RCC_CR.D1CKRDY": 0}
    ),
    "D2 in standby": Case(
        "AP3",
        (Cause.D2_IN_STANDBY,),
        Firmware(cm7=allow_standby("PWR_CPUCR", 2, FOREVER), cm4=allow_standby("PWR_CPU2CR", 2, DEEP)),
        evidence={"RCC_CR.D2CKRDY": 0, "PWR_CPUCR.PDDS_D2": 1, "PWR_CPU2CR.PDDS_D2": 1},
    ),
    "D1 in standby": Case(
        "AP0",
        (Cause.D1_IN_STANDBY,),
        Firmware(cm7=allow_standby("PWR_CPUCR", 1, DEEP), cm4=allow_standby("PWR_CPU2CR", 1, FOREVER)),
        evidence={"PWR_CPUCR.PDDS_D1": 1, "PWR_CPU2CR.PDDS_D1": 1},
    ),
    "BCM4 = 0": Case(
        "AP3",
        (Cause.CM4_HELD_BY_OPTION_BYTES,),
        Firmware(cm7=COUNT, options={"BCM4": 0}),
        evidence={"BCM4": 0, "RCC_GCR.BOOT_C2": 0},
        remedy="Set RCC_GCR.BOOT_C2",
    ),
    "BCM7 = 0": Case(
        "AP0",
        (Cause.CM7_HELD_BY_OPTION_BYTES,),
        Firmware(cm4=COUNT, options={"BCM7": 0}),
        evidence={"BCM7": 0, "RCC_GCR.BOOT_C1": 0},
        remedy="Set RCC_GCR.BOOT_C1",
    ),
    "NRST low, seen through AP3": Case(
        "AP3",
        (Cause.NRST_ASSERTED,),
        spoil=pull_nrst,
        evidence={"NRST": "low"},
        health=Health.INFRASTRUCTURE,
    ),
    "NRST low, seen through AP0": Case(
        "AP0", (Cause.NRST_ASSERTED,), spoil=pull_nrst, health=Health.INFRASTRUCTURE
    ),
    "DBGMCU as after power-on": Case(
        "chip",
        (Cause.D1_DEBUG_CLOCK_OFF,),
        evidence={"DBGMCU_CR.DBG_CKD1EN": 0},
        health=Health.HEALTHY,
    ),
    "a tool clears DBGSWEN": Case(
        "chip",
        (Cause.DBGSWEN_CLEARED,),
        spoil=clear_dbgswen,
        evidence={"AP2 CSW.DBGSWEN": 0},
        health=Health.INFRASTRUCTURE,
    ),
    "both stop, seen through AP3": Case("AP3", (Cause.SYSTEM_STOP,), Firmware(cm7=STOP, cm4=STOP)),
    "both stop, seen through AP0": Case("AP0", (Cause.SYSTEM_STOP,), Firmware(cm7=STOP, cm4=STOP)),
    "standby": Case(
        "debug port",
        SILENT_CHIP,
        Firmware(cm7=allow_standby("PWR_CPUCR", 7, DEEP), cm4=allow_standby("PWR_CPU2CR", 7, DEEP)),
        evidence={"DPIDR": "no answer"},
        remedy="connect under reset",
    ),
    "firmware takes the debug pins": Case("debug port", SILENT_CHIP, Firmware(cm7=TAKE_THE_PINS)),
    "supply that the board has not": Case("debug port", SILENT_CHIP, Firmware(cm7=WRONG_SUPPLY)),
    "supply that the chip has not": Case(
        "chip",
        (Cause.SUPPLY_NOT_CHOSEN, Cause.SUPPLY_REFUSED),
        Firmware(cm7=ILLEGAL_SUPPLY, cm4=COUNT),
        evidence={"PWR_CSR1.ACTVOSRDY": 0},
        health=Health.HEALTHY,
    ),
    "blank bank 2": Case(
        "CM4",
        (Cause.CM4_WITHOUT_FIRMWARE,),
        Firmware(cm4=None),
        evidence={"CM4 DHCSR.S_LOCKUP": 1, "BOOT_CM4_ADD0": 0x0810, "CM4 reset vector": 0xFFFF_FFFF},
        remedy="Program bank 2",
    ),
    "blank bank 1": Case("CM7", (Cause.CM7_WITHOUT_FIRMWARE,), Firmware(cm7=None, cm4=COUNT)),
    "wrong boot address": Case(
        "CM4",
        (Cause.CM4_WITHOUT_FIRMWARE,),
        Firmware(options={"BOOT_CM4_ADD0": 0x0818}),
        evidence={"BOOT_CM4_ADD0": 0x0818},
    ),
    "CM4 locked up": Case("CM4", (Cause.CM4_LOCKED_UP,), Firmware(cm7=COUNT, cm4=LOCK_UP)),
    "CM7 locked up": Case("CM7", (Cause.CM7_LOCKED_UP,), Firmware(cm7=LOCK_UP, cm4=COUNT)),
    "CM4 in its fault handler": Case(
        "CM4",
        (Cause.CM4_IN_FAULT_HANDLER,),
        Firmware(cm7=COUNT, cm4=FAULT),
        evidence={"CM4 ICSR.VECTACTIVE": 3},
    ),
    "CM7 in its fault handler": Case("CM7", (Cause.CM7_IN_FAULT_HANDLER,), Firmware(cm7=FAULT, cm4=COUNT)),
    "CM4 never sleeps": Case(
        "CM7",
        (Cause.CM7_GAVE_UP_WAITING_FOR_CM4,),
        Firmware(cm4="cm4_never_sleeps"),
        evidence={"CM7 pc": "Error_Handler", "RCC_CR.D2CKRDY": 1},
    ),
    "CM7 gives up on a held CM4": Case(
        "CM7", (Cause.CM7_GAVE_UP_WAITING_FOR_CM4,), Firmware(options={"BCM4": 0})
    ),
    "CM4 sleeps too late": Case(
        "CM4",
        (Cause.CM4_MISSED_HSEM_RELEASE,),
        Firmware(cm7=RELEASE_TOO_EARLY, cm4=SLEEP_TOO_LATE),
        evidence={"HSEM_C2ISR.ISF0": 1, "CM4 SCR.SLEEPDEEP": 1},
        remedy="D2CKRDY = 0",
    ),
    "CM4 sleeps too late, with its wake-up line masked": Case(
        "AP3",
        (Cause.CM4_MISSED_HSEM_RELEASE, Cause.CM4_IN_STOP),
        Firmware(cm7=RELEASE_TOO_EARLY, cm4=SLEEP_TOO_LATE_MASKED),
        evidence={"HSEM_C2ISR.ISF0": 1, "RCC_C1_AHB4ENR.HSEMEN": 1},
        remedy="D2CKRDY = 0",
    ),
    "RDP level 1": Case(
        "chip", (Cause.READ_PROTECTED,), Firmware(cm7=COUNT, cm4=COUNT, options={"RDP": 0x55})
    ),
    "SECURITY": Case(
        "chip", (Cause.SECURITY_ENABLED,), Firmware(cm7=COUNT, cm4=COUNT, options={"SECURITY": 1})
    ),
    "no power": Case("probe", (Cause.NO_POWER,), spoil=take_power, health=Health.INFRASTRUCTURE),
    "probe in use": Case("probe", (Cause.PROBE_UNUSABLE,), spoil=other_program, health=Health.INFRASTRUCTURE),
}

NOT_PRODUCED = {
    Cause.NONE,
    Cause.UNKNOWN,
    Cause.PROTECTED_FOR_EVER,  # silences a chip for ever
    Cause.WIRING,  # the virtual board has no wires
    Cause.OTHER_CHIP,  # and no other chip
    Cause.BUS_DEAD,  # see test_what_happens_while_a_debugger_looks
}


def found(report: Report, about: str) -> list[Diagnosis]:
    return [finding.diagnosis for finding in report.findings if finding.about == about]


@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
@pytest.mark.parametrize("name", CASES)
def test_cause(patient: Patient, name: str, answer: str) -> None:
    case = CASES[name]
    patient.board.set_closed_policy(answer)
    patient.give(case.firmware)
    case.spoil(patient)
    report = patient.report()
    (diagnosis,) = [each for each in found(report, case.about) if each.cause is case.causes[0]]
    # A core that has stopped with its whole system has stopped, too.
    expected = set(case.causes)
    assert expected <= set(diagnosis.candidates)
    assert expected == set(diagnosis.candidates) or case.causes == (Cause.SYSTEM_STOP,)
    assert diagnosis.candidates[: len(case.causes)] == case.causes or case.causes is SILENT_CHIP
    assert case.evidence.items() <= diagnosis.evidence.items()
    assert case.remedy in diagnosis.remedy
    assert report.health is case.health
    assert {1, 2} >= {port.apsel for port in report.ports if not port.readable} - {0, 3}


def test_every_cause_is_produced() -> None:
    produced = {cause for case in CASES.values() for cause in case.causes}
    assert set(Cause) - produced - NOT_PRODUCED == set()


def test_the_evidence_names_what_the_table_of_causes_says(patient: Patient) -> None:
    """What is read, and through which access port, is what the table says."""
    patient.give(Firmware())
    patient.stop_at("main")
    (diagnosis,) = found(patient.report(), "AP3")
    said = {read for rule in closed_port_rules("cm4") for read in rule.reads}
    for name, apsel in diagnosis.access_ports.items():
        shown = "DHCSR.S_HALT" if name == "CM7" else name
        assert f"AP{apsel} {shown}" in said


def test_every_rule_says_what_is_read() -> None:
    rules = [
        *CHIP_RULES,
        *(rule for core in ("cm7", "cm4") for rule in (*closed_port_rules(core), *open_core_rules(core))),
    ]
    for rule in rules:
        assert rule.reads
        assert all(read.startswith(("AP0 ", "AP1 ", "AP2 ", "AP3 ", "probe ")) for read in rule.reads)


@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
@pytest.mark.parametrize(
    ("cm7", "cm4", "cause"),
    [
        (
            allow_standby("PWR_CPUCR", 7, WAIT + DEEP),
            allow_standby("PWR_CPU2CR", 7, WAIT + DEEP),
            Cause.SYSTEM_STANDBY,
        ),
        (f"void program(void) {{ {WAIT} PWR_CR3 = 0x2; {FOREVER} }}", COUNT, Cause.BUS_DEAD),
    ],
    ids=["standby", "core voltage lost"],
)
def test_what_happens_while_a_debugger_looks(
    patient: Patient, answer: str, cm7: str, cm4: str, cause: Cause
) -> None:
    """In Standby D3 keeps its supply while a debugger is connected; without core voltage nothing answers."""
    patient.board.set_closed_policy(answer)
    patient.give(Firmware(cm7=cm7, cm4=cm4), seconds=0.001)
    with patient.observed() as observation:
        port = AccessPort(observation.connect(), 3)
        assert port.explain().cause is Cause.NONE
        observation.clock.sleep(0.2)
        explained = port.explain()
    assert explained.cause is cause


@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
def test_sleep_and_stop_are_told_apart_by_a_clock_that_is_lent(patient: Patient, answer: str) -> None:
    """With D2 allocated by the CM7 both fit, until DBGMCU keeps the clock of a core in CSleep."""
    patient.board.set_closed_policy(answer)
    for cm4, settled in (
        (SLEEP, Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP),
        (STOP, Cause.CM4_IN_STOP_D2_ALLOCATED),
    ):
        patient.give(Firmware(cm7=USE_D2, cm4=cm4))
        with patient.observed() as observation:
            explained = AccessPort(observation.connect(), 3).explain()
        both = (Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP, Cause.CM4_IN_STOP_D2_ALLOCATED)
        assert explained.candidates == both
        (diagnosis,) = found(patient.report(), "AP3")
        assert diagnosis.candidates == (settled,)


@pytest.mark.parametrize("mode", list(LowPowerDebug))
def test_emulated_stop_hides_nothing(patient: Patient, mode: LowPowerDebug) -> None:
    """A debugger that keeps all clocks sees the CM4 in its stop; one that does not gets the reason."""
    patient.give(Firmware())
    with patient.debugged(Settings(connect=ConnectMode.UNDER_RESET, low_power_debug=mode)) as cm7:
        cm7.run_until("main")
    causes = {each.cause for each in found(patient.report(), "AP3")}
    assert causes == (set() if mode is LowPowerDebug.ON else {Cause.CM4_IN_STOP_WAITING_FOR_HSEM})
