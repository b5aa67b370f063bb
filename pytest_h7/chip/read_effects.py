"""Registers whose reading changes something: data taken out of a queue, flags cleared, a semaphore taken."""

from __future__ import annotations

import re

_EFFECTS = (
    (r"HSEM\.RLR\d+", "reading it takes the semaphore"),
    (r"(USART|UART|LPUART)\d+\.RDR", "reading it takes a character out of the receiver"),
    (r"(SPI\d|I2C\d|SWPMI1|CEC)\.(RXDR|RDR)", "reading it takes data out of the receiver"),
    (r"ADC\d\.(DR|JDR\d)|ADC12_COMMON\.CDR", "reading it clears the flag that data are there"),
    (r"(SPDIFRX|DCMI|QUADSPI|RNG|CRYP)\.(DR|CSR|DOUT)|SAI\d\.\w*DR", "reading it takes data out"),
    (r"SDMMC\d\.FIFO\w*", "reading it takes data out of the FIFO"),
    (r"JPEG\.DOR", "reading it takes data out of the FIFO"),
    (r"FDCAN\d\.(PSR|ECR)", "reading it resets the error code"),
    (r"DFSDM1\.DFSDM_FLT\d\w*DATAR", "reading it clears the flag that data are there"),
    (r"USB\d_OTG_\w+\.GRXSTSP", "reading it takes an entry out of the FIFO"),
    (r"ETH\.(MMC\w+|DMACMFCR|MTLQICSR|MACISR|MACPCSR|MACRXTXSR)", "reading it clears what it shows"),
    (r"RTC\.(TR|SSR)", "reading it locks the date until that is read"),
    (r"I2C\d\.PECR", "reading it clears the code"),
)
_PATTERNS = [(re.compile(pattern), effect) for pattern, effect in _EFFECTS]


def read_effect(peripheral: str, register: str) -> str | None:
    """Return what reading a register does, None if it does nothing (RM0399, chapters of the peripherals)."""
    name = f"{peripheral}.{register}"
    return next((effect for pattern, effect in _PATTERNS if pattern.fullmatch(name)), None)
