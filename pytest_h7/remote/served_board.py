"""A board of this machine, as its server uses it: its ST-LINK, its console, and the services of a virtual one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.probes import board_behind, find_probe, reserve_probe
from pytest_h7.bench.serial_ports import port_of
from pytest_h7.bench.settings import twin_name
from pytest_h7.errors import H7Error, InfrastructureError

if TYPE_CHECKING:
    from pytest_h7.bench.settings import Settings
    from pytest_h7.remote.protocol import Message

_RELEASE_NRST = (0xF2, 0x3C, 0x01)
_BAUD_RATE = 115_200


class ServedBoard:
    """A board and its lease, until `close`.

    Args:
        settings: Which board.
        announce: Tells the user what this waits for.

    Attributes:
        serial: The serial number of its probe.
        said: What its console has said that the run has not read; for a virtual board.

    Raises:
        InfrastructureError: there is none, somebody else has it, or its probe is no ST-LINK.
    """

    def __init__(self, settings: Settings, announce: Callable[[str], None]) -> None:
        self._settings = settings
        driver, self._lease = reserve_probe(settings, announce)
        self._use(driver)
        self.serial: str = self._device.serial_number
        self.said = bytearray()
        self._console: Any = None
        board = self._board
        if board is not None:
            from pytest_h7.bench.virtual import TwinClock, TwinPower, TwinStimulus

            self._clock, self._power = TwinClock(board), TwinPower(board)
            self._stimulus = TwinStimulus(board)
        self._actions: dict[str, Callable[[Message, bytes], bytes]] = {
            "usb": self._transfer,
            "open": self._open,
            "close": lambda _message, _data: self._close_device(),
        }
        if board is not None:
            self._actions |= {
                "sleep": self._sleep,
                "power": self._cycle,
                "drive": self._drive,
                "release": self._release,
                "release_all": lambda _message, _data: self._release_all(),
                "ap3": self._set_closed_policy,
                "read": self._read_console,
                "write": lambda _message, data: self._write_console(data),
            }
        self._open_console()

    def _use(self, driver: Any) -> None:
        from pyocd.probe.stlink_probe import StlinkProbe

        if not isinstance(driver, StlinkProbe):
            self.close()
            raise InfrastructureError(
                f"The probe {driver.unique_id} is no ST-LINK: only the commands of an ST-LINK can be served."
            )
        self._board = board_behind(driver)
        self._device: Any = driver._link._device

    def describe(self) -> Message:
        """Return what a run has to know about the board."""
        device = self._device
        return {
            "serial": self.serial,
            "vendor": device.vendor_name,
            "product": device.product_name,
            "version": device.version_name,
            "packet": device.max_packet_size,
            "virtual": self._board is not None,
            "keeps": self._lease is not None,
            "console": self._console is not None,
            **self.state(),
        }

    def state(self) -> Message:
        """Return what each answer tells of a virtual board."""
        if self._board is None:
            return {}
        return {"time": self._board.time(), "said": len(self.said)}

    def carry_out(self, message: Message, data: bytes) -> bytes:
        """Do what a run asks for; return the bytes of the answer.

        Raises:
            H7Error: this is nothing that can be asked for, or it is refused.
            Exception: what the probe raises.
        """
        action = self._actions.get(str(message.get("do")))
        if action is None:
            raise H7Error(f"The board {self.serial} has no {message.get('do')!r}.")
        return action(message, data)

    # -- the probe ------------------------------------------------------------------------------------

    def _open(self, _message: Message, _data: bytes) -> bytes:
        import usb.core

        if self._device.is_open:
            return b""
        try:
            self._device.open()
        except usb.core.USBError:
            # It may have been plugged in again, and is another USB device since.
            selection = self._settings.probe if twin_name(self._settings.probe) is not None else self.serial
            self._use(find_probe(selection, self._settings.board_description))
            self._device.open()
        return b""

    def _close_device(self) -> bytes:
        if self._device.is_open:
            self._device.close()
        return b""

    def _transfer(self, message: Message, data: bytes) -> bytes:
        answers, answer = bytearray(), b""
        place = 0
        for command_length, data_length, answer_length, timeout, only_after in message["commands"]:
            if only_after is not None and answer[:1] != bytes((only_after,)):
                break
            command = data[place : place + command_length]
            place += command_length
            content = data[place : place + data_length] or None
            place += data_length
            answer = bytes(self._device.transfer(command, content, answer_length, timeout) or b"")
            answers += answer
        return bytes(answers)

    # -- a virtual board ------------------------------------------------------------------------------

    def _sleep(self, message: Message, _data: bytes) -> bytes:
        self._clock.sleep(float(message["seconds"]))
        return b""

    def _cycle(self, message: Message, _data: bytes) -> bytes:
        self._power.cycle(float(message["seconds"]))
        return b""

    def _drive(self, message: Message, _data: bytes) -> bytes:
        self._stimulus.drive(str(message["pin"]), bool(message["high"]))
        return b""

    def _release(self, message: Message, _data: bytes) -> bytes:
        self._stimulus.release(str(message["pin"]))
        return b""

    def _release_all(self) -> bytes:
        if self._board is not None:
            self._stimulus.release_all()
        return b""

    def _set_closed_policy(self, message: Message, _data: bytes) -> bytes:
        assert self._board is not None
        self._board.set_closed_policy(str(message["policy"]))
        return b""

    # -- the console ----------------------------------------------------------------------------------

    def _open_console(self) -> None:
        import serial

        if self._board is None:
            url = self._settings.console or port_of(self.serial, None)
        else:
            import pytest_h7.twin.serial_port  # noqa: F401 - makes the URL known

            url = f"h7twin://{self._board.name or ''}"
        if url is None:
            return
        try:
            self._console = serial.serial_for_url(url, _BAUD_RATE, timeout=0)
        except (serial.SerialException, ValueError, OSError) as error:
            if self._settings.console is not None:
                raise InfrastructureError(f"The console port {url} cannot be opened: {error}.") from error

    @property
    def console(self) -> Any:
        """The port of the console, for pyserial's RFC 2217; None if there is none."""
        return self._console

    def hear(self) -> bytes:
        """Return what the console has said since this was asked last."""
        if self._console is None:
            return b""
        data: bytes = self._console.read(self._console.in_waiting)
        if self._board is not None:
            self.said += data
        return data

    def _read_console(self, message: Message, _data: bytes) -> bytes:
        size = int(message["size"])
        data = bytes(self.said[:size])
        del self.said[:size]
        return data

    def _write_console(self, data: bytes) -> bytes:
        if self._console is not None:
            self._console.write(data)
        return b""

    # -- the end --------------------------------------------------------------------------------------

    def forget_run(self) -> None:
        """Let go of what a run has held that is gone: NRST, the USB interface, pins, unread lines."""
        from pyocd.core.exceptions import ProbeError

        with suppress(ProbeError, AssertionError, OSError, H7Error):
            if self._device.is_open:
                self._device.transfer(_RELEASE_NRST, None, 2)
        with suppress(AssertionError, OSError):
            self._close_device()
        self._release_all()
        self.said.clear()

    def close(self) -> None:
        """Leave the board to others."""
        if self._console is not None:
            self._console.close()
        if self._board is not None:
            from pytest_h7.twin.board import give_up

            give_up(self._board)
        if self._lease is not None:
            self._lease.release()
            self._lease = None
