"""The virtual ST-LINK V3E: the USB device that pyOCD's ST-LINK driver talks to.

The commands are those of the ST-LINK/V3 firmware as pyOCD (``pyocd/probe/stlink``) and OpenOCD
(``src/jtag/drivers/stlink_usb.c``) use them. Every command takes board time before it takes effect, so that a
test costs on the virtual board what it would cost at a real probe.
"""

from __future__ import annotations

import enum
import struct
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.access_port import CSW_DBGSWEN, CSW_SINGLE_INCREMENT, AccessPort
from pytest_h7.twin.bus import BusFault
from pytest_h7.twin.debug_port import (
    ABORT,
    CDBGPWRUPREQ,
    CSYSPWRUPREQ,
    CTRL_STAT,
    DPIDR,
    RDBUFF,
    SELECT,
    DebugPort,
    FaultAnswer,
    NoAnswer,
    WaitAnswer,
)
from pytest_h7.twin.faults import Fault, Faults
from pytest_h7.twin.resets import NOMINAL_SUPPLY
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, PS_PER_US
from pytest_h7.twin.usb_interface import MAXIMUM_PACKET, UsbInterface

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

ROUND_TRIP_TIME = 250 * PS_PER_US
"""A command with its answer over USB; the time stamps of the log in pyOCD issue 1504 are this far apart."""

BITS_PER_ACCESS = 46
"""SWD clocks of one access: 8 request, 3 acknowledge, 33 data, 2 turnaround (Arm IHI0031C B4.2)."""

NRST_PULSE_TIME = 5 * PS_PER_MS

MAXIMUM_BLOCK = 6144
"""Bytes of one memory command in words or half-words."""

FREQUENCIES_KHZ = (24_000, 8_000, 3_300, 1_000, 200, 50, 5)
_DEFAULT_FREQUENCY_KHZ = 1_000
_TAR_BLOCK = 0x400

_DP_PORT = 0xFFFF

_ADC_REFERENCE = 1489
"""Reading of the 1.2 V reference at 3.3 V, which the target voltage is computed from."""
_ADC_TARGET, _ADC_SUPPLY = 2047, 3300
"""Reading of the target's supply, and the supply in mV it stands for."""


class Status(enum.IntEnum):
    """First byte of an answer."""

    OK = 0x80
    GET_IDCODE_ERROR = 0x09
    ALIGNMENT_ERROR = 0x0A
    AP_WAIT = 0x10
    AP_FAULT = 0x11
    AP_ERROR = 0x12
    AP_PARITY_ERROR = 0x13
    DP_WAIT = 0x14
    DP_FAULT = 0x15
    DP_ERROR = 0x16
    DP_PARITY_ERROR = 0x17
    BAD_AP = 0x1D
    CONF_CHANGED = 0x40
    UNKNOWN_COMMAND = 0x42


class _Mode(enum.IntEnum):
    MASS_STORAGE = 0x01
    DEBUG = 0x02


