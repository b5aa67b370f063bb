"""The markers: what they do, and that one used wrongly is an error of its test only."""

import shutil

import pytest

from pytest_h7 import reference_image
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run


def test_markers_are_declared(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers")
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.h7_images(cm7=None, cm4=None): *",
            "@pytest.mark.h7_hardware: *",
            "@pytest.mark.h7_virtual: *",
            "@pytest.mark.h7_option_bytes(**values): *",
            "@pytest.mark.h7_requires(*services): *power, loopback, pin, surroundings, simulation.",
        ]
    )


# -- h7_images ----------------------------------------------------------------------------------------


def test_images_of_a_marker(run: Run, pytester: pytest.Pytester) -> None:
    beside = pytester.mkdir("firmware")
    shutil.copy(reference_image("cm7_never_releases"), beside / "beside.elf")
    shutil.copy(reference_image("cm4_lockup"), pytester.path / "root.elf")
    (beside / "test_beside.py").write_text(
        """
import pytest

@pytest.mark.h7_images(cm7="beside.elf")
class TestClass:
    def test_beside_the_test(self, h7_images):
        assert (h7_images.cm7.path.name, h7_images.cm4.path.name) == ("beside.elf", "cm4.elf")

    @pytest.mark.h7_images(cm4="root.elf")
    def test_in_the_root_and_from_the_class(self, h7_images):
        assert (h7_images.cm7.path.name, h7_images.cm4.path.name) == ("beside.elf", "root.elf")

    @pytest.mark.h7_images(cm7="../root7.elf")
    def test_closest_wins(self, h7_images):
        assert h7_images.cm7.path.name == "root7.elf"
"""
    )
    shutil.copy(reference_image("cm7"), pytester.path / "root7.elf")
    option = f"--h7-cm7-image={reference_image('cm7_hard_fault')}"
    source = f"""
        import pytest

        def test_option(h7_images):
            assert h7_images.cm7.path.name == "cm7_hard_fault.elf"

        @pytest.mark.h7_images(cm7={str(reference_image("cm7"))!r}, cm4=None)
        def test_marker_wins(h7_images):
            assert (h7_images.cm7.path.name, h7_images.cm4.path.name) == ("cm7.elf", "cm4.elf")
        """
    run(source, option).assert_outcomes(passed=5)


def test_images_of_a_marker_are_flashed(run: Run) -> None:
    source = f"""
        import pytest
        from pytest_h7 import CoreState

        @pytest.mark.h7_images(cm4={str(reference_image("cm4_lockup"))!r})
        def test_locked_up(h7_board, h7_flashed, cm4):
            with h7_board.expect_fault("cm4"):
                h7_board.wait_until(lambda: cm4.state is CoreState.LOCKUP, 0.1)

        def test_reference_again(started, cm4):
            assert cm4.state in (CoreState.RUNNING, CoreState.SLEEPING)
        """
    run(source).assert_outcomes(passed=2)


@pytest.mark.parametrize("arguments", ["'cm7.elf'", "cm5='cm5.elf'"])
def test_images_are_given_by_name(run: Run, arguments: str) -> None:
    source = f"""
        import pytest

        @pytest.mark.h7_images({arguments})
        def test_it(h7_images): pass

        def test_other(h7_images): pass
        """
    result = run(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["The marker h7_images takes cm7= and cm4=, by name."])


# -- h7_hardware, h7_virtual, h7_requires ------------------------------------------------------------


def reasons(result: pytest.RunResult) -> dict[str, str]:
    """Why tests were skipped, by their line's number in the file."""
    lines = [line for line in result.stdout.lines if line.startswith("SKIPPED")]
    return {line.split(":")[1]: line.rpartition(": ")[2] for line in lines}


BOTH_KINDS = """
import pytest

@pytest.mark.h7_hardware
def test_hardware(h7_probe): pass

@pytest.mark.h7_virtual
def test_virtual(h7_probe): pass
"""


def test_hardware_is_skipped_on_the_virtual_board(run: Run) -> None:
    result = run(BOTH_KINDS, "-rs", "-v")
    result.stdout.fnmatch_lines(
        [
            "*::test_hardware SKIPPED (needs a real board (--h7-probe=SERIAL)*",
            "*::test_virtual PASSED*",
        ]
    )


def test_virtual_is_skipped_on_a_real_board(run: Run, real_board: str) -> None:
    result = run(BOTH_KINDS, f"--h7-probe={real_board}", "-v")
    result.stdout.fnmatch_lines(
        [
            "h7: board H7TWIN, *",
            "*::test_hardware PASSED*",
            "*::test_virtual SKIPPED (needs the virtual board (--h7-probe=twin)*",
        ]
    )


def test_virtual_board_by_its_serial_number_is_virtual(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "twin")
    result = run(BOTH_KINDS, "--h7-probe=H7TWIN", "-v")
    result.stdout.fnmatch_lines(["*::test_hardware SKIPPED*", "*::test_virtual PASSED*"])


def test_skipping_needs_no_board(run: Run, virtual: VirtualBoard) -> None:
    source = """
        import pytest

        @pytest.mark.h7_hardware
        def test_it(): pass
        """
    run(source).assert_outcomes(skipped=1)
    assert virtual.stlink.transfers == 0 or virtual.stlink.claimed_by is None


SERVICES = """
import pytest

@pytest.mark.h7_requires("power")
def test_power(h7_board): h7_board.reset(kind="power")

@pytest.mark.h7_requires("loopback")
def test_loopback(h7_board): pass

@pytest.mark.h7_requires("pin")
def test_pin(h7_board): pass

@pytest.mark.h7_requires("power", "loopback")
def test_both(h7_board): pass
"""


