"""The names that definitions use of each other: whether they exist, and what `check` thinks of
those that need not be declared.

Lists, forms and events exist once a definition names them, unless lists.yaml, forms/ or
events.yaml is there: then an undeclared name is an error. Messages, senders and fields are always
declared.
"""

from __future__ import annotations

from collections.abc import Iterable

from blaster.definitions import codes
from blaster.definitions.book import Book, FieldMention, Mention
from blaster.definitions.names import did_you_mean, fold, one_letter_apart, show
from blaster.definitions.values import fits, form_of

_CODES = {
    "email": codes.UNKNOWN_MESSAGE,
    "sms": codes.UNKNOWN_MESSAGE,
    "sender": codes.UNKNOWN_SENDER,
    "list": codes.UNKNOWN_LIST,
    "form": codes.UNKNOWN_FORM,
    "event": codes.UNKNOWN_EVENT,
    "journey": codes.UNKNOWN_JOURNEY,
}
_WHERE = {
    "email": "write messages/{name}.email.html",
    "sms": "write messages/{name}.sms.txt",
    "sender": "add [senders.{name}] to blaster.toml",
    "list": "declare it in lists.yaml",
    "form": "write forms/{name}.yaml",
    "event": "declare it in events.yaml",
    "journey": "write journeys/{name}.yaml",
}
_NOUNS = {"email": "e-mail", "sms": "SMS"}
_UNDECLARED_KINDS = ("list", "form", "event")


def check_references(book: Book) -> None:
    """Every name that must be declared."""
    for mention in book.mentions:
        known = _known(book, mention.kind)
        if known is None or mention.name in known:
            continue
        noun = _NOUNS.get(mention.kind, mention.kind)
        advice = did_you_mean(mention.name, known, _WHERE[mention.kind].format(name=mention.name))
        other = "sms" if mention.kind == "email" else "email"
        if mention.kind in _NOUNS and (other, mention.name) in book.message_names:
            advice = f"there is an {_NOUNS[other]} of this name: write {other} {mention.name}"
        message = f"there is no {noun} {show(mention.name)}"
        book.report.add(_CODES[mention.kind], mention.place, message, advice)
    if "fields.yaml" not in book.unread:
        for field in book.field_mentions:
            _check_field(book, field)


def _known(book: Book, kind: str) -> set[str] | None:
    """The declared names of a kind; None when every name goes."""
    match kind:
        case "email" | "sms":
            return {name for channel, name in book.message_names if channel == kind}
        case "sender":
            unread = "blaster.toml" in book.unread
            return None if unread else {sender.name for sender in book.account.senders}
        case "journey":
            return set(book.journeys)
        case "list":
            return set(book.lists) if book.lists_closed else None
        case "form":
            return set(book.forms) if book.forms_closed else None
        case _:
            return set(book.events) if book.events_closed else None


def _check_field(book: Book, mention: FieldMention) -> None:
    field = book.fields.get(mention.name)
    if field is None:
        advice = did_you_mean(mention.name, book.fields, "declare it in fields.yaml")
        message = f"there is no field {show(mention.name)}"
        book.report.add(codes.UNKNOWN_FIELD, mention.place, message, advice)
        return
    if mention.kinds and field.kind not in mention.kinds:
        wants = {"add": "a number", "date": "a date or instant"}[mention.doing]
        message = f"{show(mention.name)} is a field of type {field.type}, not {wants}"
        book.report.add(codes.WRONG_TYPE, mention.place, message)
        return
    if mention.name == "id" and mention.doing:
        message = "'id' is the owner's key of the contact; a journey does not change it"
        book.report.add(codes.WRONG_TYPE, mention.place, message)
    value = mention.value
    if value is not None and not value.cut and not fits(field, value.text):
        message = f"{show(value.text)} does not fit the field {show(field.name)} ({field.type})"
        book.report.add(codes.WRONG_TYPE, value.place, message, f"write {form_of(field)}")


def advise_on_names(book: Book, more: Iterable[Mention] = ()) -> None:
    """Warnings about names that nobody declared: nearly the same as another, or never joined.

    `more` are the mentions of scenarios: a list that one of them joins counts as joined.
    """
    mentions = [*book.mentions, *more]
    for kind in _UNDECLARED_KINDS:
        if _known(book, kind) is not None:
            continue
        declared = _declared(book, kind)
        named = [mention for mention in mentions if mention.kind == kind]
        _warn_of_twins(book, kind, named, declared)
    if book.lists_closed:
        return
    joined = {mention.name for mention in mentions if mention.role == "join"}
    seen: set[str] = set()
    for mention in book.mentions:
        name = mention.name
        if mention.kind != "list" or name in joined or name in seen or name in book.lists:
            continue
        seen.add(name)
        message = f"nothing joins the list {show(name)}"
        advice = "join it in a journey or form, or declare it in lists.yaml"
        book.report.add(codes.NOTHING_JOINS, mention.place, message, advice)


def _declared(book: Book, kind: str) -> set[str]:
    tables: dict[str, Iterable[str]] = {
        "list": book.lists,
        "form": book.forms,
        "event": book.events,
    }
    return set(tables[kind])


def _warn_of_twins(book: Book, kind: str, named: list[Mention], declared: set[str]) -> None:
    counts: dict[str, int] = {}
    for mention in named:
        counts[mention.name] = counts.get(mention.name, 0) + 1
    names = sorted({*counts, *declared})
    for index, a in enumerate(names):
        for b in names[index + 1 :]:
            alike = one_letter_apart(a, b) or fold(a) == fold(b)
            if not alike or (a in declared and b in declared):
                continue
            rarer, other = (
                (a, b) if _weight(a, counts, declared) < _weight(b, counts, declared) else (b, a)
            )
            mention = next(each for each in named if each.name == rarer)
            message = f"the {kind}s {show(rarer)} and {show(other)} are nearly the same"
            advice = "if both are meant, declare them; else correct this one"
            book.report.add(codes.NEARLY_THE_SAME, mention.place, message, advice)


def _weight(name: str, counts: dict[str, int], declared: set[str]) -> tuple[bool, int]:
    return name in declared, counts.get(name, 0)
