"""Who reaches what, and what an access ends with elsewhere (RM0399 tables 2, 6 and 7; 9.5.10)."""

from __future__ import annotations

import pytest

from pytest_h7.chip.memory import MEMORIES
from pytest_h7.chip.registers import Access, peripheral
from pytest_h7.twin.bus import BusFault, Master

CM7_SIDE, CM4_SIDE, D3_BUS = (Master.CM7, Master.AP0), (Master.CM4, Master.AP3), (Master.AP1,)
ALL = (*CM7_SIDE, *CM4_SIDE, *D3_BUS)

PLACES = {
    "ITCM": (0x0000_8000, CM7_SIDE),
    "flash bank 1": (0x0800_0000, (*CM7_SIDE, *CM4_SIDE)),
    "flash bank 2": (0x0810_0000, (*CM7_SIDE, *CM4_SIDE)),
    "SRAM1 alias": (0x1000_0000, (*CM7_SIDE, *CM4_SIDE)),
    "SRAM3 alias": (0x1004_0000, (*CM7_SIDE, *CM4_SIDE)),
    "system flash": (0x1FF1_E880, CM7_SIDE),
    "DTCM": (0x2000_0000, CM7_SIDE),
    "AXI SRAM": (0x2400_0000, (*CM7_SIDE, *CM4_SIDE)),
    "SRAM1": (0x3000_0000, (*CM7_SIDE, *CM4_SIDE)),
    "SRAM2": (0x3002_0000, (*CM7_SIDE, *CM4_SIDE)),
    "SRAM4": (0x3800_0000, ALL),
    "backup SRAM": (0x3880_0000, ALL),
    "USART3 in D2": (0x4000_4800, (*CM7_SIDE, *CM4_SIDE)),
    "RNG in D2": (0x4802_1800, (*CM7_SIDE, *CM4_SIDE)),
    "FLASH in D1": (0x5200_2000, (*CM7_SIDE, *CM4_SIDE)),
    "WWDG1 in D1": (0x5000_3000, (*CM7_SIDE, *CM4_SIDE)),
    "AXI's GPV": (0x5100_0000, CM7_SIDE),
    "AXI's GPV, ASIB": (0x5104_2108, CM7_SIDE),
    "RCC in D3": (0x5802_4400, ALL),
    "EXTI in D3": (0x5800_0000, ALL),
    "DBGMCU": (0x5C00_1000, ALL),
}
HOLES = {
    "behind ITCM and the CM4's boot memory": 0x0010_0000,
    "before flash": 0x07FF_FFFC,
    "behind flash": 0x0820_0000,
    "behind SRAM3's alias": 0x1004_8000,
    "behind DTCM": 0x2002_0000,
    "behind AXI SRAM": 0x2408_0000,
    "behind SRAM3": 0x3004_8000,
    "between SRAM4 and backup SRAM": 0x3801_0000,
    "behind backup SRAM": 0x3880_1000,
    "reserved": 0x3900_0000,
    "reserved in D2": 0x4001_3800,
    "reserved in D1": 0x5200_9400,
    "reserved in D3": 0x5802_2C00,
}


def faults(desk, address: int, master: Master) -> bool:
    try:
        desk.mcu.read(address, 4, master)
    except BusFault:
        return True
    return False


# -- memories and peripherals by master ---------------------------------------------------------------


@pytest.mark.parametrize("master", ALL)
def test_each_master_reaches_what_is_on_its_buses(desk, master: Master) -> None:
    places = {name: place for name, place in PLACES.items() if name != "ITCM" or master not in CM4_SIDE}
    found = {name: faults(desk, address, master) for name, (address, _) in places.items()}
    assert found == {name: master not in masters for name, (_, masters) in places.items()}


@pytest.mark.parametrize("master", ALL)
def test_reserved_address_is_a_bus_fault(desk, master: Master) -> None:
    assert [name for name, address in HOLES.items() if not faults(desk, address, master)] == []


def test_fault_tells_the_address(desk) -> None:
    with pytest.raises(BusFault, match="bus error at 0x39000000") as fault:
        desk.mcu.write(0x3900_0000, 4, 0, Master.CM7)
    assert fault.value.address == 0x3900_0000


