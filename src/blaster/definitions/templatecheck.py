"""The names that messages use: variables, filters, links, blocks, and the rules in them.

A contact field needs no default: when it is missing at sending, the message is not sent. An
attribute of an event is known when an event declares it, and when there is no events.yaml. Rules
stand where a journey's steps stand: what started the run may be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from blaster.content import FILTERS, FUNCTIONS, compile_letter, oversize, parse_template
from blaster.content.nodes import Filter, For, FunctionCall, Include, Node, Output, Variable, When
from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, Use
from blaster.definitions.messagefile import MessageText
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Scalar
from blaster.definitions.sources import Place
from blaster.errors import BlasterError

_ALWAYS = {"contact": ("created", "source", "id", "provider"), "name": ("now", "today")}
_LATER_FUNCTIONS = ("code", "lookup")


@dataclass(slots=True)
class _Scope:
    """Where a template stands: the text it is in, its links, its loops, the blocks around it."""

    text: Scalar
    channel: str
    links: dict[str, str] | None
    loops: frozenset[str] = frozenset()
    blocks: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()
    message: tuple[str, str] | None = None

    def place(self, start: int, end: int) -> Place:
        return self.text.stretch(start, end)


@dataclass(slots=True)
class TemplateChecker:
    """Checks the templates of a workspace; `blocks` are by channel and name."""

    book: Book
    blocks: dict[tuple[str, str], MessageText] = field(default_factory=dict)

    def message(self, text: MessageText) -> None:
        """The body, subject and links of one message."""
        for scalar in (*text.others, text.body):
            if not scalar.cut:
                message = (text.channel, text.name)
                self._template(_Scope(scalar, text.channel, text.links, message=message))

    def sizes(self, texts: Iterable[MessageText]) -> None:
        """How large each message is with everything in it; what else is wrong is told elsewhere."""
        for text in texts:
            blocks = {
                name: block.body.text
                for (channel, name), block in self.blocks.items()
                if channel == text.channel
            }
            message = self.book.messages[text.channel, text.name]
            try:
                too_large = oversize(compile_letter(message, self.book.account, blocks))
            except BlasterError:
                continue
            if too_large:
                told = f"the message {show(text.name)} is too large: {too_large}"
                advice = "link to pictures, or include a block less often"
                place = text.body.source.place(0, 3)
                self.book.report.add(codes.MESSAGE_TOO_LARGE, place, told, advice)

    def small(self, scalar: Scalar, extras: Iterable[str]) -> None:
        """A text with marks outside messages, as in a scenario, where `extras` are known too."""
        self._template(_Scope(scalar, "", {}, extras=frozenset(extras)))

    def _template(self, scope: _Scope) -> None:
        template, problems = parse_template(scope.text.text)
        for problem in problems:
            place = scope.place(problem.start, problem.end)
            self.book.report.add(codes.BROKEN_TEMPLATE, place, problem.message, problem.suggestion)
        self._nodes(template.nodes, scope)

    def _nodes(self, nodes: tuple[Node, ...], scope: _Scope) -> None:
        for node in nodes:
            match node:
                case Output():
                    self._output(node, scope)
                case When():
                    for case in node.cases:
                        self._rule(case.rule, case.start, scope)
                        self._nodes(case.body, scope)
                    self._nodes(node.otherwise, scope)
                case For():
                    shapes.not_supported(
                        self.book.report, scope.place(node.start, node.end), "a loop ({% for %})"
                    )
                    self._variable(node.items, scope, defaulted=True)
                    inner = replace(scope, loops=scope.loops | {node.variable})
                    self._nodes(node.body, inner)
                case Include():
                    self._include(node, scope)
                case _:
                    pass

    def _rule(self, rule: str, start: int, scope: _Scope) -> None:
        if not rule:
            return
        text = scope.text
        if text.style:
            shortened = replace(text, text=text.text[: start + len(rule)])
            use = Use(shortened, start, "steps", message=scope.message)
        else:
            begin = text.offset(start)
            exact = Scalar(rule, text.source, begin, begin + len(rule))
            use = Use(exact, 0, "steps", message=scope.message)
        self.book.uses.append(use)

    def _output(self, node: Output, scope: _Scope) -> None:
        for each in node.filters:
            self._filter(each, scope)
        defaulted = any(each.name == "default" for each in node.filters)
        if isinstance(node.value, FunctionCall):
            self._call(node.value, scope)
        else:
            self._variable(node.value, scope, defaulted)

    def _filter(self, node: Filter, scope: _Scope) -> None:
        place = scope.place(node.start, node.end)
        arity = FILTERS.get(node.name)
        if arity is None:
            advice = did_you_mean(node.name, FILTERS, f"known are: {', '.join(FILTERS)}")
            message = f"there is no filter {show(node.name)}"
            self.book.report.add(codes.UNKNOWN_FILTER, place, message, advice)
        elif not arity.takes(len(node.values)):
            message = f"the filter {show(node.name)} takes {arity}"
            self.book.report.add(codes.UNKNOWN_FILTER, place, message)

    def _call(self, node: FunctionCall, scope: _Scope) -> None:
        place = scope.place(node.start, node.end)
        if node.name in _LATER_FUNCTIONS:
            shapes.not_supported(self.book.report, place, f"'{node.name}(..)' in a message")
            return
        arity = FUNCTIONS.get(node.name)
        if arity is None:
            known = [*FUNCTIONS, "field"]
            advice = did_you_mean(node.name, known, f"known are: {', '.join(known)}")
            message = f"there is no function {show(node.name)} in messages"
            self.book.report.add(codes.BROKEN_TEMPLATE, place, message, advice)
        elif not arity.takes(len(node.values)):
            message = f"{show(node.name)} takes {arity}"
            self.book.report.add(codes.BROKEN_TEMPLATE, place, message)
        elif node.name == "map" and not all(isinstance(v, float) for v in node.values):
            message = "'map' takes two numbers, the latitude and the longitude"
            self.book.report.add(codes.BROKEN_TEMPLATE, place, message)

    def _variable(self, node: Variable, scope: _Scope, defaulted: bool) -> None:
        name = node.path[0]
        if node.root == "links":
            self._link(node, scope)
        elif node.root == "event":
            self._attribute(node, scope, defaulted)
        elif node.root == "name" and (name in scope.loops or name in scope.extras):
            return
        elif node.root == "name" and len(node.path) > 1:
            self._unknown(node, scope, ".".join(node.path), defaulted=False)
        elif name in _ALWAYS.get(node.root, ()):
            return
        elif name not in self.book.fields:
            self._unknown(node, scope, name, defaulted)

    def _unknown(self, node: Variable, scope: _Scope, name: str, defaulted: bool) -> None:
        if defaulted:
            return
        known = {*self.book.fields, *scope.loops, *scope.extras}
        advice = did_you_mean(name, known, "declare it in fields.yaml, or add | default('..')")
        message = f"there is no field {show(name)}, and no default for it"
        place = scope.place(node.start, node.end)
        self.book.report.add(codes.UNKNOWN_VARIABLE, place, message, advice)

    def _attribute(self, node: Variable, scope: _Scope, defaulted: bool) -> None:
        name = node.path[0]
        if scope.message is not None:
            self.book.attributes.setdefault(scope.message, set()).add(name)
        if defaulted or not self.book.events_closed:
            return
        known = {a.name for event in self.book.events.values() for a in event.attributes}
        if name not in known:
            advice = did_you_mean(name, known, "declare it in events.yaml, or add | default('..')")
            message = f"no event has an attribute {show(name)}, and there is no default for it"
            place = scope.place(node.start, node.end)
            self.book.report.add(codes.UNKNOWN_VARIABLE, place, message, advice)

    def _link(self, node: Variable, scope: _Scope) -> None:
        name = ".".join(node.path)
        if scope.links is None or name in scope.links:
            return
        place = scope.place(node.start, node.end)
        advice = did_you_mean(name, scope.links, "add it to 'links' in the front matter")
        message = f"this message has no link {show(name)}"
        self.book.report.add(codes.UNKNOWN_LINK, place, message, advice)

    def _include(self, node: Include, scope: _Scope) -> None:
        place = scope.place(node.start, node.end)
        block = self.blocks.get((scope.channel, node.name))
        if block is None:
            known = [name for channel, name in self.blocks if channel == scope.channel]
            advice = did_you_mean(node.name, known, "write it in messages/blocks/")
            message = f"there is no block {show(node.name)} for {scope.channel or 'this text'}"
            self.book.report.add(codes.UNKNOWN_BLOCK, place, message, advice)
        elif node.name in scope.blocks:
            message = f"the block {show(node.name)} includes itself"
            self.book.report.add(codes.UNKNOWN_BLOCK, place, message)
        else:
            around = (*scope.blocks, node.name)
            self._template(replace(scope, text=block.body, blocks=around))
