"""pytest-timeout: wherever it strikes, the report says where the cores were, and the next test works."""

import gc
import signal
import time

import pytest

from pytest_h7 import reference_image
from pytest_h7.bench.interruption import make_impatient, make_patient, uninterrupted
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run
from .test_report import matches, section_of

PLACES = {
    "sleeping": "h7_board.sleep(1e6)",
    "waiting": "h7_board.wait_until(lambda: False, 1e6)",
    "listening": "h7_console.expect('never', timeout=1e6)",
    "busy": "while True: pass",
    "reading": "while True: cm7.read_u32(0x2000_0000)",
    "host": "time.sleep(1e6)",
    "socket": "with socket.create_server(('127.0.0.1', 0)) as server: server.accept()",
}


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_wherever_a_test_hangs(run: Run, virtual: VirtualBoard, method: str) -> None:
    tests = "".join(
        f"""
@pytest.mark.timeout(0.3, method={method!r}, func_only=True)
def test_{name}(started, h7_board, h7_console, cm7):
    {statement}

def test_after_{name}(h7_board, h7_flashed):
    h7_board.boot_contract(1.0)
"""
        for name, statement in PLACES.items()
    )
    result = run(f"import socket, time\nimport pytest\n{tests}")
    result.assert_outcomes(failed=len(PLACES), passed=len(PLACES))
    for name, statement in PLACES.items():
        matches(
            section_of(result, f"test_{name}"),
            [
                "^failure class: firmware$",
                r"^cm7: (sleeping|running) in \w+ \(\w+\.[ch]:\d+\)$",
                r"^cm4: (sleeping|running) in \w+ \(\w+\.[ch]:\d+\)$",
                "^cm7 and cm4 stayed halted there$",
            ],
        )
        # What is shown is the line of the test, not where the simulation was.
        result.stdout.fnmatch_lines([f">*{statement}"])
    result.stdout.fnmatch_lines(["E *Failed: Timeout (>0.3s) from pytest-timeout."])
    result.stdout.no_fnmatch_line("*scheduler.py*")


def test_while_setting_up_by_a_thread(run: Run) -> None:
    source = """
        import pytest

        @pytest.fixture
        def hangs(h7_board):
            h7_board.sleep(1e6)

        def test_it(hangs): pass

        @pytest.mark.timeout(60)
        def test_next(h7_board, h7_flashed): h7_board.boot_contract(1.0)
        """
    before = signal.getsignal(signal.SIGRTMIN)
    result = run(source, "--timeout=0.3", "--timeout-method=thread")
    result.assert_outcomes(errors=1, passed=1)
    matches(section_of(result), ["^failure class: firmware$", "^cm7: "])
    assert signal.getsignal(signal.SIGRTMIN) is before


def test_process_that_cannot_be_interrupted_is_ended(run_apart: Run) -> None:
    source = """
        import pytest
        from pytest_h7 import timeouts
        from pytest_h7.bench.interruption import uninterrupted

        @pytest.mark.timeout(0.3, method="thread", func_only=True)
        def test_it(h7_board, monkeypatch):
            monkeypatch.setattr(timeouts, "GRACE", 0.3)
            with uninterrupted():
                while True: pass
        """
    result = run_apart(source)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*+ Timeout +*", "*while True: pass*"])


def test_board_is_left_halted_after_the_last_test(run: Run, virtual: VirtualBoard) -> None:
    source = """
        import pytest

        @pytest.mark.timeout(0.3, func_only=True)
        def test_it(started, h7_board):
            h7_board.gpio["PC13"].drive(True)
            h7_board.sleep(1e6)
        """
    run(source).assert_outcomes(failed=1)
    assert [core.halted for core in virtual.mcu.cores.values()] == [True, True]
    assert not virtual.mcu.nrst_asserted
    assert not virtual.mcu.pins.level("PC13")
    assert virtual.stlink.claimed_by is None


def test_board_runs_on_after_a_run_without_a_time_out(run: Run, virtual: VirtualBoard) -> None:
    source = """
        import pytest

        @pytest.mark.timeout(0.3, func_only=True)
        def test_hangs(started): started.sleep(1e6)

        def test_fails(h7_board, cm7):
            cm7.halt()
            assert False
        """
    run(source).assert_outcomes(failed=2)
    assert [core.halted for core in virtual.mcu.cores.values()] == [False, False]


