"""Board time: who runs when, what wakes when, and that a run repeats itself to the cycle."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_h7.twin.cpu import Core
from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.scheduler import QUANTUM_CYCLES, Scheduler
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, PS_PER_US

HSI_HZ = 64_000_000
RESULTS_CM7, RESULTS_CM4 = 0, 0x1000

RAM, RAM_SIZE = 0x2000_0000, 0x2_0000
CODE = RAM + 0x400
PERIPHERAL = 0x4000_0000
SYST_CSR, SYST_RVR, SYST_CVR = 0xE000_E010, 0xE000_E014, 0xE000_E018
ICSR, PENDSTSET = 0xE000_ED04, 1 << 26
DHCSR, DEBUG_ON, DEBUG_OFF = 0xE000_EDF0, 0xA05F_0001, 0xA05F_0000
NOP, WFI, STORE, STAY, UNDEFINED = 0xBF00, 0xBF30, 0x6008, 0xE7FE, 0xDE00  # STORE is str r0, [r1]


class Actor:
    """A core in a row of NOPs, an instruction a cycle, some of which are stores that call the test."""

    def __init__(self, name: str, model: str) -> None:
        self._arena = mmap.mmap(-1, RAM_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        pointer = ctypes.addressof(ctypes.c_char.from_buffer(self._arena))
        self._arena[: CODE - RAM] = bytes(CODE - RAM)
        self._arena[:8] = CODE.to_bytes(4, "little") + (CODE | 1).to_bytes(4, "little")
        self._arena[CODE - RAM :] = NOP.to_bytes(2, "little") * ((RAM_SIZE + RAM - CODE) // 2)
        self._arena[-2:] = STAY.to_bytes(2, "little")
        self._actions: dict[int, Callable[[], None]] = {}
        self._before = 0
        self._first = CODE
        self.woken: list[int] = []
        self.core = Core(name, model, self, [(RAM, RAM_SIZE, pointer, True)])
        self.reset()

    @property
    def cycles(self) -> int:
        """Since the core was given to the board."""
        return self.core.cycles - self._before

    def at(self, number: int, action: Callable[[], None]) -> None:
        """Call `action` by the instruction of this number, from 1 on, as its access to a peripheral."""
        address = self._first + 2 * (number - 1)
        self._put(address, STORE)
        self._actions[address] = action

    def sleep(self, tick: int | None = None) -> None:
        """Execute WFI, before the core is the board's; `tick` cycles later, SysTick gets pending."""
        self.core.write_register("primask", 1)
        self._prepare(WFI, 1)
        if tick is not None:
            for address, value in ((SYST_RVR, tick - 1), (SYST_CVR, 0), (SYST_CSR, 7)):
                self.core.write_debug(address, value)
        assert self.core.asleep

    def halt(self) -> None:
        self.core.write_debug(DHCSR, DEBUG_ON)
        self.core.halt()
        assert self.core.halted

    def resume(self) -> None:
        self.core.write_debug(DHCSR, DEBUG_OFF)

    def lock_up(self) -> None:
        """Execute an undefined instruction without a handler, before the core is the board's."""
        self._prepare(UNDEFINED, 2)
        assert self.core.lockup
        self._put(CODE, NOP)

    def reset(self) -> None:
        self.core.reset(RAM)
        self.core.write_register("r1", PERIPHERAL)

    def _prepare(self, instruction: int, cycles: int) -> None:
        self._put(CODE, instruction)
        self._first = CODE + 2
        self.core.run(cycles)
        self._before = self.core.cycles

    def _put(self, address: int, instruction: int) -> None:
        self._arena[address - RAM : address - RAM + 2] = instruction.to_bytes(2, "little")
        self.core.invalidate(address, 2)

    def core_read(self, core: Core, address: int, size: int) -> int:
        raise AssertionError

    def core_write(self, core: Core, address: int, size: int, value: int) -> None:
        assert (core, address) == (self.core, PERIPHERAL)
        self._actions[core.read_register("pc")]()

    def core_slept(self, core: Core) -> None:
        pass

    def core_woke(self, core: Core) -> None:
        self.woken.append(self.cycles)

    def event_sent(self, core: Core) -> None:
        raise AssertionError

    def reset_requested(self, core: Core) -> None:
        raise AssertionError

    def exception_changed(self, core: Core) -> None:
        """Nothing here asks for it, and no core locks up."""

    def halt_changed(self, core: Core) -> None:
        pass


