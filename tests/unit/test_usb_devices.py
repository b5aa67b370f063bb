"""ST-LINKs and their serial ports on real hosts, as libusb and pyserial describe them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import usb.core
import usb.util
from pyocd.probe.stlink import usb as stlink_usb
from pyocd.probe.stlink_probe import StlinkProbe
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from pytest_h7.bench import opening, probes
from pytest_h7.bench.probes import Probe, find_probe
from pytest_h7.bench.serial_ports import console_of
from pytest_h7.bench.settings import Settings
from pytest_h7.bench.usb_errors import usb_sentence
from pytest_h7.cli import main
from pytest_h7.errors import ConsoleUnavailable, InfrastructureError, ProbeNotFound

NUCLEO, SECOND = "004700253038510534333935", "0031002F3137510B39383538"
RULES = Path(__file__).parents[2] / "ci" / "60-stlink.rules"
PERMISSION = f"this user may not open it; copy {RULES} to /etc/udev/rules.d"


def usb_error(code: int, number: int) -> usb.core.USBError:
    return usb.core.USBError("as libusb says it", code, number)


@dataclass
class Device:
    """A USB device as pyusb shows it to who may read its descriptors, or `error` to who may not."""

    serial: str
    idProduct: int = 0x374E  # noqa: N815 - names of pyusb
    idVendor: int = 0x0483  # noqa: N815
    bus: int = 1
    address: int = 7
    port_numbers: tuple[int, ...] = (2, 3)
    error: BaseException | None = None
    manufacturer: str = "STMicroelectronics"
    product: str = "STLINK-V3"
    attempts: list[str] = field(default_factory=list)

    def get_active_configuration(self) -> object:
        if self.error is not None:
            raise self.error
        return {}

    @property
    def serial_number(self) -> str:
        if self.error is not None:
            raise self.error
        return self.serial


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have these devices, and no other probes, at the USB of this host, which runs Linux."""
    monkeypatch.setattr(usb.util, "dispose_resources", lambda _device: None)
    monkeypatch.setattr(probes, "connected_probes", StlinkProbe.get_all_connected_probes)

    def plug_in(*devices: Device) -> None:
        def find(
            *, custom_match: Callable[[Device], bool] = lambda _: True, **wanted: object
        ) -> list[Device]:
            vendor = wanted.get("idVendor", 0x0483)
            return [device for device in devices if device.idVendor == vendor and custom_match(device)]

        monkeypatch.setattr(stlink_usb, "usb_find", find)

    return plug_in


@pytest.mark.parametrize("selection", [NUCLEO, NUCLEO.lower(), "0047", "34333935"])
def test_one_of_several_probes_by_a_part_of_its_serial_number(
    plug_in: Callable[..., None], selection: str
) -> None:
    plug_in(Device(NUCLEO), Device(SECOND, address=8), Device("not a probe", idProduct=0x5740))
    assert find_probe(selection).unique_id == NUCLEO


def test_part_that_several_probes_have(plug_in: Callable[..., None]) -> None:
    plug_in(Device(NUCLEO), Device(SECOND))
    with pytest.raises(ProbeNotFound, match=rf"2 probes have '00' .*{NUCLEO} \(STLINK-V3\), {SECOND} "):
        find_probe("00")


def test_probe_knows_where_it_is_plugged_in(plug_in: Callable[..., None]) -> None:
    plug_in(Device(NUCLEO, bus=3, port_numbers=(1, 4)))
    assert Probe(find_probe(NUCLEO)).usb_location == "3-1.4"


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        (
            Device(NUCLEO, error=usb_error(-3, errno.EACCES)),
            f"at USB bus 1 address 7 cannot be opened: {PERMISSION}",
        ),
        (Device(NUCLEO, error=ValueError("The device has no langid")), f"cannot be opened: {PERMISSION}"),
        (
            Device(NUCLEO, error=NotImplementedError()),
            "it has no driver that libusb can use; install ST's driver",
        ),
        (Device(NUCLEO, idProduct=0x374D), "The ST-LINK/V3 at USB bus 1 address 7 waits for firmware"),
        (Device(NUCLEO, idProduct=0x3744), "The ST-LINK/V1 at USB bus 1 address 7 is too old to be used"),
    ],
)
def test_probe_that_is_there_and_cannot_be_used(
    plug_in: Callable[..., None], device: Device, sentence: str
) -> None:
    plug_in(device)
    with pytest.raises(ProbeNotFound) as raised:
        find_probe(NUCLEO)
    assert f"No probe has '{NUCLEO}' in its serial number: no debug probe is connected" in str(raised.value)
    assert sentence in str(raised.value)


