"""blaster.toml: transports, routes, public pages, and what stands below every e-mail."""

from __future__ import annotations

import pytest

from blaster.definitions.sites import parse_domain, parse_host, parse_site, parse_web

from .workspaces import TOML, check, found

SMTP = '[transports.email]\nkind = "smtp"\n'


def account(folder, toml):
    """The account of a workspace without errors."""
    checked = check(folder, {"blaster.toml": TOML + toml})
    assert checked.workspace is not None, checked.text
    return checked.workspace.account


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("mx.example.com", "mx.example.com:25"),
        (" MX.Example.com:2525 ", "mx.example.com:2525"),
        ("localhost", "localhost:25"),
        ("127.0.0.1:2525", "127.0.0.1:2525"),
        ("[::1]", "[::1]:25"),
        ("[2001:DB8:0::1]:587", "[2001:db8::1]:587"),
        ("דואר.קום", "xn--4dbfg1f.xn--9dbq2a:25"),
        ("mx.example.com:007", "mx.example.com:7"),
        ("", None),
        (":25", None),
        ("::1", None),
        ("[::1", None),
        ("[mx.example.com]", None),
        ("mx example.com", None),
        ("mx.example.com:", None),
        ("mx.example.com:0", None),
        ("mx.example.com:65536", None),
        ("mx.example.com:smtp", None),
        ("mx.example.com:٢٥", None),
        ("-mx", None),
        ("25", None),
        ("1.2.3", None),
        ("a@example.com", None),
        ("smtp://example.com", None),
    ],
)
def test_sites(text, site):
    """Host and port in one form, or nothing."""
    assert parse_site(text) == site


def test_domains_and_hosts():
    """A domain is what may stand behind an @; a host may be short or a number."""
    assert parse_domain("Bücher.example") == "xn--bcher-kva.example"
    assert parse_domain("localhost") is None
    assert parse_host("LOCALHOST") == "localhost"
    assert parse_host("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "web"),
    [
        ("https://club.example.com", "https://club.example.com"),
        ("https://Club.Example.com/", "https://club.example.com"),
        ("https://club.example.com:8443/p/q/", "https://club.example.com:8443/p/q"),
        ("https://מועדון.קום", "https://xn--7dbdb7aip.xn--9dbq2a"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("http://club.example.com", None),
        ("club.example.com", None),
        ("https://", None),
        ("https://club.example.com?x=1", None),
        ("https://club.example.com#x", None),
        ("https://me:pw@club.example.com", None),
        ("https://club.example.com:x", None),
        ("https://club.example.com:", None),
        ("https://club.example.com/a b", None),
        ("https://club.example.com/דף", None),
        ("https://[::1", None),
    ],
)
def test_base_addresses_of_pages(text, web):
    """Only https, and nothing that a path cannot be put behind."""
    assert parse_web(text) == web


# --- the file -------------------------------------------------------------------------------------


def test_a_transport_of_kind_smtp(tmp_path):
    """Every key, in the one form in which it is handed on."""
    toml = SMTP + (
        'smarthost = "Relay.example.com"\nhostname = "Mail.example.com"\nworkers = "3"\n'
        'connect_timeout = "30s"\ncommand_timeout = "5m"\ndata_timeout = "10m"\n'
    )
    assert account(tmp_path, toml).transports == {
        "email": {
            "kind": "smtp",
            "smarthost": "relay.example.com:25",
            "hostname": "mail.example.com",
            "workers": "3",
            "connect_timeout": "30s",
            "command_timeout": "300s",
            "data_timeout": "600s",
        }
    }


def test_routes(tmp_path):
    """Domains as in addresses, hosts with their port."""
    toml = '[routes]\n"Example.COM" = "127.0.0.1:2525"\n"קום.קום" = "mx"\n'
    assert account(tmp_path, toml).routes == {
        "example.com": "127.0.0.1:2525",
        "xn--9dbq2a.xn--9dbq2a": "mx:25",
    }


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("web = 3\n", ["B008 6:1"]),
        ("web = 'http://x.il'\n", ["B009 6:7"]),
        ("[transports.fax]\nkind = 'stub'\n", ["B006 6:2"]),
        ("[transports.email]\nkind = 'smpt'\n", ["B009 7:8"]),
        ("[transports.sms]\nkind = 'smtp'\n", ["B009 7:8"]),
        ("[transports.sms]\nkind = 'stub'\nworkers = 1\n", ["B006 8:1"]),
        (SMTP + "smart_host = 'x.il'\n", ["B006 8:1"]),
        (SMTP + "smarthost = 'x il'\n", ["B009 8:13"]),
        (SMTP + "smarthost = ['x.il']\n", ["B008 8:1"]),
        (SMTP + "hostname = 'x.il:25'\n", ["B009 8:12"]),
        (SMTP + "workers = 0\n", ["B009 8:11"]),
        (SMTP + "workers = 65\n", ["B009 8:11"]),
        (SMTP + "workers = 1.5\n", ["B009 8:11"]),
        (SMTP + "data_timeout = '0s'\n", ["B009 8:16"]),
        (SMTP + "data_timeout = '1 month'\n", ["B009 8:16"]),
        (SMTP + "data_timeout = 30\n", ["B009 8:16"]),
        ("[routes]\nlocalhost = 'mx'\n", ["B009 7:1"]),
        ("[routes]\n'x.il' = 'm x'\n", ["B009 7:10"]),
        ("[routes]\n'x.il' = ['mx']\n", ["B008 7:1"]),
        ("[routes]\n'x.il' = 'mx'\n'X.il' = 'my'\n", ["B012 8:1"]),
    ],
)
def test_what_is_wrong(tmp_path, toml, expected):
    """Each at its place."""
    assert found(tmp_path, {"blaster.toml": TOML + toml}) == expected


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("[account]\nname = 'N'\naddress = 'A'\ncontact = 'C'\n", []),
        ("[account]\nname = 'N'\n", ["B063 1:2", "B063 1:2"]),
        ("[account]\nname = 'N'\naddress = ' '\ncontact = ''\n", ["B063 3:11", "B063 4:11"]),
        ("[account]\nname = 3\naddress = 'A'\ncontact = 'C'\n", ["B008 2:1"]),
        ("", ["B063 1:1"] * 3),
    ],
)
def test_what_stands_below_every_email_must_be_there(tmp_path, toml, expected):
    """One finding for each of name, address and contact; none where no e-mail is written."""
    sender = '[senders.club]\naddress = "club@example.com"\n'
    assert found(tmp_path / "a", {"blaster.toml": toml + sender}) == expected
    checked = check(tmp_path / "b", {"blaster.toml": toml + sender})
    assert all(f.suggestion.startswith("add ") for f in checked.findings if f.code == "B063")
    (tmp_path / "b" / "messages" / "bill.email.html").unlink()
    from blaster import definitions

    assert "B063" not in [f.code for f in definitions.load(tmp_path / "b").findings]
