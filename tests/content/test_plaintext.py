"""The text part made of HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.content import LetterWriter
from blaster.content.plaintext import text_of_html
from blaster.errors import BlasterError, InputError, NotSupported
from blaster.model import Choose, Fill, Link, Plain
from tests.content.helpers import SECRET, letter


def text(html):
    """The text of constant HTML."""
    pieces = text_of_html((Plain(html),))
    assert all(isinstance(piece, Plain) for piece in pieces)
    return "".join(piece.text for piece in pieces)


def both(body):
    """The text of a message (before its footer) with its one rule true, and false."""
    made = letter(body, links={"pay": "https://pay.example/?a&b"})
    writer = LetterWriter(made, SECRET)
    found = []
    for truth in (True, False):
        whole = writer.text(7, 9, ["V"] * len(made.slots), [truth] * len(made.rules))
        found.append(whole.split("\n\nמועדון")[0])
    return found


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("", ""),
        ("  a \n b  ", "a b"),
        ("<p>a</p><p>b</p>c", "a\n\nb\n\nc"),
        ("<div>a</div><div>b<br>c<br><br>d</div>", "a\nb\nc\n\nd"),
        ("a<hr>b", "a\n---\nb"),
        ("<h1>a</h1><ul><li>b<li><p>c</p></ul>d", "a\n\n- b\n- c\n\nd"),
        ("<table><tr><td>1<td>2</tr><tr><th>3</th></tr></table>", "1 2\n3"),
        ("<pre>a\n  b</pre>c", "a\n  b\n\nc"),
        ("a&amp;b&nbsp;&#1513;", "a&b\xa0ש"),
        ("<title>t</title><style>p{}</style>a<script>b</script><!-- c -->", "a"),
        ("<template>a<p>b</template>c", "c"),
        ('<a href="https://x.y/?a&amp;b">t</a>, u', "t (https://x.y/?a&b), u"),
        ('<a href="https://x.y">https://x.y</a>', "https://x.y"),
        ('<a href="mailto:a@b.c">a@b.c</a> <a href="tel:+972">call</a>', "a@b.c call (+972)"),
        ('<a href="#x">t</a><a>u</a>', "tu"),
        ('<a href="https://x.y"><img src="i"></a>t', "https://x.y t"),
        ('a <img alt="the  picture">', "a the picture"),
        ("a<br/>b<div/>c", "a\nb\nc"),
        ("<!DOCTYPE html><?x y?><![if !mso]>a<![endif]><![CDATA[b]]><!x>c", "ac"),
        ("a < b & c <", "a < b & c <"),
        ("\U000f0000a&#xF0001;b&#983042;c&#999999999;", "abc\ufffd"),
        ("</a></p></pre></style>x", "x"),
    ],
)
def test_html(html, wanted):
    """Visible text, its lines, and every link's address."""
    assert text(html) == wanted


def test_marks_are_kept():
    """Slots and links stand where they stood, unescaped; in attributes too."""
    pieces = text_of_html(
        (
            Plain('<p title="'),
            Fill(2, html=True),
            Plain('">a '),
            Fill(0, html=True),
            Plain('<a href="'),
            Link("form", "f", html=True),
            Plain('">t</a> <img alt="'),
            Fill(1, html=True),
            Plain('">'),
        )
    )
    assert pieces == (
        Plain("a "),
        Fill(0),
        Plain("t ("),
        Link("form", "f"),
        Plain(") "),
        Fill(1),
    )


@pytest.mark.parametrize(
    ("body", "taken", "other"),
    [
        ("<p>a</p>{% when x %}<p>b</p>{% end %}<p>c</p>", "a\n\nb\n\nc", "a\n\nc"),
        ("a {% when x %}b{% else %}c{% end %} d", "a b d", "a c d"),
        ("a{% when x %} b{% end %}", "a b", "a"),
        ("{% when x %}<p>a</p>{% end %}{{ v }}", "a\n\nV", "\n\nV"),
        (
            "<table>{% when x %}<tr><td>1</tr>{% end %}<tr><td>2</tr></table>",
            "1\n2",
            "\n2",
        ),
        (
            '<a href="{% when x %}https://1.x{% else %}{{ links.pay }}{% end %}">t</a>',
            "t (https://1.x)",
            "t (https://pay.example/?a&b)",
        ),
        (
            '<a {% when x %}href="https://1.x"{% else %}href="https://2.x"{% end %}>t</a>',
            "t (https://1.x)",
            "t (https://2.x)",
        ),
        (
            '{% when x %}<a href="https://1.x">{% else %}<a href="https://2.x">{% end %}t</a>',
            "https://1.x t",
            "https://2.x t",
        ),
        (
            '<a href="https://1.x">{% when x %}s</a>{% else %}t</a>{% end %}',
            "s (https://1.x)",
            "t (https://1.x)",
        ),
        ('<p class="{% when x %}a{% end %}">t</p>', "t", "t"),
        ("{% when x %}{% when x %}a{% end %}{% else %}b{% end %}", "a", "b"),
    ],
)
def test_branches(body, taken, other):
    """Both branches read well; no address is lost."""
    assert both(body) == [taken, other]


def test_branches_nest():
    """Branches within branches come out as they went in."""
    pieces = (Choose(((0, (Choose(((1, (Plain("a"),)),), (Fill(0),)),)),), (Plain("b"),)),)
    assert text_of_html(pieces) == pieces


@pytest.mark.parametrize(
    "body",
    [
        "<style>{% when x %}</style>{% end %}",
        "{% when x %}<title>{% else %}</title>{% end %}",
        '<a href="{% when x %}">t</a>{% end %}',
        '{% when x %}<a href="https://x.y">t<b title="{% end %}">',
        "<title>{% when x %}a</title>{% end %}",
        "{% when x %}<!-- {% end %}a -->",
    ],
)
def test_branches_that_cut_tags(body):
    """Not guessed but refused."""
    with pytest.raises(NotSupported, match="begins or ends within a tag"):
        letter(body)


@pytest.mark.parametrize(
    "body",
    [
        "<p>x</p><!-- y",
        '<p>x</p><a href="y',
        "x</p",
        "x<!",
        "x<?",
        "x<![if mso]",
        "<style>p{}",
        "<script/>x",
        "<title>x",
        "<a " * 50_000,
        "<!--" * 50_000,
    ],
)
def test_unfinished(body):
    """HTML whose end would hide the footer is refused, and quickly."""
    with pytest.raises(InputError, match="ends within"):
        letter(body)


_SCRAPS = st.sampled_from(
    [
        *("<", ">", "</", "/>", "<!--", "-->", "<![", "]>", "<?", "a", "br", "style", "title"),
        *("p", " ", "=", '"', "'", "&", "&#", ";", "href", "\n", "ש", "{{ v }}", "{{ links.pay }}"),
        *("{% when x %}", "{% else %}", "{% end %}", "<a href='", "<p>", "</p>", "</a>", "\0"),
    ]
)


@given(st.lists(_SCRAPS, max_size=30).map("".join))
def test_rubbish(body):
    """Whatever the HTML is, there is a text or a clear refusal."""
    try:
        taken, other = both(body)
    except BlasterError:
        return
    assert isinstance(taken, str)
    assert isinstance(other, str)
