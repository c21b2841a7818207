"""Which transport gets what, and what a publication changes."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from blaster.errors import InputError
from blaster.model.definitions import Account, Workspace
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.sites import SiteStatus
from blaster.transport import SmtpTransport, StubTransport, Switchboard
from tests.transport.support import Heard, batch, rows

STATUS = SiteStatus("a:25", 1.0, 1.0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


class Smtp(StubTransport):
    """Notes what it is asked; accepts with the reason "smtp"."""

    def __init__(self) -> None:
        super().__init__(script=self._say)
        self.calls: list[str] = []
        self.lame: Exception | None = None

    def _say(self, orders) -> OutcomeBatch:
        count = len(orders.numbers)
        return OutcomeBatch(orders.numbers, np.ones(count, np.uint8), ("smtp",) * count)

    def configure(self, workspace):
        self.calls.append("configure")
        if workspace.account.web == "bad":
            raise InputError("no such key")

    def reclaim(self, numbers, repeats):
        self.calls.append("reclaim")
        return OutcomeBatch(numbers[:1], np.ones(1, np.uint8))

    def suppress(self, addresses, scopes):
        self.calls.append("suppress")

    def start(self, outcomes):
        if self.lame is not None:
            raise self.lame
        self.calls.append("start")
        super().start(outcomes)

    def room(self):
        return {"email": 5, "email/marketing/a:25": 3}

    def settled(self, numbers):
        self.calls.append("settled")

    def sites(self):
        return [STATUS]

    def warning(self):
        return "two workers hang" if "start" in self.calls else ""

    def fault(self):
        return "a fault"

    def retire(self):
        self.calls.append("retire")
        super().close()

    def close(self):
        self.calls.append("close")
        super().close()


def definitions(web: str = "", **kinds: str) -> Workspace:
    return Workspace(
        Account(transports={name: {"kind": kind} for name, kind in kinds.items()}, web=web)
    )


@pytest.fixture
def smtp():
    return Smtp()


@pytest.fixture
def board(smtp):
    made = Switchboard(lambda: smtp)
    yield made
    made.close()


def changed(board: Switchboard) -> None:
    """Waits until the changes so far are made."""
    board._changes.submit(lambda: None).result(timeout=30)


def sms(number: int):
    return msgspec.structs.replace(batch([number]), channel="sms")


def test_each_channel_goes_where_it_belongs(board, smtp):
    heard = Heard()
    board.configure(definitions(email="smtp", sms="stub", crm="other"))
    board.start(heard)
    room = board.room()
    assert room == {"email": 5, "email/marketing/a:25": 3, "crm": 0, "webhook": 0}
    board.hand_over(batch([1]))
    board.hand_over(sms(2))
    found = heard.wait(2)
    assert [found[number][1] for number in (1, 2)] == ["smtp", ""]
    assert board.sites() == [STATUS]


def test_the_rest_reaches_the_one_that_knows(board, smtp):
    board.configure(definitions(email="stub"))
    numbers = np.array([4, 5], np.uint64)
    assert list(rows(board.reclaim(numbers, np.array([True, True])))) == [4]
    board.suppress(pa.array(["a@x"]), np.array([1], np.uint64))
    board.start(Heard())
    board.settled(numbers)
    assert smtp.calls == ["reclaim", "suppress", "settled"]


def test_from_the_stub_to_smtp_and_back(board, smtp):
    heard = Heard()
    board.configure(definitions(email="stub"))
    board.start(heard)
    assert "email" not in board.room()
    board.hand_over(batch([1]))
    board.configure(definitions(email="smtp"))
    changed(board)
    assert board.room()["email"] == 5
    board.hand_over(batch([2]))
    board.configure(definitions(email="stub"))
    changed(board)
    board.hand_over(batch([3]))
    reasons = {number: reason for number, (_, reason, _) in heard.wait(3).items()}
    assert reasons == {1: "", 2: "smtp", 3: ""}
    assert smtp.calls == ["configure", "start", "retire"]


def test_what_smtp_refuses_changes_nothing(board, smtp):
    board.configure(definitions(email="stub"))
    board.start(Heard())
    with pytest.raises(InputError):
        board.configure(definitions("bad", email="smtp"))
    assert "email" not in board.room()
    assert smtp.calls == ["configure"]


def test_smtp_that_cannot_be_started_later_is_shown(board, smtp):
    heard = Heard()
    board.configure(definitions(email="stub"))
    board.start(heard)
    smtp.lame = OSError("no processes")
    board.configure(definitions(email="smtp"))
    changed(board)
    assert board.room()["email"] == 0
    assert board.warning() == "e-mail cannot be started: no processes"
    board.hand_over(batch([1]))
    assert heard.wait(1)[1] == (OutcomeCode.DEFERRED, "nothing delivers email now", 0)
    smtp.lame = None
    board.configure(definitions(email="stub"))
    changed(board)
    assert board.warning() == ""
    board.configure(definitions(email="smtp"))
    changed(board)
    assert board.room()["email"] == 5
    assert (board.warning(), board.fault()) == ("two workers hang", "a fault")


def test_a_start_that_fails_is_the_callers(board, smtp):
    smtp.lame = OSError("no processes")
    board.configure(definitions(email="smtp"))
    with pytest.raises(OSError, match="no processes"):
        board.start(Heard())
    board.close()
    assert smtp.calls == ["configure", "close"]


def test_a_channel_that_closed_meanwhile_defers(board):
    heard = Heard()
    board.configure(definitions(email="stub"))
    board.hand_over(sms(1))  # nobody listens yet
    board.start(heard)
    board.hand_over(sms(2))
    assert heard.wait(1) == {2: (OutcomeCode.DEFERRED, "nothing delivers sms now", 0)}


def test_after_close_nothing_starts(smtp):
    board = Switchboard(lambda: smtp)
    board.configure(definitions(email="smtp"))
    board.close()
    board.close()
    board._turn_on()
    assert "start" not in smtp.calls


def test_the_front_has_them():
    assert SmtpTransport.__name__ == "SmtpTransport"
