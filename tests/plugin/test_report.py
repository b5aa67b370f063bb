"""What a run tells: the header, the state of the board where a test has failed, and errors in short."""

import json
import re
import shutil
from collections.abc import Sequence

import pytest

from pytest_h7 import ImageError, reference_image
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run

HEADER = [
    r"h7: virtual board H7TWIN, STLINK-V3 V3J\d+M\d+, target 3\.30 V, chip 0x450 revision V",
    r"h7: cm7 cm7\.elf \(sha256 [0-9a-f]{12}\), cm4 cm4\.elf \(sha256 [0-9a-f]{12}\)",
    r"h7: BCM7=1 BCM4=1 BOOT_CM7_ADD0=0x0800 BOOT_CM4_ADD0=0x0810 RDP=0xAA",
]


def header_of(result: pytest.RunResult) -> list[str]:
    return [line for line in result.stdout.lines if line.startswith("h7: ")]


def section_of(result: pytest.RunResult, name: str = "") -> list[str]:
    """The lines about the board in the report of the test called `name`, of the first failure without."""
    text = result.stdout.str()
    text = text[re.search(rf"^_+ (ERROR at \w+ of )?[\w.]*{name}.* _+$", text, re.MULTILINE).end() :]
    body = re.search(r"^-+ h7 board -+$\n(.*?)(?=^[-_=]{5,})", text, re.MULTILINE | re.DOTALL)
    return body[1].splitlines() if body else []


def matches(lines: Sequence[str], patterns: Sequence[str]) -> None:
    """Every pattern is found in a line, one after the other."""
    rest = iter(lines)
    for pattern in patterns:
        assert any(re.search(pattern, line) for line in rest), f"no {pattern!r} in {lines}"


# -- header -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verbosity", ["-q", "-v"])
def test_header(run: Run, verbosity: str) -> None:
    result = run("def test_it(h7_board): pass", verbosity)
    for line, pattern in zip(header_of(result), HEADER, strict=True):
        assert re.fullmatch(pattern, line)


def test_header_shows_images_and_option_bytes_that_differ(run: Run, virtual: VirtualBoard) -> None:
    virtual.mcu.power_off()
    options = virtual.mcu.flash.save()
    options["OPTSR"] &= ~(1 << 22)
    virtual.mcu.flash.load(options)
    virtual.mcu.power_on()
    image = reference_image("cm4_lockup")
    result = run("def test_it(h7_board): pass", f"--h7-cm4-image={image}")
    matches(header_of(result), ["cm4 cm4_lockup.elf", "BCM7=1 BCM4=0 "])


def test_header_of_a_real_board(run: Run, real_board: str) -> None:
    result = run("def test_it(h7_board): pass", f"--h7-probe={real_board}")
    matches(header_of(result), ["^h7: board H7TWIN, STLINK-V3"])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-k", "without"),
        ("--collect-only",),
        ("--setup-plan",),
        ("--fixtures",),
        ("--fixtures-per-test",),
    ],
)
def test_no_header_and_no_connection_where_no_test_of_the_board_runs(
    run: Run, virtual: VirtualBoard, arguments: tuple[str, ...]
) -> None:
    transfers = virtual.stlink.transfers
    source = "def test_without(): pass\n"
    if arguments:
        source += "def test_of_board(h7_board): pass\n"
    result = run(source, *arguments)
    assert result.ret == pytest.ExitCode.OK
    assert header_of(result) == []
    assert virtual.stlink.transfers == transfers


@pytest.fixture
def no_reference_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImageError(f"The reference firmware {name}.elf is not built.")

    monkeypatch.setattr("pytest_h7.board.images.reference_image", missing)


def test_reference_firmware_is_not_needed_by_a_board_that_has_its_own(
    run: Run, no_reference_firmware: None
) -> None:
    both = f"cm7={str(reference_image('cm7'))!r}, cm4={str(reference_image('cm4'))!r}"
    source = f"""
        import pytest

        def test_what_is_there(h7_board): pass

        @pytest.mark.h7_images({both})
        def test_its_own(h7_flashed): pass
        """
    result = run(source)
    result.assert_outcomes(passed=2)
    matches(header_of(result), HEADER)


