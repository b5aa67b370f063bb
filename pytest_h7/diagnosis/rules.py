"""How each cause is recognised: a table of what is read, through which access port, and when it fits.

The rules are those of RM0399 chapters 7, 9 and 63: a core's debug logic has the core's clock, which CSleep, CStop,
DStandby, a boot hold and reset take away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pytest_h7.chip.memory import MEMORIES, memory_at
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.diagnosis.causes import Cause
from pytest_h7.diagnosis.facts import OTHER, PORTS, Facts


@dataclass(frozen=True)
class Rule:
    """A cause and how it shows.

    Attributes:
        cause: The cause.
        reads: What has to be read for it: the access port and the register, ``"AP1 RCC_CR.D2CKRDY"``.
        fits: Whether what was read fits the cause.
        settles: Whether nothing further down in its table can be the cause then.
    """

    cause: Cause
    reads: tuple[str, ...]
    fits: Callable[[Facts], object]
    settles: bool = False


@dataclass(frozen=True)
class _Side:
    """A core, its domain, and how either can be looked at through the other core.

    `allocations` are the enable registers, in the other core's bank, of what keeps the domain running.
    """

    domain: str
    option: str
    release: str
    other_bank: str
    allocations: tuple[str, ...]


_SIDES = {
    "cm7": _Side("D1", "BCM7", "BOOT_C1", "RCC_C2", ("AHB3ENR", "APB3ENR")),
    "cm4": _Side(
        "D2", "BCM4", "BOOT_C2", "RCC_C1", ("AHB1ENR", "AHB2ENR", "APB1LENR", "APB1HENR", "APB2ENR")
    ),
}

_STACKS = [
    (start, start + memory.size)
    for memory in MEMORIES
    if memory.writable
    for start in (memory.start, *memory.aliases)
]
_DHCSR = private_peripheral("cm7", "SCS").registers["DHCSR"]
_FAULTS = range(3, 7)
"""Exception numbers of HardFault, MemManage, BusFault and UsageFault (Arm DDI0403E B1.5.2)."""

_ERROR_HANDLERS = ("Error_Handler",)
"""Where ST's start-up code goes when the other core does not do its part in time."""


# -- predicates -------------------------------------------------------------------------------------


def _bus_answers(facts: Facts) -> bool:
    return bool(facts.word("RCC", "CR"))


def _device_answers(facts: Facts) -> bool:
    return bool(facts.word("DBGMCU", "IDCODE"))


def _runs(facts: Facts, domain: str) -> bool:
    return bool(facts.field("RCC", "CR", f"{domain}CKRDY"))


def _both_stopped(facts: Facts) -> bool:
    runs = [_runs(facts, domain) for domain in ("D1", "D2")]
    return not any(runs)


def _option(facts: Facts) -> int | None:
    """Return BCM7 or BCM4, read through the other core's port because the own one is closed."""
    return facts.option(_SIDES[facts.core].option, PORTS[OTHER[facts.core]])


def _released(facts: Facts) -> bool:
    return bool(facts.field("RCC", "GCR", _SIDES[facts.core].release))


def _held(facts: Facts) -> bool:
    return not _released(facts) and _option(facts) == 0


def _maybe_held(facts: Facts) -> bool:
    """Where the other core does not answer either, the option bytes cannot be read."""
    return not _released(facts) and _option(facts) is None


def _wants_standby(facts: Facts) -> bool:
    wish = f"PDDS_{_SIDES[facts.core].domain}"
    wishes = [facts.field("PWR", register, wish) for register in ("CPUCR", "CPU2CR")]
    return all(wishes)


def _in_standby(facts: Facts) -> bool:
    return not _runs(facts, _SIDES[facts.core].domain) and _wants_standby(facts)


def _in_stop(facts: Facts) -> bool:
    return not _runs(facts, _SIDES[facts.core].domain) and not _wants_standby(facts)


def _armed(facts: Facts) -> bool:
    """The CM4 has HSEM's clock enabled, as it does to be told of a release."""
    return bool(facts.field("RCC_C2", "AHB4ENR", "HSEMEN"))


def _semaphores_can_be_read(facts: Facts) -> bool:
    """With HSEM's clock enabled by the CM4 alone, and the CM4 stopped, HSEM would answer junk."""
    return bool(facts.field("RCC_C1", "AHB4ENR", "HSEMEN"))


def _notified(facts: Facts) -> bool:
    facts.field("HSEM", "R0", "LOCK")
    facts.field("HSEM", "R0", "COREID")
    return bool(facts.field("HSEM", "C2IER", "ISE0"))


def _freed(facts: Facts) -> bool:
    return bool(facts.field("HSEM", "C2ISR", "ISF0"))


def _waits(facts: Facts) -> bool:
    if not _in_stop(facts) or not _armed(facts):
        return False
    if _semaphores_can_be_read(facts) and not (_notified(facts) and not _freed(facts)):
        return False
    _look_at_the_other(facts)
    return True


