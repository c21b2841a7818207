"""YAML text to nodes: every scalar is text, and what YAML would do in silence is an error.

Laws: anchors, aliases, tags, merge keys, repeated keys and further documents are refused; size and
depth are bounded; the first syntax error ends the file, everything else is collected. A rule that
YAML cut is told apart from other mistakes by `cuts`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from blaster.definitions import codes, cuts
from blaster.definitions.findings import Report
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node, Scalar, Sequence
from blaster.definitions.sources import Source

YAML_DEPTH_MAX = 40
"""Nesting of one file; without it a file of brackets exhausts the stack of whoever walks it."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MACHINERY = "YAML anchors, aliases and tags are not read here"


def read_yaml(
    source: Source, report: Report, start: int = 0, end: int | None = None
) -> Node | None:
    """The one document of a source (or of its stretch start..end).

    None after a syntax error; an empty mapping when the text holds nothing.
    """
    text = source.text[start:end]
    control = _CONTROL.search(text)
    if control is not None:
        place = source.place(start + control.start())
        report.add(codes.UNREADABLE_FILE, place, "a control character stands here", "remove it")
        return None
    builder = _Builder(source, report, start)
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        cuts.report_syntax_error(report, source, start, error)
        return None
    except yaml.YAMLError as error:
        report.add(codes.BROKEN_YAML, source.place(start), f"this is not valid YAML: {error}")
        return None
    return builder.root or Mapping((), source, start, start)


class _Open(NamedTuple):
    """A sequence or mapping whose end has not come yet."""

    start: int
    flow: bool
    is_mapping: bool
    children: list[Node]


class _Builder:
    """Makes nodes of the parser's events, without recursion."""

    def __init__(self, source: Source, report: Report, base: int) -> None:
        self._source = source
        self._report = report
        self._base = base
        self._open: list[_Open] = []
        self._documents = 0
        self.root: Node | None = None

    def take(self, event: Any) -> bool:
        """Take one event; False when the file is given up."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                place = self._source.place(self._stretch(event)[0])
                self._report.add(
                    codes.YAML_MACHINERY, place, "a file holds one YAML document", "remove the ---"
                )
                return False
        elif isinstance(event, yaml.AliasEvent):
            self._refuse(event)
            self._add(self._scalar(event, "", cut=True))
        elif isinstance(event, yaml.ScalarEvent):
            special = event.tag is not None or event.anchor is not None
            if special:
                self._refuse(event)
            self._add(self._scalar(event, event.value, cut=special))
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            return self._begin(event)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._finish(self._stretch(event)[1])
        return True

    def _stretch(self, event: Any) -> tuple[int, int]:
        """Where in the source an event begins and ends."""
        return self._base + event.start_mark.index, self._base + event.end_mark.index

    def _begin(self, event: Any) -> bool:
        if event.tag is not None or event.anchor is not None:
            self._refuse(event)
        start = self._stretch(event)[0]
        if len(self._open) >= YAML_DEPTH_MAX:
            place = self._source.place(start)
            message = f"nested deeper than {YAML_DEPTH_MAX} levels"
            self._report.add(codes.UNREADABLE_FILE, place, message)
            return False
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open(start, bool(event.flow_style), mapping, []))
        return True

    def _scalar(self, event: Any, text: str, cut: bool) -> Scalar:
        start, end = self._stretch(event)
        return Scalar(text, self._source, start, end, getattr(event, "style", "") or "", cut)

    def _refuse(self, event: Any) -> None:
        """An anchor, alias or tag: when a rule begins with its sign, say that instead."""
        start, end = self._stretch(event)
        place = self._source.place(start, end)
        advice = cuts.quoting_advice(self._source, start)
        if advice and not isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            sign = self._source.text[start]
            message = f"a value that begins with {sign} is cut by YAML"
            self._report.add(codes.CUT_RULE, place, message, advice)
        else:
            self._report.add(codes.YAML_MACHINERY, place, _MACHINERY, "write the value out")

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _finish(self, end: int) -> None:
        start, flow, is_mapping, children = self._open.pop()
        if is_mapping:
            self._add(Mapping(self._pairs(children, flow), self._source, start, end, flow))
        else:
            self._add(Sequence(tuple(children), self._source, start, end, flow))

    def _pairs(self, children: list[Node], flow: bool) -> tuple[tuple[Scalar, Node], ...]:
        pairs: list[tuple[Scalar, Node]] = []
        seen: dict[str, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._report.add(codes.WRONG_SHAPE, key.place, "a key is a text")
            elif flow and cuts.is_remains(key, value):
                cuts.report_remains(self._report, key, pairs)
            elif key.text in seen:
                line = self._source.position(seen[key.text])[0]
                message = f"the key {show(key.text)} stands here twice (first in line {line})"
                self._report.add(codes.DUPLICATE_KEY, key.place, message, "keep one of them")
            else:
                seen[key.text] = key.start
                pairs.append((key, value))
        return tuple(pairs)
