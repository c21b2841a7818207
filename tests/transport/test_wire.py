"""Questions and answers: whole, in pieces and with rubbish; what ends a connection, and how."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.limits import REPLY_BYTES_MAX
from blaster.transport.replies import NoReply, Reply
from blaster.transport.wire import Wire

CLOSED = ("closed", "the connection was closed")
UNASKED = ("closed", "an answer nobody asked for")
TOO_LONG = ("closed", f"an answer of more than {REPLY_BYTES_MAX:,} bytes")


class FakeTransport:
    """Keeps what was written, and tells a protocol late that it was closed."""

    def __init__(self) -> None:
        self.protocol: asyncio.BaseProtocol | None = None
        self.written: list[bytes] = []
        self.closing = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True


class FakeDeadline:
    def __init__(self) -> None:
        self.told: list[float | str] = []

    def set(self, seconds: float) -> None:
        self.told.append(seconds)

    def clear(self) -> None:
        self.told.append("clear")

    def cancel(self) -> None:
        self.told.append("cancel")


def taken_over() -> tuple[Wire, FakeTransport]:
    transport = FakeTransport()
    wire = Wire(transport)
    assert transport.protocol is wire
    return wire, transport


async def answered(pieces: list[bytes], replies: int = 1) -> list[Reply] | tuple[str, str]:
    """The replies that come of one question, or why there are none."""
    wire, _ = taken_over()
    answer = wire.ask(b"HELP\r\n", 9.0, replies)
    for piece in pieces:
        wire.data_received(piece)
    try:
        return await answer if answer.done() else []
    except NoReply as error:
        assert not wire.alive
        return error.trouble, str(error)
    finally:
        wire.abort()


def single(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("cut", [lambda data: [data], single])
@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 ok\r\n", [Reply(250, "ok")]),
        (b"250\r\n", [Reply(250, "")]),
        (b"250 \r\n", [Reply(250, "")]),
        (b"599 - \r\n", [Reply(599, "- ")]),
        (b"250-one\r\n250-\r\n250 two\r\n", [Reply(250, "one\n\ntwo")]),
        (b"250-one\r\n250\r\n", [Reply(250, "one\n")]),
        ("550 אין\r\n".encode(), [Reply(550, "אין")]),
        (b"550 \xff\r\n", [Reply(550, "\udcff")]),
        (b"250 a\r\n550-b\r\n550 c\r\n503 d\r\n",
         [Reply(250, "a"), Reply(550, "b\nc"), Reply(503, "d")]),
    ],
)  # fmt: skip
async def test_replies_are_read_however_they_are_cut(cut, data, replies):
    assert await answered(cut(data), len(replies)) == replies
    assert await answered(cut(data[:-1]), len(replies)) == []


@pytest.mark.parametrize("cut", [lambda data: [data], single])
@pytest.mark.parametrize(
    "line",
    [
        b"", b"2", b"25 ok", b"2500 ok", b"250ok", b"250_ok", b"199 ok", b"600 ok", b"099 ok",
        b" 250 ok", b"+25 ok", b"2\xb25 ok", b"250 o\rk", b"\x00250 ok", b"what",
    ],
)  # fmt: skip
async def test_what_is_no_reply_ends_the_connection(cut, line):
    trouble, text = await answered(cut(line + b"\r\n"))
    assert trouble == "closed"
    assert text.startswith("an answer that is none:")


@pytest.mark.parametrize("data", [b"250 ok\n", b"250-ok\n250 ok\r\n", b"250-a\r\n251 b\r\n", b"\n"])
async def test_line_ends_and_codes_are_of_one_kind(data):
    trouble, text = await answered([data])
    assert trouble == "closed"
    assert text.startswith("an answer that is none:")


async def test_an_answer_has_a_bound():
    full = b"250 " + b"x" * (REPLY_BYTES_MAX - 6) + b"\r\n"
    assert await answered([full]) == [Reply(250, "x" * (REPLY_BYTES_MAX - 6))]
    assert await answered([full, full], 2) == [Reply(250, "x" * (REPLY_BYTES_MAX - 6))] * 2
    assert await answered([b"250 x" + full[4:]]) == TOO_LONG
    assert await answered([b"2" * (REPLY_BYTES_MAX + 1)]) == TOO_LONG
    assert await answered([b"250-x\r\n" * REPLY_BYTES_MAX]) == TOO_LONG
    assert await answered([b"250-x\r\n"] * REPLY_BYTES_MAX) == TOO_LONG
    assert await answered(single(b"250-" + b"x" * REPLY_BYTES_MAX)) == TOO_LONG


@pytest.mark.parametrize("packet", [b"250 ok\r\n250 ok\r\n", b"250 ok\r\n2", b"250 ok\r\n\r\n"])
async def test_two_answers_to_one_question_are_none(packet):
    assert await answered([packet]) == UNASKED


async def test_an_answer_before_any_question_ends_the_connection():
    wire, transport = taken_over()
    assert wire.alive
    wire.data_received(b"250 hello\r\n")
    assert (wire.lost, wire.alive, transport.closing) == (UNASKED, False, True)
    with pytest.raises(NoReply, match="nobody asked for"):
        wire.ask(b"NOOP\r\n", 9.0)
    assert not transport.written


async def test_a_second_answer_that_comes_later_spares_the_first():
    wire, _ = taken_over()
    answer = wire.ask(b"NOOP\r\n", 9.0)
    wire.data_received(b"250 ok\r\n")
    wire.data_received(b"250 ok\r\n")
    assert await answer == [Reply(250, "ok")]
    assert wire.lost == UNASKED


@pytest.mark.parametrize("end", ["eof", "lost", "abort", "rubbish", "question"])
async def test_whoever_waits_is_told_of_the_end(end):
    for before in ([], [b"250 a\r\n"], [b"250 a\r\n", b"550 b\r\n"]):
        wire, transport = taken_over()
        answer = wire.ask(b"DATA\r\n", 9.0, 3)
        for packet in before:
            wire.data_received(packet)
        if end == "eof":
            assert not wire.eof_received()
        elif end == "lost":
            wire.connection_lost(ConnectionResetError())
        elif end == "abort":
            wire.abort()
        elif end == "rubbish":
            wire.data_received(b"what\r\n")
        else:
            with pytest.raises(NoReply):
                wire.ask(b"NOOP\r\n", 9.0)
        assert transport.closing
        assert transport.written == [b"DATA\r\n"]
        assert wire.lost == (
            ("closed", "an answer that is none: what") if end == "rubbish" else CLOSED
        )
        wire.data_received(b"250 too late\r\n")
        assert b"late" not in wire._rest
        wire.connection_lost(None)
        if before:
            assert [reply.message for reply in await answer] == ["a", "b"][: len(before)]
        else:
            with pytest.raises(NoReply):
                await answer


async def test_an_answer_that_nobody_waits_for_any_more_does_no_harm():
    wire, _ = taken_over()
    wire.ask(b"NOOP\r\n", 9.0).cancel()
    wire.data_received(b"250 ok\r\n")
    answer = wire.ask(b"NOOP\r\n", 9.0)
    wire.data_received(b"251 ok\r\n")
    assert await answer == [Reply(251, "ok")]
    wire.ask(b"NOOP\r\n", 9.0).cancel()
    wire.abort()


async def test_a_transport_that_closes_is_asked_nothing():
    wire, transport = taken_over()
    transport.closing = True
    assert not wire.alive
    with pytest.raises(NoReply, match="was closed"):
        wire.ask(b"NOOP\r\n", 9.0)
    assert not transport.written


async def test_no_answer_is_waited_for_without_end():
    wire, transport = taken_over()
    with pytest.raises(NoReply) as error:
        await wire.ask(b"NOOP\r\n", 0.01)
    assert (error.value.trouble, str(error.value)) == ("timeout", "no answer within 0.01 s")
    assert transport.closing

    wire, _ = taken_over()
    answer = wire.ask(b"DATA\r\n", 0.01, 2)
    wire.data_received(b"550 no\r\n")
    assert await answer == [Reply(550, "no")]
    assert wire.lost == ("timeout", "no answer within 0.01 s")


class FakeLoop:
    """Timers go off when the test says so, however late."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append((at, call))
        return asyncio.get_running_loop().call_later(3600.0, print)

    def go_off(self, late_s: float = 0.0) -> None:
        at, call = self.timers.pop()
        self.now = at + late_s
        call()


