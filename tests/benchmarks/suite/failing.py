"""Tests that fail, with both cores running. They are only run to be measured."""

import pytest


@pytest.mark.parametrize("number", range(6))
def test_fails(h7_flashed, h7_board, number):
    h7_board.wait_until(lambda: h7_board.ap[3].readable, 1.0)
    h7_board.button.press(0.02)
    h7_board.sleep(0.5)
    raise AssertionError
