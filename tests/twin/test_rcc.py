"""RCC: the clock tree, ready bits, the cores' banks, reset flags (RM0399 chapter 9)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.timeline import PS_PER_US

MHZ = 1_000_000
AHB_DIVIDER = [1] * 8 + [2, 4, 8, 16, 64, 128, 256, 512]
"""HPRE and D1CPRE by their code (RM0399 9.7.7)."""
APB_DIVIDER = [1] * 4 + [2, 4, 8, 16]
SHARED_ADDRESS = 0x5802_44E0
"""RCC_AHB4ENR at the address both cores share; its banks are at 0x58024540 and 0x580245A0."""
HSEMEN, GPIOBEN = 1 << 25, 1 << 1


def start_pll1_at_400_mhz(desk) -> None:
    """The registers as ST's example for this board sets them."""
    desk.set("RCC.CR", HSEBYP=1)
    desk.set("RCC.CR", HSEON=1)
    desk.run(50)
    desk.write("RCC.PLLCKSELR", 0x42)
    desk.write("RCC.PLL1DIVR", 0x0103_038F)
    desk.set("RCC.CR", PLL1ON=1)
    desk.run(100)
    desk.write("RCC.D1CFGR", 0x48)
    desk.write("RCC.D2CFGR", 0x440)
    desk.write("RCC.D3CFGR", 0x40)
    desk.write("RCC.CFGR", 3)


# -- after reset --------------------------------------------------------------------------------------


def test_control_register_after_reset(desk) -> None:
    # HSION, HSIRDY, HSIDIVF and the ready bits of both domains.
    assert desk.read("RCC.CR") == 0x0000_C025
    assert desk.read("RCC.CFGR") == 0


@pytest.mark.parametrize("name", ["cm7", "cm4", "hclk", "pclk1", "pclk2", "pclk3", "pclk4", "hsi"])
def test_everything_runs_from_the_internal_oscillator(desk, name: str) -> None:
    assert desk.mcu.clock_hz(name) == 64 * MHZ


# -- frequencies ----------------------------------------------------------------------------------------


def test_clocks_of_the_reference_firmware(desk) -> None:
    start_pll1_at_400_mhz(desk)
    clocks = {
        name: desk.mcu.clock_hz(name) // MHZ for name in ("pll1", "cm7", "cm4", "hclk", "pclk1", "pclk4")
    }
    assert clocks == {"pll1": 400, "cm7": 400, "cm4": 200, "hclk": 200, "pclk1": 100, "pclk4": 100}


@pytest.mark.parametrize("code", range(16))
def test_core_and_bus_prescaler(desk, code: int) -> None:
    desk.set("RCC.D1CFGR", D1CPRE=code)
    assert desk.mcu.clock_hz("cm7") == 64 * MHZ // AHB_DIVIDER[code]
    assert desk.mcu.clock_hz("cm4") == 64 * MHZ // AHB_DIVIDER[code]
    desk.set("RCC.D1CFGR", D1CPRE=0, HPRE=code)
    assert desk.mcu.clock_hz("cm7") == 64 * MHZ
    assert desk.mcu.clock_hz("cm4") == desk.mcu.clock_hz("hclk") == 64 * MHZ // AHB_DIVIDER[code]


@pytest.mark.parametrize(
    ("register", "field", "clock"),
    [
        ("D2CFGR", "D2PPRE1", "pclk1"),
        ("D2CFGR", "D2PPRE2", "pclk2"),
        ("D1CFGR", "D1PPRE", "pclk3"),
        ("D3CFGR", "D3PPRE", "pclk4"),
    ],
)
def test_peripheral_bus_prescalers(desk, register: str, field: str, clock: str) -> None:
    desk.set("RCC.D1CFGR", HPRE=8)
    others = {"pclk1", "pclk2", "pclk3", "pclk4"} - {clock}
    for code in range(8):
        desk.set(f"RCC.{register}", **{field: code})
        assert desk.mcu.clock_hz(clock) == 32 * MHZ // APB_DIVIDER[code]
        assert {desk.mcu.clock_hz(other) for other in others} == {32 * MHZ}


