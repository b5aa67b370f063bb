"""PWR: the supply that can be chosen once, voltage scaling, wishes and flags of each core (RM0399 chapter 7)."""

from __future__ import annotations

import pytest

from pytest_h7.twin.bus import Master

DIRECT_SMPS, LDO, SMPS_THEN_LDO, BYPASS, DEFAULT = 0x04, 0x02, 0x16, 0x01, 0x06
ACTVOSRDY = 1 << 13
PDDS_D2, CSSF, RUN_D3 = 1 << 1, 1 << 9, 1 << 11

CHOOSE_SUPPLY = """
void program(void)
{
    PWR_CR3 = SUPPLY;
    while (!(PWR_CSR1 & PWR_CSR1_ACTVOSRDY_Msk)) {
    }
    result[0] = result[0] + 1;
}
"""


def supply(desk) -> int:
    return desk.read("PWR.CR3") & 0x3F


# -- supply ----------------------------------------------------------------------------------------------


def test_supply_after_power_on(desk) -> None:
    assert supply(desk) == DEFAULT
    desk.run(10_000)
    assert desk.field("PWR.CSR1.ACTVOSRDY") == 0


def test_chosen_supply_becomes_ready(desk) -> None:
    desk.write("PWR.CR3", DIRECT_SMPS)
    assert supply(desk) == DIRECT_SMPS
    assert desk.field("PWR.CSR1.ACTVOSRDY") == 0
    desk.run(100)
    assert desk.field("PWR.CSR1.ACTVOSRDY") == 1
    assert desk.field("PWR.CSR1.ACTVOS") == desk.field("PWR.D3CR.VOS") == 1


def test_supply_can_be_chosen_once(desk) -> None:
    desk.write("PWR.CR3", DIRECT_SMPS)
    desk.run(100)
    for value in (LDO, BYPASS, DEFAULT):
        desk.write("PWR.CR3", value)
        assert supply(desk) == DIRECT_SMPS
    assert desk.mcu.powered


def test_supply_stays_chosen_after_a_reset(desk) -> None:
    desk.write("PWR.CR3", DIRECT_SMPS)
    desk.run(100)
    desk.mcu.system_reset()
    desk.run(100)
    assert (supply(desk), desk.field("PWR.CSR1.ACTVOSRDY")) == (DIRECT_SMPS, 1)
    desk.write("PWR.CR3", LDO)
    assert desk.mcu.powered


def test_supply_can_be_chosen_again_after_a_power_cycle(desk) -> None:
    desk.write("PWR.CR3", DIRECT_SMPS)
    desk.run(100)
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(100)
    assert (supply(desk), desk.field("PWR.CSR1.ACTVOSRDY")) == (DEFAULT, 0)
    desk.write("PWR.CR3", DIRECT_SMPS)
    desk.run(100)
    assert desk.field("PWR.CSR1.ACTVOSRDY") == 1


@pytest.mark.parametrize("value", [DIRECT_SMPS, SMPS_THEN_LDO, 0x26, 0x1E, 0x1D, 0x2D])
def test_legal_supplies_that_keep_the_core_alive(desk, value: int) -> None:
    desk.write("PWR.CR3", value)
    desk.run(100)
    assert (supply(desk), desk.field("PWR.CSR1.ACTVOSRDY")) == (value, 1)


@pytest.mark.parametrize("value", [0x00, 0x03, 0x05, 0x07, 0x0C, 0x0E, 0x36, 0x3D])
def test_illegal_supply_is_dropped_and_uses_up_the_write(desk, value: int) -> None:
    desk.write("PWR.CR3", value)
    assert supply(desk) == DEFAULT
    desk.write("PWR.CR3", DIRECT_SMPS)
    desk.run(10_000)
    assert (supply(desk), desk.field("PWR.CSR1.ACTVOSRDY")) == (DEFAULT, 0)
    assert desk.mcu.powered


def test_upper_bytes_can_be_written_again(desk) -> None:
    desk.write("PWR.CR3", DIRECT_SMPS | 1 << 24)
    desk.write("PWR.CR3", DIRECT_SMPS | 1 << 25)
    assert desk.read("PWR.CR3") & ~(1 << 26) == DIRECT_SMPS | 1 << 25


