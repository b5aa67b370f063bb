"""The chip as a whole: how its cores start, what resets reset, and what one core does to the other."""

from __future__ import annotations

import struct

import pytest

from pytest_h7.board.images import Image, load_pair
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.twin.bus import Master
from pytest_h7.twin.core_modes import CpuMode
from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.resets import RESET_TIME
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, PS_PER_US

DHCSR, DEMCR, DEBUG, HALT = 0xE000_EDF0, 0xE000_EDFC, 0xA05F_0001, 0xA05F_0003
VC_CORERESET, S_RESET_ST = 1, 1 << 25
FP_COMP0 = 0xE000_2008
BOOT_C1, BOOT_C2 = 1 << 2, 1 << 3

COUNT = "void program(void) { for (;;) ++result[0]; }"
SLEEP = "void program(void) { for (;;) wfi(); }"
WHERE = """
/* Where the vector table was, and a mark that it ran. */
void program(void) { result[0] = result[0] + 1; result[1] = SCS_VTOR; result[2] = (uint32_t)program; }
"""


@pytest.fixture
def start(build_program, desk):
    """Power a chip with option bytes and programs: ``start({"BCM4": 0}, cm7=..., cm4=...)``."""

    def power_on(options: dict[str, int], us: float = 1_000, **sources: str):
        mcu = desk.mcu
        mcu.power_off()
        for core, source in sources.items():
            for segment in build_program(core, source).image.segments:
                desk.put(segment.address, segment.data)
        words = mcu.flash.save()
        for name, value in options.items():
            option = OPTION_BYTES[name]
            words[option.register] = words[option.register] & ~option.mask | value << option.lsb
        mcu.flash.load(words)
        mcu.power_on()
        desk.run(us)
        return desk

    return power_on


def modes(desk) -> tuple[str, str]:
    return desk.mcu.mode("cm7").value, desk.mcu.mode("cm4").value


def ran(desk, core: str) -> bool:
    return desk.result(core) > 0


# -- power and time ----------------------------------------------------------------------------------


def test_time_begins_at_zero_and_is_exact() -> None:
    mcu = Mcu(bytes(12), 8_000_000)
    assert mcu.now == 0
    for duration in (1, 999, PS_PER_US + 7, PS_PER_MS):
        before = mcu.now
        mcu.run_for(duration)
        assert mcu.now - before == duration


def test_chip_without_power_does_nothing(make_mcu, build_program) -> None:
    mcu = make_mcu(build_program("cm7", COUNT))
    mcu.run_for(PS_PER_MS)
    mcu.power_off()
    cycles = mcu.cores["cm7"].cycles
    mcu.run_for(PS_PER_MS)
    assert mcu.cores["cm7"].cycles == cycles
    assert not mcu.core_clocked("cm7")


def test_cores_start_when_the_reset_is_over(make_mcu, build_program) -> None:
    mcu = make_mcu(build_program("cm7", COUNT), build_program("cm4", COUNT))
    mcu.run_for(RESET_TIME - 1)
    assert [mcu.mode(core) for core in ("cm7", "cm4")] == [CpuMode.HELD] * 2
    assert not mcu.core_clocked("cm4")
    mcu.run_for(PS_PER_US)
    assert [mcu.mode(core) for core in ("cm7", "cm4")] == [CpuMode.RUN] * 2
    assert mcu.core_clocked("cm4")


def test_power_cycle_clears_ram_and_keeps_flash(run) -> None:
    desk = run(cm7=COUNT)
    image = bytes(desk.mcu.memory("flash bank 1"))
    for address in (0x0000_1000, 0x2000_8000, 0x2404_0000, 0x3001_0000, 0x3800_8000, 0x3880_0000):
        desk.mcu.write(address, 4, 0x600D_F00D, Master.CM7)
    desk.mcu.power_off()
    desk.mcu.power_on()
    for address in (0x0000_1000, 0x2000_8000, 0x2404_0000, 0x3001_0000, 0x3800_8000, 0x3880_0000):
        assert desk.mcu.read(address, 4, Master.CM7) == 0
    assert bytes(desk.mcu.memory("flash bank 1")) == image
    desk.run(1_000)
    assert ran(desk, "cm7")


