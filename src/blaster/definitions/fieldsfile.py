"""fields.yaml, and typed attributes wherever they are written: `name: type` or a mapping."""

from __future__ import annotations

from collections.abc import Container
from typing import cast, get_args

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book
from blaster.definitions.findings import Report
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.shapes import Entry
from blaster.definitions.values import fits, form_of
from blaster.model.fields import BUILT_IN_FIELDS, Field, FieldType

TYPES: tuple[str, ...] = get_args(FieldType)
SCALE_MAX = 9
"""Decimals of an exact number; more would leave too few digits before the point."""

BUILT_IN_NAMES = frozenset(built_in.name for built_in in BUILT_IN_FIELDS)
_KEYS = ("type", "repeats", "scale", "values", "other", "default")


def read_fields(book: Book, root: Node) -> None:
    """Every field of fields.yaml."""
    for key, node in shapes.pairs(book.report, root, "fields.yaml"):
        declared = read_field(book.report, key, node, BUILT_IN_NAMES)
        if declared is not None:
            book.fields[declared.name] = declared


def read_field(
    report: Report, key: Scalar, node: Node, reserved: Container[str] = ()
) -> Field | None:
    """One field or attribute; None when its name cannot be one."""
    name = key.text
    if not name.strip():
        shapes.bad(report, key, "a field has no name")
        return None
    if name in reserved:
        message = f"{show(name)} is a field that every contact has"
        report.add(codes.RESERVED_FIELD, key.place, message, "remove it, or choose another name")
        return None
    if isinstance(node, Mapping):
        return _from_mapping(report, key, node)
    scalar = shapes.text(report, node, f"the type of {show(name)}")
    return Field(name, _type(report, scalar)) if scalar is not None else Field(name)


def _type(report: Report, scalar: Scalar) -> FieldType:
    word = shapes.choice(report, scalar, "the type of a field", TYPES)
    return cast(FieldType, word) if word is not None else "text"


def _from_mapping(report: Report, key: Scalar, node: Mapping) -> Field:
    what = f"the field {show(key.text)}"
    found = shapes.entries(report, node, what, _KEYS, later=("is",))
    kind = shapes.text_of(report, found, "type", what)
    type_ = _type(report, kind) if kind is not None else "text"
    repeats = shapes.text_of(report, found, "repeats", what)
    scale = shapes.text_of(report, found, "scale", what)
    other = shapes.text_of(report, found, "other", what)
    values = _values(report, found, what)
    field = Field(
        key.text,
        type_,
        repeats=bool(repeats and shapes.flag(report, repeats, "'repeats'")),
        scale=shapes.whole(report, scale, "'scale'", 0) if scale is not None else None,
        values=values,
        other=shapes.choice(report, other, "'other'", ("reject", *values)) if other else None,
    )
    _check_options(report, field, found, key)
    return _with_default(report, field, found)


def _values(report: Report, found: dict[str, Entry], what: str) -> tuple[str, ...]:
    if "values" not in found:
        return ()
    texts = shapes.texts(report, found["values"].node, f"'values' of {what}")
    seen: dict[str, None] = {}
    for scalar in texts:
        if scalar.text in seen:
            shapes.bad(report, scalar, f"the value {show(scalar.text)} stands here twice")
        seen[scalar.text] = None
    return tuple(seen)


def _check_options(report: Report, field: Field, found: dict[str, Entry], key: Scalar) -> None:
    """Options that belong to one type only."""
    fitting = {"repeats": "text", "scale": "number", "values": "enum", "other": "enum"}
    for option, type_ in fitting.items():
        if option in found and field.type != type_:
            message = f"'{option}' belongs to fields of type {type_}, not {field.type}"
            report.add(codes.WRONG_TYPE, found[option].key.place, message)
    if field.type == "enum" and "values" not in found:
        shapes.missing(report, key.place, f"the enum {show(field.name)}", "values")
    if field.scale is not None and field.scale > SCALE_MAX:
        message = f"'scale' is at most {SCALE_MAX}"
        report.add(codes.BAD_VALUE, found["scale"].node.place, message)


def _with_default(report: Report, field: Field, found: dict[str, Entry]) -> Field:
    if "default" not in found:
        return field
    default = shapes.text(report, found["default"].node, "'default'", empty=True)
    if default is None:
        return field
    if not fits(field, default.text):
        message = f"the default {show(default.text)} of {show(field.name)} is no {field.type}"
        report.add(codes.DEFAULT_DOES_NOT_FIT, default.place, message, f"write {form_of(field)}")
    return Field(
        field.name,
        field.type,
        repeats=field.repeats,
        scale=field.scale,
        values=field.values,
        other=field.other,
        default=default.text,
    )