@pytest.mark.parametrize(("code", "mhz"), [(0, 64), (1, 32), (2, 16), (3, 8)])
def test_divider_of_the_internal_oscillator(desk, code: int, mhz: int) -> None:
    desk.set("RCC.CR", HSIDIV=code)
    assert desk.mcu.clock_hz("cm7") == mhz * MHZ
    assert desk.field("RCC.CR.HSIDIVF") == 1


@given(
    source=st.sampled_from([("HSI", 0, 64 * MHZ), ("CSI", 1, 4 * MHZ), ("HSE", 2, 8 * MHZ)]),
    divm=st.integers(1, 63),
    n=st.integers(4, 512),
    divider=st.integers(1, 128),
    fraction=st.integers(0, 8191),
    fractional=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_output_of_a_pll(
    desk, source, divm: int, n: int, divider: int, fraction: int, fractional: bool
) -> None:
    """RM0399 9.7.12: f_vco = f_ref x (DIVN + FRACN / 2^13), f_out = f_vco / DIV."""
    _name, code, hz = source
    desk.set("RCC.PLLCKSELR", PLLSRC=code, DIVM2=divm)
    desk.set("RCC.PLL2DIVR", N2=n - 1, Q2=divider - 1)
    desk.set("RCC.PLL2FRACR", FRACN2=fraction)
    desk.set("RCC.PLLCFGR", PLL2FRACEN=int(fractional))
    exact = hz / divm * (n + (fraction / 8192 if fractional else 0)) / divider
    assert desk.mcu.rcc.pll_hz(2, "Q") == int(exact + 1e-6)


@pytest.mark.parametrize(("source", "divm"), [(3, 4), (0, 0)])
def test_pll_without_reference_gives_nothing(desk, source: int, divm: int) -> None:
    desk.set("RCC.PLLCKSELR", PLLSRC=source, DIVM1=divm)
    assert desk.mcu.clock_hz("pll1") == 0


@pytest.mark.parametrize(
    ("selection", "hz"), [(0, 32 * MHZ), (1, 7 * MHZ), (2, 5 * MHZ), (3, 64 * MHZ), (4, 4 * MHZ), (5, 0)]
)
def test_kernel_clock_of_usart3(desk, selection: int, hz: int) -> None:
    desk.set("RCC.D2CFGR", D2PPRE1=4)
    desk.set("RCC.PLLCKSELR", PLLSRC=1, DIVM2=4, DIVM3=4)  # 4 MHz CSI / 4
    desk.set("RCC.PLL2DIVR", N2=140 - 1, Q2=20 - 1)
    desk.set("RCC.PLL3DIVR", N3=100 - 1, Q3=20 - 1)
    desk.set("RCC.PLLCFGR", DIVQ2EN=1, DIVQ3EN=1)
    desk.set("RCC.CR", CSION=1, PLL2ON=1, PLL3ON=1)
    desk.run(200)
    desk.set("RCC.D2CCIP2R", USART28SEL=selection)
    assert kernel_clock_hz(desk.mcu.rcc, "USART3") == hz


def test_slow_clocks(desk) -> None:
    assert (desk.mcu.clock_hz("lse"), desk.mcu.clock_hz("lsi")) == (32_768, 32_000)


def test_clock_that_is_not_there(desk) -> None:
    with pytest.raises(KeyError):
        desk.mcu.clock_hz("pclk5")


@pytest.mark.parametrize(
    ("writes", "cm7_mhz", "cm4_mhz"),
    [
        ({}, 64, 64),
        ({"D1CFGR": 0x8}, 64, 32),
        ({"D1CFGR": 0x900}, 16, 16),
        ({"D1CFGR": 0x80B}, 32, 2),
        ({"CR": 0x9}, 32, 32),
        ({"CR": 0x81, "CFGR": 1}, 4, 4),
    ],
    ids=str,
)
def test_cores_run_at_the_frequency_of_the_clock_tree(run, writes, cm7_mhz, cm4_mhz) -> None:
    desk = run(us=100, cm7="void program(void) {}", cm4="void program(void) {}")
    for register, value in writes.items():
        desk.write(f"RCC.{register}", value)
        desk.run(10)
    before = {name: core.cycles for name, core in desk.mcu.cores.items()}
    desk.run(1_000)
    cycles = {name: core.cycles - before[name] for name, core in desk.mcu.cores.items()}
    assert cycles["cm7"] == pytest.approx(cm7_mhz * 1_000, abs=5)
    assert cycles["cm4"] == pytest.approx(cm4_mhz * 1_000, abs=5)


# -- ready bits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CSI", "HSI48", "PLL1", "PLL2", "PLL3"])
def test_ready_follows_on_both_ways(desk, name: str) -> None:
    desk.set("RCC.CR", **{f"{name}ON": 1})
    assert desk.field(f"RCC.CR.{name}RDY") == 0
    desk.run(100)
    assert desk.field(f"RCC.CR.{name}RDY") == 1
    desk.set("RCC.CR", **{f"{name}ON": 0})
    assert desk.field(f"RCC.CR.{name}RDY") == 0
    desk.run(100)
    assert desk.field(f"RCC.CR.{name}RDY") == 0


def test_external_clock_is_ready_sooner_than_a_crystal(desk) -> None:
    desk.set("RCC.CR", HSEON=1)
    desk.run(1_000)
    assert desk.field("RCC.CR.HSERDY") == 0
    desk.run(2_000)
    assert desk.field("RCC.CR.HSERDY") == 1
    desk.set("RCC.CR", HSEON=0)
    desk.set("RCC.CR", HSEBYP=1)
    desk.set("RCC.CR", HSEON=1)
    desk.run(50)
    assert desk.field("RCC.CR.HSERDY") == 1


def test_bypass_can_be_chosen_while_the_oscillator_is_off_only(desk) -> None:
    desk.set("RCC.CR", HSEON=1)
    desk.set("RCC.CR", HSEBYP=1)
    assert desk.field("RCC.CR.HSEBYP") == 0
    desk.set("RCC.CR", HSEON=0)
    desk.set("RCC.CR", HSEBYP=1)
    assert desk.field("RCC.CR.HSEBYP") == 1


def test_restarted_oscillator_needs_its_whole_time_again(desk) -> None:
    desk.set("RCC.CR", PLL2ON=1)
    desk.run(45)
    desk.set("RCC.CR", PLL2ON=0)
    desk.set("RCC.CR", PLL2ON=1)
    desk.run(45)
    assert desk.field("RCC.CR.PLL2RDY") == 0
    desk.run(10)
    assert desk.field("RCC.CR.PLL2RDY") == 1


def test_pll_locks_when_its_source_runs(desk) -> None:
    desk.set("RCC.CR", HSEBYP=1)
    desk.set("RCC.PLLCKSELR", PLLSRC=2)
    desk.set("RCC.CR", PLL1ON=1)
    desk.run(1_000)
    assert desk.field("RCC.CR.PLL1RDY") == 0
    desk.set("RCC.CR", HSEON=1)
    desk.run(40)
    assert (desk.field("RCC.CR.HSERDY"), desk.field("RCC.CR.PLL1RDY")) == (1, 0)
    desk.run(1_000)
    # What has not been switched on stays off.
    assert [desk.field(f"RCC.CR.{name}RDY") for name in ("PLL1", "PLL2", "PLL3", "CSI")] == [1, 0, 0, 0]


def test_pll_without_source_never_locks(desk) -> None:
    desk.set("RCC.PLLCKSELR", PLLSRC=3)
    desk.set("RCC.CR", PLL1ON=1)
    desk.run(10_000)
    assert desk.field("RCC.CR.PLL1RDY") == 0


def test_ready_bits_cannot_be_written(desk) -> None:
    desk.write("RCC.CR", 0xFFFF_FFFF & ~0x1101_0080)
    desk.run(10)
    for name in ("CSIRDY", "HSERDY", "PLL1RDY", "PLL3RDY"):
        assert desk.field(f"RCC.CR.{name}") == 0
    desk.write("RCC.CR", 1)
    assert desk.field("RCC.CR.D2CKRDY") == desk.field("RCC.CR.HSIRDY") == 1


def test_pll_loses_its_lock_with_its_source_and_locks_again(desk) -> None:
    desk.set("RCC.CR", CSION=1)
    desk.run(10)
    desk.set("RCC.PLLCKSELR", PLLSRC=1)
    desk.set("RCC.CR", PLL2ON=1)
    desk.run(100)
    assert desk.field("RCC.CR.PLL2RDY") == 1
    desk.set("RCC.CR", CSION=0)
    assert (desk.field("RCC.CR.PLL2ON"), desk.field("RCC.CR.PLL2RDY")) == (1, 0)
    desk.set("RCC.CR", CSION=1)
    desk.run(100)
    assert desk.field("RCC.CR.PLL2RDY") == 1


LOCKED = {
    "PLLCKSELR": {"PLLSRC": 1, "DIVM2": 5},
    "PLLCFGR": {"PLL2VCOSEL": 1, "PLL2RGE": 2, "DIVP2EN": 0, "DIVR2EN": 0},
    "PLL2DIVR": {"N2": 33, "P2": 7, "Q2": 9, "R2": 5},
}
FREE = {
    "PLLCKSELR": {"DIVM1": 7, "DIVM3": 9},
    "PLLCFGR": {"PLL1RGE": 1, "DIVQ3EN": 0},
    "PLL1DIVR": {"N1": 44},
}


def test_running_pll_keeps_its_settings(desk) -> None:
    """RM0399 9.7.10 to 9.7.17: they can be written while it is off only; those of the others always."""
    before = {register: desk.read(f"RCC.{register}") for register in LOCKED}
    desk.set("RCC.CR", PLL2ON=1)
    for register, fields in LOCKED.items():
        desk.set(f"RCC.{register}", **fields)
    assert {register: desk.read(f"RCC.{register}") for register in LOCKED} == before
    for settings_of_others in (FREE, FREE | LOCKED):
        for register, fields in settings_of_others.items():
            desk.set(f"RCC.{register}", **fields)
            for field, value in fields.items():
                assert desk.field(f"RCC.{register}.{field}") == value, field
        desk.set("RCC.CR", PLL2ON=0)


def test_divider_of_the_oscillator_that_feeds_a_pll_is_fixed(desk) -> None:
    """RM0399 9.7.2: HSIDIV."""
    desk.set("RCC.CR", PLL3ON=1)
    desk.set("RCC.CR", HSIDIV=2)
    assert desk.field("RCC.CR.HSIDIV") == 0
    desk.set("RCC.CR", PLL3ON=0)
    desk.set("RCC.CR", HSIDIV=2)
    assert desk.field("RCC.CR.HSIDIV") == 2


# -- interrupts of ready clocks --------------------------------------------------------------------------

READY = {"CSI": 4, "HSI48": 5, "HSE": 3, "PLL1": 6, "PLL2": 7, "PLL3": 8}
RCC_IRQ = 5


def pending(desk, core: str) -> bool:
    return bool(desk.mcu.cores[core].read_debug(0xE000_E200) >> RCC_IRQ & 1)


@pytest.mark.parametrize("name", READY)
def test_ready_clock_interrupts_both_cores(desk, name: str) -> None:
    desk.set("RCC.CR", HSEBYP=1)
    desk.write("RCC.CIER", 1 << READY[name])
    desk.set("RCC.CR", **{f"{name}ON": 1})
    assert desk.read("RCC.CIFR") == 0
    desk.run(100)
    assert desk.read("RCC.CIFR") == 1 << READY[name]
    assert [pending(desk, core) for core in ("cm7", "cm4")] == [True, True]
    desk.write("RCC.CICR", 1 << READY[name])
    assert desk.read("RCC.CIFR") == 0


def test_clock_whose_interrupt_is_off_leaves_no_flag(desk) -> None:
    desk.set("RCC.CR", CSION=1)
    desk.run(100)
    assert desk.read("RCC.CIFR") == 0
    desk.write("RCC.CIER", 1 << READY["CSI"])
    assert desk.read("RCC.CIFR") == 0


@pytest.mark.parametrize(("register", "field", "flag"), [("CSR", "LSION", 0), ("BDCR", "LSEON", 1)])
def test_slow_clocks_interrupt_too(desk, register: str, field: str, flag: int) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.write("RCC.CIER", 3)
    desk.set(f"RCC.{register}", **{field: 1})
    desk.run(3_000_000)
    assert desk.read("RCC.CIFR") == 1 << flag


def test_ready_clock_wakes_a_core(run) -> None:
    source = """
    void RCC_IRQHandler(void) { result[0] = RCC_CIFR; RCC_CICR = RCC_CIFR; }
    void program(void)
    {
        enable_interrupt(RCC_IRQn, 1);
        RCC_CIER = RCC_CIER_HSI48RDYIE_Msk;
        RCC_CR |= RCC_CR_HSI48ON_Msk;
        wfi();
        result[1] = 1;
        for (;;) wfi();
    }
    """
    desk = run(cm7=source)
    assert (desk.result("cm7"), desk.result("cm7", 1)) == (1 << 5, 1)


def test_clock_security_can_be_switched_on_only(desk) -> None:
    desk.set("RCC.CR", CSSHSEON=1)
    desk.set("RCC.CR", CSSHSEON=0)
    assert desk.field("RCC.CR.CSSHSEON") == 1


# -- the system clock -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name", "hz"), [(1, "CSI", 4 * MHZ), (2, "HSE", 8 * MHZ), (3, "PLL1", 258 * MHZ)]
)
def test_switch_waits_for_its_source(desk, code: int, name: str, hz: int) -> None:
    desk.set("RCC.CR", HSEBYP=1)
    desk.set("RCC.PLL1DIVR", N1=129 - 1, P1=1)
    desk.write("RCC.CFGR", code)
    assert (desk.field("RCC.CFGR.SW"), desk.field("RCC.CFGR.SWS")) == (code, 0)
    assert desk.mcu.clock_hz("cm7") == 64 * MHZ
    desk.set("RCC.PLLCKSELR", DIVM1=32)  # 2 MHz
    desk.set("RCC.PLL1DIVR", N1=258 - 1)
    desk.set("RCC.CR", **{f"{name}ON": 1})
    desk.run(100)
    assert desk.field("RCC.CFGR.SWS") == code
    assert desk.mcu.clock_hz("cm7") == hz


