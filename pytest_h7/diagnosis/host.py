"""What of the computer keeps a probe from being used: libusb, udev, other programs."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

from pytest_h7.bench.unusable_probes import unusable_stlinks
from pytest_h7.diagnosis.report import Host

_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_ST_VENDOR = "0483"
_DEBUGGERS = (
    "ST-LINK_gdbserver",
    "STM32_Programmer_CLI",
    "STM32CubeProgrammer",
    "stlinkserver",
    "st-util",
    "openocd",
    "pyocd",
    "probe-rs",
    "JLinkGDBServer",
)
_COMM_LENGTH = 15
"""Characters that Linux keeps of a program's name."""


def examine_host() -> Host:
    """Return what there is; nothing is opened."""
    return Host(
        platform=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        pyocd=version("pyocd"),
        libusb=_has_libusb(),
        udev_rule=_has_udev_rule() if sys.platform.startswith("linux") else None,
        programs=_running_debuggers(Path("/proc")),
        unusable_probes=unusable_stlinks(),
    )


def _has_libusb() -> bool:
    from pyocd.probe.stlink.usb import usb_find
    from usb.core import NoBackendError

    try:
        list(usb_find(find_all=True, idVendor=0))
    except NoBackendError:
        return False
    return True


def _has_udev_rule() -> bool:
    for folder in map(Path, _RULES):
        for rules in folder.glob("*.rules"):
            try:
                if _ST_VENDOR in rules.read_text("utf-8", errors="replace"):
                    return True
            except OSError:
                continue
    return False


def _running_debuggers(processes: Path) -> list[str]:
    """Return debug servers that run, as ``name (process 1234)``; empty where there is no /proc."""
    known = {name[:_COMM_LENGTH].lower() for name in _DEBUGGERS}
    found = []
    for entry in processes.glob("[0-9]*/comm"):
        try:
            name = entry.read_text("utf-8").strip()
        except OSError:
            continue  # it has ended
        if name.lower() in known:
            found.append(f"{name} (process {entry.parent.name})")
    return sorted(found)
