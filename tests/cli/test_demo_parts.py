"""The demo's parts: arguments and folders, clock, marker, live view, sink, signatures."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console

from blaster.cli.demo import command
from blaster.cli.demo.clock import LeapingClock
from blaster.cli.demo.live import Live, as_line, as_table
from blaster.cli.demo.marker import Marker, read_marker, write_marker
from blaster.cli.demo.picture import draw
from blaster.cli.demo.receiver import Receiver
from blaster.cli.demo.run import Demo
from blaster.cli.demo.signatures import ADVICE, check_signatures, read_record
from blaster.cli.demo.signing import Signatures, measure
from blaster.cli.demo.workspace import DOMAIN, SELECTOR
from blaster.errors import BlasterError, FolderInUse, InputError
from blaster.log import FolderLock
from blaster.model.sites import SiteStatus
from blaster.testing import Provider, SinkReady, ask
from tests.cli.support import Cli

MARKER = Marker(contacts=500, seed=3, signatures_per_second=1_000.0, signature_cpu_s=0.001)


@pytest.fixture
def floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are not measured."""
    monkeypatch.setattr("blaster.cli.demo.signing.measure", lambda: Signatures(1_000.0, 0.001))


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--contacts", "0"], "--contacts is 1 to 10,000,000, not 0"),
        (["--contacts", "10000001"], "not 10,000,001"),
        (["--workers", "0"], "--workers is 1 to 64, not 0"),
        (["--seed", "-1"], "--seed is 0 or more"),
        (["--keep", "file"], "is a file"),
        (["--keep", "full"], "is not empty and holds no demo: notes.txt"),
        (["--keep", "begun", "--contacts", "501"], "was begun with --contacts 500, not 501"),
        (["--keep", "begun", "--seed", "4"], "was begun with --seed 3, not 4"),
        (["--keep", "done"], "is finished"),
        (["more"], "too many arguments"),
    ],
)
def test_what_cannot_be_followed(cli: Cli, args: list[str], said: str) -> None:
    (cli.folder / "file").touch()
    for name in ("full", "begun", "done"):
        (cli.folder / name).mkdir()
    (cli.folder / "full" / "notes.txt").touch()
    write_marker(cli.folder / "begun", MARKER)
    write_marker(cli.folder / "done", Marker(500, 3, 1_000.0, 0.001, stage="finished"))
    ran = cli("demo", *args)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.usefixtures("floor")
def test_an_interrupt_says_how_to_go_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Path, bool]] = []

    def interrupted(demo: Demo) -> None:
        seen.append((demo._folder, demo._kept))
        raise KeyboardInterrupt

    monkeypatch.setattr(Demo, "run", interrupted)
    ran = cli("demo", "--keep", "a demo")
    assert ran.code == 130
    assert "go on with: blaster demo --keep 'a demo'" in ran.err
    assert cli("demo").code == 130
    assert [kept for _, kept in seen] == [True, False]
    assert not seen[1][0].exists()


