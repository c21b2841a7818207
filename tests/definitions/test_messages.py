"""Messages: front matter, links, templates, blocks."""

from __future__ import annotations

import pytest

from blaster.content import letters
from blaster.model.definitions import Block, Message

from .workspaces import TOML, check, found


def mail(body="<p>x</p>", front="subject: s", head="category: sales\nfrom: club"):
    """A message file."""
    return f"---\n{head}\n{front}\n---\n{body}\n"


def test_a_whole_message(tmp_path):
    """Front matter to its fields; the body as it is."""
    text = (
        '\ufeff---\ncategory: marketing\ntopic: tips\nfrom: club\nsubject: "{{ city }} #1"\n'
        'links: {pay: "https://x.il/{{ event.o | default(\'\') }}", reg: "form:f"}\n'
        "repeat: never\n---\n<p>{{ links.pay }}{{ links.reg }}</p>\n"
    )
    workspace = check(tmp_path, {"messages/שלום.email.html": text}).workspace
    assert workspace.messages[-1] == Message(
        "שלום",
        "email",
        "marketing",
        "<p>{{ links.pay }}{{ links.reg }}</p>\n",
        topic="tips",
        sender="club",
        subject="{{ city }} #1",
        links={"pay": "https://x.il/{{ event.o | default('') }}", "reg": "form:f"},
        repeat=False,
        attributes=("o",),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>x</p>", ["B013 1:1"]),
        ("---\ncategory: sales\n", ["B013 1:1"]),
        ("---\ncategory: [\n---\nx", ["B001 3:1"]),
        ("---\n- x\n---\nx", ["B008 2:1", "B050 1:1", "B007 1:1"]),
        (mail(head="from: club"), ["B050 1:1"]),
        (mail(head="category: news\nfrom: club"), ["B009 2:11"]),
        (mail(head="category:\nfrom: club"), ["B009 2:10"]),
        (mail(front="topic: x"), ["B007 1:1"]),
        (mail(body=" "), ["B013 5:4"]),
        (mail(front="subject: s\nrepeat: often"), ["B009 5:9"]),
        (mail(front="subject: s\npermission: true"), ["B010 5:1"]),
        (mail(front="subject: s\naudience: x"), ["B010 5:1"]),
        (mail(front="subject: s\nsubjct: x"), ["B006 5:1"]),
        (mail(front="subject: s\nlinks: {a: page:x}"), ["B010 5:12"]),
        (mail(front="subject: s\nlinks: {a: nowhere}"), ["B054 5:12"]),
        (mail(front="subject: s\nlinks: {a: [x]}"), ["B008 5:12"]),
        (mail(front="subject: s\nlinks: x"), ["B008 5:8"]),
        (mail(front="subject: '{% when vists > 3 %}a{% end %}'"), ["B020 4:19"]),
        (mail(front="subject: '{% when event.x == \"''\" %}a{% end %}'"), []),
        (mail(front="subject: '{{ x }}'"), ["B052 4:14"]),
        (mail(front="subject: s\nlinks: {a: 'https://{{ x }}'}"), ["B052 5:24"]),
    ],
)
def test_a_broken_front_matter(tmp_path, text, expected):
    """Each at its place in the file."""
    assert sorted(found(tmp_path, {"messages/m.email.html": text})) == sorted(expected)


def test_an_sms_has_no_subject(tmp_path):
    """And needs no sender."""
    text = "---\ncategory: sales\nsubject: s\n---\nx\n"
    assert found(tmp_path, {"messages/m.sms.txt": text}) == ["B006 3:1"]


