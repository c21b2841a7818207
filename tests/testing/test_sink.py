"""The SMTP sink: the protocol however it is cut, its misbehaviour, and its exact counts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.testing import Provider, SinkConfig, SinkReady, SinkReport, SmtpSink, ask
from blaster.testing.conversation import BAD_COMMANDS_MAX, LINE_BYTES_MAX
from blaster.testing.providers import WINDOW_NS, Sliding, find_message_id
from tests.cli.support import SOURCES

MESSAGE = b"From: a@b.example\r\nMessage-ID: <%s@b.example>\r\nSubject: x\r\n\r\nbody\r\n..dot\r\n"


class Clock:
    """Nanoseconds that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns


class Wire:
    """The transport of a conversation: what was answered, and whether it was ended."""

    def __init__(self, sink: SmtpSink, provider: str = "one") -> None:
        self.out = b""
        self.closed = False
        self.talk = sink.conversation(provider)
        self.talk.connection_made(self)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        self.out += data

    def close(self) -> None:
        self.closed = True

    def say(self, data: bytes) -> list[bytes]:
        """Sends bytes; answers the codes of the replies' last lines."""
        self.out = b""
        self.talk.data_received(data)
        lines = self.out.splitlines()
        return [line[:3] for line in lines if line[3:4] == b" "]


def sink_of(**options: Any) -> SmtpSink:
    kept = {name: options.pop(name) for name in ("sample", "journal", "clock_ns", "seed")
            if name in options}  # fmt: skip
    return SmtpSink([Provider("one", **options)], **kept)


def envelope(to: bytes = b"x@one.example") -> bytes:
    return b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + to + b">\r\nDATA\r\n"


def whole(name: bytes = b"1", to: bytes = b"x@one.example") -> bytes:
    return envelope(to) + MESSAGE % name + b".\r\n"


DIALOGUE = b"EHLO me\r\n" + whole(b"1") + b"NOOP\r\n" + whole(b"2") + b"QUIT\r\n"
CODES = [b"250", *[b"250", b"250", b"354", b"250"], b"250", *[b"250", b"250", b"354", b"250"],
         b"221"]  # fmt: skip


# --- the protocol -------------------------------------------------------------------------------


def test_a_dialogue_in_one_packet() -> None:
    sink = sink_of(sample=5)
    wire = Wire(sink)
    assert wire.say(DIALOGUE) == CODES
    assert wire.closed
    report = sink.report()
    assert (report.accepted, report.distinct, report.repeated, report.open) == (2, 2, 0, 0)
    assert sorted(sink.messages()) == [
        (MESSAGE % name).replace(b"..dot", b".dot") for name in (b"1", b"2")
    ]


@given(st.lists(st.integers(0, len(DIALOGUE)), max_size=12))
def test_a_dialogue_however_it_is_cut(cuts: list[int]) -> None:
    sink = sink_of(sample=5)
    wire = Wire(sink)
    edges = [0, *sorted(cuts), len(DIALOGUE)]
    codes = [
        code for at, end in itertools.pairwise(edges)
        for code in wire.say(DIALOGUE[at:end])
    ]  # fmt: skip
    assert codes == CODES
    assert sink.report().distinct == 2


def test_a_dialogue_byte_by_byte() -> None:
    sink = sink_of(sample=5)
    wire = Wire(sink)
    codes = [code for at in range(len(DIALOGUE)) for code in wire.say(DIALOGUE[at : at + 1])]
    assert codes == CODES
    assert sink.report().distinct == 2


def test_an_empty_message_has_an_end() -> None:
    wire = Wire(sink_of())
    wire.say(b"EHLO me\r\n")
    assert wire.say(envelope()) == [b"250", b"250", b"354"]
    assert wire.say(b".\r\n") == [b"250"]