@pytest.mark.parametrize("answers", [True, False])
async def test_an_answer_that_came_while_we_stood_still_counts(answers):
    """Stopped for ten minutes behind the last dot: the timer goes off before anything is read."""
    wire, transport = taken_over()
    wire._deadline._loop = loop = FakeLoop()
    answer = wire.ask(b"text\r\n.\r\n", 9.0)
    loop.go_off(late_s=600.0)
    assert wire.alive
    if answers:
        wire.data_received(b"250 taken\r\n")
        assert await answer == [Reply(250, "taken")]
    loop.go_off()
    assert transport.closing is not answers
    if not answers:
        with pytest.raises(NoReply, match="no answer within 9 s"):
            await answer
    wire.abort()


async def test_a_shorter_wait_is_minded_behind_a_longer_one():
    wire, _ = taken_over()
    for timeout_s in (60.0, 30.0):
        answer = wire.ask(b"NOOP\r\n", timeout_s)
        wire.data_received(b"250 ok\r\n")
        assert await answer == [Reply(250, "ok")]
    with pytest.raises(NoReply, match="within"):
        await wire.ask(b"NOOP\r\n", 0.01)


async def test_a_longer_wait_is_not_cut_by_a_shorter_one():
    wire, _ = taken_over()
    answer = wire.ask(b"NOOP\r\n", 0.01)
    wire.data_received(b"250 ok\r\n")
    assert await answer == [Reply(250, "ok")]
    with pytest.raises(NoReply, match=r"within 0\.03 s"):
        await wire.ask(b"NOOP\r\n", 0.03)