def test_switch_to_a_source_that_runs_is_at_once(desk) -> None:
    desk.set("RCC.CR", CSION=1)
    desk.run(100)
    desk.write("RCC.CFGR", 1)
    assert desk.field("RCC.CFGR.SWS") == 1
    desk.write("RCC.CFGR", 0)
    assert desk.field("RCC.CFGR.SWS") == 0


def test_status_of_the_switch_is_read_only(desk) -> None:
    desk.write("RCC.CFGR", 3 << 3)
    assert desk.field("RCC.CFGR.SWS") == 0


def test_source_in_use_cannot_be_switched_off(desk) -> None:
    desk.set("RCC.CR", HSION=0)
    assert (desk.field("RCC.CR.HSION"), desk.field("RCC.CR.HSIRDY")) == (1, 1)
    start_pll1_at_400_mhz(desk)
    desk.set("RCC.CR", HSION=0, HSEON=0, PLL1ON=0)
    bits = {name: desk.field(f"RCC.CR.{name}") for name in ("HSION", "HSEON", "HSERDY", "PLL1ON", "PLL1RDY")}
    assert bits == {"HSION": 0, "HSEON": 1, "HSERDY": 1, "PLL1ON": 1, "PLL1RDY": 1}
    assert desk.mcu.clock_hz("cm7") == 400 * MHZ