@given(st.binary(max_size=300))
def test_rubbish_ends_nothing_but_its_connection(rubbish: bytes) -> None:
    sink = sink_of(chunking=True)
    Wire(sink).say(rubbish)
    wire = Wire(sink)
    wire.say(b"EHLO me\r\n")
    assert wire.say(whole())[-1] == b"250"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"MAIL FROM:<a@b.example>\r\n", b"503"),
        (b"EHLO  \r\n", b"501"),
        (b"HELO me\r\nRCPT TO:<x@one.example>\r\n", b"503"),
        (b"HELO me\r\nMAIL a@b.example\r\n", b"501"),
        (b"HELO me\r\nMAIL TO:<a@b.example>\r\n", b"501"),
        (b"HELO me\r\nMAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\n", b"503"),
        (b"HELO me\r\nMAIL FROM:<a@b.example> SIZE=99999999999\r\n", b"552"),
        (b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<x>\r\n", b"501"),
        (b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:x@one.example\r\n", b"501"),
        (b"HELO me\r\nMAIL FROM:<>\r\nDATA\r\n", b"554"),
        (b"HELO me\r\nDATA\r\n", b"503"),
        (b"HELO me\r\nDATA now\r\n", b"501"),
        (b"BDAT 5\r\n", b"502"),
        (b"VRFY x\r\n", b"252"),
        (b"RSET\r\n", b"250"),
        (b"STARTTLS\r\n", b"500"),
        (b"NOOP\n", b"500"),
        (b"x" * (LINE_BYTES_MAX + 1), b"500"),
    ],
)  # fmt: skip
def test_what_is_refused(said: bytes, code: bytes) -> None:
    assert Wire(sink_of()).say(said)[-1] == code


def test_too_many_errors_end_the_connection() -> None:
    sink = sink_of()
    wire = Wire(sink)
    assert wire.say(b"what\r\n" * (BAD_COMMANDS_MAX + 5)) == [
        *[b"500"] * (BAD_COMMANDS_MAX - 1), b"421",
    ]  # fmt: skip
    assert wire.closed
    assert wire.say(b"NOOP\r\n") == []
    assert sink.report().providers[0].disorderly == 1


def test_pipelining_only_where_it_is_offered() -> None:
    sink = sink_of(pipelining=False)
    wire = Wire(sink)
    wire.say(b"EHLO me\r\n")
    assert b"PIPELINING" not in wire.out
    for line in envelope().splitlines(keepends=True):
        assert wire.say(line)[0] in (b"250", b"354")
    assert wire.say(MESSAGE % b"1" + b".\r\n") == [b"250"]
    assert wire.say(envelope()) == [b"503"]
    assert wire.closed
    assert sink.report().accepted == 1


def test_a_message_in_chunks() -> None:
    sink = sink_of(chunking=True, sample=1)
    wire = Wire(sink)
    wire.say(b"EHLO me\r\n")
    assert b"CHUNKING" in wire.out
    body = MESSAGE % b"1"
    start = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<x@one.example>\r\n"
    said = start + b"BDAT 30\r\n" + body[:30] + b"BDAT %d LAST\r\n" % (len(body) - 30) + body[30:]
    assert [code for at in range(len(said)) for code in wire.say(said[at : at + 1])] == [b"250"] * 4
    assert sink.messages() == [body]
    assert wire.say(b"BDAT 3 LAST\r\nabcNOOP\r\n") == [b"503", b"250"]
    assert wire.say(b"BDAT three\r\n") == [b"501"]


@pytest.mark.parametrize("said", [
    envelope() + b"x" * 200 + b"\r\n.\r\n",
    envelope() + b"x" * 300,
    b"MAIL FROM:<>\r\nRCPT TO:<x@one.example>\r\nBDAT 300 LAST\r\n",
])  # fmt: skip
def test_a_message_that_is_too_big(said: bytes) -> None:
    sink = sink_of(size=100, chunking=True)
    wire = Wire(sink)
    assert wire.say(b"EHLO me\r\n" + said)[-1] == b"552"
    assert sink.report().accepted == 0


# --- behaviour ----------------------------------------------------------------------------------


def test_only_its_own_domains() -> None:
    wire = Wire(sink_of(domains=("one.example", "other.test")))
    wire.say(b"EHLO me\r\nMAIL FROM:<>\r\n")
    assert wire.say(b"RCPT TO:<x@ONE.example>\r\nRCPT TO:<x@two.example>\r\n") == [b"250", b"550"]