# -- boot modes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bcm7", "bcm4", "cm7_runs", "cm4_runs"),
    [(1, 1, True, True), (1, 0, True, False), (0, 1, False, True), (0, 0, True, False)],
)
def test_option_bytes_decide_who_starts(start, bcm7: int, bcm4: int, cm7_runs: bool, cm4_runs: bool) -> None:
    desk = start({"BCM7": bcm7, "BCM4": bcm4}, cm7=COUNT, cm4=COUNT)
    assert (ran(desk, "cm7"), ran(desk, "cm4")) == (cm7_runs, cm4_runs)
    assert (desk.mcu.core_clocked("cm7"), desk.mcu.core_clocked("cm4")) == (cm7_runs, cm4_runs)
    assert ("held" in modes(desk)) == (not (cm7_runs and cm4_runs))


@pytest.mark.parametrize(
    ("options", "held", "bit"), [({"BCM4": 0}, "cm4", BOOT_C2), ({"BCM7": 0}, "cm7", BOOT_C1)]
)
def test_held_core_starts_when_it_is_released(start, options: dict[str, int], held: str, bit: int) -> None:
    desk = start(options, cm7=COUNT, cm4=COUNT)
    other_bit = BOOT_C1 | BOOT_C2 ^ bit
    desk.write("RCC.GCR", other_bit & ~bit, Master.AP1)
    desk.run(100)
    assert not ran(desk, held)
    desk.write("RCC.GCR", bit, Master.AP1)
    desk.run(100)
    assert ran(desk, held)


def test_core_releases_the_other(start) -> None:
    desk = start({"BCM4": 0}, cm7="void program(void) { RCC_GCR |= RCC_GCR_BOOT_C2_Msk; }", cm4=COUNT)
    assert ran(desk, "cm4")


def test_reset_holds_a_released_core_again(start) -> None:
    desk = start({"BCM4": 0}, cm7=SLEEP, cm4=COUNT)
    desk.write("RCC.GCR", BOOT_C2, Master.AP1)
    desk.run(100)
    desk.mcu.system_reset()
    counted = desk.result("cm4")
    desk.run(1_000)
    assert desk.mcu.mode("cm4") is CpuMode.HELD
    assert desk.result("cm4") == counted


def test_release_of_a_running_core_does_not_start_it_again(start) -> None:
    once = "void program(void) { result[0] = result[0] + 1; }"
    desk = start({}, cm7=once, cm4=once)
    desk.write("RCC.GCR", BOOT_C1 | BOOT_C2, Master.AP1)
    desk.run(100)
    assert (desk.result("cm7"), desk.result("cm4")) == (1, 1)


def test_release_under_reset_is_lost(start) -> None:
    desk = start({"BCM4": 0}, cm7=SLEEP, cm4=COUNT)
    desk.mcu.set_nrst(True)
    desk.write("RCC.GCR", BOOT_C2, Master.AP1)
    desk.run(100)
    assert not ran(desk, "cm4")


# -- boot addresses ------------------------------------------------------------------------------------------


def test_cores_start_from_their_banks(start) -> None:
    desk = start({}, cm7=WHERE, cm4=WHERE)
    # The CM4's table is at 0, which shows its boot memory.
    assert (desk.result("cm7", 1), desk.result("cm4", 1)) == (0x0800_0000, 0)
    assert desk.result("cm4", 2) & 0xFFF0_0000 == 0x0810_0000


