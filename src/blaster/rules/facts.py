"""A fact: the name of one column that a rule reads, and the table the core binds it to.

Owns the shape and nothing else; the checker makes facts, the core answers them.

Keys, in the contact space unless said otherwise:

    ("field", NAME)                         kind of the field
    ("number",)                             ID: the contact's number
    ("created",)                            TIME
    ("list", NAME, "member")                BOOL, never missing
    ("list", NAME, "joined" | "left")       TIME of the newest membership
    ("message", CHANNEL, NAME, WHAT)        TIME; WHAT is sent, not_sent, failed, opened, clicked,
                                            bounced, bounced:hard, bounced:soft, replied,
                                            complained, delivered;
                                            with ":any" behind opened, clicked, replied also those
                                            of scanners and automatic answers.
                                            Contact space: of the newest sending; with ":ever"
                                            appended, of any (opened:any:ever). Run space: of this
                                            run's newest.
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
    (SPACE, NAME, "each")                   EVENTS: every such event, filled form, visited page or
                                            file downloaded. Run space: since the entry
    ("messages", "each")                    EVENTS: every sending that left, at its `sent`; items
                                            channel, name, category, topic (CODE), opened, clicked,
                                            replied (TIME). Run space: since the entry
    ("field", NAME, "changed")              TIME of the newest change. Run space: since the entry
    ("benefit", NAME)                       BOOL, never missing
    ("journey", NAME, "step")               CODE: where the newest run that is not over stands
    ("last_activity",)                      TIME
    ("provider",)                           CODE: of the mailbox

In the item space, inside the filter of an EVENTS fact only; nobody binds them:

    ("item", NAME)                          an attribute of the happening, one of the fact's items
    ("at",)                                 TIME: the happening's own instant
"""

from __future__ import annotations

from typing import Literal

import msgspec

from blaster.model.fields import Kind


class Item(msgspec.Struct, frozen=True):
    """An attribute of a happening, in the kind that the rule reads it in. Hashable."""

    name: str
    kind: Kind
    scale: int = 0


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column: the space it lives in, its kind, and its key. Hashable.

    `items` are what an EVENTS fact needs of each happening, beside its instant.
    """

    space: Literal["contact", "run", "item"]
    kind: Kind
    key: tuple[str, ...]
    items: tuple[Item, ...] = ()
