"""Sites that stall, close, talk rubbish, never stop or refuse: clear outcomes, nothing lost."""

from __future__ import annotations

import socket

import pytest

from blaster.model.outcomes import OutcomeCode
from blaster.transport import frames
from tests.transport.doubles import running
from tests.transport.fake_smtp import CLOSE, ENDLESS, GOOD, PIPELINING, STALL, FakeSmtp

QUICK = frames.Setup(b"", "client.example.com", 0.2, 0.2, 0.2, 5.0)
DEFERRED, FAILED, UNKNOWN = OutcomeCode.DEFERRED, OutcomeCode.FAILED, OutcomeCode.UNKNOWN


@pytest.fixture(params=[False, True], ids=["lock step", "pipelining"])
def hello(request) -> dict[str, str]:
    return {"EHLO": PIPELINING} if request.param else {}


async def try_one(script, *, letter="v1"):
    """One order to a site of this script, then one to the same site healed."""
    good = GOOD | {verb: action for verb, action in script.items() if action == PIPELINING}
    healing = {verb: [action, good.get(verb, "250 ok")] for verb, action in script.items()}
    async with FakeSmtp([healing, {}]) as site, running(QUICK) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org", letter=letter)
        await core.answered(1)
        core.order(site.site, "b@example.org")
        await core.answered(2)
        assert core.results()[2][0] == OutcomeCode.ACCEPTED
        return core, site


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ({"connect": STALL}, "connect"),
        ({"connect": CLOSE}, "connect"),
        ({"connect": b"\xff\xfe\n"}, "connect"),
        ({"connect": b"x" * 100_000}, "connect"),
        ({"connect": ENDLESS}, "connect"),
        ({"connect": b"220 one\r\n220 two\r\n"}, "connect"),
        ({"connect": "554 5.7.1 go away"}, "refused"),
        ({"connect": "421 later"}, "slow down"),
        ({"connect": "450 later"}, "busy"),
        ({"EHLO": "550 no"}, "refused"),
        ({"EHLO": "502 what", "HELO": "502 what"}, "refused"),
        ({"EHLO": "421 later"}, "slow down"),
        ({"EHLO": STALL}, "connect"),
        ({"EHLO": b"250 one\r\n250 two\r\n"}, "connect"),
        ({"EHLO": CLOSE}, "connect"),
        ({"EHLO": ENDLESS}, "connect"),
        ({"MAIL": "421 slow"}, "slow down"),
        ({"MAIL": "451 busy"}, "busy"),
        ({"MAIL": STALL}, "timeout"),
        ({"MAIL": CLOSE}, "closed"),
        ({"MAIL": b"hello\r\n"}, "closed"),
        ({"MAIL": b"99 hello\r\n"}, "closed"),
        ({"MAIL": b"354 hello\r\n"}, "closed"),
        ({"MAIL": b"250 ok\r\n250 ok\r\n"}, "closed"),
        ({"MAIL": ENDLESS}, "closed"),
        ({"RCPT": "421 slow"}, "slow down"),
        ({"RCPT": STALL}, "timeout"),
        ({"RCPT": CLOSE}, "closed"),
        ({"RCPT": ENDLESS}, "closed"),
        ({"DATA": "421 slow"}, "slow down"),
        ({"DATA": "451 busy"}, "busy"),
        ({"DATA": "250 what"}, "closed"),
        ({"DATA": STALL}, "timeout"),
        ({"DATA": CLOSE}, "closed"),
        ({"DATA": b"354 go\r\n250 taken\r\n"}, "closed"),
        ({"DATA": b"354-go\r\n250 on\r\n"}, "closed"),
        ({"DATA": b"354 go\n"}, "closed"),
    ],
)
async def test_before_the_content_went_out_the_order_comes_back(script, trouble, hello):
    core, site = await try_one(hello | script)
    assert core.returned() == [1]
    assert list(core.signals()) == [trouble]
    assert core.ring.states[101] == "taken"
    assert len(site.mails) == 1


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ({"MAIL": "550 5.7.1 not you"}, FAILED, "550 5.7.1 not you"),
        ({"RCPT": "550 5.1.1 no such user"}, FAILED, "550 5.1.1 no such user"),
        ({"RCPT": "450 4.2.1 greylisted"}, DEFERRED, "450 4.2.1 greylisted"),
        ({"RCPT": "550-5.1.1 no\r\n550 5.1.1 never"}, FAILED, "550 5.1.1 no 5.1.1 never"),
        ({"RCPT": b"550 \xd7\xff\x1b no\r\n"}, FAILED, "550 ??? no"),
        ({"DATA": "554 no valid recipients"}, FAILED, "554 no valid recipients"),
        ({"dot": "554 5.7.1 spam"}, FAILED, "554 5.7.1 spam"),
        ({"dot": "451 4.3.0 try again"}, DEFERRED, "451 4.3.0 try again"),
        ({"dot": "421 4.3.0 closing"}, DEFERRED, "421 4.3.0 closing"),
    ],
)
async def test_an_answer_about_the_message_is_its_outcome(script, code, reason, hello):
    core, site = await try_one(hello | script)
    assert core.results()[1] == (code, reason, 0)
    assert core.ring.events[2] == ("finish", 101, int(code), reason, 0)
    busy = {"451 4.3.0 try again": ["busy"], "421 4.3.0 closing": ["slow down"]}
    assert list(core.signals()) == busy.get(reason, [])
    # The same connection goes on after RSET, but for the 421.
    assert site.connections == (2 if reason.startswith("421") else 1)
    assert ("RSET" in site.verbs()) == (not reason.startswith("421"))


