"""Recognising a rule that YAML cut in silence, and saying what to quote.

A bare value ends for YAML at ` #` and at `: `, inside `{..}` and `[..]` also at a comma, bracket
or brace; a value that begins with a quote ends at the closing one; and some signs may not begin a
value at all. What remains often still reads as YAML, and then means something else.
"""

from __future__ import annotations

import re
from dataclasses import replace

import yaml

from blaster.definitions import codes
from blaster.definitions.findings import Report
from blaster.definitions.names import isolate, show
from blaster.definitions.nodes import Mapping, Node, Scalar, Sequence
from blaster.definitions.sources import Source

RULE_KEYS = frozenset(
    ("when", "if", "unless", "where", "audience", "wait until", "do", "from", "is", "rule")
)
"""Keys whose value is a rule or an expression."""

_KEY = re.compile(r"(?:^|[\[{,-])\s*([^\[\]{}:,#\"']+?)\s*:(?=\s)", re.MULTILINE)
_SIGNS = "!&*%@>|`"
_PAIRS = {")": "(", "]": "[", "}": "{"}
SHOWN_MAX = 60
"""Characters of a rule repeated in an advice; a longer one is shown by its beginning."""


def quoted(text: str) -> str:
    """A text as a YAML scalar in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def advise(key: str, rule: str) -> str:
    """What to write instead: the key with its whole rule in single quotes."""
    rule = rule.strip()
    if not rule or len(rule) > SHOWN_MAX:
        return f"put single quotes around the whole rule of {show(key)}"
    return f"put single quotes around the whole rule: {isolate(f'{key}: {quoted(rule)}')}"


def key_before(source: Source, offset: int) -> re.Match[str] | None:
    """The last `key:` on the line, before an offset."""
    line = source.position(offset)[0]
    found = list(_KEY.finditer(source.text, source.line_start(line), offset))
    return found[-1] if found else None


def quoting_advice(source: Source, offset: int) -> str:
    """The advice for a rule whose value holds `offset`; empty when no rule stands there."""
    key = key_before(source, offset)
    if key is None or key[1] not in RULE_KEYS:
        return ""
    return advise(key[1], _value_text(source, key.end()))


def _value_text(source: Source, start: int) -> str:
    """The rest of the line as the author meant it: up to the end of a one-line form."""
    text = source.text[start : source.line_end(start)].strip()
    depth = 0
    quote = ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth < 0:
                return text[:index]
        elif letter == "," and depth == 0 and re.match(r",\s*[^\s,:(]+:\s", text[index:]):
            return text[:index]
    return text


def report_syntax_error(
    report: Report, source: Source, base: int, error: yaml.MarkedYAMLError
) -> None:
    """YAML's own syntax error: as a cut rule when a rule's value holds it, as an open bracket or
    quote when that is what it comes to, else as it is. `base` is where the YAML text begins.
    """
    context = error.context or ""
    mark = error.problem_mark or error.context_mark
    offset = min(base + (mark.index if mark is not None else 0), len(source.text))
    opened = base + error.context_mark.index if error.context_mark is not None else offset
    advice = quoting_advice(source, offset)
    if advice and "quoted scalar" not in context:
        message = "YAML cuts the rule here"
        report.add(codes.CUT_RULE, source.place(offset), message, advice)
    elif (comment := _comment_in_rule(source, opened)) is not None:
        message = "YAML cuts the rule here, at ` #`, which begins a comment"
        whole = quoting_advice(source, comment)
        report.add(codes.CUT_RULE, source.place(comment), message, whole)
    elif source.position(opened)[0] < source.position(offset)[0] and source.text[opened] in "{[\"'":
        message = f"this {source.text[opened]} is not closed"
        report.add(codes.BROKEN_YAML, source.place(opened), message, "close it, or quote it")
    else:
        during = f" {context}" if context else ""
        message = f"this is not valid YAML: {error.problem}{during}"
        report.add(codes.BROKEN_YAML, source.place(offset), message, _plain_advice(source, offset))


def _comment_in_rule(source: Source, opened: int) -> int | None:
    """Where, on the line of a bracket that is not closed, a `#` within a rule's quotes begins
    what YAML takes for a comment.
    """
    for found in re.compile(r"(?<=\s)#").finditer(source.text, opened, source.line_end(opened)):
        key = key_before(source, found.start())
        if key is not None and key[1] in RULE_KEYS:
            before = source.text[key.end() : found.start()]
            return found.start() if left_open(before) else None
    return None


def _plain_advice(source: Source, offset: int) -> str:
    key = key_before(source, offset)
    if key is not None and source.text[offset : offset + 1] in (*_SIGNS, ":", '"', "'"):
        return f"put quotes around the whole value of {show(key[1].strip())}"
    if source.text[offset : offset + 1] == "\t":
        return "indent with spaces"
    return "look for a bracket or quote left open here or in the line above"


def is_remains(key: Scalar, value: Node) -> bool:
    """Whether a key of a one-line mapping is really the end of the value before it: it has no
    colon behind it.
    """
    empty = isinstance(value, Scalar) and not value.text and value.start == value.end
    return empty and ":" not in key.source.text[key.end : value.end]


def report_remains(report: Report, key: Scalar, pairs: list[tuple[Scalar, Node]]) -> None:
    """A key without a value in a one-line mapping: the value before it was cut at the comma."""
    if not pairs or not isinstance(pairs[-1][1], Scalar):
        message = f"{show(key.text)} has no value"
        report.add(codes.CUT_RULE, key.place, message, "write a key and its value")
        return
    owner, value = pairs[-1]
    assert isinstance(value, Scalar)
    if not value.cut:
        message = f"YAML cuts the value of {show(owner.text)} at the comma before this"
        whole = _value_text(key.source, value.start)
        report.add(codes.CUT_RULE, key.place, message, advise(owner.text, whole))
    pairs[-1] = (owner, replace(value, cut=True))


def rule_scalar(report: Report, key: Scalar, node: Node) -> Scalar | None:
    """The scalar of a rule; None, and a finding, when YAML left something else of it."""
    if isinstance(node, (Sequence, Mapping)):
        kind = "a list" if isinstance(node, Sequence) else "a mapping"
        if node.flow:
            whole = _value_text(node.source, key.end + 1)
            message = f"the rule begins with a bracket, so YAML reads it as {kind}"
            report.add(codes.CUT_RULE, node.place, message, advise(key.text, whole))
        else:
            message = f"{show(key.text)} is a rule, not {kind}"
            report.add(codes.WRONG_SHAPE, node.place, message)
        return None
    if node.cut:
        return None
    if not node.text.strip():
        _report_empty(report, key, node)
        return None
    if not node.style and left_open(node.text):
        return _report_open(report, key, node)
    return node


def _report_empty(report: Report, key: Scalar, node: Scalar) -> None:
    rest = node.source.text[key.end : node.source.line_end(key.end)].lstrip(": ")
    if rest.startswith("#"):
        message = f"the rule of {show(key.text)} is empty: what follows # is a comment"
        advice = "write the rule; one that holds a # needs single quotes around it"
        report.add(codes.CUT_RULE, key.place, message, advice)
    else:
        message = f"the rule of {show(key.text)} is empty"
        report.add(codes.CUT_RULE, key.place, message, "write the rule")


def _report_open(report: Report, key: Scalar, node: Scalar) -> Scalar | None:
    """An open quote or bracket at the end of a bare rule: say where YAML cut it, if it did."""
    source = node.source
    rest = source.text[node.end : source.line_end(node.end)]
    if re.match(r"\s+#", rest):
        cut = "at ` #`, which begins a comment"
    elif re.match(r"\s*[,\[\]{}]", rest):
        cut = f"at the {rest.strip()[0]}"
    else:
        return node
    place = source.place(node.end + len(rest) - len(rest.lstrip()))
    message = f"YAML cuts the rule of {show(key.text)} here, {cut}"
    report.add(codes.CUT_RULE, place, message, advise(key.text, _value_text(source, node.start)))
    return None


def left_open(text: str) -> bool:
    """Whether a quote or bracket of a rule is still open at its end."""
    stack: list[str] = []
    quote = ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'`" and not _inside_word(text, index):
            quote = letter
        elif letter in "([{":
            stack.append(letter)
        elif letter in ")]}" and stack and stack[-1] == _PAIRS[letter]:
            stack.pop()
    return bool(quote or stack)


def _inside_word(text: str, index: int) -> bool:
    """A quote between two letters of a right-to-left word belongs to the name (gershayim)."""
    before, after = text[index - 1 : index] if index else "", text[index + 1 : index + 2]
    return "\u0590" <= before <= "\u05ff" and "\u0590" <= after <= "\u05ff"
