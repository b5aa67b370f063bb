"""Timers (RM0399 chapters 40 to 44) and low-power timers (chapter 45) as programs use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:

    pass

Start = "Callable[..., RunningProgram]"


def test_time_base_interrupts_a_thousand_times_a_second(start_program: Start) -> None:
    program = start_program("timer_time_base")
    program.expect("update=10\r\n")