# -- slow oscillators --------------------------------------------------------------------------------------


def test_internal_slow_oscillator(desk) -> None:
    desk.set("RCC.CSR", LSION=1)
    assert desk.field("RCC.CSR.LSIRDY") == 0
    desk.run(200)
    assert desk.field("RCC.CSR.LSIRDY") == 1
    desk.set("RCC.CSR", LSION=0)
    assert desk.field("RCC.CSR.LSIRDY") == 1
    desk.run(3 * 31.25)
    assert desk.field("RCC.CSR.LSIRDY") == 0


def test_external_slow_oscillator(desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEON=1)
    desk.run(10_000)
    assert desk.field("RCC.BDCR.LSERDY") == 0
    desk.run(2_000_000)
    assert desk.field("RCC.BDCR.LSERDY") == 1
    desk.set("RCC.BDCR", LSEON=0)
    desk.run(6 * 1e6 / 32_768 - 1)
    assert desk.field("RCC.BDCR.LSERDY") == 1
    desk.run(1)
    assert desk.field("RCC.BDCR.LSERDY") == 0


def test_slow_oscillator_that_was_switched_off_meanwhile_takes_its_whole_time(desk) -> None:
    desk.set("RCC.CSR", LSION=1)
    desk.run(90)
    desk.set("RCC.CSR", LSION=0)
    desk.set("RCC.CSR", LSION=1)
    desk.run(20)
    assert desk.field("RCC.CSR.LSIRDY") == 0
    desk.run(80)
    assert desk.field("RCC.CSR.LSIRDY") == 1


