"""What a failed assertion and a wait that was in vain say."""

import pytest

from pytest_h7 import reference_image
from pytest_h7.board.observation import describe, observed, seen, unseen
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run


def explanation(result: pytest.RunResult) -> list[str]:
    return [line.removeprefix("E").strip() for line in result.outlines if line.startswith("E  ")]


def test_register_by_field(run: Run) -> None:
    source = """
        def test_it(h7_board):
            assert h7_board.registers.RCC.CR.value == 0x25 | 1 << 31
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    lines = explanation(result)
    assert lines[0].startswith("assert RCC.CR: 0x0")
    assert "HSION: 1 != 1" not in lines
    assert "D1CKRDY: 1 != 0" in lines
    assert "bits without a name: 0x0 != 0x80000000" in lines


def test_registers_that_are_equal_and_arithmetic(run: Run) -> None:
    source = """
        def test_it(h7_board):
            idcode = h7_board.registers.DBGMCU.IDCODE
            assert idcode.value == idcode.value
            assert idcode.value & 0xFFF == 0x450
            assert f"{idcode.value:#x}".endswith("450")
        """
    run(source).assert_outcomes(passed=1)


def test_memory_by_address(run: Run) -> None:
    source = """
        def test_it(h7_board, cm7):
            cm7.halt()
            expected = bytes(range(64))
            cm7.write_bytes(0x3800_8004, expected)
            cm7.write_u8(0x3800_8004 + 40, 0xAA)
            assert cm7.read_bytes(0x3800_8004, 64) == expected

        def test_length(h7_board, cm7):
            assert cm7.read_bytes(0x3800_8000, 8) == bytes(4)

        def test_much(h7_board, cm7):
            assert bytes(4096) == cm7.read_bytes(0x0800_0000, 4096)
        """
    result = run(source)
    result.assert_outcomes(failed=3)
    lines = explanation(result)
    assert lines[:3] == [
        "assert memory of cm7 from 0x38008004: 1 of 64 bytes differ",
        "0x38008020: 1c 1d 1e 1f 20 21 22 23 24 25 26 27 aa 29 2a 2b",
        "!=  1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b",
    ]
    result.stdout.fnmatch_lines(
        ["E *memory of cm7 from 0x38008000: 8 bytes == 4 bytes, * of those in both differ"]
    )
    result.stdout.fnmatch_lines(["E *and * more rows of 16 bytes"])


def test_images_by_segment(run: Run) -> None:
    source = f"""
        from pytest_h7 import Image

        def test_one(h7_images):
            assert h7_images.cm7 == Image("cm7", {str(reference_image("cm7_hard_fault"))!r})
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    lines = explanation(result)
    assert lines[0].startswith("assert cm7 image cm7.elf (sha256 ")
    assert lines[1].startswith("cm7 image cm7_hard_fault.elf (sha256 ")
    assert any(line.startswith("0x08000") and " differs" in line for line in lines)
    assert any("differs, in " in line for line in lines)


def test_states(run: Run) -> None:
    source = """
        from pytest_h7 import CoreState, DomainState

        def test_domain(started):
            assert started.domains.d2.state is DomainState.STOP

        def test_core(started, cm4):
            cm4.halt()
            assert cm4.state == CoreState.HELD
        """
    result = run(source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E *the domain is in state RUN == STOP*",
            "E *the core is in state HALTED == HELD*",
        ]
    )


def test_other_comparisons_are_left_to_pytest(run: Run) -> None:
    result = run("def test_it(h7_board): assert [1, 2] == [1, 3]")
    result.stdout.fnmatch_lines(["E *assert [[]1, 2] == [[]1, 3]", "E *At index 1 diff: 2 != 3"])


# -- waits --------------------------------------------------------------------------------------------


def test_wait_tells_what_it_has_seen_last(run: Run) -> None:
    source = f"""
        import pytest

        @pytest.mark.h7_images(cm7={str(reference_image("cm7_never_releases"))!r})
        def test_it(h7_board, h7_flashed):
            h7_board.sleep(0.02)
            h7_board.wait_until(
                lambda: h7_board.hsem[0].owner is None or h7_board.domains.d2.state.value == "run", 0.01
            )
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    assert explanation(result)[0].endswith(
        "what the test waits for did not happen. "
        "The last time, hsem[0].owner was 'cm7', domains.d2.state was stop."
    )


READINGS = {
    "h7_board.ap[3].readable": "ap[3].readable was True",
    "cm7.state.value": "cm7.state was ",
    "cm7.is_halted": "cm7.is_halted was False",
    "cm4.variable('boot_stage').value": "cm4.boot_stage was 5",
    "h7_board.registers.RCC.CR.D2CKRDY": "RCC.CR.D2CKRDY was 1",
    "h7_board.gpio['PC13'].level": "gpio['PC13'].level was False",
    "h7_board.exti[13].pending('cm4')": "exti[13].pending('cm4') was False",
    "h7_board.exti[13].enabled('cm4')": "exti[13].enabled('cm4') was True",
    "cm7.read_u32(0x5C00_1000)": "cm7 0x5C001000 was ",
}


def test_everything_that_can_be_waited_for(run: Run, virtual: VirtualBoard) -> None:
    tests = "".join(
        f"""
def test_{number}(started, h7_board, cm7, cm4):
    h7_board.wait_until(lambda: ({reading}, False)[1], 0)
"""
        for number, reading in enumerate(READINGS)
    )
    result = run(tests)
    result.assert_outcomes(failed=len(READINGS))
    messages = [line for line in explanation(result) if "WaitTimeout" in line]
    for message, expected in zip(messages, READINGS.values(), strict=True):
        assert f"The last time, {expected}" in message
        assert message.count(" was ") == 1


def test_predicate_that_looks_at_nothing(run: Run) -> None:
    result = run("def test_it(h7_board): h7_board.wait_until(lambda: False, 0, 'peace')")
    assert explanation(result)[0].endswith("Within 0 s of board time, peace did not happen.")


def test_observations() -> None:
    assert seen("before", 1) == 1

    def predicate() -> int:
        with unseen():
            seen("inner", 2)
        return seen("outer", 3) + seen("outer", 4)

    value, readings = observed(predicate)
    assert (value, readings) == (7, {"outer": 4})
    assert describe({f"r{number}": number for number in range(10)}).endswith("r7 was 7, and 2 more")
    assert describe({"cr": 0x25}) == "cr was 37 (0x25)"
