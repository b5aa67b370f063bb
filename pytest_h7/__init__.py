"""pytest-h7: hardware-in-the-loop tests of dual-core STM32H7 firmware, on a board or on a virtual one.

Everything a test needs to name can be imported from here. Nothing is loaded before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_h7.bench.console import Console
    from pytest_h7.bench.probes import Probe
    from pytest_h7.board.access_port import AccessPort
    from pytest_h7.board.board import Board, CoreSnapshot, Snapshot
    from pytest_h7.board.boot import BootReport, BootStage
    from pytest_h7.board.core import Core, CoreState, Cpuid
    from pytest_h7.board.core_handles import Breakpoint, CoreRegisters, Variable
    from pytest_h7.board.domains import Domains, DomainState
    from pytest_h7.board.exti import ExtiLine
    from pytest_h7.board.faults import Fault
    from pytest_h7.board.frames import Frame
    from pytest_h7.board.gpio import Button, Led, Pin, PinMode
    from pytest_h7.board.hsem import Semaphore
    from pytest_h7.board.images import Image, ImagePair, Segment, reference_image
    from pytest_h7.board.option_bytes import OptionBytes
    from pytest_h7.board.registers import RegisterView
    from pytest_h7.board.values import MemoryBlock, RegisterValue
    from pytest_h7.board.watch import ExpectedFault, ExpectedReset
    from pytest_h7.diagnosis.causes import Cause, Diagnosis
    from pytest_h7.errors import (
        BaselineError,
        BootContractBroken,
        ChipReset,
        ConsoleUnavailable,
        CoreFaulted,
        CoreUnreachable,
        FigureRegressed,
        FirmwareError,
        FlashError,
        H7Error,
        ImageError,
        InfrastructureError,
        PeripheralUnclocked,
        ProbeNotFound,
        SafetyError,
        TargetAccessError,
        WaitTimeout,
    )
    from pytest_h7.release.measure import Measure

_MODULES = {
    "bench.console": ("Console",),
    "bench.probes": ("Probe",),
    "board.access_port": ("AccessPort",),
    "board.board": ("Board", "CoreSnapshot", "Snapshot"),
    "board.boot": ("BootReport", "BootStage"),
    "board.core": ("Core", "CoreState", "Cpuid"),
    "board.core_handles": ("Breakpoint", "CoreRegisters", "Variable"),
    "board.domains": ("DomainState", "Domains"),
    "board.exti": ("ExtiLine",),
    "board.faults": ("Fault",),
    "board.frames": ("Frame",),
    "board.gpio": ("Button", "Led", "Pin", "PinMode"),
    "board.hsem": ("Semaphore",),
    "board.images": ("Image", "ImagePair", "Segment", "reference_image"),
    "board.option_bytes": ("OptionBytes",),
    "board.registers": ("RegisterView",),
    "board.values": ("MemoryBlock", "RegisterValue"),
    "board.watch": ("ExpectedFault", "ExpectedReset"),
    "diagnosis.causes": ("Cause", "Diagnosis"),
    "errors": (
        "BaselineError",
        "BootContractBroken",
        "ChipReset",
        "ConsoleUnavailable",
        "CoreFaulted",
        "CoreUnreachable",
        "FirmwareError",
        "FlashError",
        "FigureRegressed",
        "H7Error",
        "ImageError",
        "InfrastructureError",
        "PeripheralUnclocked",
        "ProbeNotFound",
        "SafetyError",
        "TargetAccessError",
        "WaitTimeout",
    ),
    "release.measure": ("Measure",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
