"""Option bytes: where each field lives, factory values, and which ones no tool of ours may write.

Sources: RM0399 section 4.4 (table 20) and chapter 4.9; ``stm32h755xx.h``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OptionByte:
    """One option byte field in a pair of FLASH registers ``<register>_CUR`` and ``<register>_PRG``."""

    name: str
    register: str
    lsb: int
    width: int
    factory: int
    protected: bool = False

    @property
    def mask(self) -> int:
        """The bits of the field, in place."""
        return ((1 << self.width) - 1) << self.lsb

    def holds(self, value: object) -> bool:
        """Return whether a value fits."""
        return isinstance(value, int) and 0 <= value < 1 << self.width

    def format(self, value: int) -> str:
        """Return a value as text: flags and levels in decimal, addresses, masks and RDP in hexadecimal."""
        return f"0x{value:0{self.width // 4}X}" if self.width >= 8 else str(value)


def _by_name(*fields: OptionByte) -> dict[str, OptionByte]:
    return {field.name: field for field in fields}


OPTION_BYTES = _by_name(
    OptionByte("BOR_LEV", "OPTSR", 2, 2, 0),
    OptionByte("IWDG1_SW", "OPTSR", 4, 1, 1),
    OptionByte("IWDG2_SW", "OPTSR", 5, 1, 1),
    OptionByte("nRST_STOP_D1", "OPTSR", 6, 1, 1),
    OptionByte("nRST_STBY_D1", "OPTSR", 7, 1, 1),
    OptionByte("RDP", "OPTSR", 8, 8, 0xAA, protected=True),
    OptionByte("FZ_IWDG_STOP", "OPTSR", 17, 1, 1),
    OptionByte("FZ_IWDG_SDBY", "OPTSR", 18, 1, 1),
    OptionByte("ST_RAM_SIZE", "OPTSR", 19, 2, 0),
    OptionByte("SECURITY", "OPTSR", 21, 1, 0, protected=True),
    OptionByte("BCM4", "OPTSR", 22, 1, 1),
    OptionByte("BCM7", "OPTSR", 23, 1, 1),
    OptionByte("nRST_STOP_D2", "OPTSR", 24, 1, 1),
    OptionByte("nRST_STBY_D2", "OPTSR", 25, 1, 1),
    OptionByte("IO_HSLV", "OPTSR", 29, 1, 0),
    OptionByte("SWAP_BANK_OPT", "OPTSR", 31, 1, 0),
    OptionByte("BOOT_CM7_ADD0", "BOOT7", 0, 16, 0x0800),
    OptionByte("BOOT_CM7_ADD1", "BOOT7", 16, 16, 0x1FF0),
    OptionByte("BOOT_CM4_ADD0", "BOOT4", 0, 16, 0x0810),
    OptionByte("BOOT_CM4_ADD1", "BOOT4", 16, 16, 0x1000),
    OptionByte("WRPSn1", "WPSN1", 0, 8, 0xFF, protected=True),
    OptionByte("WRPSn2", "WPSN2", 0, 8, 0xFF, protected=True),
    OptionByte("PROT_AREA1", "PRAR1", 0, 32, 0xFF, protected=True),
    OptionByte("PROT_AREA2", "PRAR2", 0, 32, 0xFF, protected=True),
    OptionByte("SEC_AREA1", "SCAR1", 0, 32, 0xFF, protected=True),
    OptionByte("SEC_AREA2", "SCAR2", 0, 32, 0xFF, protected=True),
)
"""All option bytes by the name of the reference manual."""


def current_register(field: OptionByte) -> str:
    """Return the FLASH register that shows the value in force, for example ``OPTSR_CUR``."""
    return _suffixed(field.register, "CUR")


def program_register(field: OptionByte) -> str:
    """Return the FLASH register through which the value is changed, for example ``OPTSR_PRG``."""
    return _suffixed(field.register, "PRG")


def _suffixed(register: str, suffix: str) -> str:
    """``WPSN1`` has its bank behind the suffix in the header: ``WPSN_CUR1``."""
    if register[:-1] in ("WPSN", "PRAR", "SCAR"):
        return f"{register[:-1]}_{suffix}{register[-1]}"
    return f"{register}_{suffix}"


def factory_value(register: str) -> int:
    """Return the factory word of ``OPTSR``, ``BOOT7``, ``BOOT4``, ``WPSN1`` and so on."""
    return sum(field.factory << field.lsb for field in OPTION_BYTES.values() if field.register == register)
