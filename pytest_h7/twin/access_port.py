"""The four access ports, the debugger's ways into the chip (RM0399 63.4.2; Arm IHI0031C chapter 7)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS, AccessPortInfo, access_ports
from pytest_h7.twin.bus import BusFault, BusStalled, Master
from pytest_h7.twin.coresight_pages import CoreSightPages

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

_CSW, _TAR, _DRW, _BD0, _BD3, _BASE, _IDR = 0x00, 0x04, 0x0C, 0x10, 0x1C, 0xF8, 0xFC

CSW_SIZE = 0x7
CSW_SINGLE_INCREMENT = 0x10
CSW_DEVICE_ENABLED = 0x40
CSW_DBGSWEN = 0x8000_0000
_SIZE_WORD = 2

_PPB = range(0xE000_0000, 0xE010_0000)
_IN_THE_CORE = ("SCS", "DWT", "FPB", "ITM", "CTI")
"""Components on a core's private bus whose registers the core has."""

_DHCSR = 0xE000_EDF0
_DEMCR = 0xE000_EDFC


class ClosedPolicy(enum.Enum):
    """What AP0 or AP3 answers for memory while its core has no clock; not known of the hardware."""

    ZERO = "zero"
    FAULT = "fault"
    WAIT = "wait"


class AccessPortBusy(Exception):
    """The access hangs on the chip's side: the debug port answers WAIT until it ends or is aborted."""


class AccessPort:
    """A MEM-AP: CSW, TAR, DRW and BD0 to BD3 in front of a bus that a subclass knows.

    Packed increments are not offered: CSW.ADDRINC has one bit.
    """

    writable_csw = 0x5F00_0000 | CSW_SINGLE_INCREMENT
    """SPROT, PROT and ADDRINC."""

    wrap = 0x400
    """TAR counts up within a block of this many bytes (Arm IHI0031C 7.5.4)."""

    def __init__(self, mcu: Mcu, info: AccessPortInfo, master: Master) -> None:
        self._mcu = mcu
        self._master = master
        self.info = info
        self.apsel = info.apsel
        self._csw = info.csw
        self._tar = 0

    def power_on_reset(self) -> None:
        """Take the state that the access port has after power-on."""
        self._csw = self.info.csw
        self._tar = 0

    @property
    def dbgswen(self) -> bool:
        """CSW bit 31: whether software reaches the bus behind the port."""
        return bool(self._csw & CSW_DBGSWEN)

    def read(self, register: int) -> int:
        """Return the register at offset `register`; raise BusFault or AccessPortBusy for DRW and BDn."""
        if register == _CSW:
            return self._csw | CSW_DEVICE_ENABLED
        if register == _TAR:
            return self._tar
        if register == _DRW:
            size = 1 << (self._csw & CSW_SIZE)
            lane = 8 * (self._tar & 3 & -size)
            value = self.load(self._tar & -size, size) << lane
            self._advance(size)
            return value
        if _BD0 <= register <= _BD3:
            return self.load(self._banked(register), 4)
        return {_BASE: self.info.base, _IDR: self.info.idr}.get(register, 0)

    def write(self, register: int, value: int) -> None:
        """Write the register at offset `register`; raise BusFault or AccessPortBusy for DRW and BDn."""
        if register == _CSW:
            self.set_csw(value)
        elif register == _TAR:
            self._tar = value
        elif register == _DRW:
            size = 1 << (self._csw & CSW_SIZE)
            lane = 8 * (self._tar & 3 & -size)
            self.store(self._tar & -size, size, value >> lane & (1 << 8 * size) - 1)
            self._advance(size)
        elif _BD0 <= register <= _BD3:
            self.store(self._banked(register), 4, value)

    def set_csw(self, value: int) -> None:
        """Write CSW; a size that is not implemented leaves the old one."""
        size = value & CSW_SIZE if value & CSW_SIZE <= _SIZE_WORD else self._csw & CSW_SIZE
        self._csw = (self.info.csw & ~(self.writable_csw | CSW_SIZE)) | value & self.writable_csw | size

    def read_block(self, address: int, size: int, length: int) -> bytes:
        """Return `length` bytes read in units of `size`; raise BusFault with the unit that failed."""
        return b"".join(
            self.load(unit, size).to_bytes(size, "little") for unit in range(address, address + length, size)
        )

    def write_block(self, address: int, size: int, data: bytes) -> None:
        """Write bytes in units of `size`; raise BusFault with the unit that failed."""
        for offset in range(0, len(data), size):
            unit = int.from_bytes(data[offset : offset + size], "little")
            self.store(address + offset, size, unit)

    def load(self, address: int, size: int) -> int:
        """Read from the bus behind the port."""
        raise NotImplementedError

    def store(self, address: int, size: int, value: int) -> None:
        """Write to the bus behind the port."""
        raise NotImplementedError

    def _banked(self, register: int) -> int:
        return self._tar & ~0xF | register & 0xC

    def _advance(self, size: int) -> None:
        if self._csw & CSW_SINGLE_INCREMENT:
            within = self.wrap - 1
            self._tar = self._tar & ~within | self._tar + size & within