def test_both_cores_may_choose_the_same(run) -> None:
    source = CHOOSE_SUPPLY.replace("SUPPLY", "PWR_CR3 & ~PWR_CR3_LDOEN_Msk")
    desk = run(us=500, cm7=source, cm4=source)
    assert (desk.result("cm7"), desk.result("cm4")) == (1, 1)


@pytest.mark.parametrize("value", [LDO, BYPASS])
def test_supply_the_board_does_not_have_takes_the_core_voltage_away(run, value: int) -> None:
    later = CHOOSE_SUPPLY.replace(
        "{\n", "{\n    for (volatile int turns = 0; turns < 1000; ++turns) {\n    }\n", 1
    )
    count = "void program(void) { for (;;) ++result[1]; }"
    desk = run(us=500, cm7=later, cm4=count, flags=(f"-DSUPPLY={value}",))
    assert not desk.mcu.powered
    assert desk.result("cm7") == 0
    counted, cycles = desk.result("cm4", 1), desk.mcu.cores["cm4"].cycles
    assert counted > 0
    desk.run(10_000)
    assert (desk.result("cm4", 1), desk.mcu.cores["cm4"].cycles) == (counted, cycles)


def test_lost_core_voltage_comes_back_by_a_power_cycle_only_and_is_lost_again(run) -> None:
    desk = run(us=500, cm7=CHOOSE_SUPPLY, flags=(f"-DSUPPLY={LDO}",))
    cycles = desk.mcu.cores["cm7"].cycles
    desk.mcu.set_nrst(True)
    desk.run(1_000)
    desk.mcu.set_nrst(False)
    desk.run(1_000)
    assert not desk.mcu.powered
    assert desk.mcu.cores["cm7"].cycles == cycles
    desk.mcu.power_off()
    desk.mcu.power_on()
    assert desk.mcu.powered
    desk.run(1_000)
    assert not desk.mcu.powered


def test_board_with_the_wrong_supply_in_flash_recovers_by_boot0(run) -> None:
    """BOOT0 high starts from ADD1, the boot loader in system flash, which leaves PWR_CR3 alone."""
    desk = run(us=500, cm7=CHOOSE_SUPPLY, flags=(f"-DSUPPLY={LDO}",))
    desk.mcu.power_off()
    desk.mcu.boot0 = True
    desk.mcu.power_on()
    desk.run(1_000)
    assert desk.mcu.powered
    assert supply(desk) == DEFAULT


# -- voltage scaling --------------------------------------------------------------------------------------


def test_voltage_scale_becomes_ready_after_a_time(desk) -> None:
    assert (desk.field("PWR.D3CR.VOS"), desk.field("PWR.D3CR.VOSRDY")) == (1, 1)
    desk.set("PWR.D3CR", VOS=3)
    assert desk.field("PWR.D3CR.VOSRDY") == 0
    desk.run(50)
    assert (desk.field("PWR.D3CR.VOS"), desk.field("PWR.D3CR.VOSRDY")) == (3, 1)
    assert desk.field("PWR.CSR1.ACTVOS") == 3


def test_same_voltage_scale_stays_ready(desk) -> None:
    desk.set("PWR.D3CR", VOS=1)
    assert desk.field("PWR.D3CR.VOSRDY") == 1


def test_next_change_of_the_voltage_begins_anew(desk) -> None:
    desk.set("PWR.D3CR", VOS=3)
    desk.run(10)
    desk.set("PWR.D3CR", VOS=2)
    desk.run(15)
    assert desk.field("PWR.D3CR.VOSRDY") == 0
    desk.run(20)
    assert (desk.field("PWR.D3CR.VOSRDY"), desk.field("PWR.CSR1.ACTVOS")) == (1, 2)


