"""The backup domain as a value: what the chip keeps while it has VBAT but nothing else (RM0399 7.4.4, 9.4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_h7.chip.memory import BACKUP_SRAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_h7.twin.mcu import Mcu


def save(mcu: Mcu) -> dict[str, Any]:
    """Return RTC with backup registers, RCC_BDCR, PWR_CR2 and the backup SRAM, as JSON takes it."""
    return {
        "RCC_BDCR": mcu.rcc["BDCR"],
        "PWR_CR2": mcu.pwr["CR2"],
        "RTC": mcu.rtc.save_backup_domain(),
        "SRAM": bytes(mcu.memories.view(BACKUP_SRAM)).rstrip(b"\0").hex(),
    }


def keep(mcu: Mcu, state: Mapping[str, Any]) -> None:
    """Give a chip that was just powered the backup domain that `save` has returned; no time has passed in it."""
    sram = bytes.fromhex(state["SRAM"])
    mcu.memories.view(BACKUP_SRAM)[: len(sram)] = sram
    mcu.pwr.keep_backup_domain(state["PWR_CR2"])
    mcu.rcc.slow_clocks.keep_backup_domain(state["RCC_BDCR"])
    mcu.rtc.keep_backup_domain(state["RTC"])
