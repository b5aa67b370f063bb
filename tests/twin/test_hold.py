"""Hold: one core keeps the other back after Stop until it has set up the clocks (RM0399 7.7.8, tables 42, 43)."""

from __future__ import annotations

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.core_modes import CpuMode

HOLD, CSSF = 1 << 10, 1 << 9
HOLD_CORE_IRQ = 148

MASTER = """
void HOLD_CORE_IRQHandler(void)
{
    result[3] = result[3] + 1;
    SAW_FLAG
    PWR_OWN = (PWR_OWN & ~HOLD_BIT) | FLAGS_CLEAR;
    PWR_OWN |= HOLD_AGAIN;
}

void program(void)
{
    PWR_OWN |= 1u << 10;
    enable_interrupt(HOLD_CORE_IRQn, 1);
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    for (;;) {
        wfi();
        result[1] = result[1] + 1;
    }
}
"""

SLAVE = """
void program(void)
{
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    for (;;) {
        wfe();
        result[1] = result[1] + 1;
    }
}
"""

REGISTERS = {"cm7": "PWR_CPUCR", "cm4": "PWR_CPU2CR"}
FLAGS = {"cm7": "PWR.CPUCR.HOLD2F", "cm4": "PWR.CPU2CR.HOLD1F"}
OTHER = {"cm7": "cm4", "cm4": "cm7"}


def master(core: str, *, release: bool = True) -> str:
    source = MASTER.replace("PWR_OWN", REGISTERS[core]).replace("FLAGS_CLEAR", "(1u << 9)")
    source = source.replace("HOLD_BIT", "(1u << 10)" if release else "0u").replace("HOLD_AGAIN", "0")
    return source.replace("SAW_FLAG", f"result[4] = {REGISTERS[core]};")


@pytest.fixture(params=["cm7", "cm4"])
def stopped(request, run):
    """Both cores in system Stop, one of them master of the other: ``stopped()`` is (chip, master, slave)."""

    def start(**options: bool):
        core = request.param
        desk = run(us=500, **{core: master(core, **options), OTHER[core]: SLAVE})
        assert [desk.mcu.domain_state(domain) for domain in ("D1", "D2", "D3")] == ["stop"] * 3
        return desk, core, OTHER[core]

    return start


def wake(desk, core: str) -> None:
    register = "EXTI.C1EMR1" if core == "cm7" else "EXTI.C2EMR1"
    desk.write(register, 1, Master.AP1)
    desk.write("EXTI.SWIER1", 1, Master.AP1)
    desk.write(register, 0, Master.AP1)


def test_master_is_woken_instead_and_releases_the_slave(stopped) -> None:
    desk, core, slave = stopped()
    wake(desk, slave)
    desk.run(50)
    assert desk.result(core, 3) == 1  # interrupt 148, once
    assert desk.result(core, 4) & 0x30 == 0x30  # STOPF and HOLDnF
    assert desk.result(slave, 1) == 1
    assert desk.field(FLAGS[core]) == 0


def test_slave_stays_on_hold_until_the_master_clears_the_bit(stopped) -> None:
    desk, core, slave = stopped(release=False)
    desk.write(REGISTERS[core].replace("_", "."), HOLD, Master.AP1)
    wake(desk, slave)
    desk.run(1_000)
    assert desk.result(core, 3) == 1
    assert (desk.mcu.mode(slave), desk.result(slave, 1)) == (CpuMode.STOP, 0)
    assert not desk.mcu.core_clocked(slave)
    # The system keeps running for it, though the master sleeps again.
    assert (desk.mcu.mode(core), desk.mcu.domain_state("D3")) == (CpuMode.STOP, "run")
    desk.write(REGISTERS[core].replace("_", "."), 0, Master.AP1)
    desk.run(10)
    assert desk.result(slave, 1) == 1
    assert desk.mcu.domain_state("D3") == "stop"


def test_hold_flag_goes_to_the_master_only(stopped) -> None:
    desk, core, slave = stopped(release=False)
    desk.mcu.cores[core].write_debug(0xE000_E100 + 0x80 + 4 * (HOLD_CORE_IRQ // 32), 1 << HOLD_CORE_IRQ % 32)
    wake(desk, slave)
    desk.run(50)
    assert desk.field(FLAGS[core]) == 1
    assert desk.field(FLAGS[slave]) == 0
    desk.write(REGISTERS[core].replace("_", "."), HOLD | CSSF, Master.AP1)
    assert desk.field(FLAGS[core]) == 0


def test_wake_up_of_the_master_wakes_it_alone(stopped) -> None:
    desk, core, slave = stopped()
    register = "EXTI.C1IMR1" if core == "cm7" else "EXTI.C2IMR1"
    desk.write(register, 1, Master.AP1)
    enable = 0xE000_E100 + 4 * (6 // 32)
    desk.mcu.cores[core].write_debug(enable, 1 << 6)  # EXTI0, whose handler is the default one: a loop
    desk.write("EXTI.SWIER1", 1, Master.AP1)
    desk.run(50)
    assert desk.mcu.mode(core) is CpuMode.RUN
    assert desk.mcu.mode(slave) is CpuMode.STOP
    assert desk.field(FLAGS[core]) == 0
    # Then the slave is woken up while the system runs already: it is on hold all the same.
    wake(desk, slave)
    desk.run(50)
    assert desk.result(slave, 1) == 0
    assert desk.field(FLAGS[core]) == 1


def test_hold_has_no_effect_unless_the_system_was_in_stop(run) -> None:
    """RM0399 table 43, last rows."""
    awake = "void program(void) { PWR_CPUCR |= 1u << 10; for (;;) ++result[0]; }"
    desk = run(us=500, cm7=awake, cm4=SLAVE)
    wake(desk, "cm4")
    desk.run(50)
    assert desk.result("cm4", 1) == 1
    assert desk.field("PWR.CPUCR.HOLD2F") == 0


def test_both_bits_together_disable_it(run) -> None:
    """RM0399 table 42."""
    slave = SLAVE.replace("{\n    SCS", "{\n    PWR_CPU2CR |= 1u << 10;\n    SCS", 1)
    desk = run(us=500, cm7=master("cm7"), cm4=slave)
    wake(desk, "cm4")
    desk.run(50)
    assert desk.result("cm4", 1) == 1
    assert (desk.result("cm7", 3), desk.field("PWR.CPUCR.HOLD2F")) == (0, 0)


def test_reset_forgets_the_hold(stopped) -> None:
    desk, core, slave = stopped(release=False)
    wake(desk, slave)
    desk.run(50)
    desk.mcu.system_reset()
    desk.run(1_000)
    assert desk.field(FLAGS[core]) == 0
    assert desk.mcu.domain_state("D3") == "stop"
