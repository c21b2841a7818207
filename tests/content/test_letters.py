"""Compiling messages: slots, rules, links, blocks, footers."""

from __future__ import annotations

import msgspec
import pytest

from blaster.content import LetterWriter, compile_letter, oversize
from blaster.content.letters import LETTER_PIECES_MAX
from blaster.errors import DefinitionError, InputError, NotSupported
from blaster.limits import LETTER_BYTES_MAX
from blaster.model import Account, Choose, Fill, Letter, Link, Message, Plain, Sender, Slot
from blaster.model.fields import Field
from blaster.rules import Scope, compile_value
from blaster.transport.frames import Known, fits
from tests.content.helpers import ABROAD, CLUB, SECRET, letter, part, read, sms


def body_of(made):
    """The pieces before the footer, without the line end that stands before it."""
    return [piece for piece in made.html if not isinstance(piece, Plain)]


def test_a_letter_that_is_not_oversize_fits_a_frame():
    """To the byte; a frame has room for it, and more."""
    made = msgspec.structs.replace(letter("x"), text=())
    spare = LETTER_BYTES_MAX - len(msgspec.msgpack.encode(long(made, 100_000)))
    largest, larger = (long(made, 100_000 + spare + more) for more in (0, 1))
    assert oversize(largest) == ""
    assert fits(Known(largest))
    assert oversize(larger).startswith(f"{LETTER_BYTES_MAX + 1:,} bytes ")


def long(made, count):
    """A letter of so much constant text."""
    return msgspec.structs.replace(made, html=(Plain("x" * count),))


def test_slots_are_named_once():
    """The same value with the same filters is one slot, wherever it stands."""
    made = letter(
        "{{ city }}{{ field('city') }}{{ contact.city }}{{ city | upper }}", subject="{{ city }}"
    )
    assert made.slots == (Slot('field("city")'), Slot('field("city")', (("upper", ()),)))
    assert made.subject == (Fill(0),)
    assert body_of(made) == [Fill(0, True)] * 3 + [Fill(1, True)]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("city", 'field("city")'),
        ('צה"ל', 'field("צה""ל")'),
        ('`a "b"`', 'field("a ""b""")'),
        ("event.order_id", "event.order_id"),
        ("event.מוצר", "event.מוצר"),
        ("contact.created", "contact.created"),
        ("contact.id", 'field("id")'),
        ("contact.source", 'field("source")'),
        ("now", "now"),
        ("today", "today"),
        ("field('now')", 'field("now")'),
        ("event", 'field("event")'),
    ],
)
def test_values(written, value):
    """Variables in the rule language, understood where steps stand."""
    names = ["city", 'צה"ל', 'a "b"', "now", "event"]
    scope = Scope(place="steps", fields={name: Field(name) for name in names})
    made = letter(f"{{{{ {written} }}}}")
    assert made.slots == (Slot(value),)
    compile_value(value, scope)


def test_rules_are_named_once():
    """Rules in the order in which they are met; cases refer to them by number."""
    made = letter("{% when a %}1{% else when b %}2{% else %}3{% end %}{% when b %}4{% end %}")
    assert made.rules == ("a", "b")
    assert body_of(made) == [
        Choose(((0, (Plain("1"),)), (1, (Plain("2"),))), (Plain("3"),)),
        Choose(((1, (Plain("4"),)),)),
    ]


def test_links():
    """A link is its own template; constants in it are escaped in HTML and plain elsewhere."""
    made = letter(
        '<a href="{{ links.pay }}">x</a>',
        links={"pay": " https://x.example/?a=1&o={{ event.o | default('') }} "},
    )
    message = read(made, ["a&b"])
    assert '<a href="https://x.example/?a=1&amp;o=a&amp;b">x</a>' in part(message, "html")
    assert "x (https://x.example/?a=1&o=a&b)" in part(message, "plain")
    form = letter("{{ links.form }}", links={"form": "form:הרשמה ב"}, account=ABROAD)
    assert Link("form", "הרשמה ב", True) in form.html
    name = "%D7%94%D7%A8%D7%A9%D7%9E%D7%94%20%D7%91"
    assert f"https://pages.example.com/c/f/{name}/" in part(read(form), "html")