@pytest.mark.parametrize(
    ("script", "reason", "trouble"),
    [
        ({"content": CLOSE}, "in doubt: the connection was closed", "closed"),
        ({"dot": CLOSE}, "in doubt: the connection was closed", "closed"),
        ({"dot": STALL}, "in doubt: no answer within 0.2 s", "timeout"),
        ({"dot": b"well\r\n"}, "in doubt: an answer that is none: well", "closed"),
        ({"dot": ENDLESS}, "in doubt: an answer of more than 4,096 bytes", "closed"),
        ({"dot": b"354 go on\r\n"}, "in doubt: an answer to dot that is none: 354 go on", "closed"),
    ],
)
@pytest.mark.parametrize("letter", ["v1", "v2"])
async def test_once_the_content_goes_out_the_order_is_in_doubt(
    script, reason, trouble, letter, hello
):
    core, _ = await try_one(hello | script, letter=letter)
    code, wait = (DEFERRED, 600) if letter == "v1" else (UNKNOWN, 0)
    assert core.results()[1] == (code, reason, wait)
    assert core.ring.events[2] == ("finish", 101, int(code), reason, wait)
    assert list(core.signals()) == [trouble]


async def test_a_route_to_nowhere_returns_the_queue():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
        async with running(QUICK) as core:
            core.lane(nowhere, connections=3)
            core.order(nowhere, *(f"a{row}@example.org" for row in range(9)))
            await core.answered(9)
            assert sorted(core.returned()) == list(range(1, 10))
            assert list(core.signals()) == ["connect"]
            assert "refused" in core.signals()["connect"].lower()


@pytest.mark.parametrize(("host", "port"), [("a\r\nb", 25), ("", 0), ("127.0.0.1", 70_000)])
async def test_a_site_that_cannot_be_one_returns_the_queue(host, port):
    async with running(QUICK) as core:
        core.say(frames.Lane("bad", host, port, 1, 100, 100, 1.0))
        core.order("bad", "a@example.org")
        await core.answered(1)
        assert core.returned() == [1]
        assert list(core.signals()) == ["connect"]


async def test_a_site_that_refuses_everything_answers_every_order():
    script = {"RCPT": "550 5.7.1 no"}
    async with FakeSmtp([script]) as site, running(QUICK) as core:
        core.lane(site.site, connections=2)
        core.order(site.site, *(f"a{row}@example.org" for row in range(20)))
        await core.answered(20)
        assert {result[:2] for result in core.results().values()} == {(FAILED, "550 5.7.1 no")}
        assert not site.mails


