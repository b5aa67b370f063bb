"""The debug topology as data: what real boards have logged (RM0399 chapter 63; pyOCD issues 1404, 1499)."""

from __future__ import annotations

import pytest

from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7, access_ports, components, debug_port
from pytest_h7.chip.memory import Domain
from pytest_h7.chip.registers import private_peripheral

PRESENT, FORMAT_32_BIT = 1, 2
ROM_TABLES = [component for component in components() if component.entries]
CIDR = {0xFF0: 0x0D, 0xFF8: 0x05, 0xFFC: 0xB1}


def test_debug_port() -> None:
    assert debug_port() == {"DPIDR": 0x6BA0_2477, "TARGETID": 0x0450_0041, "DLPIDR": 1, "DLCR": 0x40}


def test_access_ports() -> None:
    found = [(port.apsel, port.idr, port.base, port.domain) for port in access_ports()]
    assert found == [
        (0, 0x8477_0001, 0xE00F_E003, Domain.D1),
        (1, 0x8477_0001, 0x0000_0002, Domain.D3),
        (2, 0x5477_0002, 0xE00E_0003, Domain.D3),
        (3, 0x2477_0011, 0xE00F_F003, Domain.D2),
    ]


def test_software_reaches_the_debug_bus_after_power_on() -> None:
    # Bit 31 of AP2's CSW, DBGSWEN, is set on leaving reset (pyOCD issue 1312).
    assert access_ports()[2].csw >> 31 == 1


@pytest.mark.parametrize(
    "port", [port for port in access_ports() if port.base & PRESENT], ids=lambda p: f"AP{p.apsel}"
)
def test_base_is_a_rom_table(port) -> None:
    assert (port.apsel, port.base & ~0xFFF) in {(table.apsel, table.base) for table in ROM_TABLES}


@pytest.mark.parametrize("table", ROM_TABLES, ids=lambda table: f"AP{table.apsel} {table.name}")
def test_rom_table_leads_to_what_is_there(table) -> None:
    known = {(component.apsel, component.base) for component in components()}
    assert table.entries[-1] == 0
    for entry in table.entries[:-1]:
        assert entry & FORMAT_32_BIT
        if entry & PRESENT:
            assert (table.apsel, table.base + (entry & ~0xFFF) & 0xFFFF_FFFF) in known


@pytest.mark.parametrize(
    "component", components(), ids=lambda component: f"AP{component.apsel} {component.name}"
)
def test_component_identification(component) -> None:
    assert CIDR.items() <= component.words.items()
    is_rom_table = component.words[0xFF4] == 0x10
    assert is_rom_table == bool(component.entries)
    for index, entry in enumerate(component.entries):
        assert component.words[4 * index] == entry


def test_rom_tables_of_st() -> None:
    by_st = {table.name for table in ROM_TABLES if table.words[0xFE0] == 0x50}
    assert by_st == {"M7 processor ROM", "SysROM1", "SysROM2", "PPB ROM"}
    # Part 0x450, designer 0x020.
    for table in ROM_TABLES:
        if table.words[0xFE0] == 0x50:
            assert (table.words[0xFE4], table.words[0xFE8], table.words[0xFD0]) == (0x04, 0x0A, 0)


def test_dbgmcu_is_in_no_rom_table() -> None:
    assert 0xE00E_1000 not in {component.base for component in components()}


def test_cores() -> None:
    assert private_peripheral("cm7", "SCS").registers["CPUID"].reset == CPUID_CM7 == 0x411F_C271
    assert private_peripheral("cm4", "SCS").registers["CPUID"].reset == CPUID_CM4 == 0x410F_C241
