"""Delivery end to end: the public engine, real workers, real sockets, sites of every kind."""

from __future__ import annotations

import email
import email.policy
import socket
from collections import Counter

import dkim
import numpy as np
import pyarrow as pa
import pytest

import blaster
from blaster.definitions import check
from blaster.errors import InputError
from blaster.model import records
from blaster.testing import Provider, SmtpSink
from blaster.transport.keys import make_key
from tests.engine.delivery import (
    START,
    Clock,
    Notes,
    account,
    addresses,
    facts,
    line,
    mail,
    opened,
    settled,
    until,
    workers,
)  # fmt: skip
from tests.transport.fake_smtp import CLOSE, STALL, FakeSmtp

pytestmark = pytest.mark.usefixtures("clean")

DAY_S = 86_400
HEBREW = "חשבונית לחודש מרץ"
DOMAIN = '[domains."shop.example"]\ndkim = [{ selector = "s1", key = "keys/s1.pem" }]\n'


async def test_signed_mail_to_two_sites(tmp_path, clock):
    pem, record = make_key(1024)
    providers = [Provider(name, (f"{name}.example",)) for name in ("one", "two")]
    async with SmtpSink(providers, sample=100) as sink:
        routes = {f"{name}.example": f"127.0.0.1:{port}" for name, port in sink.ports.items()}
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys/s1.pem").write_bytes(pem)
        account(tmp_path, routes, {"messages/bill.email.html": mail(HEBREW)}, domains=DOMAIN)
        async with opened(tmp_path, clock) as engine:
            notes = Notes(engine)
            numbers = await engine.send(
                "email", "bill", addresses("one.example", 20) + addresses("two.example", 20)
            )
            await settled(engine)
            ledger = await line(engine)
            found = await notes.end()
            await until(lambda: [site.accepted for site in engine.sites()] == [20, 20])
        assert (ledger.audience, ledger.accepted) == (40, 40)
        assert set(found) == set(numbers)
        assert {tuple(facts) for facts in found.values()} == {(("accepted", "250 2.0.0 taken"),)}
        report = sink.report()
        assert [each.accepted for each in report.providers] == [20, 20]
        assert (report.repeated, report.refused, report.turned_away) == (0, 0, 0)
        for message in sink.messages():
            read = email.message_from_bytes(message, policy=email.policy.default)
            assert read["Subject"] == HEBREW
            assert dkim.verify(message, dnsfunc=lambda name, **_: record.encode())


# What a site says or does, how the orders end, and with what words.
BAD = {
    "stalls at MAIL": ({"MAIL": STALL}, "expired", "no answer within 1 s"),
    "stalls at the dot": ({"dot": STALL}, "expired", "in doubt: no answer within 1 s"),
    "closes at once": ({"connect": CLOSE}, "expired", ""),
    "closes at MAIL": ({"MAIL": CLOSE}, "expired", ""),
    "closes in the content": ({"content": CLOSE}, "expired", "in doubt"),
    "answers garbage": ({"connect": b"\x00\xff garbage\r\n"}, "expired", ""),
    "garbage at RCPT": ({"RCPT": b"\xfe\xfe\r\n"}, "expired", ""),
    "refuses everybody": ({"RCPT": "550 5.1.1 no such user"}, "failed", "550 5.1.1 no such user"),
    "refuses us": ({"connect": "554 5.7.1 go away"}, "expired", "554 5.7.1 go away"),
    "refuses the sender": ({"MAIL": "550 5.7.1 not you"}, "failed", "550 5.7.1 not you"),
    "defers everybody": ({"RCPT": "451 4.7.1 greylisted"}, "expired", "451 4.7.1 greylisted"),
    "is busy": ({"MAIL": "451 4.3.2 busy"}, "expired", "451 4.3.2 busy"),
    "closes shop": ({"connect": "421 4.3.2 not now"}, "expired", "421 4.3.2 not now"),
}
TIMES = 'connect_timeout = "1s"\ncommand_timeout = "1s"\ndata_timeout = "1s"\n'


