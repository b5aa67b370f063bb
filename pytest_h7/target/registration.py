"""Making the target known to pyOCD, which the entry point of the virtual probe does by itself."""

from __future__ import annotations

from pyocd.core.options import add_option_set
from pyocd.target import TARGET

from pytest_h7.target.stm32h755 import OPTIONS, STM32H755


def register() -> None:
    """Give pyOCD the targets ``stm32h755xx`` and ``stm32h755zitx`` and their session options."""
    add_option_set(OPTIONS)
    for name in ("stm32h755xx", "stm32h755zitx"):
        TARGET.setdefault(name, STM32H755)
