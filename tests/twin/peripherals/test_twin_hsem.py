from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.twin.bus import BusFault, Master

if TYPE_CHECKING:
    from conftest import Bench

LOCK = 1 << 31
CM7_LOCKED = 0x8000_0300
CM4_LOCKED = 0x8000_0100


def test_reading_rlr_takes_a_free_semaphore_for_the_reader(chip: Bench) -> None:
    assert chip.read("HSEM.RLR0", Master.CM7) == CM7_LOCKED
    assert chip.read("HSEM.RLR1", Master.CM4) == CM4_LOCKED
    assert chip.read("HSEM.R0", Master.CM4) == CM7_LOCKED


def test_reading_rlr_of_a_locked_semaphore_shows_its_owner(chip: Bench) -> None:
    chip.write("HSEM.R5", LOCK | 0x342, Master.CM7)
    assert chip.read("HSEM.RLR5", Master.CM4) == LOCK | 0x342
    assert chip.read("HSEM.R5", Master.CM4) == LOCK | 0x342


def test_reading_r_never_takes(chip: Bench) -> None:
    assert chip.read("HSEM.R0", Master.CM7) == 0
    assert chip.read("HSEM.R0", Master.CM4) == 0


@pytest.mark.parametrize(
    ("value", "master"), [(LOCK | 0x100, Master.CM7), (LOCK | 0x300, Master.CM4), (LOCK | 0x300, Master.AP1)]
)
def test_a_lock_with_another_masters_core_id_is_ignored(chip: Bench, value: int, master: Master) -> None:
    chip.write("HSEM.R0", value, master)
    assert chip.read("HSEM.R0") == 0


def test_a_debugger_is_taken_for_its_core(chip: Bench) -> None:
    assert chip.read("HSEM.RLR0", Master.AP0) == CM7_LOCKED
    assert chip.read("HSEM.RLR1", Master.AP3) == CM4_LOCKED


def test_an_unauthorised_master_reads_rlr_as_zero_and_takes_nothing(chip: Bench) -> None:
    assert chip.read("HSEM.RLR0", Master.AP1) == 0
    chip.read("HSEM.RLR1", Master.CM7)
    assert chip.read("HSEM.RLR1", Master.AP1) == 0
    assert chip.read("HSEM.R1", Master.AP1) == CM7_LOCKED
    assert chip.read("HSEM.R0", Master.CM7) == 0


@pytest.mark.parametrize(
    ("value", "master"),
    [(0x100, Master.CM4), (0x342, Master.CM4), (0x343, Master.CM7), (0x142, Master.CM7), (0x342, Master.AP1)],
)
def test_only_the_owner_frees_and_only_with_its_process_id(chip: Bench, value: int, master: Master) -> None:
    chip.write("HSEM.R0", LOCK | 0x342, Master.CM7)
    chip.write("HSEM.R0", value, master)
    assert chip.read("HSEM.R0") == LOCK | 0x342
    chip.write("HSEM.R0", 0x342, Master.CM7)
    assert chip.read("HSEM.R0") == 0


def test_a_release_raises_the_line_of_the_core_that_enabled_it(chip: Bench) -> None:
    chip.write("HSEM.C2IER", 1, Master.CM4)
    chip.read("HSEM.RLR0", Master.CM7)
    assert not chip.irqs
    chip.write("HSEM.R0", 0x300, Master.CM7)
    assert chip.irqs == {("cm4", 126)}
    assert (chip.read("HSEM.C1ISR"), chip.read("HSEM.C1MISR")) == (1, 0)
    assert (chip.read("HSEM.C2ISR"), chip.read("HSEM.C2MISR")) == (1, 1)
    assert "cm4" in chip.wake_ups
    assert "cm7" not in chip.wake_ups
    assert chip.exti.wake_pending("cm4")
    chip.write("HSEM.C2ICR", 1, Master.CM4)
    assert not chip.irqs
    assert not chip.exti.wake_pending("cm4")
    assert chip.read("HSEM.C2ISR") == 0
    assert chip.read("HSEM.C1ISR") == 1