@pytest.mark.parametrize(
    ("core", "option", "field", "address", "master"),
    [
        ("cm7", "BOOT_CM7_ADD0", 0x0802, 0x0802_0000, Master.CM7),
        ("cm7", "BOOT_CM7_ADD0", 0x2400, 0x2400_0000, Master.CM7),
        ("cm7", "BOOT_CM7_ADD0", 0x0000, 0x0000_0000, Master.CM7),
        ("cm4", "BOOT_CM4_ADD0", 0x0812, 0x0812_0000, Master.CM4),
        ("cm4", "BOOT_CM4_ADD0", 0x0803, 0x0803_0000, Master.CM4),
        ("cm4", "BOOT_CM4_ADD0", 0x1000, 0x1000_0000, Master.CM4),
        ("cm4", "BOOT_CM4_ADD0", 0x3000, 0x3000_0000, Master.CM4),
        ("cm4", "BOOT_CM4_ADD0", 0x2402, 0x2402_0000, Master.CM4),
    ],
)
def test_boot_address(start, core, option, field, address, master) -> None:
    """Vectors and code at the boot address, put there while the chip is held in reset."""
    desk = start({option: field}, us=0)
    desk.mcu.set_nrst(True)
    # Vectors; ``movs r0, #42; b .``
    desk.put(address, struct.pack("<III", 0x3000_8000, address + 9, 0xE7FE_202A))
    desk.mcu.set_nrst(False)
    desk.run(100)
    assert desk.mcu.cores[core].read_register("r0") == 42
    assert desk.mcu.cores[core].read_register("sp") == 0x3000_8000
    if core == "cm4":
        for offset in (0, 4, 8):
            assert desk.mcu.read(offset, 4, Master.AP3) == desk.mcu.read(address + offset, 4, Master.AP0)


@pytest.mark.parametrize(("core", "option"), [("cm7", "BOOT_CM7_ADD0"), ("cm4", "BOOT_CM4_ADD0")])
def test_address_out_of_range_is_replaced(start, core: str, option: str) -> None:
    desk = start({option: 0x4000}, cm7=WHERE, cm4=WHERE)
    assert desk.result(core) == 1


def test_boot0_chooses_the_second_address(start) -> None:
    desk = start({}, us=0, cm7=WHERE, cm4=WHERE)
    desk.mcu.boot0 = True
    desk.mcu.system_reset()
    desk.run(1_000)
    # System memory only has a loop to wait in, and SRAM1 is blank.
    assert not ran(desk, "cm7")
    assert not ran(desk, "cm4")
    assert (desk.mcu.syscfg.boot_address("cm7"), desk.mcu.syscfg.boot_address("cm4")) == (
        0x1FF0_0000,
        0x1000_0000,
    )


def test_boot_address_can_be_moved_for_a_held_core(start) -> None:
    """As ST's BootCM7_CM4Gated_RAM template: code into RAM, UR3, then BOOT_C2."""
    source = """
    void program(void)
    {
        static const uint32_t code[] = {0x10008000, 0x10000009, 0xE7FE202A};

        for (uint32_t i = 0; i < 3; ++i) {
            REGISTER(0x10000000 + 4 * i) = code[i];
        }
        RCC_APB4ENR |= RCC_APB4ENR_SYSCFGEN_Msk;
        SET_FIELD(SYSCFG_UR3, BCM4_ADD0, 0x1000);
        RCC_GCR |= RCC_GCR_BOOT_C2_Msk;
    }
    """
    desk = start({"BCM4": 0}, cm7=source)
    assert desk.mcu.cores["cm4"].read_register("r0") == 42
    assert desk.mcu.read(4, 4, Master.AP3) == 0x1000_0009


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_blank_bank_locks_its_core_up_and_the_other_runs(start, core: str) -> None:
    other = "cm4" if core == "cm7" else "cm7"
    desk = start({}, **{other: COUNT})
    assert desk.mcu.cores[core].lockup
    assert desk.mcu.core_clocked(core)
    assert ran(desk, other)
    assert desk.mcu.cores[core].read_register("pc") & 0xF000_0000 == 0xF000_0000


def test_lock_up_is_seen_when_it_happens(start) -> None:
    fault = """void program(void) {
        while (!result[1]) { }
        __asm volatile("cpsid f\\n udf #0");
    }"""
    desk = start({}, cm7=COUNT, cm4=fault)
    seen: list[tuple[bool, int]] = []
    desk.mcu.observers.append(lambda: seen.append((desk.mcu.cores["cm4"].lockup, desk.mcu.now)))
    before = desk.mcu.now
    desk.put(0x3800_1004, b"\1\0\0\0")
    desk.run(1_000)
    ((is_locked_up, time),) = seen
    assert is_locked_up
    assert before < time < before + PS_PER_US


