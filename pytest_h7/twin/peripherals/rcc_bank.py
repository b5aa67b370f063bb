"""One core's bank of RCC: what it has enabled, and its reset flags (RM0399 9.5.9, 9.5.10, 9.7.36)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pytest_h7.chip.registers import peripheral as register_map
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master

_RMVF = 1 << 16
_WWDG1EN, _WWDG2EN = 1 << 6, 1 << 11
"""The clocks of the window watchdogs, which only a reset takes away (RM0399 9.7.43, 9.7.44)."""

_ALLOCATIONS = {
    "D1": ("AHB3ENR", "APB3ENR"),
    "D2": ("AHB1ENR", "AHB2ENR", "APB1LENR", "APB1HENR", "APB2ENR"),
}
"""Enable registers of the buses of a domain (RM0399 table 7)."""

_ALLOCATED_ONLY = "FLASH"
"""FLASHEN gives CPU2 a part in D1; the registers of FLASH have their clock always (RM0399 9.5.9)."""

SHARED_ENABLES = {
    "ADC12": ("ADC1", "ADC2", "ADC12_COMMON"),
    "ADC3": ("ADC3_COMMON",),
    "BDMA": ("DMAMUX2",),
    "DAC12": ("DAC1",),
    "DMA1": ("DMAMUX1",),
    "DMA2": ("DMAMUX1",),
    "ETH1MAC": ("ETH",),
    "FDCAN": ("FDCAN1", "FDCAN2", "FDCAN_CCU", "SRAMCAN"),
    "HRTIM": ("HRTIM1", "HRTIM1_COMMON", *(f"HRTIM1_TIM{timer}" for timer in "ABCDE")),
    "JPGDEC": ("JPEG",),
    "QSPI": ("QUADSPI", "DLYB_QUADSPI"),
    "SDMMC1": ("DLYB_SDMMC1",),
    "SDMMC2": ("DLYB_SDMMC2",),
    "SWPMI": ("SWPMI1",),
    "USB1OTGHS": ("USB1_OTG_HS",),
    "USB2OTGFS": ("USB2_OTG_FS",),
    "VREF": ("VREFBUF",),
}
"""Peripherals that a bit of another name enables and resets (RM0399 9.7.38 to 9.7.47, 9.7.24 to 9.7.33)."""


class _Enable(NamedTuple):
    """Where a core enables a peripheral: register and bits, and the register that decides in CSleep."""

    offset: int
    mask: int
    low_power: int | None


@cache
def _enables() -> dict[str, _Enable]:
    """Return where each peripheral is enabled, the same in both banks.

    Where there is no low-power enable bit (HSEM), the clock is taken to run on in CSleep.
    """
    enables = {}
    registers = register_map("RCC_C2").registers
    for name, register in registers.items():
        if not name.endswith("ENR") or name.endswith("LPENR"):
            continue
        low_power = registers[name.removesuffix("ENR") + "LPENR"]
        for field in register.fields.values():
            peripheral = field.name.removesuffix("EN").removesuffix("APB")
            has_low_power_bit = field.name.removesuffix("EN") + "LPEN" in low_power.fields
            offset = low_power.offset if has_low_power_bit else None
            enables[peripheral] = _Enable(register.offset, field.mask, offset)
    for name, peripherals in SHARED_ENABLES.items():
        shared = enables[name]
        for peripheral in peripherals:
            others = enables[peripheral].mask if peripheral in enables else 0
            enables[peripheral] = shared._replace(mask=shared.mask | others)
    return enables


@cache
def _sleep_gates() -> dict[tuple[int, int], int]:
    """Return the offsets of enable registers and their low-power ones -> the bits that both have."""
    gates: dict[tuple[int, int], int] = {}
    for offset, mask, low_power in _enables().values():
        if low_power is not None:
            gates[offset, low_power] = gates.get((offset, low_power), 0) | mask
    return gates


def is_gated(peripheral: str) -> bool:
    """Return whether a peripheral has no clock unless a core enables it."""
    return peripheral in _enables() and peripheral != _ALLOCATED_ONLY


class RccBank(Peripheral):
    """One core's bank: clock enables, low-power clock enables and reset flags."""

    def enables(self, peripheral: str, *, asleep: bool) -> bool:
        """Return whether the core clocks a peripheral: its enable bit, in CSleep its low-power bit too."""
        offset, mask, low_power = _enables()[peripheral]
        if not self._values[offset] & mask:
            return False
        return not asleep or low_power is None or bool(self._values[low_power] & mask)

    @property
    def gates_in_sleep(self) -> bool:
        """Whether something that the core has enabled loses its clock while the core sleeps."""
        values = self._values
        return any(values[offset] & ~values[low] & mask for (offset, low), mask in _sleep_gates().items())

    def allocated(self, domain: str) -> bool:
        """Return whether the core has a peripheral or memory of D1 or D2 enabled (RM0399 9.5.9, 9.5.10)."""
        return any(self[register] for register in _ALLOCATIONS[domain])

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def read_RSR(self, master: Master) -> int:
        return self["RSR"]

    def write_RSR(self, value: int, master: Master) -> None:
        if value & _RMVF:
            self["RSR"] = _RMVF
        else:
            self["RSR"] &= ~_RMVF

    def write_APB3ENR(self, value: int, master: Master) -> None:
        self["APB3ENR"] = value | self["APB3ENR"] & _WWDG1EN

    def write_APB1LENR(self, value: int, master: Master) -> None:
        self["APB1LENR"] = value | self["APB1LENR"] & _WWDG2EN

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        super().write(offset, size, value, master)
        self.mcu.unmap_registers()
        self.mcu.enables_changed()
        self.mcu.update_domains()

    def reset(self) -> None:
        flags = self["RSR"]
        super().reset()
        self["RSR"] = flags & ~_RMVF
        self.mcu.unmap_registers()
        self.mcu.enables_changed()
