"""The release suite of the reference firmware: what each release has to do, and how well.

Copy it as ``test_release.py`` into the tests of a firmware. The test that passes with one release and fails with
the next, or the figure that gets worse, is what the release is stopped for.
"""

import pytest

WOKEN, READY = 3, 5
PRESSES = 5


@pytest.fixture
def started(h7_board, h7_flashed):
    h7_board.reach("started", lambda: wait_until_started(h7_board))
    return h7_board


def wait_until_started(board):
    board.wait_until(lambda: board.ap[3].readable, 1.0)
    for core in board.cores:
        board.wait_until(lambda core=core: core.variable("boot_stage").value == READY, 1.0)


# -- what it does ---------------------------------------------------------------------------------


def test_both_cores_start(h7_board, h7_flashed):
    h7_board.boot_contract(timeout=1.0)


@pytest.mark.h7_requires("pin")
def test_no_press_is_lost(started, cm7, cm4):
    for _ in range(PRESSES):
        started.button.press(0.0005)
        started.sleep(0.0005)
    started.sleep(0.02)
    assert [core.variable("exti_count").value for core in (cm7, cm4)] == [PRESSES, PRESSES]


def test_console_answers(started, h7_console):
    h7_console.write("ping\n")
    h7_console.expect(r"\[CM7\] pong", timeout=0.1)


# -- how well -------------------------------------------------------------------------------------


def test_boot(h7_board, h7_flashed, h7_measure):
    h7_measure.boot()


def test_wake_up(h7_board, h7_flashed, cm4, h7_measure):
    h7_measure.wake("release_semaphore", lambda: cm4.variable("boot_stage").value >= WOKEN)


@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_interrupt(started, h7_measure, name):
    core = getattr(started, name)
    h7_measure.interrupt(f"{name}_exti_cycles", core, "exti_toggle_led", started.exti[13].trigger)


@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_stack(started, h7_measure, name):
    with h7_measure.stack(getattr(started, name)):
        started.exti[13].trigger()
        started.sleep(0.01)


def test_console_speed(started, h7_measure):
    h7_measure.console("ping", r"\[CM7\] pong\r?\n")


def test_sizes(h7_images, h7_measure):
    h7_measure.image_sizes()