def test_header_shows_the_images_of_tests_that_all_name_some(run: Run, pytester: pytest.Pytester) -> None:
    pairs = [("cm7_example_test", None), (None, "cm4_lockup"), ("cm7", None)]
    for number, pair in enumerate(pairs):
        named = dict(zip(("cm7", "cm4"), pair, strict=True))
        images = {core: str(reference_image(name or f"{core}_companion")) for core, name in named.items()}
        marker = f"pytestmark = pytest.mark.h7_images(**{images})"
        pytester.makepyfile(**{f"test_{number}": f"import pytest\n{marker}\ndef test_it(h7_flashed): pass"})
    result = run("", *(f"test_{number}.py" for number in range(3)), "-k", "not lockup")
    images = "cm7 cm7_example_test.elf *, cm7 cm7_companion.elf *, cm7 cm7.elf *, cm4 cm4_companion.elf *"
    result.stdout.fnmatch_lines([f"h7: {images}, cm4 cm4_lockup.elf *"])


def test_header_does_not_show_very_many_images(run: Run, pytester: pytest.Pytester) -> None:
    for number in range(5):
        shutil.copy(reference_image("cm7"), pytester.path / f"{number}.elf")
    source = """
        import pytest

        marks = [pytest.mark.h7_images(cm7=f"{number}.elf") for number in range(5)]

        @pytest.mark.parametrize("number", [pytest.param(n, marks=mark) for n, mark in enumerate(marks)])
        def test_it(h7_images, h7_board, number): pass
        """
    result = run(source)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["h7: cm7 0.elf *, cm7 1.elf *, cm7 2.elf *, 2 more for cm7, cm4 cm4.elf *"])


def test_attaching_to_a_sleeping_board_shows_what_can_be_read(run: Run, virtual: VirtualBoard) -> None:
    virtual.sleep(0.1)
    result = run("def test_it(h7_probe): pass", "--h7-connect=attach", "--h7-low-power-debug=off")
    result.assert_outcomes(passed=1)
    assert len(header_of(result)) == 3


# -- failures -----------------------------------------------------------------------------------------