@pytest.mark.usefixtures("floor")
def test_a_folder_that_was_barely_begun_is_empty(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert command._begun(tmp_path, 7, None) == Marker(7, 1, 1_000.0, 0.001)
    write_marker(tmp_path, MARKER)
    assert command._begun(tmp_path, None, None) == MARKER


def test_two_demos_in_one_folder(tmp_path: Path) -> None:
    demo = Demo(tmp_path, MARKER, workers=None, kept=True)
    with FolderLock(tmp_path), pytest.raises(FolderInUse):
        demo.run()


def test_the_time_limit_follows_the_machine(tmp_path: Path) -> None:
    assert Demo(tmp_path, MARKER, workers=None, kept=False).time_limit_s == 30 + 2.5 * 0.5


# --- clock and marker ---------------------------------------------------------------------------


def test_the_clock_leaps_and_never_goes_back() -> None:
    clock = LeapingClock(100.0)
    assert clock.now() >= time.time() + 99
    later = clock.now() + 86_400
    clock.leap(clock.offset_to(later))
    assert clock.now() >= later
    before = clock.now()
    clock.leap(clock.offset_to(0.0))
    clock.leap(5.0)
    assert clock.now() >= before
    assert abs(clock.monotonic() - time.monotonic()) < 60


def test_a_marker_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_marker(tmp_path) is None
    sink = SinkReady(1, 2, {"one": 3})
    marker = Marker(500, 3, 1_000.0, 0.001, stage="joined", offset_s=1.5, sink=sink)
    assert write_marker(tmp_path, marker) == read_marker(tmp_path) == marker
    (tmp_path / "demo.json").write_text("{")
    with pytest.raises(InputError, match="no marker"):
        read_marker(tmp_path)


# --- the live view ------------------------------------------------------------------------------


def site(name: str, **changes: float | str) -> SiteStatus:
    whole = {"limit": 100.0, "rate": 80.0, "connections": 2, "queued": 5, "in_flight": 3,
             "accepted": 1_000, "failed": 1, "deferred": 2, "sent_per_second": 79.0,
             "back_off_s": 0.0}  # fmt: skip
    return SiteStatus(site=name, **{**whole, **changes})  # type: ignore[arg-type]


SITES = [site("a:1"), site("b:2", back_off_s=3.0, trouble="421 4.7.0 [bold]slow\x1b[31m down")]


def test_a_line_for_a_log() -> None:
    line = as_line(SITES, 12.3)
    assert line == "   12 s  2,000 accepted, 158/s, 2 failed, 4 deferred, 1 sites held back"


def test_a_table_for_a_terminal() -> None:
    console = Console(width=120, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(as_table(SITES, {"a:1": "one"}))
    text = console.export_text()
    console.file.close()
    assert "one" in text
    assert "b:2" in text
    assert "3 s: 421 4.7.0 [bold]slow [31m down" in text
    assert "2,000" in text


@pytest.mark.parametrize("terminal", [False, True])
async def test_the_view_follows(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    looked = asyncio.Event()

    def look() -> list[SiteStatus]:
        looked.set()
        return SITES

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("blaster.cli.demo.live.REFRESH_S", 0.0)
    async with Live(look, {}, line_s=0.0):
        await asyncio.wait_for(looked.wait(), 20)
    assert ("2,000 accepted" in capsys.readouterr().err) is not terminal


# --- the sink's process -------------------------------------------------------------------------


@pytest.fixture
def providers() -> list[Provider]:
    return [Provider("one"), Provider("two")]


def open_receiver(
    folder: Path, providers: list[Provider], before: SinkReady | None = None
) -> Receiver:
    return Receiver.open(folder, providers, 1, outlive=True, before=before)


@pytest.fixture
def receiver(tmp_path: Path, providers: list[Provider]) -> Iterator[Receiver]:
    made = open_receiver(tmp_path, providers)
    yield made
    made.end()


def test_a_sink_is_found_again(
    tmp_path: Path, providers: list[Provider], receiver: Receiver
) -> None:
    found = open_receiver(tmp_path, providers, receiver.ready)
    assert found.ready == receiver.ready
    assert found.report().accepted == 0
    assert found.samples() == []
    receiver.end()
    receiver.end()
    again = open_receiver(tmp_path, providers, receiver.ready)
    try:
        assert again.ready.pid != receiver.ready.pid
        assert again.ready.ports == receiver.ready.ports
    finally:
        again.end()


async def test_a_port_of_somebody_else_is_no_sink(tmp_path: Path) -> None:
    import asyncio

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 hello\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    other = Receiver(tmp_path, SinkReady(1, port, {}), None)
    with pytest.raises(BlasterError, match="somebody else"):
        await asyncio.to_thread(other.report)
    server.close()
    with pytest.raises(OSError, match=r"."):
        await asyncio.to_thread(ask, port, "report")


def test_a_sink_that_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "sink" / "journal").mkdir(parents=True)
    with pytest.raises(BlasterError, match="did not start: IsADirectoryError"):
        open_receiver(tmp_path, [Provider("one")])


# --- signatures ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A record as keygen writes it, and three messages signed with its key."""
    key = rsa.generate_private_key(65537, 1024)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )  # fmt: skip
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    value = "v=DKIM1; k=rsa; p=" + "".join(public.decode().splitlines()[1:-1])
    record = tmp_path_factory.mktemp("keys") / "record.txt"
    name = f"{SELECTOR}._domainkey.{DOMAIN}"
    record.write_text(f'{name}. IN TXT ( "{value[:200]}" "{value[200:]}" )\n')
    messages = []
    for number in range(3):
        message = b"From: a@club.example\r\nSubject: %d\r\n\r\n.dot\r\n" % number
        messages.append(dkim.sign(message, SELECTOR.encode(), DOMAIN.encode(), pem) + message)
    return record, messages


def test_signatures_are_checked(signed: tuple[Path, list[bytes]]) -> None:
    record, messages = signed
    good = check_signatures(messages, record)
    assert (good.checked, good.valid, good.why) == (3, 3, "")
    spoiled = [messages[0].replace(b".dot", b"dot"), messages[1], b"Subject: unsigned\r\n\r\nx"]
    bad = check_signatures(spoiled, record)
    assert (bad.checked, bad.valid) == (3, 1)
    assert bad.why


def test_a_signature_of_another_name_is_not_looked_up(
    signed: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    record, messages = signed
    other = tmp_path / "other.txt"
    other.write_text(record.read_text().replace(SELECTOR, "else"))
    assert check_signatures(messages, other).valid == 0


def test_without_dkimpy_nothing_is_checked(
    signed: tuple[Path, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, messages = signed
    monkeypatch.setitem(sys.modules, "dkim", None)
    assert check_signatures(messages, record) == (
        type(check_signatures(messages, record))(0, 0, ADVICE)
    )


def test_a_file_without_a_record(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing")
    with pytest.raises(InputError, match="no TXT record"):
        read_record(tmp_path / "x")


def test_the_floor_is_measured() -> None:
    floor = measure(0.05)
    assert floor.per_second > 10
    assert 1e-6 < floor.cpu_s < 0.5


def test_the_picture(tmp_path: Path) -> None:
    """What a terminal would show, with what a far side said as text."""
    site = SiteStatus("a:25", 100, 50, 3, 4, 5, 6, 7, 8, 9.0, 1.5, "421 [bold] slow down")
    draw(tmp_path / "demo.svg", [site], {"a:25": "slow"}, "all agrees")
    drawn = (tmp_path / "demo.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert all(word in drawn for word in ("slow", "[bold]", "all&#160;agrees", "make&#160;demo"))
