"""The virtual board as a pyOCD debug probe: ``h7twin:`` and ``h7twin:NAME`` in pyOCD's own tools."""

# While pyOCD is imported, it loads the entry points of probes, and with them this package. It has to be
# imported first, or it would find this package half loaded.
import pyocd.probe.aggregator  # noqa: F401