def test_no_clock_comes_from_outside_in_place_of_the_crystal(desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEBYP=1)
    desk.set("RCC.BDCR", LSEON=1)
    desk.run(5_000_000)
    assert desk.field("RCC.BDCR.LSERDY") == 0


def test_real_time_clock_keeps_its_oscillator_on(desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", RTCSEL=2, RTCEN=1)
    desk.run(200)
    assert (desk.field("RCC.CSR.LSION"), desk.field("RCC.CSR.LSIRDY")) == (0, 1)
    desk.mcu.system_reset()
    desk.run(100)
    assert (desk.field("RCC.CSR.LSION"), desk.field("RCC.CSR.LSIRDY")) == (0, 1)
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", RTCEN=0)
    desk.run(200)
    assert desk.field("RCC.CSR.LSIRDY") == 0


def test_backup_domain_is_write_protected(desk) -> None:
    desk.set("RCC.BDCR", LSEON=1)
    assert desk.field("RCC.BDCR.LSEON") == 0
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEON=1, RTCSEL=1)
    assert (desk.field("RCC.BDCR.LSEON"), desk.field("RCC.BDCR.RTCSEL")) == (1, 1)


def test_clock_of_the_rtc_is_selected_once_until_a_reset_of_the_backup_domain(desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", RTCSEL=2)
    desk.set("RCC.BDCR", RTCSEL=1)
    assert desk.field("RCC.BDCR.RTCSEL") == 2
    desk.set("RCC.BDCR", BDRST=1, LSEON=1)
    assert desk.read("RCC.BDCR") == 1 << 16
    desk.write("RCC.BDCR", 0)
    desk.set("RCC.BDCR", RTCSEL=1)
    assert desk.read("RCC.BDCR") == 1 << 8


def test_settings_of_the_crystal_are_fixed_while_it_is_on(desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEDRV=2)
    desk.set("RCC.BDCR", LSEON=1)
    desk.set("RCC.BDCR", LSEDRV=1, LSEBYP=1)
    assert (desk.field("RCC.BDCR.LSEDRV"), desk.field("RCC.BDCR.LSEBYP")) == (2, 0)


def test_backup_domain_survives_a_reset_but_not_the_loss_of_power(desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEON=1)
    desk.mcu.system_reset()
    desk.run(100)
    assert desk.field("RCC.BDCR.LSEON") == 1
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(100)
    assert desk.field("RCC.BDCR.LSEON") == 0


# -- banks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("master", "bank", "other"),
    [
        (Master.CM7, "RCC_C1", "RCC_C2"),
        (Master.CM4, "RCC_C2", "RCC_C1"),
        (Master.AP0, "RCC_C1", "RCC_C2"),
        (Master.AP3, "RCC_C2", "RCC_C1"),
    ],
)
def test_shared_address_is_the_bank_of_the_core(desk, master: Master, bank: str, other: str) -> None:
    desk.mcu.write(SHARED_ADDRESS, 4, GPIOBEN, master)
    assert desk.read(f"{bank}.AHB4ENR") == GPIOBEN
    assert desk.read(f"{other}.AHB4ENR") == 0
    assert desk.mcu.read(SHARED_ADDRESS, 4, master) == GPIOBEN


