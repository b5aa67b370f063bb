"""What the models of the chip know, as a value that can be put back.

Models are plain objects. Their state is found by walking from object to object, so that a model takes part
without a line of code and nothing is forgotten when one is added. A class may name two kinds of attributes, and
so may its base classes: ``unsaved`` is what is wired once and does not change, or must survive, as counters do;
``flat`` are containers of numbers that stay the same container and are not looked into.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

_MODELS = "pytest_h7.twin."
_CORES = "pytest_h7.twin.cpu."

_CONTAINERS = frozenset((dict, defaultdict, OrderedDict, Counter, list, deque, bytearray, set))


def _is_model(value: object) -> bool:
    """Whether an object has state of its own: of a class of the virtual board, and not a constant."""
    kind = type(value)
    module = kind.__module__
    if not module.startswith(_MODELS) or module.startswith(_CORES):
        return False
    if isinstance(value, enum.Enum | type | BaseException):
        return False
    parameters = getattr(kind, "__dataclass_params__", None)
    return not (dataclasses.is_dataclass(kind) and parameters is not None and parameters.frozen)


class _Plan:
    """Which attributes of a model are saved, found once."""

    def __init__(self, model: object) -> None:
        kind = type(model)
        unsaved, flat = (
            frozenset[str]().union(*(vars(base).get(name, ()) for base in kind.__mro__))
            for name in ("unsaved", "flat")
        )
        self.model = model
        self.values = vars(model)
        self.size = len(self.values)
        self.names = tuple(name for name in self.values if name not in unsaved and name not in flat)
        self.flat = [self.values[name] for name in flat if name in self.values]
        self.last: tuple[Any, ...] | None = None
        """The values of the last time, if there was nothing to look into."""
        self._get = itemgetter(*self.names) if len(self.names) > 1 else None

    def read(self) -> tuple[Any, ...]:
        """Return the values of the attributes now."""
        if self._get is not None:
            values: tuple[Any, ...] = self._get(self.values)
            return values
        return tuple(self.values[name] for name in self.names)


class ModelState:
    """The state of a set of models at one moment."""

    def __init__(self) -> None:
        self._attributes: list[tuple[_Plan, tuple[Any, ...]]] = []
        self._contents: list[tuple[Any, Any]] = []

    def restore(self) -> None:
        """Put everything back; may be done again and again."""
        for plan, values in self._attributes:
            plan.values.update(zip(plan.names, values, strict=False))
        for container, content in self._contents:
            container.clear()
            if isinstance(container, dict | set):
                container.update(content)
            else:
                container.extend(content)


class StateKeeper:
    """Saves the state of all models that can be reached from some of them.

    Args:
        roots: Where to begin.
        fixed: Objects that are not looked into: those whose state is saved in another way.
    """

    def __init__(self, roots: Iterable[object], fixed: Iterable[object]) -> None:
        self._fixed = {id(model): model for model in fixed}
        self._plans = [_Plan(model) for model in roots]
        self._complete = False
        self._atoms: set[type] = set(_ATOMS)

    def save(self) -> ModelState:
        """Return the state of everything within reach."""
        state = ModelState()
        seen = dict(self._fixed)
        seen.update((id(plan.model), plan.model) for plan in self._plans)
        plans = self._plans if not self._complete else list(self._plans)
        for index, plan in enumerate(plans):  # grows while it is walked
            if len(plan.values) != plan.size:
                plan = plans[index] = _Plan(plan.model)
            for container in plan.flat:
                state._contents.append((container, container.copy()))
            values = plan.read()
            if values == plan.last:
                state._attributes.append((plan, plan.last))
                continue
            state._attributes.append((plan, values))
            opaque = [value for value in values if type(value) not in self._atoms and id(value) not in seen]
            plan.last = None if opaque else values
            for value in opaque:
                self._visit(value, state, seen, plans)
        self._complete = True
        return state

    def _visit(self, value: Any, state: ModelState, seen: dict[int, object], plans: list[_Plan]) -> None:
        """Save the content of a container; note a model that has not been seen so far."""
        kind = type(value)
        if id(value) in seen:
            return
        if kind is tuple:
            for item in value:
                if type(item) not in self._atoms:
                    self._visit(item, state, seen, plans)
        elif kind in _CONTAINERS:
            seen[id(value)] = value
            content = value.copy()
            state._contents.append((value, content))
            if kind is not bytearray:
                for item in content.values() if isinstance(content, dict) else content:
                    if type(item) not in self._atoms:
                        self._visit(item, state, seen, plans)
        elif _is_model(value):
            seen[id(value)] = value
            plans.append(_Plan(value))
        else:
            self._atoms.add(kind)


_ATOMS: frozenset[type] = frozenset(
    (int, bool, float, str, bytes, type(None), frozenset, range, type(len), type(lambda: None))
)
"""Types whose values cannot change; most of what is looked at is one of them."""