async def test_each_reply_has_its_time_and_no_line_gains_any():
    wire, _ = taken_over()
    wire._deadline = deadline = FakeDeadline()
    wire.ask(b"DATA\r\n", 7.0, 2)
    wire.data_received(b"250-a\r\n")
    wire.data_received(b"250-b\r\n25")
    assert deadline.told == [7.0]
    wire.data_received(b"0 c\r\n")
    assert deadline.told == [7.0, 7.0]
    wire.data_received(b"354 go on\r\n")
    assert deadline.told == [7.0, 7.0, "clear"]
    wire.abort()
    assert deadline.told[3:] == ["cancel"]


TEXTS = st.binary(max_size=60).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))
REPLIES = st.lists(
    st.tuples(st.integers(200, 599), st.lists(TEXTS, min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)


@given(said=REPLIES, cuts=st.lists(st.integers(0, 900), max_size=8))
def test_what_was_said_is_what_is_read(said, cuts):
    data = b"".join(
        b"%d%b%b\r\n" % (code, b" " if at == len(texts) - 1 else b"-", text)
        for code, texts in said
        for at, text in enumerate(texts)
    )
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    replies = asyncio.run(answered(pieces, len(said)))
    assert replies == [
        Reply(code, b"\n".join(texts).decode("utf-8", "surrogateescape")) for code, texts in said
    ]


RUBBISH = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"250 ok\r\n", b"250-", b"250", b"\r", b"\n", b"\r\n", b"x" * 3000]),
    ),
    max_size=12,
)


@given(pieces=RUBBISH, replies=st.integers(1, 3))
def test_rubbish_is_no_answer_and_is_not_kept(pieces, replies):
    async def feed() -> None:
        for cut in (pieces, [b"".join(pieces)], single(b"".join(pieces))):
            wire, transport = taken_over()
            answer = wire.ask(b"NOOP\r\n", 9.0, replies)
            for piece in cut:
                wire.data_received(piece)
                assert wire._size + len(wire._rest) <= REPLY_BYTES_MAX or not wire.alive
                assert len(wire._replies) <= replies
            assert wire.alive != transport.closing
            wire.abort()
            if answer.exception() is None:
                assert all(200 <= reply.code < 600 for reply in answer.result())

    asyncio.run(feed())