def test_d3_bus_has_no_bank_of_its_own(desk) -> None:
    desk.mcu.write(SHARED_ADDRESS, 4, GPIOBEN, Master.AP1)
    assert desk.read("RCC_C1.AHB4ENR") == desk.read("RCC_C2.AHB4ENR") == 0
    desk.write("RCC_C1.AHB4ENR", GPIOBEN)
    assert desk.mcu.read(SHARED_ADDRESS, 4, Master.AP1) == 0


@pytest.mark.parametrize("master", [Master.CM7, Master.CM4, Master.AP0, Master.AP1, Master.AP3])
@pytest.mark.parametrize("bank", ["RCC_C1", "RCC_C2"])
def test_every_master_reaches_both_banks_by_their_own_addresses(desk, master: Master, bank: str) -> None:
    desk.write(f"{bank}.AHB4ENR", HSEMEN, master)
    assert desk.read(f"{bank}.AHB4ENR", master) == HSEMEN
    other = "RCC_C2" if bank == "RCC_C1" else "RCC_C1"
    assert desk.read(f"{other}.AHB4ENR", master) == 0


def test_real_cores_write_their_own_bank(run) -> None:
    source = "void program(void) {{ RCC_AHB4ENR |= {0}; result[0] = RCC_AHB4ENR; }}"
    desk = run(cm7=source.format("1u"), cm4=source.format("2u"))
    assert (desk.read("RCC_C1.AHB4ENR"), desk.read("RCC_C2.AHB4ENR")) == (1, 2)
    assert (desk.result("cm7"), desk.result("cm4")) == (1, 2)


