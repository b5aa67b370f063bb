"""Memories of a core: stores to flash, aliases, changing maps and changing code."""

import ctypes

import pytest

from pytest_h7.twin.bus import BusFault

FLASH, RAM = 0x0800_0000, 0x2000_0000


def test_stores_to_flash_reach_the_chip_and_leave_the_memory_to_it(load):
    chip = load("""
    void start(void) {
        __asm volatile(
            "mov r4, %1\\n mov r5, %2\\n"
            "str r4, [%0]\\n strh r4, [%0, #6]\\n strb r4, [%0, #9]\\n strd r4, r5, [%0, #16]\\n"
            "stm %0, {r4, r5}" :: "r"(0x08001000), "r"(0x11223344), "r"(0x55667788) : "r4", "r5", "memory");
        put('a');
    }""")
    before = bytes(chip.flash)
    assert chip.run() == "a"
    base = FLASH + 0x1000
    assert chip.stores == [
        (base, 4, 0x1122_3344),
        (base + 6, 2, 0x3344),
        (base + 9, 1, 0x44),
        (base + 16, 4, 0x1122_3344),
        (base + 20, 4, 0x5566_7788),
        (base, 4, 0x1122_3344),
        (base + 4, 4, 0x5566_7788),
    ]
    assert bytes(chip.flash) == before


def test_what_the_chip_programs_during_a_store_stays(load):
    """As a flash controller does with the last word of a flash word."""
    chip = load("""
    void start(void) {
        __asm volatile("mov r4, #4\\n mov r5, #5\\n mov r6, #6\\n mov r7, #7\\n stm %0, {r4, r5, r6, r7}"
                       :: "r"(0x08001000) : "r4", "r5", "r6", "r7", "memory");
        say_hex(REGISTER(0x08001000));
        say_hex(REGISTER(0x0800100C));
    }""")
    written = {}

    def program(address, size, value):
        written[address] = value.to_bytes(size, "little")
        if len(written) == 4:
            for place, word in written.items():
                chip.flash[place - FLASH : place - FLASH + size] = word
            chip.core.invalidate(FLASH + 0x1000, 16)

    chip.on_store = program
    assert chip.run() == "00000004 00000007 "


def test_a_store_to_flash_in_an_it_block_does_not_derail_the_core(load):
    chip = load("""
    void start(void) {
        uint32_t r = 0;
        __asm volatile("cmp %0, #0\\n itt eq\\n streq %0, [%1]\\n cmpeq %0, #1\\n"
                       "add %0, #1\\n add %0, #1\\n add %0, #1"
                       : "+r"(r) : "r"(0x08001000) : "cc", "memory");
        say_hex(r);
    }""")
    assert chip.run() == "00000003 "
    assert chip.stores == [(FLASH + 0x1000, 4, 0)]


def test_a_store_that_the_chip_refuses_is_a_bus_fault(load):
    chip = load("""
    void bus_fault(void) { say_hex(CFSR); end(); }
    void start(void) { SHCSR = 1 << 17; REGISTER(0x0801FFF0) = 1; put('a'); }""")

    def refuse(address, size, value):
        raise BusFault(address)

    chip.on_store = refuse
    assert chip.run() == "00000400 "
    assert chip.flash[0x1_FFF0] == 0xFF


def test_memory_can_be_mapped_and_unmapped_at_another_address(load):
    chip = load("""
    void bus_fault(void) { say("fault"); end(); }
    void start(void) {
        SHCSR = 1 << 17;
        say_hex(REGISTER(0x00000000));
        (void)REGISTER(0x40001000);
        say_hex(REGISTER(0x00000000));
    }""")
    core = chip.core
    core.map(0, 0x1000, chip.pointer, False)

    def unmap():
        core.unmap(0, 0x1000)
        return 0

    chip.on_read[0x4000_1000] = unmap
    assert chip.run() == "20010000 fault"


def test_a_core_can_start_from_an_alias(load):
    chip = load("""
    void start(void) { uint32_t pc; __asm volatile("mov %0, pc" : "=r"(pc)); say_hex(pc >> 24); }""")
    chip.core.map(0, 0x1000, chip.pointer, False)
    chip.core.reset(0)
    assert chip.core.read_debug(0xE000_ED08) == 0
    assert chip.run() == "00000008 "


@pytest.mark.parametrize("place", [FLASH, 0])
def test_code_changed_from_outside_is_executed_anew_at_every_alias(load, place):
    chip = load("void start(void) { for (;;) {} }")
    core = chip.core
    core.map(0, 0x1000, chip.pointer, False)
    chip.flash[0x800:0x804] = bytes.fromhex("0130fee7")
    core.invalidate(FLASH + 0x800, 4)
    core.write_register("pc", place + 0x800)
    core.run(10)
    chip.flash[0x800:0x804] = bytes.fromhex("0530fee7")
    core.invalidate(FLASH + 0x800, 4)
    before = core.read_register("r0")
    core.write_register("pc", place + 0x800)
    core.run(10)
    assert core.read_register("r0") == before + 5


def test_sev_written_from_outside_is_found(load):
    chip = load("void start(void) { for (;;) {} }")
    core = chip.core
    chip.ram[0x800:0x804] = bytes.fromhex("40bffee7")
    core.invalidate(RAM + 0x800, 4)
    core.write_register("pc", RAM + 0x800)
    core.run(10)
    assert chip.calls == ["event"]


def test_code_that_the_core_writes_itself_is_executed(load):
    chip = load("""
    volatile uint16_t code[4] __attribute__((aligned(4)));
    static uint32_t call(void) { return ((uint32_t (*)(void))((uint32_t)code | 1))(); }
    void start(void) {
        code[1] = 0x4770;
        for (int i = 0; i < 3; i++) { code[0] = 0x2000 + i; say_hex(call()); }
    }""")
    assert chip.run() == "00000000 00000001 00000002 "


def test_ldrd_of_a_peripheral_is_two_words(load):
    chip = load("""
    void start(void) {
        uint32_t a, b;
        __asm volatile("ldrd %0, %1, [%2]" : "=r"(a), "=r"(b) : "r"(0x40001000));
        say_hex(a); say_hex(b);
    }""")
    chip.on_read[0x4000_1000] = lambda: 1
    chip.on_read[0x4000_1004] = lambda: 2
    assert chip.run() == "00000001 00000002 "


def test_atomics_work_on_ram(load):
    chip = load("""
    volatile uint32_t cell;
    void start(void) {
        for (int i = 0; i < 5; i++) __atomic_fetch_add(&cell, 3, __ATOMIC_SEQ_CST);
        say_hex(cell);
    }""")
    assert chip.run() == "0000000F "


def test_the_callers_memory_is_what_the_core_sees(load):
    chip = load("volatile uint32_t cell; void start(void) { cell = 0x12345678; }")
    chip.run()
    assert ctypes.c_uint32.from_address(chip.pointer + len(chip.flash)).value == 0x1234_5678