def test_filters_behind_links():
    """A constant link may be filtered, one that differs between recipients may not."""
    made = sms("{{ links.a | url }} {{ map(1.5, -2) | url }}", links={"a": "https://x.y/?a"})
    shown = LetterWriter(made, SECRET).text(1, 2, (), ())
    assert shown == (
        "https%3A%2F%2Fx.y%2F%3Fa "
        "https%3A%2F%2Fwww.google.com%2Fmaps%2Fsearch%2F%3Fapi%3D1%26query%3D1.5%2C-2"
    )
    with pytest.raises(NotSupported, match="a filter behind the link 'a'"):
        sms("{{ links.a | url }}", links={"a": "https://x.y/{{ city }}"})


def test_blocks():
    """A block stands where it is included; its rules and links are the message's."""
    blocks = {"hours": "{% when a %}{{ links.pay }}{% end %}", "twice": '{% include "hours" %}!'}
    made = letter('{% include "twice" %}', blocks=blocks, links={"pay": "https://pay.example"})
    assert body_of(made) == [Choose(((0, (Plain("https://pay.example"),)),))]
    for wrong in ({}, {"twice": '{% include "twice" %}'}):
        with pytest.raises(InputError, match=r"twice|hours"):
            letter('{% include "twice" %}', blocks=wrong)


def test_pieces_are_bounded():
    """Blocks that include each other many times do not grow without end."""
    blocks = {str(n): f'{{% include "{n + 1}" %}}' * 10 for n in range(9)}
    blocks["9"] = "x"
    with pytest.raises(InputError, match="too many pieces"):
        letter('{% include "0" %}', blocks=blocks)
    deep = {str(n): "{% when a %}" * 20 + f'{{% include "{n + 1}" %}}' + "{% end %}" * 20
            for n in range(9)}  # fmt: skip
    with pytest.raises(InputError, match="nests too deep"):
        letter('{% include "0" %}', blocks=deep | {"9": "x"})
    assert read(letter("{% when a %}" * 30 + "x" + "{% end %}" * 30), (), [True])
    assert LETTER_PIECES_MAX > 10_000  # what one template may have


@pytest.mark.parametrize(
    ("body", "links", "message"),
    [
        ("{% for a in event.items %}{% end %}", {}, "{% for %}"),
        ("{{ item.price }}", {}, "name.item.price"),
        ("{{ contact.provider }}", {}, "contact.provider"),
        ("{{ code('x') }}", {}, r"code\(\.\.\)"),
        ("{{ links.p }}", {"p": "page:x"}, "a link to page:x"),
        ("{{ links.p }}", {"p": "consent:give"}, "a link to consent:give"),
    ],
)
def test_not_supported(body, links, message):
    """What this release cannot write says so."""
    with pytest.raises(NotSupported, match=message):
        letter(body, links=links)


def test_wrong_templates():
    """Nothing is guessed."""
    with pytest.raises(DefinitionError):
        letter("{{ a")
    with pytest.raises(InputError, match="no link 'x'"):
        letter("{{ links.x }}")
    with pytest.raises(InputError, match="includes itself"):
        letter("{{ links.x }}", links={"x": "{{ links.x }}"})
    with pytest.raises(InputError, match="filter 'date'"):
        letter("{{ a | date }}")


def test_senders():
    """The named sender, the only one, or a clear refusal."""
    two = Account(
        senders=(Sender("a", "a@bücher.example"), Sender("b", "b@example.com", "Bea")),
    )
    assert letter("x", two, sender="a").sender_address == "a@xn--bcher-kva.example"
    assert letter("x", two, sender="a").web == "https://xn--bcher-kva.example"
    assert letter("x", two, sender="b").sender_name == "Bea"
    assert sms("x", two).sender_address == ""
    assert sms("{{ links.f }}", two, links={"f": "form:f"}).web == "https://xn--bcher-kva.example"
    for account, sender in ((two, None), (two, "c"), (Account(), None)):
        with pytest.raises(InputError, match="the message 'm'"):
            letter("x", account, sender=sender)
    for address in ("עברית@example.com", "nobody", "@example.com", "a@\u2028"):
        with pytest.raises(InputError, match="nobody can be sent mail"):
            letter("x", Account(senders=(Sender("a", address),)))


