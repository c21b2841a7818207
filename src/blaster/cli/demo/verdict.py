"""Whether what the engine says, what the providers say, and what was promised agree.

Law: one line per comparison, each with both sides; everything that was not checked disagrees.
"""

from __future__ import annotations

from typing import Any

import msgspec

from blaster.cli.demo.account import Account, Terms, total
from blaster.cli.output import number


class Line(msgspec.Struct, frozen=True):
    """One comparison: what, what it came to, and whether it agrees."""

    what: str
    found: str
    agrees: bool


def judge(account: Account) -> list[Line]:
    """Every comparison, in the order in which they are shown."""
    terms = total(account.counted.steps)
    return [
        *_ledger(account, terms),
        *_arrived(account, terms),
        *_throttle(account),
        _dkim(account),
        _repeats(account),
        _time(account),
    ]


def _ledger(account: Account, terms: Terms) -> list[Line]:
    counted = account.counted
    lines = []
    for step in counted.steps:
        waiting = step.waiting + step.in_flight
        suppressed = sum(step.suppressed.values())
        found = (
            f"{number(step.audience)} = {number(step.accepted)} accepted"
            f" + {number(step.failed)} failed + {number(suppressed)} suppressed"
            f" + {number(step.expired)} expired + {number(step.unknown)} unknown"
            f" + {number(waiting)} waiting or in flight"
        )
        lines.append(Line(f"ledger of {step.step}", found, step.balanced))
        by_rule = counted.sent.get(step.message, 0)
        lines.append(_same(f"sent by rule, {step.message}", by_rule, step.accepted))
        never = counted.not_sent.get(step.message, 0)
        ended = step.failed + suppressed + step.expired + step.unknown
        lines.append(_same(f"not sent by rule, {step.message}", never, ended))
    if not counted.steps:
        lines.append(Line("ledger", "there is none", agrees=False))
    else:
        lines.append(_same("contacts of the file", counted.contacts, account.people))
        lines.append(_same("contacts that entered", counted.entered, counted.contacts))
        lines.append(_same("audience of the first", counted.steps[0].audience, counted.entered))
    lines.append(_same("runs that are not over", counted.running, 0))
    left = terms.waiting + terms.in_flight
    lines.append(_same("sends that are not over", left, 0))
    return lines


def _same(what: str, found: int, wanted: int) -> Line:
    text = number(found) if found == wanted else f"{number(found)}, and not {number(wanted)}"
    return Line(what, text, found == wanted)


def _arrived(account: Account, terms: Terms) -> list[Line]:
    """An order whose end is unknown may have arrived or not; any other is known."""
    distinct = account.sink.distinct
    found = f"{number(terms.accepted)} accepted, {number(distinct)} arrived"
    agrees = terms.accepted <= distinct <= terms.accepted + terms.unknown
    lost = sum(each.without_id for each in account.sink.providers)
    disorderly = sum(each.disorderly for each in account.sink.providers)
    return [
        Line("accepted and arrived", found, agrees),
        _same("arrived without a Message-ID", lost, 0),
        _same("connections that broke the protocol", disorderly, 0),
    ]


def _throttle(account: Account) -> list[Line]:
    lines = []
    for site in account.sites:
        found = f"{number(site.highest)} of {number(site.limit)} in a second"
        lines.append(Line(f"throttle of {site.name}", found, site.highest <= site.limit))
    return lines


def _dkim(account: Account) -> Line:
    checked, wanted = account.dkim, min(account.sample, account.sink.distinct)
    found = f"{number(checked.valid)} of {number(wanted)} valid"
    if checked.why:
        found += f"; {checked.why}"
    return Line("DKIM signatures", found, checked.valid == checked.checked == wanted)


def _repeats(account: Account) -> Line:
    repeated = account.sink.repeated
    found = f"{number(repeated)} repeated, {number(account.in_doubt)} were in doubt"
    return Line("repeats", found, repeated <= account.in_doubt)


def _time(account: Account) -> Line:
    found = f"{account.seconds:.1f} s of {account.time_limit:.1f} s"
    return Line("time", found, account.seconds <= account.time_limit)


def messages_per_second(account: Account) -> float:
    """What this run sent, over the time it took to."""
    return account.messages / account.sending_s if account.sending_s > 0 else 0.0


def cpu_ratio(account: Account) -> float:
    """CPU of the engine's processes per message, over that of one signature."""
    if not account.messages or not account.signatures.cpu_s:
        return 0.0
    return account.cpu_s / account.messages / account.signatures.cpu_s


def as_json(account: Account, lines: list[Line]) -> dict[str, Any]:
    """The account for programs; `differences` names the lines that disagree."""
    return {
        "ledger": {
            **msgspec.to_builtins(total(account.counted.steps)),
            "steps": [
                {**msgspec.to_builtins(step), "balanced": step.balanced}
                for step in account.counted.steps
            ],
        },
        "arrived": account.sink.distinct,
        "repeats": account.sink.repeated,
        "in_doubt": account.in_doubt,
        "throttle": [
            {"site": site.name, "limit": site.limit, "highest": site.highest}
            for site in account.sites
        ],
        "dkim": {"checked": account.dkim.checked, "valid": account.dkim.valid},
        "messages_per_second": round(messages_per_second(account), 1),
        "signatures_per_second": round(account.signatures.per_second, 1),
        "cpu_per_message_over_signature": round(cpu_ratio(account), 3),
        "seconds": round(account.seconds, 2),
        "time_limit": round(account.time_limit, 2),
        "agrees": all(line.agrees for line in lines),
        "differences": [f"{line.what}: {line.found}" for line in lines if not line.agrees],
    }
