"""Where a core is and how it came there, as frames of a backtrace with their places in the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.board.debug_info import Place
from pytest_h7.chip.interrupts import exception_name

if TYPE_CHECKING:
    from pytest_h7.board.images import Image
    from pytest_h7.board.unwinding import Call


@dataclass(frozen=True)
class Frame:
    """One frame of a backtrace.

    Attributes:
        pc: Where it is; of a caller the return address, which is behind its call.
        function: The function, None where it is not known.
        file: Name of the source file.
        line: Line in it.
        path: Path of the source file, as the compiler knew it.
        interrupted_by: The exception that it was interrupted by, such as ``"HardFault"``; None for a caller.
        is_inlined: Whether its code is part of that of the next frame.
        is_guess: Whether it was not unwound, because the stack is broken, but found near its end.
    """

    pc: int
    function: str | None
    file: str | None
    line: int | None
    path: str | None = None
    interrupted_by: str | None = None
    is_inlined: bool = False
    is_guess: bool = False

    def __str__(self) -> str:
        place = f" at {self.file}:{self.line}" if self.file else ""
        taken = f" when {self.interrupted_by} was taken" if self.interrupted_by else ""
        return f"0x{self.pc:08X} {self.function or '?'}{place}{taken}{' (guessed)' if self.is_guess else ''}"


def call_frames(name: str, image: Image | None, calls: list[Call]) -> list[Frame]:
    """Return the frames of a core's calls with their places in the source; inlined calls have their own."""
    frames = []
    for call in calls:
        places = image.debug_info.places(call.at) if image is not None else [Place(None, None, None)]
        number = call.interrupted_by
        taken = exception_name(name, number) if number is not None else None
        for place in places:
            frames.append(
                Frame(
                    call.pc,
                    place.function,
                    place.file,
                    place.line,
                    path=place.path,
                    # The innermost of inlined calls is the one that was interrupted.
                    interrupted_by=taken if place is places[0] else None,
                    is_inlined=place.is_inlined,
                    is_guess=call.is_guess,
                )
            )
    return frames
