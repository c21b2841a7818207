"""blaster.toml, fields.yaml, lists.yaml, events.yaml, forms and the folder itself."""

from __future__ import annotations

import pytest

from blaster import definitions
from blaster.model.definitions import Cap, ContactList, DkimKey, EventType, Form, Sender
from blaster.model.fields import Field

from .workspaces import TOML, check, found, write


def test_a_whole_account(tmp_path):
    """Every key to its place."""
    toml = (
        '[account]\nname = "N"\naddress = "A"\ncontact = "C"\nzone = "Europe/Paris"\n'
        'web = "https://club.example.com/x/"\n'
        'country = "FR"\n[senders.a]\naddress = "a@x.fr"\nname = "D"\n[senders.club]\n'
        'address = "b@x.fr"\n[domains."x.fr"]\ndkim = [{selector = "s", key = "k.pem"}]\n'
        '[transports.email]\nkind = "smtp"\nsmarthost = "Mail.x.fr"\nworkers = 2\n'
        '[routes]\n"X.il" = "mx.x.il:2525"\n'
        '[[policy.caps]]\nmax = 2\nper = "1d"\ncategory = "sales"\ntopic = "t"\n'
        'channel = "sms"\nover = "drop"\n'
    )
    checked = check(tmp_path, {"blaster.toml": toml, "k.pem": "key"})
    assert checked.text == "no errors\n"
    account = checked.workspace.account
    assert (account.name, account.address, account.contact) == ("N", "A", "C")
    assert (account.zone, account.country) == ("Europe/Paris", "FR")
    assert account.senders == (Sender("a", "a@x.fr", "D"), Sender("club", "b@x.fr"))
    assert account.dkim == (DkimKey("x.fr", "s", "k.pem"),)
    assert account.transports == {
        "email": {"kind": "smtp", "smarthost": "mail.x.fr:25", "workers": "2"}
    }
    assert account.routes == {"x.il": "mx.x.il:2525"}
    assert account.web == "https://club.example.com/x"
    assert account.caps == (Cap(2, 86_400, "sales", "t", "sms", drop=True),)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("[acount]\n", ["B006 6:2"]),
        ("[acount\n", ["B011 6:8"]),
        ("x = [1,", ["B011 6:7"]),
        ('[domains."x.il"]\ndkim = 3\n', ["B008 7:1"]),
        ('[domains]\n"x.il" = 3\n', ["B008 7:1"]),
        ('[domains."x.il"]\ndkim = [{}]\n', ["B007 7:1", "B007 7:1"]),
        ("[transports.email]\nhost = 'x'\n", ["B007 6:2"]),
        ("[transports.email]\nkind = []\n", ["B008 7:1"]),
        ("[senders.b]\nname = 3\n", ["B007 6:2", "B008 7:1"]),
        ("[senders.b]\naddress = 'x'\n", ["B009 7:11"]),
        ("[policy]\ncaps = [{ max = 3 }]\n", ["B007 7:1"]),
        ("[policy]\ncaps = [{ per = '7d' }]\n", ["B007 7:1"]),
        ("[policy]\ncaps = [{ max = true, per = '7d' }]\n", ["B009 7:11"]),
        ("[policy]\ncaps = [{ max = 3, per = '1 month' }]\n", ["B009 7:20"]),
        ("[policy]\ncaps = [{ max = 3, per = '7d', over = 'x' }]\n", ["B009 7:32"]),
        ("[policy]\ncaps = [{ max = 3, per = '7d', topics = 'x' }]\n", ["B006 7:32"]),
        ("[policy]\nsabbath = true\nfoo = 3\n", ["B010 7:1", "B006 8:1"]),
        ("[policy]\ncaps = [\n  { max = 3, pre = '7d' },\n]\n", ["B007 7:1", "B006 8:14"]),
    ],
)
def test_what_is_wrong_in_blaster_toml(tmp_path, more, expected):
    """Found where it stands; inside an inline table at least near."""
    assert found(tmp_path, {"blaster.toml": TOML + more}) == expected


def test_account_values(tmp_path):
    """Zone, country and shapes."""
    toml = '[account]\nzone = "Nowhere"\ncountry = "Israel"\nname = 3\n'
    findings = found(tmp_path, {"blaster.toml": toml + "[senders.club]\naddress = 'a@b.il'\n"})
    assert findings == ["B063 1:2", "B063 1:2", "B061 2:8", "B009 3:11", "B008 4:1"]
    findings = found(
        tmp_path, {"blaster.toml": 'account = 3\nsenders."club" = {address = "a@b.c"}'}
    )
    assert findings == ["B008 1:1"]


