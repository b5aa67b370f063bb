"""A pytest plugin that records, as a property of each test, the state of every core that it ran, and its memory.

Loaded with ``-p core_states`` by suites.py. With ``--without-jumps``, no core skips the turns of a busy-wait loop.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from pytest_h7.twin.cpu import Core, CoreHost
from pytest_h7.twin.cpu.core import Region

PROPERTY = "h7_cores"

_PENDING, _ACTIVE, _WORDS = 0xE000_E200, 0xE000_E300, 5
_SYSTEM = {
    "icsr": 0xE000_ED04,
    "shcsr": 0xE000_ED24,
    "cfsr": 0xE000_ED28,
    "tick": 0xE000_E018,
    "cyccnt": 0xE000_1004,
}
"""Registers whose reading has no effect."""


class Recorder:
    """Notes every core that is made, and what has become of it when a test ends."""

    def __init__(self, *, jumps: bool) -> None:
        self._jumps = jumps
        self._memories: WeakKeyDictionary[Core, list[Region]] = WeakKeyDictionary()
        self._cycles: WeakKeyDictionary[Core, int] = WeakKeyDictionary()
        self._new: list[Core] = []

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Be told of every core that is made from now on."""
        original = Core.__init__

        def init(core: Core, name: str, model: str, host: CoreHost, regions: Iterable[Region]) -> None:
            memories = list(regions)
            original(core, name, model, host, memories)
            core.skips_busy_loops = self._jumps
            self._memories[core] = memories
            self._new.append(core)

        patch.setattr(Core, "__init__", init)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        ran = [core for core in self._memories if self._cycles.get(core) != core.cycles]
        if ran:
            item.user_properties.append((PROPERTY, "; ".join(map(self._state, ran))))
        del ran
        self._new.clear()
        try:
            return (yield)
        finally:
            # What has run while fixtures were closed may be garbage, or be collected already.
            for core in self._memories:
                self._cycles[core] = core.cycles

    def _state(self, core: Core) -> str:
        """Return time and place of a core to be read, and all the rest as a digest."""
        digest = hashlib.sha256(repr(_registers(core)).encode())
        for _, size, pointer, _ in sorted(self._memories[core]):
            digest.update((ctypes.c_char * size).from_address(pointer))
        return f"{core.name} {core.cycles} {core.read_register('pc'):08x} {digest.hexdigest()[:16]}"


def _registers(core: Core) -> list[Any]:
    words = [core.read_debug(start + 4 * index) for start in (_PENDING, _ACTIVE) for index in range(_WORDS)]
    system = [core.read_debug(address) for address in _SYSTEM.values()]
    return [core.registers(), core.sleep.name, core.halted, core.lockup, words, system]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-jumps", action="store_true", help="execute every turn of a busy-wait loop")


def pytest_configure(config: pytest.Config) -> None:
    recorder = Recorder(jumps=not config.getoption("without_jumps"))
    patch = pytest.MonkeyPatch()
    recorder.watch(patch)
    config.add_cleanup(patch.undo)
    config.pluginmanager.register(recorder)
