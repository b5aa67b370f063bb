"""What a test changes in option bytes and DBGMCU is put back; ``--h7-option-bytes=check`` makes it an error."""

from __future__ import annotations

import pytest

from pytest_h7.chip.registers import peripheral
from pytest_h7.target.stm32h755 import dbgmcu_configuration
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run
from .test_bad_input import the_error

CHECK = "--h7-option-bytes=check"
BOARD = """
import pytest
from pytest_h7.twin.board import virtual_board

def program(**words):
    # As firmware does it: past the plugin.
    virtual_board().mcu.flash.load(words)
"""
DBGMCU = peripheral("DBGMCU").registers


# -- restore ------------------------------------------------------------------------------------------


def test_what_a_test_has_changed_is_put_back(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    source = """
        def test_changes(h7_board):
            h7_board.option_bytes.set(BCM4=0, BOOT_CM7_ADD1=0x1ff1)
            h7_board.option_bytes.set(IWDG2_SW=0)

        def test_finds_nothing_of_it(h7_board):
            assert h7_board.option_bytes.read("BCM4", "BOOT_CM7_ADD1", "IWDG2_SW") == {
                "BCM4": 1, "BOOT_CM7_ADD1": 0x1ff0, "IWDG2_SW": 1}

        def test_fails(h7_board):
            h7_board.option_bytes.set(BCM7=0)
            assert False
        """
    result = run(source)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.no_fnmatch_line("*put back*")
    assert virtual.mcu.flash.save() == before


def test_banks_that_a_test_has_swapped(run: Run, virtual: VirtualBoard) -> None:
    before = bytes(virtual.mcu.memory("flash bank 1"))
    source = """
        def test_swaps(h7_board):
            with h7_board.expect_fault("cm4"):  # which runs the CM7's image now
                h7_board.option_bytes.set(SWAP_BANK_OPT=1)
        """
    run(source, CHECK).assert_outcomes(passed=1, errors=1)
    assert not virtual.mcu.flash.swapped
    assert bytes(virtual.mcu.memory("flash bank 1")) == before


def test_what_firmware_has_changed_is_put_back(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    run(f"{BOARD}\ndef test_it(h7_board): program(BOOT4=0x0818_0810)").assert_outcomes(passed=1)
    assert virtual.mcu.flash.save() == before


@pytest.mark.parametrize("cores", ["BCM7=0", "BCM4=0", "BCM7=0, BCM4=0"])
def test_whoever_does_not_run_then(run: Run, erased: VirtualBoard, cores: str) -> None:
    before = erased.mcu.flash.save()
    run(f"def test_it(h7_board): h7_board.option_bytes.set({cores})").assert_outcomes(passed=1)
    assert erased.mcu.flash.save() == before


def test_power_that_was_away(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    source = """
        def test_blinks(h7_board):
            h7_board.option_bytes.set(BCM4=0)
            h7_board.bench.power.cycle()
        """
    run(source).assert_outcomes(passed=1)
    assert virtual.mcu.flash.save() == before


def test_board_without_power_is_put_in_order_before_the_next_test(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    source = f"""{BOARD}
def test_cuts(h7_board):
    h7_board.option_bytes.set(BCM4=0)
    virtual_board().mcu.power_off()

def test_without_power(h7_board): pass

def test_gives_back(): virtual_board().mcu.power_on()

def test_next(h7_board):
    assert h7_board.option_bytes["BCM4"] == 1
"""
    result = run(source)
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(
        [
            "The option bytes BCM4=1 could not be put back after *::test_cuts: *. "
            "The next run that connects to this board tries again."
        ]
    )
    assert virtual.mcu.flash.save() == before


def test_board_without_power_at_the_end_of_the_run(run: Run, virtual: VirtualBoard) -> None:
    source = f"""{BOARD}
def test_cuts(h7_board):
    h7_board.option_bytes.set(BCM4=0)
    virtual_board().mcu.power_off()
"""
    result = run(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["h7: The option bytes BCM4=1 could not be put back after *::test_cuts: *"])


def test_change_past_the_ledger_is_refused(run: Run, virtual: VirtualBoard) -> None:
    source = """
        def test_it(h7_board):
            flash = h7_board.registers.FLASH
            flash.OPTKEYR.value, flash.OPTKEYR.value = 0x0819_2A3B, 0x4C5D_6E7F
            flash.OPTSR_PRG.BCM4 = 0
            flash.OPTCR.OPTSTART = 1
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *SafetyError: Refused to start a change of option bytes through FLASH.OPTCR: *"]
    )
    assert virtual.mcu.flash.option("BCM4") == 1


def test_what_lies_prepared_is_not_programmed_along(run: Run, virtual: VirtualBoard) -> None:
    source = """
        def test_it(h7_board):
            flash = h7_board.registers.FLASH
            flash.OPTKEYR.value, flash.OPTKEYR.value = 0x0819_2A3B, 0x4C5D_6E7F
            flash.OPTSR_PRG.BCM7 = 0
            flash.BOOT4_PRG.value = 0x0818_0818
            h7_board.option_bytes.set(BCM4=0)
            assert h7_board.option_bytes.read("BCM7", "BCM4", "BOOT_CM4_ADD0") == {
                "BCM7": 1, "BCM4": 0, "BOOT_CM4_ADD0": 0x0810}
        """
    run(source).assert_outcomes(passed=1)


# -- check --------------------------------------------------------------------------------------------


def test_change_left_behind_fails_the_run(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    source = """
        def test_leaves(h7_board):
            h7_board.option_bytes.set(BCM4=0, BOOT_CM7_ADD1=0x1ff1)

        def test_next(h7_board):
            assert h7_board.option_bytes["BCM4"] == 1
        """
    result = run(source, CHECK)
    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_leaves*",
            "*::test_leaves has left option bytes changed: BCM4 is 0 instead of 1, BOOT_CM7_ADD1 is 0x1FF1 "
            "instead of 0x1FF0; they have been put back.",
            "failure class: test",
        ]
    )
    assert virtual.mcu.flash.save() == before


def test_what_comes_to_its_end_is_no_error(run: Run) -> None:
    source = """
        import pytest

        def test_puts_back(h7_board):
            h7_board.option_bytes.set(BCM4=0)
            h7_board.option_bytes.set(BCM4=1)

        @pytest.mark.h7_option_bytes(BCM4=0)
        def test_has_it_from_its_marker(h7_board): pass

        @pytest.mark.h7_option_bytes(BCM4=0)
        def test_ends_its_marker(h7_board):
            h7_board.option_bytes.set(BCM4=1)
        """
    run(source, CHECK).assert_outcomes(passed=3)


def test_change_beside_the_marker(run: Run) -> None:
    source = """
        import pytest

        @pytest.mark.h7_option_bytes(BCM4=0, BOOT_CM4_ADD0=0x0818)
        def test_more(h7_board):
            h7_board.option_bytes.set(IWDG1_SW=1, IWDG2_SW=0, BOOT_CM4_ADD0=0x0819)
        """
    result = run(source, CHECK)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*has left option bytes changed: IWDG2_SW is 0 instead of 1, BOOT_CM4_ADD0 is 0x0819 instead of 0x08*"
        ]
    )


def test_change_by_firmware_that_sleeps_without_a_clock(run: Run, erased: VirtualBoard) -> None:
    """Nobody can read the option bytes then, without a reset; only ``check`` makes one for it."""
    source = f"""{BOARD}
from pytest_h7 import CoreState

@pytest.mark.h7_option_bytes(BCM4=0)
def test_it(h7_board, cm7):
    cm7.halt()
    cm7.write_u32(0x2400_0000, 0xE7FD_BF30)  # loop: wfi, back to the loop
    cm7.write_u32(0xE000_ED10, 4)
    cm7.registers["pc"], cm7.registers["xpsr"] = 0x2400_0000, 1 << 24
    cm7.resume()
    h7_board.wait_until(lambda: cm7.state is CoreState.UNREACHABLE, 0.1)
    program(BOOT7=0x1ff1_0800)
"""
    result = run(source, CHECK)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*::test_it has left option bytes changed: BOOT_CM7_ADD1 is 0x1FF1 instead of *"]
    )
    assert erased.mcu.flash.option("BOOT_CM7_ADD1") == 0x1FF0


@pytest.mark.parametrize("arguments", [[], [CHECK]])
def test_protection_cannot_be_put_back(run: Run, virtual: VirtualBoard, arguments: list[str]) -> None:
    source = f"""{BOARD}
def test_protects(h7_board):
    h7_board.option_bytes.set(BCM4=0)
    program(WPSN1=0x7F)

def test_next(h7_board):
    assert h7_board.option_bytes["BCM4"] == 1
"""
    result = run(source, *arguments)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*::test_protects has left protected option bytes changed: WRPSn1 is 0x7F instead of 0xFF; "
            "they cannot be put back by this plugin."
        ]
    )


def test_value_that_the_option_does_not_take(run: Run) -> None:
    result = run("def test_it(): pass", "--h7-option-bytes=keep")
    assert "ERROR: --h7-option-bytes: 'keep' is none of restore, check" in result.stderr.str()


# -- DBGMCU -------------------------------------------------------------------------------------------


def test_debug_configuration_is_put_back_after_the_last_test_too(run: Run, virtual: VirtualBoard) -> None:
    source = """
        def test_it(h7_board):
            h7_board.registers.DBGMCU.CR.DBG_STOPD2 = 1
            h7_board.registers.DBGMCU.APB1LFZ1.value = 0xFFFF_FFFF
            h7_board.registers.DBGMCU.APB4FZ1.DBG_IWDG1 = 0
        """
    run(source).assert_outcomes(passed=1)
    found = {offset: virtual.mcu.dbgmcu.read(offset, 4, None) for offset in dbgmcu_configuration("sleep")}
    assert found == dbgmcu_configuration("sleep")


def test_debug_configuration_is_put_back_before_the_next_test(run: Run) -> None:
    source = """
        before = {}

        def values(board):
            unit = board.registers.DBGMCU
            return [unit.CR.value, unit.APB1LFZ1.value, unit.APB4FZ1.value, unit.APB3FZ2.value]

        def test_first(h7_board):
            before.update(values=values(h7_board))
            unit = h7_board.registers.DBGMCU
            unit.CR.value = unit.APB4FZ1.value = unit.APB3FZ2.value = 0
            unit.APB1LFZ1.value = 0x3FF
            assert values(h7_board) != before["values"]
            assert False

        def test_second(h7_board):
            assert values(h7_board) == before["values"]
        """
    run(source).assert_outcomes(failed=1, passed=1)


# -- what an earlier run has left ------------------------------------------------------------------------

LEFT = '{"test": "test_old.py::test_cut", "before": {"BCM4": 1}}'


def test_journal_that_cannot_be_read_ends_the_run(run: Run, tmp_path) -> None:
    folder = tmp_path / "twins" / "desk"
    folder.mkdir(parents=True)
    journal = folder / "option-bytes-before.json"
    journal.write_text("{")
    assert the_error(run("def test_it(h7_board): pass", "--h7-probe=twin:desk")) == (
        f"The journal {journal} of what an earlier run has changed cannot be read: check the board's option "
        "bytes, then delete it."
    )
    journal.unlink()
    run("def test_it(h7_board): pass", "--h7-probe=twin:desk").assert_outcomes(passed=1)


def test_journal_of_what_is_in_order_already(run: Run, tmp_path) -> None:
    folder = tmp_path / "twins" / "desk"
    folder.mkdir(parents=True)
    (folder / "option-bytes-before.json").write_text(LEFT)
    result = run("def test_it(h7_board): pass", "--h7-probe=twin:desk")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*put back*")
    assert not (folder / "option-bytes-before.json").exists()
