"""One SMTP connection (RFC 5321), by aiosmtplib: opened, greeted, encrypted where offered; used for
one transaction after another; given up at the first sign that question and answer do not match.

Laws: nothing waits without end, and nothing is read without end (aiosmtplib bounds a reply to
32 KiB; here it is one line of REASON_BYTES_MAX after that). An answer nobody asked for, a second
answer, or one without a code ends the connection: from then on no reply could be trusted.
The session knows nothing of rings and tables; it says what became of the one message it was given.

STARTTLS is opportunistic (RFC 3207, RFC 7435): encrypted beats plain, and no certificate is looked
at, since whoever could forge one could as well hide the offer. Where it fails, the connection is
opened once more without.

Commands go through `SMTPProtocol.execute_command`, without aiosmtplib's own time-outs: a future, a
timer and a callback for each of four replies were about a quarter of what a transaction cost. One
timer per connection (`_Deadline`) does the same work. `SMTP.mail`, `rcpt` and `data` cost more than
twice as much: they parse addresses and rewrite the content, which are ready here, and `data` does
not say whether it failed before or after the content went out.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponse, SMTPResponseException

from blaster.limits import QUIT_TIMEOUT_S
from blaster.model.outcomes import OutcomeCode
from blaster.transport.desk import Mail
from blaster.transport.frames import Setup
from blaster.transport.replies import (
    NoReply,
    Reply,
    SiteTrouble,
    Stage,
    Verdict,
    in_doubt,
    judge,
    judge_opening,
    lost,
    one_line,
)


class _Wire(Protocol):
    """What is used of aiosmtplib's protocol."""

    _buffer: bytearray

    def write(self, data: bytes) -> None: ...

    async def execute_command(self, *args: bytes) -> SMTPResponse: ...

    async def read_response(self) -> SMTPResponse: ...


