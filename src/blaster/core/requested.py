"""Journeys that nobody wrote: one send of one message, made by request.

`send email NAME` is such a journey's name, `send` its one step. It comes into being with the first
request and has one version for ever; it is open while its message is published, and keeps what the
message reads of the request. A written journey of that name goes before it. A request may have a
key, in the column REQUEST_KEY of its data: to one contact the same key sends once, ever.
"""

from __future__ import annotations

from blaster.core.plan import JourneyPlan, compile_journey
from blaster.core.runs import JourneyState
from blaster.core.state import State
from blaster.model import definitions as model

CHANNELS: tuple[model.Channel, ...] = ("email", "sms")
STEP = "send"
REQUEST_KEY = "#key"
"""No name that a message could read."""


def requested_name(channel: str, message: str) -> str:
    """What the journey that sends this message by request is called."""
    return f"send {channel} {message}"


def requested_message(journey: str) -> tuple[model.Channel, str] | None:
    """The channel and the name of the message that such a journey sends; None for others."""
    for channel in CHANNELS:
        head = requested_name(channel, "")
        if journey.startswith(head) and len(journey) > len(head):
            return channel, journey.removeprefix(head)
    return None


def open_requested(state: State, name: str) -> None:
    """Opens the journey of a single send, if this is one, is not open, and has its message."""
    plan = _plan(state, name)
    if plan is not None and name not in state.current:
        state.open_version(plan)
        state.index_readers()


def follow(state: State, journey: JourneyState) -> bool:
    """After a publication: whether this is such a journey and still has its message."""
    plan = _plan(state, journey.plan.name)
    if plan is None or plan.definition != journey.plan.definition:
        return False
    journey.read_more(plan)
    return True


def _plan(state: State, name: str) -> JourneyPlan | None:
    found = requested_message(name)
    if found is None or state.plan is None or name in state.plan.journeys:
        return None
    if found not in state.plan.outgoing:
        return None
    channel, message = found
    send = model.Send(STEP, channel, message, model.END, model.END)
    entry = model.Entrance(model.OnApi(), key=REQUEST_KEY)
    return compile_journey(state.plan, model.Journey(name, (entry,), (send,), again="each time"))