def test_failure_shows_the_state_of_everything(run: Run) -> None:
    source = """
        def test_it(started, h7_board):
            h7_board.ap[0].read_u32(0x5802_6480 + 4 * 5)  # the CM7 takes semaphore 5
            h7_board.cm4.run_until("SysTick_Handler")
            assert False
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    matches(
        section_of(result),
        [
            r"^failure class: test$",
            r"^board time: \d+\.\d{6} s$",
            r"^cm7: (sleeping|running) in main \(\w+\.[ch]:\d+\)$",
            r"^    r0 [0-9a-f]{8}    r1 [0-9a-f]{8}    r2 [0-9a-f]{8}    r3 [0-9a-f]{8}$",
            r"^   r12 [0-9a-f]{8}    sp 2001[0-9a-f]{4}    lr 0800[0-9a-f]{4}    pc 0800[0-9a-f]{4}$",
            r"^  xpsr [0-9a-f]{8}$",
            r"^cm4: halted in SysTick_Handler \(",
            r"^   r12 [0-9a-f]{8}    sp 1001[0-9a-f]{4}    lr [0-9a-f]{8}    pc 0810[0-9a-f]{4}$",
            r"^  xpsr [0-9a-f]{8}$",
            r"^domains: D1 run, D2 run, D3 run; semaphores taken: 5 by cm7$",
            r"^console:$",
            r"^  pytest-h7 reference firmware$",
        ],
    )


def test_failure_shows_only_the_last_console_lines(run: Run) -> None:
    source = """
        def test_it(started, h7_board, h7_console):
            h7_console.expect("ready")
            for count in range(20):
                h7_board.exti[13].trigger()
                h7_board.sleep(0.01)
            assert False
        """
    lines = section_of(run(source))
    console = lines[lines.index("console:") + 1 :]
    assert len(console) == 12
    assert "EXTI13 20" in console[-1]


def test_console_is_heard_by_a_test_that_does_not_ask_for_it(run: Run) -> None:
    source = """
        def test_it(h7_flashed, h7_board):
            h7_board.sleep(0.1)
            assert False
        """
    matches(section_of(run(source)), [r"^console:$", r"^  \[CM4\] ready$"])


def test_real_board_without_a_console_says_so(run: Run, real_board: str) -> None:
    result = run("def test_it(h7_board): assert False", f"--h7-probe={real_board}")
    matches(section_of(result), [r"^console: The probe H7TWIN has no serial port; .*--h7-console=PORT\.$"])


def test_unreachable_core_is_explained(run: Run) -> None:
    source = """
        def test_it(h7_board, h7_flashed):
            h7_board.reset(halt=True)
            h7_board.sleep(0.01)
            assert False
        """
    matches(
        section_of(run(source)),
        [
            r"^cm7: halted in Reset_Handler",
            r"^cm4: unreachable$",
            r"^domains: D1 run, D2 stop, D3 run;",
            r"^AP3: The CM4 sleeps in D2 stop until the CM7 releases hardware semaphore 0",
            r"^Way out: ",
            r"^Read: .*RCC_CR.D2CKRDY = 0",
        ],
    )


def test_fault_is_decoded(run: Run) -> None:
    image = reference_image("cm7_hard_fault")
    source = """
        def test_it(started, h7_board):
            h7_board.button.press(0.02)
            assert False
        """
    lines = section_of(run(source, f"--h7-cm7-image={image}"))
    matches(lines, [r"^cm7: running in \w*Handler", r"^  fault: .*\[.*FORCED.*\]$", r"^cm4: "])


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("assert False", "test"),
        ("h7_board.ap[1].read_u32(0x0800_0000)", "test"),
        ("h7_board.wait_until(lambda: False, 0.01)", "firmware"),
        ("h7_board.bench.console.expect('never', 0.01)", "firmware"),
        ("raise pytest_h7.BootContractBroken('it broke')", "firmware"),
        ("raise pytest_h7.ConsoleUnavailable('it is away')", "infrastructure"),
    ],
)
def test_class_of_a_failure(run: Run, statement: str, expected: str) -> None:
    result = run(f"import pytest_h7\ndef test_it(h7_board):\n    {statement}\n")
    result.assert_outcomes(failed=1)
    assert section_of(result)[0] == f"failure class: {expected}"


def test_looking_does_not_stop_the_board(run: Run) -> None:
    source = """
        import pytest

        @pytest.fixture
        def goes_on(started, cm7, cm4):
            yield
            before = [core.variable("ticks").value for core in (cm7, cm4)]
            started.sleep(0.02)
            after = [core.variable("ticks").value for core in (cm7, cm4)]
            assert [last - first for first, last in zip(before, after)] == [pytest.approx(20, abs=2)] * 2

        def test_it(goes_on):
            assert False
        """
    run(source).assert_outcomes(failed=1)


def test_only_failures_are_described(run: Run) -> None:
    source = """
        import pytest

        def test_passes(h7_board): pass
        def test_skips(h7_board): pytest.skip("not today")

        @pytest.mark.xfail(strict=True)
        def test_expected(h7_board): assert False

        def test_without_the_board(): assert False
        """
    result = run(source, "-rA")
    result.assert_outcomes(passed=1, skipped=1, xfailed=1, failed=1)
    result.stdout.no_fnmatch_line("*h7 board -*")


def test_failing_fixtures_are_described(run: Run) -> None:
    source = """
        import pytest

        @pytest.fixture
        def breaks_before(h7_board):
            raise RuntimeError

        @pytest.fixture
        def breaks_after(h7_board):
            yield
            raise RuntimeError

        def test_before(breaks_before): pass
        def test_after(breaks_after): pass
        """
    result = run(source)
    result.assert_outcomes(passed=1, errors=2)
    for name in ("test_before", "test_after"):
        matches(section_of(result, name), ["^failure class: test$", "^cm7: ", "^cm4: "])


def test_trouble_with_the_description_leaves_the_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_board: object, **_options: object) -> None:
        raise RuntimeError("the DWARF is odd")

    monkeypatch.setattr("pytest_h7.report.take_capture", broken)
    result = run("def test_it(h7_board): assert 1 == 2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])
    matches(section_of(result), ["^The board's state could not be read: the DWARF is odd$"])


# -- our errors ---------------------------------------------------------------------------------------

ACCESS_ERROR = """
def read(board):
    return board.ap[1].read_u32(0x0800_0000)