# -- resets -----------------------------------------------------------------------------------------------


def test_nrst_holds_both_cores_and_starts_them_again(run) -> None:
    once = "void program(void) { result[0] = result[0] + 1; for (;;) ++result[1]; }"
    desk = run(cm7=once, cm4=once)
    desk.mcu.set_nrst(True)
    counted = [desk.result(core, 1) for core in ("cm7", "cm4")]
    desk.run(10_000)
    assert [desk.result(core, 1) for core in ("cm7", "cm4")] == counted
    assert not desk.mcu.core_clocked("cm7")
    desk.mcu.set_nrst(False)
    desk.run(1_000)
    assert [desk.result(core) for core in ("cm7", "cm4")] == [2, 2]


def test_nrst_that_is_low_at_power_on_keeps_the_cores_in_reset(run) -> None:
    desk = run(cm7=COUNT)
    desk.mcu.power_off()
    desk.mcu.set_nrst(True)
    desk.mcu.power_on()
    desk.run(1_000)
    assert not ran(desk, "cm7")
    desk.mcu.set_nrst(False)
    desk.run(1_000)
    assert ran(desk, "cm7")


def test_what_a_reset_resets_and_what_it_keeps(run) -> None:
    desk = run(cm7=SLEEP, cm4=SLEEP)
    desk.set("RCC_C1.AHB4ENR", GPIOBEN=1)
    desk.set("RCC_C1.APB4ENR", RTCAPBEN=1)
    desk.set("PWR.CR1", DBP=1)
    desk.write("GPIOB.ODR", 0x55)
    desk.write("DBGMCU.CR", 0x0070_0009)
    desk.set("PWR.CR1", DBP=1)
    desk.write("RTC.BKP0R", 0x1234_5678)
    desk.write("EXTI.RTSR1", 0x2000)
    desk.mcu.write(0x2404_0000, 4, 0x600D_F00D, Master.CM7)
    desk.mcu.cores["cm4"].write_debug(FP_COMP0, 0x4810_0001)
    breakpoint_register = desk.mcu.cores["cm4"].read_debug(FP_COMP0)
    desk.mcu.set_nrst(True)
    desk.mcu.set_nrst(False)
    desk.run(100)
    desk.set("RCC_C1.AHB4ENR", GPIOBEN=1)
    assert (desk.read("GPIOB.ODR"), desk.read("EXTI.RTSR1")) == (0, 0)
    assert desk.mcu.read(0x2404_0000, 4, Master.CM7) == 0x600D_F00D
    assert desk.read("DBGMCU.CR") == 0x0070_0009
    assert desk.read("RTC.BKP0R") == 0x1234_5678
    assert desk.mcu.cores["cm4"].read_debug(FP_COMP0) == breakpoint_register
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(100)
    assert (desk.read("DBGMCU.CR"), desk.read("RTC.BKP0R")) == (0, 0)
    assert desk.mcu.cores["cm4"].read_debug(FP_COMP0) != breakpoint_register


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_reset_by_a_core_resets_both(run, core: str) -> None:
    other = "cm4" if core == "cm7" else "cm7"
    again = """
    void program(void)
    {
        if (result[0]++ == 0) {
            SCS_AIRCR = 0x05FA0004;
            result[1] = 1;
        }
        for (;;) {}
    }
    """
    desk = run(**{core: again, other: "void program(void) { ++result[0]; for (;;) {} }"})
    assert (desk.result(core), desk.result(other)) == (2, 2)


def test_reset_catch_stops_one_core_at_its_first_instruction(run) -> None:
    desk = run(cm7=COUNT, cm4=COUNT)
    cm7 = desk.mcu.cores["cm7"]
    cm7.write_debug(DHCSR, DEBUG)
    cm7.write_debug(DEMCR, VC_CORERESET)
    desk.mcu.set_nrst(True)
    desk.mcu.set_nrst(False)
    before = desk.result("cm7"), desk.result("cm4")
    desk.run(1_000)
    assert cm7.halted
    assert cm7.read_debug(DHCSR) & S_RESET_ST
    vectors = desk.mcu.memory("flash bank 1")[:8]
    assert cm7.read_register("pc") == int.from_bytes(vectors[4:], "little") & ~1
    assert desk.result("cm7") == before[0]
    assert desk.result("cm4") > before[1]