def test_lower_voltage_counts_at_once_and_a_higher_one_when_it_is_ready(desk) -> None:
    desk.set("PWR.D3CR", VOS=3)
    desk.run(1)
    assert desk.field("PWR.CSR1.ACTVOS") == 1
    desk.run(50)
    desk.set("PWR.D3CR", VOS=2)
    assert desk.field("PWR.CSR1.ACTVOS") == 2


def test_boost_takes_its_time(desk) -> None:
    """RM0399 7.6.2: SYSCFG_PWRCR.ODEN in VOS1, then VOSRDY."""
    desk.write("PWR.CR3", 4)
    desk.run(50)
    desk.set("PWR.D3CR", VOS=3)
    desk.run(50)
    desk.set("RCC_C1.APB4ENR", SYSCFGEN=1)
    desk.write("SYSCFG.PWRCR", 1)
    assert desk.field("PWR.D3CR.VOSRDY") == 0
    desk.run(50)
    assert desk.field("PWR.D3CR.VOSRDY") == 1
    assert desk.mcu.pwr.voltage_scale == 0


def test_power_cycle_in_mid_change(desk) -> None:
    """Nothing of what was under way arrives after it."""
    desk.set("PWR.CR1", DBP=1)
    desk.write("PWR.CR3", 4)
    desk.set("PWR.D3CR", VOS=3)
    desk.set("PWR.CR2", BREN=1)
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(100)
    ready = ("CSR1.ACTVOSRDY", "CR2.BRRDY", "CSR1.ACTVOS", "D3CR.VOSRDY")
    assert [desk.field(f"PWR.{field}") for field in ready] == [0, 0, 1, 1]


def test_status_register_is_read_only(desk) -> None:
    desk.write("PWR.CSR1", 0xFFFF_FFFF)
    assert desk.read("PWR.CSR1") == 0x4000


# -- wishes and flags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("register", ["CPUCR", "CPU2CR"])
def test_wishes_are_kept_until_a_reset(desk, register: str) -> None:
    desk.write(f"PWR.{register}", 0xFFFF_FFFF)
    assert desk.read(f"PWR.{register}") == 0x0C07
    desk.mcu.system_reset()
    assert desk.read(f"PWR.{register}") == 0


def test_registers_of_both_cores_are_reached_by_everyone(desk) -> None:
    for master in (Master.CM7, Master.CM4, Master.AP1):
        desk.write("PWR.CPUCR", PDDS_D2, master)
        desk.write("PWR.CPU2CR", RUN_D3, master)
        assert (desk.read("PWR.CPUCR", master), desk.read("PWR.CPU2CR", master)) == (PDDS_D2, RUN_D3)
        desk.write("PWR.CPUCR", 0, master)


DEEP_SLEEP = "void program(void) { SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk; for (;;) wfi(); }"


def test_stop_flag_is_set_for_both_and_cleared_by_each(run) -> None:
    desk = run(us=500, cm7=DEEP_SLEEP, cm4=DEEP_SLEEP)
    assert (desk.field("PWR.CPUCR.STOPF"), desk.field("PWR.CPU2CR.STOPF")) == (1, 1)
    desk.write("PWR.CPU2CR", CSSF)
    assert (desk.field("PWR.CPUCR.STOPF"), desk.field("PWR.CPU2CR.STOPF")) == (1, 0)
    assert desk.field("PWR.CPU2CR.CSSF") == 0


def test_wish_takes_effect_while_the_cores_are_stopped(run) -> None:
    desk = run(
        us=500, cm7=DEEP_SLEEP.replace("{ SCS", "{ PWR_CPUCR |= PWR_CPUCR_RUN_D3_Msk; SCS"), cm4=DEEP_SLEEP
    )
    assert desk.mcu.domain_state("D3") == "run"
    desk.write("PWR.CPUCR", 0, Master.AP1)
    assert desk.mcu.domain_state("D3") == "stop"


