"""What flows between rooms: types, definitions, records, orders. Values, no behaviour."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.model.definitions import END as END
    from blaster.model.definitions import RELAY_SHAPING as RELAY_SHAPING
    from blaster.model.definitions import SITE_SHAPING as SITE_SHAPING
    from blaster.model.definitions import Account as Account
    from blaster.model.definitions import Add as Add
    from blaster.model.definitions import Again as Again
    from blaster.model.definitions import Block as Block
    from blaster.model.definitions import Branch as Branch
    from blaster.model.definitions import Call as Call
    from blaster.model.definitions import Campaign as Campaign
    from blaster.model.definitions import Cap as Cap
    from blaster.model.definitions import Case as Case
    from blaster.model.definitions import Category as Category
    from blaster.model.definitions import Channel as Channel
    from blaster.model.definitions import ContactList as ContactList
    from blaster.model.definitions import DkimKey as DkimKey
    from blaster.model.definitions import End as End
    from blaster.model.definitions import Entrance as Entrance
    from blaster.model.definitions import EventType as EventType
    from blaster.model.definitions import Exit as Exit
    from blaster.model.definitions import Form as Form
    from blaster.model.definitions import Journey as Journey
    from blaster.model.definitions import Membership as Membership
    from blaster.model.definitions import Message as Message
    from blaster.model.definitions import OnApi as OnApi
    from blaster.model.definitions import OnCreated as OnCreated
    from blaster.model.definitions import OnDate as OnDate
    from blaster.model.definitions import OnEvent as OnEvent
    from blaster.model.definitions import OnForm as OnForm
    from blaster.model.definitions import OnList as OnList
    from blaster.model.definitions import OnRule as OnRule
    from blaster.model.definitions import Rate as Rate
    from blaster.model.definitions import Reset as Reset
    from blaster.model.definitions import RuleText as RuleText
    from blaster.model.definitions import Send as Send
    from blaster.model.definitions import Sender as Sender
    from blaster.model.definitions import Series as Series
    from blaster.model.definitions import SeriesItem as SeriesItem
    from blaster.model.definitions import Set as Set
    from blaster.model.definitions import SetTo as SetTo
    from blaster.model.definitions import Shaping as Shaping
    from blaster.model.definitions import Step as Step
    from blaster.model.definitions import Trigger as Trigger
    from blaster.model.definitions import Wait as Wait
    from blaster.model.definitions import WaitUntil as WaitUntil
    from blaster.model.definitions import Workspace as Workspace
    from blaster.model.fields import BATCH_ROWS as BATCH_ROWS
    from blaster.model.fields import BUILT_IN_FIELDS as BUILT_IN_FIELDS
    from blaster.model.fields import NEVER as NEVER
    from blaster.model.fields import Field as Field
    from blaster.model.fields import FieldType as FieldType
    from blaster.model.fields import Kind as Kind
    from blaster.model.ledger import CampaignStatus as CampaignStatus
    from blaster.model.ledger import StepLedger as StepLedger
    from blaster.model.letters import Choose as Choose
    from blaster.model.letters import Fill as Fill
    from blaster.model.letters import Letter as Letter
    from blaster.model.letters import Link as Link
    from blaster.model.letters import Piece as Piece
    from blaster.model.letters import Plain as Plain
    from blaster.model.letters import Slot as Slot
    from blaster.model.orders import OrderBatch as OrderBatch
    from blaster.model.orders import OutcomeBatch as OutcomeBatch
    from blaster.model.orders import gate as gate
    from blaster.model.orders import key_of as key_of
    from blaster.model.outcomes import IN_DOUBT as IN_DOUBT
    from blaster.model.outcomes import OutcomeCode as OutcomeCode
    from blaster.model.outcomes import cut_reason as cut_reason
    from blaster.model.records import DECISIONS as DECISIONS
    from blaster.model.records import ERASED as ERASED
    from blaster.model.records import EVIDENCE as EVIDENCE
    from blaster.model.records import EXPIRED as EXPIRED
    from blaster.model.records import INPUTS as INPUTS
    from blaster.model.records import NOTHING_BITS as NOTHING_BITS
    from blaster.model.records import RESULTS as RESULTS
    from blaster.model.records import TELLING as TELLING
    from blaster.model.records import Armed as Armed
    from blaster.model.records import Array as Array
    from blaster.model.records import Consented as Consented
    from blaster.model.records import Crossed as Crossed
    from blaster.model.records import Deferred as Deferred
    from blaster.model.records import Diverted as Diverted
    from blaster.model.records import Dropped as Dropped
    from blaster.model.records import Ended as Ended
    from blaster.model.records import Entered as Entered
    from blaster.model.records import Entry as Entry
    from blaster.model.records import Erased as Erased
    from blaster.model.records import FieldsSet as FieldsSet
    from blaster.model.records import Filled as Filled
    from blaster.model.records import Filling as Filling
    from blaster.model.records import Happened as Happened
    from blaster.model.records import Joined as Joined
    from blaster.model.records import Listed as Listed
    from blaster.model.records import Moved as Moved
    from blaster.model.records import Noted as Noted
    from blaster.model.records import Operation as Operation
    from blaster.model.records import Ordered as Ordered
    from blaster.model.records import Outcomes as Outcomes
    from blaster.model.records import Postponed as Postponed
    from blaster.model.records import Published as Published
    from blaster.model.records import Received as Received
    from blaster.model.records import Resumed as Resumed
    from blaster.model.records import Revoked as Revoked
    from blaster.model.records import Started as Started
    from blaster.model.records import Streak as Streak
    from blaster.model.records import Suppressed as Suppressed
    from blaster.model.records import TimeConfirmed as TimeConfirmed
    from blaster.model.records import Took as Took
    from blaster.model.records import Upserted as Upserted
    from blaster.model.records import Withheld as Withheld
    from blaster.model.records import Wrote as Wrote
    from blaster.model.scenarios import Behaviour as Behaviour
    from blaster.model.scenarios import Do as Do
    from blaster.model.scenarios import Expectation as Expectation
    from blaster.model.scenarios import ExpectKind as ExpectKind
    from blaster.model.scenarios import Population as Population
    from blaster.model.scenarios import Scenario as Scenario
    from blaster.model.scenarios import ScenarioEvent as ScenarioEvent
    from blaster.model.scenarios import Span as Span
    from blaster.model.scenarios import Verb as Verb
    from blaster.model.sites import SiteStatus as SiteStatus

_HOMES = {
    "CampaignStatus": "ledger",
    "Rate": "definitions",
    "Campaign": "definitions",
    "IN_DOUBT": "outcomes",
    "Account": "definitions",
    "Add": "definitions",
    "Again": "definitions",
    "Armed": "records",
    "Array": "records",
    "BATCH_ROWS": "fields",
    "BUILT_IN_FIELDS": "fields",
    "Behaviour": "scenarios",
    "Block": "definitions",
    "Branch": "definitions",
    "Call": "definitions",
    "Cap": "definitions",
    "Case": "definitions",
    "Category": "definitions",
    "Channel": "definitions",
    "Choose": "letters",
    "Consented": "records",
    "ContactList": "definitions",
    "Crossed": "records",
    "DECISIONS": "records",
    "Deferred": "records",
    "Diverted": "records",
    "DkimKey": "definitions",
    "Do": "scenarios",
    "Dropped": "records",
    "END": "definitions",
    "ERASED": "records",
    "EXPIRED": "records",
    "NOTHING_BITS": "records",
    "TELLING": "records",
    "End": "definitions",
    "Ended": "records",
    "Entered": "records",
    "Entrance": "definitions",
    "Entry": "records",
    "EventType": "definitions",
    "Exit": "definitions",
    "ExpectKind": "scenarios",
    "Expectation": "scenarios",
    "Field": "fields",
    "FieldType": "fields",
    "FieldsSet": "records",
    "Filled": "records",
    "Filling": "records",
    "Fill": "letters",
    "Form": "definitions",
    "Happened": "records",
    "EVIDENCE": "records",
    "INPUTS": "records",
    "RESULTS": "records",
    "Joined": "records",
    "Journey": "definitions",
    "Kind": "fields",
    "Letter": "letters",
    "Link": "letters",
    "Listed": "records",
    "Membership": "definitions",
    "Message": "definitions",
    "Moved": "records",
    "NEVER": "fields",
    "Noted": "records",
    "OnApi": "definitions",
    "OnCreated": "definitions",
    "OnDate": "definitions",
    "OnEvent": "definitions",
    "OnForm": "definitions",
    "OnList": "definitions",
    "OnRule": "definitions",
    "Operation": "records",
    "OrderBatch": "orders",
    "Ordered": "records",
    "OutcomeBatch": "orders",
    "cut_reason": "outcomes",
    "OutcomeCode": "outcomes",
    "Outcomes": "records",
    "Piece": "letters",
    "Plain": "letters",
    "Population": "scenarios",
    "Erased": "records",
    "Postponed": "records",
    "Published": "records",
    "RELAY_SHAPING": "definitions",
    "Received": "records",
    "Reset": "definitions",
    "Resumed": "records",
    "Revoked": "records",
    "RuleText": "definitions",
    "SITE_SHAPING": "definitions",
    "Scenario": "scenarios",
    "ScenarioEvent": "scenarios",
    "Send": "definitions",
    "Sender": "definitions",
    "Series": "definitions",
    "SeriesItem": "definitions",
    "Set": "definitions",
    "SetTo": "definitions",
    "Shaping": "definitions",
    "SiteStatus": "sites",
    "Slot": "letters",
    "Span": "scenarios",
    "Started": "records",
    "Step": "definitions",
    "StepLedger": "ledger",
    "Streak": "records",
    "Suppressed": "records",
    "TimeConfirmed": "records",
    "Took": "records",
    "Trigger": "definitions",
    "Upserted": "records",
    "Verb": "scenarios",
    "Wait": "definitions",
    "WaitUntil": "definitions",
    "Withheld": "records",
    "Workspace": "definitions",
    "Wrote": "records",
    "gate": "orders",
    "key_of": "orders",
}

__all__ = [
    "BATCH_ROWS",
    "BUILT_IN_FIELDS",
    "DECISIONS",
    "END",
    "ERASED",
    "EVIDENCE",
    "EXPIRED",
    "INPUTS",
    "IN_DOUBT",
    "NEVER",
    "NOTHING_BITS",
    "RELAY_SHAPING",
    "RESULTS",
    "SITE_SHAPING",
    "TELLING",
    "Account",
    "Add",
    "Again",
    "Armed",
    "Array",
    "Behaviour",
    "Block",
    "Branch",
    "Call",
    "Campaign",
    "CampaignStatus",
    "Cap",
    "Case",
    "Category",
    "Channel",
    "Choose",
    "Consented",
    "ContactList",
    "Crossed",
    "Deferred",
    "Diverted",
    "DkimKey",
    "Do",
    "Dropped",
    "End",
    "Ended",
    "Entered",
    "Entrance",
    "Entry",
    "Erased",
    "EventType",
    "Exit",
    "ExpectKind",
    "Expectation",
    "Field",
    "FieldType",
    "FieldsSet",
    "Fill",
    "Filled",
    "Filling",
    "Form",
    "Happened",
    "Joined",
    "Journey",
    "Kind",
    "Letter",
    "Link",
    "Listed",
    "Membership",
    "Message",
    "Moved",
    "Noted",
    "OnApi",
    "OnCreated",
    "OnDate",
    "OnEvent",
    "OnForm",
    "OnList",
    "OnRule",
    "Operation",
    "OrderBatch",
    "Ordered",
    "OutcomeBatch",
    "OutcomeCode",
    "Outcomes",
    "Piece",
    "Plain",
    "Population",
    "Postponed",
    "Published",
    "Rate",
    "Received",
    "Reset",
    "Resumed",
    "Revoked",
    "RuleText",
    "Scenario",
    "ScenarioEvent",
    "Send",
    "Sender",
    "Series",
    "SeriesItem",
    "Set",
    "SetTo",
    "Shaping",
    "SiteStatus",
    "Slot",
    "Span",
    "Started",
    "Step",
    "StepLedger",
    "Streak",
    "Suppressed",
    "TimeConfirmed",
    "Took",
    "Trigger",
    "Upserted",
    "Verb",
    "Wait",
    "WaitUntil",
    "Withheld",
    "Workspace",
    "Wrote",
    "cut_reason",
    "gate",
    "key_of",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
