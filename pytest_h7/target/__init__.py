"""The STM32H755 for pyOCD: memory map, connect and reset sequences, cores, flash.

Works with any probe pyOCD knows; the ST-LINK is the one its transfers are counted for. `register` gives
pyOCD the target; it happens by itself where this package is installed, through the entry point of the
virtual probe.
"""

# While pyOCD is imported, it loads the entry points of probes, and with them this package. It has to be
# imported first, or it would find this package half loaded.
import pyocd.probe.aggregator  # noqa: F401


def register() -> None:
    """Make the targets ``stm32h755xx`` and ``stm32h755zitx`` and their session options known to pyOCD."""
    from pyocd.core.options import add_option_set
    from pyocd.target import TARGET

    from pytest_h7.target.stm32h755 import OPTIONS, STM32H755

    add_option_set(OPTIONS)
    for name in ("stm32h755xx", "stm32h755zitx"):
        TARGET.setdefault(name, STM32H755)
