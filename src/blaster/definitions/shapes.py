"""Reading nodes by their shape: a mapping with known keys, a text, a list, a number.

Law: whatever does not have the wanted shape is reported where it stands, and answered with None or
nothing, so that the caller goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Mapping as Dict
from typing import NamedTuple

from blaster.definitions import codes, cuts
from blaster.definitions.findings import Report
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Mapping, Node, Scalar, Sequence
from blaster.definitions.sources import Place
from blaster.definitions.times import parse_span


class Entry(NamedTuple):
    """A key of a mapping and its value."""

    key: Scalar
    node: Node


_SHAPES = {Scalar: "a single text", Sequence: "a list", Mapping: "a mapping of keys"}


def entries(
    report: Report,
    node: Node,
    what: str,
    known: Collection[str],
    later: Collection[str] = (),
) -> dict[str, Entry]:
    """The known keys of a mapping; `later` are keys of the language that are not supported yet."""
    if not isinstance(node, Mapping):
        wrong(report, node, f"{what} is a mapping of keys, not {_SHAPES[type(node)]}")
        return {}
    found: dict[str, Entry] = {}
    for key, value in node.pairs:
        if key.text in known:
            found[key.text] = Entry(key, value)
        elif key.text in later:
            not_supported(report, key.place, f"{show(key.text)} of {what}")
        elif not _is_cut(value):
            others = did_you_mean(key.text, later, f"known are: {', '.join(known)}")
            advice = did_you_mean(key.text, known, others)
            message = f"{what} has no key {show(key.text)}"
            report.add(codes.UNKNOWN_KEY, key.place, message, advice)
    return found


def _is_cut(node: Node) -> bool:
    return isinstance(node, Scalar) and node.cut


def wrong(report: Report, node: Node, message: str, advice: str = "") -> None:
    """Report a node of the wrong shape, unless YAML cut it and that was reported."""
    if not _is_cut(node):
        report.add(codes.WRONG_SHAPE, node.place, message, advice)


def bad(report: Report, scalar: Scalar, message: str, advice: str = "") -> None:
    """Report a text that its option does not understand, unless YAML cut it."""
    if not scalar.cut:
        report.add(codes.BAD_VALUE, scalar.place, message, advice)


def not_supported(report: Report, place: Place, what: str) -> None:
    """Report a part of the language that this release does not have."""
    advice = "remove it for now: nothing is ignored in silence"
    report.add(codes.NOT_SUPPORTED, place, f"{what} is not supported yet", advice)


def missing(report: Report, place: Place, what: str, key: str, advice: str = "") -> None:
    """Report a key that must be there."""
    message = f"{what} has no {show(key)}"
    report.add(codes.MISSING_KEY, place, message, advice or f"add '{key}:'")


def pairs(report: Report, node: Node, what: str) -> tuple[tuple[Scalar, Node], ...]:
    """The pairs of a mapping whose keys are names."""
    if isinstance(node, Mapping):
        return node.pairs
    wrong(report, node, f"{what} is a mapping of keys, not {_SHAPES[type(node)]}")
    return ()


def items(report: Report, node: Node, what: str) -> tuple[Node, ...]:
    """The items of a list."""
    if isinstance(node, Sequence):
        return node.items
    wrong(report, node, f"{what} is a list, not {_SHAPES[type(node)]}")
    return ()


def one_or_more(node: Node) -> tuple[Node, ...]:
    """The items of a list, or the node alone."""
    return node.items if isinstance(node, Sequence) else (node,)


def text(report: Report, node: Node, what: str, empty: bool = False) -> Scalar | None:
    """A text that is not empty."""
    if not isinstance(node, Scalar):
        wrong(report, node, f"{what} is a single text, not {_SHAPES[type(node)]}")
        return None
    if node.cut:
        return None
    if not empty and not node.text.strip():
        bad(report, node, f"{what} is empty", "write a value; quotes are needed before a #")
        return None
    return node


def text_of(report: Report, found: Dict[str, Entry], key: str, what: str) -> Scalar | None:
    """The text of a key, None when the key is not there."""
    entry = found.get(key)
    return text(report, entry.node, f"{show(key)} of {what}") if entry is not None else None


def texts(report: Report, node: Node, what: str) -> tuple[Scalar, ...]:
    """A list of texts; one text alone will do."""
    each = node.items if isinstance(node, Sequence) else (node,)
    found = (text(report, item, f"an item of {what}") for item in each)
    return tuple(scalar for scalar in found if scalar is not None)


def choice(report: Report, scalar: Scalar, what: str, allowed: Iterable[str]) -> str | None:
    """A text that is one of a few words."""
    words = list(allowed)
    if scalar.text in words:
        return scalar.text
    advice = did_you_mean(scalar.text, words, f"write one of: {', '.join(words)}")
    bad(report, scalar, f"{what} cannot be {show(scalar.text)}", advice)
    return None


def whole(report: Report, scalar: Scalar, what: str, least: int | None = None) -> int | None:
    """A whole number."""
    digits = scalar.text.strip().removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        number = int(scalar.text)
        if least is None or number >= least:
            return number
    limit = f" of at least {least}" if least is not None else ""
    bad(report, scalar, f"{what} is a whole number{limit}, not {show(scalar.text)}")
    return None


def flag(report: Report, scalar: Scalar, what: str) -> bool | None:
    """`true` or `false`."""
    word = choice(report, scalar, what, ("true", "false"))
    return None if word is None else word == "true"


def late(report: Report, scalar: Scalar) -> tuple[str, int | None] | None:
    """`run`, `skip` or `within 6h`: the word, and how many seconds late it may be (None: any)."""
    words = scalar.text.split(maxsplit=1)
    if words in (["run"], ["skip"]):
        return words[0], None if words == ["run"] else 0
    span = parse_span(words[1]) if len(words) == 2 and words[0] == "within" else None
    if span is not None and not span[2]:
        return "within", span[0]
    advice = did_you_mean(scalar.text, ("run", "skip"), "write run, skip, or for example within 6h")
    bad(report, scalar, f"'late' cannot be {show(scalar.text)}", advice)
    return None


def rule(report: Report, entry: Entry) -> Scalar | None:
    """The text of a rule, unless YAML left only a part of it."""
    return cuts.rule_scalar(report, entry.key, entry.node)
