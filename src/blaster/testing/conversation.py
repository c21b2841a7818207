"""One SMTP connection of the sink: bytes in, replies out; no line of a message is looked at.

Owns RFC 5321 as far as a sender meets it, with PIPELINING (RFC 2920), CHUNKING (RFC 3030), SIZE
(RFC 1870), 8BITMIME and SMTPUTF8. Lines end in CRLF only. The end of a message is found by one
search; stuffed dots are left as they are, so what is kept has one more dot where a line began with
one. Bounded: a command line, a message and the number of bad commands of a connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from blaster.limits import MESSAGE_BYTES_MAX
from blaster.testing.providers import Tally

LINE_BYTES_MAX = 4_096
"""A command line; RFC 5321 asks for 512 and more with extensions."""
BAD_COMMANDS_MAX = 20
"""Then the connection is ended: what is at the other end is no mailer."""
RECIPIENTS_MAX = 1_000
"""Of one message."""

_COMMAND, _DATA, _CHUNK = range(3)
_END = b"\r\n.\r\n"
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>\r\n]*)>(.*)", re.IGNORECASE)
_SIZE = re.compile(rb"\bSIZE=(\d+)", re.IGNORECASE)
_CHUNK_OF = re.compile(rb"(\d{1,10})(\s+LAST)?\s*", re.IGNORECASE)


class Conversation(asyncio.Protocol):
    """Plays one provider to one client."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._provider = tally.provider
        self._limit = tally.provider.size or MESSAGE_BYTES_MAX
        self._transport: Any = None
        self._rest = bytearray()
        self._replies: list[bytes] = []
        self._state = _COMMAND
        self._greeted = self._mail = self._ending = False
        self._recipients = self._bad = 0
        # In a message: where it begins in the buffer, and from where its end is looked for.
        self._begin = self._search = 0
        self._chunks = bytearray()
        self._chunk_left = 0
        self._chunk_last = self._chunk_good = self._chunked = False

    # --- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        tally = self._tally
        tally.connections += 1
        tally.connections_highest = max(tally.connections_highest, tally.connections)
        self._transport.write(b"220 %s ESMTP\r\n" % self._provider.name.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.connections -= 1
        self._reset()

    def eof_received(self) -> bool:
        return False  # and is closed

    def data_received(self, data: bytes) -> None:
        """Everything these bytes complete, answered in one write."""
        if self._is_over():
            return
        buffer: bytes | bytearray = data
        if self._rest:
            self._rest += data
            buffer = self._rest
        at = self._read(buffer)
        if self._is_over():
            self._rest.clear()
        elif buffer is self._rest:
            del self._rest[:at]
        else:
            self._rest += buffer[at:]
        self._tally.journal.flush()
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
        if self._is_over():
            self._transport.close()

    def _is_over(self) -> bool:
        return self._ending

    def _read(self, buffer: bytes | bytearray) -> int:
        """Reads as far as it goes; answers how much of the buffer is done with."""
        at = 0
        while not self._ending:
            if self._state == _DATA:
                end = self._message(buffer)
                if end < 0:  # the line break before the message may be part of its end
                    at = self._begin - 2
                    self._begin, self._search = 2, self._search - at
                    return at
            elif self._state == _CHUNK:
                end = self._chunk(buffer, at)
                if end < 0:
                    return len(buffer)
            else:
                stop = buffer.find(b"\n", at)
                if stop < 0:
                    if len(buffer) - at > LINE_BYTES_MAX:
                        self._disorder(b"500 5.5.2 line too long\r\n")
                    return at
                end = stop + 1
                self._line(bytes(buffer[at:end]), end, len(buffer))
            at = end
        return at

    # --- commands -------------------------------------------------------------------------------

    def _line(self, line: bytes, end: int, size: int) -> None:
        if not line.endswith(b"\r\n"):
            self._disorder(b"500 5.5.2 a line ends in CR LF\r\n")
            return
        if end < size and not self._provider.pipelining and line[:4].upper() != b"BDAT":
            self._disorder(b"503 5.5.0 PIPELINING was not offered\r\n")
            return
        verb, _, rest = line[:-2].partition(b" ")
        command = _COMMANDS.get(verb.upper())
        if command is None:
            self._refuse(b"500 5.5.2 no such command\r\n")
        elif command is Conversation._data and not rest:
            self._data(end)
        else:
            command(self, rest)

    def _reply(self, reply: bytes) -> None:
        self._replies.append(reply)

    def _refuse(self, reply: bytes) -> None:
        """An error of the client's; too many end the connection."""
        self._bad += 1
        if self._bad >= BAD_COMMANDS_MAX:
            self._disorder(b"421 4.7.0 too many errors\r\n")
        else:
            self._reply(reply)

    def _disorder(self, reply: bytes) -> None:
        self._tally.disorder()
        self._reply(reply)
        self._ending = True

    def _hello(self, name: bytes) -> None:
        self._greet(name, b"250 %s\r\n" % self._provider.name.encode())

    def _greet(self, name: bytes, reply: bytes) -> None:
        if not name.strip():
            self._refuse(b"501 5.5.4 who are you?\r\n")
            return
        self._reset()
        self._greeted = True
        self._reply(reply)

    def _extended_hello(self, name: bytes) -> None:
        words = [self._provider.name.encode(), b"SIZE %d" % self._limit, b"8BITMIME"]
        words += [b"PIPELINING"] * self._provider.pipelining
        words += [b"CHUNKING"] * self._provider.chunking
        words += [b"ENHANCEDSTATUSCODES"]
        lines = [b"250-%s\r\n" % word for word in words]
        self._greet(name, b"".join([*lines, b"250 SMTPUTF8\r\n"]))

    def _mail_from(self, rest: bytes) -> None:
        path = _PATH.match(rest)
        if not self._greeted or self._mail:
            self._refuse(b"503 5.5.1 not now\r\n")
        elif path is None or rest[:5].upper() != b"FROM:":
            self._refuse(b"501 5.5.4 MAIL FROM:<address>\r\n")
        elif self._tally.turns_away():
            self._reply(b"421 4.7.0 too many messages from you; come back later\r\n")
            self._ending = True
        elif (size := _SIZE.search(path[2])) and int(size[1]) > self._limit:
            self._reply(b"552 5.3.4 %d bytes are the most\r\n" % self._limit)
        else:
            self._mail = True
            self._tally.open += 1
            self._reply(b"250 2.1.0 ok\r\n")

    def _recipient(self, rest: bytes) -> None:
        path = _PATH.match(rest)
        if not self._mail or self._chunked:
            self._refuse(b"503 5.5.1 MAIL first\r\n")
        elif path is None or rest[:3].upper() != b"TO:":
            self._refuse(b"501 5.5.4 RCPT TO:<address>\r\n")
        elif b"@" not in path[1]:
            self._reply(b"501 5.1.3 that is no address\r\n")
        elif self._recipients >= RECIPIENTS_MAX:
            self._reply(b"452 4.5.3 too many recipients\r\n")
        elif not self._tally.takes(path[1]):
            self._reply(b"550 5.7.1 not our domain\r\n")
        elif self._tally.refuses(path[1]):
            self._reply(b"550 5.1.1 no such mailbox\r\n")
        elif self._tally.defers(path[1]):
            self._reply(b"450 4.2.0 come again in a few minutes\r\n")
        else:
            self._recipients += 1
            self._reply(b"250 2.1.5 ok\r\n")

    def _data(self, end: int | bytes) -> None:
        """`end` is where the message begins; text behind the word is refused."""
        if not isinstance(end, int):
            self._refuse(b"501 5.5.4 DATA takes nothing\r\n")
        elif not self._mail or self._chunked:
            self._refuse(b"503 5.5.1 MAIL first\r\n")
        elif not self._recipients:
            self._reply(b"554 5.5.1 no valid recipients\r\n")
        else:
            self._state = _DATA
            self._begin, self._search = end, end - 2
            self._reply(b"354 go on\r\n")

    def _message(self, buffer: bytes | bytearray) -> int:
        """Where the message's end mark ends, or -1 until it has come."""
        end = buffer.find(_END, self._search)
        if end < 0:
            self._search = max(self._begin - 2, len(buffer) - len(_END) + 1)
            if len(buffer) - self._begin > self._limit + len(_END):
                self._disorder(b"552 5.3.4 too much\r\n")
            return -1
        self._state = _COMMAND
        self._arrived(bytes(buffer[self._begin : max(self._begin, end + 2)]), stuffed=True)
        return end + len(_END)

    def _chunk_command(self, rest: bytes) -> None:
        size = _CHUNK_OF.fullmatch(rest)
        if not self._provider.chunking:
            self._refuse(b"502 5.5.1 CHUNKING was not offered\r\n")
            self._ending = True  # what follows cannot be told from commands
        elif size is None:
            self._disorder(b"501 5.5.4 BDAT size [LAST]\r\n")
        else:
            self._state = _CHUNK
            self._chunk_left, self._chunk_last = int(size[1]), size[2] is not None
            self._chunk_good = self._recipients > 0
            if len(self._chunks) + self._chunk_left > self._limit:
                self._disorder(b"552 5.3.4 too much\r\n")

    def _chunk(self, buffer: bytes | bytearray, at: int) -> int:
        """Where the chunk ends, or -1 until all of it has come; what is there is taken."""
        taken = min(self._chunk_left, len(buffer) - at)
        if self._chunk_good:
            self._chunks += buffer[at : at + taken]
        self._chunk_left -= taken
        if self._chunk_left:
            return -1
        self._state = _COMMAND
        if not self._chunk_good:
            self._refuse(b"503 5.5.1 RCPT first\r\n")
        elif self._chunk_last:
            self._arrived(bytes(self._chunks), stuffed=False)
        else:
            self._chunked = True
            self._reply(b"250 2.0.0 go on\r\n")
        return at + taken

    def _arrived(self, message: bytes, *, stuffed: bool) -> None:
        if len(message) > self._limit:
            self._reply(b"552 5.3.4 %d bytes are the most\r\n" % self._limit)
        else:
            self._tally.accept(message, stuffed=stuffed)
            self._reply(b"250 2.0.0 taken\r\n")
        self._reset()

    def _reset(self) -> None:
        """No message is under way any more."""
        self._tally.open -= self._mail
        self._mail = self._chunked = False
        self._recipients = 0
        self._chunks = bytearray()

    def _start_again(self, rest: bytes) -> None:
        self._reset()
        self._reply(b"250 2.0.0 ok\r\n")

    def _nothing(self, rest: bytes) -> None:
        self._reply(b"250 2.0.0 ok\r\n")

    def _cannot_say(self, rest: bytes) -> None:
        self._reply(b"252 2.5.0 send it and see\r\n")

    def _bye(self, rest: bytes) -> None:
        self._reply(b"221 2.0.0 bye\r\n")
        self._ending = True


_COMMANDS: dict[bytes, Callable[[Conversation, Any], None]] = {
    b"EHLO": Conversation._extended_hello,
    b"HELO": Conversation._hello,
    b"MAIL": Conversation._mail_from,
    b"RCPT": Conversation._recipient,
    b"DATA": Conversation._data,
    b"BDAT": Conversation._chunk_command,
    b"RSET": Conversation._start_again,
    b"NOOP": Conversation._nothing,
    b"VRFY": Conversation._cannot_say,
    b"QUIT": Conversation._bye,
}
