"""The rule language: text to a rule that answers for whole columns. Loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.rules.always import Verdict, verdicts
    from blaster.rules.bitmap import count, from_bools, to_bools
    from blaster.rules.dictionary import Dictionary, is_blank
    from blaster.rules.eventlists import EventLists
    from blaster.rules.explain import Explained
    from blaster.rules.face import ArrowRule, compile  # noqa: A004 - as `re.compile`
    from blaster.rules.facts import Fact, Item
    from blaster.rules.parser import parse
    from blaster.rules.printer import show
    from blaster.rules.problems import Problem, RuleError, caret
    from blaster.rules.program import Stats
    from blaster.rules.rule import Rule, Value, ValueResult, compile_rule, compile_value
    from blaster.rules.ruleset import RuleSet, evaluate_many
    from blaster.rules.scope import Scope
    from blaster.rules.tokens import clean
    from blaster.rules.vector import Vector
    from blaster.rules.vectors import to_list, vector_of
    from blaster.rules.zones import Zones

_MODULES = {
    "ArrowRule": "face",
    "Dictionary": "dictionary",
    "is_blank": "dictionary",
    "EventLists": "eventlists",
    "Explained": "explain",
    "Fact": "facts",
    "Item": "facts",
    "Problem": "problems",
    "Rule": "rule",
    "RuleError": "problems",
    "RuleSet": "ruleset",
    "Scope": "scope",
    "Stats": "program",
    "Value": "rule",
    "ValueResult": "rule",
    "Vector": "vector",
    "Verdict": "always",
    "Zones": "zones",
    "caret": "problems",
    "clean": "tokens",
    "compile": "face",
    "compile_rule": "rule",
    "compile_value": "rule",
    "evaluate_many": "ruleset",
    "count": "bitmap",
    "from_bools": "bitmap",
    "parse": "parser",
    "show": "printer",
    "to_bools": "bitmap",
    "to_list": "vectors",
    "vector_of": "vectors",
    "verdicts": "always",
}

__all__ = [
    "ArrowRule",
    "Dictionary",
    "EventLists",
    "Explained",
    "Fact",
    "Item",
    "Problem",
    "Rule",
    "RuleError",
    "RuleSet",
    "Scope",
    "Stats",
    "Value",
    "ValueResult",
    "Vector",
    "Verdict",
    "Zones",
    "caret",
    "clean",
    "compile",
    "compile_rule",
    "compile_value",
    "count",
    "evaluate_many",
    "from_bools",
    "is_blank",
    "parse",
    "show",
    "to_bools",
    "to_list",
    "vector_of",
    "verdicts",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