def test_it(h7_board):
    read(h7_board)
"""


def test_error_shows_the_test_and_one_sentence(run: Run) -> None:
    result = run(ACCESS_ERROR)
    result.stdout.fnmatch_lines(
        [
            "    def test_it(h7_board):",
            ">       read(h7_board)",
            "    def read(board):",
            ">       return board.ap[1].read_u32(0x0800_0000)",
            "E       pytest_h7.errors.TargetAccessError: Could not read 0x08000000 through AP1: *",
        ]
    )
    text = result.stdout.str()
    assert "access_port.py" not in text
    assert "pyocd" not in text
    assert "direct cause" not in text


def test_full_trace_shows_all_of_it(run: Run) -> None:
    text = run(ACCESS_ERROR, "--full-trace").stdout.str()
    assert "access_port.py" in text
    assert "TransferFaultError" in text
    assert "direct cause" in text


def test_error_of_a_fixture_is_one_sentence(run: Run) -> None:
    source = """
        import pytest

        @pytest.mark.h7_images(cm7="missing.elf")
        def test_ours(h7_flashed): pass

        @pytest.fixture
        def theirs(h7_board):
            return h7_board.ap[1].read_u32(0x0800_0000)

        def test_theirs(theirs): pass
        """
    result = run(source)
    result.assert_outcomes(errors=2)
    lines = [line for line in result.stdout.lines if line]
    title = next(index for index, line in enumerate(lines) if "ERROR at setup of test_ours" in line)
    assert re.fullmatch(
        r"The cm7 image /.*/missing\.elf cannot be read: No such file or directory\.", lines[title + 1]
    )
    assert " h7 board " in lines[title + 2] or "ERROR at setup" in lines[title + 2]
    result.stdout.fnmatch_lines([">       return h7_board.ap[1].read_u32(0x0800_0000)"])
    result.stdout.fnmatch_lines(["ERROR *::test_ours - pytest_h7.errors.ImageError: The cm7 image *"])


# -- Allure -------------------------------------------------------------------------------------------


def test_allure_gets_the_state_as_an_attachment(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        def test_fails(h7_board): assert False
        def test_passes(h7_board): pass
        """
    result = run(source, "--alluredir=allure")
    result.assert_outcomes(failed=1, passed=1)
    folder = pytester.path / "allure"
    found = {report["name"]: report for report in map(json.loads, map(read, folder.glob("*-result.json")))}
    attachment, *others = found["test_fails"]["attachments"]
    assert (attachment["name"], attachment["type"]) == ("h7 board", "text/plain")
    assert {other["name"]: other.get("type") for other in others} == {
        "h7 evidence": "text/html",
        "h7 timeline": "image/svg+xml",
        "h7 snapshot": "application/json",
        "h7 timeline (VCD)": "text/plain",
        "cm7.core": "application/octet-stream",
        "cm4.core": "application/octet-stream",
    }
    assert read(folder / attachment["source"]).splitlines() == section_of(result)
    assert "attachments" not in found["test_passes"]


def read(path: object) -> str:
    with open(str(path), encoding="utf-8") as stream:  # noqa: PTH123
        return stream.read()
