"""The lexer: a rule's text to tokens.

Laws
1. Spans count characters of the text as given. Values are normalised: NFC, bidi controls dropped.
2. A name begins with a letter of any script or `_`, goes on with letters, marks (niqqud), digits,
   `_` and joiners. `"` and `'` between two Hebrew letters belong to the name or text around them;
   geresh and gershayim (U+05F3, U+05F4) after a Hebrew letter do too.
3. A date is written without spaces; digits joined by `-`, `/` or `.` as dates are written elsewhere
   are refused, because they would silently subtract or divide.
4. The lexer never raises. What it cannot read becomes a problem and is left out.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from array import array

import msgspec

from blaster.limits import RULE_NODES_MAX
from blaster.rules.problems import BIDI_CONTROLS, PROBLEMS_MAX, TOO_MANY, Problem

TOKENS_MAX = 8 * RULE_NODES_MAX
"""More than any rule within RULE_NODES_MAX has; reading stops there."""

DIGITS_MAX = 30
"""Of a number; far beyond an int64, far below where Python's own conversion slows down."""

JOINERS = frozenset("\u200c\u200d")
"""Zero-width joiner and non-joiner: they change a word's letters, so they stay."""


class Token(msgspec.Struct, frozen=True, gc=False):
    """`kind`: name, quoted (in backticks), text, number, duration, date, moment, clock, op, end.

    Of kind values: the inside of a list of literals, of the sort `value` (see `syntax.Values`).
    """

    kind: str
    value: str
    start: int
    end: int
    values: tuple[str, ...] = ()
    spans: bytes = b""


_PLAIN = re.compile(
    r"[ \t\r\n]*(?:"
    r"(?P<name>[A-Za-z_\u05d0-\u05ea]\w*)(?=[ \t\r\n()\[\],.<>=!+*/-]|\Z)"
    r"|(?P<op>(?:[=!<>]=|[<>])(?![=<>])|[()\[\],.+*/-])"
    r"|(?P<number>(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{0,9}[1-9])?)(?=[ \t\r\n)\],<>=!+*]|\Z)"
    r"|(?P<duration>[1-9][0-9]{0,8}[smhdw])(?=[ \t\r\n)\],<>=!+*/]|\Z)"
    r"|\"(?P<text>[^\"]*)\"(?=[ \t\r\n)\],.]|\Z)"
    r"|'(?P<single>[^']*)'(?=[ \t\r\n)\],.]|\Z)"
    r")"
)
"""Space and a token that is written as it is meant: nearly all are. The rest is read by parts.

A sign that could belong to a text or name around it (a letter, a digit, a quote) never follows; nor
does one that could make a date of a number.
"""
_PLAIN_KINDS = ("", "name", "op", "number", "duration", "text", "text")
"""What each of its groups is."""
_LIST_ITEMS = {
    # what is read as one token between brackets, if nothing else stands there
    "text": r"\"(?P<double>(?:[^\"]|\"\"|(?<=[\u05d0-\u05ea])\"(?=[\u05d0-\u05ea]))*+)\""
            r"|'(?P<single>(?:[^']|''|(?<=[\u05d0-\u05ea])'(?=[\u05d0-\u05ea]))*+)'",
    "number": r"(?P<number>(?:-(?=[0.]*[1-9]))?[0-9]{1,18}+(?:\.[0-9]{1,11}+)?)",
    "date": r"(?P<date>[0-9]{4}-[0-9][0-9]-[0-9][0-9])",
}  # fmt: skip


def _list_of(one: str) -> str:
    """The inside of a list of such values."""
    space, value = r"[ \t\r\n]*+", f"(?:{re.sub('P<[a-z]+>', ':', one)})"
    return rf"{space}{value}{space}(?:,{space}{value}{space})*+(?=\])"


_LISTS = [(kind, re.compile(_list_of(one)), re.compile(one)) for kind, one in _LIST_ITEMS.items()]
_LISTED = re.compile(rf"(?<=\[)(?:{'|'.join(map(_list_of, _LIST_ITEMS.values()))})")
_SPACE = re.compile(r"[\s\u200b\ufeff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_NUMERIC = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[ \t]+(?P<time>\d\d?:\d\d(?::\d\d)?))?(?![\w:-]|\.\d)"
    r"|(?P<clock>\d{1,2}:\d\d(?::\d\d)?)(?![\w:]|\.\d)"
    r"|(?P<joined>\d+-\d+(?:-\d+)+|\d+/\d\d?/\d{4}|\d+\.\d+\.\d+)"
    r"(?:T[\d:]+)?(?!\w)"
    r"|(?P<duration>\d+[smhdw])(?!\w)"
    r"|(?P<number>\d+(?:\.\d+)?)(?!\w)"
    r"|(?P<other>\d\w*(?:[.:]\w+)*)",
    re.ASCII,
)
_OPERATOR = re.compile(r"==|!=|<=|>=|[<>()\[\],.+\-*/]")
_LOOKALIKES: dict[str, tuple[str, str, str]] = {
    # what people write: the token they meant, and what to tell them
    "=": ("op", "==", "write == to compare"),
    "===": ("op", "==", "write =="),
    "<>": ("op", "!=", "write !="),
    "=>": ("op", ">=", "write >="),
    "=<": ("op", "<=", "write <="),
    "&&": ("name", "and", "write and"),
    "&": ("name", "and", "write and"),
    "||": ("name", "or", "write or"),
    "|": ("name", "or", "write or"),
    "!": ("name", "not", "write not"),
    "\u2260": ("op", "!=", "write !="),
    "\u2264": ("op", "<=", "write <="),
    "\u2265": ("op", ">=", "write >="),
    "\u2013": ("op", "-", "write -"),
    "\u2014": ("op", "-", "write -"),
    "\u2212": ("op", "-", "write -"),
    "\u00d7": ("op", "*", "write *"),
}
_LOOKALIKE = re.compile(r"===|&&|\|\||<>|=>|=<")
_CURLY = {
    "\u201c": "\u201d",
    "\u201e": "\u201d\u201c\u201f",
    "\u2018": "\u2019",
    "\u201d": "\u201d",
}