class Session:
    """A connection to one host; `messages` counts the transactions that were begun on it."""

    def __init__(self, host: str, port: int, setup: Setup, tls: ssl.SSLContext) -> None:
        self.host = host
        self.port = port
        self.messages = 0
        self._setup = setup
        self._tls = tls
        self._client: SMTP | None = None
        self._wire: _Wire | None = None
        self._size_known = False
        self._size_max = 0
        self._utf8 = False
        self._used = False
        self._deadline = _Deadline(self._time_out)
        self._timed_out = False

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._client is not None and self._client.is_connected

    async def open(self) -> None:
        """Connects, greets, encrypts. Raises SiteTrouble when that does not come about."""
        try:
            if not await self._greet(encrypt=True):
                self.abort()
                await self._greet(encrypt=False)
        except SiteTrouble:
            self.abort()
            raise
        except SMTPResponseException as error:
            self.abort()
            raise judge_opening(error.code, Reply(error.code, error.message).text) from error
        except (SMTPException, OSError, ValueError, RuntimeError) as error:
            # ValueError: a name that is none; RuntimeError: the far end left between two steps.
            self.abort()
            raise SiteTrouble("connect", one_line(_words(error))) from error

    async def _greet(self, *, encrypt: bool) -> bool:
        """False: STARTTLS failed in a way after which this connection is of no use."""
        setup = self._setup
        client = self._client = SMTP(
            hostname=self.host,
            port=self.port,
            local_hostname=setup.host,
            timeout=setup.command_timeout_s,
            start_tls=False,
            tls_context=self._tls,
        )
        await client.connect(timeout=setup.connect_timeout_s)
        await _hello(client)
        if encrypt and client.supports_extension("starttls"):
            try:
                await client.starttls()
            except SMTPResponseException as error:
                refused = 400 <= error.code < 600 and error.code != 421
                if not refused or not client.is_connected:
                    return False
            except (SMTPException, OSError):
                return False
            else:
                await _hello(client)
        size = client.esmtp_extensions.get("size", "").strip()
        self._size_known = client.supports_extension("size")
        self._size_max = int(size) if size.isdecimal() and len(size) <= 20 else 0
        self._utf8 = client.supports_extension("smtputf8")
        self._wire = client.protocol
        if self._wire is None or self._wire._buffer:
            raise SiteTrouble("connect", "more than one greeting")
        return True

    def refusal(self, mail: Mail) -> Verdict | None:
        """What this site need not be asked, since it has said so in its answer to EHLO."""
        if 0 < self._size_max < mail.size:
            text = f"too large: {mail.size:,} bytes, the site takes {self._size_max:,}"
            return Verdict(OutcomeCode.FAILED, text)
        if mail.utf8 and not self._utf8:
            return Verdict(OutcomeCode.FAILED, "needs SMTPUTF8, which the site does not offer")
        return None

    async def transact(self, mail: Mail) -> Verdict:
        """One message from MAIL to the final reply; MAIL is written before anything is awaited."""
        self.messages += 1
        self._used = True
        began = False
        command_s = self._setup.command_timeout_s
        try:
            for stage, command in self._commands(mail):
                if verdict := judge(stage, await self._ask(command, command_s)):
                    return self._after(verdict)
            wire = self._connected()
            self._give(wire, mail.content)
            began = True
            reply = await self._answer(wire.read_response(), self._setup.data_timeout_s)
            if verdict := judge("dot", reply):
                return self._after(verdict)
        except NoReply as error:
            self.abort()
            return lost(error, content_began=began, repeat=mail.repeat)
        except Exception as error:
            self.abort()
            if began:
                return in_doubt(repr(error), repeat=mail.repeat)
            raise
        self._used = False
        return Verdict(OutcomeCode.ACCEPTED, reply.text)

    def _commands(self, mail: Mail) -> tuple[tuple[Stage, bytes], ...]:
        sender = b"MAIL FROM:<" + mail.sender + b">"
        if self._size_known:
            sender += b" SIZE=%d" % mail.size
        if mail.utf8:
            sender += b" SMTPUTF8"
        return (
            ("MAIL", sender),
            ("RCPT", b"RCPT TO:<" + mail.recipient + b">"),
            ("DATA", b"DATA"),
        )

    def _after(self, verdict: Verdict) -> Verdict:
        """A 421 says that the site closes the connection; then so do we."""
        if verdict.trouble == "slow down":
            self.abort()
        return verdict

    async def ready(self) -> bool:
        """Whether another transaction may begin; what is left of a failed one is taken back.

        Raises SiteTrouble when the site answers that with a 421.
        """
        if self.alive and self._used:
            try:
                reply = await self._ask(b"RSET", self._setup.command_timeout_s)
            except NoReply:
                reply = Reply(0, "")
            if reply.code != 250:
                self.abort()
            if reply.code == 421:
                raise SiteTrouble("slow down", reply.text)
            self._used = False
        return self.alive

    async def quit(self) -> None:
        """Says good-bye, and closes whatever comes of it."""
        if self.alive:
            with suppress(NoReply):
                await self._ask(b"QUIT", min(QUIT_TIMEOUT_S, self._setup.command_timeout_s))
        self.abort()

    def abort(self) -> None:
        """Closes at once; bytes not yet sent are thrown away. A transaction under way fails."""
        self._deadline.cancel()
        client, self._client, self._wire = self._client, None, None
        if client is not None and client.transport is not None:
            cast(asyncio.WriteTransport, client.transport).abort()
            client.close()

    def _connected(self) -> _Wire:
        if self._wire is None:
            raise NoReply("closed", "the connection was closed")
        return self._wire

    def _give(self, wire: _Wire, data: bytes) -> None:
        try:
            wire.write(data)
        except SMTPException as error:
            raise NoReply("closed", "the connection was closed") from error

    async def _ask(self, command: bytes, timeout_s: float) -> Reply:
        return await self._answer(self._connected().execute_command(command), timeout_s)

    async def _answer(self, answer: Awaitable[SMTPResponse], timeout_s: float) -> Reply:
        """One reply. Raises NoReply."""
        self._deadline.set(timeout_s)
        try:
            response = await answer
        except SMTPResponseException as error:
            raise NoReply("closed", one_line(error.message)) from error
        except (SMTPException, OSError) as error:
            if self._timed_out:
                raise NoReply("timeout", f"no answer within {timeout_s:g} s") from error
            raise NoReply("closed", "the connection was closed") from error
        finally:
            self._deadline.clear()
        wire = self._wire
        # aiosmtplib keeps what follows a reply and takes it for the answer to the next command.
        if wire is not None and wire._buffer:
            raise NoReply("closed", "more than one answer to one command")
        return Reply(*response)

    def _time_out(self) -> None:
        self._timed_out = True
        self.abort()


async def _hello(client: SMTP) -> None:
    """EHLO, or HELO where that is not known (RFC 5321 section 3.2). Raises SMTPHeloError."""
    try:
        await client.ehlo()
    except SMTPHeloError as error:
        if error.code not in (500, 502) or not client.is_connected:
            raise
        await client.helo()


def _words(error: BaseException) -> str:
    """What the system said, where it said something; the library adds much around it."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    return str(error) or type(error).__name__


def opportunistic() -> ssl.SSLContext:
    """Encryption for its own sake: no certificate is looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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
        if self._loop.time() < self._at:
            self._arm(self._at)
        else:
            self._passed()