def test_every_memory_is_one_at_all_its_addresses(desk) -> None:
    desk.set("RCC_C1.AHB4ENR", BKPRAMEN=1)
    desk.set("PWR.CR1", DBP=1)
    for memory in MEMORIES:
        if not memory.writable:
            continue
        for offset in (0, memory.size - 4):
            for start in (memory.start, *memory.aliases):
                desk.mcu.write(start + offset, 4, start + offset, Master.CM7)
                for other in (memory.start, *memory.aliases):
                    assert desk.mcu.read(other + offset, 4, Master.CM7) == start + offset


@pytest.mark.parametrize("size", [1, 2, 4])
def test_width_of_an_access(desk, size: int) -> None:
    desk.mcu.write(0x2400_0000, 4, 0x4433_2211, Master.CM7)
    assert desk.mcu.read(0x2400_0000, size, Master.CM4) == 0x4433_2211 & (1 << 8 * size) - 1
    desk.mcu.write(0x2400_0000, size, (1 << 8 * size) - 1, Master.CM4)
    expected = 0x4433_2211 | (1 << 8 * size) - 1
    assert desk.mcu.read(0x2400_0000, 4, Master.CM7) == expected


@pytest.mark.parametrize("address", [0x1FF0_0000, 0x1FF1_E800])
def test_system_flash_cannot_be_written(desk, address: int) -> None:
    with pytest.raises(BusFault):
        desk.mcu.write(address, 4, 0, Master.AP0)
    assert not desk.mcu.write_block(address, bytes(4), Master.AP0)


def test_store_to_flash_without_programming_mode_is_an_error_of_the_bank(desk) -> None:
    desk.mcu.write(0x0800_0100, 4, 0, Master.AP0)
    assert desk.mcu.read(0x0800_0100, 4, Master.AP0) == 0xFFFF_FFFF
    assert (desk.field("FLASH.SR1.PGSERR"), desk.field("FLASH.SR2.PGSERR")) == (1, 0)
    desk.mcu.write(0x0000_0100, 4, 0, Master.AP3)  # bank 2, where the CM4 boots from
    assert desk.field("FLASH.SR2.PGSERR") == 1


def test_blocks_of_plain_memory(desk) -> None:
    assert desk.mcu.write_block(0x3000_0010, b"dual-core", Master.AP3)
    assert desk.mcu.read_block(0x1000_0010, 9, Master.AP0) == b"dual-core"
    assert desk.mcu.read_block(0x3000_0010, 9, Master.AP1) is None
    assert desk.mcu.write_block(0x3801_0000 - 8, b"the last", Master.AP1)
    assert desk.mcu.read_block(0x3801_0000 - 8, 8, Master.AP1) == b"the last"
    assert desk.mcu.read_block(0x3801_0000 - 4, 8, Master.AP1) is None
    assert not desk.mcu.write_block(0x3801_0000 - 4, bytes(8), Master.AP1)
    assert not desk.mcu.write_block(0x0800_0000, bytes(4), Master.AP0)
    assert desk.mcu.read_block(0x5802_4400, 4, Master.AP1) is None


# -- by real cores -------------------------------------------------------------------------------------

PROBE = """
void program(void)
{
    static const uint32_t places[] = {PLACES};

    for (uint32_t i = 0; i < sizeof places / sizeof *places; ++i) {
        result[i] = 1u + read_faults(places[i]);
    }
}
"""


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_cores_fault_where_they_reach_nothing(run, core: str) -> None:
    names = [name for name in PLACES if name != "ITCM"]
    master = Master.CM7 if core == "cm7" else Master.CM4
    desk = run(**{core: PROBE.replace("PLACES", ", ".join(f"{PLACES[name][0]:#x}" for name in names))})
    found = {name: desk.result(core, index) == 2 for index, name in enumerate(names)}
    assert found == {name: master not in PLACES[name][1] for name in names}


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_cores_fault_at_reserved_addresses(run, core: str) -> None:
    places = ", ".join(f"{address:#x}" for address in HOLES.values())
    desk = run(**{core: PROBE.replace("PLACES", places)})
    assert {desk.result(core, index) for index in range(len(HOLES))} == {2}


def test_cm4_faults_on_the_tightly_coupled_memories(run) -> None:
    source = """
    void program(void)
    {
        result[0] = write_faults(0x20000000);
        result[1] = read_faults(0x20000000);
        result[2] = SCS_BFAR;
        result[3] = SCS_CFSR;
        result[4] = read_faults(0x24000000);
    }
    """
    desk = run(cm4=source)
    assert [desk.result("cm4", index) for index in (0, 1, 2, 4)] == [1, 1, 0x2000_0000, 0]
    assert desk.result("cm4", 3) & 0x8200 == 0x8200  # BFARVALID, PRECISERR