def test_every_kind_of_field(tmp_path):
    """Types, options and defaults."""
    text = (
        "a: text\nb: {type: text, repeats: true}\nc: {type: number, scale: 2, default: 1.25}\n"
        "d: {type: enum, values: [x, y], other: reject, default: x}\ncount: counter\n"
        "e: {type: boolean, default: no}\nf: {type: date, default: 2026-03-01}\n"
        "g: {type: instant, default: 2026-03-01 10:00}\nh: {type: integer, default: 007}\n"
        "i: {type: list}\n"
    )
    checked = check(tmp_path, {"fields.yaml": text})
    assert checked.workspace.fields == (
        Field("a"),
        Field("b", repeats=True),
        Field("c", "number", scale=2, default="1.25"),
        Field("d", "enum", values=("x", "y"), other="reject", default="x"),
        Field("count", "counter"),
        Field("e", "boolean", default="no"),
        Field("f", "date", default="2026-03-01"),
        Field("g", "instant", default="2026-03-01 10:00"),
        Field("h", "integer", default="007"),
        Field("i", "list"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("email: text\n", ["B040 1:1"]),
        ("a: string\n", ["B009 1:4"]),
        ("a: [text]\n", ["B008 1:4"]),
        ("a:\n", ["B009 1:3"]),
        ("'': text\n", ["B009 1:1"]),
        ("- a\n", ["B008 1:1"]),
        ("a: {type: text, is: 'b'}\n", ["B010 1:17"]),
        ("a: {typ: text}\n", ["B006 1:5"]),
        ("a: {type: integer, scale: 2}\n", ["B029 1:20"]),
        ("a: {type: number, scale: x}\n", ["B009 1:26"]),
        ("a: {type: number, scale: 12}\n", ["B009 1:26"]),
        ("a: {type: enum}\n", ["B007 1:1"]),
        ("a: {type: enum, values: [x, x]}\n", ["B009 1:29"]),
        ("a: {type: text, repeats: maybe}\n", ["B009 1:26"]),
        ("a: {type: integer, default: 3.5}\n", ["B041 1:29"]),
        ("a: {type: number, default: nan}\n", ["B041 1:28"]),
        ("a: {type: number, default: x}\n", ["B041 1:28"]),
        ("a: {type: number, scale: 1, default: 1.25}\n", ["B041 1:38"]),
        ("a: {type: date, default: 2026-02-30}\n", ["B041 1:26"]),
        ("a: {type: date, default: [x]}\n", ["B008 1:26"]),
        ("a: {type: instant, default: 10:00}\n", ["B041 1:29"]),
        ("a: {type: boolean, default: maybe}\n", ["B041 1:29"]),
        ("a: {type: enum, values: [x], default: y}\n", ["B041 1:39"]),
    ],
)
def test_what_is_wrong_in_fields(tmp_path, text, expected):
    """Each with its place."""
    assert found(tmp_path, {"fields.yaml": text}) == expected


def test_a_broken_fields_file_blames_nobody_else(tmp_path):
    """Names that it may declare are not reported."""
    files = {
        "fields.yaml": "a: [\n",
        "journeys/j.yaml": "journey: j\nenter: {when: a > 3}\nsteps:\n  - add: {a: 1}\n",
    }
    assert [each[:4] for each in found(tmp_path / "a", files)] == ["B001"]
    files = {"blaster.toml": "[account\n", "scenarios/s.yaml": "nonsense"}
    assert found(tmp_path / "b", files) == ["B011 1:9"]


