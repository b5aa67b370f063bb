"""The debug topology of the STM32H755 as it is known, in place of a walk through its ROM tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from pyocd.coresight.discovery import ADIv5Discovery

from pytest_h7.chip.coresight import AccessPortInfo, access_ports

if TYPE_CHECKING:
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


class FixedTopology(ADIv5Discovery):
    """Discovery that knows its result: four access ports, and a core behind two of them if it answers."""

    def discover(self) -> None:
        """Create the access ports that are missing and the cores that can be reached."""
        for info in access_ports():
            self.target.access_port(info.apsel)
        self.target.attach_core(0)
        self.target.attach_core(3)
