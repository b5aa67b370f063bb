"""Words of option bytes: what the flash interface reads from them (RM0399 4.4)."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_h7.chip.option_bytes import OPTION_BYTES, OptionByte

_LEVELS = {0xAA: 0, 0xCC: 2}
"""RDP -> level of read protection; every other value is level 1 (RM0399 table 22)."""

_BANKED_OPTIONS = ("PRAR", "SCAR", "WPSN")
"""Option words that each bank has one of."""


def protection_level(words: Mapping[str, int]) -> int:
    """Return the level of read protection, 0 to 2."""
    option = OPTION_BYTES["RDP"]
    return _LEVELS.get((words["OPTSR"] & option.mask) >> option.lsb, 1)


def is_refused(option: OptionByte) -> bool:
    """Return whether the model changes this option byte not at all."""
    return option.protected and option.name not in ("WRPSn1", "WRPSn2", "RDP")


def exchange_banks(words: Mapping[str, int]) -> dict[str, int]:
    """Return option words with those of bank 1 and bank 2 in each other's place."""
    others = {f"{name}{bank}": f"{name}{3 - bank}" for name in _BANKED_OPTIONS for bank in (1, 2)}
    return {register: words[others.get(register, register)] for register in words}


def word_mask(register: str) -> int:
    """Return the bits of a word that are option bytes."""
    return sum(option.mask for option in OPTION_BYTES.values() if option.register == register)
