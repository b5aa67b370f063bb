"""What a core and a debugger read about the core itself."""

import pytest

from pytest_h7.chip.coresight import components

IDENTITY = {
    # address: (cm7, cm4)
    0xE000_ED00: (0x411F_C271, 0x410F_C241),
    0xE000_E004: (4, 4),
    0xE000_ED90: (0x1000, 0x0800),
    0xE000_EF40: (0x1011_0221, 0x1011_0021),
    0xE000_EF48: (0x0000_0040, 0),
    0xE000_E01C: (0x3E8, 0x3E8),
    0xE000_ED14: (0x0004_0200, 0x0000_0200),
    0xE000_1000: (0x4000_0000, 0x4000_0000),
}


@pytest.mark.parametrize(("index", "name"), [(0, "cm7"), (1, "cm4")])
def test_identity(load, index, name):
    core = load("void start(void) {}", name).core
    assert {address: core.read_debug(address) for address in IDENTITY} == {
        address: values[index] for address, values in IDENTITY.items()
    }


@pytest.mark.parametrize(("apsel", "name"), [(0, "cm7"), (3, "cm4")])
def test_components_answer_as_the_rom_tables_say(load, apsel, name):
    core = load("void start(void) {}", name).core
    for component in components():
        if component.apsel == apsel:
            for offset, value in component.words.items():
                assert core.read_debug(component.base + offset) == value, (component.name, hex(offset))


def test_cache_maintenance_loops_of_the_cm7_end(load):
    """The way SCB_EnableDCache of CMSIS does it."""
    source = """
    void start(void) {
        REGISTER(0xE000ED84) = 0;
        uint32_t ccsidr = REGISTER(0xE000ED80), count = 0;
        uint32_t sets = ccsidr >> 13 & 0x7FFF;
        do {
            uint32_t ways = ccsidr >> 3 & 0x3FF;
            do { REGISTER(0xE000EF60) = sets << 5 | ways << 30; count++; } while (ways-- != 0);
        } while (sets-- != 0);
        REGISTER(0xE000EF50) = 0;
        REGISTER(0xE000ED14) |= 3 << 16;
        say_hex(count); say_hex(REGISTER(0xE000ED14));
        REGISTER(0xE000ED84) = 1;
        say_hex(REGISTER(0xE000ED80));
    }"""
    assert load(source).run() == "00000200 00070200 F01FE009 "


def test_the_mpu_keeps_its_regions(load):
    source = """
    void start(void) {
        for (uint32_t i = 0; i < 8; i++) {
            REGISTER(0xE000ED98) = i; REGISTER(0xE000ED9C) = i << 20; REGISTER(0xE000EDA0) = 0x03000001 + (i << 1);
        }
        REGISTER(0xE000ED9C) = 0x20000000 | 0x10 | 5;
        REGISTER(0xE000ED98) = 3; say_hex(REGISTER(0xE000ED9C)); say_hex(REGISTER(0xE000EDA0));
        REGISTER(0xE000ED98) = 5; say_hex(REGISTER(0xE000ED9C));
        REGISTER(0xE000ED94) = 5; say_hex(REGISTER(0xE000ED94));
    }"""
    assert load(source).run() == "00300003 03000007 20000005 00000005 "


def test_trace_registers_are_stored_and_locks_accepted(load):
    core = load("void start(void) {}").core
    core.write_debug(0xE000_0FB0, 0xC5AC_CE55)
    core.write_debug(0xE000_0E80, 0x0001_000D)
    core.write_debug(0xE004_3000, 1)
    assert core.read_debug(0xE000_0FB4) == 1
    assert core.read_debug(0xE000_0E80) == 0x0001_000D
    core.reset(0x0800_0000)
    assert core.read_debug(0xE004_3000) == 1
    core.reset(0x0800_0000, debug=True)
    assert core.read_debug(0xE000_0E80) == core.read_debug(0xE004_3000) == 0


def test_unknown_private_addresses_read_zero(load):
    core = load("void start(void) {}").core
    core.write_debug(0xE000_3000, 1)
    assert core.read_debug(0xE000_3000) == 0