def test_cm4_finds_its_boot_memory_at_zero_and_the_cm7_its_itcm(run) -> None:
    source = "void program(void) {{ result[0] = REGISTER({0}); result[1] = REGISTER(4); }}"
    desk = run(
        cm4=source.format(0), cm7="void program(void) { REGISTER(4) = 0xABCD; result[0] = REGISTER(4); }"
    )
    vectors = desk.mcu.memory("flash bank 2")[:8]
    assert desk.result("cm4", 0).to_bytes(4, "little") == vectors[:4]
    assert desk.result("cm4", 1).to_bytes(4, "little") == vectors[4:]
    assert desk.result("cm7") == 0xABCD
    assert desk.mcu.read(4, 4, Master.AP3).to_bytes(4, "little") == vectors[4:]
    assert desk.mcu.read(4, 4, Master.AP0) == 0xABCD


# -- unclocked peripherals, holes, access sizes --------------------------------------------------------


def test_unclocked_peripheral_answers_zero_and_takes_nothing(run) -> None:
    source = """
    void program(void)
    {
        result[0] = 1u + write_faults(0x58020418);
        GPIOB_ODR = 0x5555;
        result[1] = GPIOB_ODR;
        result[2] = GPIOB_MODER;
        RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;
        result[3] = GPIOB_ODR;
        result[4] = GPIOB_MODER;
    }
    """
    desk = run(cm7=source)
    assert [desk.result("cm7", index) for index in range(5)] == [1, 0, 0, 0, 0xFFFF_FEBF]


@pytest.mark.parametrize("bank", ["RCC_C1", "RCC_C2"])
def test_clock_that_either_core_enables_is_there_for_all(run, bank: str) -> None:
    idle = "void program(void) {}"
    desk = run(cm7=idle, cm4=idle)
    assert desk.read("GPIOC.MODER", Master.AP1) == 0
    desk.set(f"{bank}.AHB4ENR", GPIOCEN=1)
    for master in ALL:
        assert desk.read("GPIOC.MODER", master) == 0xFFFF_FFFF


def test_peripheral_without_an_enable_bit_always_answers(desk) -> None:
    for name in ("RCC.CR", "PWR.CR3", "EXTI.C1IMR1", "FLASH.ACR", "DBGMCU.IDCODE"):
        assert desk.read(name) != 0


def test_hole_within_a_peripheral_reads_zero(desk) -> None:
    for master in (Master.CM7, Master.AP1):
        assert desk.mcu.read(0x5802_4814 + 0x3C, 4, master) == 0
        desk.mcu.write(0x5802_4814 + 0x3C, 4, 0xFFFF_FFFF, master)
        assert desk.mcu.read(0x5802_4814 + 0x3C, 4, master) == 0


@pytest.mark.parametrize("name", ["HSEM.R0", "EXTI.C1PR1"])
def test_narrow_access_to_a_peripheral_of_words(desk, name: str) -> None:
    desk.set("RCC_C1.AHB4ENR", HSEMEN=1)
    address = desk.address(name)
    for size in (1, 2):
        with pytest.raises(BusFault):
            desk.mcu.read(address, size, Master.CM7)
        with pytest.raises(BusFault):
            desk.mcu.write(address, size, 1, Master.CM7)


def test_narrow_access_elsewhere_touches_its_bytes_only(desk) -> None:
    address = desk.address("RCC.PLLCKSELR")
    desk.mcu.write(address + 1, 1, 0x04, Master.CM7)
    assert desk.read("RCC.PLLCKSELR") == 0x0202_0400
    assert desk.mcu.read(address + 2, 2, Master.CM7) == 0x0202


# -- the debug bus as software sees it ------------------------------------------------------------------


class Ap2:
    """Stands for a debug port with CSW.DBGSWEN of access port 2."""

    dbgswen = True
    powered_up = False


def test_software_loses_the_debug_bus_with_dbgswen(desk) -> None:
    port = Ap2()
    desk.mcu.debug_port = port
    desk.write("DBGMCU.CR", 1)
    assert desk.read("DBGMCU.IDCODE") & 0xFFF == 0x450
    port.dbgswen = False
    for master in (Master.CM7, Master.CM4, Master.AP0, Master.AP1):
        assert desk.read("DBGMCU.IDCODE", master) == 0
        desk.write("DBGMCU.CR", 7, master)
    port.dbgswen = True
    assert desk.read("DBGMCU.CR") == 1


