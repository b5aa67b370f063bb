"""The low-power timers, register by register (RM0399 chapter 45)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

TICK = PS_PER_S // 64_000_000
SYNCHRONIZATION = 3
CMPM, ARRM, EXTTRIG, CMPOK, ARROK, UP, DOWN = (1 << bit for bit in range(7))
ENABLE, SNGSTRT, CNTSTRT, COUNTRST, RSTARE = (1 << bit for bit in range(5))
PRELOAD, WAVPOL, WAVE, TIMOUT, COUNTMODE, ENC = 1 << 22, 1 << 21, 1 << 20, 1 << 19, 1 << 23, 1 << 24
RISING_TRIGGER = 1 << 17
ALL = [f"LPTIM{number}" for number in range(1, 6)]
LSI, LSE = 4, 3
IRQS = {"LPTIM1": 93, "LPTIM2": 138, "LPTIM3": 139, "LPTIM4": 140, "LPTIM5": 141}


class Bench:
    """A chip with all low-power timers clocked, and what a test does with them."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.mcu: Mcu = desk.mcu
        for register, value in (("APB1LENR", 1 << 9), ("APB4ENR", 0xF << 9 | 1 << 16), ("AHB4ENR", 0x7FF)):
            desk.write(f"RCC.{register}", value)

    def write(self, timer: str, **registers: int) -> None:
        for name, value in registers.items():
            self.desk.write(f"{timer}.{name}", value)

    def read(self, timer: str, register: str) -> int:
        value: int = self.desk.read(f"{timer}.{register}")
        return value

    def ticks(self, count: int) -> None:
        """Let periods of the kernel clock pass, which is that of the bus: 64 MHz."""
        self.mcu.run_for(count * TICK)

    def prepare(self, timer: str, *, arr: int = 9, cmp: int = 4, **registers: int) -> None:
        """Set a timer up as firmware does: enable it, then its values, and wait for both to arrive."""
        self.write(timer, **registers, CR=ENABLE, ARR=arr, CMP=cmp)
        self.ticks(SYNCHRONIZATION)
        assert self.read(timer, "ISR") & (ARROK | CMPOK) == ARROK | CMPOK
        self.write(timer, ICR=0x7F)

    def start(self, timer: str, how: int = CNTSTRT) -> None:
        """Start a timer and wait until its counter counts."""
        self.write(timer, CR=ENABLE | how)
        self.ticks(SYNCHRONIZATION)

    def switch(self, pin: str, function: int) -> None:
        port, number = f"GPIO{pin[1]}", int(pin[2:])
        half = "AFRL" if number < 8 else "AFRH"
        for register, width, place, value in ((half, 4, number % 8, function), ("MODER", 2, number, 2)):
            mask = ((1 << width) - 1) << width * place
            old = self.desk.read(f"{port}.{register}")
            self.desk.write(f"{port}.{register}", old & ~mask | value << width * place)

    def edges(self, pin: str) -> list[tuple[int, bool]]:
        """Return a list that each edge of a pin joins: in ticks from now, new level."""
        found: list[tuple[int, bool]] = []
        start = self.mcu.now
        self.mcu.pins.watch(pin, lambda level: found.append(((self.mcu.now - start) // TICK, level)))
        return found

    def pending(self, timer: str, core: str = "cm7") -> bool:
        irq = IRQS[timer]
        return bool(self.mcu.cores[core].read_debug(0xE000_E200 + 4 * (irq // 32)) >> irq % 32 & 1)


@pytest.fixture
def bench(desk: Any) -> Bench:
    return Bench(desk)


@pytest.mark.parametrize("timer", ALL)
def test_new_values_are_acknowledged_some_kernel_clocks_later(bench: Bench, timer: str) -> None:
    assert bench.read(timer, "ARR") == 1
    bench.write(timer, CR=ENABLE, ARR=99)
    bench.ticks(SYNCHRONIZATION - 1)
    assert bench.read(timer, "ISR") == 0
    bench.ticks(1)
    assert bench.read(timer, "ISR") == ARROK
    bench.write(timer, CMP=50, ICR=ARROK)
    bench.ticks(SYNCHRONIZATION)
    assert bench.read(timer, "ISR") == CMPOK


def test_a_timer_that_is_not_enabled_acknowledges_nothing(bench: Bench) -> None:
    bench.write("LPTIM1", ARR=99, CMP=5, CR=CNTSTRT)
    bench.ticks(100)
    assert (bench.read("LPTIM1", "ISR"), bench.read("LPTIM1", "CNT"), bench.read("LPTIM1", "CR")) == (0, 0, 0)


@pytest.mark.parametrize("timer", ALL)
def test_continuous_counting_goes_round(bench: Bench, timer: str) -> None:
    bench.prepare(timer)
    bench.start(timer)
    assert bench.read(timer, "CR") == ENABLE
    bench.ticks(4)
    assert (bench.read(timer, "CNT"), bench.read(timer, "ISR")) == (4, CMPM)
    bench.ticks(5)
    assert (bench.read(timer, "CNT"), bench.read(timer, "ISR")) == (9, CMPM | ARRM)
    bench.ticks(3)
    assert bench.read(timer, "CNT") == 2


def test_single_counting_stops_at_the_end(bench: Bench) -> None:
    bench.prepare("LPTIM2")
    bench.start("LPTIM2", SNGSTRT)
    bench.ticks(100)
    assert (bench.read("LPTIM2", "CNT"), bench.read("LPTIM2", "ISR")) == (0, CMPM | ARRM)
    bench.write("LPTIM2", ICR=0x7F)
    bench.start("LPTIM2", SNGSTRT)
    bench.ticks(5)
    assert bench.read("LPTIM2", "CNT") == 5


def test_one_mode_can_be_turned_into_the_other(bench: Bench) -> None:
    bench.prepare("LPTIM2", arr=99)
    bench.start("LPTIM2")
    bench.ticks(250)
    bench.write("LPTIM2", CR=ENABLE | SNGSTRT)
    bench.ticks(100)
    assert bench.read("LPTIM2", "CNT") == 0


def test_prescaler_divides_the_kernel_clock(bench: Bench) -> None:
    bench.prepare("LPTIM3", arr=999, CFGR=5 << 9)
    bench.start("LPTIM3")
    bench.ticks(32 * 7 + 31)
    assert bench.read("LPTIM3", "CNT") == 7


def test_a_smaller_prescaler_takes_effect_at_once(bench: Bench) -> None:
    bench.prepare("LPTIM3", arr=999, CFGR=7 << 9, IER=ARRM)
    bench.start("LPTIM3")
    bench.ticks(100)
    bench.write("LPTIM3", CFGR=0)
    bench.ticks(50)
    assert bench.read("LPTIM3", "CNT") == 50


def test_counter_reset_takes_effect_some_clocks_later(bench: Bench) -> None:
    bench.prepare("LPTIM4", arr=999)
    bench.start("LPTIM4")
    bench.ticks(50)
    bench.write("LPTIM4", CR=ENABLE | COUNTRST)
    assert bench.read("LPTIM4", "CR") == ENABLE | COUNTRST
    bench.ticks(2)
    assert bench.read("LPTIM4", "CNT") == 52
    bench.ticks(6)
    assert bench.read("LPTIM4", "CNT") == 5
    assert bench.read("LPTIM4", "CR") == ENABLE


def test_reading_can_reset_the_counter(bench: Bench) -> None:
    bench.prepare("LPTIM4", arr=999)
    bench.start("LPTIM4")
    bench.write("LPTIM4", CR=ENABLE | RSTARE)
    bench.ticks(50)
    assert bench.read("LPTIM4", "CNT") == 50
    assert bench.read("LPTIM4", "CNT") == 0
    assert bench.read("LPTIM4", "CR") == ENABLE


def test_preloaded_values_wait_for_the_end_of_the_period(bench: Bench) -> None:
    bench.prepare("LPTIM1", arr=99, CFGR=PRELOAD)
    bench.start("LPTIM1")
    bench.ticks(10)
    bench.write("LPTIM1", ARR=19)
    bench.ticks(50)
    assert bench.read("LPTIM1", "CNT") == 60
    bench.ticks(40 + 19)
    assert bench.read("LPTIM1", "CNT") == 19
    bench.ticks(1)
    assert bench.read("LPTIM1", "CNT") == 0


def test_disabling_stops_and_clears_the_counter(bench: Bench) -> None:
    bench.prepare("LPTIM5", arr=999)
    bench.start("LPTIM5")
    bench.ticks(20)
    bench.write("LPTIM5", CR=0)
    assert bench.read("LPTIM5", "CNT") == 0
    bench.write("LPTIM5", CR=ENABLE)
    bench.ticks(100)
    assert bench.read("LPTIM5", "CNT") == 0


# -- interrupts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("timer", ALL)
def test_enabled_flags_drive_the_line_of_both_cores(bench: Bench, timer: str) -> None:
    bench.prepare(timer, IER=ARRM)
    bench.start(timer)
    bench.ticks(8)
    assert not bench.pending(timer)
    bench.ticks(1)
    assert bench.pending(timer)
    assert bench.pending(timer, "cm4")


def test_an_interrupt_enabled_after_its_flag_stays_away(bench: Bench) -> None:
    bench.prepare("LPTIM1")
    bench.start("LPTIM1")
    bench.ticks(20)
    bench.write("LPTIM1", IER=ARRM)
    assert not bench.pending("LPTIM1")
    bench.write("LPTIM1", ICR=ARRM)
    bench.ticks(20)
    assert bench.pending("LPTIM1")


# -- output -----------------------------------------------------------------------------------------


def test_pwm_is_high_above_the_compare_value(bench: Bench) -> None:
    bench.switch("PG13", 1)  # LPTIM1_OUT
    bench.prepare("LPTIM1")
    bench.start("LPTIM1")
    edges = bench.edges("PG13")
    bench.ticks(20)
    assert edges == [(5, True), (10, False), (15, True), (20, False)]


def test_polarity_shows_at_once(bench: Bench) -> None:
    bench.switch("PG13", 1)
    assert not bench.mcu.pins.level("PG13")
    bench.write("LPTIM1", CFGR=WAVPOL)
    assert bench.mcu.pins.level("PG13")


@pytest.mark.parametrize(("wave", "expected"), [(0, [(5, True), (10, False)]), (WAVE, [(5, True)])])
def test_one_pulse_and_set_once(bench: Bench, wave: int, expected: list[tuple[int, bool]]) -> None:
    bench.switch("PG13", 1)
    bench.prepare("LPTIM1", CFGR=wave)
    bench.start("LPTIM1", SNGSTRT)
    edges = bench.edges("PG13")
    bench.ticks(50)
    assert edges == expected


def test_an_output_reaches_exti(bench: Bench) -> None:
    bench.desk.write("EXTI.RTSR2", 1 << 17)
    bench.desk.set("EXTI.C1IMR2", MR49=1)
    bench.prepare("LPTIM2")
    bench.start("LPTIM2")
    bench.ticks(4)
    assert not bench.desk.read("EXTI.C1PR2")
    bench.ticks(1)
    assert bench.desk.read("EXTI.C1PR2") == 1 << 17


# -- triggers and edges -------------------------------------------------------------------------------


def test_an_edge_of_a_pin_starts_the_counter(bench: Bench) -> None:
    bench.switch("PG14", 1)  # LPTIM1_ETR
    bench.prepare("LPTIM1", arr=999, CFGR=RISING_TRIGGER)
    bench.write("LPTIM1", CR=ENABLE | CNTSTRT)
    bench.ticks(50)
    assert bench.read("LPTIM1", "CNT") == 0
    bench.mcu.pins.drive("PG14", True)
    bench.ticks(30)
    assert bench.read("LPTIM1", "CNT") == 30
    assert bench.read("LPTIM1", "ISR") & EXTTRIG
    bench.write("LPTIM1", ICR=0x7F)
    bench.mcu.pins.drive("PG14", False)
    bench.mcu.pins.drive("PG14", True)
    assert not bench.read("LPTIM1", "ISR") & EXTTRIG


def test_triggers_put_off_a_time_out(bench: Bench) -> None:
    bench.switch("PG14", 1)
    bench.prepare("LPTIM1", arr=999, cmp=99, CFGR=RISING_TRIGGER | TIMOUT)
    bench.write("LPTIM1", CR=ENABLE | CNTSTRT)
    for _ in range(4):
        bench.mcu.pins.drive("PG14", True)
        bench.ticks(80)
        bench.mcu.pins.drive("PG14", False)
    assert not bench.read("LPTIM1", "ISR") & CMPM
    bench.ticks(20)
    assert bench.read("LPTIM1", "ISR") & CMPM


def test_one_low_power_timer_triggers_another(bench: Bench) -> None:
    bench.prepare("LPTIM3", arr=999, CFGR=RISING_TRIGGER)  # trigger 0 is LPTIM2_OUT
    bench.write("LPTIM3", CR=ENABLE | CNTSTRT)
    bench.prepare("LPTIM2")
    bench.start("LPTIM2", SNGSTRT)
    bench.ticks(30)
    assert bench.read("LPTIM3", "CNT") == 25


def test_a_trigger_from_elsewhere_is_counted(bench: Bench) -> None:
    comparator = 6 << 13
    bench.write("LPTIM1", CFGR=comparator)
    assert not bench.mcu.unmodelled
    bench.write("LPTIM1", CFGR=comparator | RISING_TRIGGER)
    assert bench.mcu.unmodelled == {("LPTIM1", "CFGR", "cm7", "write"): 1}


def test_an_output_can_clock_its_own_timer(bench: Bench) -> None:
    """Each edge makes the next, a little later."""
    bench.switch("PG13", 1)
    bench.switch("PD12", 1)  # LPTIM1_IN1
    bench.mcu.pins.connect("PG13", "PD12")
    bench.prepare("LPTIM1", arr=1, cmp=0, CFGR=COUNTMODE | 2 << 1)
    bench.start("LPTIM1")
    edges = bench.edges("PG13")
    bench.write("LPTIM1", CFGR=COUNTMODE | 2 << 1 | WAVPOL)
    bench.mcu.run_for(PS_PER_MS // 1000)
    assert 5 < len(edges) < 20


@pytest.mark.parametrize(("polarity", "count"), [(0, 6), (1, 6), (2, 12)])
def test_edges_of_a_pin_are_counted(bench: Bench, polarity: int, count: int) -> None:
    bench.switch("PD12", 1)  # LPTIM1_IN1
    bench.prepare("LPTIM1", arr=999, CFGR=COUNTMODE | polarity << 1)
    bench.start("LPTIM1")
    for _ in range(6):
        bench.mcu.pins.drive("PD12", True)
        bench.mcu.pins.drive("PD12", False)
    bench.ticks(10)
    assert bench.read("LPTIM1", "CNT") == count


def test_an_external_clock_needs_some_edges_first(bench: Bench) -> None:
    bench.switch("PD12", 1)
    bench.write("LPTIM1", CFGR=1, CR=ENABLE, ARR=99)

    def pulse(count: int) -> None:
        for _ in range(count):
            bench.mcu.pins.drive("PD12", True)
            bench.mcu.pins.drive("PD12", False)

    bench.write("LPTIM1", CR=ENABLE | CNTSTRT)
    bench.ticks(50)
    assert not bench.read("LPTIM1", "ISR") & ARROK
    pulse(5)
    assert bench.read("LPTIM1", "ISR") & ARROK
    assert bench.read("LPTIM1", "CNT") == 0
    pulse(7)
    assert bench.read("LPTIM1", "CNT") == 7


def test_an_encoder_counts_up_and_down(bench: Bench) -> None:
    bench.switch("PD12", 1)
    bench.switch("PE1", 1)  # LPTIM1_IN2
    bench.prepare("LPTIM1", arr=99, CFGR=ENC | 2 << 1)
    bench.start("LPTIM1")

    def turn(*pins: str) -> None:
        for level in (True, False):
            for pin in pins:
                bench.mcu.pins.drive(pin, level)

    turn("PD12", "PE1")
    assert (bench.read("LPTIM1", "CNT"), bench.read("LPTIM1", "ISR") & (UP | DOWN)) == (4, 0)
    for _ in range(2):
        turn("PE1", "PD12")
    assert (bench.read("LPTIM1", "CNT"), bench.read("LPTIM1", "ISR") & (UP | DOWN)) == (96, DOWN)


# -- clocks -----------------------------------------------------------------------------------------


def test_kernel_clock_is_selected_in_rcc(bench: Bench) -> None:
    bench.desk.set("RCC.CSR", LSION=1)
    bench.mcu.run_for(PS_PER_MS)
    bench.desk.set("RCC.D3CCIPR", LPTIM345SEL=LSI)
    bench.write("LPTIM5", CR=ENABLE, ARR=0xFFFF)
    bench.mcu.run_for(PS_PER_MS)
    assert bench.read("LPTIM5", "ISR") == ARROK
    bench.write("LPTIM5", CR=ENABLE | CNTSTRT)
    bench.mcu.run_for(PS_PER_S)
    assert bench.read("LPTIM5", "CNT") == pytest.approx(32_000, abs=SYNCHRONIZATION + 1)


def test_without_kernel_clock_nothing_is_acknowledged(bench: Bench) -> None:
    bench.desk.set("RCC.D3CCIPR", LPTIM2SEL=LSE)
    bench.write("LPTIM2", CR=ENABLE, ARR=99)
    bench.mcu.run_for(PS_PER_S)
    assert bench.read("LPTIM2", "ISR") == 0


def test_it_is_frozen_with_a_halted_core_if_dbgmcu_says_so(bench: Bench) -> None:
    bench.prepare("LPTIM1", arr=0xFFFF)
    bench.start("LPTIM1")
    bench.desk.set("DBGMCU.APB1LFZ2", DBG_LPTIM1=1)
    bench.mcu.cores["cm4"].write_debug(0xE000_EDF0, 0xA05F_0003)
    bench.ticks(100)
    frozen = bench.read("LPTIM1", "CNT")
    bench.ticks(100)
    assert bench.read("LPTIM1", "CNT") == frozen


def test_an_unwatched_timer_costs_no_events(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled: list[int] = []
    schedule = bench.mcu.schedule
    bench.switch("PG13", 1)
    bench.prepare("LPTIM1")

    def note(delay: int, action: Callable[[], None]) -> object:
        scheduled.append(delay)
        return schedule(delay, action)

    monkeypatch.setattr(bench.mcu, "schedule", note)
    bench.start("LPTIM1")
    scheduled.clear()
    bench.mcu.run_for(PS_PER_S)
    assert bench.read("LPTIM1", "ISR") == CMPM | ARRM
    assert not scheduled


SETUPS = st.fixed_dictionaries({"arr": st.integers(1, 12), "cmp": st.integers(0, 13)})
SHORT = {"arr": 1, "cmp": 0}


@settings(max_examples=40, deadline=None)
@given(
    setup=SETUPS,
    later=SETUPS,
    configuration=st.tuples(st.sampled_from([0, PRELOAD]), st.sampled_from([0, WAVE]), st.integers(0, 2)),
    how=st.sampled_from([SNGSTRT, CNTSTRT]),
    first=st.integers(0, 40),
    ticks=st.integers(1, 250),
)
@example(setup=SHORT, later=SHORT, configuration=(0, WAVE, 0), how=CNTSTRT, first=0, ticks=7)
def test_a_jump_leads_where_single_steps_lead(
    shared: Bench,
    setup: dict[str, int],
    later: dict[str, int],
    configuration: tuple[int, int, int],
    how: int,
    first: int,
    ticks: int,
) -> None:
    preload, wave, prescaler = configuration
    found = []
    for step, interrupts in ((1, 0), (ticks, 0), (ticks, 0x7F)):
        shared.desk.write("RCC.APB1LRSTR", 1 << 9)
        shared.desk.write("RCC.APB1LRSTR", 0)
        shared.prepare("LPTIM1", **setup, CFGR=preload | wave | prescaler << 9, IER=interrupts)
        shared.write("LPTIM1", CR=ENABLE | how)
        shared.ticks(first)
        shared.write("LPTIM1", ARR=later["arr"], CMP=later["cmp"])
        for _ in range(ticks // step):
            shared.ticks(step)
            state = [shared.read("LPTIM1", name) for name in ("CNT", "ISR", "CR")]
            state.append(shared.desk.read("GPIOG.IDR") >> 13 & 1)
        found.append(state)
    assert found[0] == found[1] == found[2]


@pytest.fixture(scope="module")
def shared(make_desk: Callable[[], Any]) -> Bench:
    """A chip that the examples of a test share: a reset of the timer makes it a new one."""
    bench = Bench(make_desk())
    bench.switch("PG13", 1)
    return bench


def test_word_access_by_every_master(bench: Bench) -> None:
    bench.prepare("LPTIM2", arr=7)
    for master in (Master.CM4, Master.AP0, Master.AP1, Master.AP3):
        assert bench.desk.read("LPTIM2.ARR", master) == 7
