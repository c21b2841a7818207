"""Names of hosts, domains and sites as they are written, and their one stored form.

A domain is lower-cased and in A-labels, as in a contact's address. A site is `host:port`; an IPv6
host stands in brackets. A text that is none of these is None here; the caller says so.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from blaster.core import normalise_domain

SMTP_PORT = 25
SITE_SHOWN = "mx.example.com, mx.example.com:2525 or [2001:db8::1]:25"

_ONE_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_PORT = re.compile(r"[0-9]{1,5}")


def parse_domain(text: str) -> str | None:
    """The domain behind the @ of an address."""
    return normalise_domain(text.strip())


def parse_host(text: str) -> str | None:
    """A host's name, also one without a dot, or its address; IPv6 in brackets."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        except ValueError:
            return None
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    low = text.lower()
    return low if _ONE_LABEL.fullmatch(low) and not low.isdigit() else normalise_domain(text)


def parse_site(text: str) -> str | None:
    """`host` or `host:port` as `host:port`; the port is 25 when none is given."""
    text = text.strip()
    host, port = text, str(SMTP_PORT)
    if not text.endswith("]") and ":" in text:
        host, _, port = text.rpartition(":")
    name = parse_host(host)
    if name is None or not _PORT.fullmatch(port) or not 1 <= int(port) <= 65_535:
        return None
    return f"{name}:{int(port)}"


def parse_web(text: str) -> str | None:
    """The base address of public pages, `https` only, without a slash at its end."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    plain = re.fullmatch(r"[!-~]*", parts.path) and "\\" not in text
    if parts.scheme != "https" or "@" in parts.netloc or "?" in text or "#" in text or not plain:
        return None
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    name = parse_host(host)
    if name is None:
        return None
    where = name if port is None else f"{name}:{port}"
    return f"https://{where}{parts.path.rstrip('/')}"