def test_enabling_after_the_release_raises_the_line_too(chip: Bench) -> None:
    chip.read("HSEM.RLR3", Master.CM4)
    chip.write("HSEM.R3", 0x100, Master.CM4)
    chip.write("HSEM.C1IER", 1 << 3, Master.CM7)
    assert chip.irqs == {("cm7", 125)}


def test_the_interrupt_does_not_lock(chip: Bench) -> None:
    chip.write("HSEM.C2IER", 1, Master.CM4)
    chip.read("HSEM.RLR0", Master.CM7)
    chip.write("HSEM.R0", 0x300, Master.CM7)
    assert chip.read("HSEM.R0") == 0


def test_cr_frees_all_semaphores_of_a_core_with_the_right_key_only(chip: Bench) -> None:
    chip.write("HSEM.KEYR", 0xCAFE_0000)
    for number in (0, 7):
        chip.write(f"HSEM.R{number}", LOCK | 0x305, Master.CM7)
    chip.read("HSEM.RLR1", Master.CM4)
    chip.write("HSEM.C2IER", 0xFFFF_FFFF, Master.CM4)
    chip.write("HSEM.CR", 0xBEEF_0300, Master.CM4)
    chip.write("HSEM.CR", 0xCAFE_0300, Master.AP1)
    assert chip.read("HSEM.R0") == LOCK | 0x305
    chip.write("HSEM.CR", 0xCAFE_0300, Master.CM4)
    assert chip.read("HSEM.R0") == chip.read("HSEM.R7") == 0
    assert chip.read("HSEM.R1") == CM4_LOCKED
    assert chip.read("HSEM.C2MISR") == 1 << 7 | 1
    assert chip.read("HSEM.CR") == 0


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (2, 2), (0x80, 2), (0x100, 1)])
def test_anything_but_a_word_is_a_bus_error(chip: Bench, offset: int, size: int) -> None:
    with pytest.raises(BusFault):
        chip.hsem.read(offset, size, Master.CM7)
    with pytest.raises(BusFault):
        chip.hsem.write(offset, size, 0, Master.CM7)
    assert chip.read("HSEM.R0") == 0


def test_a_reset_frees_everything_silently(chip: Bench) -> None:
    chip.write("HSEM.C2IER", 1, Master.CM4)
    chip.read("HSEM.RLR0", Master.CM7)
    chip.reset()
    assert chip.read("HSEM.R0") == 0
    assert not chip.irqs
    assert chip.read("HSEM.C2ISR") == 0


_MASTERS = st.sampled_from(list(Master))
_ACTIONS = st.one_of(
    st.tuples(st.just("read_lock"), _MASTERS, st.just(0)),
    st.tuples(
        st.just("write"),
        _MASTERS,
        st.sampled_from([LOCK, 0]).flatmap(
            lambda lock: st.builds(
                lambda core, process: lock | core << 8 | process, st.integers(0, 4), st.integers(0, 2)
            )
        ),
    ),
)


@given(st.lists(_ACTIONS, max_size=40))
def test_a_semaphore_changes_hands_only_through_a_release_by_its_owner(
    make_chip: type[Bench], actions: list[tuple[str, Master, int]]
) -> None:
    chip = make_chip()
    core_ids = {"cm7": 3, "cm4": 1}
    for kind, master, value in actions:
        before = chip.read("HSEM.R9")
        if kind == "read_lock":
            chip.read("HSEM.RLR9", master)
        else:
            chip.write("HSEM.R9", value, master)
        after = chip.read("HSEM.R9")
        assert after == 0 or (after & LOCK and after >> 8 & 0xF in core_ids.values())
        if after == before:
            continue
        assert master.core is not None
        identity = core_ids[master.core]
        owner = (before or after) >> 8 & 0xF
        assert owner == identity
        assert before == 0 or after == 0, "a locked semaphore got another owner at once"