@pytest.mark.parametrize("how", BAD)
async def test_a_bad_site_beside_a_good_one(tmp_path, clock, how):
    script, end, words = BAD[how]
    async with FakeSmtp([script]) as bad, FakeSmtp() as good:
        account(tmp_path, {"bad.example": bad.site, "good.example": good.site}, options=TIMES)
        async with opened(tmp_path, clock) as engine:
            notes = Notes(engine)
            (worse,) = await engine.send("email", "bill", "a@bad.example")
            await engine.send("email", "bill", addresses("good.example", 5))
            await until(lambda: len(good.mails) == 5)
            due = await settled(engine, clock)
            first = await line(engine)
            told = await facts(engine, "a@bad.example")
            if end == "expired":
                assert (first.waiting, first.accepted) == (1, 5)
                assert due is not None
                assert due >= START + (600 if "doubt" in words else 780)
                assert words in told[-1]
                clock.time = START + 2 * DAY_S
                assert await settled(engine, clock) is None
                why = "in doubt" if "doubt" in words else "expired"
                assert f"not sent: {why}" in (await facts(engine, "a@bad.example"))[-1]
                end, words = ("unknown", "in doubt: expired") if "doubt" in words else (why, why)
            last = await line(engine)
            found = (await notes.end())[worse]
        assert found == [(end, words)]
        assert (getattr(last, end), last.accepted, last.waiting) == (1, 5, 0)
        assert len(good.mails) == 5


async def test_a_route_to_nowhere_and_no_route(tmp_path, clock):
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        route = {"far.example": f"127.0.0.1:{nobody.getsockname()[1]}"}
        account(tmp_path, route)
        async with opened(tmp_path, clock) as engine:
            notes = Notes(engine)
            far = addresses("far.example", 3)
            lost = await engine.send("email", "bill", [*far, "a@lost.example"])
            await settled(engine, clock)
            first = await line(engine)
            assert (first.waiting, first.failed, first.audience) == (3, 1, 4)
            for address in far:
                assert "connect: Connection refused" in (await facts(engine, address))[-1]
            clock.time = START + 3 * DAY_S
            assert await settled(engine, clock) is None
            last = await line(engine)
            found = await notes.end()
    assert (last.expired, last.failed, last.audience) == (3, 1, 4)
    ((fact, reason),) = found[lost[3]]
    words = "no route: add lost.example to [routes] in blaster.toml, or name a smarthost"
    assert (fact, reason) == ("failed", words)
    assert [found[row] for row in lost[:3]] == [[("expired", "expired")]] * 3


WEAK = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEAs68mdbFq4sfG2dQR\n"
    b"ONmmNkpzYdJqEnTgS3HIFVDvJkmDr/pH0dD4dLG0GaVtZpgadhDWcsQTAO019YoD\n"
    b"R0gFQQIDAQABAkBs9iO+by5AA6HEamNfNC0k8xTxFyYXtyRk28TXmFLNxfZX7+gh\n"
    b"Q/V8+UNRjNZ/9tokVs97AJTL47RQqAEp3xyBAiEA4QQ4DctVu3XrIgmWgu7bkFIL\n"
    b"89wf5bGKoYQqzkNJ6ZkCIQDMbPpObLH/2+ImwRIszDB5UhHsiQ/oH/WMhHZscIFR\n"
    b"6QIhAKvxTGAGE5H2rmFJEFEm8nJar7V9bIZZX4TCeO86bd1pAiArrPTloI9/LMlq\n"
    b"okFx1MZehUxTDw2Y+IsL1JlAneDjUQIgEOaYAJFV9n9/MI4v9pBI73azvkB6TamT\n"
    b"slU/awXo5Xk=\n-----END PRIVATE KEY-----\n"
)
"""512 bits, which nobody accepts."""

KEYS = {
    "none": (None, "cannot be read"),
    "no PEM": (b"this is no key\n", "is no private key in PEM form"),
    "512 bits": (
        WEAK,
        "has 512 bits",
    ),
}


@pytest.mark.parametrize("kind", KEYS)
async def test_a_wrong_key_is_refused_and_the_old_one_stays(tmp_path, clock, kind):
    data, words = KEYS[kind]
    (tmp_path / "keys").mkdir()
    key = tmp_path / "keys/s1.pem"
    pem, record = make_key(1024)
    key.write_bytes(pem)
    async with SmtpSink([Provider("one")], sample=9) as sink:
        routes = {"one.example": f"127.0.0.1:{sink.ports['one']}"}
        account(tmp_path, routes, domains=DOMAIN)
        async with opened(tmp_path, clock) as engine:
            checked = check(tmp_path)
            key.unlink() if data is None else key.write_bytes(data)
            with pytest.raises(InputError) as refused:
                await engine.publish(checked.workspace)
            says(refused.value, words)
            assert engine.warning == ""
            await engine.send("email", "bill", "a@one.example")
            await settled(engine)
            (message,) = sink.messages()
            assert dkim.verify(message, dnsfunc=lambda name, **_: record.encode())
        with pytest.raises(InputError) as refused:
            await blaster.open(tmp_path, clock=clock, workers=1).start()
        says(refused.value, words)
        # Who does not deliver needs no key, and can publish without it.
        async with blaster.open(tmp_path, clock=clock, deliver=False) as engine:
            account(tmp_path, routes)
            await engine.publish()
        async with opened(tmp_path, clock, publish=False) as engine:
            await engine.send("email", "bill", "b@one.example")
            await settled(engine)
            assert (await line(engine)).accepted == 2