def test_too_many_in_a_second_are_turned_away() -> None:
    clock = Clock()
    sink = sink_of(max_per_second=2, clock_ns=clock)
    wire = Wire(sink)
    wire.say(b"EHLO me\r\n")
    assert wire.say(whole(b"1"))[-1] == b"250"
    clock.now_ns += WINDOW_NS // 2
    assert wire.say(whole(b"2"))[-1] == b"250"
    clock.now_ns += WINDOW_NS // 2 - 1
    assert wire.say(b"MAIL FROM:<>\r\nNOOP\r\n") == [b"421"]
    assert wire.closed
    clock.now_ns += 1
    wire = Wire(sink)
    assert wire.say(b"EHLO me\r\n" + whole(b"3"))[-1] == b"250"
    report = sink.report().providers[0]
    assert (report.accepted, report.highest, report.turned_away) == (3, 2, 1)


def test_who_is_refused_stays_refused() -> None:
    def refused(seed: int) -> list[bool]:
        wire = Wire(sink_of(refuse_share=0.2, seed=seed))
        wire.say(b"EHLO me\r\nMAIL FROM:<>\r\n")
        return [wire.say(b"RCPT TO:<%d@one.example>\r\n" % n) == [b"550"] for n in range(500)]

    first = refused(1)
    assert first == refused(1) != refused(2)
    assert 60 < sum(first) < 140


def test_who_is_deferred_may_come_again() -> None:
    sink = sink_of(defer_share=1.0)
    wire = Wire(sink)
    wire.say(b"EHLO me\r\nMAIL FROM:<>\r\n")
    assert wire.say(b"RCPT TO:<x@one.example>\r\n") == [b"450"]
    assert wire.say(b"RCPT TO:<x@one.example>\r\n") == [b"250"]
    assert sink.report().providers[0].deferred == 1


# --- counts -------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3 * WINDOW_NS // 2), max_size=60))
def test_the_highest_second_is_exact(gaps: list[int]) -> None:
    sliding, times, at = Sliding(), [], 10**12
    for gap in gaps:
        at += gap
        times.append(at)
        sliding.add(at)
    counts = [sum(end - WINDOW_NS < time <= end for time in times) for end in times]
    assert sliding.highest == max(counts, default=0)


def test_a_clock_that_starts_anew_starts_a_new_second() -> None:
    sliding = Sliding()
    sliding.add(10**12)
    sliding.add(5)
    assert sliding.highest == 1


def test_a_message_that_comes_twice_is_told() -> None:
    sink = sink_of(sample=9)
    wire = Wire(sink)
    wire.say(b"EHLO me\r\n")
    for name in (b"1", b"2", b"1", b"1"):
        wire.say(whole(name))
    report = sink.report()
    assert (report.accepted, report.distinct, report.repeated) == (4, 2, 2)
    assert len(sink.messages()) == 2


def test_the_sample_does_not_depend_on_the_order() -> None:
    names = [b"%d" % n for n in range(50)]

    def sample(order: list[bytes]) -> list[bytes]:
        sink = sink_of(sample=7)
        wire = Wire(sink)
        wire.say(b"EHLO me\r\n")
        for name in order:
            wire.say(whole(name))
        return sink.messages()

    assert sample(names) == sample(names[::-1])
    assert len(sample(names)) == 7


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"Message-ID: <1@x>\r\n\r\nMessage-ID: <2@x>", b"<1@x>"),
        (b"A: b\r\nmessage-id:<1@x>\r\n\r\n", b"<1@x>"),
        (b"Message-ID:\r\n <1@x>\r\nA: b\r\n\r\n", b"<1@x>"),
        (b"A: b\r\n\r\nMessage-ID: <2@x>\r\n", b""),
        (b"A: b", b""),
    ],
)
def test_the_message_id(head: bytes, found: bytes) -> None:
    assert find_message_id(head) == found


def test_without_a_message_id_the_content_is_what_tells() -> None:
    sink = sink_of()
    wire = Wire(sink)
    wire.say(b"EHLO me\r\n")
    for body in (b"a", b"b", b"a"):
        wire.say(envelope() + b"A: b\r\n\r\n" + body + b"\r\n.\r\n")
    report = sink.report().providers[0]
    assert (report.accepted, report.distinct, report.without_id) == (3, 2, 3)


