"""lists.yaml, events.yaml and forms/NAME.yaml: what is declared besides fields and messages."""

from __future__ import annotations

from typing import cast, get_args

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book
from blaster.definitions.fieldsfile import read_field
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.shapes import Entry
from blaster.model.definitions import Channel, ContactList, EventType, Form
from blaster.model.fields import Field

CHANNELS: tuple[str, ...] = get_args(Channel)
_RULED_LISTS = ("rule", "until", "top", "by", "refresh")
_FORM_KEYS = ("form", "list", "consent", "fields")
_CONSENT_KEYS = ("channels", "topics", "wording", "version")


def read_lists(book: Book, root: Node) -> None:
    """Every list of lists.yaml. From then on a list that is not declared is an error."""
    book.lists_closed = True
    for key, node in shapes.pairs(book.report, root, "lists.yaml"):
        topics: tuple[str, ...] = ()
        if not (isinstance(node, Scalar) and not node.text):
            what = f"the list {show(key.text)}"
            found = shapes.entries(book.report, node, what, ("topics",), later=_RULED_LISTS)
            topics = _texts(book, found, "topics", what)
        book.lists[key.text] = ContactList(key.text, topics)


def read_events(book: Book, root: Node) -> None:
    """Every event of events.yaml with its attributes."""
    book.events_closed = True
    for key, node in shapes.pairs(book.report, root, "events.yaml"):
        attributes: list[Field] = []
        if not (isinstance(node, Scalar) and not node.text):
            for name, type_ in shapes.pairs(book.report, node, f"the event {show(key.text)}"):
                attribute = read_field(book.report, name, type_)
                if attribute is not None:
                    attributes.append(attribute)
        book.events[key.text] = EventType(key.text, tuple(attributes))


def read_form(book: Book, root: Node, stem: str) -> None:
    """One form of the folder forms/."""
    report = book.report
    later = ("questions", "minutes")
    found = shapes.entries(report, root, "a form", _FORM_KEYS, later)
    name = shapes.text_of(report, found, "form", "a form")
    if name is None:
        if isinstance(root, Mapping) and "form" not in found:
            shapes.missing(report, root.source.place(root.start), "the form", "form")
        book.forms.setdefault(stem, Form(stem))
        return
    what = f"the form {show(name.text)}"
    if name.text in book.forms:
        message = f"there is another form named {show(name.text)}"
        report.add(codes.DUPLICATE_NAME, name.place, message, "rename one of them")
    joined = shapes.text_of(report, found, "list", what)
    if joined is not None:
        book.mention("list", joined, joined.text, "join")
    consent: dict[str, Entry] = {}
    if "consent" in found:
        node = found["consent"].node
        consent = shapes.entries(report, node, f"'consent' of {what}", _CONSENT_KEYS)
    wording = shapes.text_of(report, consent, "wording", what)
    version = shapes.text_of(report, consent, "version", what)
    book.forms[name.text] = Form(
        name.text,
        list=joined.text if joined is not None else None,
        fields=_form_fields(book, found, what),
        consent_channels=_channels(book, consent, what),
        consent_topics=_texts(book, consent, "topics", what),
        consent_wording=wording.text if wording is not None else "",
        consent_version=version.text if version is not None else "",
    )


def _texts(book: Book, found: dict[str, Entry], key: str, what: str) -> tuple[str, ...]:
    if key not in found:
        return ()
    scalars = shapes.texts(book.report, found[key].node, f"{show(key)} of {what}")
    return tuple(scalar.text for scalar in scalars)


def _channels(book: Book, found: dict[str, Entry], what: str) -> tuple[Channel, ...]:
    if "channels" not in found:
        return ()
    scalars = shapes.texts(book.report, found["channels"].node, f"'channels' of {what}")
    chosen = (shapes.choice(book.report, each, "a channel", CHANNELS) for each in scalars)
    return tuple(cast(Channel, channel) for channel in chosen if channel is not None)


def _form_fields(book: Book, found: dict[str, Entry], what: str) -> tuple[str, ...]:
    """The names of a form's fields; a field that is not known yet is made."""
    if "fields" not in found:
        return ()
    names: list[str] = []
    for node in shapes.items(book.report, found["fields"].node, f"'fields' of {what}"):
        if isinstance(node, Mapping):
            names.extend(_typed_fields(book, node))
            continue
        scalar = shapes.text(book.report, node, f"a field of {what}")
        if scalar is not None:
            names.append(scalar.text)
            book.fields.setdefault(scalar.text, Field(scalar.text))
    return tuple(names)


def _typed_fields(book: Book, node: Mapping) -> list[str]:
    names: list[str] = []
    for key, type_ in node.pairs:
        declared = read_field(book.report, key, type_)
        if declared is None:
            continue
        names.append(declared.name)
        known = book.fields.setdefault(declared.name, declared)
        if known != declared:
            message = f"the field {show(declared.name)} is declared differently elsewhere"
            book.report.add(codes.DUPLICATE_NAME, key.place, message, "name it here without a type")
    return names
