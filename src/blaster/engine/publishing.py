"""What a publication may not do: tried out and refused before the log gets it."""

from __future__ import annotations

import msgspec

from blaster.core import make_plan, requested_message
from blaster.definitions import from_json
from blaster.engine.letterbook import Letterbook
from blaster.engine.machine import Machine
from blaster.errors import DefinitionError, InputError
from blaster.model import definitions as model
from blaster.model import records


def try_out(operation: records.Published) -> None:
    """Compiles what the log would keep for ever. Raises DefinitionError."""
    try:
        plan = make_plan(from_json(operation.workspace))
        Letterbook(plan).verify()
    except (msgspec.ValidationError, LookupError, TypeError, ValueError) as error:
        raise DefinitionError((f"this workspace cannot be run: {error!r}",)) from error
    for kind, names in (("journey", plan.journeys), ("campaign", plan.campaigns)):
        for name in names:
            if requested_message(name) is not None:
                raise DefinitionError(
                    (f"a {kind} cannot be named {name!r}: that is a single send",)
                )


def refuse(machine: Machine, workspace: model.Workspace) -> None:
    """What does not go with what the account has. Raises InputError."""
    refuse_retyping(machine, workspace)
    refuse_renaming(machine, workspace)
    refuse_relaunch(machine, workspace)


def refuse_retyping(machine: Machine, workspace: model.Workspace) -> None:
    """A field keeps its type for as long as it holds data."""
    declared = machine.state.plan.fields if machine.state.plan is not None else {}
    for field in workspace.fields:
        known = declared.get(field.name)
        column = machine.state.find(("field", field.name))  # outlives its declaration
        before = known.type if known is not None else column.kind.name if column else ""
        if known is not None and (known.kind, known.scale) == (field.kind, field.scale):
            continue
        if known is not None or (column is not None and column.kind != field.kind):
            raise InputError(
                f"field {field.name!r} is {before.lower()} in this account and cannot become "
                f"{field.type}; declare a new field instead"
            )


def refuse_relaunch(machine: Machine, workspace: model.Workspace) -> None:
    """A campaign that was launched keeps its audience and its message; its rate may change."""
    for campaign in workspace.campaigns:
        known = machine.state.campaigns.get(campaign.name)
        if known is None or known.phase == "planned":
            continue
        before = known.plan.definition
        was = (before.audience.text, before.channel, before.message)
        if was != (campaign.audience.text, campaign.channel, campaign.message):
            raise InputError(
                f"campaign {campaign.name!r} was launched: its audience and its message stay; "
                "give the changed one another name"
            )


def refuse_renaming(machine: Machine, workspace: model.Workspace) -> None:
    """A name means a journey or a campaign for good: ledgers and reports are asked for by it."""
    state = machine.state
    journeys = {version.plan.name for version in state.versions}
    for journey in workspace.journeys:
        if journey.name in state.campaigns:
            raise InputError(_taken("campaign", journey.name, "journey"))
    for campaign in workspace.campaigns:
        if campaign.name in journeys and campaign.name not in state.campaigns:
            raise InputError(_taken("journey", campaign.name, "campaign"))


def _taken(known: str, name: str, fresh: str) -> str:
    return (
        f"{name!r} is a {known} of this account, though perhaps no more among its files; "
        f"give the {fresh} another name"
    )