def test_cores_lose_the_debug_bus_too(make_mcu, build_program) -> None:
    source = "void program(void) { for (;;) { result[0] = DBGMCU_IDCODE; DBGMCU_CR = ++result[1]; } }"
    mcu = make_mcu(build_program("cm7", source))
    port = Ap2()
    mcu.debug_port = port
    mcu.run_for(10**9)
    assert int.from_bytes(mcu.memory("SRAM4")[:4], "little") == 0x2003_6450
    port.dbgswen = False
    mcu.run_for(10**9)
    before = mcu.dbgmcu["CR"]
    mcu.run_for(10**9)
    assert int.from_bytes(mcu.memory("SRAM4")[:4], "little") == 0
    assert mcu.dbgmcu["CR"] == before


# -- what an access comes down to is kept by the core until a clock enable changes ---------------------------

POLL = "void program(void) { ENABLE for (;;) { result[0] = GPIOB_MODER; } }"
MODER_AFTER_RESET = 0xFFFF_FEBF


@pytest.mark.parametrize(("core", "bank"), [("cm7", "RCC_C1"), ("cm4", "RCC_C2")])
def test_core_loses_a_peripheral_that_it_has_polled_with_its_clock(run, core: str, bank: str) -> None:
    desk = run(**{core: POLL.replace("ENABLE", "RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;")})
    for enabled in (1, 0, 1):
        desk.set(f"{bank}.AHB4ENR", Master.AP1, GPIOBEN=enabled)
        desk.run(100)
        assert desk.result(core) == (MODER_AFTER_RESET if enabled else 0)


def test_core_disables_the_clock_of_what_it_polls(run) -> None:
    source = """
    void program(void)
    {
        for (uint32_t i = 0; i < 4; ++i) {
            RCC_AHB4ENR ^= RCC_AHB4ENR_GPIOBEN_Msk;
            for (uint32_t j = 0; j < 3; ++j) {
                GPIOB_ODR = i + 1;
                result[i] = GPIOB_ODR;
            }
        }
    }
    """
    desk = run(cm7=source)
    assert [desk.result("cm7", index) for index in range(4)] == [1, 0, 3, 0]


def test_core_loses_a_peripheral_with_the_core_that_clocks_it(run) -> None:
    sleep = """
    void program(void)
    {
        SET_FIELD(RCC_AHB4LPENR, GPIOBLPEN, 0);
        RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;
        for (volatile uint32_t i = 0; i < 5000; ++i) {
        }
        wfi();
    }
    """
    desk = run(cm7=sleep, cm4=POLL.replace("ENABLE", ""), us=200)
    assert desk.result("cm4") == MODER_AFTER_RESET
    desk.run(2_000)
    assert desk.result("cm4") == 0


def test_reset_takes_the_clock_of_what_a_core_has_polled(run) -> None:
    enable = "result[2] = GPIOB_MODER; RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;"
    desk = run(cm7=POLL.replace("ENABLE", enable))
    desk.mcu.system_reset()
    desk.run(1_000)
    assert (desk.result("cm7", 2), desk.result("cm7", 0)) == (0, MODER_AFTER_RESET)


def test_restored_chip_has_no_clock_that_came_later(run) -> None:
    desk = run(cm7=POLL.replace("ENABLE", ""))
    before = desk.mcu.save()
    desk.set("RCC_C1.AHB4ENR", Master.AP1, GPIOBEN=1)
    desk.run(100)
    assert desk.result("cm7") == MODER_AFTER_RESET
    desk.mcu.restore(before)
    desk.run(100)
    assert desk.result("cm7") == 0


@pytest.mark.parametrize(("core", "master"), [("cm7", Master.AP0), ("cm4", Master.AP3)])
def test_every_register_is_the_same_each_time(run, core: str, master: Master) -> None:
    names = ("RCC", "PWR", "EXTI", "SYSCFG", "FLASH", *(f"GPIO{port}" for port in "ABCDEFGHIJK"))
    places = [
        register.address
        for name in names
        for register in peripheral(name).registers.values()
        if register.access is not Access.WRITE_ONLY
    ]
    source = """
    static const uint32_t places[] = {PLACES};

    void program(void)
    {
        RCC_AHB4ENR |= 0x7FF;
        for (uint32_t i = 0; i < 3 * sizeof places / sizeof *places; ++i) {
            result[i % (sizeof places / sizeof *places)] = REGISTER(places[i % (sizeof places / sizeof *places)]);
        }
    }
    """
    desk = run(**{core: source.replace("PLACES", ", ".join(map(hex, places)))})
    found = {hex(place): desk.result(core, index) for index, place in enumerate(places)}
    assert found == {hex(place): desk.mcu.read(place, 4, master) for place in places}


