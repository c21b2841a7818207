"""The deciding part: columns, runs, policy, the pure tick and the fold that applies its records.

Sans-I/O: time and chance are arguments; nothing here opens, waits, logs or sends.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.core.apply import apply_entry as apply_entry
    from blaster.core.apply import apply_operation as apply_operation
    from blaster.core.binding import Rows as Rows
    from blaster.core.campaigns import PHASES as PHASES
    from blaster.core.campaigns import CampaignState as CampaignState
    from blaster.core.capturing import Capture as Capture
    from blaster.core.capturing import Catalogue as Catalogue
    from blaster.core.chunk import Chunk as Chunk
    from blaster.core.column import Column as Column
    from blaster.core.consent import ALL_TOPICS as ALL_TOPICS
    from blaster.core.cutting import only as only
    from blaster.core.cutting import only_rows as only_rows
    from blaster.core.directory import Directory as Directory
    from blaster.core.erasing import erasure_of as erasure_of
    from blaster.core.erasing import forget_words as forget_words
    from blaster.core.filling import Chains as Chains
    from blaster.core.filling import Wanted as Wanted
    from blaster.core.filling import chains_of as chains_of
    from blaster.core.filling import filling_of as filling_of
    from blaster.core.filling import is_filling as is_filling
    from blaster.core.filling import unfilled as unfilled
    from blaster.core.fitting import ARROW_TYPES as ARROW_TYPES
    from blaster.core.fitting import are_short as are_short
    from blaster.core.fitting import fit as fit
    from blaster.core.fitting import value_bytes as value_bytes
    from blaster.core.handover import Handover as Handover
    from blaster.core.handover import may_still as may_still
    from blaster.core.handover import orders_in_flight as orders_in_flight
    from blaster.core.handover import orders_of as orders_of
    from blaster.core.index import Index as Index
    from blaster.core.lateness import Late as Late
    from blaster.core.lateness import lateness_of as lateness_of
    from blaster.core.ledger import OpenSends as OpenSends
    from blaster.core.ledger import campaign_sends as campaign_sends
    from blaster.core.ledger import ledger_of as ledger_of
    from blaster.core.ledger import open_sends as open_sends
    from blaster.core.normalise import is_role as is_role
    from blaster.core.normalise import normalise_domain as normalise_domain
    from blaster.core.normalise import normalise_emails as normalise_emails
    from blaster.core.normalise import normalise_phones as normalise_phones
    from blaster.core.numberset import NumberSet as NumberSet
    from blaster.core.numberset import hash_pairs as hash_pairs
    from blaster.core.oldest import Oldest as Oldest
    from blaster.core.oldest import OldestLook as OldestLook
    from blaster.core.oldest import oldest_orders as oldest_orders
    from blaster.core.orderstates import TRANSITIONS as TRANSITIONS
    from blaster.core.orderstates import Passage as Passage
    from blaster.core.orderstates import SendState as SendState
    from blaster.core.orderstates import Transition as Transition
    from blaster.core.outcomes import bare_reason as bare_reason
    from blaster.core.outcomes import keep_doubt as keep_doubt
    from blaster.core.outcomes import verdict_of as verdict_of
    from blaster.core.ownership import Base as Base
    from blaster.core.ownership import Owners as Owners
    from blaster.core.picture import PICTURE_FORMAT as PICTURE_FORMAT
    from blaster.core.picture import PICTURE_OLDEST as PICTURE_OLDEST
    from blaster.core.picture import decode_picture as decode_picture
    from blaster.core.picture import format_of as format_of
    from blaster.core.plan import CAMPAIGN_STEP as CAMPAIGN_STEP
    from blaster.core.plan import JourneyPlan as JourneyPlan
    from blaster.core.plan import LookStep as LookStep
    from blaster.core.plan import Plan as Plan
    from blaster.core.plan import SendStep as SendStep
    from blaster.core.plan import fields_of as fields_of
    from blaster.core.plan import make_plan as make_plan
    from blaster.core.plan import scope_of as scope_of
    from blaster.core.redacting import redacted as redacted
    from blaster.core.replaying import Replay as Replay
    from blaster.core.requested import REQUEST_KEY as REQUEST_KEY
    from blaster.core.requested import requested_message as requested_message
    from blaster.core.requested import requested_name as requested_name
    from blaster.core.restoring import restore as restore
    from blaster.core.retries import next_tries as next_tries
    from blaster.core.retries import overdue as overdue
    from blaster.core.rows import distinct as distinct
    from blaster.core.runs import JourneyState as JourneyState
    from blaster.core.sending import waits_for_rate as waits_for_rate
    from blaster.core.sending import waits_for_room as waits_for_room
    from blaster.core.sites import Sites as Sites
    from blaster.core.state import State as State
    from blaster.core.suppressing import EVERYTHING as EVERYTHING
    from blaster.core.suppressing import addresses_of as addresses_of
    from blaster.core.suppressing import mask_of as mask_of
    from blaster.core.suppressing import scopes_of as scopes_of
    from blaster.core.suppressing import suppressed_contacts as suppressed_contacts
    from blaster.core.suppressing import topics_of as topics_of
    from blaster.core.suppressing import touched as touched
    from blaster.core.table import Table as Table
    from blaster.core.ticks import has_work as has_work
    from blaster.core.ticks import tick as tick
    from blaster.core.timing import add_months as add_months
    from blaster.core.timing import after_span as after_span

_HOMES = {
    "unfilled": "filling",
    "is_filling": "filling",
    "filling_of": "filling",
    "chains_of": "filling",
    "Wanted": "filling",
    "Chains": "filling",
    "Base": "ownership",
    "CAMPAIGN_STEP": "plan",
    "CampaignState": "campaigns",
    "bare_reason": "outcomes",
    "erasure_of": "erasing",
    "forget_words": "erasing",
    "redacted": "redacting",
    "PHASES": "campaigns",
    "hash_pairs": "numberset",
    "campaign_sends": "ledger",
    "OpenSends": "ledger",
    "open_sends": "ledger",
    "only_rows": "cutting",
    "JourneyState": "runs",
    "REQUEST_KEY": "requested",
    "OldestLook": "oldest",
    "oldest_orders": "oldest",
    "Oldest": "oldest",
    "overdue": "retries",
    "may_still": "handover",
    "EVERYTHING": "suppressing",
    "Owners": "ownership",
    "Passage": "orderstates",
    "Transition": "orderstates",
    "SendState": "orderstates",
    "TRANSITIONS": "orderstates",
    "ARROW_TYPES": "fitting",
    "Capture": "capturing",
    "Catalogue": "capturing",
    "Chunk": "chunk",
    "Column": "column",
    "ALL_TOPICS": "consent",
    "Directory": "directory",
    "Handover": "handover",
    "Index": "index",
    "JourneyPlan": "plan",
    "Late": "lateness",
    "LookStep": "plan",
    "NumberSet": "numberset",
    "PICTURE_FORMAT": "picture",
    "PICTURE_OLDEST": "picture",
    "Plan": "plan",
    "Replay": "replaying",
    "Rows": "binding",
    "SendStep": "plan",
    "Sites": "sites",
    "State": "state",
    "Table": "table",
    "add_months": "timing",
    "addresses_of": "suppressing",
    "after_span": "timing",
    "apply_entry": "apply",
    "apply_operation": "apply",
    "are_short": "fitting",
    "decode_picture": "picture",
    "distinct": "rows",
    "fields_of": "plan",
    "fit": "fitting",
    "format_of": "picture",
    "has_work": "ticks",
    "is_role": "normalise",
    "keep_doubt": "outcomes",
    "lateness_of": "lateness",
    "ledger_of": "ledger",
    "make_plan": "plan",
    "mask_of": "suppressing",
    "next_tries": "retries",
    "normalise_domain": "normalise",
    "normalise_emails": "normalise",
    "normalise_phones": "normalise",
    "only": "cutting",
    "orders_in_flight": "handover",
    "orders_of": "handover",
    "requested_message": "requested",
    "requested_name": "requested",
    "restore": "restoring",
    "scope_of": "plan",
    "scopes_of": "suppressing",
    "suppressed_contacts": "suppressing",
    "tick": "ticks",
    "topics_of": "suppressing",
    "touched": "suppressing",
    "value_bytes": "fitting",
    "verdict_of": "outcomes",
    "waits_for_rate": "sending",
    "waits_for_room": "sending",
}

__all__ = [
    "ALL_TOPICS",
    "ARROW_TYPES",
    "CAMPAIGN_STEP",
    "EVERYTHING",
    "PHASES",
    "PICTURE_FORMAT",
    "PICTURE_OLDEST",
    "REQUEST_KEY",
    "TRANSITIONS",
    "Base",
    "CampaignState",
    "Capture",
    "Catalogue",
    "Chains",
    "Chunk",
    "Column",
    "Directory",
    "Handover",
    "Index",
    "JourneyPlan",
    "JourneyState",
    "Late",
    "LookStep",
    "NumberSet",
    "Oldest",
    "OldestLook",
    "OpenSends",
    "Owners",
    "Passage",
    "Plan",
    "Replay",
    "Rows",
    "SendState",
    "SendStep",
    "Sites",
    "State",
    "Table",
    "Transition",
    "Wanted",
    "add_months",
    "addresses_of",
    "after_span",
    "apply_entry",
    "apply_operation",
    "are_short",
    "bare_reason",
    "campaign_sends",
    "chains_of",
    "decode_picture",
    "distinct",
    "erasure_of",
    "fields_of",
    "filling_of",
    "fit",
    "forget_words",
    "format_of",
    "has_work",
    "hash_pairs",
    "is_filling",
    "is_role",
    "keep_doubt",
    "lateness_of",
    "ledger_of",
    "make_plan",
    "mask_of",
    "may_still",
    "next_tries",
    "normalise_domain",
    "normalise_emails",
    "normalise_phones",
    "oldest_orders",
    "only",
    "only_rows",
    "open_sends",
    "orders_in_flight",
    "orders_of",
    "overdue",
    "redacted",
    "requested_message",
    "requested_name",
    "restore",
    "scope_of",
    "scopes_of",
    "suppressed_contacts",
    "tick",
    "topics_of",
    "touched",
    "unfilled",
    "value_bytes",
    "verdict_of",
    "waits_for_rate",
    "waits_for_room",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
