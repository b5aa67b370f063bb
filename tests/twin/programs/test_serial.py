"""U(S)ARTs (RM0399 chapter 51) and LPUART1 (chapter 52) as programs use them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_h7.twin.serial_line import Format
from pytest_h7.twin.serial_peer import SerialPeer
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


def test_polling_echo(start_program: StartProgram) -> None:
    program = start_program("serial_polling_echo")
    program.expect("ready\r\n")
    program.board.vcp.write(b"Hello, board!")
    program.expect("HELLO, BOARD!")


def test_interrupt_echo_of_cm4_with_parity(start_program: StartProgram) -> None:
    program = start_program("serial_interrupt_echo")
    line = SerialPeer(program.mcu, "PA0", "PA1", 9600, Format(9, parity=0))
    program.run(ms=1)
    line.write(b"interrupts all the way")
    program.run(ms=28)
    assert line.read(100) == b"interrupts all the way"
    assert program.variable("cm4", "parity_errors") == 0
    line.frame_format = Format(9, parity=1)
    line.write(b"odd")
    program.run(ms=5)
    assert program.variable("cm4", "parity_errors") == 3


def test_fifo_threshold_and_time_out(start_program: StartProgram) -> None:
    program = start_program("serial_fifo")
    program.expect("sixteen letters\n")
    program.board.vcp.write(bytes(12 + 12 + 5))
    program.run(ms=29 * 10 / 115.2 + 0.8)
    assert program.variable("cm7", "received") == 24
    assert program.variable("cm7", "time_outs") == 0
    program.run(ms=0.2)
    assert program.variable("cm7", "received") == 29
    assert program.variable("cm7", "threshold_interrupts") == 2
    assert program.variable("cm7", "time_outs") == 1


def test_dma_transmits_while_the_core_sleeps(start_program: StartProgram) -> None:
    program = start_program("serial_dma_transmit")
    program.expect("This text is sent without the help of the core.\r\ndone\r\n")
    assert program.variable("cm7", "completed") == 1
    assert program.variable("cm7", "woken") == 1


def test_dma_receives_messages_of_any_length(start_program: StartProgram) -> None:
    program = start_program("serial_dma_receive")
    program.expect("ready\r\n")
    for message in (b"one", b"and another", b"12 characters"):
        program.board.vcp.write(message)
        program.run(ms=4)
    assert program.console.endswith("ready\r\n[one][and another][12 characters]")
    assert program.variable("cm7", "half") == 2
    assert program.variable("cm7", "complete") == 1


def test_character_match_wakes_once_a_line(start_program: StartProgram) -> None:
    program = start_program("serial_character_match")
    line = SerialPeer(program.mcu, "PD5", "PD6", 460_800)
    program.run(ms=1)
    for text in (b"$GPGGA,123519,4807.038,N\n", b"$GPGSA\n", b"no end of line"):
        line.write(text)
        program.run(ms=1)
    assert program.variable("cm4", "lines") == 2
    assert program.variable("cm4", "longest") == 25


def test_lpuart_wakes_the_chip_from_stop(start_program: StartProgram) -> None:
    program = start_program("serial_wake_from_stop")
    line = SerialPeer(program.mcu, "PA9", "PA10", 9600)
    program.run(ms=5)
    for number in (1, 2, 3):
        assert program.mcu.domain_state("D3") == "stop"
        line.write(bytes([0x40 + number]))
        program.run(ms=5)
        assert program.variable("cm7", "last") == 0x40 + number
        assert program.variable("cm7", "wake_ups") == number
        assert line.read(10) == bytes([0x41 + number])
    assert program.mcu.domain_state("D3") == "stop"


def test_two_cores_share_one_wire(start_program: StartProgram) -> None:
    program = start_program("serial_half_duplex")
    program.mcu.pins.connect("PA9", "PE8")
    program.expect("answer=10\r\nanswer=20\r\nanswer=30\r\n")
    assert program.variable("cm7", "echo") == 3


def test_two_cores_talk_over_two_wires(start_program: StartProgram) -> None:
    program = start_program("serial_two_ports")
    program.mcu.pins.connect("PA9", "PE0")
    program.mcu.pins.connect("PE1", "PA10")
    program.expect("sum=45\r\nsum=55\r\n")
    assert program.variable("cm4", "sum") == 55


def test_the_baud_rate_is_that_of_the_line(start_program: StartProgram) -> None:
    """The edges of the polling echo's answer, against the 115200 baud it is asked for."""
    program = start_program("serial_polling_echo")
    program.expect("ready\r\n")
    edges = program.edges("PD8")
    program.board.vcp.write(b"U")  # every bit is another level
    program.run(ms=1)
    bit = PS_PER_S / 115_200
    lengths = [later - earlier for (earlier, _), (later, _) in pairwise(edges)]
    assert len(lengths) == 9
    assert all(abs(length / bit - 1) < 0.005 for length in lengths)
