"""Which model stands for which peripheral, beyond those the chip itself is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.registers import peripheral_names
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_h7.twin.mcu import Mcu


def create_models(mcu: Mcu) -> Iterator[Peripheral]:
    """Yield a model of every peripheral that `mcu` does not have yet; of some, only the registers."""
    for name in peripheral_names():
        if name not in mcu.peripherals and not name.startswith("RCC_"):
            yield Peripheral(mcu, name)