# -- peripheral resets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("register", "bit", "enable", "victim"),
    [
        ("AHB4RSTR", "GPIOBRST", ("RCC_C1.AHB4ENR", "GPIOBEN"), "GPIOB.ODR"),
        ("APB1LRSTR", "USART3RST", ("RCC_C1.APB1LENR", "USART3EN"), "USART3.BRR"),
        ("APB4RSTR", "SYSCFGRST", ("RCC_C1.APB4ENR", "SYSCFGEN"), "SYSCFG.EXTICR1"),
        ("APB1LRSTR", "TIM2RST", ("RCC_C1.APB1LENR", "TIM2EN"), "TIM2.ARR"),
        ("AHB1RSTR", "DMA1RST", ("RCC_C1.AHB1ENR", "DMA1EN"), "DMA1.S0NDTR"),
    ],
)
def test_reset_of_one_peripheral(desk, register: str, bit: str, enable: tuple[str, str], victim: str) -> None:
    desk.set(enable[0], **{enable[1]: 1})
    before = desk.read(victim)
    desk.write(victim, 0x11)
    assert desk.read(victim) == 0x11
    desk.set(f"RCC.{register}", **{bit: 1})
    assert desk.field(f"RCC.{register}.{bit}") == 1
    desk.set(f"RCC.{register}", **{bit: 0})
    assert desk.read(victim) == before


def test_reset_of_a_peripheral_leaves_its_neighbours_alone(desk) -> None:
    desk.set("RCC_C1.AHB4ENR", GPIOBEN=1, GPIOCEN=1)
    desk.write("GPIOB.ODR", 1)
    desk.write("GPIOC.ODR", 1)
    desk.set("RCC.AHB4RSTR", GPIOBRST=1)
    assert (desk.read("GPIOB.ODR"), desk.read("GPIOC.ODR")) == (0, 1)


# -- reset flags -------------------------------------------------------------------------------------------


def flags(desk, bank: str = "RCC_C1") -> set[str]:
    fields = desk.mcu.rcc.banks["cm7"].map.registers["RSR"].fields
    value = desk.read(f"{bank}.RSR")
    return {name.removesuffix("RSTF") for name, field in fields.items() if field.extract(value)}


def remove_flags(desk, bank: str) -> None:
    desk.write(f"{bank}.RSR", 1 << 16)
    desk.write(f"{bank}.RSR", 0)


POWER_ON = {"C1", "C2", "D1", "D2", "BOR", "PIN", "POR"}
SYSTEM = {"C1", "C2", "PIN"}


def test_flags_after_power_on(desk) -> None:
    assert flags(desk, "RCC_C1") == flags(desk, "RCC_C2") == POWER_ON
    assert desk.read("RCC_C1.RSR") == 0x00FE_0000