def test_halting_one_core_leaves_the_other_running(run) -> None:
    desk = run(cm7=COUNT, cm4=COUNT)
    desk.mcu.cores["cm4"].write_debug(DHCSR, HALT)
    cm7, cm4 = desk.result("cm7"), desk.result("cm4")
    desk.run(100)
    assert (desk.result("cm4"), desk.result("cm7") > cm7) == (cm4, True)
    desk.mcu.cores["cm4"].write_debug(DHCSR, DEBUG)
    desk.run(100)
    assert desk.result("cm4") > cm4


# -- events and interrupts between the cores -----------------------------------------------------------------

ON_SEV = """
void {0}_SEV_IRQHandler(void) {{ result[0] = result[0] + 1; }}

void program(void)
{{
    enable_interrupt({0}_SEV_IRQn, 1);
    {1}
    for (;;) {{
        wfi();
        result[1] = result[1] + 1;
    }}
}}
"""
SEND = """
void program(void)
{
    for (volatile uint32_t turns = 0; turns < 500; ++turns) {}
    for (uint32_t count = 0; count < 3; ++count) {
        sev();
        for (volatile uint32_t turns = 0; turns < 500; ++turns) {}
    }
}
"""
DEEPLY = "SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;"


@pytest.mark.parametrize("sleep", ["", DEEPLY], ids=["sleep", "stop"])
@pytest.mark.parametrize(("sender", "receiver"), [("cm7", "cm4"), ("cm4", "cm7")])
def test_sev_interrupts_the_other_core(run, sender: str, receiver: str, sleep: str) -> None:
    desk = run(**{sender: SEND, receiver: ON_SEV.format(sender.upper(), sleep)})
    assert desk.result(receiver) == 3


WAIT_FOR_EVENT = """
void program(void)
{
    SETUP
    sev();
    wfe();
    for (;;) {
        wfe();
        result[0] = result[0] + 1;
    }
}
"""


@pytest.mark.parametrize(
    ("setup", "wakes"),
    [
        ("", False),
        ("EXTI_C2EMR3 |= EXTI_C2EMR3_MR80_Msk;", True),
        ("SCS_SCR |= SCS_SCR_SEVONPEND_Msk;", True),
    ],
    ids=["nothing", "event mask", "SEVONPEND"],
)
def test_sev_is_an_event_of_the_other_core_where_that_has_asked_for_it(run, setup: str, wakes: bool) -> None:
    desk = run(cm7=SEND, cm4=WAIT_FOR_EVENT.replace("SETUP", setup))
    assert (desk.result("cm4") > 0) is wakes


def test_own_sev_is_an_own_event(run) -> None:
    desk = run(cm7="void program(void) { for (;;) { sev(); wfe(); result[0] = result[0] + 1; } }")
    assert desk.result("cm7") > 100
    assert desk.mcu.mode("cm7") is CpuMode.RUN


@pytest.mark.parametrize(("sender", "receiver"), [("cm7", "cm4"), ("cm4", "cm7")])
def test_pulse_of_sev_ends(run, sender: str, receiver: str) -> None:
    desk = run(us=0, **{sender: "void program(void) { sev(); }"})
    seen = []
    for _ in range(200):
        desk.run(1)
        seen.append(desk.mcu.exti.wake_pending(receiver))
    # 512 cycles of 64 MHz are 8 us.
    assert sum(seen) == pytest.approx(8, abs=1)


def test_level_of_an_interrupt_line_is_kept_for_a_stopped_core(run) -> None:
    source = """
    void USART3_IRQHandler(void) { result[0] = result[0] + 1; NVIC_DISABLE; }

    void program(void)
    {
        EXTI_C2EMR1 |= 1;
        enable_interrupt(USART3_IRQn, 1);
        SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
        for (;;) wfe();
    }
    """
    desk = run(cm4=source.replace("NVIC_DISABLE", "(&SCS_NVIC_ICER0)[1] = 1u << 7"))
    desk.mcu.set_irq("cm4", 39, True)
    desk.run(100)
    assert desk.result("cm4") == 0
    desk.write("EXTI.SWIER1", 1, Master.AP1)
    desk.run(100)
    assert desk.result("cm4") == 1


