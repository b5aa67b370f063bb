"""Random accesses from both cores and through every access port; ``ci/soak`` does a million of them."""

from __future__ import annotations

import random_accesses
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 32))
def test_nothing_breaks_the_chip(seed: int) -> None:
    random_accesses.torture(seed, 1200)