class Desk:
    """Two cores of 1 GHz and 500 MHz: a cycle takes 1 ns and 2 ns.

    Args:
        prepare: what happens to the two cores before they get their clocks.
    """

    def __init__(self, prepare: Callable[[Actor, Actor], None] = lambda fast, slow: None) -> None:
        self.fast, self.slow = Actor("cm7", "cortex-m7"), Actor("cm4", "cortex-m4")
        self.scheduler = Scheduler([self.fast.core, self.slow.core])
        prepare(self.fast, self.slow)
        self.set_clock(self.fast, on=True)
        self.set_clock(self.slow, on=True)
        self.set_frequency(self.fast, 10**9)
        self.set_frequency(self.slow, 5 * 10**8)

    def set_clock(self, actor: Actor, *, on: bool) -> None:
        self.scheduler.set_clock(actor.core, on=on)

    def set_frequency(self, actor: Actor, hz: int) -> None:
        self.scheduler.set_frequency(actor.core, hz)


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
def test_events_against_sorting(plan: list[tuple[int, bool]]) -> None:
    scheduler = Desk().scheduler
    ran: list[int] = []
    for number, (time, cancelled) in enumerate(plan):
        event = scheduler.schedule(time, lambda number=number: ran.append(number))
        if cancelled:
            event.cancel()
    kept = [(time, number) for number, (time, cancelled) in enumerate(plan) if not cancelled]
    scheduler.run_for(25)
    assert ran == [number for time, number in sorted(kept) if time <= 25]
    scheduler.run_for(25)
    assert ran == [number for _, number in sorted(kept)]


# -- cores ------------------------------------------------------------------------------------------


def test_each_core_advances_at_its_own_frequency(desk: Desk) -> None:
    desk.scheduler.run_for(10_000 * NS)
    assert (desk.fast.cycles, desk.slow.cycles) == (10_000, 5_000)
    assert desk.scheduler.now == 10_000 * NS


def test_no_core_runs_further_ahead_than_a_quantum(desk: Desk) -> None:
    seen = []
    for cycle in range(100, 5_000, 100):
        desk.slow.at(cycle, lambda cycle=cycle: seen.append(desk.fast.cycles - 2 * cycle))
    desk.scheduler.run_for(10_000 * NS)
    assert len(seen) == 49
    assert max(seen) <= QUANTUM_CYCLES
    assert min(seen) >= -QUANTUM_CYCLES


def test_lone_core_is_not_cut_into_quanta() -> None:
    """A sleeping core's cycles are counted where a slice ends."""
    desk, seen = Desk(lambda fast, slow: slow.sleep()), []
    for cycle in (1, 1_001, 60_000):
        desk.fast.at(cycle, lambda: seen.append(desk.slow.cycles))
    desk.scheduler.run_for(100_000 * NS)
    assert seen == [0, 0, 0]
    assert (desk.fast.cycles, desk.slow.cycles) == (100_000, 50_000)


def test_time_within_an_access_is_that_of_the_instruction(desk: Desk) -> None:
    seen = []
    desk.fast.at(123, lambda: seen.append(desk.scheduler.now))
    desk.slow.at(77, lambda: seen.append(desk.scheduler.now))
    desk.scheduler.run_for(1_000 * NS)
    assert seen == [123 * NS, 154 * NS]


