"""The console of both cores over USART3."""

from pytest_h7 import Board, Console, ImagePair


def test_banner_comes_first(h7_flashed: ImagePair, h7_console: Console) -> None:
    h7_console.expect(r"\[CM4\] ready", timeout=2.0)
    assert h7_console.lines[:5] == [
        "pytest-h7 reference firmware",
        "[CM7] clocks: 400 MHz / 200 MHz",
        "[CM7] HSEM 0 released",
        "[CM7] CM4 is awake",
        "[CM7] ready",
    ]


def test_both_cores_report_a_press(started: Board, h7_console: Console) -> None:
    h7_console.expect(r"\[CM4\] ready", timeout=2.0)
    started.button.press(0.01)
    h7_console.expect(r"^\[CM7\] EXTI13 1$", timeout=1.0)
    started.exti[13].trigger()
    h7_console.expect(r"^\[CM7\] EXTI13 2$", timeout=1.0)
    assert "[CM4] EXTI13 1" in h7_console.log


def test_console_listens(started: Board, h7_console: Console) -> None:
    h7_console.expect(r"\[CM4\] ready", timeout=2.0)
    h7_console.write("ping\r")
    h7_console.expect(r"^\[CM7\] pong$", timeout=1.0)


def test_console_is_silent_until_the_cm4_is_awake(
    h7_board: Board, h7_flashed: ImagePair, h7_console: Console
) -> None:
    h7_console.expect(r"\[CM4\] ready", timeout=2.0)
    h7_board.reset(halt=True)
    h7_console.clear()
    h7_board.cm7.run_until("release_semaphore", timeout=0.5)
    h7_board.sleep(0.02)
    assert h7_console.log == ""
    h7_board.cm7.resume()
    h7_console.expect("pytest-h7 reference firmware", timeout=1.0)
