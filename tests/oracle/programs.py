"""Programs on our engine whose console must equal another one's: QEMU's board, or the host's compiler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "oracle"
END = b"\x04"
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")


@dataclass(frozen=True)
class Target:
    """A core and how to compile for it."""

    name: str
    flags: tuple[str, ...]

    @property
    def is_m4(self) -> bool:
        """Whether it is the Cortex-M4."""
        return self.name.startswith("m4")

    @property
    def machine(self) -> str:
        """QEMU's board with this core."""
        return "mps2-an386" if self.is_m4 else "mps2-an500"


def _target(core: str, abi: str, unit: str | None = None) -> Target:
    flags = ["-mthumb", f"-mcpu=cortex-{core}", f"-mfloat-abi={abi}"]
    return Target(f"{core}-{unit or abi}", tuple([*flags, f"-mfpu={unit}"] if unit else flags))


M7, M4 = _target("m7", "hard", "fpv5-d16"), _target("m4", "hard", "fpv4-sp-d16")
TARGETS = (M7, M4, _target("m7", "soft"), _target("m4", "soft"), _target("m7", "softfp", "fpv5-sp-d16"))
BARE = ("exceptions", "faults", "mpu", "fpu_context", "rtos")


def _run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, check=True, **options)  # type: ignore[call-overload, no-any-return]


def compile_for(target: Target, sources: list[Path], elf: Path, *flags: str) -> Path:
    """Link sources with the start code into a program for the boards."""
    paths = [str(HERE / "target" / "start.c"), *map(str, sources)]
    link = [f"-I{HERE / 'target'}", f"-T{HERE / 'target' / 'target.ld'}", "-nostartfiles", "-w"]
    elf.parent.mkdir(parents=True, exist_ok=True)
    _run(
        ["arm-none-eabi-gcc", *target.flags, *flags, *link, *paths, "-lm", "-o", str(elf)],
        stderr=subprocess.DEVNULL,
    )
    return elf


def on_board(elfs: list[Path], *, is_m4: bool = False, options: tuple[str, ...] = ()) -> bytes:
    """The console of a program on our engine; two programs: on both cores, one console after the other.

    Every program is run with and without jumps over busy-wait loops, which must not make a difference to a cycle.
    """
    which = ["--both"] if len(elfs) == 2 else ["--m4"] if is_m4 else []
    command = [str(BUILD / "board"), *which, *options]
    done, slow = (
        subprocess.run([*command, *extra, *map(str, elfs)], capture_output=True, check=False)
        for extra in ([], ["--no-jumps"])
    )
    if (done.stdout, done.stderr) != (slow.stdout, slow.stderr):
        return b"other cycles or output without jumps over busy-wait loops:\n" + done.stderr + slow.stderr
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def on_qemu(elf: Path, machine: str, seconds: float = 120) -> bytes:
    """The console of a program on QEMU."""
    command = [
        "qemu-system-arm",
        "-M",
        machine,
        "-icount",
        "shift=3",
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "stdio",
    ]
    with subprocess.Popen(
        ["timeout", str(seconds), *command, "-kernel", str(elf)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout
        console = bytearray()
        while (character := process.stdout.read(1)) not in (b"", END):
            console += character
        process.terminate()
    return bytes(console)


def difference(name: str, ours: bytes, theirs: bytes) -> str:
    """Empty if both consoles are equal, else what differs."""
    if ours == theirs:
        return ""
    lines = unified_diff(
        theirs.decode("latin1").splitlines(),
        ours.decode("latin1").splitlines(),
        "expected",
        "ours",
        lineterm="",
        n=1,
    )
    return f"{name}:\n" + "\n".join(list(lines)[:30])


def compare_bare(name: str, target: Target, *flags: str) -> str:
    """A bare program on both boards."""
    wanted = ("-O2", "-ffreestanding", "-fno-delete-null-pointer-checks", f"-I{HERE / 'bare'}", *flags)
    flags_of = Target(target.name, target.flags[:2]) if name == "faults" else target  # without an FPU in use
    elf = compile_for(
        flags_of,
        [HERE / "bare" / f"{name}.c"],
        BUILD / "bare" / f"{name}-{target.name}.elf",
        *wanted,
    )
    return difference(
        f"{name} {target.name}", on_board([elf], is_m4=target.is_m4), on_qemu(elf, target.machine)
    )


def compare_rtos_on_both(repeat: int) -> str:
    """The RTOS on both cores at once, against QEMU's two boards."""
    elfs, theirs = [], b""
    for target in (M7, M4):
        elf = BUILD / "bare" / f"rtos-{repeat}-{target.name}.elf"
        elfs.append(
            compile_for(
                target,
                [HERE / "bare" / "rtos.c"],
                elf,
                "-O2",
                "-ffreestanding",
                f"-I{HERE / 'bare'}",
                f"-DREPEAT={repeat}",
            )
        )
        theirs += on_qemu(elf, target.machine, 1200)
    ours = on_board(elfs, options=("--seconds", "100"))
    return difference(f"RTOS on both cores, {repeat} times", ours, theirs)


def compiled_sources() -> list[Path]:
    """The parts that host and cores have in common."""
    return sorted(path for path in (HERE / "compiled").glob("*.c") if path.stem != "console")


COMPILED_FLAGS = ("-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-std=gnu11")


def host_console() -> bytes:
    """What the compiled program prints on the host."""
    program = BUILD / "compiled" / "host"
    program.parent.mkdir(parents=True, exist_ok=True)
    _run(["gcc", "-O2", "-w", *COMPILED_FLAGS, *map(str, compiled_sources()), "-lm", "-o", str(program)])
    return _run([str(program)], stdout=subprocess.PIPE).stdout


def compare_compiled(target: Target, level: str, expected: bytes) -> str:
    """The compiled program on our engine, against the host."""
    elf = BUILD / "compiled" / f"{target.name}{level}.elf"
    sources = [*compiled_sources(), HERE / "compiled" / "console.c"]
    compile_for(target, sources, elf, level, *COMPILED_FLAGS, "-specs=nosys.specs")
    return difference(f"compiled {target.name} {level}", on_board([elf], is_m4=target.is_m4), expected)


def compare_all(*, quick: bool) -> Iterator[tuple[str, str]]:
    """Name and difference ("" for none) of each comparison."""
    expected = host_console()
    chosen = [
        (t, level)
        for t in TARGETS
        for level in LEVELS
        if not quick or (t, level) in ((M7, "-O2"), (M4, "-O0"))
    ]
    with ThreadPoolExecutor(2) as pool:
        bare = [(f"{name} {t.name}", pool.submit(compare_bare, name, t)) for name in BARE for t in (M7, M4)]
        compiled = [
            (f"compiled {t.name} {level}", pool.submit(compare_compiled, t, level, expected))
            for t, level in chosen
        ]
        for name, future in [*bare, *compiled]:
            yield name, future.result()


if __name__ == "__main__":
    bad = 0
    for comparison, text in compare_all(quick="--quick" in sys.argv):
        bad += bool(text)
        sys.stdout.write(text + "\n" if text else f"{comparison}: equal\n")
    sys.exit(bad != 0)
