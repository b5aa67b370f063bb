"""Wake-up pins while the chip works or is in Stop: flags, EXTI lines, interrupt 149 (RM0399 7.8.8 to 7.8.10)."""

from __future__ import annotations

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.pins import Pull

WKUP4 = 1 << 3
FALLING4 = 1 << 11

WAIT = """
void WAKEUP_PIN_IRQHandler(void)
{
    result[3] = result[3] + 1;
    PWR_WKUPCR = 0x3F;
}

void program(void)
{
    PWR_WKUPEPR = 1u << 3;
    PWR_WKUPCR = 0x3F;
    enable_interrupt(WAKEUP_PIN_IRQn, 1);
    SLEEP_DEPTH
    for (;;) {
        wfi();
        result[1] = result[1] + 1;
    }
}
"""
DEEPLY = "SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;"


@pytest.mark.parametrize("core", ["cm7", "cm4"])
@pytest.mark.parametrize("depth", ["", DEEPLY], ids=["sleep", "stop"])
def test_edge_interrupts_and_wakes(run, core: str, depth: str) -> None:
    other = {"cm7": "cm4", "cm4": "cm7"}[core]
    desk = run(
        **{
            core: WAIT.replace("SLEEP_DEPTH", depth),
            other: f"void program(void) {{ {DEEPLY} for (;;) wfi(); }}",
        }
    )
    for presses in (1, 2, 3):
        desk.mcu.pins.drive("PC13", True)
        desk.run(50)
        assert (desk.result(core, 3), desk.result(core, 1)) == (presses, presses)
        desk.mcu.pins.drive("PC13", False)
        desk.run(50)
        assert desk.result(core, 3) == presses


def test_flag_stays_until_it_is_cleared(desk) -> None:
    desk.write("PWR.WKUPEPR", WKUP4)
    desk.mcu.pins.drive("PC13", True)
    desk.mcu.pins.drive("PC13", False)
    assert desk.read("PWR.WKUPFR") == WKUP4
    desk.write("PWR.WKUPFR", 0)
    desk.write("PWR.WKUPCR", ~WKUP4 & 0x3F)
    assert desk.read("PWR.WKUPFR") == WKUP4
    desk.write("PWR.WKUPCR", WKUP4)
    assert (desk.read("PWR.WKUPFR"), desk.read("PWR.WKUPCR")) == (0, 0)


@pytest.mark.parametrize(("level", "choice", "flag"), [
    (True, WKUP4, WKUP4), (False, WKUP4, 0), (False, WKUP4 | FALLING4, WKUP4), (True, WKUP4 | FALLING4, 0)
])  # fmt: skip
def test_pin_that_has_its_level_when_it_is_enabled_counts(desk, level: bool, choice: int, flag: int) -> None:
    """RM0399 7.8.10, note."""
    desk.mcu.pins.drive("PC13", level)
    desk.write("PWR.WKUPEPR", choice)
    assert desk.read("PWR.WKUPFR") == flag


def test_pin_that_is_not_enabled_leaves_no_flag(desk) -> None:
    desk.mcu.pins.drive("PC13", True)
    assert desk.read("PWR.WKUPFR") == 0


def test_pull_works_while_the_pin_is_enabled(desk) -> None:
    desk.write("PWR.WKUPEPR", WKUP4 | 1 << 22)
    assert desk.mcu.pins.level("PC13")
    desk.mcu.pins.set_external_pull("PC13", Pull.DOWN)
    assert not desk.mcu.pins.level("PC13")
    desk.mcu.pins.set_external_pull("PC13", Pull.NONE)
    desk.write("PWR.WKUPEPR", 1 << 22)
    assert not desk.mcu.pins.level("PC13")


def test_system_reset_clears_flags_and_choice(desk) -> None:
    desk.write("PWR.WKUPEPR", WKUP4)
    desk.mcu.pins.drive("PC13", True)
    desk.mcu.system_reset()
    desk.run(100)
    assert (desk.read("PWR.WKUPFR"), desk.read("PWR.WKUPEPR")) == (0, 0)


def test_masked_line_does_not_interrupt(desk) -> None:
    """The lines are unmasked after reset; EXTI stands between the flag and the NVIC."""
    desk.write("PWR.WKUPEPR", WKUP4)
    desk.mcu.pins.drive("PC13", True)
    pending = 0xE000_E200 + 4 * (149 // 32)
    bit = 1 << 149 % 32
    assert desk.mcu.cores["cm7"].read_debug(pending) & bit
    desk.write("EXTI.C1IMR2", 0, Master.AP1)
    desk.mcu.cores["cm7"].write_debug(pending + 0x80, bit)
    assert not desk.mcu.cores["cm7"].read_debug(pending) & bit
