"""The worker between a core and scripted sites: what becomes of orders, and in which order."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from blaster.limits import LETTERS_KNOWN_MAX
from blaster.model.outcomes import OutcomeCode
from blaster.transport import frames
from blaster.transport.lane import Lane
from tests.transport.doubles import LETTER, SETUP, FakeTable, running
from tests.transport.fake_smtp import FakeSmtp

ACCEPTED, FAILED, SUPPRESSED = OutcomeCode.ACCEPTED, OutcomeCode.FAILED, OutcomeCode.SUPPRESSED


async def test_a_message_goes_from_the_core_to_the_site_and_back():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site)
        core.order(site.site, "dana@example.org")
        await core.answered(1)
        assert core.results() == {1: (ACCEPTED, "250 2.0.0 taken", 0)}
        assert core.of(frames.Results)[0].places == (101,)
        (mail,) = site.mails
        assert mail.sender.startswith("MAIL FROM:<sender@example.com> SIZE=")
        assert mail.recipient == "RCPT TO:<dana@example.org>"
        assert mail.content == (
            b"Subject: hello\r\nFrom: sender@example.com\r\n\r\n.first\r\nnumber 1\r\n"
        )
        assert mail.sender.endswith(f"SIZE={len(mail.content)}")
        assert site.lines[0] == "EHLO client.example.com"


async def test_ready_comes_first_and_pulses_follow():
    async with FakeSmtp() as site, running(pulse_s=0.001) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.until(
            lambda: any(pulse.connections for pulse in core.of(frames.Pulse)) and core.results()
        )
        assert isinstance(core.heard[0], frames.Ready)
        assert core.of(frames.Pulse)[-1].connections in ({site.site: 1}, {})
        assert core.of(frames.Pulse)[-1].cpu_s > 0


async def test_the_ring_knows_before_the_site_and_before_the_core():
    async with FakeSmtp() as site, running() as core:
        site.heard = lambda verb: core.ring.events.append((verb,))
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(2)
        names = [event[0] for event in core.ring.events]
        for number in (1, 2):
            events = core.ring.events
            wire = events.index(("wire", 100 + number))
            finish = events.index(("finish", 100 + number, 1, "250 2.0.0 taken", 0))
            mail = [at for at, name in enumerate(names) if name == "MAIL"][number - 1]
            dot = [at for at, name in enumerate(names) if name == "dot"][number - 1]
            assert wire < mail < dot < finish < events.index(("told", number))


async def test_an_address_put_into_the_table_after_the_order_was_taken_stops_the_message():
    """Its turn has not come yet when the address opts out."""
    table = FakeTable()
    async with FakeSmtp() as site, running(tables=[table]) as core:
        site.heard = lambda verb: verb == "dot" and table.scopes.update({"b@example.org": 1})
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(2)
        assert core.results()[1][0] == ACCEPTED
        assert core.results()[2] == (SUPPRESSED, "suppressed_opt_out", 0)
        assert site.verbs().count("MAIL") == 1
        assert ("wire", 102) not in core.ring.events


async def test_the_last_look_is_the_last_thing_before_mail_from():
    table = FakeTable()
    async with FakeSmtp() as site, running(tables=[table]) as core:
        table.before_look = lambda: core.ring.events.append(("look",))
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        names = [event[0] for event in core.ring.events]
        assert names[:3] == ["take", "look", "wire"]


async def test_only_the_scopes_of_the_mask_forbid():
    async with FakeSmtp() as site, running(tables=[FakeTable({"a@example.org": 2})]) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        core.order(site.site, "a@example.org", category="marketing", mask=3)
        await core.answered(2)
        assert [core.results()[number][0] for number in (1, 2)] == [ACCEPTED, SUPPRESSED]


async def test_a_superseded_table_is_opened_again_before_the_next_look():
    old = FakeTable(superseded=True)
    tables = [old, FakeTable({"a@example.org": 1})]
    async with FakeSmtp() as site, running(tables=tables) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        assert core.results()[1][0] == SUPPRESSED


async def test_without_a_verified_table_nothing_is_sent():
    async with FakeSmtp() as site, running(tables=[]) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        assert core.returned() == [1]
        assert not core.of(frames.Ready)
        assert site.connections == 0


async def test_a_table_that_is_lost_between_order_and_mail_returns_the_order():
    table = FakeTable()
    async with FakeSmtp() as site, running(tables=[table]) as core:
        site.heard = lambda verb: setattr(table, "superseded", True)
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        assert core.returned() == [1]
        assert "MAIL" not in site.verbs()


@pytest.mark.parametrize(
    "address",
    [
        "a\r\nRCPT TO:<b@example.org>@example.org",
        "a\n@example.org",
        "a@example.org\0",
        "a b@example.org",
        "<a@example.org>",
        "a@example.org> SIZE=1",
        "nobody",
        "@example.org",
        "a@",
        "a" * 250 + "@example.org",
        "",
    ],
)
async def test_an_address_that_is_none_never_reaches_the_wire(address):
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site)
        core.order(site.site, address)
        await core.answered(1)
        assert core.results() == {1: (FAILED, "invalid_address", 0)}
        assert "MAIL" not in site.verbs()


@pytest.mark.parametrize(
    ("contact", "code", "reason"),
    [
        (404, SUPPRESSED, "missing_data"),
        (500, FAILED, "cannot be written: ValueError('a filter failed')"),
        (600, FAILED, "cannot be written: a line does not end in CRLF"),
        (1_200_000, FAILED, "too large: 1,2"),
        (26 * 2**20, FAILED, "too large: 27,"),
    ],
)
async def test_a_letter_that_cannot_be_sent_says_why(contact, code, reason):
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org", contact=contact)
        core.order(site.site, "b@example.org")
        await core.answered(2)
        assert core.results()[1][0] == code
        assert core.results()[1][1].startswith(reason)
        assert core.results()[2][0] == ACCEPTED
        assert site.verbs().count("MAIL") == 1


async def test_keys_of_the_senders_domain_and_its_parents_sign():
    keys = (("com", "a", b""), ("example.com", "b", b""), ("ample.com", "c", b""))
    async with FakeSmtp() as site, running() as core:
        core.say(frames.Keys(keys))
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        signed = [line for line in site.mails[0].content.split(b"\r\n") if b"DKIM" in line]
        assert signed == [
            b"DKIM-Signature: d=example.com; s=b",
            b"DKIM-Signature: d=com; s=a",
        ]


async def test_a_fault_of_ours_defers_its_order_and_no_other():
    async with FakeSmtp() as site, running() as core:
        core.say(frames.Keys((("example.com", "s", b"broken"),)))
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        assert core.results()[1][:2] == (
            OutcomeCode.DEFERRED,
            "internal error: ZeroDivisionError('no key')",
        )
        core.say(frames.Keys(()))
        core.order(site.site, "b@example.org")
        await core.answered(2)
        assert core.results()[2][0] == ACCEPTED


async def test_an_unknown_letter_or_site_returns_the_order():
    async with FakeSmtp() as site, running() as core:
        core.order(site.site, "a@example.org")
        core.lane(site.site)
        core.order(site.site, "a@example.org", letter="v9")
        await core.answered(2)
        assert sorted(core.returned()) == [1, 2]


async def test_the_letter_told_first_is_forgotten_but_not_by_its_orders():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        versions = (f"new {row}" for row in range(LETTERS_KNOWN_MAX))
        letters = (msgspec.structs.replace(LETTER, version=version) for version in versions)
        core.say(*map(frames.Known, letters))
        core.order(site.site, "a@example.org")
        core.order(site.site, "a@example.org", letter="new 0")
        await core.answered(3)
        assert core.returned() == [2]
        assert len(site.mails) == 2


async def test_a_sender_that_is_no_address_sends_nothing():
    letter = msgspec.structs.replace(LETTER, version="bad", sender_address="a\nb@example.com")
    async with FakeSmtp() as site, running() as core:
        core.say(frames.Known(letter))
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org", letter="bad")
        await core.answered(2)
        assert set(core.results().values()) == {(FAILED, "invalid sender address", 0)}


async def test_a_fault_between_two_orders_loses_none(monkeypatch):
    faults = iter([True])

    def rest(lane):
        if next(faults, False):
            raise ZeroDivisionError("ours")
        return original(lane)

    original = Lane._rest
    monkeypatch.setattr(Lane, "_rest", rest)
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        await core.until(lambda: "connect" in core.signals())
        core.order(site.site, "b@example.org")
        await core.answered(2)
        assert len(site.mails) == 2


async def test_the_urgent_go_first():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site)
        core.order(site.site, "m@example.org", "m2@example.org", category="marketing")
        core.order(site.site, "s@example.org", category="sales")
        core.order(site.site, "o@example.org")
        await core.answered(4)
        served = [mail.recipient[9] for mail in site.mails]
        assert served in (["o", "s", "m", "m"], ["m", "o", "s", "m"])


async def test_what_waits_for_the_throttle_steps_back_for_the_urgent():
    """The second marketing message is written and waits; the operational one takes its turn."""
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site, messages=1, per_s=0.1)
        core.order(site.site, "m@example.org", "m2@example.org", category="marketing")
        await core.answered(1)
        core.order(site.site, "o@example.org")
        await core.answered(3)
        assert [mail.recipient[9] for mail in site.mails] == ["m", "o", "m"]


async def test_connections_are_opened_as_needed_and_spent():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site, connections=2, per_connection=2)
        core.order(site.site, *(f"a{row}@example.org" for row in range(8)))
        await core.answered(8)
        await core.until(lambda: site.verbs().count("QUIT") >= 3)
        assert len(site.mails) == 8
        assert site.open_most <= 2
        assert site.connections >= 4


async def test_a_full_window_opens_no_more_connections_than_can_send():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site, connections=10, messages=1, per_s=0.01)
        core.order(site.site, *(f"a{row}@example.org" for row in range(5)))
        await core.answered(5)
        assert site.open_most <= 2


async def test_an_idle_connection_says_good_bye():
    setup = frames.Setup(b"", "client.example.com", 5, 5, 5, 0.01)
    async with FakeSmtp() as site, running(setup, pulse_s=0.01) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        await core.until(lambda: "QUIT" in site.verbs())
        core.order(site.site, "b@example.org")
        await core.answered(2)
        assert site.connections == 2


async def test_a_connection_that_waits_long_for_its_turn_says_good_bye_too():
    setup = frames.Setup(b"", "client.example.com", 5, 5, 5, 0.01)
    async with FakeSmtp() as site, running(setup) as core:
        core.lane(site.site, messages=1, per_s=0.1)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(2)
        assert len(site.mails) == 2
        assert site.connections == 2


async def test_a_good_bye_before_the_first_message_is_no_trouble():
    """The second connection finds the window full, and is given up before its turn comes."""
    setup = frames.Setup(b"", "client.example.com", 5, 5, 5, 0.01)
    async with FakeSmtp() as site, running(setup) as core:
        core.lane(site.site, per_connection=1, messages=1, per_s=1000.0)
        core.order(site.site, "a@example.org", "b@example.org")
        await site.reached("QUIT", "QUIT")
        core.lane(site.site, per_connection=1, messages=2, per_s=1000.0)
        await core.answered(2)
        assert (len(site.mails), site.connections) == (2, 3)
        assert core.signals() == {}


async def test_a_site_that_moves_before_the_first_message_is_no_trouble():
    async with FakeSmtp() as old, FakeSmtp() as new, running() as core:
        core.lane(old.site, per_connection=1, messages=1, per_s=1000.0)
        core.order(old.site, "a@example.org", "b@example.org")
        await old.reached("EHLO", "EHLO")
        core.say(frames.Lane(old.site, "127.0.0.1", new.port, 1, 1, 2, 1000.0))
        await core.answered(2)
        assert (len(old.mails), len(new.mails)) == (1, 1)
        assert core.signals() == {}


async def test_a_lane_without_connections_gives_everything_back():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site, messages=1, per_s=1000.0)
        core.order(site.site, *(f"a{row}@example.org" for row in range(5)))
        await core.answered(1)
        core.lane(site.site, connections=0)
        await core.answered(5)
        assert sorted(core.returned()) == [2, 3, 4, 5]
        core.order(site.site, "b@example.org")
        await core.answered(6)
        assert core.returned()[-1] == 6
        core.lane(site.site)
        core.order(site.site, "c@example.org")
        await core.answered(7)
        assert core.results()[7][0] == ACCEPTED


async def test_a_smaller_lane_closes_what_it_has_too_many():
    async with FakeSmtp() as site, running(pulse_s=0.001) as core:
        core.lane(site.site, connections=3)
        core.order(site.site, *(f"a{row}@example.org" for row in range(30)))
        await core.answered(30)
        core.lane(site.site, connections=1)
        await core.until(lambda: core.of(frames.Pulse)[-1].connections == {site.site: 1})
        assert site.open_most == 3


async def test_stop_gives_back_what_is_queued_and_finishes_what_is_on_the_wire():
    async with FakeSmtp() as site, running() as core:
        site.heard = lambda verb: verb == "MAIL" and core.say(frames.Stop())
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org", "c@example.org")
        await core.end()
        assert core.results() == {1: (ACCEPTED, "250 2.0.0 taken", 0)}
        assert core.returned() == [2, 3]
        assert site.verbs()[-1] == "QUIT"


async def test_a_core_that_is_gone_ends_the_worker_and_the_ring_has_the_outcome():
    async with FakeSmtp() as site, running() as core:
        site.heard = lambda verb: verb == "MAIL" and core.socket.shutdown(socket.SHUT_RDWR)
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.end()
        await core.worker._stop.wait()
        async with asyncio.timeout(5):
            while core.worker._lanes[site.site].connections:
                await asyncio.wait([asyncio.ensure_future(core.worker._lanes[site.site].ended())])
        assert core.ring.states == {101: "done", 102: "taken"}
        assert len(site.mails) == 1


@pytest.mark.parametrize("rubbish", [b"\xff" * 8, b"\0\0\0\1\xc1", b"GET / HTTP/1.1\r\n\r\n"])
async def test_rubbish_from_the_core_ends_the_worker(rubbish):
    async with running() as core:
        core.socket.send(rubbish)
        await core.end()


async def test_a_lane_before_setup_ends_the_worker():
    async with running(None) as core:
        core.lane("127.0.0.1:1")
        await core.end()


async def test_a_place_the_ring_refuses_ends_the_worker():
    async with running() as core:
        core.ring.states[101] = "done"
        core.lane("127.0.0.1:1")
        core.order("127.0.0.1:1", "a@example.org")
        await core.end()
        assert not core.results()


async def test_an_order_the_ring_cannot_finish_is_told_all_the_same():
    async with FakeSmtp() as site, running() as core:
        site.heard = lambda verb: verb == "dot" and core.ring.states.update({101: "free"})
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        code, reason, _ = core.results()[1]
        assert code == ACCEPTED
        assert reason.startswith("250 2.0.0 taken (ring: AssertionError")


async def test_many_outcomes_share_a_frame():
    async with FakeSmtp() as site, running() as core:
        core.lane(site.site, connections=4)
        core.order(site.site, *(f"a{row}@example.org" for row in range(100)))
        await core.answered(100)
        assert len(core.of(frames.Results)) < 50
        assert SETUP.host in site.lines[0]
