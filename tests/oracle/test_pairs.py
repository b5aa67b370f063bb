"""Random programs that wait for ticks, for memory and for each other, on both cores at once.

Each pair runs with and without jumps over busy-wait loops, and must be in the same state at each of several times.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random

import pytest

from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.scheduler import QUANTUM_CYCLES
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

PROGRAM = """
#define SHARED ((volatile uint32_t *)0x38002000u)
#define OTHER (1 - OWN)

volatile uint32_t ticks;

void SysTick_Handler(void)
{
    ticks = ticks + 1;
    SHARED[OWN] = SHARED[OWN] + 1;
    %(in_tick)s;
}

__attribute__((noinline, unused)) static void spend(uint32_t turns)
{
    for (volatile uint32_t turn = 0; turn < turns; turn++) {
    }
}

void program(void)
{
    SCS_SYST_RVR = %(period)d - 1;
    SCS_SYST_CVR = 0;
    SCS_SYST_CSR = 7;
    %(first)s
    for (uint32_t round = 0;; round++) {
        const uint32_t start = ticks, other = SHARED[OTHER];
        uint32_t turns = 0;

        (void)start, (void)other, (void)turns;
        %(steps)s
        result[0] = round;
        result[1] = 31 * result[1] + turns + SCS_SYST_CVR; /* when every round before has ended */
    }
}
"""

WAKE_BY_TICK = '__asm volatile("wfi");'
WAITS = (
    "while (ticks - start < {few}) {{ }}",
    "while (SHARED[OTHER] - other < {few}) {{ }}",
)
STEPS = (
    *WAITS,
    WAKE_BY_TICK,
    "while (SHARED[OTHER] == other && ++turns < {many}) {{ }}",
    "while (SHARED[2 + OTHER] < round && ++turns < {many}) {{ }} SHARED[2 + OWN] = round;",
    "do {{ SHARED[4 + OWN] = ticks & {few}; }} while (ticks - start < {few});",
    "spend({many} & 0xFFF);",
    '__asm volatile("cpsid i"); spend({many} & 0x1FF); __asm volatile("cpsie i");',
    '__asm volatile("wfe");',
    "sev();",
)
MHZ = ((400, 200), (64, 64), (64, 200), (123, 77))
LEVELS = ("-O0", "-O2")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--pairs", 6)))


def make_program(random: Random, quantum: int) -> str:
    """Return C. `quantum` is in cycles: after a core has been woken by a tick, quanta begin with the ticks."""
    period = random.choice((quantum * random.randint(2, 100), quantum * 100, random.randint(300, 100_000)))
    chosen = random.choices(random.choice((STEPS, WAITS)), k=random.randint(1, 3))
    steps = (step.format(few=random.randint(1, 3), many=random.randint(10, 50_000)) for step in chosen)
    return PROGRAM % {
        "in_tick": random.choice(("", "", "sev()")),
        "period": period,
        "first": random.choice(("", WAKE_BY_TICK)),
        "steps": "\n        ".join(steps),
    }


def state(mcu: Mcu) -> tuple[object, ...]:
    cores = [(core.cycles, core.registers(), core.cycles_to_tick()) for core in mcu.cores.values()]
    return mcu.now, *cores, *(zlib.crc32(mcu.memory(name)) for name in ("DTCM", "SRAM1", "SRAM4"))


def test_jumps_make_no_difference(
    seed: int, make_mcu: Callable[..., Mcu], build_program: Callable[..., object]
) -> None:
    random = Random(seed)
    mhz = random.choice(MHZ)
    programs = [
        build_program(
            name,
            make_program(random, QUANTUM_CYCLES * own // max(mhz)),
            random.choice(LEVELS),
            f"-DOWN={number}",
        )
        for number, (name, own) in enumerate(zip(("cm7", "cm4"), mhz, strict=True))
    ]
    times = [random.randint(PS_PER_US, random.choice((PS_PER_MS, 10 * PS_PER_MS))) for _ in range(6)]

    def run(*, jumps: bool) -> list[tuple[object, ...]]:
        mcu = make_mcu(*programs)
        for core, frequency in zip(mcu.cores.values(), mhz, strict=True):
            core.skips_busy_loops = jumps
            mcu.scheduler.set_frequency(core, frequency * 1_000_000)
        states = []
        for time in times:
            mcu.run_for(time)
            states.append(state(mcu))
        return states

    assert run(jumps=True) == run(jumps=False)