async def test_a_site_that_lets_in_only_some_connections_gets_all_orders_over_those():
    refused = {"connect": "421 too many"}
    async with FakeSmtp([{}, refused]) as site, running(QUICK) as core:
        core.lane(site.site, connections=3)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        core.order(site.site, *(f"a{row}@example.org" for row in range(20)))
        await core.answered(21)
        assert not core.returned()
        assert len(site.mails) == 21


@pytest.mark.parametrize(
    "script",
    [{"MAIL": CLOSE}, {"EHLO": (b"250 fake\r\n", CLOSE)}],
)
async def test_a_site_that_greets_and_closes_does_not_make_us_try_for_ever(script):
    async with FakeSmtp([script]) as site, running(QUICK) as core:
        core.lane(site.site)
        core.order(site.site, *(f"a{row}@example.org" for row in range(5)))
        await core.answered(5)
        assert sorted(core.returned()) == [1, 2, 3, 4, 5]
        assert site.connections <= 5


@pytest.mark.parametrize(
    ("script", "signals"),
    [
        ({"RCPT": "550 no", "DATA": "354 go on all the same"}, {}),
        ({"RCPT": "550 no", "DATA": CLOSE}, {}),
        ({"RCPT": "550 no", "DATA": STALL}, {}),
        ({"RCPT": "550 no", "DATA": b"what\r\n"}, {}),
        ({"RCPT": "550 no", "DATA": "421 enough"}, {"slow down": "421 enough"}),
        ({"MAIL": "550 no", "DATA": "354 go on all the same"}, {}),
        ({"MAIL": "550 no", "RCPT": "354 go on"}, {}),
        ({"MAIL": "550 no", "RCPT": CLOSE}, {}),
        ({"MAIL": "550 no", "RCPT": "421 enough", "DATA": CLOSE}, {"slow down": "421 enough"}),
    ],
)
async def test_what_follows_a_refusal_ends_the_connection_but_is_not_the_outcome(script, signals):
    async with FakeSmtp([{"EHLO": PIPELINING} | script, {}]) as site, running(QUICK) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(2)
        assert core.results()[1] == (FAILED, "550 no", 0)
        assert core.results()[2][0] == OutcomeCode.ACCEPTED
        assert core.signals() == signals
        assert site.connections == 2
        assert [site.asked.count(verb) for verb in ("content", "dot", "RSET")] == [0, 1, 0]


async def test_a_421_to_everything_slows_down_once():
    script = {"MAIL": "421 a", "RCPT": "421 b", "DATA": "421 c"}
    core, _ = await try_one({"EHLO": PIPELINING} | script)
    assert core.returned() == [1]
    assert [(signal.trouble, signal.reply) for signal in core.of(frames.Signal)] == [
        ("slow down", "421 a")
    ]


@pytest.mark.parametrize("reset", ["500 what", CLOSE, STALL])
async def test_a_failed_rset_closes_the_connection(reset):
    scripts = [{"RCPT": "550 no", "RSET": reset}, {}]
    async with FakeSmtp(scripts) as site, running(QUICK) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(2)
        assert [core.results()[number][0] for number in (1, 2)] == [FAILED, OutcomeCode.ACCEPTED]
        assert site.connections == 2


async def test_a_421_to_rset_slows_down():
    scripts = [{"RCPT": "550 no", "RSET": "421 enough"}, {}]
    async with FakeSmtp(scripts) as site, running(QUICK) as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(2)
        assert core.signals() == {"slow down": "421 enough"}


async def test_an_end_does_not_wait_for_a_connection_that_opens():
    async with FakeSmtp([{"connect": STALL}]) as site, running() as core:
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await site.reached("connect")
        core.say(frames.Stop())
        await core.end()
        assert core.returned() == [1]


async def test_what_stalls_is_broken_off_when_the_worker_ends():
    async with FakeSmtp([{"dot": STALL}, {"MAIL": STALL}]) as site, running(stop_s=0.05) as core:
        core.lane(site.site, connections=2)
        core.order(site.site, "a@example.org", "b@example.org")
        await site.reached("dot", "MAIL", "MAIL")
        core.say(frames.Stop())
        await core.end()
        assert [code for code, _, _ in core.results().values()] == [DEFERRED]
        assert len(core.returned()) == 1
        assert sorted(core.ring.states.values()) == ["done", "taken"]
