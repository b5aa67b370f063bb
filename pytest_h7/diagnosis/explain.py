"""Asks the tables of `pytest_h7.diagnosis.rules`: why a core cannot be reached, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_h7.diagnosis.causes import Cause, Diagnosis, diagnosis
from pytest_h7.diagnosis.facts import Facts
from pytest_h7.diagnosis.rules import CHIP_RULES, LOOKALIKES, Rule, closed_port_rules, open_core_rules

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection


def explain_closed_core(connection: Connection, core: str, *, nrst_is_low: bool) -> Diagnosis:
    """Return why the core named ``"cm7"`` or ``"cm4"`` cannot be reached.

    Args:
        connection: The debug connection; only registers without side effects are read.
        core: The core whose access port is closed.
        nrst_is_low: Whether NRST is low, by the probe or something else.
    """
    return _judge(Facts(connection, core, nrst_is_low=nrst_is_low), closed_port_rules(core))


def explain_open_core(connection: Connection, core: str, function: str | None = None) -> Diagnosis:
    """Return what is wrong with a core that can be reached, `Cause.NONE` if nothing is.

    Args:
        connection: The debug connection.
        core: The core.
        function: The function that it is in, where that is known.
    """
    found = _judge(Facts(connection, core, function=function), open_core_rules(core))
    return found if found.cause is not Cause.UNKNOWN else Diagnosis(Cause.NONE, (Cause.NONE,))


def examine_chip(connection: Connection) -> list[Diagnosis]:
    """Return everything of the whole chip that affects debugging, one diagnosis each."""
    found = []
    for rule in CHIP_RULES:
        facts = Facts(connection, "cm7")
        if rule.fits(facts):
            candidates = [rule.cause, *LOOKALIKES.get(rule.cause, ())]
            found.append(diagnosis(candidates, facts.evidence, facts.access_ports))
    return found


def _judge(facts: Facts, rules: Iterable[Rule]) -> Diagnosis:
    candidates: list[Cause] = []
    for rule in rules:
        if rule.fits(facts) and rule.cause not in candidates:
            candidates.append(rule.cause)
            if rule.settles:
                break
    return diagnosis(candidates, facts.evidence, facts.access_ports)
