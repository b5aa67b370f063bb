"""Counters, compare and capture channels of the timers, register by register (RM0399 chapters 40 to 44)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_h7.twin.bus import Master
from pytest_h7.twin.pins import PinContention
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

HZ = 64_000_000
TICK = PS_PER_S // HZ
CEN, UDIS, URS, OPM, DIR, ARPE = 1, 2, 4, 8, 16, 128
UIF, CC1IF, CC2IF, CC3IF, CC4IF, COMIF, TIF, BIF = (1 << bit for bit in range(8))
CC1OF = 1 << 9
UG = 1
MOE = 1 << 15
CENTRE = {1: 1 << 5, 2: 2 << 5, 3: 3 << 5}
ALTERNATE = 2
ALL_TIMERS = [f"TIM{number}" for number in (*range(1, 9), *range(12, 18))]
WIDE = ("TIM2", "TIM5")
"""Timers of 32 bits."""


class Bench:
    """A chip with all timers and ports clocked, and what a test does with them."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.mcu: Mcu = desk.mcu
        for register, value in (("APB1LENR", 0x3FF), ("APB2ENR", 0x7_0003), ("AHB4ENR", 0x7FF)):
            desk.write(f"RCC.{register}", value)

    def write(self, timer: str, **registers: int) -> None:
        """Write registers in the order given: ``write("TIM2", PSC=9, ARR=99, CR1=CEN)``."""
        for name, value in registers.items():
            name = f"{name}_Output" if name.startswith("CCMR") else name
            self.desk.write(f"{timer}.{name}", value)

    def read(self, timer: str, register: str) -> int:
        return self.desk.read(f"{timer}.{register}")

    def ticks(self, count: float) -> None:
        """Let periods of the timers' clock pass."""
        self.mcu.run_for(round(count * TICK))

    def switch(self, pin: str, function: int, *, pull: int = 0) -> None:
        """Switch a pin to an alternate function."""
        port, number = f"GPIO{pin[1]}", int(pin[2:])
        half = "AFRL" if number < 8 else "AFRH"
        for register, width, place, value in (
            (half, 4, number % 8, function),
            ("PUPDR", 2, number, pull),
            ("MODER", 2, number, ALTERNATE),
        ):
            mask = ((1 << width) - 1) << width * place
            old = self.desk.read(f"{port}.{register}")
            self.desk.write(f"{port}.{register}", old & ~mask | value << width * place)

    def edges(self, pin: str) -> list[tuple[int, bool]]:
        """Return a list that each edge of a pin joins: in ticks from now, new level."""
        found: list[tuple[int, bool]] = []
        start = self.mcu.now
        self.mcu.pins.watch(pin, lambda level: found.append((round((self.mcu.now - start) / TICK), level)))
        return found

    def pending(self, irq: int, core: Master = Master.CM7) -> bool:
        """Return whether an interrupt line is high at a core's NVIC."""
        ispr = 0xE000_E200 + 4 * (irq // 32)
        return bool(self.mcu.cores["cm7" if core is Master.CM7 else "cm4"].read_debug(ispr) >> irq % 32 & 1)

    def clear(self, irq: int) -> None:
        """Take back that an interrupt is pending at the CM7; it is again if its line is still high."""
        self.mcu.cores["cm7"].write_debug(0xE000_E280 + 4 * (irq // 32), 1 << irq % 32)


@pytest.fixture
def bench(desk: Any) -> Bench:
    return Bench(desk)


# -- counting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("timer", ALL_TIMERS)
def test_counter_starts_stops_and_can_be_set(bench: Bench, timer: str) -> None:
    largest = 0xFFFF_FFFF if timer in WIDE else 0xFFFF
    assert bench.read(timer, "ARR") == largest
    bench.write(timer, CNT=100, CR1=CEN)
    bench.ticks(50)
    bench.write(timer, CR1=0)
    assert bench.read(timer, "CNT") == 150
    bench.ticks(50)
    assert bench.read(timer, "CNT") == 150
    bench.write(timer, CNT=0x1_2345_6789 & 0xFFFF_FFFF)
    assert bench.read(timer, "CNT") == 0x2345_6789 & largest


@pytest.mark.parametrize("timer", ALL_TIMERS)
def test_overflow_sets_the_update_flag_at_the_edge_that_makes_the_counter_zero(
    bench: Bench, timer: str
) -> None:
    bench.write(timer, ARR=99, CR1=CEN)
    bench.ticks(99)
    assert (bench.read(timer, "CNT"), bench.read(timer, "SR") & UIF) == (99, 0)
    bench.ticks(1)
    assert (bench.read(timer, "CNT"), bench.read(timer, "SR") & UIF) == (0, UIF)


def test_a_new_prescaler_waits_for_an_update_event(bench: Bench) -> None:
    bench.write("TIM2", ARR=9, PSC=3, CR1=CEN)
    bench.ticks(10)
    assert bench.read("TIM2", "SR") & UIF
    bench.ticks(7)
    assert bench.read("TIM2", "CNT") == 1
    bench.write("TIM2", EGR=UG)
    bench.ticks(4)
    assert bench.read("TIM2", "CNT") == 1
    bench.write("TIM2", CR1=0, PSC=0xFFFF_FFFF)
    assert bench.read("TIM2", "PSC") == 0xFFFF


def test_a_new_auto_reload_value_waits_only_if_it_is_preloaded(bench: Bench) -> None:
    bench.write("TIM3", ARR=9, CR1=CEN)
    bench.ticks(3)
    bench.write("TIM3", ARR=4)
    bench.ticks(2)
    assert bench.read("TIM3", "CNT") == 0
    bench.write("TIM3", CR1=CEN | ARPE, ARR=9)
    bench.ticks(5)
    assert bench.read("TIM3", "CNT") == 0
    bench.ticks(9)
    assert bench.read("TIM3", "CNT") == 9


def test_counting_down_reloads_at_underflow(bench: Bench) -> None:
    bench.write("TIM4", ARR=9, CR1=DIR | CEN, EGR=UG, SR=0)
    bench.ticks(9)
    assert (bench.read("TIM4", "CNT"), bench.read("TIM4", "SR") & UIF) == (0, 0)
    bench.ticks(1)
    assert (bench.read("TIM4", "CNT"), bench.read("TIM4", "SR") & UIF) == (9, UIF)
    assert bench.read("TIM4", "CR1") & DIR


def test_centre_aligned_counting_turns_at_both_ends(bench: Bench) -> None:
    bench.write("TIM1", ARR=6, CR1=CENTRE[3] | CEN)
    seen = []
    for _ in range(14):
        bench.ticks(1)
        seen.append((bench.read("TIM1", "CNT"), bool(bench.read("TIM1", "CR1") & DIR)))
    ups, downs = [(n, False) for n in range(1, 6)], [(n, True) for n in range(6, 0, -1)]
    assert seen == [*ups, *downs, (0, False), (1, False), (2, False)]


def test_repetition_counter_divides_update_events(bench: Bench) -> None:
    bench.write("TIM1", ARR=9, RCR=2, EGR=UG, SR=0, CR1=CEN)
    bench.ticks(29)
    assert not bench.read("TIM1", "SR") & UIF
    bench.ticks(1)
    assert bench.read("TIM1", "SR") & UIF
    # A new value is only taken up then.
    bench.write("TIM1", RCR=0, SR=0)
    bench.ticks(29)
    assert not bench.read("TIM1", "SR") & UIF
    bench.ticks(1)
    assert bench.read("TIM1", "SR") & UIF
    bench.write("TIM1", SR=0)
    bench.ticks(10)
    assert bench.read("TIM1", "SR") & UIF


def test_repetition_counter_counts_half_periods_in_centre_aligned_mode(bench: Bench) -> None:
    bench.write("TIM8", ARR=10, RCR=1, CR1=CENTRE[1], EGR=UG, SR=0)
    bench.write("TIM8", CR1=CENTRE[1] | CEN)
    bench.ticks(19)
    assert not bench.read("TIM8", "SR") & UIF
    bench.ticks(1)
    assert bench.read("TIM8", "SR") & UIF


def test_one_pulse_mode_stops_at_the_update_event(bench: Bench) -> None:
    bench.write("TIM6", ARR=9, CR1=OPM | CEN)
    bench.ticks(25)
    assert not bench.read("TIM6", "CR1") & CEN
    assert bench.read("TIM6", "CNT") == 0
    assert bench.read("TIM6", "SR") == UIF


def test_udis_keeps_updates_away(bench: Bench) -> None:
    bench.write("TIM7", ARR=9, CR1=UDIS | CEN, PSC=5, EGR=UG)
    bench.ticks(105)
    assert bench.read("TIM7", "SR") == 0
    assert bench.read("TIM7", "CNT") == 5


def test_urs_keeps_the_flag_away_from_software_updates(bench: Bench) -> None:
    bench.write("TIM7", CR1=URS, EGR=UG)
    assert bench.read("TIM7", "SR") == 0
    bench.write("TIM7", CR1=0, EGR=UG)
    assert bench.read("TIM7", "SR") == UIF


@pytest.mark.parametrize(
    ("timer", "register", "value", "counted"),
    [
        ("TIM1", "CR2", 9 << 20, False),
        ("TIM1", "CR2", 10 << 20, True),
        ("TIM8", "CR2", 15 << 20, True),
        ("TIM1", "CR2", 1, True),
        ("TIM2", "TISEL", 1, True),
    ],
)
def test_what_is_not_modelled_is_counted_when_it_is_switched_on(
    bench: Bench, timer: str, register: str, value: int, counted: bool
) -> None:
    """CR2: MMS2 that makes OC6REF to TRGO2, pulses at edges of references, and CCPC."""
    bench.write(timer, **{register: value})
    assert bench.mcu.unmodelled == ({(timer, register, "cm7", "write"): 1} if counted else {})


def test_a_zero_auto_reload_value_blocks_the_counter(bench: Bench) -> None:
    bench.write("TIM2", ARR=0, CR1=CEN)
    bench.ticks(100)
    assert (bench.read("TIM2", "CNT"), bench.read("TIM2", "SR") & UIF) == (0, 0)


def test_status_flags_are_cleared_by_writing_zero(bench: Bench) -> None:
    bench.write("TIM2", EGR=UG | 0x1E)
    assert bench.read("TIM2", "SR") == UIF | CC1IF | CC2IF | CC3IF | CC4IF
    bench.write("TIM2", SR=~CC2IF & 0xFFFF_FFFF)
    assert bench.read("TIM2", "SR") == UIF | CC1IF | CC3IF | CC4IF
    bench.mcu.write(bench.desk.address("TIM2.SR"), 2, 0xFFFF & ~UIF, Master.CM7)
    assert bench.read("TIM2", "SR") == CC1IF | CC3IF | CC4IF


def test_uif_shows_in_the_counter_if_remapped(bench: Bench) -> None:
    bench.write("TIM3", CR1=1 << 11, EGR=UG, CNT=5)
    assert bench.read("TIM3", "CNT") == 1 << 31 | 5
    bench.write("TIM3", SR=0)
    assert bench.read("TIM3", "CNT") == 5


# -- the clock --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timpre", "prescaler", "factor"),
    [(0, 0, 1), (0, 4, 1), (0, 5, 2), (0, 7, 8), (1, 5, 1), (1, 6, 2), (1, 7, 4)],
)
def test_timer_clock_follows_timpre_and_the_apb_prescaler(
    bench: Bench, timpre: int, prescaler: int, factor: int
) -> None:
    """Once, twice or four times PCLK, never more than HCLK (RM0399 table 56 and TIMPRE)."""
    bench.desk.set("RCC.CFGR", TIMPRE=timpre)
    bench.desk.set("RCC.D2CFGR", D2PPRE1=prescaler, D2PPRE2=prescaler)
    for timer in ("TIM2", "TIM1"):
        bench.write(timer, CR1=CEN)
    bench.ticks(1600)
    for timer in ("TIM2", "TIM1"):
        assert bench.read(timer, "CNT") == pytest.approx(1600 // factor, abs=1)


def test_a_change_of_frequency_loses_nothing(bench: Bench) -> None:
    bench.write("TIM2", CR1=CEN)
    for code in (8, 9, 0, 11, 0):  # HPRE: by 2, by 4, by 1, by 16, by 1
        bench.ticks(160)
        bench.desk.set("RCC.D1CFGR", HPRE=code)
    assert bench.read("TIM2", "CNT") == 160 + 80 + 40 + 160 + 10


def test_a_timer_without_clock_stands_still_and_goes_on(bench: Bench) -> None:
    bench.write("TIM2", CR1=CEN)
    bench.ticks(100)
    bench.desk.write("RCC.APB1LENR", 0)
    bench.ticks(100)
    bench.desk.write("RCC.APB1LENR", 1)
    assert bench.read("TIM2", "CNT") == 100
    bench.ticks(100)
    assert bench.read("TIM2", "CNT") == 200


def test_a_timer_is_frozen_with_a_halted_core_if_dbgmcu_says_so(bench: Bench) -> None:
    bench.write("TIM2", CR1=CEN)
    bench.write("TIM3", CR1=CEN)
    bench.desk.set("DBGMCU.APB1LFZ1", DBG_TIM2=1)
    core = bench.mcu.cores["cm7"]
    core.write_debug(0xE000_EDF0, 0xA05F_0003)
    bench.ticks(100)
    frozen, running = bench.read("TIM2", "CNT"), bench.read("TIM3", "CNT")
    bench.ticks(1000)
    assert bench.read("TIM2", "CNT") == frozen
    assert bench.read("TIM3", "CNT") == running + 1000
    core.write_debug(0xE000_EDF0, 0xA05F_0001)
    bench.ticks(100)
    assert bench.read("TIM2", "CNT") > frozen


def test_a_reset_by_rcc_stops_the_timer_and_releases_its_pins(bench: Bench) -> None:
    bench.switch("PA5", 1, pull=1)
    bench.write("TIM2", CCMR1=0x40, CCER=1, ARR=9, DIER=1, CR1=CEN)
    bench.ticks(15)
    assert not bench.mcu.pins.level("PA5")
    bench.desk.write("RCC.APB1LRSTR", 1)
    bench.desk.write("RCC.APB1LRSTR", 0)
    assert bench.mcu.pins.level("PA5")
    assert (bench.read("TIM2", "CNT"), bench.read("TIM2", "SR"), bench.read("TIM2", "ARR")) == (
        0,
        0,
        0xFFFF_FFFF,
    )
    bench.clear(28)
    assert not bench.pending(28)


# -- interrupts and requests ------------------------------------------------------------------------

LINES = [
    ("TIM1", UIF, 25), ("TIM1", CC3IF, 27), ("TIM1", TIF, 26), ("TIM1", COMIF, 26), ("TIM1", BIF, 24),
    ("TIM2", UIF, 28), ("TIM2", CC4IF, 28), ("TIM3", TIF, 29), ("TIM4", CC1IF, 30), ("TIM5", UIF, 50),
    ("TIM6", UIF, 54), ("TIM7", UIF, 55), ("TIM8", UIF, 44), ("TIM8", CC1IF, 46), ("TIM8", TIF, 45),
    ("TIM8", BIF, 43), ("TIM12", CC2IF, 43), ("TIM13", CC1IF, 44), ("TIM14", UIF, 45), ("TIM15", TIF, 116),
    ("TIM16", CC1IF, 117), ("TIM17", UIF, 118),
]  # fmt: skip


@pytest.mark.parametrize(("timer", "flag", "irq"), LINES)
def test_each_flag_reaches_its_interrupt_line_on_both_cores(
    bench: Bench, timer: str, flag: int, irq: int
) -> None:
    bench.write(timer, EGR=flag)
    assert not bench.pending(irq)
    bench.write(timer, DIER=flag)
    assert bench.pending(irq)
    assert bench.pending(irq, Master.CM4)
    bench.write(timer, SR=0)
    bench.clear(irq)
    assert not bench.pending(irq)


def test_an_update_interrupt_comes_on_time(bench: Bench) -> None:
    bench.write("TIM2", PSC=63, EGR=UG, SR=0, ARR=999, DIER=UIF, CR1=CEN)
    bench.mcu.run_for(PS_PER_MS - TICK)
    assert not bench.pending(28)
    bench.mcu.run_for(TICK)
    assert bench.pending(28)


@pytest.fixture
def requests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """DMA requests: when, in ticks, and which."""
    start = bench.mcu.now
    found: list[tuple[int, str]] = []

    def note(name: str) -> None:
        found.append((round((bench.mcu.now - start) / TICK), name))

    monkeypatch.setattr(bench.mcu, "dma_request", note)
    return found


def test_dma_requests_come_with_their_events(bench: Bench, requests: list[tuple[int, str]]) -> None:
    bench.write("TIM3", ARR=9, CCR1=3, CCR4=7, DIER=1 << 8 | 1 << 9 | 1 << 12, CR1=CEN)
    bench.ticks(20)
    period = [(3, "TIM3_CH1"), (7, "TIM3_CH4"), (10, "TIM3_UP")]
    assert requests == [*period, *((time + 10, name) for time, name in period)]


def test_channel_requests_can_come_with_the_update(bench: Bench, requests: list[tuple[int, str]]) -> None:
    bench.write("TIM3", ARR=9, CCR1=3, CR2=1 << 3, DIER=1 << 9, CR1=CEN)
    bench.ticks(25)
    assert requests == [(10, "TIM3_CH1"), (20, "TIM3_CH1")]


def test_a_dma_burst_goes_round_the_registers(bench: Bench) -> None:
    bench.write("TIM2", DCR=2 << 8 | 13)
    for value in (11, 22, 33, 44):
        bench.write("TIM2", DMAR=value)
    assert [bench.read("TIM2", f"CCR{n}") for n in (1, 2, 3)] == [44, 22, 33]
    bench.write("TIM2", DCR=19, DMAR=1)  # its own register
    assert bench.read("TIM2", "DMAR") == 0


# -- output compare ---------------------------------------------------------------------------------


def test_compare_flag_comes_when_the_counter_is_at_the_value(bench: Bench) -> None:
    bench.write("TIM2", ARR=9, CCR2=4, CR1=CEN)
    bench.ticks(3)
    assert not bench.read("TIM2", "SR") & CC2IF
    bench.ticks(1)
    assert bench.read("TIM2", "SR") & CC2IF


def test_a_compare_value_above_the_auto_reload_value_flags_at_overflow(bench: Bench) -> None:
    bench.write("TIM2", ARR=9, CCR2=20, CR1=CEN)
    bench.ticks(9)
    assert not bench.read("TIM2", "SR") & CC2IF
    bench.ticks(1)
    assert bench.read("TIM2", "SR") & CC2IF


@pytest.mark.parametrize(("cms", "flagged_at"), [(1, [16]), (2, [4]), (3, [4, 16])])
def test_cms_chooses_the_direction_in_which_compare_flags_are_set(
    bench: Bench, cms: int, flagged_at: list[int]
) -> None:
    bench.write("TIM1", ARR=10, CCR1=4, CR1=CENTRE[cms] | CEN)
    flagged = []
    for tick in range(1, 21):
        bench.ticks(1)
        if bench.read("TIM1", "SR") & CC1IF:
            flagged.append(tick)
            bench.write("TIM1", SR=0)
    assert flagged == flagged_at


@pytest.mark.parametrize(
    ("cms", "compare", "flagged"), [(1, 10, True), (2, 10, False), (1, 0, False), (2, 0, True)]
)
def test_the_ends_belong_to_the_direction_that_begins_there(
    bench: Bench, cms: int, compare: int, flagged: bool
) -> None:
    """The counter counts from 0 to ARR - 1, then from ARR to 1 (RM0399 40.3.2)."""
    bench.write("TIM1", ARR=10, CCR1=compare, CR1=CENTRE[cms] | CEN)
    bench.ticks(105)
    assert bool(bench.read("TIM1", "SR") & CC1IF) is flagged


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (1, [(4, True)]),
        (3, [(4, True), (14, False), (24, True)]),
        (6, [(0, True), (4, False), (10, True), (14, False), (20, True), (24, False)]),
        (7, [(4, True), (10, False), (14, True), (20, False), (24, True)]),
        (5, [(0, True)]),
        (4, []),
    ],
)
def test_output_modes_on_the_pin(bench: Bench, mode: int, expected: list[tuple[int, bool]]) -> None:
    bench.switch("PA5", 1)
    edges = bench.edges("PA5")
    bench.write("TIM2", ARR=9, CCR1=4, CCMR1=mode << 4, CCER=1, CR1=CEN)
    bench.ticks(25)
    assert edges == expected


def test_centre_aligned_pwm_is_symmetric(bench: Bench) -> None:
    bench.switch("PA5", 1)
    edges = bench.edges("PA5")
    bench.write("TIM2", ARR=10, CCR1=4, CCMR1=0x60, CCER=1, CR1=CENTRE[1] | CEN)
    bench.ticks(40)
    assert edges == [(0, True), (4, False), (16, True), (24, False), (36, True)]


def test_pwm_of_a_down_counter(bench: Bench) -> None:
    bench.switch("PA5", 1)
    bench.write("TIM2", ARR=9, CCR1=3, CCMR1=0x60, CR1=DIR, EGR=UG, CCER=1)
    edges = bench.edges("PA5")
    bench.write("TIM2", CR1=DIR | CEN)
    bench.ticks(20)
    assert edges == [(6, True), (10, False), (16, True), (20, False)]


@pytest.mark.parametrize(("compare", "level"), [(0, False), (10, True), (200, True)])
def test_pwm_reaches_both_ends(bench: Bench, compare: int, level: bool) -> None:
    bench.switch("PA5", 1)
    edges = bench.edges("PA5")
    bench.write("TIM2", ARR=9, CCR1=compare, CCMR1=0x60, CCER=1, CR1=CEN)
    bench.ticks(55)
    assert edges == ([(0, True)] if level else [])


def test_polarity_inverts_the_output_and_disabling_releases_it(bench: Bench) -> None:
    bench.switch("PA5", 1, pull=1)
    bench.write("TIM2", CCMR1=0x50, CCER=1)
    assert bench.mcu.pins.level("PA5")
    bench.write("TIM2", CCER=3)
    assert not bench.mcu.pins.level("PA5")
    bench.write("TIM2", CCER=2)
    assert bench.mcu.pins.level("PA5")


def test_a_preloaded_compare_value_waits_for_the_update(bench: Bench) -> None:
    bench.switch("PA5", 1)
    edges = bench.edges("PA5")
    bench.write("TIM2", ARR=9, CCR1=4, CCMR1=0x68, EGR=UG, CCER=1, CR1=CEN)
    bench.ticks(2)
    bench.write("TIM2", CCR1=7)
    bench.ticks(18)
    assert edges == [(0, True), (4, False), (10, True), (17, False), (20, True)]


def test_advanced_timers_need_moe(bench: Bench) -> None:
    bench.switch("PE9", 1)
    bench.write("TIM1", CCMR1=0x50, CCER=1)
    assert not bench.mcu.pins.level("PE9")
    bench.write("TIM1", BDTR=MOE)
    assert bench.mcu.pins.level("PE9")
    bench.write("TIM1", BDTR=0)
    assert not bench.mcu.pins.level("PE9")


def test_complementary_outputs_are_opposite(bench: Bench) -> None:
    bench.switch("PE9", 1)
    bench.switch("PE8", 1)
    one, other = bench.edges("PE9"), bench.edges("PE8")
    bench.write("TIM1", ARR=9, CCR1=4, CCMR1=0x60, CCER=5, BDTR=MOE, CR1=CEN)
    bench.ticks(15)
    assert one == [(0, True), (4, False), (10, True), (14, False)]
    assert other == [(4, True), (10, False), (14, True)]


def test_dead_time_delays_what_goes_active(bench: Bench) -> None:
    bench.switch("PE9", 1)
    bench.switch("PE8", 1)
    one, other = bench.edges("PE9"), bench.edges("PE8")
    bench.write("TIM1", ARR=99, CCR1=40, CCMR1=0x60, CCER=5, BDTR=MOE | 8, CR1=CEN)
    bench.ticks(210)
    assert one == [(0, True), (40, False), (108, True), (140, False), (208, True)]
    assert other == [(48, True), (100, False), (148, True), (200, False)]


def test_an_output_without_moe_is_left_to_its_pull_resistor(bench: Bench) -> None:
    bench.switch("PE9", 1, pull=1)
    bench.write("TIM1", CCMR1=0x40, CCER=1, BDTR=MOE)
    assert not bench.mcu.pins.level("PE9")
    bench.write("TIM1", BDTR=0)
    assert bench.mcu.pins.level("PE9")


def test_dead_time_is_there_when_nobody_watches(bench: Bench) -> None:
    bench.switch("PE9", 1)
    bench.switch("PE8", 1)
    bench.write("TIM1", ARR=99, CCR1=40, CCMR1=0x60, CCER=5, BDTR=MOE | 8, CR1=CEN)
    seen = []
    for ticks in (90, 14, 6, 34, 6):
        bench.ticks(ticks)
        seen.append(bench.desk.read("GPIOE.IDR") >> 8 & 3)
    assert seen == [0b01, 0b00, 0b10, 0b00, 0b01]


def test_idle_levels_without_moe(bench: Bench) -> None:
    bench.switch("PE9", 1, pull=1)
    bench.switch("PE8", 1)
    bench.write("TIM1", CCMR1=0x50, CCER=5, CR2=1 << 9, BDTR=MOE | 1 << 10)
    assert (bench.mcu.pins.level("PE9"), bench.mcu.pins.level("PE8")) == (True, False)
    bench.write("TIM1", BDTR=1 << 10)
    assert (bench.mcu.pins.level("PE9"), bench.mcu.pins.level("PE8")) == (False, True)


def test_a_break_takes_the_outputs_away_until_software_gives_them_back(bench: Bench) -> None:
    bench.switch("PE9", 1)
    bench.switch("PE15", 1)
    bench.write("TIM1", CCMR1=0x50, CCER=1, BDTR=MOE | 1 << 12 | 1 << 13)
    assert bench.mcu.pins.level("PE9")
    bench.mcu.pins.drive("PE15", True)
    assert not bench.mcu.pins.level("PE9")
    bench.write("TIM1", SR=0)
    assert bench.read("TIM1", "SR") & BIF
    bench.mcu.pins.drive("PE15", False)
    bench.write("TIM1", SR=0)
    assert not bench.read("TIM1", "SR") & BIF
    assert not bench.mcu.pins.level("PE9")
    bench.write("TIM1", BDTR=MOE | 1 << 12 | 1 << 13)
    assert bench.mcu.pins.level("PE9")


def test_a_break_input_without_a_pin_is_inactive(bench: Bench) -> None:
    bench.write("TIM1", BDTR=MOE | 1 << 12)  # active low
    assert bench.read("TIM1", "BDTR") & MOE
    bench.switch("PE15", 1)
    assert not bench.read("TIM1", "BDTR") & MOE


def test_outputs_come_back_by_themselves_with_aoe(bench: Bench) -> None:
    bench.write("TIM1", ARR=9, BDTR=MOE | 1 << 14, CR1=CEN, EGR=1 << 7)
    assert not bench.read("TIM1", "BDTR") & MOE
    bench.ticks(10)
    assert bench.read("TIM1", "BDTR") & MOE


def test_lock_protects_until_reset(bench: Bench) -> None:
    bench.write("TIM1", CCMR1=0x60, CCER=2, BDTR=3 << 8 | 0x10)
    bench.write("TIM1", BDTR=MOE | 0xFF, CCER=1, CCMR1=0x70, CR2=1 << 8)
    assert bench.read("TIM1", "BDTR") == MOE | 3 << 8 | 0x10
    assert bench.read("TIM1", "CCER") == 3
    assert bench.read("TIM1", "CCMR1_Output") == 0x60
    assert bench.read("TIM1", "CR2") == 0
    bench.desk.write("RCC.APB2RSTR", 1)
    bench.write("TIM1", BDTR=1 << 8 | 0xFF)
    assert bench.read("TIM1", "BDTR") == 1 << 8 | 0xFF


def test_channel_5_shapes_other_channels(bench: Bench) -> None:
    bench.switch("PE9", 1)
    edges = bench.edges("PE9")
    bench.write("TIM1", ARR=9, CCR1=8, CCR5=1 << 29 | 3, CCMR1=0x60, CCMR3=0x70, CCER=1, BDTR=MOE, CR1=CEN)
    bench.ticks(10)
    assert edges == [(3, True), (8, False)]


def test_combined_and_asymmetric_pwm(bench: Bench) -> None:
    bench.switch("PE9", 1)
    edges = bench.edges("PE9")
    mode = 1 << 16 | 5 << 4  # combined mode 2: both
    bench.write("TIM1", ARR=9, CCR1=3, CCR2=7, CCMR1=mode | 6 << 12, CCER=1, BDTR=MOE, CR1=CEN)
    bench.ticks(10)
    assert edges == [(3, True), (7, False)]
    bench.write("TIM1", CR1=0, CNT=0)
    mode = 1 << 16 | 4 << 4  # combined mode 1: either
    bench.write("TIM1", CCMR1=mode | 7 << 12)
    edges = bench.edges("PE9")
    bench.write("TIM1", CR1=CEN)
    bench.ticks(10)
    assert edges == [(3, False), (7, True)]
    bench.write("TIM1", CR1=0, CNT=0)
    mode = 1 << 16 | 6 << 4  # asymmetric mode 1: channel 1 up, channel 2 down
    bench.write("TIM1", CCMR1=mode | 6 << 12, CR1=CENTRE[1])
    edges = bench.edges("PE9")
    bench.write("TIM1", CR1=CENTRE[1] | CEN, ARR=10)
    bench.ticks(20)
    assert edges == [(3, False), (13, True)]


# -- input capture ----------------------------------------------------------------------------------


def capture(bench: Bench, **more: int) -> None:
    """TIM3 channel 1 captures rising edges of PA6."""
    bench.switch("PA6", 2)
    bench.write("TIM3", CCMR1=1, CCER=1, CR1=CEN, **more)


def test_an_edge_captures_the_count(bench: Bench) -> None:
    capture(bench)
    bench.ticks(123)
    bench.mcu.pins.drive("PA6", True)
    bench.ticks(10)
    assert bench.read("TIM3", "SR") & CC1IF
    assert bench.read("TIM3", "CCR1") == 123
    assert not bench.read("TIM3", "SR") & CC1IF  # reading clears
    bench.mcu.pins.drive("PA6", False)
    assert not bench.read("TIM3", "SR") & CC1IF
    bench.write("TIM3", CCR1=7)
    assert bench.read("TIM3", "CCR1") == 123


def test_a_second_capture_before_the_first_is_read_is_told(bench: Bench) -> None:
    capture(bench)
    for _ in range(2):
        bench.ticks(50)
        bench.mcu.pins.drive("PA6", True)
        bench.mcu.pins.drive("PA6", False)
    assert bench.read("TIM3", "SR") & (CC1IF | CC1OF) == CC1IF | CC1OF
    assert bench.read("TIM3", "CCR1") == 100


@pytest.mark.parametrize(
    ("enable", "captured"), [(0x1, [100, 300]), (0x3, [200, 400]), (0xB, [100, 200, 300, 400])]
)
def test_edge_selection_of_captures(bench: Bench, enable: int, captured: list[int]) -> None:
    bench.switch("PA6", 2)
    bench.write("TIM3", CCMR1=1, CCER=enable, CR1=CEN)
    found = []
    for level in (True, False, True, False):
        bench.ticks(100)
        bench.mcu.pins.drive("PA6", level)
        if bench.read("TIM3", "SR") & CC1IF:
            found.append(bench.read("TIM3", "CCR1"))
    assert found == captured


def test_capture_prescaler_counts_edges(bench: Bench) -> None:
    bench.switch("PA6", 2)
    bench.write("TIM3", CCMR1=1 | 2 << 2, CCER=1, CR1=CEN)
    counts = []
    for _ in range(8):
        bench.ticks(10)
        bench.mcu.pins.drive("PA6", True)
        bench.mcu.pins.drive("PA6", False)
        if bench.read("TIM3", "SR") & CC1IF:
            counts.append(bench.read("TIM3", "CCR1"))
    assert counts == [40, 80]
    bench.mcu.pins.drive("PA6", True)
    bench.write("TIM3", CCER=0)  # begins anew
    bench.mcu.pins.drive("PA6", False)
    bench.write("TIM3", CCER=1)
    for _ in range(3):
        bench.mcu.pins.drive("PA6", True)
        bench.mcu.pins.drive("PA6", False)
    assert not bench.read("TIM3", "SR") & CC1IF


def test_pwm_input_measures_period_and_width(bench: Bench) -> None:
    """Channels 1 and 2 capture both edges of one pin, and each rising edge restarts the counter."""
    bench.switch("PA6", 2)
    bench.write("TIM3", CCMR1=1 | 2 << 8, CCER=0x31, SMCR=5 << 4 | 4, CR1=CEN)
    for _ in range(3):
        bench.mcu.pins.drive("PA6", True)
        bench.ticks(30)
        bench.mcu.pins.drive("PA6", False)
        bench.ticks(70)
    bench.mcu.pins.drive("PA6", True)
    assert (bench.read("TIM3", "CCR1"), bench.read("TIM3", "CCR2")) == (100, 30)


def test_a_timer_captures_the_output_of_another_through_a_wire(bench: Bench) -> None:
    bench.switch("PA5", 1)
    capture(bench)
    bench.mcu.pins.connect("PA5", "PA6")
    bench.write("TIM2", ARR=99, CCR1=25, CCMR1=0x70, CCER=1, CR1=CEN)
    bench.ticks(500)
    captured = bench.read("TIM3", "CCR1")
    bench.ticks(100)
    assert bench.read("TIM3", "CCR1") - captured == 100
    bench.mcu.pins.disconnect("PA5", "PA6")
    assert not bench.read("TIM3", "SR") & CC1IF


def test_direction_of_a_channel_is_fixed_while_it_is_on(bench: Bench) -> None:
    bench.write("TIM3", CCER=1, CCMR1=0x0161)
    assert bench.read("TIM3", "CCMR1_Output") == 0x0160
    bench.write("TIM3", CCER=0, CCMR1=0x0161)
    assert bench.read("TIM3", "CCMR1_Output") == 0x0161


# -- masters, slaves, encoders -----------------------------------------------------------------------


def test_a_timer_prescales_another_by_its_update_event(bench: Bench) -> None:
    bench.write("TIM3", SMCR=1 << 4 | 7, CR1=CEN)  # ITR1 is TIM2
    bench.write("TIM2", ARR=9, CR2=2 << 4, CR1=CEN)
    bench.ticks(105)
    assert bench.read("TIM3", "CNT") == 10
    assert bench.read("TIM3", "SR") & TIF


def test_a_slave_counts_only_while_its_gate_is_open(bench: Bench) -> None:
    bench.write("TIM2", ARR=99, CCR1=30, CCMR1=0x60, CR2=4 << 4)
    bench.write("TIM3", SMCR=1 << 4 | 5, CR1=CEN)
    bench.write("TIM2", CR1=CEN)
    bench.ticks(1000)
    assert bench.read("TIM3", "CNT") == 300


def test_a_master_starts_its_slave(bench: Bench) -> None:
    bench.write("TIM1", CR2=1 << 4)
    bench.write("TIM8", SMCR=0 << 4 | 6)  # ITR0 is TIM1
    bench.ticks(50)
    assert not bench.read("TIM8", "CR1") & CEN
    bench.write("TIM1", CR1=CEN)
    bench.ticks(50)
    assert bench.read("TIM8", "CR1") & CEN
    assert bench.read("TIM8", "CNT") == bench.read("TIM1", "CNT") == 50


def test_a_trigger_restarts_a_slave(bench: Bench) -> None:
    bench.write("TIM4", SMCR=1 << 4 | 4, CR1=CEN)  # ITR1 is TIM2
    bench.write("TIM2", CR2=0)
    bench.ticks(70)
    bench.write("TIM2", EGR=UG)
    bench.ticks(5)
    assert bench.read("TIM4", "CNT") == 5
    assert bench.read("TIM4", "SR") & (UIF | TIF) == UIF | TIF


def test_tim12_and_tim15_are_triggered_by_outputs_of_single_channel_timers(bench: Bench) -> None:
    for master, slave, selection in (("TIM14", "TIM12", 3), ("TIM16", "TIM15", 2)):
        bench.write(slave, SMCR=selection << 4 | 7, CR1=CEN)
        bench.write(master, ARR=9, CCR1=5, CCMR1=0x70, CR1=CEN)
    bench.ticks(100)
    assert (bench.read("TIM12", "CNT"), bench.read("TIM15", "CNT")) == (10, 10)


def test_external_clock_counts_edges_of_a_pin(bench: Bench) -> None:
    bench.switch("PA6", 2)
    bench.write("TIM3", SMCR=5 << 4 | 7, CCMR1=1, CR1=CEN)
    for _ in range(5):
        bench.mcu.pins.drive("PA6", True)
        bench.ticks(3)
        bench.mcu.pins.drive("PA6", False)
    assert bench.read("TIM3", "CNT") == 5


def test_external_trigger_clocks_through_its_prescaler(bench: Bench) -> None:
    bench.switch("PD2", 2)  # TIM3_ETR
    bench.write("TIM3", SMCR=1 << 14 | 1 << 12, CR1=CEN)
    for _ in range(6):
        bench.mcu.pins.drive("PD2", True)
        bench.mcu.pins.drive("PD2", False)
    assert bench.read("TIM3", "CNT") == 3


@pytest.mark.parametrize(("mode", "counts"), [(1, 2), (2, 2), (3, 4)])
def test_an_encoder_counts_up_and_down(bench: Bench, mode: int, counts: int) -> None:
    bench.switch("PA6", 2)
    bench.switch("PA7", 2)
    bench.write("TIM3", CCMR1=0x101, SMCR=mode, ARR=99, CR1=CEN)

    def turn(*pins: str) -> None:
        for level in (True, False):
            for pin in pins:
                bench.mcu.pins.drive(pin, level)

    for _ in range(3):
        turn("PA6", "PA7")  # TI1 leads
    assert bench.read("TIM3", "CNT") == 3 * counts
    assert not bench.read("TIM3", "CR1") & DIR
    for _ in range(4):
        turn("PA7", "PA6")
    assert bench.read("TIM3", "CNT") == 100 - counts
    assert bench.read("TIM3", "CR1") & DIR
    assert bench.read("TIM3", "SR") & UIF


def test_a_timer_starts_when_its_core_says_so_though_the_other_core_is_ahead(
    make_mcu: Callable[..., Mcu], build_program: Callable[..., object]
) -> None:
    """CM7 reads the counter all the time, which must not hold it back to where CM7 is."""
    reading = """
    void program(void)
    {
        RCC_APB1LENR |= RCC_APB1LENR_TIM2EN_Msk;
        for (;;) {
            result[0] = TIM2_CNT;
        }
    }
    """
    starting = """
    void program(void)
    {
        RCC_APB1LENR |= RCC_APB1LENR_TIM2EN_Msk;
        RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;
        GPIOB_MODER = 1;
        for (volatile uint32_t turns = 0; turns < 100; turns = turns + 1) {
        }
        TIM2_CR1 = 1;
        GPIOB_BSRR = 1;
        for (;;) {
        }
    }
    """
    mcu = make_mcu(build_program("cm7", reading), build_program("cm4", starting))
    started: list[int] = []
    mcu.pins.watch("PB0", lambda level: started.append(mcu.now))
    mcu.run_for(PS_PER_MS // 10)
    count = mcu.read(0x4000_0024, 4, Master.AP0)
    assert count == pytest.approx((mcu.now - started[0]) / TICK, abs=10)


# -- pins -------------------------------------------------------------------------------------------


def test_an_output_held_from_outside_is_told(bench: Bench) -> None:
    bench.switch("PA5", 1)
    bench.write("TIM2", CCMR1=0x50, CCER=1)
    with pytest.raises(PinContention, match="PA5 is an output at high and is driven low"):
        bench.mcu.pins.drive("PA5", False)


def test_pwm_reaches_exti(bench: Bench) -> None:
    bench.switch("PA5", 1)
    bench.desk.set("EXTI.RTSR1", TR5=1)
    bench.desk.set("EXTI.C1IMR1", MR5=1)
    bench.write("TIM2", ARR=99, CCR1=50, CCMR1=0x70, CCER=1, CR1=CEN)
    bench.ticks(49)
    assert not bench.desk.read("EXTI.C1PR1")
    bench.ticks(1)
    assert bench.desk.read("EXTI.C1PR1") == 1 << 5


def test_the_input_register_shows_an_output_nobody_watches(bench: Bench) -> None:
    bench.switch("PA5", 1)
    bench.write("TIM2", ARR=99, CCR1=50, CCMR1=0x60, CCER=1, CR1=CEN)
    levels = []
    for _ in range(8):
        bench.ticks(25)
        levels.append(bench.desk.read("GPIOA.IDR") >> 5 & 1)
    assert levels == [1, 0, 0, 1, 1, 0, 0, 1]


def test_an_unwatched_timer_costs_no_events(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled: list[int] = []
    schedule = bench.mcu.schedule

    def note(delay: int, action: Callable[[], None]) -> object:
        scheduled.append(delay)
        return schedule(delay, action)

    bench.switch("PA5", 1)
    monkeypatch.setattr(bench.mcu, "schedule", note)
    bench.write("TIM2", ARR=99, CCR1=50, CCMR1=0x30, CCER=1, CR1=CEN)
    bench.mcu.run_for(PS_PER_S)
    assert bench.read("TIM2", "SR") == UIF | CC1IF | CC2IF | CC3IF | CC4IF
    assert not scheduled


BY_EDGES = 4 << 4 | 7
"""SMCR: count both edges of input 1."""


def test_an_output_can_clock_its_own_timer(bench: Bench) -> None:
    """Each edge makes the next, some clock periods later."""
    bench.switch("PA5", 1)
    edges = bench.edges("PA5")
    bench.write("TIM2", CCMR1=0x70, CCER=1, ARR=1, CCR1=1, SMCR=BY_EDGES, CR1=CEN, CNT=1)
    bench.ticks(100)
    assert 10 < len(edges) < 100
    assert [level for _, level in edges[:4]] == [True, False, True, False]


def test_a_ring_of_timers_goes_round_in_time(bench: Bench) -> None:
    """TIM2 clocks TIM3 through a wire, and TIM3 clocks TIM2."""
    for pin, function in (("PB10", 1), ("PA6", 2), ("PB1", 2), ("PA5", 1)):
        bench.switch(pin, function)
    bench.mcu.pins.connect("PB10", "PA6")
    bench.mcu.pins.connect("PB1", "PA5")
    edges = bench.edges("PB10")
    bench.write("TIM3", CCMR2=0x7000, CCER=1 << 12, ARR=1, CCR4=1, SMCR=BY_EDGES, CR1=CEN)
    bench.write("TIM2", CCMR2=0x70, CCER=1 << 8, ARR=1, CCR3=1, SMCR=BY_EDGES, CR1=CEN, CNT=1)
    bench.ticks(100)
    assert 10 < len(edges) < 100


def test_a_snapshot_takes_running_timers_along(bench: Bench) -> None:
    bench.switch("PA5", 1)
    edges = bench.edges("PA5")
    bench.write("TIM2", ARR=99, CCR1=25, CCMR1=0x60, CCER=1, DIER=UIF, CR1=CEN)
    bench.write("TIM3", SMCR=1 << 4 | 7, CR1=CEN)
    bench.write("TIM2", CR2=2 << 4)
    bench.ticks(250)
    saved = bench.mcu.save()
    found = []
    for _ in range(2):
        edges.clear()
        bench.ticks(300)
        found.append((list(edges), bench.read("TIM2", "CNT"), bench.read("TIM3", "CNT")))
        bench.write("TIM2", ARR=9)
        bench.mcu.restore(saved)
    assert found[0] == found[1]
    assert found[0][1:] == (50, 5)


# -- one jump is as good as many steps ----------------------------------------------------------------

SETUPS = st.fixed_dictionaries(
    {
        "PSC": st.integers(0, 3),
        "ARR": st.integers(1, 12),
        "RCR": st.integers(0, 4),
        "CCR1": st.integers(0, 14),
        "CCR2": st.integers(0, 14),
        "CCMR1": st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()).map(
            lambda modes: modes[0] << 4 | modes[1] << 12 | (0x808 if modes[2] else 0)
        ),
        "CR1": st.tuples(
            st.integers(0, 3), st.sampled_from([0, DIR]), st.sampled_from([0, ARPE, OPM, UDIS])
        ).map(lambda bits: bits[0] << 5 | (bits[1] if not bits[0] else 0) | bits[2]),
    }
)

PLAIN = {"PSC": 0, "ARR": 9, "RCR": 0, "CCR1": 0, "CCR2": 0, "CCMR1": 0, "CR1": 0}


def state(bench: Bench, timer: str) -> list[int]:
    names = ("CNT", "SR", "CR1")
    return [*(bench.read(timer, name) for name in names), bench.desk.read("GPIOE.IDR") >> 9 & 5]


@settings(max_examples=60, deadline=None)
@given(setup=SETUPS, later=SETUPS, first=st.integers(0, 40), ticks=st.integers(1, 250), ug=st.booleans())
@example(setup=PLAIN | {"ARR": 5, "CR1": CENTRE[1]}, later=PLAIN | {"ARR": 2}, first=22, ticks=8, ug=False)
def test_a_jump_leads_where_single_steps_lead(
    shared: Bench, setup: dict[str, int], later: dict[str, int], first: int, ticks: int, ug: bool
) -> None:
    found = []
    for step, interrupts in ((1, 0), (ticks, 0), (ticks, 0x1F)):
        shared.desk.write("RCC.APB2RSTR", 1)
        shared.desk.write("RCC.APB2RSTR", 0)
        shared.write("TIM1", **setup, CCER=0x11, BDTR=MOE, DIER=interrupts)
        if ug:
            shared.write("TIM1", EGR=UG)
        shared.write("TIM1", CR1=setup["CR1"] | CEN)
        shared.ticks(first)
        shared.write("TIM1", PSC=later["PSC"], ARR=later["ARR"], CCR1=later["CCR1"], CCR2=later["CCR2"])
        for _ in range(ticks // step):
            shared.ticks(step)
            state(shared, "TIM1")
        found.append(state(shared, "TIM1"))
        shared.write("TIM1", SR=0)
        shared.ticks(40)
        found[-1] += state(shared, "TIM1")
    assert found[0] == found[1] == found[2]


@pytest.fixture(scope="module")
def shared(make_desk: Callable[[], Any]) -> Bench:
    """A chip that the examples of a test share: a reset of the timer makes it a new one."""
    bench = Bench(make_desk())
    bench.switch("PE9", 1)
    bench.switch("PE11", 1)
    return bench
