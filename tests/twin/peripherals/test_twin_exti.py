from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.interrupts import irq_number
from pytest_h7.twin.bus import BusFault, Master

if TYPE_CHECKING:
    from conftest import Bench

LINE = 1 << 13


def test_direct_lines_start_unmasked_for_both_cores(chip: Bench) -> None:
    for core in ("C1", "C2"):
        assert chip.read(f"EXTI.{core}IMR1") == 0xFFC0_0000
        assert chip.read(f"EXTI.{core}IMR2") == 0xFFF5_FFFF
        assert chip.read(f"EXTI.{core}IMR3") == 0x018B_FFFF
        assert chip.read(f"EXTI.{core}EMR3") == 0


def test_reserved_mask_bits_keep_their_reset_value(chip: Bench) -> None:
    chip.write("EXTI.C1IMR2", 0)
    assert chip.read("EXTI.C1IMR2") == 1 << 13
    chip.write("EXTI.C1IMR3", 0xFFFF_FFFF)
    assert chip.read("EXTI.C1IMR3") == 0x01FF_FFFF


@pytest.mark.parametrize("rising", [True, False])
def test_only_the_selected_edge_counts(chip: Bench, rising: bool) -> None:
    chip.write("EXTI.RTSR1" if rising else "EXTI.FTSR1", LINE)
    chip.write("EXTI.C1IMR1", LINE)
    chip.exti.edge(13, not rising)
    assert chip.read("EXTI.C1PR1") == 0
    chip.exti.edge(13, rising)
    assert chip.read("EXTI.C1PR1") == LINE
    assert chip.irqs == {("cm7", 40)}


def test_each_core_has_its_own_pending_bit(chip: Bench) -> None:
    chip.write("EXTI.RTSR1", LINE)
    chip.write("EXTI.C1IMR1", LINE)
    chip.write("EXTI.C2IMR1", LINE)
    chip.exti.edge(13, True)
    assert chip.irqs == {("cm7", 40), ("cm4", 40)}
    chip.write("EXTI.C1PR1", LINE)
    assert chip.irqs == {("cm4", 40)}
    assert chip.read("EXTI.C1PR1") == 0
    assert chip.read("EXTI.C2PR1") == LINE


def test_a_masked_core_gets_no_pending_bit_even_later(chip: Bench) -> None:
    chip.write("EXTI.RTSR1", LINE)
    chip.exti.edge(13, True)
    chip.write("EXTI.C2IMR1", LINE)
    assert chip.read("EXTI.C2PR1") == 0
    assert not chip.irqs


def test_an_event_is_a_pulse_without_a_pending_bit(chip: Bench) -> None:
    chip.write("EXTI.RTSR1", LINE)
    chip.write("EXTI.C2EMR1", LINE)
    chip.exti.edge(13, True)
    assert chip.events == ["cm4"]
    assert chip.read("EXTI.C2PR1") == 0
    assert not chip.irqs
    assert not chip.exti.wake_pending("cm4")


def test_changing_the_edge_selection_clears_pending(chip: Bench) -> None:
    chip.write("EXTI.RTSR1", LINE | 1)
    chip.write("EXTI.C1IMR1", LINE | 1)
    chip.exti.edge(13, True)
    chip.exti.edge(0, True)
    chip.write("EXTI.FTSR1", LINE)
    assert chip.read("EXTI.C1PR1") == 1
    assert chip.irqs == {("cm7", 6)}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        *((line, f"EXTI{line}") for line in range(5)),
        *((line, "EXTI9_5") for line in range(5, 10)),
        *((line, "EXTI15_10") for line in range(10, 16)),
        (16, "PVD_AVD"),
        (17, "RTC_Alarm"),
        (18, "TAMP_STAMP"),
        (19, "RTC_WKUP"),
        (20, "COMP"),
        (21, "COMP"),
        (85, "CEC"),
        (86, "ETH_WKUP"),
    ],
)
def test_a_line_raises_its_interrupt(chip: Bench, line: int, name: str) -> None:
    group, bit = line // 32 + 1, line % 32
    chip.write(f"EXTI.C2IMR{group}", 1 << bit)
    chip.write(f"EXTI.SWIER{group}", 1 << bit)
    assert chip.irqs == {("cm4", irq_number("cm4", name))}


def test_lines_that_share_an_interrupt_hold_it_until_the_last_is_cleared(chip: Bench) -> None:
    chip.write("EXTI.C1IMR1", 3 << 10)
    chip.write("EXTI.SWIER1", 3 << 10)
    chip.write("EXTI.C1PR1", 1 << 10)
    assert chip.irqs == {("cm7", 40)}
    chip.write("EXTI.C1PR1", 1 << 11)
    assert not chip.irqs