def _missed(facts: Facts) -> bool:
    return (
        _in_stop(facts)
        and _armed(facts)
        and _semaphores_can_be_read(facts)
        and _notified(facts)
        and _freed(facts)
    )


def _missed_in_sleep(facts: Facts) -> bool:
    """The CM4 has asked for CStop, and the wake-up that it has not noticed keeps it from that."""
    return (
        bool(facts.core_field("cm4", "DHCSR", "S_SLEEP"))
        and bool(facts.core_field("cm4", "SCR", "SLEEPDEEP"))
        and _armed(facts)
        and _notified(facts)
        and _freed(facts)
    )


def _look_at_the_other(facts: Facts) -> None:
    """Make it evidence whether a debugger has halted the CM7: then the release does not come."""
    status = facts.raw(PORTS["cm7"], _DHCSR.address)
    if status:  # zeros are those of a port whose core has no clock
        halted = _DHCSR.fields["S_HALT"].extract(status)
        facts.keep("CM7", "halted" if halted else "not halted", PORTS["cm7"])


def _asleep(facts: Facts) -> bool:
    """It would answer, if DBGMCU kept its clock."""
    domain = _SIDES[facts.core].domain
    return _runs(facts, domain) and facts.field("DBGMCU", "CR", f"DBG_SLEEP{domain}") == 0


def _allocated(facts: Facts) -> bool:
    side = _SIDES[facts.core]
    return _runs(facts, side.domain) and facts.any_enabled(side.other_bank, side.allocations)


def _locked_up(facts: Facts) -> bool:
    return bool(facts.core_field(facts.core, "DHCSR", "S_LOCKUP"))


def _nothing_to_start(facts: Facts) -> bool:
    """Whether there is no vector table at the address that the core boots from with BOOT0 low."""
    name = facts.core.upper()
    place = facts.option(f"BOOT_{name}_ADD0", PORTS[facts.core])
    if place is None:
        return False
    stack, start = (facts.raw(PORTS[facts.core], (place << 16) + offset) for offset in (0, 4))
    if stack is None or start is None:
        return True
    facts.keep(f"{name} initial sp", stack, PORTS[facts.core])
    facts.keep(f"{name} reset vector", start, PORTS[facts.core])
    return not is_vector_table(stack, start)


def is_vector_table(stack: int, start: int) -> bool:
    """Return whether two words can begin a vector table: a stack in RAM, and Thumb code in some memory."""
    in_ram = any(lowest < stack <= highest for lowest, highest in _STACKS)
    return in_ram and bool(start & 1) and memory_at(start & ~1) is not None


def _handles_a_fault(facts: Facts) -> bool:
    return facts.core_field(facts.core, "ICSR", "VECTACTIVE") in _FAULTS


def _gave_up(facts: Facts) -> bool:
    if facts.function not in _ERROR_HANDLERS:
        return False
    _runs(facts, "D2")
    return True


def _no_supply_in_force(facts: Facts) -> bool:
    return facts.field("PWR", "CSR1", "ACTVOSRDY") == 0


def _some_option(name: str, fits: Callable[[int], bool]) -> Callable[[Facts], bool]:
    def read(facts: Facts) -> bool:
        value = facts.option(name, 0)
        if value is None:
            value = facts.option(name, 3)
        return value is not None and fits(value)

    return read


# -- the tables -------------------------------------------------------------------------------------


@cache
def closed_port_rules(core: str) -> tuple[Rule, ...]:
    """Return why the access port of a core does not give access to it, most likely first."""
    side, own, other = _SIDES[core], core.upper(), f"AP{PORTS[OTHER[core]]}"
    ready = f"AP1 RCC_CR.{side.domain}CKRDY"
    hold = (f"{other} {side.option}", f"AP1 RCC_GCR.{side.release}")
    bus = ("AP1 RCC_CR", "AP2 DBGMCU_IDCODE")
    both = ("AP1 RCC_CR.D1CKRDY", "AP1 RCC_CR.D2CKRDY")
    wishes = (ready, f"AP1 PWR_CPUCR.PDDS_{side.domain}", f"AP1 PWR_CPU2CR.PDDS_{side.domain}")
    in_front = (
        Rule(
            Cause.NRST_ASSERTED,
            ("probe NRST", "AP0 CPUID", "AP0 DHCSR"),
            lambda facts: facts.nrst_is_low,
            True,
        ),
        Rule(Cause.SYSTEM_STOP, bus, lambda facts: not _bus_answers(facts) and _device_answers(facts)),
        Rule(Cause.BUS_DEAD, bus, lambda facts: not _bus_answers(facts), True),
        Rule(Cause[f"{own}_HELD_BY_OPTION_BYTES"], hold, _held, True),
        Rule(
            Cause.SYSTEM_STANDBY,
            (*both, "AP1 PWR_CPUCR.SBF"),
            lambda facts: _both_stopped(facts) and facts.field("PWR", "CPUCR", "SBF"),
        ),
        Rule(Cause.SYSTEM_STOP, both, _both_stopped),
    )
    of_the_semaphore = (
        *wishes,
        "AP1 RCC_C2_AHB4ENR.HSEMEN",
        "AP1 RCC_C1_AHB4ENR.HSEMEN",
        "AP1 HSEM_C2IER.ISE0",
        "AP1 HSEM_C2ISR.ISF0",
        "AP1 HSEM_R0",
    )
    waiting = (
        Rule(Cause.CM4_MISSED_HSEM_RELEASE, of_the_semaphore, _missed),
        Rule(Cause.CM4_IN_STOP_WAITING_FOR_HSEM, (*of_the_semaphore, "AP0 DHCSR.S_HALT"), _waits),
    )
    return (
        *in_front,
        Rule(Cause[f"{side.domain}_IN_STANDBY"], wishes, _in_standby),
        *(waiting if core == "cm4" else ()),
        Rule(Cause[f"{own}_IN_STOP"], wishes, _in_stop),
        Rule(
            Cause[f"{own}_IN_SLEEP_WITHOUT_DBGSLEEP"],
            (ready, f"AP2 DBGMCU_CR.DBG_SLEEP{side.domain}"),
            _asleep,
        ),
        Rule(
            Cause[f"{own}_IN_STOP_{side.domain}_ALLOCATED"],
            (ready, *(f"AP1 {side.other_bank}_{register}" for register in side.allocations)),
            _allocated,
        ),
        Rule(Cause[f"{own}_HELD_BY_OPTION_BYTES"], hold, _maybe_held),
    )