def clean(text: str) -> str:
    """Names and literals as they are compared: NFC, without bidi controls."""
    kept = text if text.isascii() else "".join(c for c in text if c not in BIDI_CONTROLS)
    return unicodedata.normalize("NFC", kept)


def is_plain(name: str) -> bool:
    """Whether `name` reads back as one name token of the same value, without quotes."""
    tokens, problems = read(name)
    return not problems and len(tokens) == 2 and tokens[0] == Token("name", name, 0, len(name))


def without_lists(text: str) -> str:
    """The text without the values of its lists."""
    return _LISTED.sub("", text)


def read(text: str) -> tuple[list[Token], list[Problem]]:
    """All tokens, ending with one of kind `end`, and what could not be read."""
    lexer = _Lexer(text)
    while (
        lexer.place < len(text)
        and len(lexer.tokens) < TOKENS_MAX
        and len(lexer.problems) < PROBLEMS_MAX
    ):
        lexer.plain()
        if lexer.place < len(text) and len(lexer.tokens) < TOKENS_MAX:
            lexer.step()
    if len(lexer.problems) >= PROBLEMS_MAX:
        lexer.problems.append(Problem(TOO_MANY, lexer.place, len(text)))
    elif lexer.place < len(text):
        message = f"the rule is too long (more than {TOKENS_MAX} words and signs)"
        lexer.problems.append(Problem(message, lexer.place, len(text)))
    lexer.tokens.append(Token("end", "", len(text), len(text)))
    return lexer.tokens, lexer.problems


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.tokens: list[Token] = []
        self.problems: list[Problem] = []

    def plain(self) -> None:
        """Reads tokens as long as they are written as they are meant."""
        text, tokens = self.text, self.tokens
        while len(tokens) < TOKENS_MAX and (found := _PLAIN.match(text, self.place)) is not None:
            place = found.lastindex
            assert place is not None  # one alternative matched
            start, end = found.span(place)
            value = text[start:end]
            kind = _PLAIN_KINDS[place]
            if kind == "text":
                start, end = start - 1, end + 1
            tokens.append(Token(kind, value if value.isascii() else clean(value), start, end))
            self.place = end
            if value == "[" and kind == "op":
                self.values()

    def values(self) -> None:
        """Reads the inside of a list as one token, if it is nothing but literals of one sort."""
        for kind, whole, one in _LISTS:
            found = whole.match(self.text, self.place)
            if found is None:
                continue
            values: list[str] = []
            spans = array("I")
            for item in one.finditer(self.text, self.place, found.end()):
                value = item[item.lastgroup or 0]
                if kind == "text":
                    quote = '"' if item.lastgroup == "double" else "'"
                    value = clean(value.replace(quote * 2, quote))
                elif kind == "number" and ("." in value or value[0] in "-0"):
                    value = "-" + _shortest(value[1:]) if value[0] == "-" else _shortest(value)
                values.append(value)
                spans.extend(item.span())
            if kind != "date" or all(map(_is_day, values)):
                end = found.end()
                held = tuple(values), spans.tobytes()
                self.tokens.append(Token("values", kind, self.place, end, *held))
                self.place = found.end()
            return

    def step(self) -> None:
        """Reads one token, one stretch of space, or one thing that is none."""
        text, place = self.text, self.place
        if space := _SPACE.match(text, place):
            self.place = space.end()
        elif text[place] in "\"'":
            self.quoted("text", text[place])
        elif text[place] == "`":
            self.quoted("quoted", "`")
        elif text[place] in "0123456789":
            self.numeric()
        elif _starts_name(text[place]):
            self.name()
        elif (lookalike := _LOOKALIKE.match(text, place)) is not None:
            self.stranger(lookalike.group())
        elif (operator := _OPERATOR.match(text, place)) is not None:
            self.emit("op", operator.group(), operator.end())
        else:
            self.stranger(text[place])

    def emit(self, kind: str, value: str, end: int) -> None:
        self.tokens.append(Token(kind, value, self.place, end))
        self.place = end

    def complain(self, message: str, end: int, suggestion: str = "") -> None:
        self.problems.append(Problem(message, self.place, end, suggestion))

    def name(self) -> None:
        text, end = self.text, self.place + 1
        while end < len(text) and (_goes_on(text[end]) or _inside_hebrew(text, end)):
            end += 1
        while text[end - 1] in BIDI_CONTROLS:
            end -= 1
        self.emit("name", clean(text[self.place : end]), end)

    def quoted(self, kind: str, quote: str) -> None:
        """A text or a name in backticks; the quote is held doubled, or between Hebrew letters."""
        text, start = self.text, self.place + 1
        end = start
        while (end := text.find(quote, end)) >= 0:
            if text.startswith(quote, end + 1):
                end += 2
            elif end > start and quote != "`" and _inside_hebrew(text, end):
                end += 1
            else:
                break
        if end < 0:
            self.complain(
                f"{quote} is opened and never closed", len(text), f"close it with {quote}"
            )
            end = len(text)
        value = clean(text[start:end].replace(quote * 2, quote))
        self.emit(kind, value, min(end + 1, len(text)))

    def numeric(self) -> None:
        found = _NUMERIC.match(self.text, self.place)
        assert found is not None  # `other` takes whatever begins with a digit
        end = found.end()
        if found["day"]:
            self.date(found["day"], found["time"], end)
        elif found["clock"]:
            self.emit("clock", self.clock(found["clock"], end), end)
        elif found["joined"]:
            hint = "a date is written 2026-03-01, and with a time 2026-03-01 10:00"
            self.complain(f"{found.group()} is not a date", end, hint)
            self.emit("date", "1970-01-01", end)
        elif found["duration"]:
            self.emit("duration", self.digits(found["duration"][:-1], end) + found.group()[-1], end)
        elif found["number"]:
            self.emit("number", self.digits(found["number"], end), end)
        else:
            hint = 'a name that begins with a digit goes in field("..")'
            self.complain(f"{found.group()} is not a number, a duration or a time", end, hint)
            self.emit("number", "0", end)

    def digits(self, digits: str, end: int) -> str:
        """A number's value."""
        if len(digits) > DIGITS_MAX:
            self.complain("this number is too long", end)
            return "0"
        return _shortest(digits)

    def date(self, day: str, time: str | None, end: int) -> None:
        try:
            dt.date.fromisoformat(day)
        except ValueError:
            self.complain(f"there is no such day as {day}", self.place + len(day))
            day = "1970-01-01"
        if time is None:
            self.emit("date", day, end)
        else:
            self.emit("moment", f"{day} {self.clock(time, end)}", end)

    def clock(self, written: str, end: int) -> str:
        """`9:00` as `09:00`; the seconds only where there are some."""
        parts = [int(part) for part in written.split(":")]
        if parts[0] > 23 or parts[1] > 59 or parts[-1] > 59:
            hint = "clock times go from 00:00 to 23:59"
            self.complain(f"there is no such clock time as {written}", end, hint)
            return "00:00"
        if len(parts) == 3 and parts[2] == 0:
            parts.pop()
        return ":".join(f"{part:02d}" for part in parts)

    def stranger(self, sign: str) -> None:
        closing = _CURLY.get(sign)
        end = self.place + len(sign)
        if closing is None:
            name = "" if sign.isascii() else unicodedata.name(sign, "").lower()
            shown = sign if sign.isprintable() else repr(sign)[1:-1]
            kind, value, hint = _LOOKALIKES.get(sign, ("", "", ""))
            self.complain(f"{shown}{name and f' ({name})'} has no meaning in a rule", end, hint)
            if kind:
                self.emit(kind, value, end)
            self.place = end
            return
        while end < len(self.text) and self.text[end] not in closing:
            end += 1
        self.complain("curly quotes do not hold a text", self.place + 1, "write \"...\" or '...'")
        self.emit("text", clean(self.text[self.place + 1 : end]), min(end + 1, len(self.text)))


def _shortest(digits: str) -> str:
    """Without leading zeros, and without zeros at the end of a fraction."""
    whole, _, fraction = digits.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _is_day(written: str) -> bool:
    try:
        dt.date.fromisoformat(written)
    except ValueError:
        return False
    return True


def _starts_name(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] == "L"


def _goes_on(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    if character in BIDI_CONTROLS or character in JOINERS:
        return True
    return unicodedata.category(character)[0] in "LMN"


def _is_hebrew(character: str) -> bool:
    return "\u05d0" <= character <= "\u05f2" or "\ufb1d" <= character <= "\ufb4f"


def _inside_hebrew(text: str, place: int) -> bool:
    """Whether the quote or geresh at `place` stands inside a Hebrew word."""
    if text[place] not in "\"'\u05f3\u05f4":
        return False
    before = place - 1
    while before > 0 and (unicodedata.combining(text[before]) or text[before] in BIDI_CONTROLS):
        before -= 1
    if before < 0 or not _is_hebrew(text[before]):
        return False
    if text[place] in "\u05f3\u05f4":
        return True
    after = place + 1
    while after < len(text) and text[after] in BIDI_CONTROLS:
        after += 1
    return after < len(text) and _is_hebrew(text[after])