def says(error: InputError, words: str) -> None:
    """It names the file and the domain, what is wrong, and what to do."""
    text = str(error)
    for word in ("keys/s1.pem", "shop.example", words, "blaster keygen shop.example"):
        assert word in text, text


async def test_what_a_site_cannot_take_and_what_is_no_address(tmp_path, clock):
    scenario = {"messages/big.email.html": mail(text="x" * 3_000)}
    async with SmtpSink([Provider("small", size=2_000)], sample=9) as sink:
        routes = {"one.example": f"127.0.0.1:{sink.ports['small']}"}
        account(tmp_path, routes, scenario)
        async with opened(tmp_path, clock) as engine:
            notes = Notes(engine)
            (number,) = await engine.send("email", "big", "a@one.example")
            await settled(engine)
            assert (await line(engine, "send email big")).failed == 1
            for odd in ("x\r\nRCPT TO:<y@z>@one.example", "x\n@one.example", "x\0@one.example"):
                with pytest.raises(InputError):
                    await engine.send("email", "bill", odd)
                with pytest.raises(InputError):
                    await engine.contacts.upsert([{"email": odd}])
                with pytest.raises(InputError):
                    await engine.contacts.set(number, {"email": odd})
            found = await notes.end()
        assert sink.report().accepted == 0
    ((fact, reason),) = found[number]
    assert fact == "failed"
    assert reason.startswith("too large: ")


async def test_an_address_that_ends_a_command_never_reaches_the_wire(tmp_path, clock):
    """Past every intake: as if a journey had set it, or an earlier release had let it in."""
    odd = ["x\r\nDATA\r\n@one.example", "x\n@one.example", "x\0@one.example", "x>@one.example"]
    async with FakeSmtp() as site:
        account(tmp_path, {"one.example": site.site})
        async with opened(tmp_path, clock) as engine:
            await engine.contacts.upsert(
                [{"email": address} for address in addresses("one.example", 5)]
            )
            rows = np.arange(4, dtype=np.int64)
            columns = pa.RecordBatch.from_pydict({"email": odd})
            await engine._run(
                lambda machine, now: machine.accept(now, (records.FieldsSet(rows, columns),))
            )
            await engine.send("email", "bill", [0, 1, 2, 3, 4])
            await settled(engine, clock)
            ledger = await line(engine)
            told = [(await facts(engine, row))[-1] for row in range(4)]
        assert (ledger.audience, ledger.accepted, ledger.failed) == (5, 1, 4)
        assert all("not sent: failed: invalid_address" in text for text in told)
        assert len(site.mails) == 1
        assert sorted(set(site.verbs()) - {"EHLO", "QUIT"}) == ["DATA", "MAIL", "RCPT"]
        assert site.verbs().count("RCPT") == 1


SALES = {
    "messages/bill.email.html": mail(category="sales"),
    "shaping.toml": "[default]\nconnections = 2\nmessages_per_second = 4\n",
}


@pytest.mark.parametrize("scope", ["marketing", "all"])
async def test_who_opts_out_gets_nothing_that_a_worker_has(tmp_path, clock, scope):
    people = addresses("one.example", 12)
    async with SmtpSink([Provider("one")], sample=99) as sink:
        routes = {"one.example": f"127.0.0.1:{sink.ports['one']}"}
        account(tmp_path, routes, SALES)
        async with opened(tmp_path, clock) as engine:
            await engine.contacts.upsert([{"email": address} for address in people])
            await engine.contacts.consent(people, "email")
            notes = Notes(engine)
            await engine.send("email", "bill", people)
            await until(lambda: sink.report().accepted == 4)
            await engine.contacts.suppress(people, "email", "by phone", scope=scope)
            arrived = sink.report().accepted + sink.report().open
            await settled(engine)
            ledger = await line(engine)
            found = Counter(note for told in (await notes.end()).values() for note in told)
        stopped = found["suppressed", "suppressed_opt_out"]
        assert stopped == sum(ledger.suppressed.values()) == len(people) - ledger.accepted
        assert ledger.accepted == sink.report().accepted <= arrived
        assert sink.report().repeated == 0


