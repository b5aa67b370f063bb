"""The debug topology of the STM32H755 as it is known, in place of a walk through its ROM tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyocd.core import exceptions
from pyocd.coresight.ap import (
    AP_IDR_CLASS_MASK,
    AP_IDR_CLASS_SHIFT,
    AP_IDR_JEP106_MASK,
    AP_IDR_JEP106_SHIFT,
    AP_IDR_TYPE_MASK,
    AP_IDR_VARIANT_MASK,
    AP_IDR_VARIANT_SHIFT,
    AP_TYPE_MAP,
    HPROT_CACHEABLE,
    MEM_AP,
    AccessPort,
    APv1Address,
)
from pyocd.coresight.dap import ABORT_DAPABORT, DP_ABORT
from pyocd.coresight.discovery import ADIv5Discovery

from pytest_h7.chip.coresight import AccessPortInfo, access_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyocd.coresight.dap import DebugPort


def create_access_port(dp: DebugPort, info: AccessPortInfo) -> MEM_AP:
    """Make pyOCD's object for an access port out of what is known of it, without asking the hardware."""
    idr = info.idr
    kind = (
        (idr & AP_IDR_JEP106_MASK) >> AP_IDR_JEP106_SHIFT,
        (idr & AP_IDR_CLASS_MASK) >> AP_IDR_CLASS_SHIFT,
        (idr & AP_IDR_VARIANT_MASK) >> AP_IDR_VARIANT_SHIFT,
        idr & AP_IDR_TYPE_MASK,
    )
    name, port_class, flags = AP_TYPE_MAP[kind]
    port: Any = port_class(dp, APv1Address(info.apsel), idr, name, flags)
    AccessPort.init(port)
    port.original_csw = info.csw
    if info.apsel == 0:
        # Through CM7's data cache, or the debugger would see memory behind dirty lines.
        port.hprot |= HPROT_CACHEABLE
    else:
        port.hprot = port.hprot  # encodes it into CSW
    return port


_ACCESSES = (
    "read_memory",
    "write_memory",
    "read_memory_block8",
    "write_memory_block8",
    "read_memory_block32",
    "write_memory_block32",
)


def abort_stuck_accesses(port: Any) -> None:
    """Have every access that ends in WAIT aborted, or all later ones, through any port, would wait as well.

    pyOCD aborts by itself only where the probe does not handle memory accesses.
    """
    if getattr(port, "aborts_stuck_accesses", False):
        return

    def aborting(access: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return access(*args, **kwargs)
            except exceptions.TransferTimeoutError:
                port.dp.write_reg(DP_ABORT, ABORT_DAPABORT)
                raise

        return guarded

    for name in _ACCESSES:
        setattr(port, name, aborting(getattr(port, name)))
    port.aborts_stuck_accesses = True


class FixedTopology(ADIv5Discovery):
    """Discovery that knows its result: four access ports, and a core behind two of them if it answers."""

    def discover(self) -> None:
        """Create the access ports that are missing and the cores that can be reached."""
        for info in access_ports():
            self.target.access_port(info.apsel)
        self.target.attach_core(0)
        self.target.attach_core(3)