def test_event_scheduled_by_an_access_runs_at_its_time(desk: Desk) -> None:
    """The slice is shortened, so that the core does not run past an event of its own making."""
    seen = []
    action = lambda: seen.append((desk.scheduler.now // NS, desk.fast.cycles))  # noqa: E731
    desk.fast.at(100, lambda: desk.scheduler.schedule(50 * NS, action))
    desk.scheduler.run_for(1_000 * NS)
    assert seen == [(150, 150)]


def test_core_without_clock_stands_still(desk: Desk) -> None:
    desk.set_clock(desk.slow, on=False)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 0
    desk.set_clock(desk.slow, on=True)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500


def test_core_that_is_given_its_clock_by_the_other_starts_there(desk: Desk) -> None:
    desk.set_clock(desk.slow, on=False)
    desk.fast.at(400, lambda: desk.set_clock(desk.slow, on=True))
    desk.scheduler.run_for(1_000 * NS)
    assert (desk.fast.cycles, desk.slow.cycles) == (1_000, 300)


def test_core_that_loses_its_clock_by_its_own_access(desk: Desk) -> None:
    desk.fast.at(400, lambda: desk.set_clock(desk.fast, on=False))
    desk.scheduler.run_for(1_000 * NS)
    assert (desk.fast.cycles, desk.slow.cycles) == (400, 500)
    assert desk.scheduler.now == 1_000 * NS


def test_halted_core_loses_no_time_to_catch_up(desk: Desk) -> None:
    desk.slow.halt()
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 0
    desk.slow.resume()
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500


def test_locked_up_core_loses_no_time_to_catch_up() -> None:
    desk = Desk(lambda fast, slow: slow.lock_up())
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 0
    desk.slow.reset()
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500


def test_new_frequency_counts_from_the_moment_it_is_set(desk: Desk) -> None:
    desk.scheduler.run_for(1_000 * NS)
    desk.set_frequency(desk.slow, 10**9)
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 500 + 1_000


def test_sleeping_core_counts_at_the_old_frequency_until_the_other_changes_it() -> None:
    desk = Desk(lambda fast, slow: slow.sleep())
    desk.fast.at(600, lambda: desk.set_frequency(desk.slow, 10**9))
    desk.scheduler.run_for(1_000 * NS)
    assert desk.slow.cycles == 300 + 400


def test_sleeping_core_wakes_by_its_tick_at_the_right_time() -> None:
    desk, seen = Desk(lambda fast, slow: slow.sleep(tick=333)), []
    desk.slow.at(1, lambda: seen.append(desk.scheduler.now))
    desk.scheduler.run_for(332 * 2 * NS)
    assert (desk.slow.woken, desk.slow.core.read_debug(ICSR) & PENDSTSET) == ([], 0)
    desk.scheduler.run_for((500 - 332) * 2 * NS)
    assert (desk.slow.woken, desk.slow.core.read_debug(ICSR) & PENDSTSET) == ([333], PENDSTSET)
    assert seen == [334 * 2 * NS]
    assert desk.slow.cycles == 500


def test_tick_moves_when_the_frequency_changes() -> None:
    desk, woken = Desk(lambda fast, slow: slow.sleep(tick=400)), []
    desk.slow.at(1, lambda: woken.append(desk.scheduler.now // NS))
    desk.fast.at(200, lambda: desk.set_frequency(desk.slow, 10**9))
    desk.scheduler.run_for(1_000 * NS)
    # 100 cycles of 2 ns, then 301 of 1 ns.
    assert woken == [200 + 301]


def test_time_passes_while_both_cores_sleep() -> None:
    def sleep(fast: Actor, slow: Actor) -> None:
        fast.sleep()
        slow.sleep()

    desk, seen = Desk(sleep), []
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
        desk.set_frequency(desk.fast, hz)
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


WAKE_AND_LOOP = """
void SysTick_Handler(void) { result[0]++; }

void program(void)
{
    SCS_SYST_RVR = 64000 - 1;
    SCS_SYST_CVR = 0;
    SCS_SYST_CSR = 7;
    wfi(); /* from here on, slices begin with the ticks */
    for (;;) {
    }
}
"""
WATCH = """
void program(void)
{
    SCS_SYST_RVR = 0xFFFFFF;
    SCS_SYST_CVR = 0;
    SCS_SYST_CSR = 5;
    for (uint32_t seen = 0;; seen++) {
        while (REGISTER(0x38001000) == seen) {
        }
        result[seen % 8] = SCS_SYST_CVR;
    }
}
"""


def test_tick_between_two_slices_ends_the_loop_of_the_other_core(make_mcu, build_program) -> None:
    mcu = make_mcu(build_program("cm7", WATCH), build_program("cm4", WAKE_AND_LOOP))
    mcu.run_for(9 * PS_PER_MS)
    seen = [result(mcu, "cm7", index) for index in range(8)]
    periods = [before - after for before, after in pairwise(seen)]
    assert all(abs(period - 64_000) < QUANTUM_CYCLES for period in periods), periods


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