def test_flags_are_removed_by_each_core_for_itself(desk) -> None:
    desk.mcu.write(0x5802_44D0, 4, 1 << 16, Master.CM4)
    assert flags(desk, "RCC_C1") == POWER_ON
    assert flags(desk, "RCC_C2") == {"RMVF"}
    desk.mcu.write(0x5802_44D0, 4, 0, Master.CM4)
    assert flags(desk, "RCC_C2") == set()


def test_flags_cannot_be_written(desk) -> None:
    remove_flags(desk, "RCC_C1")
    desk.write("RCC_C1.RSR", 0xFFFE_FFFF)
    assert flags(desk) == set()


def test_flags_add_up_until_they_are_removed(desk) -> None:
    desk.mcu.system_reset("SFT1RSTF")
    desk.run(100)
    desk.mcu.system_reset("SFT2RSTF")
    desk.run(100)
    assert flags(desk) == POWER_ON | {"SFT1", "SFT2"}
    remove_flags(desk, "RCC_C1")
    desk.mcu.set_nrst(True)
    desk.mcu.set_nrst(False)
    desk.run(100)
    assert flags(desk) == SYSTEM


RESET_ITSELF = """
void program(void)
{
    if (REGISTER(0x38000F00 + (CORE << 4)) != 0x5AFE) {
        REGISTER(0x38000F00 + (CORE << 4)) = 0x5AFE;
        SCS_AIRCR = 0x05FA0004;
        for (;;) {}
    }
    result[0] = result[0] + 1;
}
"""


@pytest.mark.parametrize(("core", "number", "flag"), [("cm7", 1, "SFT1"), ("cm4", 2, "SFT2")])
def test_flag_of_the_core_that_asked_for_the_reset(run, core: str, number: int, flag: str) -> None:
    desk = run(us=10, **{core: RESET_ITSELF}, flags=(f"-DCORE={number}",))
    remove_flags(desk, "RCC_C1")
    remove_flags(desk, "RCC_C2")
    desk.run(1_000)
    assert desk.result(core) == 1
    assert flags(desk, "RCC_C1") == flags(desk, "RCC_C2") == SYSTEM | {flag}


def test_power_cycle_forgets_what_was_before(desk) -> None:
    desk.mcu.system_reset("SFT1RSTF")
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(100)
    assert flags(desk) == POWER_ON


def test_reset_puts_the_clock_tree_back(desk) -> None:
    start_pll1_at_400_mhz(desk)
    desk.write("RCC_C1.AHB4ENR", HSEMEN)
    desk.mcu.system_reset()
    desk.run(100)
    assert desk.read("RCC.CR") == 0x0000_C025
    assert (desk.read("RCC.D1CFGR"), desk.read("RCC.PLLCKSELR")) == (0, 0x0202_0200)
    assert desk.read("RCC_C1.AHB4ENR") == 0
    assert desk.mcu.clock_hz("cm4") == 64 * MHZ


def test_ready_bit_of_before_the_reset_does_not_come_after_it(desk) -> None:
    desk.set("RCC.CR", PLL2ON=1)
    desk.mcu.system_reset()
    desk.run(21)
    desk.set("RCC.CR", PLL2ON=1)
    desk.run(40)
    assert desk.field("RCC.CR.PLL2RDY") == 0


# -- GCR ---------------------------------------------------------------------------------------------------


def test_boot_bits_can_only_be_set_until_the_next_reset(desk) -> None:
    desk.write("RCC.GCR", 0xFFFF_FFF9)
    desk.write("RCC.GCR", 0)
    assert desk.read("RCC.GCR") == 0x9
    desk.write("RCC.GCR", 0x2)
    assert desk.read("RCC.GCR") == 0xB
    desk.mcu.system_reset()
    desk.run(100)
    assert desk.read("RCC.GCR") == 0


def test_time_of_a_start_up_is_board_time(desk) -> None:
    desk.set("RCC.CR", PLL1ON=1)
    start = desk.mcu.now
    while not desk.field("RCC.CR.PLL1RDY"):
        desk.run(1)
    assert desk.mcu.now - start == 50 * PS_PER_US