def test_web():
    """The base of the account's own pages."""
    assert letter("x", ABROAD).web == "https://pages.example.com/c"
    with pytest.raises(InputError, match="no address of pages"):
        letter("x", msgspec.structs.replace(ABROAD, web="ftp://x"))
    assert sms("x", Account()).web == ""
    with pytest.raises(InputError, match="has no web"):
        sms("{% when a %}{% else %}{{ links.f }}{% end %}", Account(), links={"f": "form:f"})


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("<p>x</p>", "</div>\n"),
        ("<html><body><p>x</p></body></html>", "</div>\n</body></html>\n"),
        ("<html><BODY >x</BODY ></html>\n\n", "</div>\n</BODY ></html>\n"),
        ("<html><p>x</p></html>", "</div>\n</html>\n"),
    ],
)
@pytest.mark.parametrize("category", ["operational", "sales", "marketing"])
def test_footer(body, end, category):
    """Once, at the end, escaped; with an opt-out for advertisements."""
    message = read(letter(body, category=category))
    html, text = part(message, "html"), part(message, "plain")
    assert html.endswith(end)
    assert html.count("מועדון הקפה &amp; תה<br>\nהרצל 1, תל אביב<br>\n") == 1
    assert html.count('<div dir="rtl" lang="he"') == 1
    assert text.count("מועדון הקפה & תה\nהרצל 1, תל אביב\nclub@example.co.il, 03-5550000\n") == 1
    opt_out = int(category != "operational")
    assert html.count(">להסרה מרשימת התפוצה</a>") == opt_out
    assert text.count("\n\nלהסרה מרשימת התפוצה (https://example.co.il/u/") == opt_out
    assert text.startswith("x\n\n")
    assert text.endswith("\n")


def test_footer_abroad():
    """English, from left to right."""
    made = letter("<p>x</p>", ABROAD, category="marketing")
    message = read(made)
    assert '<div dir="ltr" lang="en"' in part(message, "html")
    assert "\n\nUnsubscribe (https://pages.example.com/c/u/" in part(message, "plain")
    assert message["subject"] == "s"
    bare = read(letter("<p>x</p>", Account(senders=ABROAD.senders)))
    assert part(bare, "html") == "<p>x</p>\n"


def test_advert_word():
    """Israel's advertisements begin with the word, once."""
    for subject, wanted in (
        ("s", "פרסומת: s"),
        ("פרסומת - {{ a }}", "פרסומת - b"),
        ("{{ a }}", "פרסומת: b"),
        ("", "פרסומת:"),
    ):
        made = letter("x", subject=subject, category="marketing")
        assert read(made, ["b"])["subject"].strip() == wanted
    assert read(letter("x", category="sales"))["subject"] == "s"
    writer = LetterWriter(sms(" x {{ a }}\n", category="marketing"), SECRET)
    assert writer.text(1, 2, ["b"], ()) == "פרסומת: x b\nלהסרה השיבו הסר"
    abroad = LetterWriter(sms("x\n", ABROAD, category="marketing"), SECRET)
    assert abroad.text(1, 2, (), ()) == "x"


def test_version():
    """The same message has the same version; any difference another one."""
    made = letter("x")
    assert made == letter("x")
    assert len({made.version, letter("y").version, letter("x", repeat=False).version}) == 3
    assert msgspec.json.decode(msgspec.json.encode(made), type=Letter) == made


def test_message_without_attributes_compiles():
    """The definitions' own struct is all that is needed."""
    message = Message("m", "sms", "operational", "hello")
    assert compile_letter(message, CLUB, {}).text == (Plain("hello"),)
