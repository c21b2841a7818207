"""DKIM signatures: relaxed/relaxed, rsa-sha256 (RFC 6376, RFC 8301).

Owns the canonical forms (RFC 6376 sections 3.4.2 and 3.4.4) and the DKIM-Signature field; keys are
keys.py's. Never changes a message: a field is made that is put before it. Laws:

1. A message is read once: each header field and the body go in canonical form into one buffer,
   which the signer keeps for the next message.
2. Of every name in NAMES all fields are signed, the last one first, as verifiers take them (section
   5.4.2). From is named once more than there are fields, so that none can be added.
3. No line of the field is longer than 78 characters, unless the domain or selector is.
4. A body is judged as it goes over the wire, where its last line is ended by CRLF.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp

from base64 import b64encode
from hashlib import sha256

from blaster.errors import BlasterError
from blaster.transport.keys import ascii_name, load_key

cdef tuple NAMES = (
    b"from", b"subject", b"to", b"date", b"message-id", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post", b"reply-to",
)

cdef enum:
    COUNT = 11                  # of NAMES
    FROM = 0
    LINE_MAX = 78               # RFC 5322 section 2.1.1
    BUFFER_KEPT_MAX = 1 << 20   # a larger buffer is given back after its message
    TAB = 9
    LF = 10
    CR = 13
    SPACE = 32
    COLON = 58

cdef (const uint8_t*)[COUNT] name_of     # into the bytes of NAMES
cdef Py_ssize_t[COUNT] size_of
cdef Py_ssize_t _kind
assert len(NAMES) == COUNT
for _kind in range(COUNT):
    name_of[_kind] = <const uint8_t*><const char*>(<bytes>NAMES[_kind])
    size_of[_kind] = len(NAMES[_kind])


# --- canonical forms ----------------------------------------------------------------------------


cdef Py_ssize_t field_end(const uint8_t* data, Py_ssize_t size, Py_ssize_t start) noexcept nogil:
    # Past the CRLF that ends the field which starts there; -1 when none does.
    cdef Py_ssize_t at = start
    cdef const uint8_t* found
    while at < size:
        found = <const uint8_t*>memchr(data + at, LF, <size_t>(size - at))
        if found == NULL:
            return -1
        at = (found - data) + 1
        if at - start < 2 or data[at - 2] != CR:
            return -1
        if at == size or (data[at] != SPACE and data[at] != TAB):
            return at
    return -1


cdef Py_ssize_t relax_field(
    const uint8_t* data, Py_ssize_t size, uint8_t* out
) noexcept nogil:
    # Section 3.4.2: `name:value` CRLF, name in lower case, unfolded, white space one SP or none.
    cdef Py_ssize_t at = 0, n = 0, value
    cdef bint gap = False
    cdef uint8_t byte
    while at < size and data[at] > SPACE and data[at] != COLON:
        byte = data[at]
        out[n] = byte | 0x20 if 65 <= byte <= 90 else byte
        n += 1
        at += 1
    while at < size and (data[at] == SPACE or data[at] == TAB):
        at += 1
    if n == 0 or at == size or data[at] != COLON:
        return -1
    out[n] = COLON
    n += 1
    value = n
    for at in range(at + 1, size - 2):
        byte = data[at]
        if byte == SPACE or byte == TAB:
            gap = True
        elif byte == CR:
            if data[at + 1] != LF:
                return -1
        elif byte != LF:            # an LF here is one of a fold: field_end saw to it
            if gap and n > value:
                out[n] = SPACE
                n += 1
            gap = False
            out[n] = byte
            n += 1
    out[n] = CR
    out[n + 1] = LF
    return n + 2


cdef Py_ssize_t relax_body(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil:
    # Section 3.4.4: white space one SP, none at the end of a line, no empty lines at the end. The
    # loop over bytes has no branches: where words end cannot be foretold, and a miss costs more.
    cdef Py_ssize_t at = 0, n = 0, end
    cdef bint gap = False, is_gap, ended
    cdef const uint8_t* found
    while at < size:
        found = <const uint8_t*>memchr(data + at, LF, <size_t>(size - at))
        end = (found - data) + 1 if found != NULL else size
        ended = found != NULL and end - at >= 2 and data[end - 2] == CR
        for at in range(at, end - 2 if ended else end):
            is_gap = (data[at] == SPACE) | (data[at] == TAB)
            out[n] = SPACE if is_gap else data[at]
            n += not (is_gap & gap)
            gap = is_gap
        at = end
        if ended:
            n -= gap
            gap = False
            out[n] = CR
            out[n + 1] = LF
            n += 2
    n -= gap
    while n >= 2 and out[n - 2] == CR and out[n - 1] == LF:
        n -= 2
    if n == 0:
        return 0
    out[n] = CR
    out[n + 1] = LF
    return n + 2


cdef int _kind_of(const uint8_t* field, Py_ssize_t size) noexcept nogil:
    # Which of NAMES a canonical field has; -1 for another.
    cdef int kind
    for kind in range(COUNT):
        if (
            size > size_of[kind] and field[size_of[kind]] == COLON
            and memcmp(field, name_of[kind], <size_t>size_of[kind]) == 0
        ):
            return kind
    return -1


def relaxed_head(bytes head not None):
    """A header block (CRLF lines) in relaxed form. Raises BlasterError for what is none."""
    cdef const uint8_t* data = head
    cdef Py_ssize_t size = len(head), at = 0, end, n = 0, more
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t* out = <uint8_t*><char*>made
    while at < size:
        end = field_end(data, size, at)
        more = relax_field(data + at, end - at, out + n) if end >= 0 else -1
        if more < 0:
            raise _no_field(head, at)
        n += more
        at = end
    return made[:n]


def relaxed_body(bytes body not None):
    """A body (CRLF lines) in relaxed form; b"" for one of empty lines alone."""
    cdef Py_ssize_t size = len(body)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size + 2)
    return made[:relax_body(body, size, <uint8_t*><char*>made)]


cdef object _no_field(bytes head, Py_ssize_t at):
    line = head[at:at + 40].split(b"\n")[0]
    return BlasterError(f"a message cannot be signed: {line!r} does not begin a header field")


# --- signing ------------------------------------------------------------------------------------


cdef class Signer:
    """Signs for one domain with one key. For one thread at a time.

    Raises InputError for a key or a name that cannot be used; `checked` as in keys.load_key.
    """

    def __cinit__(self, str domain not None, str selector not None, bytes pem not None, *, checked):
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        self.domain = ascii_name(domain, "domain")
        self.selector = ascii_name(selector, "selector")
        self.key = load_key(domain, selector, pem, checked=checked)
        self.padding = PKCS1v15()
        self.digest = SHA256()
        self.opening = _folded([
            b"DKIM-Signature: v=1;", b" a=rsa-sha256;", b" c=relaxed/relaxed;",
            f" d={self.domain};".encode(), f" s={self.selector};".encode(),
        ])

    def __dealloc__(self):
        free(self.buffer)

    cdef int reserve(self, Py_ssize_t size) except -1:
        # Room for the canonical form of a message of `size` bytes.
        cdef uint8_t* larger
        if size > self.capacity:
            larger = <uint8_t*>realloc(self.buffer, <size_t>size)
            if larger == NULL:
                raise MemoryError()
            self.buffer = larger
            self.capacity = size
        return 0

    def sign(self, bytes head not None, bytes body not None, now):
        """The field `DKIM-Signature: ...` CRLF that is put before the message.

        `head`: its header fields, CRLF lines, without the empty line; `body`: CRLF lines; `now`:
        seconds since 1970. Raises BlasterError for a head that is none, that has no From, or more
        than SIGNED_FIELDS_MAX fields to be signed.
        """
        cdef Span[SIGNED_FIELDS_MAX] spans
        cdef const uint8_t* data = head
        cdef Py_ssize_t size = len(head), at = 0, end, n = 0, more, body_size
        cdef int count = 0
        self.reserve(size + len(body) + 2)
        while at < size:
            end = field_end(data, size, at)
            more = relax_field(data + at, end - at, self.buffer + n) if end >= 0 else -1
            if more < 0:
                raise _no_field(head, at)
            at = end
            kind = _kind_of(self.buffer + n, more)
            if kind < 0:
                continue            # not signed: the next field takes its place
            if count == SIGNED_FIELDS_MAX:
                raise BlasterError(
                    f"a message cannot be signed: more than {SIGNED_FIELDS_MAX} fields to sign"
                )
            spans[count].start, spans[count].size, spans[count].kind = n, more, kind
            count += 1
            n += more
        body_size = relax_body(body, len(body), self.buffer + n)
        view = PyMemoryView_FromMemory(<char*>self.buffer + n, body_size, PyBUF_READ)
        body_hash = b64encode(sha256(view).digest())
        names, fields = _chosen(self.buffer, spans, count)
        if self.capacity > BUFFER_KEPT_MAX:
            free(self.buffer)
            self.buffer = NULL
            self.capacity = 0
        field = _folded([
            self.opening, f" t={now:d};".encode(), *names, b" bh=" + body_hash + b";",
        ]) + b"\r\n b="
        fields.append(relaxed_head(field + b"\r\n").removesuffix(b"\r\n"))
        signature = self.key.sign(b"".join(fields), self.padding, self.digest)
        return field + _cut(b64encode(signature)) + b"\r\n"


cdef tuple _chosen(const uint8_t* buffer, const Span* spans, int count):
    # The parts of the tag h=, and the canonical fields, in one order: the last of a name is first.
    cdef int kind, at
    cdef list names = [], fields = []
    for kind in range(COUNT):
        for at in range(count - 1, -1, -1):
            if spans[at].kind == kind:
                names.append(b":" + NAMES[kind])
                fields.append((<const char*>buffer + spans[at].start)[:spans[at].size])
        if kind == FROM:
            if not names:
                raise BlasterError("a message cannot be signed: it has no From")
            names[0] = b" h=from"
            names.append(b":from")
    names.append(names.pop() + b";")
    return names, fields


cdef bytes _folded(list parts):
    # The parts one after another, a fold before each that would make its line too long. The first
    # may have lines of its own; a part begins where a fold may stand, with a space or a colon.
    cdef list out = []
    cdef Py_ssize_t column = 0, at
    for part in parts:
        if out and column + len(part) > LINE_MAX:
            out.append(b"\r\n ")
            part = part.removeprefix(b" ")
            column = 1
        out.append(part)
        at = part.rfind(b"\n")
        column = column + len(part) if at < 0 else len(part) - at - 1
    return b"".join(out)


cdef bytes _cut(bytes signature):
    # Base64 behind "b=" (column 3), in lines.
    cdef list lines = [signature[:LINE_MAX - 3]]
    cdef Py_ssize_t at
    for at in range(LINE_MAX - 3, len(signature), LINE_MAX - 1):
        lines.append(signature[at:at + LINE_MAX - 1])
    return b"\r\n ".join(lines)
