"""Tests that do nothing with the board. They are only run to be measured."""

import pytest


@pytest.mark.parametrize("number", range(6))
def test_flashed(h7_flashed, number):
    pass


@pytest.mark.parametrize("number", range(40))
def test_board(h7_board, number):
    pass
