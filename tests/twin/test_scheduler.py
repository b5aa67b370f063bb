"""Board time: who runs when, what wakes when, and that a run repeats itself to the cycle."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.scheduler import QUANTUM_CYCLES, Scheduler
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, PS_PER_US, Timeline

HSI_HZ = 64_000_000
RESULTS_CM7, RESULTS_CM4 = 0, 0x1000


class ScriptedCore:
    """A core of one instruction a cycle; `at` calls what is due at a cycle, as an instruction's access would."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cycles = 0
        self.running = True
        self.halted = self.lockup = False
        self.tick: int | None = None
        self.ticks: list[int] = []
        self.at: dict[int, Callable[[], None]] = {}
        self.slices: list[int] = []
        self._stop = False

    def run(self, cycles: int) -> None:
        end = self.cycles + cycles
        start = self.cycles
        self._stop = False
        if not self.running:
            self._sleep(end)
        while self.running and self.cycles < end and not self._stop:
            self.cycles += 1
            action = self.at.pop(self.cycles, None)
            if action is not None:
                action()
        self.slices.append(self.cycles - start)

    def _sleep(self, end: int) -> None:
        if self.tick is not None and self.tick <= end:
            self.cycles = self.tick
            self.ticks.append(self.tick)
            self.tick = None
            self.running = True
        else:
            self.cycles = end

    def cycles_to_tick(self) -> int | None:
        return None if self.tick is None else self.tick - self.cycles

    def stop_after_instruction(self) -> None:
        self._stop = True


class Desk:
    """Two scripted cores of 1 GHz and 500 MHz: a cycle takes 1 ns and 2 ns."""

    def __init__(self) -> None:
        self.fast, self.slow = ScriptedCore("cm7"), ScriptedCore("cm4")
        self.scheduler = Scheduler([self.fast, self.slow])
        for core, hz in ((self.fast, 10**9), (self.slow, 5 * 10**8)):
            self.scheduler.set_clock(core, on=True)
            self.scheduler.set_frequency(core, hz)


@pytest.fixture
def desk() -> Desk:
    return Desk()


NS = 1000

# -- events -----------------------------------------------------------------------------------------


