"""A workspace folder to a checked `Workspace`: reads every file, then looks at the whole.

Laws: all findings of a workspace come at once; a broken file never hides the findings of another;
there is a workspace only when there is no error. Order of reading: account, shaping, fields, lists,
events, forms, tables, messages, journeys, campaigns, so that later files find what earlier ones
declare; names that go the other way wait in the book.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from blaster.definitions import codes
from blaster.definitions.accountfile import check_details, read_account
from blaster.definitions.book import Book
from blaster.definitions.campaignfile import check_campaigns, read_campaign
from blaster.definitions.fieldsfile import BUILT_IN_NAMES, read_fields
from blaster.definitions.findings import Finding, Report
from blaster.definitions.journeyfile import read_journey
from blaster.definitions.listsfile import read_events, read_form, read_lists
from blaster.definitions.messagefile import MessageText, read_message, whole_text
from blaster.definitions.names import did_you_mean, isolate, show
from blaster.definitions.nodes import Node
from blaster.definitions.references import check_references
from blaster.definitions.rulecheck import check_uses
from blaster.definitions.shapingfile import read_shaping
from blaster.definitions.sources import Source
from blaster.definitions.tablesfile import read_table
from blaster.definitions.templatecheck import TemplateChecker
from blaster.definitions.yamlreader import read_yaml
from blaster.limits import DEFINITION_FILE_BYTES_MAX
from blaster.model.definitions import Block, Channel, Workspace

_FILES: dict[str, Callable[[Book, Node], None]] = {
    "fields.yaml": read_fields,
    "lists.yaml": read_lists,
    "events.yaml": read_events,
}
_LATER_FILES = ("benefits.yaml",)
_LATER_FOLDERS = ("pages", "files")
_FOLDERS = ("forms", "messages", "journeys", "campaigns", "scenarios")
_ENDINGS: dict[str, Channel] = {".email.html": "email", ".sms.txt": "sms"}
_BLOCK_ENDINGS: dict[str, Channel] = {**_ENDINGS, ".html": "email", ".txt": "sms"}
_LATER_ENDINGS = (".email.mjml", ".email.md")


class Loaded(msgspec.Struct, frozen=True):
    """What loading found; `workspace` is None when there is an error among the findings."""

    workspace: Workspace | None
    findings: tuple[Finding, ...]


def load(folder: str | Path) -> Loaded:
    """Read and check a workspace. Never raises for what its files say.

    Scenarios are not part of it (`load_scenario`), nor is the advice on names that `check` gives.
    """
    book = read_book(Path(folder))
    return Loaded(to_workspace(book), book.report.findings())


def read_book(folder: Path) -> Book:
    """Every definition of a workspace, read and checked."""
    book = Book(Report())
    if not (folder / "blaster.toml").is_file():
        message = f"{isolate(str(folder))} is no workspace: it has no blaster.toml"
        book.report.add_file(codes.NO_WORKSPACE, "blaster.toml", message, "run blaster init")
        return book
    account = read_source(book.report, folder, "blaster.toml")
    if account is not None:
        read_account(book, account, folder)
    else:
        book.unread.add("blaster.toml")
    if (folder / "shaping.toml").is_file():
        shaping = read_source(book.report, folder, "shaping.toml")
        if shaping is not None:
            read_shaping(book, shaping)
    _report_strays(book.report, folder)
    for name, read in _FILES.items():
        root = _read_yaml_file(book.report, folder, name)
        if root is not None:
            read(book, root)
        elif (folder / name).is_file():
            book.unread.add(name)
    book.forms_closed = (folder / "forms").is_dir()
    for path in _yaml_files(book.report, folder, "forms"):
        root = _read_yaml_file(book.report, folder, path)
        if root is not None:
            read_form(book, root, _stem(path))
        else:
            book.forms_closed = False
    _read_tables(book, folder)
    checker = TemplateChecker(book)
    texts = _read_messages(book, checker, folder)
    check_details(book)
    for path in _yaml_files(book.report, folder, "journeys"):
        root = _read_yaml_file(book.report, folder, path)
        if root is not None:
            read_journey(book, root, _stem(path))
        else:
            book.journeys.setdefault(_stem(path), None)
    for path in _yaml_files(book.report, folder, "campaigns"):
        root = _read_yaml_file(book.report, folder, path)
        if root is not None:
            read_campaign(book, root, _stem(path))
    if "fields.yaml" not in book.unread:
        for text in texts:
            checker.message(text)
        check_uses(book)
        check_campaigns(book)
    check_references(book)
    if not book.report.broken:
        checker.sizes(texts)
    return book


def to_workspace(book: Book) -> Workspace | None:
    """The whole, when there is no error."""
    if book.report.broken:
        return None
    return Workspace(
        account=book.account,
        fields=tuple(f for f in book.fields.values() if f.name not in BUILT_IN_NAMES),
        lists=tuple(book.lists.values()),
        lists_closed=book.lists_closed,
        forms=tuple(book.forms.values()),
        forms_closed=book.forms_closed,
        events=tuple(book.events.values()),
        events_closed=book.events_closed,
        messages=tuple(
            msgspec.structs.replace(message, attributes=tuple(sorted(book.attributes.get(key, ()))))
            for key, message in book.messages.items()
        ),
        blocks=tuple(book.blocks),
        tables=dict(sorted(book.tables.items())),
        journeys=tuple(journey for journey in book.journeys.values() if journey is not None),
        campaigns=tuple(book.campaigns.values()),
    )


def read_source(report: Report, folder: Path, path: str) -> Source | None:
    """One file as text; None, and a finding, when it cannot be read."""
    try:
        data = (folder / path).read_bytes()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        report.add_file(codes.UNREADABLE_FILE, path, message)
        return None
    if len(data) > DEFINITION_FILE_BYTES_MAX:
        message = f"the file is larger than {DEFINITION_FILE_BYTES_MAX // 1024 // 1024} MB"
        report.add_file(codes.UNREADABLE_FILE, path, message, "split it")
        return None
    try:
        return Source(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"the file is not UTF-8 (line {line})"
        report.add_file(codes.UNREADABLE_FILE, path, message, "save it as UTF-8")
        return None


def _read_yaml_file(report: Report, folder: Path, path: str) -> Node | None:
    if not (folder / path).is_file():
        return None
    source = read_source(report, folder, path)
    return read_yaml(source, report) if source is not None else None


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".yaml")


def _read_tables(book: Book, folder: Path) -> None:
    for path in _listing(folder, "tables"):
        place = f"tables/{path.name}"
        name = path.name.removesuffix(".csv")
        if name == path.name or not name:
            message = f"{show(path.name)} is not read here"
            book.report.add_file(codes.STRAY_FILE, place, message, "tables are named NAME.csv")
            continue
        source = read_source(book.report, folder, place)
        if source is not None:
            read_table(book, source, name)
        else:
            book.tables[name] = {}


def _listing(folder: Path, name: str) -> list[Path]:
    """The visible files and folders of a folder, by name."""
    if not (folder / name).is_dir():
        return []
    return sorted(p for p in (folder / name).iterdir() if not p.name.startswith("."))


def _yaml_files(report: Report, folder: Path, name: str) -> list[str]:
    paths: list[str] = []
    for path in _listing(folder, name):
        if path.suffix == ".yaml":
            paths.append(f"{name}/{path.name}")
        else:
            message = f"{show(path.name)} is not read here"
            advice = f"files of {name}/ are named NAME.yaml"
            report.add_file(codes.STRAY_FILE, f"{name}/{path.name}", message, advice)
    return paths


def _report_strays(report: Report, folder: Path) -> None:
    """Parts of the language that are not supported yet, and slips in the names of files."""
    known = ("blaster.toml", "shaping.toml", *_FILES, *_LATER_FILES)
    for path in _listing(folder, "."):
        later = path.name in _LATER_FILES if path.is_file() else path.name in _LATER_FOLDERS
        if later and (path.is_file() or any(path.iterdir())):
            message = f"{show(path.name)} is not supported yet"
            advice = "remove it for now: nothing is ignored in silence"
            report.add_file(codes.NOT_SUPPORTED, path.name, message, advice)
        elif path.is_file() and path.suffix in (".yaml", ".yml") and path.name not in known:
            message = f"{show(path.name)} is not read here"
            advice = did_you_mean(path.name, known, f"known are: {', '.join(known)}")
            report.add_file(codes.STRAY_FILE, path.name, message, advice)


def _read_messages(book: Book, checker: TemplateChecker, folder: Path) -> list[MessageText]:
    """Every message and block; their texts are checked once the rest is known."""
    texts: list[MessageText] = []
    for path in _listing(folder, "messages"):
        place = f"messages/{path.name}"
        if path.is_dir():
            if path.name == "blocks":
                _read_blocks(book, checker, folder)
            else:
                message = "a library of messages is not supported yet"
                book.report.add_file(codes.NOT_SUPPORTED, place, message)
            continue
        name, channel = _split_name(path.name, _ENDINGS)
        if channel is None:
            _report_message_name(book.report, place, path.name)
            continue
        book.message_names.add((channel, name))
        source = read_source(book.report, folder, place)
        text = read_message(book, source, name, channel) if source is not None else None
        if text is not None:
            texts.append(text)
    return texts


def _read_blocks(book: Book, checker: TemplateChecker, folder: Path) -> None:
    for path in _listing(folder, "messages/blocks"):
        place = f"messages/blocks/{path.name}"
        name, channel = _split_name(path.name, _BLOCK_ENDINGS)
        if channel is None:
            message = f"{show(path.name)} is not read here"
            advice = "blocks are named NAME.html and NAME.txt"
            book.report.add_file(codes.STRAY_FILE, place, message, advice)
            continue
        source = read_source(book.report, folder, place)
        if source is not None:
            text = MessageText(name, channel, whole_text(source))
            checker.blocks[channel, name] = text
            book.blocks.append(Block(name, channel, source.text))


def _split_name(file_name: str, endings: dict[str, Channel]) -> tuple[str, Channel | None]:
    for ending, channel in endings.items():
        if file_name.endswith(ending) and len(file_name) > len(ending):
            return file_name.removesuffix(ending), channel
    return file_name, None


def _report_message_name(report: Report, place: str, name: str) -> None:
    if name.endswith(_LATER_ENDINGS):
        message = "MJML and Markdown messages are not supported yet"
        report.add_file(codes.NOT_SUPPORTED, place, message, "write NAME.email.html")
    else:
        message = f"{show(name)} is not read here"
        advice = "messages are named NAME.email.html and NAME.sms.txt"
        report.add_file(codes.STRAY_FILE, place, message, advice)
