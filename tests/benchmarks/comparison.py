"""Measures the virtual board against QEMU and Unicorn: one core, the same C source, the same run of ``ci/bench``.

Each figure is the other engine's processor time by ours: above 1, ours is faster. All of them count
instructions exactly, without which no run would be like the other: QEMU with ``-icount`` (a fixed shift, and no
waiting for real time), Unicorn in slices of 1000 instructions, the quantum of the virtual board.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import compiling
import mix
from measure import Figures, powered, variable
from waiting import LEVELS, second

ROUNDS = 2000
REPEATS = 3
_QUANTUM = 1000
_CM7_HZ = 400_000_000

_QEMU = "qemu-system-arm"
_QEMU_OPTIONS = ("-M", "mps2-an500", "-icount", "shift=1,sleep=off", "-display", "none", "-monitor", "none")
_QEMU_OPTIONS += ("-serial", "stdio", "-semihosting-config", "enable=on,target=native")
_QEMU_HZ = 500_000_000
"""Instructions in a second of the board: one takes ``1 << shift`` ns. No shift is nearer to 400 MHz."""
LONG_MS = {"IDLE": 20_000, "BUSY_WAIT": 250, "FOREVER_LOOP": 250}
_SHORT_MS = 1

_UNICORN_MEMORY = (
    (0, 0x40_0000),
    (0x2000_0000, 0x40_0000),
    (0x4000_0000, 0x1_0000),
    (0xE000_0000, 0x10_0000),
)
UNICORN_TICKS = 50
_CYCLES_OF_TICK = _CM7_HZ // 1000


class NotHere(Exception):
    """What is to be compared with is not installed."""


def with_qemu() -> Figures:
    """Compare computing, and a second of each way to wait.

    The start of QEMU does not count: what a short run takes is subtracted. With ``sleep=off``, a sleeping core of
    QEMU 7.2 gets only half of its ticks, so its second is as long as 1000 of them.

    Raises:
        NotHere: QEMU is not installed.
        RuntimeError: a program has not done there what it should have.
    """
    if shutil.which(_QEMU) is None:
        raise NotHere(f"{_QEMU} is not installed")
    busy = min(_qemu_second("BUSY_WAIT", level) / _alone("BUSY_WAIT", level) for level in LEVELS)
    return {
        "mips_vs_qemu": _qemu_mix() / our_mix(),
        "idle_vs_qemu": _qemu_second("IDLE") / _alone("IDLE"),
        "busy_wait_vs_qemu": busy,
        "forever_loop_vs_qemu": _qemu_second("FOREVER_LOOP") / _alone("FOREVER_LOOP"),
    }


def with_unicorn() -> Figures:
    """Compare computing, and a second of the ways to wait that need no interrupt controller: Unicorn has none.

    The ticks that are waited for are counted by the host there, by a store between two slices.

    Raises:
        NotHere: Unicorn is not installed.
        RuntimeError: a program has not done there what it should have.
    """
    if find_spec("unicorn") is None:
        raise NotHere("the Python package unicorn is not installed")
    busy = min(_unicorn_second("BUSY_WAIT", level) / _alone("BUSY_WAIT", level) for level in LEVELS)
    return {
        "mips_vs_unicorn": _unicorn_mix() / our_mix(),
        "busy_wait_vs_unicorn": busy,
        "forever_loop_vs_unicorn": _unicorn_second("FOREVER_LOOP") / _alone("FOREVER_LOOP"),
    }


# -- the virtual board ------------------------------------------------------------------------------------


def _alone(way: str, level: str = "-O2") -> float:
    return second(way, level, ("cm7",))


@cache
def our_mix() -> float:
    """Return the seconds that the CM7 of the virtual board takes for a round of ``programs/mix.c``."""
    with tempfile.TemporaryDirectory() as folder:
        image = mix.build(Path(folder), ROUNDS).cm7

        def run() -> float:
            board = powered([image])
            core, start = board.mcu.cores["cm7"], time.process_time()
            while not core.asleep:
                board.sleep(0.1)
            taken = time.process_time() - start
            _check("mix", variable(board, image, "checksum"), mix.checksum(ROUNDS))
            return taken

        return min(run() for _ in range(REPEATS)) / ROUNDS


def _check(program: str, result: int, expected: int) -> None:
    if result != expected:
        raise RuntimeError(f"the result of {program} is {result}, not {expected}")


# -- QEMU -----------------------------------------------------------------------------------------------


def _qemu_second(way: str, level: str = "-O2") -> float:
    """Return the processor time of 400 million instructions of a loop, or of 1000 ticks of an idle core."""
    with tempfile.TemporaryDirectory() as name:
        taken, ticks = [], []
        for milliseconds in (_SHORT_MS, _SHORT_MS + LONG_MS[way]):
            elf = compiling.for_mps2(
                Path(name), "wait", "ticks", f"-DWAY={way}", level, milliseconds=milliseconds
            )
            seconds, result = zip(*(_run_qemu(elf) for _ in range(REPEATS)), strict=True)
            taken.append(min(seconds))
            ticks.append(result[0])
    passed = LONG_MS[way] / 1e3
    if way == "IDLE":
        passed = (ticks[1] - ticks[0]) / 1e3
    else:
        _check(way, ticks[1] - ticks[0], LONG_MS[way] if way == "BUSY_WAIT" else 0)
        passed *= _QEMU_HZ / _CM7_HZ
    return (taken[1] - taken[0]) / passed


def _qemu_mix() -> float:
    """Return the seconds of a round."""
    with tempfile.TemporaryDirectory() as name:
        taken = []
        for rounds in (1, 1 + ROUNDS):
            elf = compiling.for_mps2(Path(name), "mix", "checksum", f"-DROUNDS={rounds}u")
            seconds, result = zip(*(_run_qemu(elf) for _ in range(REPEATS)), strict=True)
            _check("mix", result[0], mix.checksum(rounds))
            taken.append(min(seconds))
    return (taken[1] - taken[0]) / ROUNDS


def _run_qemu(elf: Path) -> tuple[float, int]:
    """Return the processor time of QEMU, and the number that the program has printed."""
    command = ["timeout", "60", _QEMU, *_QEMU_OPTIONS, "-kernel", elf]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        console = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not console.strip().isdecimal():
        raise RuntimeError(f"QEMU has ended with {process.returncode} and {console!r}")
    return usage.ru_utime + usage.ru_stime, int(console)


# -- Unicorn --------------------------------------------------------------------------------------------


class _Unicorn:
    """A Cortex-M7 with a program for mps2-an500, whose devices are memory here."""

    def __init__(self, elf: Path) -> None:
        from elftools.elf.elffile import ELFFile
        from unicorn import UC_ARCH_ARM, UC_MODE_THUMB, Uc
        from unicorn.arm_const import UC_ARM_REG_SP, UC_CPU_ARM_CORTEX_M7

        self.uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
        self.uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M7)
        for address, size in _UNICORN_MEMORY:
            self.uc.mem_map(address, size)
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            for segment in file.iter_segments("PT_LOAD"):
                self.uc.mem_write(segment["p_paddr"], segment.data())
            symbols = file.get_section_by_name(".symtab").iter_symbols()
            self.symbols = {symbol.name: symbol["st_value"] & ~1 for symbol in symbols}
        self.uc.reg_write(UC_ARM_REG_SP, self.symbols["stack_top"])

    def slices(self) -> Iterator[None]:
        """Run from reset on in slices, up to where the program stops."""
        from unicorn.arm_const import UC_ARM_REG_PC

        place, stop = self.symbols["reset"], self.symbols["stop"]
        while place != stop:
            self.uc.emu_start(place | 1, stop, count=_QUANTUM)
            place = self.uc.reg_read(UC_ARM_REG_PC)
            yield

    def read(self, name: str) -> int:
        return int.from_bytes(self.uc.mem_read(self.symbols[name], 4), "little")

    def write(self, name: str, value: int) -> None:
        self.uc.mem_write(self.symbols[name], value.to_bytes(4, "little"))


def _unicorn_second(way: str, level: str = "-O2") -> float:
    """Return the processor time of 400 million instructions."""
    with tempfile.TemporaryDirectory() as folder:
        elf = compiling.for_mps2(Path(folder), "wait", "ticks", f"-DWAY={way}", level)

        def run() -> float:
            core = _Unicorn(elf)
            slices = core.slices()
            start = time.process_time()
            for tick in range(UNICORN_TICKS):
                for _ in range(_CYCLES_OF_TICK // _QUANTUM):
                    next(slices)
                core.write("ticks", tick)
            return time.process_time() - start

        return min(run() for _ in range(REPEATS)) / UNICORN_TICKS * 1e3


def _unicorn_mix() -> float:
    """Return the seconds of a round."""
    with tempfile.TemporaryDirectory() as folder:
        elf = compiling.for_mps2(Path(folder), "mix", "checksum", f"-DROUNDS={ROUNDS}u")

        def run() -> float:
            core, start = _Unicorn(elf), time.process_time()
            for _ in core.slices():
                pass
            taken = time.process_time() - start
            _check("mix", core.read("checksum"), mix.checksum(ROUNDS))
            return taken

        return min(run() for _ in range(REPEATS)) / ROUNDS