async def test_publications_move_the_mail(tmp_path, clock):
    """Another route, another limit, to a stub and back, each while orders wait."""
    async with SmtpSink([Provider("old"), Provider("new")]) as sink:
        old, new = (f"127.0.0.1:{sink.ports[name]}" for name in ("old", "new"))
        account(tmp_path, {"one.example": old})
        async with opened(tmp_path, clock) as engine:
            await engine.send("email", "bill", addresses("one.example", 5))
            await settled(engine)
            account(tmp_path, {"one.example": new}, {"shaping.toml": SALES["shaping.toml"]})
            await engine.publish()
            await engine.send("email", "bill", addresses("one.example", 5, 5))
            await settled(engine)
            assert [each.accepted for each in sink.report().providers] == [5, 5]
            assert sink.report().providers[1].highest <= 4
            await engine.send("email", "bill", addresses("one.example", 8, 10))
            await until(lambda: sink.report().accepted > 10)
            account(tmp_path, {}, kind="stub")
            await engine.publish()
            await engine.send("email", "bill", "stub@one.example")
            await settled(engine)
            halfway = await line(engine)
            moved = sink.report().accepted
            assert halfway.accepted == moved + 1
            assert halfway.waiting == 18 - moved
            assert workers() == []
            account(tmp_path, {"one.example": new})
            await engine.publish()
            await engine.send("email", "bill", "back@one.example")
            clock.time += 3600
            await settled(engine)
            last = await line(engine)
        assert (last.accepted, last.audience) == (20, 20)
        assert (sink.report().distinct, sink.report().repeated) == (19, 0)


async def test_a_stop_in_good_order_leaves_nothing_in_doubt(tmp_path, clock):
    """No ring is left, so not even a restart of the machine puts an order in doubt."""
    async with SmtpSink([Provider("one")]) as sink:
        routes = {"one.example": f"127.0.0.1:{sink.ports['one']}"}
        account(tmp_path, routes, {"shaping.toml": SALES["shaping.toml"]})
        async with opened(tmp_path, clock) as engine:
            await engine.send("email", "bill", addresses("one.example", 30))
            await until(lambda: sink.report().accepted >= 6)
        assert list((tmp_path / "data/transport").glob("ring-*")) == []
        stopped = sink.report().accepted
        assert stopped < 30
        async with opened(tmp_path, clock, publish=False) as engine:
            await settled(engine)
            assert (await line(engine)).accepted == 30
        assert (sink.report().distinct, sink.report().repeated) == (30, 0)


async def test_who_does_not_deliver_sends_nothing(tmp_path, clock):
    async with SmtpSink([Provider("one")]) as sink:
        account(tmp_path, {"one.example": f"127.0.0.1:{sink.ports['one']}"})
        async with blaster.open(tmp_path, clock=clock, deliver=False) as engine:
            await engine.publish()
            await engine.send("email", "bill", addresses("one.example", 5))
            await engine.quiet()
            with pytest.raises(InputError, match="deliver=False: it never settles"):
                await engine.settled()
            assert workers() == []
            assert (await line(engine)).waiting == 5
            assert engine.sites() == []
        assert sink.report().providers[0].connections == 0
        async with opened(tmp_path, clock, publish=False) as engine:
            await settled(engine)
            assert (await line(engine)).accepted == 5


async def test_two_engines_beside_each_other(tmp_path, clock):
    async with SmtpSink([Provider("one"), Provider("two")]) as sink:
        folders = []
        for name, port in sink.ports.items():
            folders.append(account(tmp_path / name, {"one.example": f"127.0.0.1:{port}"}))
        async with opened(folders[0], clock) as one, opened(folders[1], Clock()) as two:
            await until(lambda: len(workers()) == 2)
            await one.send("email", "bill", addresses("one.example", 30))
            await two.send("email", "bill", addresses("one.example", 40))
            await settled(one)
            await one.close()
            assert len(workers()) == 1
            await two.send("email", "bill", addresses("one.example", 10, 40))
            await settled(two)
            assert (await line(two)).accepted == 50
        assert [each.accepted for each in sink.report().providers] == [30, 50]
