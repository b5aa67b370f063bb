"""The USB side of the virtual ST-LINK: opening, transfers, and the errors of a cable that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_h7.twin.stlink import VirtualStlink

MAXIMUM_PACKET = 512
"""Size of a high-speed bulk packet, which bounds a memory command in bytes."""

_NO_DEVICE = ("No such device (it may have been disconnected)", -4, 19)
_BUSY = ("Resource busy", -6, 16)
"""Text, libusb's error code and errno of a USB error."""


class UsbInterface:
    """The debug interface of a `VirtualStlink` as one program sees it: what pyOCD's ST-LINK driver wants."""

    def __init__(self, device: VirtualStlink) -> None:
        self._device = device
        self.serial_number = device.serial_number
        self.vendor_name = device.vendor_name
        self.product_name = device.product_name
        self.version_name = device.version_name
        self.max_packet_size = MAXIMUM_PACKET

    @property
    def is_open(self) -> bool:
        """Whether this program has claimed the interface."""
        return self._device.claimed_by is self

    def open(self) -> None:
        """Claim the interface.

        Raises:
            usb.core.USBError: The device is unplugged (errno 19) or in use (errno 16), as libusb says it.
        """
        assert not self.is_open
        if not self._device.plugged:
            raise _usb_error(_NO_DEVICE)
        if self._device.claimed_elsewhere or self._device.claimed_by is not None:
            raise _usb_error(_BUSY)
        self._device.claimed_by = self

    def close(self) -> None:
        """Release the interface."""
        assert self.is_open
        self._device.claimed_by = None

    def transfer(
        self,
        cmd: Sequence[int],
        writeData: Sequence[int] | None = None,  # noqa: N803
        readSize: int | None = None,  # noqa: N803
        timeout: int = 1000,  # noqa: ARG002
    ) -> bytearray | None:
        """Send a command and get `readSize` bytes of answer; arguments are named as pyOCD passes them.

        Raises:
            pyocd.core.exceptions.ProbeError: The device is unplugged.
        """
        assert self.is_open
        if not self._device.plugged:
            from pyocd.core.exceptions import ProbeError

            error = _usb_error(_NO_DEVICE)
            raise ProbeError(f"USB Error: {error}") from error
        answer = self._device.execute(bytes(cmd).ljust(16, b"\0"), bytes(writeData or b""))
        return None if readSize is None else bytearray(answer.ljust(readSize, b"\0")[:readSize])

    def read_swv(self, size: int, timeout: int = 1000) -> bytearray:  # noqa: ARG002
        """Read trace data; there never is any."""
        return bytearray(size)


def _usb_error(error: tuple[str, int, int]) -> Exception:
    from usb.core import USBError

    usb_error: Exception = USBError(*error)
    return usb_error
