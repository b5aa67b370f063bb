"""Which model stands for which peripheral, beyond those the chip itself is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.registers import peripheral_names
from pytest_h7.twin.peripherals.adc import ADCS, Adc, AdcCommon
from pytest_h7.twin.peripherals.analog_amplifiers import Amplifiers
from pytest_h7.twin.peripherals.analog_comparators import Comparators
from pytest_h7.twin.peripherals.analog_reference import Vrefbuf
from pytest_h7.twin.peripherals.bdma import Bdma
from pytest_h7.twin.peripherals.crc import Crc
from pytest_h7.twin.peripherals.dac import Dac
from pytest_h7.twin.peripherals.dma import Dma
from pytest_h7.twin.peripherals.dma2d import Dma2d
from pytest_h7.twin.peripherals.dmamux import Dmamux
from pytest_h7.twin.peripherals.fdcan import FDCANS, Fdcan, FdcanCalibration, MessageRam
from pytest_h7.twin.peripherals.fmc import Fmc
from pytest_h7.twin.peripherals.i2c import I2CS, I2c
from pytest_h7.twin.peripherals.inert import ANSWERS, STORAGE, Inert, Storage
from pytest_h7.twin.peripherals.low_power_timer import LowPowerTimer
from pytest_h7.twin.peripherals.mdma import Mdma
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.quadspi import Quadspi
from pytest_h7.twin.peripherals.rng import Rng
from pytest_h7.twin.peripherals.sdmmc import SDMMCS, Sdmmc
from pytest_h7.twin.peripherals.spi import Spi
from pytest_h7.twin.peripherals.spi_settings import SPIS
from pytest_h7.twin.peripherals.timer import Timer
from pytest_h7.twin.peripherals.timer_features import FEATURES
from pytest_h7.twin.peripherals.usart import USARTS, Usart
from pytest_h7.twin.peripherals.usb import USBS, UsbOtg
from pytest_h7.twin.peripherals.watchdog_independent import IndependentWatchdog
from pytest_h7.twin.peripherals.watchdog_window import WindowWatchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_h7.twin.mcu import Mcu


def create_models(mcu: Mcu) -> Iterator[Peripheral]:
    """Yield a model of every peripheral that `mcu` does not have yet; of some, only the registers."""
    yield from _dma_controllers(mcu)
    yield from (Usart(mcu, name) for name in USARTS)
    yield Crc(mcu)
    yield Rng(mcu)
    yield from _analog_models(mcu)
    yield from _unconnected_models(mcu)
    yield from (Spi(mcu, name) for name in SPIS)
    yield from (I2c(mcu, name) for name in I2CS)
    yield IndependentWatchdog(mcu, "IWDG1", "cm7")
    yield IndependentWatchdog(mcu, "IWDG2", "cm4")
    yield WindowWatchdog(mcu, "WWDG1", "cm7", "pclk3")
    yield WindowWatchdog(mcu, "WWDG2", "cm4", "pclk1")
    yield from (Timer(mcu, name) for name in FEATURES)
    yield from (LowPowerTimer(mcu, f"LPTIM{number}") for number in range(1, 6))
    for name in peripheral_names():
        if name not in mcu.peripherals and not name.startswith("RCC_"):
            yield Peripheral(mcu, name)


def _dma_controllers(mcu: Mcu) -> Iterator[Peripheral]:
    streams = Dma(mcu, "DMA1"), Dma(mcu, "DMA2")
    channels = Bdma(mcu)
    yield from (*streams, channels)
    yield Dmamux(mcu, "DMAMUX1", streams)
    yield Dmamux(mcu, "DMAMUX2", (channels,))
    yield Mdma(mcu, streams)


def _analog_models(mcu: Mcu) -> Iterator[Peripheral]:
    common = {name: AdcCommon(mcu, name) for name in ADCS.values()}
    yield from common.values()
    yield from (Adc(mcu, name, common[shared]) for name, shared in ADCS.items())
    yield from (Dac(mcu), Vrefbuf(mcu), Comparators(mcu), Amplifiers(mcu))


def _unconnected_models(mcu: Mcu) -> Iterator[Peripheral]:
    """Peripherals that have nothing at their other end."""
    ram = MessageRam(mcu)
    yield from (ram, FdcanCalibration(mcu))
    yield from (Fdcan(mcu, name, ram) for name in FDCANS)
    yield from (UsbOtg(mcu, name) for name in USBS)
    yield from (Sdmmc(mcu, name) for name in SDMMCS)
    yield from (Quadspi(mcu), Fmc(mcu), Dma2d(mcu))
    yield from (Inert(mcu, name) for name in ANSWERS)
    yield from (Storage(mcu, name) for name in STORAGE)
