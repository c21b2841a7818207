"""`engine.campaigns`: starting, pausing, resuming and stopping, and how each campaign is doing."""

from __future__ import annotations

from blaster.core import PHASES, CampaignState, State, ledger_of
from blaster.definitions import did_you_mean
from blaster.engine.accounts import Run
from blaster.engine.intake import one_text
from blaster.engine.machine import Machine
from blaster.errors import InputError
from blaster.model import records
from blaster.model.fields import NEVER
from blaster.model.ledger import CampaignStatus

FINISHED = "finished"
_NAME = "the name of a campaign"


class Campaigns:
    """`engine.campaigns`. Each call answers when the command is durable."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def start(self, name: str) -> None:
        """Launches it now, whatever its start is: the audience is who meets its rule now.

        Raises InputError for an unknown campaign, and for one that was launched or stopped.
        """
        await self._steer(name, "start")

    async def pause(self, name: str) -> None:
        """Makes no order of it until `resume`; what is under way is finished. Raises InputError."""
        await self._steer(name, "pause")

    async def resume(self, name: str) -> None:
        """Goes on where it was. Raises InputError for one that does not pause."""
        await self._steer(name, "resume")

    async def stop(self, name: str) -> None:
        """Ends it for good: who waits is suppressed, "stopped". Raises InputError."""
        await self._steer(name, "stop")

    async def status(self, name: str | None = None) -> list[CampaignStatus]:
        """How a campaign, or each of them, is doing. Raises InputError for an unknown one."""
        if name is not None:
            one_text(name, _NAME)

        def command(machine: Machine, now: int) -> list[CampaignStatus]:
            state = machine.state
            chosen = list(state.campaigns) if name is None else [_found(state, name).plan.name]
            return [_status(state, each) for each in chosen]

        return list(await self._run(command))

    async def _steer(self, name: str, verb: str) -> None:
        one_text(name, _NAME)

        def command(machine: Machine, now: int) -> None:
            campaign = _found(machine.state, name)
            plan = machine.state.plan
            phase = _phase(campaign, is_over=False)
            if (verb, campaign.phase) not in PHASES:
                raise InputError(f"campaign {name!r} is {phase}: it cannot {verb}")
            if verb == "start" and (plan is None or name not in plan.campaigns):
                raise InputError(f"campaign {name!r} is not published any more: it cannot start")
            machine.accept(now, (records.Steered(name, verb, ""),))

        await self._run(command)


def _found(state: State, name: str) -> CampaignState:
    campaign = state.campaigns.get(name)
    if campaign is None:
        advice = did_you_mean(name, state.campaigns)
        raise InputError(f"there is no campaign {name!r}" + (f"; {advice}" if advice else ""))
    return campaign


def _phase(campaign: CampaignState, *, is_over: bool) -> str:
    """While its audience is taken it is starting; finished when nothing of it is to come."""
    if campaign.phase == "taking":
        return "starting"
    return FINISHED if campaign.phase == "running" and is_over else campaign.phase


def _status(state: State, name: str) -> CampaignStatus:
    campaign = state.campaigns[name]
    (line,) = ledger_of(state, name)
    starts = None if campaign.starts == NEVER else campaign.starts
    launched = None if campaign.launched == NEVER else campaign.launched
    return CampaignStatus(name, _phase(campaign, is_over=line.finished), starts, launched, line)
