"""DMA1, DMA2, BDMA, MDMA (RM0399 chapters 14 to 18), CRC (22) and RNG (35) as programs use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


def test_dma1_copies_and_reports_what_it_cannot_reach(start_program: StartProgram) -> None:
    program = start_program("dma_copy")
    program.expect("equal=256\r\nenabled=0\r\n")
    assert program.variable("cm7", "half") == program.variable("cm7", "complete") == 1
    assert program.variable("cm7", "errors") == 1
    assert program.variable("cm7", "turns") > 5


def test_edges_of_a_pin_drive_dma2_into_two_buffers(start_program: StartProgram) -> None:
    program = start_program("dma_gather")
    pins = program.mcu.pins
    program.run(ms=1)
    for number in range(8):
        for bit in range(8):
            pins.drive(f"PE{8 + bit}", bool(number >> bit & 1))
        for level in (True, False):
            pins.drive("PE0", level)
            program.run(us=20)
    assert program.variable("cm4", "full") == 2
    assert [program.variable("cm4", "sum", index) for index in range(3)] == [0 + 1 + 2 + 3, 4 + 5 + 6 + 7, 0]


def test_mdma_cuts_a_picture_and_follows_a_list(start_program: StartProgram) -> None:
    program = start_program("mdma_picture")
    program.expect("matching=32\r\nleft=17\r\nright=34\r\n")
    assert program.variable("cm7", "completed") == 2


def test_bdma_widens_bytes_in_its_own_domain(start_program: StartProgram) -> None:
    program = start_program("bdma_copy")
    program.run(ms=1)
    assert program.variable("cm4", "sum") == sum(range(1, 33))
    assert program.variable("cm4", "half") == program.variable("cm4", "complete") == 1
    assert program.variable("cm4", "errors") == 1


def test_crc_agrees_with_the_core_and_with_the_check_value(start_program: StartProgram) -> None:
    program = start_program("crc_check")
    program.expect(f"same=1\r\ndiffers=1\r\ncheck={0x29B1}\r\n")


def test_random_numbers_differ_and_repeat_with_the_board(start_program: StartProgram) -> None:
    sequences = []
    for _ in range(2):
        program = start_program("rng_numbers")
        program.run(ms=1)
        assert program.variable("cm4", "taken") == 64
        assert program.variable("cm4", "faults") == 0
        sequences.append([program.variable("cm4", "numbers", index) for index in range(64)])
    assert len(set(sequences[0])) == 64
    assert sequences[0] == sequences[1]