def test_list_names_what_cannot_be_used(
    plug_in: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    monkeypatch.setattr(list_ports, "comports", list)
    plug_in(Device(NUCLEO), Device(SECOND, address=8, error=usb_error(-3, errno.EACCES)))
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{NUCLEO}  STLINK-V3, no console\n")
    assert f"pytest-h7: The ST-LINK at USB bus 1 address 8 cannot be opened: {PERMISSION}" in captured.err


def test_host_without_libusb(plug_in: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in()

    def find(**_: object) -> None:
        raise usb.core.NoBackendError("No backend available")

    monkeypatch.setattr(stlink_usb, "usb_find", find)
    with pytest.raises(ProbeNotFound, match="The library libusb is missing: install libusb"):
        find_probe(NUCLEO)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (usb_error(-6, errno.EBUSY), "another program has it; end the debug session of STM32CubeIDE"),
        (usb_error(-3, errno.EACCES), PERMISSION),
        (usb_error(-4, errno.ENODEV), "it is not there any more; plug it in again"),
        (usb_error(-12, errno.ENOSYS), "it has no driver that libusb can use"),
        (usb_error(-7, errno.ETIMEDOUT), "it does not answer over USB; plug it in again"),
    ],
)
def test_probe_that_cannot_be_opened(
    plug_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    error: usb.core.USBError,
    sentence: str,
) -> None:
    plug_in(Device(NUCLEO))

    def open_interface(_: object) -> None:
        raise error

    monkeypatch.setattr(stlink_usb.STLinkUSBInterface, "open", open_interface)
    probe = Probe(find_probe(NUCLEO))
    with pytest.raises(InfrastructureError) as raised:
        opening.open_session(probe, Settings())
    assert str(raised.value).startswith(f"Could not open probe {NUCLEO}: {sentence}")


def test_error_that_has_nothing_to_do_with_usb() -> None:
    assert usb_sentence(ValueError()) is None


# -- serial ports -----------------------------------------------------------------------------------


def port(
    device: str, serial: str | None, location: str | None, *, vid: int = 0x0483, pid: int = 0x374E
) -> ListPortInfo:
    info = ListPortInfo(device, skip_link_detection=True)
    info.vid, info.pid, info.serial_number, info.location = vid, pid, serial, location
    return info


LINUX = [
    port("/dev/ttyS0", None, None, vid=None),
    port("/dev/ttyUSB0", "A50285BI", "1-1", vid=0x0403, pid=0x6001),
    port("/dev/ttyACM10", NUCLEO, "1-2.3:1.2"),
    port("/dev/ttyACM2", SECOND, "1-2.4:1.2"),
]
MACOS = [
    port("/dev/cu.Bluetooth-Incoming-Port", None, None, vid=None),
    port("/dev/cu.usbmodem1203", NUCLEO, "20-1.2"),
    port("/dev/cu.usbmodem1303", SECOND, "20-1.3"),
]
WINDOWS = [
    port("COM1", None, None, vid=None),
    port("COM12", NUCLEO.upper(), "1-2.3:x.2"),
    port("COM3", SECOND, "1-2.4:x.2"),
]
WINDOWS_WITHOUT_SERIALS = [
    port("COM12", "8", "2-5.7.1:x.2", pid=0x374B),
    port("COM13", "8", "2-5.7.2:x.2", pid=0x374B),
]
"""pyserial may find the number of the interface only."""

TWO_PORTS = [
    port("/dev/ttyACM1", NUCLEO, "1-2.3:1.4", pid=0x3753),
    port("/dev/ttyACM11", NUCLEO, "1-2.3:1.2", pid=0x3753),
]


@pytest.mark.parametrize(
    ("ports", "serial", "location", "device"),
    [
        (LINUX, NUCLEO, "1-2.3", "/dev/ttyACM10"),
        (LINUX, SECOND, None, "/dev/ttyACM2"),
        (MACOS, NUCLEO, "20-1.2", "/dev/cu.usbmodem1203"),
        (WINDOWS, NUCLEO.lower(), "1-2.3", "COM12"),
        (WINDOWS_WITHOUT_SERIALS, NUCLEO, "1-5.7.1", "COM12"),
        (WINDOWS_WITHOUT_SERIALS, SECOND, "2-5.7.2", "COM13"),
        (TWO_PORTS, NUCLEO, "1-2.3", "/dev/ttyACM11"),
    ],
)
def test_port_of_the_same_usb_device(
    monkeypatch: pytest.MonkeyPatch, ports: list[ListPortInfo], serial: str, location: str, device: str
) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert console_of(serial, location) == device


@pytest.mark.parametrize(
    ("ports", "location"),
    [
        ([], "1-2.3"),
        (LINUX, "1-1"),
        (WINDOWS_WITHOUT_SERIALS, None),
        (WINDOWS_WITHOUT_SERIALS, "1-4"),
        ([port("COM5", "6", "1-2.3:x.2"), port("COM6", "6", "3-2.3:x.2")], "2-2.3"),
    ],
)
def test_port_that_is_not_guessed(
    monkeypatch: pytest.MonkeyPatch, ports: list[ListPortInfo], location: str | None
) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    with pytest.raises(ConsoleUnavailable, match="no serial port; choose one with --h7-console=PORT"):
        console_of("0123456789AB", location)