# --- what outlives it ---------------------------------------------------------------------------


def test_a_sink_goes_on_from_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    options = {
        "refuse_share": 0.3, "defer_share": 0.3, "max_per_second": 3, "sample": 3,
        "journal": journal,
    }  # fmt: skip
    clock = Clock()
    sink = sink_of(clock_ns=clock, **options)
    for number in range(40):
        wire = Wire(sink)
        wire.say(b"EHLO me\r\n" + whole(b"%d" % (number % 30), b"%d@one.example" % number))
        clock.now_ns += WINDOW_NS // 10
        wire.talk.connection_lost(None)
    Wire(sink).say(b"NOOP\n")
    before = sink.report()
    journal.write_bytes(journal.read_bytes() + b"\x01torn")
    after = sink_of(clock_ns=clock, **options)
    old = msgspec.structs.replace(before.providers[0], connections=0, connections_highest=0)
    assert after.report().providers[0] == old
    assert old.refused
    assert old.deferred
    assert old.turned_away
    assert old.disorderly
    assert after.messages() == sink.messages()
    Wire(after).say(b"EHLO me\r\n" + whole(b"new", b"40@one.example"))
    assert sink_of(clock_ns=clock, **options).report().accepted == after.report().accepted


async def test_a_sink_listens(tmp_path: Path) -> None:
    async with SmtpSink([Provider("one"), Provider("two")], sample=1) as sink:
        assert len(set(sink.ports.values())) == 2
        taken = SmtpSink([Provider("one", port=sink.ports["one"])])
        async with taken:
            assert taken.ports["one"] != sink.ports["one"]
        await asyncio.to_thread(_send, sink.ports["one"])
        await asyncio.to_thread(_send, sink.ports["two"])
        report = sink.report()
    assert [each.accepted for each in report.providers] == [1, 1]
    assert report.distinct == 1
    assert report.repeated == 1


def _send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("a@b.example", ["x@one.example"], MESSAGE % b"1")


class Process:
    """A sink process."""

    def __init__(self, folder: Path, *words: str) -> None:
        config = SinkConfig((Provider("one"),), sample=5, journal=str(folder / "journal"))
        (folder / "config.json").write_bytes(msgspec.json.encode(config))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "blaster.testing.sink", "--config", str(folder / "config.json"),
             "--report", str(folder / "report.json"), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": SOURCES},
        )  # fmt: skip
        assert self.process.stdout
        assert self.process.stdin
        self.ready = msgspec.json.decode(self.process.stdout.readline(), type=SinkReady)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()

    def report(self) -> SinkReport:
        return msgspec.json.decode(ask(self.ready.control, "report"), type=SinkReport)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts sink processes over one folder, and ends those that are left."""
    with contextlib.ExitStack() as stack:

        def begin(*words: str) -> Process:
            process = Process(tmp_path, *words)
            stack.callback(process.close)
            return process

        yield begin


def test_the_process_ends_with_its_stdin(tmp_path: Path, start: Callable[..., Process]) -> None:
    sink = start()
    _send(sink.ready.ports["one"])
    out, _ = sink.process.communicate(b"report\nwhat\n", timeout=30)
    first, second = out.splitlines()
    assert msgspec.json.decode(first, type=SinkReport).accepted == 1
    assert b"unknown" in second
    assert sink.process.returncode == 0
    written = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=SinkReport)
    assert written.accepted == 1


def test_the_process_outlives_whoever_started_it(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    sink = start("--outlive")
    assert sink.process.stdin
    sink.process.stdin.close()
    _send(sink.ready.ports["one"])
    assert sink.report().accepted == 1
    sink.process.kill()  # and what it took is not lost
    sink.process.wait(30)
    again = start("--outlive")
    assert again.report().accepted == 1
    assert ask(again.ready.control, f"samples {tmp_path / 'kept'}") == b"1\n"
    assert (tmp_path / "kept" / "0000.eml").read_bytes() == MESSAGE % b"1"
    assert ask(again.ready.control, "end") == b"{}\n"
    assert again.process.wait(30) == 0
    with pytest.raises(OSError, match=r"."):
        ask(again.ready.control, "report")