@pytest.mark.parametrize(
    ("stimulus", "passed"),
    [
        ("twin", {"power", "pin"}),
        ("drive", {"power", "pin"}),
        ("swier", {"power"}),
        ("loopback:PB9", {"power", "loopback", "pin", "both"}),
    ],
)
def test_services_of_the_virtual_bench(run: Run, stimulus: str, passed: set[str]) -> None:
    result = run(SERVICES, f"--h7-stimulus={stimulus}", "-v")
    for name in ("power", "loopback", "pin", "both"):
        outcome = "PASSED" if name in passed else "SKIPPED (this bench has no *)"
        result.stdout.fnmatch_lines([f"*::test_{name} {outcome}*"])


def test_real_bench_has_no_power_switch(run: Run, real_board: str) -> None:
    source = """
        import pytest

        @pytest.mark.h7_requires("power")
        def test_power(h7_board): pass

        def test_without_the_marker(h7_board):
            h7_board.reset(kind="power")
        """
    result = run(source, f"--h7-probe={real_board}", "-v")
    result.stdout.fnmatch_lines(
        [
            "*::test_power SKIPPED (this bench has no power)*",
            "E *This bench cannot switch the board's power: mark the test h7_requires('power').",
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [("'teleport'", "'teleport'"), ("", "power, loopback, pin, surroundings, simulation")],
)
def test_unknown_service_is_an_error_of_its_test(run: Run, arguments: str, named: str) -> None:
    source = f"""
        import pytest

        @pytest.mark.h7_requires({arguments})
        def test_it(h7_board): pass

        def test_other(h7_board): pass
        """
    result = run(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"The marker h7_requires *{named}*"])


# -- h7_option_bytes ----------------------------------------------------------------------------------


def test_option_bytes_are_set_and_put_back_whatever_happens(run: Run, virtual: VirtualBoard) -> None:
    source = """
        import pytest

        @pytest.fixture
        def broken(h7_board):
            raise RuntimeError("of this fixture")

        @pytest.mark.h7_option_bytes(BCM4=0, BOOT_CM4_ADD1=0x0818)
        class TestClass:
            def test_passes(self, h7_board):
                assert h7_board.option_bytes["BCM4"] == 0
                assert h7_board.option_bytes["BOOT_CM4_ADD1"] == 0x0818

            @pytest.mark.h7_option_bytes(BCM4=1, IWDG2_SW=0)
            def test_closest_wins(self, h7_board):
                assert h7_board.option_bytes.read("BCM4", "IWDG2_SW", "BOOT_CM4_ADD1") == {
                    "BCM4": 1, "IWDG2_SW": 0, "BOOT_CM4_ADD1": 0x0818,
                }

            def test_fails(self, h7_board):
                assert h7_board.option_bytes["BCM4"] == 1

            def test_has_a_broken_fixture(self, h7_board, broken): pass

            def test_changes_more(self, h7_board):
                h7_board.option_bytes.set(BCM4=1)

        @pytest.mark.h7_option_bytes(BCM7=0)
        def test_without_the_cm7(h7_board, cm7):
            assert cm7.state.value == "held"

        def test_as_before(h7_board):
            assert h7_board.option_bytes.read("BCM7", "BCM4", "IWDG2_SW", "BOOT_CM4_ADD1") == {
                "BCM7": 1, "BCM4": 1, "IWDG2_SW": 1, "BOOT_CM4_ADD1": 0x1000,
            }
        """
    before = virtual.mcu.flash.save()
    run(source).assert_outcomes(passed=5, failed=1, errors=1)
    assert virtual.mcu.flash.save() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("BMC4=0", "The marker h7_option_bytes names BMC4, which is no option byte; there is BCM4*."),
        ("zork=0", "The marker h7_option_bytes names zork, which is no option byte; there is BOR_LEV, *"),
        ("BCM4=2", "The option byte BCM4 in h7_option_bytes holds 0 to 1, not 2."),
        ("BOOT_CM4_ADD0='x'", "The option byte BOOT_CM4_ADD0 in h7_option_bytes holds 0 to 65535, not 'x'."),
        ("BCM4=-1", "The option byte BCM4 in h7_option_bytes holds 0 to 1, not -1."),
        ("0", "The marker h7_option_bytes takes values by name, such as BCM4=0."),
    ],
)
def test_impossible_option_byte_is_an_error_of_its_test(
    run: Run, virtual: VirtualBoard, arguments: str, message: str
) -> None:
    before = virtual.mcu.flash.save()
    source = f"""
        import pytest

        @pytest.mark.h7_option_bytes({arguments})
        def test_it(h7_board): pass
        """
    result = run(source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
    assert virtual.mcu.flash.save() == before


@pytest.mark.parametrize(
    "name",
    ["RDP", "SECURITY", "WRPSn1", "WRPSn2", "PROT_AREA1", "PROT_AREA2", "SEC_AREA1", "SEC_AREA2"],
)
def test_protected_option_byte_is_refused(run: Run, virtual: VirtualBoard, name: str) -> None:
    before = virtual.mcu.flash.save()
    source = f"""
        import pytest
        from pytest_h7 import SafetyError

        @pytest.mark.h7_option_bytes({name}=1)
        def test_marker(h7_board): pass

        def test_set(h7_board):
            h7_board.option_bytes.set({name}=1)
        """
    result = run(source, "-rA")
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            f"Refused to change the option byte {name}: *STM32CubeProgrammer*",
            f"E *SafetyError: Refused to change the option byte {name}: *STM32CubeProgrammer*",
        ]
    )
    assert virtual.mcu.flash.save() == before