def test_lists_events_and_forms(tmp_path):
    """What is declared beside fields."""
    files = {
        "lists.yaml": "vip:\nclub: {topics: [tips, offers]}\n",
        "events.yaml": "visit:\npurchase: {id: text, total: {type: number, scale: 2}}\n",
        "forms/f.yaml": (
            "form: register\nlist: club\nconsent: {channels: [email, sms], topics: [club], "
            "wording: w, version: 1}\nfields: [city, nick, {pet: {type: enum, values: [a]}}]\n"
        ),
    }
    workspace = check(tmp_path, files).workspace
    assert workspace.lists == (ContactList("vip"), ContactList("club", ("tips", "offers")))
    assert workspace.events == (
        EventType("visit"),
        EventType("purchase", (Field("id"), Field("total", "number", scale=2))),
    )
    assert workspace.forms == (
        Form("register", "club", ("city", "nick", "pet"), ("email", "sms"), ("club",), "w", "1"),
    )
    assert (workspace.lists_closed, workspace.events_closed, workspace.forms_closed) == (True,) * 3
    assert Field("pet", "enum", values=("a",)) in workspace.fields
    assert Field("nick") in workspace.fields


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lists.yaml", "vip: {rule: 'x', until: 2026-01-01}\n", ["B010 1:7", "B010 1:18"]),
        ("lists.yaml", "vip: yes\n", ["B008 1:6"]),
        ("events.yaml", "visit: {a: string}\n", ["B009 1:12"]),
        ("events.yaml", "visit: {'': text}\n", ["B009 1:9"]),
        ("forms/f.yaml", "fields: [city]\n", ["B007 1:1"]),
        ("forms/f.yaml", "form: f\nquestions: []\n", ["B010 2:1"]),
        ("forms/f.yaml", "form: f\nconsent: {channels: [fax]}\n", ["B009 2:22"]),
        ("forms/f.yaml", "form: f\nfields: [[a]]\n", ["B008 2:10"]),
        (
            "forms/f.yaml",
            "form: f\nfields: [{visits: text}, {'': text}]\n",
            ["B012 2:11", "B009 2:27"],
        ),
        ("forms/f.yaml", "- x\n", ["B008 1:1"]),
        ("forms/f.yaml", "form: [\n", ["B001 2:1"]),
        ("forms/f.yml", "form: f\n", ["B015 0:0"]),
        ("journeys/j.txt", "x\n", ["B015 0:0"]),
        ("list.yaml", "vip:\n", ["B015 0:0"]),
        ("tables/region.txt", "a,b\n", ["B015 0:0"]),
        ("tables/region.csv", "", ["B009 1:1"]),
        ("tables/region.csv", "a,b,c\n", ["B009 1:1"]),
        ("tables/region.csv", "a,b\nx,1\ny\nz,1,2\n", ["B009 3:1", "B009 4:1"]),
        ("tables/region.csv", "a,b\nHaifa,1\n\n haifa ,2\n,3\n", ["B009 4:1", "B009 5:1"]),
        ("tables/region.csv", 'a,b\nx,1\ny,"2\n', ["B009 3:1"]),
        ("shaping.toml", "[default\n", ["B011 1:9"]),
        ("benefits.yaml", "a: b\n", ["B010 0:0"]),
        ("pages/c.yaml", "a: b\n", ["B010 0:0"]),
        ("messages/x.email.mjml", "x\n", ["B010 0:0"]),
        ("messages/library/x.email.html", "x\n", ["B010 0:0"]),
        ("messages/x.html", "x\n", ["B015 0:0"]),
        ("messages/blocks/x.css", "x\n", ["B015 0:0"]),
    ],
)
def test_what_is_wrong_in_other_files(tmp_path, name, text, expected):
    """Also files that are not read, and parts that are not supported yet."""
    assert found(tmp_path, {name: text}) == expected


def test_two_forms_of_one_name(tmp_path):
    """The second is the one too many."""
    files = {"forms/a.yaml": "form: f\n", "forms/b.yaml": "form: f\n"}
    assert found(tmp_path, files) == ["B012 1:7"]


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    """Not UTF-8, too large, unreadable."""
    write(tmp_path, {})
    (tmp_path / "lists.yaml").write_bytes("a: שלום\n".encode("cp1255"))
    monkeypatch.setattr("blaster.definitions.workspace.DEFINITION_FILE_BYTES_MAX", 150)
    (tmp_path / "events.yaml").write_text("#" * 200)
    (tmp_path / "messages" / "m.email.html").mkdir()
    (tmp_path / "messages" / "m.sms.txt").symlink_to("nowhere")
    findings = definitions.load(tmp_path).findings
    assert [(f.file, f.code) for f in findings] == [
        ("events.yaml", "B004"),
        ("lists.yaml", "B004"),
        ("messages/m.email.html", "B010"),
        ("messages/m.sms.txt", "B004"),
    ]


def test_a_folder_that_is_no_workspace(tmp_path):
    """It has no blaster.toml."""
    loaded = definitions.load(tmp_path)
    assert loaded.workspace is None
    assert [finding.code for finding in loaded.findings] == ["B014"]
    assert not definitions.check(tmp_path).ok
