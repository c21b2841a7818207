"""The steady state of an SMTP connection (RFC 5321): questions out, their answers in.

Laws: a reply is read strictly (section 4.2: three digits from 200 to 599, a hyphen, a space or the
line's end; CRLF and no other line end; one code for all lines) and is at most REPLY_BYTES_MAX long.
What is anything else ends the connection, and so does an answer that nobody asked for: from then on
no question and answer could be trusted to match. No answer is waited for without end.

There is one future for each wait, however many answers it is for, and one timer for a connection.
Nothing waits for what is written to leave: the content, at most MESSAGE_BYTES_MAX, is written at
once, and only its answer counts.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from blaster.limits import REPLY_BYTES_MAX
from blaster.transport.frames import Trouble
from blaster.transport.replies import NoReply, Reply, one_line

_HELD_UP_S = 1.0
"""A timer that goes off so late was held up with the whole process (stopped, suspended): an answer
that came meanwhile is still to be read, and has as long again for that."""
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*+))?\r\n")
_TOO_LONG = f"an answer of more than {REPLY_BYTES_MAX:,} bytes"


class Wire(asyncio.Protocol):
    """Takes over a transport, plain or TLS, on which no answer is due.

    `lost` says how the connection ended, in the words of NoReply.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.lost: tuple[Trouble, str] | None = None
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._deadline = _Deadline(self._time_out)
        self._timeout_s = 0.0
        self._due = 0
        self._replies: list[Reply] = []
        self._waiter: asyncio.Future[list[Reply]] | None = None
        self._code = b""  # of the reply under way, with its lines so far and their bytes
        self._lines: list[bytes] = []
        self._size = 0
        self._rest = b""  # of a line that is under way
        transport.set_protocol(self)

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self.lost is None and not self._transport.is_closing()

    def ask(self, data: bytes, timeout_s: float, replies: int = 1) -> asyncio.Future[list[Reply]]:
        """Writes before it returns; the future has the replies, for each of which there is time.

        Fewer replies than asked for: the connection ended after them. Without any the future raises
        NoReply. Raises NoReply, and has written nothing, when the connection is not alive.
        """
        if self._due or self._transport.is_closing():
            self.abort()
        if self.lost is not None:
            raise NoReply(*self.lost)
        self._due = replies
        self._replies = []
        self._timeout_s = timeout_s
        self._waiter = self._loop.create_future()
        self._transport.write(data)
        self._deadline.set(timeout_s)
        return self._waiter

    def abort(self) -> None:
        """Closes at once; bytes not yet sent are thrown away, and whoever waits is told."""
        self._end("closed", "the connection was closed")

    # --- what the transport says ------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """The next bytes, cut anywhere."""
        if self.lost is not None:
            return
        data = self._rest + data
        at = 0
        while self._due and (line := _LINE.match(data, at)):
            self._add(line)
            at = line.end()
        rest = self._rest = data[at:]
        if rest and not self._due:
            self._replies = []
            self._end("closed", "an answer nobody asked for")
        elif b"\n" in rest:
            self._end("closed", _none(rest.partition(b"\n")[0]))
        elif self._size + len(rest) > REPLY_BYTES_MAX:
            self._end("closed", _TOO_LONG)
        elif not self._due:
            self._deadline.clear()
            self._answer()

    def eof_received(self) -> None:
        """The far end says nothing more."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The far end, or the way there, is gone."""
        self.abort()

    # --- replies ----------------------------------------------------------------------------------

    def _add(self, line: re.Match[bytes]) -> None:
        code, mark, text = line.groups(b"")
        self._size += line.end() - line.start()
        if self._size > REPLY_BYTES_MAX:
            self._end("closed", _TOO_LONG)
        elif self._lines and code != self._code:
            self._end("closed", _none(line[0]))
        else:
            self._code = code
            self._lines.append(text)
            if mark != b"-":
                self._complete()

    def _complete(self) -> None:
        self._replies.append(Reply(int(self._code), _text(b"\n".join(self._lines))))
        self._lines.clear()
        self._size = 0
        self._due -= 1
        if self._due:
            self._deadline.set(self._timeout_s)

    def _time_out(self) -> None:
        self._end("timeout", f"no answer within {self._timeout_s:g} s")

    def _end(self, trouble: Trouble, text: str) -> None:
        if self.lost is None:
            self.lost = trouble, text
            self._due = 0
            self._deadline.cancel()
            self._transport.abort()
            self._answer()

    def _answer(self) -> None:
        """Wakes whoever waits."""
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if self._replies:
            waiter.set_result(self._replies)
        elif self.lost is not None:
            waiter.set_exception(NoReply(*self.lost))


def _none(line: bytes) -> str:
    return one_line(f"an answer that is none: {_text(line)}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


class _Deadline:
    """One timer that is set for every reply and hardly ever touched."""

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed = passed
        self._loop = asyncio.get_running_loop()
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, seconds: float) -> None:
        self._at = self._loop.time() + seconds
        if self._timer is not None and self._timer_at > self._at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._arm(self._at)

    def clear(self) -> None:
        """Nothing is waited for; the timer finds that out when it goes off."""
        self._at = None

    def cancel(self) -> None:
        """Nothing will be waited for any more."""
        self._at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._at is None:
            return
        now = self._loop.time()
        if now < self._at:
            self._arm(self._at)
        elif now > self._timer_at + _HELD_UP_S:
            self._arm(now + _HELD_UP_S)
        else:
            self._passed()
