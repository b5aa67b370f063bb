"""Small programs for both cores in the style of vendor examples: each a folder with cm7.c, cm4.c or both.

A program is compiled with the start-up code and the linker scripts of the firmware and with ``support/``, and runs
on a board of its own. Where a program is about a peripheral and for one core, the other core counts milliseconds,
which nothing may disturb; where it is about the chip's states, the other core sleeps.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_h7.board.images import Image
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.firmware_build import COMPILER, ROOT
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = Path(__file__).parent
COMMON = ROOT / "firmware" / "common"
_CPU = {"cm7": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"), "cm4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16")}
_FLAGS = ["-mthumb", "-mfloat-abi=hard", "-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-ffreestanding"]
_FLAGS += ["-ffunction-sections", "-fno-delete-null-pointer-checks", "-Wno-array-bounds"]  # ITCM is at 0
_LINK = ["-nostdlib", "-nostartfiles", "-static", "-Wl,--gc-sections", "-Wl,--fatal-warnings", f"-L{COMMON}"]
_SUPPORT = [COMMON / name for name in ("startup.c", "memory.c", "text.c")]
_SUPPORT += [PROGRAMS / "support" / "example.c"]
_ASLEEP = PROGRAMS / "support" / "asleep.c"
_HEARTBEAT = PROGRAMS / "support" / "heartbeat.c"
_ABOUT_STATES = ("boot_", "flash_", "power_", "rtc_", "iwdg_", "wwdg_")
_ABOUT_STATES += ("low_power_timer_stop", "serial_wake_from_stop", "timer_in_sleep", "timer_clock_change")
_OTHER = {"cm7": "cm4", "cm4": "cm7"}
_MASTERS = {"cm7": Master.CM7, "cm4": Master.CM4}
_STEP = 100 * PS_PER_US


def companion(name: str) -> str | None:
    """Return the core that counts milliseconds beside a program, if one does."""
    missing = [core for core in _OTHER if not (PROGRAMS / name / f"{core}.c").exists()]
    return missing[0] if missing and not name.startswith(_ABOUT_STATES) else None


class Workshop:
    """Compiles programs, each once for a level of optimisation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: dict[tuple[str, ...], Image] = {}
        self._objects: dict[tuple[str, ...], Path] = {}
        generator = [sys.executable, COMMON / "generate_header.py", folder / "stm32h755.h"]
        subprocess.run(generator, check=True)

    def image(self, core: str, name: str, *flags: str) -> Image:
        """Return the image of a core for a program; without a source of its own the core sleeps."""
        key = (core, name, *flags)
        if key not in self._images:
            source = PROGRAMS / name / f"{core}.c"
            if not source.exists():
                source = _HEARTBEAT if companion(name) else _ASLEEP
            sources = [source, *_SUPPORT]
            objects = [self._object(core, source, *flags) for source in sources]
            output = self._folder / f"{core}-{len(self._images)}.elf"
            self._run(core, *flags, *_LINK, f"-T{core}.ld", *objects, "-lgcc", "-o", output)
            self._images[key] = Image(core, output)
        return self._images[key]

    def _object(self, core: str, source: Path, *flags: str) -> Path:
        key = (core, str(source), *flags)
        if key not in self._objects:
            output = self._folder / f"{core}-{len(self._objects)}.o"
            self._run(core, *flags, "-c", source, "-o", output)
            self._objects[key] = output
        return self._objects[key]

    def _run(self, core: str, *arguments: str | Path) -> None:
        places = [f"-I{self._folder}", f"-I{COMMON}", f"-I{PROGRAMS / 'support'}"]
        command = [COMPILER, *_CPU[core], *_FLAGS, f"-DCORE_{core.upper()}", *places, *arguments]
        subprocess.run(command, check=True)