def test_core_reads_and_writes_parts_of_a_register_again_and_again(run) -> None:
    source = """
    void program(void)
    {
        volatile uint8_t *byte = (volatile uint8_t *)&RCC_PLLCKSELR;
        volatile uint16_t *half = (volatile uint16_t *)&RCC_PLLCKSELR;

        for (uint32_t i = 0; i < 3; ++i) {
            RCC_PLLCKSELR = 0x02020200;
            byte[1] = 4;
            result[2 * i] = RCC_PLLCKSELR;
            half[1] = 0x0303;
            result[2 * i + 1] = (uint32_t)half[0] << 16 | (uint32_t)byte[2];
        }
    }
    """
    desk = run(cm7=source)
    assert [desk.result("cm7", index) for index in range(6)] == [0x0202_0400, 0x0400_0003] * 3


def test_byte_of_a_peripheral_of_words_is_a_fault_each_time(run) -> None:
    source = """
    void program(void)
    {
        RCC_AHB4ENR |= RCC_AHB4ENR_HSEMEN_Msk;
        for (uint32_t i = 0; i < 3; ++i) {
            result[2 * i] = HSEM_R0;
            (void)*(volatile uint8_t *)&HSEM_R0;
            result[2 * i + 1] = SCS_CFSR;
            SCS_CFSR = SCS_CFSR;
        }
    }
    """
    desk = run(cm7=source)
    assert [desk.result("cm7", index) for index in range(6)] == [0, 0x8200] * 3


# -- what is only stored is counted -----------------------------------------------------------------------


def test_peripheral_that_is_not_modelled_stores_and_is_counted(run) -> None:
    source = """
    void program(void)
    {
        RCC_APB1LENR |= RCC_APB1LENR_CECEN_Msk;
        CEC_CFGR = 99;
        result[0] = CEC_CFGR;
        REGISTER(0x40000800 + 0x2C) = 7;
        result[1] = REGISTER(0x40000800 + 0x2C);
        result[2] = RCC_CR;
    }
    """
    desk = run(cm7=source)
    assert (desk.result("cm7", 0), desk.result("cm7", 1)) == (99, 0)
    desk.read("CEC.CFGR", Master.AP0)
    counted = dict(desk.mcu.unmodelled)
    assert counted[("CEC", "CFGR", "cm7", "write")] == counted[("CEC", "CFGR", "cm7", "read")] == 1
    assert not [key for key in counted if key[0] in ("RCC", "RCC_C1", "PWR", "FLASH")]


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_each_access_is_counted(run, core: str) -> None:
    source = """
    void program(void)
    {
        RCC_AHB2ENR |= RCC_AHB2ENR_DCMIEN_Msk;
        for (uint32_t i = 0; i < 5; ++i) {
            DCMI_CWSIZE = i;
            result[0] += DCMI_CWSIZE;
            *(volatile uint16_t *)&DCMI_CWSIZE = (uint16_t)i;
            result[1] |= REGISTER((uint32_t)&DCMI_DR + 4u);
        }
    }
    """
    desk = run(**{core: source})
    assert (desk.result(core, 0), desk.result(core, 1)) == (10, 0)
    assert desk.mcu.unmodelled == {
        ("DCMI", "CWSIZE", core, "read"): 5,
        ("DCMI", "CWSIZE", core, "write"): 10,
        ("DCMI", "+0x02C", core, "read"): 5,
    }


def test_peripheral_without_a_model_stores_bytes_until_a_reset(desk) -> None:
    desk.set("RCC_C1.AHB2ENR", DCMIEN=1)
    size = 0x4802_0024
    desk.mcu.write(size, 4, 0x0102_0304, Master.CM7)
    desk.mcu.write(size + 1, 1, 0xFF, Master.CM7)
    assert desk.mcu.read(size, 4, Master.CM4) == 0x0102_FF04
    desk.mcu.read(size, 2, Master.CM7)
    counted = {access: desk.mcu.unmodelled["DCMI", "CWSIZE", "cm7", access] for access in ("read", "write")}
    assert counted == {"read": 1, "write": 2}
    desk.mcu.system_reset()
    desk.run(100)
    desk.set("RCC_C1.AHB2ENR", DCMIEN=1)
    assert desk.mcu.read(size, 4, Master.CM7) == 0