def test_a_sender_is_wanted_when_there_are_several(tmp_path):
    """With one sender, that is the one."""
    message = mail(head="category: sales")
    assert found(tmp_path / "a", {"messages/m.email.html": message}) == []
    toml = TOML + '[senders.b]\naddress = "b@x.il"\n'
    files = {"messages/m.email.html": message, "blaster.toml": toml}
    assert found(tmp_path / "b", files) == ["B056 1:1"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{{ city }} {{ field("city") }} {{ contact.city }} {{ `city` }} {{ email }}', []),
        ("{{ contact.created | date('d.M') }} {{ today }} {{ map(1.5, -2) }}", []),
        ("{{ event.total }} {{ x | default('') }} {{ city | upper | truncate(3) }}", []),
        ("{% for item in event.items %}{{ item.name }}{{ item }}{% end %}", ["B010 6:1"]),
        ("{% for item in tags %}{{ item }}{% end %}{{ item }}", ["B010 6:1", "B052 6:45"]),
        (
            "{% when visits > 3 %}a{% else when city is set %}b{% else %}{{ x }}{% end %}",
            ["B052 6:64"],
        ),
        ("{% when vists > 3 %}a{% else when cty is set %}b{% end %}", ["B020 6:9", "B020 6:35"]),
        ("{{ x.y | default('') }}", ["B052 6:4"]),
        ('{{ field("x") }}{{ contact.x }}', ["B052 6:4", "B052 6:20"]),
        ("{{ links.x }}", ["B054 6:4"]),
        ("{{ city | date }}{{ city | upper(1) }}", ["B053 6:11", "B053 6:28"]),
        ("{{ code('x') }}", ["B010 6:4"]),
        ("{{ mop(1, 2) }}", ["B051 6:4"]),
        ("{{ map(1) }}{{ map('a', 2) }}", ["B051 6:4", "B051 6:16"]),
        ('{% include "hours" %}', []),
        ('{% include "huors" %}', ["B055 6:1"]),
        ('{% include "loop" %}', ["B055 1:1"]),
        ('{% include "broken" %}', ["B054 2:4"]),
        ("{{ city", ["B051 6:1"]),
    ],
)
def test_names_in_bodies(tmp_path, body, expected):
    """Known names pass; others are found where they stand."""
    files = {
        "messages/m.email.html": mail(body, front="topic: t\nsubject: s"),
        "messages/blocks/hours.html": "{{ city }}",
        "messages/blocks/loop.html": '{% include "loop" %}',
        "messages/blocks/broken.email.html": "x\n{{ links.q }}",
        "messages/blocks/hours.txt": "9-5",
    }
    assert found(tmp_path, files) == sorted(
        (each.replace(" 6:", " 7:") for each in expected),
        key=lambda e: [int(x) for x in e[5:].split(":")],
    )


def test_a_message_is_too_large_with_its_blocks(tmp_path, monkeypatch):
    """Each by itself is not; nor is the one that takes the block once."""
    block = "<p>" + "x" * 1_000 + "</p>"
    twice = '{% when city == "a" %}{% include "b" %}{% else %}{% include "b" %}{% end %}'
    files = {
        "messages/blocks/b.html": block,
        "messages/once.email.html": mail('{% include "b" %}'),
        "messages/twice.email.html": mail(twice),
    }
    assert found(tmp_path, files) == []
    monkeypatch.setattr(letters, "LETTER_BYTES_MAX", 4_000)
    (finding,) = check(tmp_path, files).findings
    assert (finding.code, finding.file) == ("B057", "messages/twice.email.html")
    assert "4,000 are allowed" in finding.message


def test_blocks_are_part_of_the_workspace(tmp_path):
    """By channel."""
    workspace = check(tmp_path, {"messages/blocks/hours.txt": "9-5"}).workspace
    assert workspace.blocks == (Block("hours", "sms", "9-5"),)


def test_attributes_of_declared_events(tmp_path):
    """With events.yaml an attribute must be declared, or have a default."""
    files = {
        "events.yaml": "buy: {total: integer}\n",
        "messages/m.email.html": mail(
            "{{ event.total }}{{ event.x | default('') }}{{ event.totl }}"
        ),
    }
    assert found(tmp_path, files) == ["B052 6:48"]


def test_what_a_message_reads_of_the_event(tmp_path):
    """In its subject, links, body, rules and blocks; each once, by name."""
    body = (
        "{{ event.total }}{{ event.total }}{{ links.pay }}{% include 'hours' %}"
        '{% when event.kind == "big" and event.vip is set %}a{% else %}{{ event.other }}{% end %}'
    )
    front = 'subject: "{{ event.subject }}"\nlinks: {pay: "https://x.il/{{ event.order }}"}'
    files = {
        "messages/m.email.html": mail(body.replace("'", '"'), front=front),
        "messages/plain.email.html": mail('{% include "hours" %}'),
        "messages/blocks/hours.html": (
            "{{ event.shop }}{% when event.open > 3 %}{{ city }}{% end %}"
        ),
    }
    messages = {m.name: m for m in check(tmp_path, files).workspace.messages}
    assert messages["m"].attributes == (
        "kind", "open", "order", "other", "shop", "subject", "total", "vip"
    )  # fmt: skip
    assert messages["plain"].attributes == ("open", "shop")
    assert messages["bill"].attributes == ()