@cache
def open_core_rules(core: str) -> tuple[Rule, ...]:
    """Return what can be wrong with a core that can be reached, most likely first."""
    own, port = core.upper(), f"AP{PORTS[core]}"
    lockup, vectors = f"{port} DHCSR.S_LOCKUP", (f"{port} BOOT_{own}_ADD0", f"{port} vector table")
    rules = [
        Rule(
            Cause[f"{own}_WITHOUT_FIRMWARE"],
            (lockup, *vectors),
            lambda facts: _locked_up(facts) and _nothing_to_start(facts),
            True,
        ),
        Rule(Cause[f"{own}_LOCKED_UP"], (lockup,), _locked_up, True),
        Rule(Cause[f"{own}_IN_FAULT_HANDLER"], (f"{port} ICSR.VECTACTIVE",), _handles_a_fault, True),
    ]
    if core == "cm4":
        rules.append(
            Rule(
                Cause.CM4_MISSED_HSEM_RELEASE,
                (
                    f"{port} DHCSR.S_SLEEP",
                    f"{port} SCR.SLEEPDEEP",
                    "AP1 RCC_C2_AHB4ENR.HSEMEN",
                    "AP1 HSEM_C2IER.ISE0",
                    "AP1 HSEM_C2ISR.ISF0",
                ),
                _missed_in_sleep,
                True,
            )
        )
    else:
        rules.append(
            Rule(Cause.CM7_GAVE_UP_WAITING_FOR_CM4, (f"{port} pc", "AP1 RCC_CR.D2CKRDY"), _gave_up, True)
        )
    return tuple(rules)


CHIP_RULES = (
    Rule(Cause.READ_PROTECTED, ("AP0 RDP",), _some_option("RDP", lambda level: level not in (0xAA, 0xCC))),
    Rule(Cause.SECURITY_ENABLED, ("AP0 SECURITY",), _some_option("SECURITY", bool)),
    Rule(Cause.SUPPLY_NOT_CHOSEN, ("AP1 PWR_CSR1.ACTVOSRDY",), _no_supply_in_force),
    Rule(
        Cause.D1_DEBUG_CLOCK_OFF,
        ("AP2 DBGMCU_CR.DBG_CKD1EN",),
        lambda facts: facts.field("DBGMCU", "CR", "DBG_CKD1EN") == 0,
    ),
)
"""What of the whole chip affects debugging; each is true or not, whatever the others are."""

LOOKALIKES = {Cause.SUPPLY_NOT_CHOSEN: (Cause.SUPPLY_REFUSED,)}
"""What cannot be told from a cause of the chip: PWR_CR3 shows no attempt to write it."""

SILENT_CHIP = (
    Cause.SYSTEM_STANDBY,
    Cause.DEBUG_PINS_TAKEN,
    Cause.CORE_VOLTAGE_LOST,
    Cause.WIRING,
    Cause.PROTECTED_FOR_EVER,
)
"""Why the debug port of a board with power may not answer. From outside they look the same."""

OUTSIDE_REGISTERS = {
    Cause.DBGSWEN_CLEARED: "AP2 CSW.DBGSWEN, before anything goes through AP2",
    Cause.OTHER_CHIP: "IDR of AP0 to AP3, AP2 DBGMCU_IDCODE",
    Cause.NO_POWER: "the target voltage that the probe measures",
    Cause.PROBE_UNUSABLE: "what the host says when the probe is opened",
    **dict.fromkeys(SILENT_CHIP, "the debug port does not answer"),
}
"""How causes show that are not behind an access port; `pytest_h7.diagnosis.doctor` looks for them."""