class RunningProgram:
    """A program on a board of its own, and what a user sees of it.

    Attributes:
        board: The board.
        mcu: Its chip.
        console: What the program has printed on the ST-LINK's serial port so far.
    """

    def __init__(self, cm7: Image, cm4: Image, companion: str | None) -> None:
        self._companion = companion
        self._started = 0
        self.board = VirtualBoard()
        self.mcu = self.board.mcu
        self.console = ""
        self._images = {"cm7": cm7, "cm4": cm4}
        self.mcu.power_off()
        for image in self._images.values():
            for segment in image.segments:
                bank = next(bank for bank in FLASH_BANKS if segment.address in bank)
                start = segment.address - bank.start
                self.mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data
                self.mcu.code_changed(segment.address, len(segment.data))

    def power_on(self) -> None:
        """Start the program, for the first time or anew; what a test has set up on the board stays."""
        self._started = self.mcu.now
        self.mcu.power_on()

    def check(self) -> None:
        """Check what holds for every program: nothing is touched that is only stored, and the other core lives."""
        assert not self.mcu.unmodelled
        if self._companion is not None:
            passed = (self.mcu.now - self._started) / PS_PER_MS
            assert self.variable(self._companion, "beats") == pytest.approx(passed, abs=1.5)

    def run(self, *, ms: float = 0, us: float = 0) -> None:
        """Let board time pass."""
        self.mcu.run_for(round(ms * PS_PER_MS + us * PS_PER_US))
        self.console += self.board.vcp.read(self.board.vcp.in_waiting).decode("ascii", "backslashreplace")

    def run_until(self, condition: Callable[[], bool], *, ms: float) -> None:
        """Let board time pass in small steps until a condition holds; fail after `ms` milliseconds."""
        deadline = self.mcu.now + round(ms * PS_PER_MS)
        while not condition():
            assert self.mcu.now < deadline, f"not within {ms} ms; the console shows {self.console!r}"
            self.run(us=_STEP / PS_PER_US)

    def expect(self, pattern: str, *, ms: float = 100) -> re.Match[str]:
        """Wait until the console shows a regular expression."""
        self.run_until(lambda: re.search(pattern, self.console) is not None, ms=ms)
        found = re.search(pattern, self.console)
        assert found is not None
        return found

    def variable(self, core: str, name: str, index: int = 0) -> int:
        """Return a 32-bit variable of a core's program, or an element of an array of them."""
        return self.mcu.read(self._images[core].symbol(name) + 4 * index, 4, _MASTERS[core])

    def edges(self, pin: str) -> list[tuple[int, bool]]:
        """Return a list that each edge of a pin joins from now on: board time in picoseconds, new level."""
        edges: list[tuple[int, bool]] = []
        self.mcu.pins.watch(pin, lambda level: edges.append((self.mcu.now, level)))
        return edges


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Compile programs once for all tests of the session."""
    return Workshop(tmp_path_factory.mktemp("examples"))


@pytest.fixture(params=["-O0", "-O2"])
def load_program(
    request: pytest.FixtureRequest, workshop: Workshop
) -> Iterator[Callable[..., RunningProgram]]:
    """Put a program on a board that has no power yet: ``load_program("folder", "-DSPEED=3")``.

    Each test that uses it runs twice, with the program compiled with -O0 and with -O2. At the end
    `RunningProgram.check` looks at what holds for all of them.
    """
    programs = []

    def load(name: str, *flags: str) -> RunningProgram:
        assert (PROGRAMS / name).is_dir(), f"there is no program {name}"
        flags = (request.param, *flags)
        images = [workshop.image(core, name, *flags) for core in ("cm7", "cm4")]
        program = RunningProgram(*images, companion(name))
        programs.append(program)
        return program

    yield load
    for program in programs:
        program.check()


@pytest.fixture
def start_program(load_program: Callable[..., RunningProgram]) -> Callable[..., RunningProgram]:
    """Start a program on a board just powered: ``start_program("folder", "-DSPEED=3")``."""

    def start(name: str, *flags: str) -> RunningProgram:
        program = load_program(name, *flags)
        program.power_on()
        return program

    return start