class BusAccessPort(AccessPort):
    """AP1: straight into the bus matrix of D3, whatever the cores do."""

    def load(self, address: int, size: int) -> int:
        """Read from the bus matrix."""
        try:
            return self._mcu.read(address, size, self._master)
        except BusStalled:
            raise AccessPortBusy from None

    def store(self, address: int, size: int, value: int) -> None:
        """Write to the bus matrix."""
        try:
            self._mcu.write(address, size, value, self._master)
        except BusStalled:
            raise AccessPortBusy from None

    def read_block(self, address: int, size: int, length: int) -> bytes:
        """Return `length` bytes, in one go where they are plain memory."""
        data = self._mcu.read_block(address, length, self._master)
        return data if data is not None else super().read_block(address, size, length)

    def write_block(self, address: int, size: int, data: bytes) -> None:
        """Write bytes, in one go where they are plain memory."""
        if not self._mcu.write_block(address, data, self._master):
            super().write_block(address, size, data)


class CoreAccessPort(BusAccessPort):
    """AP0 and AP3: through a core, so only while that core has its clock.

    Args:
        mcu: The chip.
        info: Identification of the port.
        master: The bus master it acts as.
        core: ``"cm7"`` or ``"cm4"``.
    """

    closed_policy = ClosedPolicy.FAULT
    """What memory accesses answer while the core has no clock."""

    def __init__(self, mcu: Mcu, info: AccessPortInfo, master: Master, core: str) -> None:
        super().__init__(mcu, info, master)
        self._core = mcu.cores[core]
        self._pages = CoreSightPages(info.apsel)

    def load(self, address: int, size: int) -> int:
        """Read from the core's map."""
        if not self._open(address):
            return 0
        if address not in _PPB:
            return super().load(address, size)
        lane = 8 * (address & 3)
        return self._load_private(address & ~3) >> lane & (1 << 8 * size) - 1

    def store(self, address: int, size: int, value: int) -> None:
        """Write to the core's map."""
        if not self._open(address):
            return
        if address not in _PPB:
            super().store(address, size, value)
            return
        if size != 4:
            lane = 8 * (address & 3)
            mask = (1 << 8 * size) - 1 << lane
            value = self._load_private(address & ~3) & ~mask | value << lane & mask
        self._store_private(address & ~3, value)

    def read_block(self, address: int, size: int, length: int) -> bytes:
        """Return `length` bytes of the core's map."""
        if address in _PPB:
            return AccessPort.read_block(self, address, size, length)
        return super().read_block(address, size, length) if self._open(address) else bytes(length)

    def write_block(self, address: int, size: int, data: bytes) -> None:
        """Write bytes to the core's map."""
        if address in _PPB:
            AccessPort.write_block(self, address, size, data)
        elif self._open(address):
            super().write_block(address, size, data)

    def _open(self, address: int) -> bool:
        """Return whether the core can serve the access; act by the policy if it cannot.

        Under NRST pyOCD's STM32H743 target arms the reset catch of the Cortex-M7 with success, while reading
        its identification fails (pyOCD issue 1148).
        """
        if self._mcu.core_clocked(self._core.name):
            return True
        if self._mcu.nrst_asserted and self._core.name == "cm7":
            if address in (_DHCSR, _DEMCR):
                return True
            raise BusFault(address)
        if self.closed_policy is ClosedPolicy.FAULT:
            raise BusFault(address)
        if self.closed_policy is ClosedPolicy.WAIT:
            raise AccessPortBusy
        return False

    def _load_private(self, address: int) -> int:
        word = self._pages.identification(address)
        if word is not None:
            return word
        component = self._pages.component(address)
        if component is not None and component.name not in _IN_THE_CORE:
            return self._pages.read(address)
        return self._core.read_debug(address)

    def _store_private(self, address: int, value: int) -> None:
        component = self._pages.component(address)
        if component is not None and component.name not in _IN_THE_CORE:
            self._pages.write(address, value)
        else:
            self._core.write_debug(address, value)


