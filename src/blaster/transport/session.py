"""One SMTP connection (RFC 5321): opened, greeted and encrypted by aiosmtplib, then used by our own
protocol (`Wire`) for one transaction after another; given up at the first sign that question and
answer do not match.

Laws: nothing waits without end, and nothing is read without end (aiosmtplib bounds a reply to
32 KiB, `Wire` to REPLY_BYTES_MAX). MAIL, RCPT and DATA go out together where the site offers that
(RFC 2920), the content only after a 354 that is the third of three good answers. A site that asks
for content after it refused the sender or the recipient gets none: the connection is closed.
The session knows nothing of rings and tables; it says what became of the one message it was given.

STARTTLS is opportunistic (RFC 3207, RFC 7435): encrypted beats plain, and no certificate is looked
at, since whoever could forge one could as well hide the offer. Where it fails, the connection is
opened once more without.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException

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
from blaster.transport.wire import Wire

_ENVELOPE: tuple[Stage, ...] = ("MAIL", "RCPT", "DATA")


class Session:
    """A connection to one host; `messages` counts the transactions that were begun on it, `left`
    says that it stood until we said good-bye.
    """

    def __init__(self, host: str, port: int, setup: Setup, tls: ssl.SSLContext) -> None:
        self.host = host
        self.port = port
        self.messages = 0
        self.left = False
        self._setup = setup
        self._tls = tls
        self._client: SMTP | None = None  # while it opens
        self._wire: Wire | None = None  # from then on
        self._pipelining = False
        self._size_known = False
        self._size_max = 0
        self._utf8 = False
        self._used = False
        self._parting: SiteTrouble | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._wire is not None and self._wire.alive

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
        self._take_over(client)
        return True

    def _take_over(self, client: SMTP) -> None:
        protocol, transport = client.protocol, client.transport
        # What follows the last reply is kept in that buffer, and nobody would look at it again.
        if protocol is None or transport is None or protocol._buffer:
            raise SiteTrouble("connect", "more than one greeting")
        size = client.esmtp_extensions.get("size", "").strip()
        self._size_known = client.supports_extension("size")
        self._size_max = int(size) if size.isdecimal() and len(size) <= 20 else 0
        self._utf8 = client.supports_extension("smtputf8")
        self._pipelining = client.supports_extension("pipelining")
        self._wire = Wire(cast(asyncio.Transport, transport))
        self._client = None

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
        try:
            wire = self._connected()
            if verdict := await self._envelope(wire, mail):
                return self._after(verdict)
            began = wire.alive  # or nothing is written
            (reply,) = await wire.ask(mail.content, self._setup.data_timeout_s)
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

    async def _envelope(self, wire: Wire, mail: Mail) -> Verdict | None:
        """MAIL, RCPT and DATA; None: the site waits for the content."""
        commands = self._commands(mail)
        timeout_s = self._setup.command_timeout_s
        if not self._pipelining:
            for stage, command in zip(_ENVELOPE, commands, strict=True):
                (reply,) = await wire.ask(command, timeout_s)
                if verdict := judge(stage, reply):
                    return verdict
            return None
        replies = await wire.ask(b"".join(commands), timeout_s, len(commands))
        for at, reply in enumerate(replies):
            if verdict := judge(_ENVELOPE[at], reply):
                self._look_behind(replies[at + 1 :])
                return verdict
        if len(replies) < len(commands) and wire.lost is not None:
            raise NoReply(*wire.lost)
        return None

    def _look_behind(self, replies: list[Reply]) -> None:
        """What followed a refusal. It changes nothing for the order, but may for the connection."""
        for reply in replies:
            if reply.code == 421:
                self._parting = SiteTrouble("slow down", reply.text)
            if reply.code in (354, 421):
                self.abort()

    def _commands(self, mail: Mail) -> tuple[bytes, ...]:
        options = b" SIZE=%d" % mail.size if self._size_known else b""
        if mail.utf8:
            options += b" SMTPUTF8"
        return (
            b"MAIL FROM:<%b>%b\r\n" % (mail.sender, options),
            b"RCPT TO:<%b>\r\n" % mail.recipient,
            b"DATA\r\n",
        )

    def _after(self, verdict: Verdict) -> Verdict:
        """A 421 says that the site closes the connection; then so do we."""
        if verdict.trouble == "slow down":
            self._parting = None  # the verdict says it
            self.abort()
        return verdict

    async def ready(self) -> bool:
        """Whether another transaction may begin; what is left of a failed one is taken back.

        Raises SiteTrouble when the site has parted, or parts now, with a 421.
        """
        if self._parting is None and self._used and self.alive:
            try:
                reply = await self._ask(b"RSET\r\n", self._setup.command_timeout_s)
            except NoReply:
                reply = Reply(0, "")
            if reply.code != 250:
                self.abort()
            if reply.code == 421:
                self._parting = SiteTrouble("slow down", reply.text)
            self._used = False
        if self._parting is not None:
            raise self._parting
        return self.alive

    async def quit(self) -> None:
        """Says good-bye, and closes whatever comes of it."""
        if self.alive:
            self.left = True
            with suppress(NoReply):
                await self._ask(b"QUIT\r\n", min(QUIT_TIMEOUT_S, self._setup.command_timeout_s))
        self.abort()

    def abort(self) -> None:
        """Closes at once; bytes not yet sent are thrown away. A transaction under way fails."""
        client, self._client = self._client, None
        if client is not None and client.transport is not None:
            cast(asyncio.WriteTransport, client.transport).abort()
            client.close()
        if self._wire is not None:
            self._wire.abort()

    def _connected(self) -> Wire:
        if self._wire is None:
            raise NoReply("closed", "the connection was closed")
        return self._wire

    async def _ask(self, command: bytes, timeout_s: float) -> Reply:
        (reply,) = await self._connected().ask(command, timeout_s)
        return reply


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
