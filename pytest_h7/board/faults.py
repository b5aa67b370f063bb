"""Fault status of a core, decoded (Arm DDI0403E B3.2.15 to B3.2.18; ABFSR: Arm DDI0489F section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_h7.chip.registers import private_peripheral

_MEANINGS = {
    "IACCVIOL": "instruction fetch from a place the MPU or the memory map forbids",
    "DACCVIOL": "data access the MPU forbids",
    "MUNSTKERR": "MPU violation while unstacking",
    "MSTKERR": "MPU violation while stacking",
    "MLSPERR": "MPU violation while saving floating-point state",
    "IBUSERR": "bus error on an instruction fetch",
    "PRECISERR": "bus error on a data access",
    "IMPRECISERR": "bus error on a store before the pc",
    "UNSTKERR": "bus error while unstacking",
    "STKERR": "bus error while stacking",
    "LSPERR": "bus error while saving floating-point state",
    "UNDEFINSTR": "undefined instruction",
    "INVSTATE": "not in Thumb state",
    "INVPC": "invalid exception return",
    "NOCP": "coprocessor or FPU that is not enabled",
    "UNALIGNED": "unaligned access",
    "DIVBYZERO": "division by zero",
}
_INTERFACES = ("ITCM", "DTCM", "AHBP", "AXIM", "EPPB")
"""Bits 0 to 4 of ABFSR. AHBP leads to the peripherals of D2, AXIM to all other memory and peripherals."""

_HARD = {
    "VECTTBL": "bus error on reading the vector table",
    "FORCED": "escalated to HardFault",
    "DEBUGEVT": "debug event without a debugger",
}


@dataclass(frozen=True)
class Fault:
    """A fault that a core has recorded and not cleared.

    Attributes:
        cfsr: Configurable Fault Status Register.
        hfsr: HardFault Status Register.
        address: The address that faulted, None where the core does not tell.
        interfaces: Where stores of the Cortex-M7 failed that it had not waited for, of which it tells no
            address: ``("AHBP",)`` (peripherals of D2), ``("AXIM",)`` (other memory and peripherals), ``"ITCM"``,
            ``"DTCM"``, ``"EPPB"``. Empty without IMPRECISERR.
    """

    cfsr: int
    hfsr: int
    address: int | None
    interfaces: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the bits that are set: ``("PRECISERR", "BFARVALID", "FORCED")``."""
        registers = private_peripheral("cm7", "SCS").registers
        return tuple(
            name
            for register, value in (("CFSR", self.cfsr), ("HFSR", self.hfsr))
            for name, field in registers[register].fields.items()
            if field.extract(value)
        )

    def __str__(self) -> str:
        told = [_MEANINGS[flag] for flag in self.flags if flag in _MEANINGS]
        told += [_HARD[flag] for flag in self.flags if flag in _HARD]
        place = f" at 0x{self.address:08X}" if self.address is not None else ""
        if self.interfaces:
            place += f" through {' and '.join(self.interfaces)}"
        return f"{', '.join(told) or 'fault'}{place} [{' '.join(self.flags)}]"


def is_imprecise(cfsr: int) -> bool:
    """Return whether CFSR tells of a store that failed after the core had gone on."""
    return bool(private_peripheral("cm7", "SCS").registers["CFSR"].fields["IMPRECISERR"].extract(cfsr))


def decode_fault(cfsr: int, hfsr: int, mmfar: int, bfar: int, abfsr: int = 0) -> Fault | None:
    """Return the fault in these registers, None if there is none. `abfsr` is a register of the Cortex-M7."""
    if not cfsr and not hfsr:
        return None
    fields = private_peripheral("cm7", "SCS").registers["CFSR"].fields
    address = None
    if fields["BFARVALID"].extract(cfsr):
        address = bfar
    elif fields["MMARVALID"].extract(cfsr):
        address = mmfar
    failed = abfsr if is_imprecise(cfsr) else 0
    interfaces = tuple(name for bit, name in enumerate(_INTERFACES) if failed >> bit & 1)
    return Fault(cfsr, hfsr, address, interfaces)