class CortexM4AccessPort(CoreAccessPort):
    """AP3, the Cortex-M4's own AHB-AP (Arm DDI0439B chapter 8): with CSW.MASTERTYPE, counting up in 4 KB."""

    writable_csw = CoreAccessPort.writable_csw | 0x2000_0000
    wrap = 0x1000


class DebugBusAccessPort(AccessPort):
    """AP2: the debug APB with the system's CoreSight components and DBGMCU; word accesses only.

    Parts in D1 need DBGMCU_CR.D1DBGCKEN and fault without (pyOCD issues 1404 and 1499); SWO and the funnel
    beside it need D3DBGCKEN and read zero without.
    """

    writable_csw = CSW_DBGSWEN | CSW_SINGLE_INCREMENT

    _BUS: ClassVar = range(0xE00E_0000, 0xE010_0000)
    _DBGMCU: ClassVar = range(DBGMCU_AP2_ADDRESS, DBGMCU_AP2_ADDRESS + 0x1000)
    _IN_D1: ClassVar = range(0xE00F_0000, 0xE010_0000)
    _CTI: ClassVar = 0xE00F_1000
    _D3_CLOCKED = ("SWO", "SWTF")

    def __init__(self, mcu: Mcu, info: AccessPortInfo, master: Master) -> None:
        super().__init__(mcu, info, master)
        self._pages = CoreSightPages(info.apsel)

    def power_on_reset(self) -> None:
        """Reset the port and the components behind it."""
        super().power_on_reset()
        self._pages = CoreSightPages(self.apsel)

    def set_csw(self, value: int) -> None:
        """Write CSW; the size is always a word."""
        super().set_csw(value & ~CSW_SIZE | _SIZE_WORD)

    def load(self, address: int, size: int) -> int:
        """Read a word of the debug APB."""
        if self._reaches_dbgmcu(address, size):
            return self._mcu.dbgmcu.read(address - DBGMCU_AP2_ADDRESS, 4, self._master)
        if not self._clocked(address):
            return 0
        if self._mcu.system_cti.answers(address - self._CTI):
            return self._mcu.system_cti.read(address - self._CTI)
        return self._pages.read(address)

    def store(self, address: int, size: int, value: int) -> None:
        """Write a word of the debug APB."""
        if self._reaches_dbgmcu(address, size):
            self._mcu.dbgmcu.write(address - DBGMCU_AP2_ADDRESS, 4, value, self._master)
        elif self._clocked(address):
            if self._mcu.system_cti.answers(address - self._CTI):
                self._mcu.system_cti.write(address - self._CTI, value)
            else:
                self._pages.write(address, value)

    def _reaches_dbgmcu(self, address: int, size: int) -> bool:
        if size != 4 or address not in self._BUS:
            raise BusFault(address)
        return address in self._DBGMCU

    def _clocked(self, address: int) -> bool:
        if address in self._IN_D1:
            if not self._mcu.dbgmcu.field("CR", "DBG_CKD1EN"):
                raise BusFault(address)
            return True
        component = self._pages.component(address)
        if component is not None and component.name in self._D3_CLOCKED:
            return bool(self._mcu.dbgmcu.field("CR", "DBG_CKD3EN"))
        return True


def create_access_ports(mcu: Mcu) -> list[AccessPort]:
    """Return AP0 to AP3 of `mcu`, in order."""
    ap0, ap1, ap2, ap3 = access_ports()
    return [
        CoreAccessPort(mcu, ap0, Master.AP0, "cm7"),
        BusAccessPort(mcu, ap1, Master.AP1),
        DebugBusAccessPort(mcu, ap2, Master.AP2),
        CortexM4AccessPort(mcu, ap3, Master.AP3, "cm4"),
    ]
