"""shaping.toml: limits of the default, the smarthost and single sites."""

from __future__ import annotations

import pytest

from blaster.model.definitions import Shaping

from .workspaces import TOML, check, found

ROUTED = TOML + (
    '[transports.email]\nkind = "smtp"\nsmarthost = "relay.example.com"\n'
    '[routes]\n"example.com" = "mx.example.com:2525"\n"example.org" = "relay.example.com"\n'
)


def shaping(folder, text):
    """The limits of a workspace without errors."""
    checked = check(folder, {"blaster.toml": ROUTED, "shaping.toml": text})
    assert checked.workspace is not None, checked.text
    return checked.workspace.account.shaping


def test_no_file_says_nothing(tmp_path):
    """The engine's own limits hold."""
    assert check(tmp_path, {"blaster.toml": ROUTED}).workspace.account.shaping == ()


def test_a_whole_file(tmp_path):
    """What a table leaves out comes from the one behind it."""
    text = (
        "[default]\nconnections = 4\n[smarthost]\nmessages_per_second = 500\n"
        '[sites."Example.com"]\nmessages_per_connection = 20\nmessages = "10 per 1m"\n'
        '[sites."mx.example.com:2525"]\nmessages_per_second = 0.5\n'
        '[sites."example.org"]\nconnections = 1\n'
    )
    assert shaping(tmp_path, text) == (
        Shaping("default", 4, 100, 100, 1.0),
        Shaping("smarthost", 20, 1000, 500, 1.0),
        Shaping("example.com", 4, 20, 10, 60.0),
        Shaping("mx.example.com:2525", 4, 100, 1, 2.0),
        Shaping("example.org", 1, 1000, 500, 1.0),
    )


def test_a_host_may_leave_out_the_usual_port(tmp_path):
    """And a smarthost is a site too."""
    assert shaping(tmp_path, '[sites."Relay.example.com"]\nconnections = 3\n') == (
        Shaping("relay.example.com:25", 3, 1000, 1000, 1.0),
    )


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("messages_per_second = 100", (100, 1.0)),
        ("messages_per_second = 0.5", (1, 2.0)),
        ("messages_per_second = 2.5", (2, 0.8)),
        ('messages = "3 per 2h"', (3, 7200.0)),
        ('messages = "1 per 1s"', (1, 1.0)),
    ],
)
def test_rates(tmp_path, rate, expected):
    """So many messages in so many seconds."""
    (made,) = shaping(tmp_path, f"[default]\n{rate}\n")
    assert (made.messages, made.per_seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[defaults]\n", ["B006 1:2"]),
        ("default = 3\n", ["B008 1:1"]),
        ("[default]\nconnection = 3\n", ["B006 2:1"]),
        ("[default]\nconnections = 0\n", ["B009 2:15"]),
        ("[default]\nconnections = true\n", ["B009 2:15"]),
        ("[default]\nmessages_per_connection = 1.5\n", ["B009 2:27"]),
        ("[default]\nmessages_per_second = 0\n", ["B009 2:23"]),
        ("[default]\nmessages_per_second = nan\n", ["B009 2:23"]),
        ("[default]\nmessages_per_second = inf\n", ["B009 2:23"]),
        ("[default]\nmessages_per_second = '5'\n", ["B009 2:23"]),
        ("[default]\nmessages = 5\n", ["B008 2:1"]),
        ("[default]\nmessages = '5'\n", ["B009 2:12"]),
        ("[default]\nmessages = '0 per 1m'\n", ["B009 2:12"]),
        ("[default]\nmessages = '5 per 0s'\n", ["B009 2:12"]),
        ("[default]\nmessages = '5 per 1 month'\n", ["B009 2:12"]),
        ("[default]\nmessages = '5 per 1m'\nmessages_per_second = 3\n", ["B008 2:1"]),
        ('[sites."example.net"]\nconnections = 3\n', ["B062 1:2"]),
        ('[sites."mx.example.com"]\n', ["B062 1:2"]),
        ('[sites."mx example"]\n', ["B009 1:2"]),
        ('[sites."example.com"]\n[sites."EXAMPLE.com"]\n', ["B012 2:2"]),
        ("sites = 3\n", ["B008 1:1"]),
    ],
)
def test_what_is_wrong(tmp_path, text, expected):
    """Each at its place."""
    assert found(tmp_path, {"blaster.toml": ROUTED, "shaping.toml": text}) == expected


def test_a_broken_account_blames_no_site(tmp_path):
    """Its routes are not known then."""
    files = {"blaster.toml": "[account\n", "shaping.toml": '[sites."x.il"]\nconnections = 3\n'}
    assert found(tmp_path, files) == ["B011 1:9"]
