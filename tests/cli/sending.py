"""An account that really delivers: a workspace of two messages, and the receiver it sends to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blaster.testing import Provider, SinkReport, SmtpSink, workspace
from tests.cli.support import SOURCES

TOML = """\
[account]
name = "מועדון"
address = "הרצל 1, תל אביב"
contact = "club@example.co.il"
zone = "Asia/Jerusalem"
country = "IL"

[senders.club]
address = "club@example.co.il"
name = "רותי"

[transports.email]
kind = "smtp"
smarthost = "127.0.0.1:{port}"
workers = 1

[transports.sms]
kind = "stub"
"""
BILL = """\
---
category: operational
from: club
subject: "חשבון של {{ first_name }}"
---
<p>שלום {{ first_name }}</p>
"""
FILES = {
    "fields.yaml": "first_name: text\n",
    "messages/חשבון.email.html": BILL,
    "messages/notice.email.html": BILL.replace("{{ first_name }}", "היום"),
    "messages/tips.email.html": (
        BILL.replace("operational", "marketing\ntopic: club").replace("{{ first_name }}", "כולם")
    ),
    "messages/pay.sms.txt": "---\ncategory: operational\n---\nשלום {{ first_name }}, לתשלום\n",
    "journeys/גבייה.yaml": (
        'journey: גבייה\nenter:\n  on: list "club"\nsteps:\n  - id: bill\n    send: email חשבון\n'
    ),
}
"""Messages that need a name and one that does not, a marketing one, an SMS, and a journey."""
WAIT_S = 30.0


def make_account(folder: Path, port: int, files: dict[str, str] | None = None) -> Path:
    """The workspace, with its smarthost at this port."""
    toml = TOML.replace("{port}", str(port))
    return workspace(folder, {"blaster.toml": toml, **FILES, **(files or {})})


def people(count: int, first: int = 0) -> str:
    """A file of contacts to import."""
    rows = (f"p{n}@example.com,פלוני {n}" for n in range(first, first + count))
    return "\n".join(["email,first_name", *rows]) + "\n"


class Receiver:
    """A sink on a loop of its own: commands run meanwhile."""

    def __init__(self, sink: SmtpSink, port: int) -> None:
        self._sink = sink
        self.port = port

    @property
    def report(self) -> SinkReport:
        return self._sink.report()

    def messages(self) -> list[bytes]:
        return self._sink.messages()


@contextmanager
def receiving(**behaviour: object) -> Iterator[Receiver]:
    """One provider on a free port; `behaviour` as of `blaster.testing.Provider`."""
    sink = SmtpSink([Provider("one", **behaviour)], sample=100)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sink.start(), loop).result(WAIT_S)
        yield Receiver(sink, sink.ports["one"])
    finally:
        asyncio.run_coroutine_threadsafe(sink.close(), loop).result(WAIT_S)
        wait_for(lambda: not any(tally.connections for tally in sink._tallies))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def wait_for(condition: Callable[[], object]) -> None:
    """Looks again and again, for as long as WAIT_S."""
    end = time.monotonic() + WAIT_S
    never = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come"
        never.wait(0.01)


def begin(*args: str, folder: Path) -> subprocess.Popen[str]:
    """A command in a process of its own, whose streams can be read while it runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "blaster", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
