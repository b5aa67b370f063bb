"""The STM32H755 for pyOCD: memory map, connect and reset sequences, cores, flash.

Works with any probe pyOCD knows; the ST-LINK is the one its transfers are counted for.
"""

# While pyOCD is imported, it loads the entry points of probes, and with them this package. It has to be
# imported first, or it would find this package half loaded.
import pyocd.probe.aggregator  # noqa: F401