@pytest.mark.parametrize(("core", "flag", "wish"), [("cm7", "SBF_D1", 1), ("cm4", "SBF_D2", 2)])
def test_standby_flag_stays_while_the_domain_is_in_standby(run, core: str, flag: str, wish: int) -> None:
    both = f"PWR_CPUCR |= {wish}; PWR_CPU2CR |= {wish};"
    desk = run(us=500, **{core: DEEP_SLEEP.replace("{ SCS", f"{{ {both} SCS")})
    domain = "D1" if core == "cm7" else "D2"
    assert desk.mcu.domain_state(domain) == "standby"
    for register in ("CPUCR", "CPU2CR"):
        assert desk.field(f"PWR.{register}.{flag}") == 1
        desk.set(f"PWR.{register}", CSSF=1)
        assert desk.field(f"PWR.{register}.{flag}") == 1


# -- the backup domain ----------------------------------------------------------------------------------------


def test_backup_regulator_becomes_ready(desk) -> None:
    """RM0399 7.8.3: BREN needs DBP, and stays over a system reset."""
    desk.set("PWR.CR2", BREN=1)
    assert desk.read("PWR.CR2") == 0
    desk.set("PWR.CR1", DBP=1)
    desk.set("PWR.CR2", BREN=1)
    assert (desk.field("PWR.CR2.BREN"), desk.field("PWR.CR2.BRRDY")) == (1, 0)
    desk.run(1_000)
    assert desk.field("PWR.CR2.BRRDY") == 1
    desk.mcu.system_reset()
    assert (desk.field("PWR.CR2.BREN"), desk.field("PWR.CR2.BRRDY")) == (1, 1)
    desk.set("PWR.CR1", DBP=1)
    desk.set("PWR.CR2", BREN=0)
    assert desk.field("PWR.CR2.BRRDY") == 0


BACKUP_SRAM = 0x3880_0000


def backup_word(desk) -> int:
    return desk.mcu.read(BACKUP_SRAM, 4, Master.CM7)


def test_backup_sram_needs_its_clock_and_takes_writes_with_dbp_only(desk) -> None:
    """RM0399 7.4.4 and 9.7.44."""
    desk.mcu.write(BACKUP_SRAM, 4, 1, Master.CM7)
    desk.set("RCC_C1.AHB4ENR", BKPRAMEN=1)
    assert backup_word(desk) == 0
    desk.mcu.write(BACKUP_SRAM, 4, 2, Master.CM7)
    assert backup_word(desk) == 0
    desk.set("PWR.CR1", DBP=1)
    desk.mcu.write(BACKUP_SRAM, 4, 3, Master.CM7)
    assert backup_word(desk) == 3
    desk.set("PWR.CR1", DBP=0)
    assert backup_word(desk) == 3
    desk.set("RCC_C1.AHB4ENR", BKPRAMEN=0)
    assert backup_word(desk) == 0
    desk.set("RCC_C2.AHB4ENR", Master.CM4, BKPRAMEN=1)
    assert backup_word(desk) == 3


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_core_finds_the_backup_sram_as_its_gates_say(run, core: str) -> None:
    source = """
    #define WORD REGISTER(0x38800010)
    void program(void)
    {
        result[0] = read_faults(0x38800010);
        RCC_AHB4ENR |= RCC_AHB4ENR_BKPRAMEN_Msk;
        WORD = 1;
        result[1] = WORD;
        PWR_CR1 |= PWR_CR1_DBP_Msk;
        WORD = 2;
        result[2] = WORD;
        PWR_CR1 &= ~PWR_CR1_DBP_Msk;
        WORD = 3;
        result[3] = WORD;
        RCC_AHB4ENR &= ~RCC_AHB4ENR_BKPRAMEN_Msk;
        result[4] = WORD;
        RCC_AHB4ENR |= RCC_AHB4ENR_BKPRAMEN_Msk;
        result[5] = WORD;
        result[6] = 1;
    }
    """
    desk = run(**{core: source})
    assert [desk.result(core, index) for index in range(7)] == [0, 0, 2, 2, 0, 2, 1]


def test_usb_supply_is_ready_when_it_is_asked_for(desk) -> None:
    assert desk.field("PWR.CR3.USB33RDY") == 0
    desk.set("PWR.CR3", USB33DEN=1)
    assert desk.field("PWR.CR3.USB33RDY") == 1
