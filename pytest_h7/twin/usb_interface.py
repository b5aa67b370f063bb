"""The USB side of the virtual ST-LINK: opening, transfers, and the errors of a cable that is not there."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pytest_h7.twin.faults import Fault
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_h7.twin.stlink import VirtualStlink

MAXIMUM_PACKET = 512
"""Size of a high-speed bulk packet, which bounds a memory command in bytes."""

_IO = ("Input/Output Error", -1, 5)
_NO_DEVICE = ("No such device (it may have been disconnected)", -4, 19)
_BUSY = ("Resource busy", -6, 16)
_TIMEOUT = ("Operation timed out", -7, 110)
"""Text, libusb's error code and errno of a USB error."""


class UsbInterface:
    """The debug interface of a `VirtualStlink` as one program sees it: what pyOCD's ST-LINK driver wants."""

    def __init__(self, device: VirtualStlink) -> None:
        self._device = device
        self._enumeration = device.enumeration
        self._is_open = False
        self._late: deque[bytes] = deque()
        self.serial_number = device.serial_number
        self.vendor_name = device.vendor_name
        self.product_name = device.product_name
        self.version_name = device.version_name
        self.max_packet_size = MAXIMUM_PACKET

    @property
    def is_open(self) -> bool:
        """Whether this program has opened the interface, and not closed it since."""
        return self._is_open

    @property
    def _is_there(self) -> bool:
        return self._device.plugged and self._device.enumeration == self._enumeration

    def open(self) -> None:
        """Claim the interface; answers that nobody has read are thrown away.

        Raises:
            usb.core.USBError: The device is unplugged (errno 19) or in use (errno 16), as libusb says it.
        """
        assert not self._is_open
        if not self._is_there:
            raise _usb_error(_NO_DEVICE)
        if self._device.claimed_elsewhere or self._device.claimed_by is not None:
            raise _usb_error(_BUSY)
        self._device.claimed_by = self
        self._is_open = True
        self._late.clear()

    def close(self) -> None:
        """Release the interface."""
        assert self._is_open
        self._is_open = False
        if self._device.claimed_by is self:
            self._device.claimed_by = None

    def transfer(
        self,
        cmd: Sequence[int],
        writeData: Sequence[int] | None = None,  # noqa: N803
        readSize: int | None = None,  # noqa: N803
        timeout: int = 1000,
    ) -> bytearray | None:
        """Send a command and get `readSize` bytes of answer; arguments are named as pyOCD passes them.

        Raises:
            pyocd.core.exceptions.ProbeError: The device is unplugged, does not answer within `timeout`
                milliseconds, or not with all it should.
        """
        assert self._is_open
        faults, fault = self._device.faults, None
        if faults is not None:
            fault = faults.before_transfer(has_answer=readSize is not None)
        if not self._is_there:
            raise _probe_error(_NO_DEVICE)
        if fault is Fault.USB_ERROR:
            raise _probe_error(_IO)
        if fault is Fault.TIMEOUT and readSize is None:
            self._device.wait(timeout * PS_PER_MS)
            raise _probe_error(_TIMEOUT)
        answer = self._device.execute(bytes(cmd).ljust(16, b"\0"), bytes(writeData or b""))
        if readSize is None:
            return None
        if fault is Fault.TIMEOUT:
            self._late.append(answer)
            self._device.wait(timeout * PS_PER_MS)
            raise _probe_error(_TIMEOUT)
        if self._late:
            self._late.append(answer)
            answer = self._late.popleft()
        elif fault is not Fault.SHORT_REPLY:
            return bytearray(answer.ljust(readSize, b"\0")[:readSize])
        if fault is Fault.SHORT_REPLY:
            answer = answer[: readSize // 2]
        if len(answer) < readSize:
            raise _short_reply(len(answer), readSize)
        return bytearray(answer[:readSize])

    def read_swv(self, size: int, timeout: int = 1000) -> bytearray:  # noqa: ARG002
        """Read trace data; there never is any."""
        return bytearray(size)


def _usb_error(error: tuple[str, int, int]) -> Exception:
    from usb.core import USBError

    usb_error: Exception = USBError(*error)
    return usb_error


def _probe_error(error: tuple[str, int, int]) -> Exception:
    """Return what pyOCD's driver makes of a USB error of a transfer."""
    from pyocd.core.exceptions import ProbeError

    probe_error: Exception = ProbeError(f"USB Error: {_usb_error(error)}")
    probe_error.__cause__ = _usb_error(error)
    return probe_error


def _short_reply(length: int, expected: int) -> Exception:
    """Return what pyOCD's driver makes of an answer that is too short."""
    from pyocd.core.exceptions import ProbeError

    error: Exception = ProbeError(
        f"received incomplete command response from STLink (got {length}, expected {expected}"
    )
    return error