# -- code in memory --------------------------------------------------------------------------------------------

CALL_RAM = """
void program(void)
{
    for (;;) {
        result[0] = ((uint32_t (*)(void))(PLACE + 1))();
    }
}
"""


def return_value(value: int) -> bytes:
    """Machine code of ``movs r0, #value; bx lr``."""
    return bytes([value, 0x20, 0x70, 0x47])


@pytest.mark.parametrize("core", ["cm7", "cm4"])
@pytest.mark.parametrize("seen_at", [0x1000_8000, 0x3000_8000])
@pytest.mark.parametrize("written_at", [0x1000_8000, 0x3000_8000])
def test_changed_code_is_executed_whichever_alias_it_is_written_by(
    make_mcu, build_program, core: str, seen_at: int, written_at: int
) -> None:
    mcu = make_mcu(build_program(core, CALL_RAM.replace("PLACE", f"{seen_at:#x}")))
    for value in (11, 22, 33):
        mcu.write_block(written_at, return_value(value), Master.AP0)
        mcu.run_for(200 * PS_PER_US)
        start = 0 if core == "cm7" else 0x1000
        assert mcu.memory("SRAM4")[start] == value
    mcu.write(written_at, 2, int.from_bytes(return_value(44)[:2], "little"), Master.AP3)
    mcu.run_for(200 * PS_PER_US)
    assert mcu.memory("SRAM4")[start] == 44


# -- the reference firmware -------------------------------------------------------------------------------------


def variable(mcu: Mcu, image: Image, name: str) -> int:
    return mcu.read(image.symbol(name), 4, Master.AP0 if image.core == "cm7" else Master.AP3)


@pytest.fixture
def reference(make_mcu):
    pair = load_pair(None, None)
    return make_mcu(*pair), pair


def test_reference_firmware_boots_both_cores(reference) -> None:
    mcu, pair = reference
    mcu.run_for(50 * PS_PER_MS)
    assert [variable(mcu, image, "boot_stage") for image in pair] == [5, 5]
    assert (mcu.clock_hz("cm7"), mcu.clock_hz("cm4")) == (400_000_000, 200_000_000)
    assert [variable(mcu, image, "SystemCoreClock") for image in pair] == [400_000_000, 200_000_000]


def test_reference_firmware_ticks_in_milliseconds(reference) -> None:
    mcu, pair = reference
    mcu.run_for(50 * PS_PER_MS)
    before = [variable(mcu, image, "ticks") for image in pair]
    mcu.run_for(PS_PER_S)
    assert [variable(mcu, image, "ticks") - first for image, first in zip(pair, before, strict=True)] == [
        1000,
        1000,
    ]


def test_both_cores_see_one_edge_of_the_button(reference) -> None:
    mcu, pair = reference
    mcu.run_for(50 * PS_PER_MS)
    for presses in (1, 2, 3):
        mcu.pins.drive("PC13", True)
        mcu.run_for(5 * PS_PER_MS)
        mcu.pins.release("PC13")
        mcu.run_for(5 * PS_PER_MS)
        assert [variable(mcu, image, "exti_count") for image in pair] == [presses, presses]
        assert [mcu.pins.level(led) for led in ("PB0", "PE1")] == [presses % 2 == 1] * 2


def test_run_of_the_reference_firmware_repeats_itself(make_mcu) -> None:
    def run() -> list[tuple[object, ...]]:
        mcu = make_mcu(*load_pair(None, None))
        states = []
        for _ in range(5):
            mcu.run_for(7 * PS_PER_MS)
            mcu.pins.drive("PC13", True)
            mcu.run_for(PS_PER_MS)
            mcu.pins.release("PC13")
            cores = [(core.cycles, tuple(core.registers().items())) for core in mcu.cores.values()]
            states.append((mcu.now, *cores, bytes(mcu.memory("SRAM4")), bytes(mcu.memory("DTCM"))))
        return states

    assert run() == run()
