"""A fact: the name of one column that a rule reads, and the table the core binds it to.

Owns the shape and nothing else; the checker makes facts, the core answers them.

Keys, in the contact space unless said otherwise:

    ("field", NAME)                         kind of the field
    ("number",)                             ID: the contact's number
    ("created",)                            TIME
    ("list", NAME, "member")                BOOL, never missing
    ("list", NAME, "joined" | "left")       TIME of the newest membership
    ("message", CHANNEL, NAME, WHAT)        TIME; WHAT is sent, not_sent, failed, opened, clicked,
                                            bounced, bounced:hard, replied, complained, delivered.
                                            Contact space: of the newest sending; with ":ever"
                                            appended, of any. Run space: of this run's newest.
    ("message", CHANNEL, NAME, "clicked", LINK)   TIME (also "clicked:ever")
    ("message", CHANNEL, NAME, "reason")    CODE
    ("message", CHANNEL, NAME, "reply")     TEXT
    (SPACE, NAME, "last" | "first")         TIME; SPACE is event, form, page or file. Run space:
                                            since the entry; contact space: ever
    (SPACE, NAME, "count")                  INT, 0 when none, contact space
    ("form", NAME, "answer", QUESTION)      TEXT, the newest answer
    ("journey", NAME, "entered" | "finished")     TIME
    ("journey", NAME, "running")            BOOL, never missing
    ("consent", CHANNEL), ("consent", CHANNEL, TOPIC), ("suppressed", CHANNEL)   BOOL
    ("attribute", NAME)                     run space: attribute of what started the run
    ("entered",)                            run space, TIME: the run's entry
    ("extra", NAME)                         a name the caller adds
"""

from __future__ import annotations

from typing import Literal

import msgspec

from blaster.model.fields import Kind


class Fact(msgspec.Struct, frozen=True):
    """One column: the space it lives in, its kind, and its key. Hashable."""

    space: Literal["contact", "run"]
    kind: Kind
    key: tuple[str, ...]