def test_masking_lowers_the_interrupt_and_keeps_pending(chip: Bench) -> None:
    chip.write("EXTI.C1IMR1", LINE)
    chip.write("EXTI.SWIER1", LINE)
    chip.write("EXTI.C1IMR1", 0)
    assert not chip.irqs
    assert chip.read("EXTI.C1PR1") == LINE
    chip.write("EXTI.C1IMR1", LINE)
    assert chip.irqs == {("cm7", 40)}


def test_the_software_trigger_works_each_time_and_reads_zero(chip: Bench) -> None:
    chip.write("EXTI.SWIER1", LINE)
    chip.write("EXTI.C1IMR1", LINE)
    for _ in range(2):
        chip.write("EXTI.SWIER1", LINE, Master.AP1)
        assert chip.read("EXTI.SWIER1") == 0
        assert chip.read("EXTI.C1PR1") == LINE
        chip.write("EXTI.C1PR1", LINE)


def test_direct_lines_have_no_software_trigger_and_no_pending_bit(chip: Bench) -> None:
    chip.write("EXTI.SWIER1", 1 << 28)
    chip.exti.set_direct_line(28, True)
    assert chip.read("EXTI.C1PR1") == 0


@pytest.mark.parametrize(("line", "core"), [(77, "cm7"), (78, "cm4"), (79, "cm7"), (80, "cm4")])
def test_a_direct_line_wakes_the_one_core_it_is_for_while_it_is_high(
    chip: Bench, line: int, core: str
) -> None:
    other = {"cm7": "cm4", "cm4": "cm7"}[core]
    chip.exti.set_direct_line(line, True)
    assert chip.exti.wake_pending(core)
    assert not chip.exti.wake_pending(other)
    assert set(chip.wake_ups) == {core}
    chip.exti.set_direct_line(line, False)
    assert not chip.exti.wake_pending(core)


def test_a_masked_direct_line_does_not_wake(chip: Bench) -> None:
    chip.write("EXTI.C2IMR3", 0x018B_FFFF & ~(1 << 14))
    chip.exti.set_direct_line(78, True)
    assert not chip.exti.wake_pending("cm4")
    chip.write("EXTI.C2IMR3", 0x018B_FFFF)
    assert chip.wake_ups == ["cm4"]


def test_a_direct_line_sends_an_event_when_it_rises(chip: Bench) -> None:
    chip.write("EXTI.C2EMR3", 1 << 14)
    chip.exti.set_direct_line(78, True)
    chip.exti.set_direct_line(78, True)
    assert chip.events == ["cm4"]
    chip.exti.set_direct_line(78, False)
    chip.exti.set_direct_line(78, True)
    assert chip.events == ["cm4", "cm4"]


@pytest.mark.parametrize(("line", "core"), [(82, "cm4"), (84, "cm7")])
def test_a_watchdog_reset_tells_the_other_core_only(chip: Bench, line: int, core: str) -> None:
    for prefix in ("C1", "C2"):
        chip.set_bits(f"EXTI.{prefix}IMR3", 1 << line - 64)
    chip.write("EXTI.RTSR3", 1 << line - 64)
    chip.exti.edge(line, True)
    assert chip.irqs == {(core, 143)}


def test_pending_keeps_a_core_awake_until_it_is_cleared(chip: Bench) -> None:
    chip.write("EXTI.C2IMR1", LINE)
    chip.write("EXTI.SWIER1", LINE)
    assert chip.exti.wake_pending("cm4")
    assert not chip.exti.wake_pending("cm7")
    chip.write("EXTI.C2PR1", LINE)
    assert not chip.exti.wake_pending("cm4")


def test_anything_but_a_word_is_a_bus_error(chip: Bench) -> None:
    with pytest.raises(BusFault):
        chip.exti.read(0x88, 1, Master.CM7)
    with pytest.raises(BusFault):
        chip.exti.write(0x88, 2, 0xFFFF, Master.CM7)


def test_a_reset_forgets_everything(chip: Bench) -> None:
    chip.write("EXTI.RTSR1", LINE)
    chip.write("EXTI.C1IMR1", LINE)
    chip.write("EXTI.SWIER1", LINE)
    chip.reset()
    assert not chip.irqs
    assert chip.read("EXTI.C1PR1") == chip.read("EXTI.RTSR1") == 0
