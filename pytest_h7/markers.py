"""The markers of a test: what they may say, and what they say for one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    import pytest

SERVICES = ("power", "loopback", "pin", "surroundings", "simulation")

MARKERS = (
    "h7_images(cm7=None, cm4=None): firmware for this test: paths of ELF, HEX or BIN@ADDRESS files, relative "
    "to the test's file or to the root of the run.",
    "h7_hardware: needs a real board; skipped on the virtual one.",
    "h7_virtual: needs the virtual board; skipped on a real one.",
    "h7_option_bytes(**values): option bytes for this test, such as BCM4=0; put back after it.",
    f"h7_requires(*services): skipped where the bench lacks one of: {', '.join(SERVICES)}.",
)
"""The markers with their signatures and meaning, for ``pytest --markers``."""


def image_paths(item: pytest.Item) -> dict[str, str]:
    """Return the paths that `h7_images` gives, by core; the marker closest to the test wins.

    Raises:
        H7Error: the marker is not used as it must be.
    """
    paths: dict[str, str] = {}
    for marker in reversed(list(item.iter_markers("h7_images"))):
        if marker.args or not set(marker.kwargs) <= {"cm7", "cm4"}:
            raise H7Error("The marker h7_images takes cm7= and cm4=, by name.")
        paths.update({core: str(path) for core, path in marker.kwargs.items() if path is not None})
    return paths


def option_bytes(item: pytest.Item) -> dict[str, int]:
    """Return the values that `h7_option_bytes` gives, by name; the marker closest to the test wins.

    Raises:
        H7Error: there is no such option byte, or it cannot hold the value.
        SafetyError: the option byte is one that no test may change.
    """
    values: dict[str, int] = {}
    for marker in reversed(list(item.iter_markers("h7_option_bytes"))):
        if marker.args:
            raise H7Error("The marker h7_option_bytes takes values by name, such as BCM4=0.")
        values.update(marker.kwargs)
    if values:
        _check_option_bytes(values)
    return values


def _check_option_bytes(values: dict[str, int]) -> None:
    from pytest_h7.bench.safety import check_option_names
    from pytest_h7.chip.option_bytes import OPTION_BYTES

    for name, value in values.items():
        option = OPTION_BYTES.get(name)
        if option is None:
            import difflib

            similar = difflib.get_close_matches(name, OPTION_BYTES) or list(OPTION_BYTES)
            raise H7Error(
                f"The marker h7_option_bytes names {name}, which is no option byte; there is {', '.join(similar)}."
            )
        if not option.holds(value):
            highest = (1 << option.width) - 1
            raise H7Error(f"The option byte {name} in h7_option_bytes holds 0 to {highest}, not {value!r}.")
    check_option_names(list(values))


def required_services(item: pytest.Item) -> list[str]:
    """Return what `h7_requires` asks for; raise H7Error for what no bench has."""
    services = []
    for marker in item.iter_markers("h7_requires"):
        for service in marker.args:
            if service not in SERVICES:
                raise H7Error(
                    f"The marker h7_requires asks for {service!r}, which no bench has: it takes "
                    f"{', '.join(SERVICES)}."
                )
            services.append(service)
        if marker.kwargs or not marker.args:
            raise H7Error(f"The marker h7_requires takes one or more of {', '.join(SERVICES)}.")
    return services