class VirtualStlink:
    """An ST-LINK V3E with one board behind it.

    Args:
        mcu: The chip it debugs.
        serial_number: The USB serial number.

    Attributes:
        debug_port: The chip's debug port.
    """

    vendor_name = "STMicroelectronics"
    product_name = "STLINK-V3"
    version_name = "V3"
    jtag_version = 15
    vcp_version = 7
    board_id = b"0844"
    """NUCLEO-H755ZI-Q in pyOCD's list of boards."""

    def __init__(self, mcu: Mcu, serial_number: str) -> None:
        self._mcu = mcu
        self.debug_port = DebugPort(mcu)
        self.serial_number = serial_number
        self.enumeration = 0
        """How often it has been plugged in; a program that had it open before has to look for it again."""
        self.faults: Faults | None = None
        """What is still to go wrong, None for nothing."""
        self._plugged = True
        self._holds_nrst = False
        self._nrst_stuck = False
        self.claimed_elsewhere = False
        """Whether another program has the USB interface open."""
        self.transfers = 0
        """Commands received so far."""
        self.frequency_khz = _DEFAULT_FREQUENCY_KHZ
        self.claimed_by: UsbInterface | None = None
        self._mode = _Mode.MASS_STORAGE
        self._open_ports = {0}
        self._last_status = Status.OK
        self._fault_address = 0
        self._commands: dict[int, Callable[[bytes, bytes], bytes]] = {
            0xF1: self._get_version,
            0xF5: self._get_current_mode,
            0xF7: self._get_target_voltage,
            0xFB: self._get_version_ext,
        }
        self._debug_commands: dict[int, Callable[[bytes, bytes], bytes]] = {
            0x07: partial(self._read_memory, 4),
            0x08: partial(self._write_memory, 4),
            0x0C: partial(self._read_memory, 1),
            0x0D: partial(self._write_memory, 1),
            0x21: self._exit,
            0x30: self._enter_swd,
            0x3C: self._drive_nrst,
            0x3E: self._get_last_status,
            0x40: self._acknowledge,  # SWO: start, stop, and how many bytes have come
            0x41: self._acknowledge,
            0x42: lambda _command, _data: bytes(2),
            0x45: self._read_dap_register,
            0x46: self._write_dap_register,
            0x47: partial(self._read_memory, 2),
            0x48: partial(self._write_memory, 2),
            0x4B: self._open_port,
            0x4C: self._close_port,
            0x56: self._get_board_identifiers,
            0x61: self._set_frequency,
            0x62: self._get_frequencies,
            0x63: self._switch_own_frequency,
        }

    def interface(self) -> UsbInterface:
        """Return the USB interface for one more program, not yet open."""
        return UsbInterface(self)

    @property
    def plugged(self) -> bool:
        """Whether the USB cable is plugged in; a probe that is plugged in again starts anew."""
        return self._plugged

    @plugged.setter
    def plugged(self, plugged: bool) -> None:
        if plugged == self._plugged:
            return
        self._plugged = plugged
        if self._holds_nrst:
            self._hold_nrst(False)
        if plugged:
            self.enumeration += 1
            self.claimed_by = None
            self._mode = _Mode.MASS_STORAGE
            self._open_ports = {0}
            self.frequency_khz = _DEFAULT_FREQUENCY_KHZ

    @property
    def nrst_stuck(self) -> bool:
        """Whether something else than the probe holds NRST low."""
        return self._nrst_stuck

    @nrst_stuck.setter
    def nrst_stuck(self, stuck: bool) -> None:
        if stuck != self._nrst_stuck:
            self._nrst_stuck = stuck
            self._mcu.set_nrst(self._holds_nrst or stuck)

    def inject(self, fault: Fault, *, transfer: int = 0, seconds: float = 0.0, times: int = 1) -> None:
        """Let something go wrong, not before a number of transfers and a board time have passed.

        A fault that a transfer cannot show, such as WAIT for one that makes no access, waits for one that can.

        Args:
            fault: What goes wrong.
            transfer: How many transfers pass before.
            seconds: How much board time passes before.
            times: In how many transfers in a row, for faults of USB and of the line to the chip.
        """
        if self.faults is None:
            self.faults = Faults(self, self._mcu)
        self.faults.add(fault, transfer, seconds, times)

    def mend(self) -> None:
        """Take back what was injected: the cable is plugged in, NRST free, the supply as it should be."""
        self.faults = None
        self.plugged = True
        self.nrst_stuck = False
        if self._mcu.supply_millivolts != NOMINAL_SUPPLY:
            self._mcu.set_supply(NOMINAL_SUPPLY)

    def execute(self, command: bytes, data: bytes) -> bytes:
        """Carry out one command of 16 bytes with the data that follows it; return the answer."""
        self.transfers += 1
        self._mcu.run_for(ROUND_TRIP_TIME)
        if command[0] == 0xF2:
            handler = self._debug_commands.get(command[1], self._unknown)
        else:
            handler = self._commands.get(command[0], self._unknown)
        return handler(command, data)

    def wait(self, duration: int) -> None:
        """Let board time pass, in picoseconds, while the host waits for the probe."""
        self._mcu.run_for(duration)

    def _spend_accesses(self, count: int) -> None:
        self._mcu.run_for(count * BITS_PER_ACCESS * PS_PER_S // (self.frequency_khz * 1000))

    # -- the probe itself ---------------------------------------------------------------------------

    def _unknown(self, _command: bytes, _data: bytes) -> bytes:
        return _status(Status.UNKNOWN_COMMAND)

    def _acknowledge(self, _command: bytes, _data: bytes) -> bytes:
        return _status(Status.OK)

    def _get_version(self, _command: bytes, _data: bytes) -> bytes:
        return struct.pack(">HHH", 3 << 12, 0x8304, 0x4E37)

    def _get_version_ext(self, _command: bytes, _data: bytes) -> bytes:
        return struct.pack("<6B2xHH", 3, 0, self.jtag_version, self.vcp_version, 0, 0, 0x0483, 0x374E)

    def _get_current_mode(self, _command: bytes, _data: bytes) -> bytes:
        return bytes((self._mode, 0))

    def _get_target_voltage(self, _command: bytes, _data: bytes) -> bytes:
        return struct.pack("<II", _ADC_REFERENCE, _ADC_TARGET * self._mcu.supply_millivolts // _ADC_SUPPLY)

    def _get_board_identifiers(self, _command: bytes, _data: bytes) -> bytes:
        return _status(Status.OK) + self.board_id

    def _switch_own_frequency(self, _command: bytes, _data: bytes) -> bytes:
        return _status(Status.CONF_CHANGED)

    def _set_frequency(self, command: bytes, _data: bytes) -> bytes:
        (wanted,) = struct.unpack_from("<I", command, 4)
        self.frequency_khz = next(
            (frequency for frequency in FREQUENCIES_KHZ if frequency <= wanted), FREQUENCIES_KHZ[-1]
        )
        return struct.pack("<HHI", Status.OK, 0, self.frequency_khz)

    def _get_frequencies(self, _command: bytes, _data: bytes) -> bytes:
        words = (self.frequency_khz, len(FREQUENCIES_KHZ), *FREQUENCIES_KHZ)
        return _status(Status.OK) + bytes(2) + struct.pack(f"<{len(words)}I", *words)

    def _drive_nrst(self, command: bytes, _data: bytes) -> bytes:
        low, high, pulse = range(3)
        if command[2] in (low, pulse):
            self._hold_nrst(True)
        if command[2] == pulse:
            self._mcu.run_for(NRST_PULSE_TIME)
        if command[2] in (high, pulse):
            self._hold_nrst(False)
        return _status(Status.OK)

    def _hold_nrst(self, holds: bool) -> None:
        self._holds_nrst = holds
        self._mcu.set_nrst(holds or self._nrst_stuck)

    # -- debug port and access ports ------------------------------------------------------------------

    def _enter_swd(self, _command: bytes, _data: bytes) -> bytes:
        self._spend_accesses(4)
        try:
            self.debug_port.switch_to_swd()
            self.debug_port.write(CTRL_STAT, CSYSPWRUPREQ | CDBGPWRUPREQ)
        except NoAnswer:
            return _status(Status.GET_IDCODE_ERROR)
        self._mode = _Mode.DEBUG
        return _status(Status.OK)

    def _exit(self, _command: bytes, _data: bytes) -> bytes:
        self._mode = _Mode.MASS_STORAGE
        self._open_ports = {0}
        return _status(Status.OK)

    def _open_port(self, command: bytes, _data: bytes) -> bytes:
        if command[2] >= len(self.debug_port.access_ports):
            return _status(Status.BAD_AP)
        self._open_ports.add(command[2])
        return _status(Status.OK)

    def _close_port(self, command: bytes, _data: bytes) -> bytes:
        self._open_ports.discard(command[2])
        return _status(Status.OK)

    def _read_dap_register(self, command: bytes, _data: bytes) -> bytes:
        port, address = struct.unpack_from("<HH", command, 2)
        self._spend_accesses(3)
        value = 0

        def access() -> None:
            nonlocal value
            self._select(port, address)
            if port == _DP_PORT:
                value = self.debug_port.read(address & 0xC)
            else:
                self.debug_port.read_ap(address & 0xC)
                value = self.debug_port.read(RDBUFF)

        is_dp = port == _DP_PORT
        always = is_dp and address & 0xC in (DPIDR, CTRL_STAT)
        status = self._attempt(access, is_dp=is_dp, reads=True, can_be_refused=not always)
        return struct.pack("<HHI", status, 0, value)

    def _write_dap_register(self, command: bytes, _data: bytes) -> bytes:
        port, address, value = struct.unpack_from("<HHI", command, 2)
        self._spend_accesses(3)

        def access() -> None:
            self._select(port, address)
            if port == _DP_PORT:
                self.debug_port.write(address & 0xC, value)
            else:
                self.debug_port.write_ap(address & 0xC, value)
                self.debug_port.read(RDBUFF)

        is_dp = port == _DP_PORT
        always = is_dp and address & 0xC == ABORT
        return _status(self._attempt(access, is_dp=is_dp, reads=False, can_be_refused=not always))

    def _select(self, port: int, address: int) -> None:
        """Choose port and bank; only register 4 of the debug port is banked."""
        if port != _DP_PORT:
            self.debug_port.write(SELECT, port << 24 | address & 0xF0)
        elif address & 0xC == CTRL_STAT:
            self.debug_port.write(SELECT, address >> 4 & 0xF)

    def _attempt(
        self, access: Callable[[], None], *, is_dp: bool, reads: bool, can_be_refused: bool = True
    ) -> Status:
        """Make an access; return how it ended.

        Some accesses are answered whatever state the debug port is in (Arm IHI0031C B4.2.3).
        """
        fault = self.faults.on_the_line(can_be_refused=can_be_refused) if self.faults is not None else None
        try:
            if fault is Fault.WAIT:
                raise WaitAnswer
            if fault is Fault.FAULT:
                self.debug_port.set_sticky_error()
                raise FaultAnswer
            if fault is None or reads:
                access()
        except NoAnswer:
            return Status.DP_ERROR if is_dp else Status.AP_ERROR
        except FaultAnswer:
            return Status.DP_FAULT if is_dp else Status.AP_FAULT
        except WaitAnswer:
            return Status.DP_WAIT if is_dp else Status.AP_WAIT
        if fault is Fault.PARITY:
            return Status.DP_PARITY_ERROR if is_dp else Status.AP_PARITY_ERROR
        return Status.OK

    # -- memory -----------------------------------------------------------------------------------------

    def _get_last_status(self, _command: bytes, _data: bytes) -> bytes:
        return struct.pack("<HHII", self._last_status, 0, self._fault_address, 0)

    def _read_memory(self, size: int, command: bytes, _data: bytes) -> bytes:
        address, length = struct.unpack_from("<IH", command, 2)
        result = bytes(length)

        def transfer(port: AccessPort) -> None:
            nonlocal result
            result = port.read_block(address, size, length)

        self._memory_command(size, command, transfer, reads=True)
        return result

    def _write_memory(self, size: int, command: bytes, data: bytes) -> bytes:
        (address,) = struct.unpack_from("<I", command, 2)
        self._memory_command(size, command, lambda port: port.write_block(address, size, data), reads=False)
        return b""

    def _memory_command(
        self, size: int, command: bytes, transfer: Callable[[AccessPort], None], *, reads: bool
    ) -> None:
        address, length, apsel = struct.unpack_from("<IHB", command, 2)
        csw = int.from_bytes(command[9:12], "little") << 8
        self._fault_address = address
        limit = MAXIMUM_PACKET if size == 1 else MAXIMUM_BLOCK
        if address % size or length % size or length > limit:
            self._last_status = Status.ALIGNMENT_ERROR
            return
        if apsel not in self._open_ports:
            self._last_status = Status.BAD_AP
            return
        blocks = (address % _TAR_BLOCK + length - 1) // _TAR_BLOCK + 1
        self._spend_accesses(2 + blocks + length // size)

        def burst(port: AccessPort) -> None:
            # The probe keeps DBGSWEN set whatever the host asks for (pyOCD pull request 1321).
            port.set_csw(csw | CSW_DBGSWEN | CSW_SINGLE_INCREMENT | size >> 1)
            transfer(port)

        def access() -> None:
            try:
                self.debug_port.burst(apsel, burst)
            except BusFault as fault:
                self._fault_address = fault.address
                raise FaultAnswer from None

        self._last_status = self._attempt(access, is_dp=False, reads=reads)


def _status(status: Status) -> bytes:
    return struct.pack("<H", status)