def test_events_run_in_order_of_time_and_then_of_scheduling(desk: Desk) -> None:
    order = []
    for name, delay in (("c", 30), ("a", 10), ("d", 30), ("b", 20)):
        desk.scheduler.schedule(delay * NS, lambda name=name: order.append((name, desk.scheduler.now // NS)))
    desk.scheduler.run_for(100 * NS)
    assert order == [("a", 10), ("b", 20), ("c", 30), ("d", 30)]


def test_event_at_the_end_of_a_run_belongs_to_it(desk: Desk) -> None:
    seen = []
    desk.scheduler.schedule(100 * NS, lambda: seen.append("due"))
    desk.scheduler.run_for(99 * NS)
    assert seen == []
    desk.scheduler.run_for(1 * NS)
    assert seen == ["due"]


def test_event_that_an_event_schedules_for_now_runs_at_once(desk: Desk) -> None:
    times = []
    desk.scheduler.schedule(
        5 * NS, lambda: desk.scheduler.schedule(0, lambda: times.append(desk.scheduler.now // NS))
    )
    desk.scheduler.run_for(5 * NS)
    assert times == [5]


def test_cancelled_event_does_not_run(desk: Desk) -> None:
    seen = []
    event = desk.scheduler.schedule(10 * NS, lambda: seen.append(1))
    assert event.pending
    event.cancel()
    assert not event.pending
    desk.scheduler.run_for(20 * NS)
    assert seen == []


def test_event_is_not_pending_while_and_after_it_runs(desk: Desk) -> None:
    event = desk.scheduler.schedule(10 * NS, lambda: seen.append(event.pending))
    seen: list[bool] = []
    desk.scheduler.run_for(20 * NS)
    assert [*seen, event.pending] == [False, False]
    event.cancel()


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=30))
def test_timeline_against_sorting(plan: list[tuple[int, bool]]) -> None:
    timeline, ran = Timeline(), []
    for number, (time, cancelled) in enumerate(plan):
        event = timeline.schedule(time, lambda number=number: ran.append(number))
        if cancelled:
            event.cancel()
    kept = [(time, number) for number, (time, cancelled) in enumerate(plan) if not cancelled]
    assert timeline.next_time() == (min(kept)[0] if kept else None)
    timeline.run_due(25)
    assert ran == [number for time, number in sorted(kept) if time <= 25]
    timeline.run_due(50)
    assert ran == [number for _, number in sorted(kept)]


# -- cores ------------------------------------------------------------------------------------------


def test_each_core_advances_at_its_own_frequency(desk: Desk) -> None:
    desk.scheduler.run_for(10_000 * NS)
    assert (desk.fast.cycles, desk.slow.cycles) == (10_000, 5_000)
    assert desk.scheduler.now == 10_000 * NS


def test_no_core_runs_further_ahead_than_a_quantum(desk: Desk) -> None:
    seen = []
    for cycle in range(100, 5_000, 100):
        desk.slow.at[cycle] = lambda cycle=cycle: seen.append(desk.fast.cycles - 2 * cycle)
    desk.scheduler.run_for(10_000 * NS)
    assert len(seen) == 49
    assert max(seen) <= QUANTUM_CYCLES
    assert min(seen) >= -QUANTUM_CYCLES


def test_lone_core_is_not_cut_into_quanta(desk: Desk) -> None:
    desk.slow.running = False
    desk.scheduler.run_for(100_000 * NS)
    assert desk.fast.slices == [100_000]


def test_time_within_an_access_is_that_of_the_instruction(desk: Desk) -> None:
    seen = []
    desk.fast.at[123] = lambda: seen.append(desk.scheduler.now)
    desk.slow.at[77] = lambda: seen.append(desk.scheduler.now)
    desk.scheduler.run_for(1_000 * NS)
    assert seen == [123 * NS, 154 * NS]


def test_event_scheduled_by_an_access_runs_at_its_time(desk: Desk) -> None:
    """The slice is shortened, so that the core does not run past an event of its own making."""
    seen = []
    action = lambda: seen.append((desk.scheduler.now // NS, desk.fast.cycles))  # noqa: E731
    desk.fast.at[100] = lambda: desk.scheduler.schedule(50 * NS, action)
    desk.scheduler.run_for(1_000 * NS)
    assert seen == [(150, 150)]


def test_core_without_clock_stands_still(desk: Desk) -> None:
    desk.scheduler.set_clock(desk.slow, on=False)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 0
    desk.scheduler.set_clock(desk.slow, on=True)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500


def test_core_that_is_given_its_clock_by_the_other_starts_there(desk: Desk) -> None:
    desk.scheduler.set_clock(desk.slow, on=False)
    desk.fast.at[400] = lambda: desk.scheduler.set_clock(desk.slow, on=True)
    desk.scheduler.run_for(1_000 * NS)
    assert (desk.fast.cycles, desk.slow.cycles) == (1_000, 300)


def test_core_that_loses_its_clock_by_its_own_access(desk: Desk) -> None:
    desk.fast.at[400] = lambda: desk.scheduler.set_clock(desk.fast, on=False)
    desk.scheduler.run_for(1_000 * NS)
    assert (desk.fast.cycles, desk.slow.cycles) == (400, 500)
    assert desk.scheduler.now == 1_000 * NS


@pytest.mark.parametrize("state", ["halted", "lockup"])
def test_halted_core_loses_no_time_to_catch_up(desk: Desk, state: str) -> None:
    desk.slow.running = False
    setattr(desk.slow, state, True)
    desk.scheduler.run_for(1_000 * NS)
    desk.slow.running = True
    setattr(desk.slow, state, False)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500


def test_new_frequency_counts_from_the_moment_it_is_set(desk: Desk) -> None:
    desk.scheduler.run_for(1_000 * NS)
    desk.scheduler.set_frequency(desk.slow, 10**9)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500 + 1_000


def test_sleeping_core_counts_at_the_old_frequency_until_the_other_changes_it(desk: Desk) -> None:
    desk.slow.running = False
    desk.fast.at[600] = lambda: desk.scheduler.set_frequency(desk.slow, 10**9)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 300 + 400


def test_sleeping_core_wakes_by_its_tick_at_the_right_time(desk: Desk) -> None:
    desk.slow.running, desk.slow.tick = False, 333
    desk.slow.at[334] = lambda: seen.append(desk.scheduler.now)
    seen: list[int] = []
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.ticks == [333]
    assert seen == [334 * 2 * NS]
    assert desk.slow.cycles == 500


def test_tick_moves_when_the_frequency_changes(desk: Desk) -> None:
    desk.slow.running, desk.slow.tick = False, 400
    woken: list[int] = []
    desk.slow.at[401] = lambda: woken.append(desk.scheduler.now // NS)
    desk.fast.at[200] = lambda: desk.scheduler.set_frequency(desk.slow, 10**9)
    desk.scheduler.run_for(1_000 * NS)
    # 100 cycles of 2 ns, then 301 of 1 ns.
    assert woken == [200 + 301]


def test_time_passes_while_both_cores_sleep(desk: Desk) -> None:
    desk.fast.running = desk.slow.running = False
    seen: list[int] = []
    desk.scheduler.schedule(7 * PS_PER_MS + 3, lambda: seen.append(desk.scheduler.now))
    desk.scheduler.run_for(1 * PS_PER_S)
    assert seen == [7 * PS_PER_MS + 3]
    assert desk.scheduler.now == 1 * PS_PER_S
    assert (desk.fast.cycles, desk.slow.cycles) == (10**9, 5 * 10**8)


@given(
    parts=st.lists(st.integers(1, 40_000), min_size=1, max_size=8),
    events=st.lists(st.integers(0, 60_000), max_size=6),
    hz=st.sampled_from((7_000_001, 64_000_000, 333_333_333, 400_000_000)),
)
@settings(deadline=None, max_examples=60)
def test_time_in_parts_is_the_same_as_in_one_go(parts: list[int], events: list[int], hz: int) -> None:
    """How the host asks for time must not change what happens when."""

    def run(durations: list[int]) -> tuple[list[tuple[int, int, int]], int, int, int]:
        desk, seen = Desk(), []
        desk.scheduler.set_frequency(desk.fast, hz)
        for delay in events:
            desk.scheduler.schedule(
                delay * NS, lambda: seen.append((desk.scheduler.now, desk.fast.cycles, desk.slow.cycles))
            )
        for duration in durations:
            desk.scheduler.run_for(duration * NS)
        return seen, desk.scheduler.now, desk.fast.cycles, desk.slow.cycles

    assert run(parts) == run([sum(parts)])


# -- real cores ---------------------------------------------------------------------------------------


COUNT_AND_SLEEP = """
void SysTick_Handler(void) { result[0] = result[0] + 1; }

void program(void)
{
    SCS_SYST_RVR = PERIOD - 1;
    SCS_SYST_CVR = 0;
    SCS_SYST_CSR = 7;
    for (;;) {
        wfi();
        result[1] = result[1] + 1;
    }
}
"""

TALK = """
#ifdef CORE_CM7
#define OTHER ((volatile uint32_t *)0x38001000)
#else
#define OTHER ((volatile uint32_t *)0x38000000)
#endif

/* Answer each change of the other core's word by one of the own; mix what was seen into a sum. */
void program(void)
{
    for (;;) {
        uint32_t seen = OTHER[0];
        result[0] = seen + 1;
        result[1] = result[1] * 33 + seen;
        if (seen % 64 == 63) {
            sev();
        }
    }
}
"""


def result(mcu: Mcu, core: str, index: int) -> int:
    start = (RESULTS_CM7 if core == "cm7" else RESULTS_CM4) + 4 * index
    return int.from_bytes(mcu.memory("SRAM4")[start : start + 4], "little")


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_tick_of_a_sleeping_core(make_mcu, build_program, core: str) -> None:
    mcu = make_mcu(build_program(core, COUNT_AND_SLEEP, "-DPERIOD=64000"))
    mcu.run_for(PS_PER_S)
    # 64000 cycles of 64 MHz are 1 ms; the start took less than that.
    assert result(mcu, core, 0) == 999
    assert result(mcu, core, 1) == 999


def test_ticks_of_both_cores_are_their_own(make_mcu, build_program) -> None:
    mcu = make_mcu(
        build_program("cm7", COUNT_AND_SLEEP, "-DPERIOD=64000"),
        build_program("cm4", COUNT_AND_SLEEP, "-DPERIOD=6400"),
    )
    mcu.run_for(100 * PS_PER_MS)
    assert (result(mcu, "cm7", 0), result(mcu, "cm4", 0)) == (99, 999)


def test_cycles_of_running_cores_are_time_by_frequency(make_mcu, build_program) -> None:
    mcu = make_mcu(build_program("cm7", TALK), build_program("cm4", TALK))
    mcu.run_for(10 * PS_PER_MS)
    expected = (10 * PS_PER_MS - 20 * PS_PER_US) * HSI_HZ // PS_PER_S
    for core in mcu.cores.values():
        assert core.cycles == pytest.approx(expected, abs=5)


def test_both_cores_make_progress_together(make_mcu, build_program) -> None:
    """Each answers the other many times a millisecond, or polling loops of real firmware would time out."""
    mcu = make_mcu(build_program("cm7", TALK), build_program("cm4", TALK))
    mcu.run_for(5 * PS_PER_MS)
    assert result(mcu, "cm7", 0) > 300
    assert abs(result(mcu, "cm7", 0) - result(mcu, "cm4", 0)) <= 2


def test_same_run_twice_is_identical_to_the_bit(make_mcu, build_program) -> None:
    def run() -> tuple[object, ...]:
        mcu = make_mcu(build_program("cm7", TALK), build_program("cm4", TALK))
        states = []
        for microseconds in (1_000, 333, 1, 2_500):
            mcu.run_for(microseconds * PS_PER_US)
            states.append(
                (mcu.now, *((core.cycles, tuple(core.registers().items())) for core in mcu.cores.values()))
            )
        return tuple(states), bytes(mcu.memory("SRAM4")[:0x2000])

    assert run() == run()


def test_run_in_small_steps_is_the_run_in_one_go(make_mcu, build_program) -> None:
    def run(steps: int) -> tuple[int, int, int]:
        mcu = make_mcu(build_program("cm7", COUNT_AND_SLEEP, "-DPERIOD=9999"))
        for _ in range(steps):
            mcu.run_for(60 * PS_PER_MS // steps)
        return result(mcu, "cm7", 0), result(mcu, "cm7", 1), mcu.cores["cm7"].cycles

    assert run(1) == run(600) == run(7_500)
