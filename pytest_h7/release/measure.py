"""``h7_measure``: figures that a test records, and those that can be taken of every dual-core firmware."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_h7.board.domains import DomainState
from pytest_h7.errors import H7Error
from pytest_h7.release.baseline import Better, Figure

if TYPE_CHECKING:
    import pytest

    from pytest_h7.board.board import Board
    from pytest_h7.board.core import Core

_DEMCR, _TRCENA = 0xE000_EDFC, 1 << 24
_DWT_CTRL, _CYCCNTENA = 0xE000_1000, 1
_DWT_CYCCNT = 0xE000_1004
_PAINT = 0xA5
_STACK_ALIGNMENT = 8
"""Of the stack pointer when a function or a handler begins (Arm IHI0042, AAPCS32)."""

_STACK_SYMBOLS = ("_ebss", "_estack")


class Measure:
    """Records figures of one test: ``h7_measure("hsem_wake_us", 12.5, "us")``.

    With ``--h7-baseline`` the test fails if a figure is worse than the baseline allows; several values of one
    name in a test are compared by their median.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self.figures: list[Figure] = []

    def __call__(self, name: str, value: float, unit: str, better: Better = "lower") -> None:
        """Record a figure.

        Args:
            name: Names it in all releases.
            value: Its value.
            unit: Its unit, one word: ``"us"``, ``"cycles"``, ``"bytes"``, ``"B/s"``.
            better: Whether a ``"lower"`` or a ``"higher"`` value is better.

        Raises:
            ValueError: one of them cannot be.
        """
        figure = Figure(name, float(value), unit, better)
        self.figures.append(figure)
        self._request.node.user_properties.append(figure.dump())

    @property
    def _board(self) -> Board:
        board: Board = self._request.getfixturevalue("h7_board")
        return board

    # -- what every firmware has ------------------------------------------------------------------

    def boot(self, timeout: float = 1.0) -> None:
        """Reset the board and record ``boot_to_ap3_ms``: from the CM7's first instruction to AP3 being readable.

        What is looked at is polled, which adds up to the time of a transfer.

        Raises:
            BootContractBroken: it did not come in time.
        """
        from pytest_h7.board.boot import BootStage

        report = self._board.boot_contract(timeout)
        self("boot_to_ap3_ms", 1e3 * report.times[BootStage.AP3_READABLE], "ms")

    def wake(self, release: str | int, alive: Callable[[], object], timeout: float = 1.0) -> None:
        """Reset the board and record ``hsem_wake_us``: from the release of the semaphore to the CM4 being alive.

        `alive` is polled, which adds up to the time of its transfers.

        Args:
            release: Where the CM7 releases the semaphore, a symbol of its image or an address.
            alive: Whether the CM4 is, such as ``lambda: cm4.variable("boot_stage").value >= WOKEN``.
            timeout: For each of both, in seconds of board time.

        Raises:
            WaitTimeout: one of them did not come.
        """
        __tracebackhide__ = True
        board = self._board
        board.reset(halt=True)
        board.wait_until(
            lambda: board.domains.d2.state is DomainState.STOP, timeout, "the CM4 going to sleep"
        )
        board.cm7.run_until(release, timeout)
        board.cm7.resume()
        start = board.time()
        board.wait_until(lambda: board.ap[3].readable and alive(), timeout, "the CM4 being alive")
        self("hsem_wake_us", 1e6 * (board.time() - start), "us")

    def image_sizes(self) -> None:
        """Record ``cm7_image_bytes`` and ``cm4_image_bytes``: what is to be loaded into flash."""
        for image in self._request.getfixturevalue("h7_images"):
            size = sum(len(segment.data) for segment in image.segments)
            self(f"{image.core}_image_bytes", size, "bytes")

    def cycles(self, name: str, core: Core, start: str | int, end: str | int, timeout: float = 1.0) -> int:
        """Record how many cycles a core needs from one place of its program to another one, and return it.

        The core runs to `start`, is let go with its cycle counter (DWT_CYCCNT, Arm DDI0403E C1.8.8) at zero, and
        halts at `end`; it stays halted. No transfer is made meanwhile, so the figure is exact. A core that sleeps
        does not count.

        Args:
            name: The name of the figure; its unit is ``cycles``.
            core: The core.
            start: A symbol of its image, or an address.
            end: The same, of the end.
            timeout: For each of both, in seconds of board time.

        Raises:
            WaitTimeout: one of them was not reached.
        """
        __tracebackhide__ = True
        core.run_until(start, timeout)
        with core.breakpoint(end) as stop:
            _start_counting(core)
            core.step()
            core.resume()
            stop.wait(timeout)
        count = core.read_u32(_DWT_CYCCNT)
        self(name, count, "cycles")
        return count

    def interrupt(
        self, name: str, core: Core, handler: str | int, trigger: Callable[[], object], timeout: float = 1.0
    ) -> int:
        """Record how many cycles a core needs from an interrupt to a place in its handler.

        The interrupt comes while the core is halted, and is taken when it goes on: what is counted is the entry,
        what the handler does first, and whatever keeps the core from it, such as a masked section or a handler of
        higher priority. The virtual board enters an exception in no time. The core stays halted there.

        Args:
            name: The name of the figure; its unit is ``cycles``.
            core: The core.
            handler: A symbol of its image, or an address, such as that of the function that does the work.
            trigger: Causes the interrupt.
            timeout: In seconds of board time.

        Returns:
            The cycles.

        Raises:
            WaitTimeout: it was not reached.
        """
        __tracebackhide__ = True
        core.halt()
        with core.breakpoint(handler) as stop:
            trigger()
            _start_counting(core)
            core.resume()
            stop.wait(timeout)
        count = core.read_u32(_DWT_CYCCNT)
        self(name, count, "cycles")
        return count

    @contextmanager
    def stack(
        self, core: Core, low: str | int = _STACK_SYMBOLS[0], high: str | int = _STACK_SYMBOLS[1]
    ) -> Iterator[None]:
        """Record ``CORE_stack_bytes``: how much of its stack a core has used by the end of the context.

        What is free at the beginning is painted, and looked at in the end. The core is halted for both.

        Args:
            core: The core.
            low: Symbol or address of the lowest word that the stack may grow down to.
            high: Symbol or address of the end of the stack.

        Raises:
            H7Error: the core's stack pointer is not within these limits.
        """
        bottom, top = (core.address_of(place) for place in (low, high))
        core.halt()
        pointer = core.registers["sp"]
        if not bottom <= pointer <= top:
            raise H7Error(
                f"The stack of {core.name} is said to be from 0x{bottom:08X} to 0x{top:08X}, and its stack "
                f"pointer is 0x{pointer:08X}."
            )
        core.write_bytes(bottom, bytes([_PAINT]) * (pointer - bottom))
        core.resume()
        yield
        core.halt()
        painted = core.read_bytes(bottom, pointer - bottom)
        core.resume()
        unused = (len(painted) - len(painted.lstrip(bytes([_PAINT])))) & ~(_STACK_ALIGNMENT - 1)
        self(f"{core.name}_stack_bytes", top - bottom - unused, "bytes")

    def console(self, request: str, answer: str, count: int = 20, timeout: float = 1.0) -> None:
        """Record ``console_bytes_per_s``: how fast the firmware answers on its console.

        Args:
            request: A line to send, without its end; the next one is sent when the answer has come.
            answer: A regular expression for the end of the answer.
            count: How often.
            timeout: For each answer, in seconds of board time.

        Raises:
            WaitTimeout: an answer did not come.
        """
        __tracebackhide__ = True
        console = self._request.getfixturevalue("h7_console")
        board = self._board
        before, start = len(console.log), board.time()
        for _ in range(count):
            console.write(f"{request}\n")
            console.expect(answer, timeout)
        self("console_bytes_per_s", (len(console.log) - before) / (board.time() - start), "B/s", "higher")


def _start_counting(core: Core) -> None:
    core.write_u32(_DEMCR, core.read_u32(_DEMCR) | _TRCENA)
    core.write_u32(_DWT_CTRL, core.read_u32(_DWT_CTRL) | _CYCCNTENA)
    core.write_u32(_DWT_CYCCNT, 0)