def test_option_bytes_are_put_back(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    source = """
        import pytest

        @pytest.mark.timeout(0.3, func_only=True)
        @pytest.mark.h7_option_bytes(BCM4=0)
        def test_it(h7_board):
            assert h7_board.option_bytes["BCM4"] == 0
            h7_board.sleep(1e6)
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    matches(section_of(result), ["^cm7: ", "^cm4: held$"])
    assert virtual.mcu.flash.save() == before


def test_core_that_cannot_be_halted_is_explained(run: Run) -> None:
    source = f"""
        import pytest

        @pytest.mark.timeout(0.5, func_only=True)
        @pytest.mark.h7_images(cm7={str(reference_image("cm7_never_releases"))!r})
        def test_it(h7_board, h7_flashed):
            h7_board.sleep(0.1)
            h7_board.wait_until(lambda: h7_board.ap[3].readable, 1e6)
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    matches(
        section_of(result),
        [
            "^cm7: sleeping in main",
            "^cm4: unreachable$",
            "^AP3: The CM4 sleeps in D2 stop",
            "^cm7 stayed halted there$",
        ],
    )


def test_while_setting_up(run: Run) -> None:
    source = """
        import pytest

        @pytest.fixture
        def hangs(h7_board):
            h7_board.sleep(1e6)

        @pytest.mark.timeout(0.3)
        def test_it(hangs): pass

        def test_next(h7_board, h7_flashed): h7_board.boot_contract(1.0)
        """
    result = run(source)
    result.assert_outcomes(errors=1, passed=1)
    matches(section_of(result), ["^failure class: firmware$", "^cm7: "])


def test_at_any_moment_of_any_access(run: Run) -> None:
    """Time-outs strike at 40 moments that differ by less than a command to the probe takes to simulate."""
    source = """
        import pytest
        from pytest_h7.bench.settings import FlashPolicy

        ACTIONS = [
            lambda board, pair: board.reset(),
            lambda board, pair: board.reset(halt=True),
            lambda board, pair: board.reset(kind="power"),
            lambda board, pair: board.flash(pair, FlashPolicy.ALWAYS),
            lambda board, pair: board.cm7.run_until("SysTick_Handler"),
            lambda board, pair: board.button.press(0.01),
            lambda board, pair: board.snapshot(),
            lambda board, pair: board.bench.console.log,
        ]

        def strikes_at(moment):
            return pytest.param(moment, marks=pytest.mark.timeout(0.05 + moment * 0.00013, func_only=True))

        @pytest.mark.parametrize("moment", [strikes_at(moment) for moment in range(40)])
        def test_it(h7_board, h7_images, moment):
            while True:
                ACTIONS[moment % len(ACTIONS)](h7_board, h7_images)

        def test_after(h7_board, h7_flashed):
            h7_board.boot_contract(1.0)
            for image in h7_flashed:
                for segment in image.segments:
                    assert h7_board.cm7.read_bytes(segment.address, len(segment.data)) == segment.data
        """
    run(source).assert_outcomes(failed=40, passed=1)


# -- how ----------------------------------------------------------------------------------------------


class Struck(BaseException):
    pass


@pytest.fixture
def strike() -> object:
    """Raises Struck out of a signal handler, as a time-out does."""

    def handler(_number: int, _frame: object) -> None:
        raise Struck

    before = signal.signal(signal.SIGALRM, handler)
    make_patient(signal.SIGALRM)
    yield lambda: signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)


def test_signal_waits_for_the_end_of_the_block(strike) -> None:
    reached = []

    def blocks() -> None:
        with uninterrupted():
            with uninterrupted():
                strike()
                reached.append("inner")
            reached.append("outer")
        reached.append("behind")

    with pytest.raises(Struck):
        blocks()
    assert reached == ["inner", "outer"]


def test_signal_outside_of_a_block_strikes_at_once(strike) -> None:
    with pytest.raises(Struck):
        strike()
    with uninterrupted():
        pass


def test_signal_within_the_garbage_collector_is_not_lost(strike) -> None:
    """Python ignores what its callbacks raise; hypothesis has one, and it is the first code after a collection."""
    struck = 0

    def callback(phase: str, _info: object) -> None:
        nonlocal struck
        if phase == "stop" and not struck:
            struck += 1
            strike()

    gc.callbacks.append(callback)
    try:
        gc.collect()
        with pytest.raises(Struck):
            time.sleep(10)
    finally:
        gc.callbacks.remove(callback)
    assert struck == 1


def test_signal_within_a_destructor_is_not_lost(strike) -> None:
    class Dying:
        def __del__(self) -> None:
            strike()

    Dying()
    with pytest.raises(Struck):
        time.sleep(10)


def test_signal_takes_the_place_of_an_error_in_the_block(strike) -> None:
    def block() -> None:
        with uninterrupted():
            strike()
            raise ValueError

    with pytest.raises(Struck):
        block()


def test_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    make_patient(signal.SIGINT)
    make_patient(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is not before
    make_impatient(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_time_outs_of_tests_without_a_board_are_as_ever(run: Run) -> None:
    source = """
        import time, pytest

        @pytest.mark.timeout(0.2)
        def test_it(): time.sleep(10)
        """
    start = time.monotonic()
    result = run(source)
    result.assert_outcomes(failed=1)
    assert time.monotonic() - start < 5
    result.stdout.no_fnmatch_line("*h7 board*")


def test_interrupting_the_run_cleans_up(run: Run, virtual: VirtualBoard) -> None:
    before = virtual.mcu.flash.save()
    source = """
        import signal, threading
        import pytest

        @pytest.mark.h7_option_bytes(BCM4=0)
        def test_it(h7_board):
            threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,)).start()
            h7_board.sleep(1e6)
        """
    with pytest.raises(KeyboardInterrupt):
        run(source)
    assert virtual.mcu.flash.save() == before
    assert virtual.stlink.claimed_by is None
    assert not virtual.mcu.nrst_asserted
