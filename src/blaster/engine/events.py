"""What happens to contacts and messages: `engine.events`. Each verb runs on the engine thread.

Answers come when what they rest on is durable. Nothing of a refused call is applied.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Literal

from blaster.engine.accounts import (
    Run,
    known_fields,
    one_channel,
    proof_of,
    refuse_taken,
)
from blaster.engine.finding import find_all, place_of
from blaster.engine.gathering import Bring, Happening, Noting
from blaster.engine.intake import (
    attributes,
    form_operations,
    one_name,
    one_text,
    received,
    resolve,
    short_text,
    shown,
    typed_rows,
    upserted,
)
from blaster.engine.machine import Machine
from blaster.errors import InputError
from blaster.model import definitions as model
from blaster.model import records


class Events:
    """`engine.events`."""

    def __init__(self, run: Run, bring: Bring) -> None:
        self._run = run
        self._bring = bring

    async def send(
        self,
        name: str,
        contact: str | int,
        data: Mapping[str, object] | None = None,
        *,
        key: str = "",
    ) -> None:
        """Something happened to a contact. The same `key` (idempotency) of an event counts once."""
        await self._happened("event", name, contact, data, key)

    async def visit(
        self, page: str, contact: str | int, data: Mapping[str, object] | None = None
    ) -> None:
        """A contact visited a page."""
        await self._happened("page", page, contact, data, "")

    async def download(
        self, file: str, contact: str | int, data: Mapping[str, object] | None = None
    ) -> None:
        """A contact downloaded a file."""
        await self._happened("file", file, contact, data, "")

    def _happened(
        self,
        space: str,
        name: str,
        contact: str | int,
        data: Mapping[str, object] | None,
        key: str,
    ) -> Awaitable[None]:
        one_name(name, space)
        one_text(key, "a key")
        given: object = {} if data is None else data
        if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given):
            raise InputError(f"data maps names to values, unlike {shown(given)}")

        # A copy: it is read later, on another thread, with the data of others.
        return self._bring(Happening(space, name, contact, dict(given), key))

    async def fill(
        self,
        form: str,
        answers: Mapping[str, object],
        *,
        contact: str | int | None = None,
        evidence: Mapping[str, str] | None = None,
    ) -> int:
        """A form was filled, by a known contact or by whom its answers name; answers the contact.

        Contact fields of the form are set, consent and membership recorded, then the form itself.
        """
        one_name(form, "form")
        proof = proof_of(evidence)

        def command(machine: Machine, now: int) -> int:
            return _fill(machine, now, form, answers, contact, proof)

        return int(await self._run(command))

    async def note(
        self,
        channel: model.Channel,
        message: str,
        fact: str,
        contact: str | int,
        text: str = "",
        *,
        by: Literal["", "scanner", "automatic"] = "",
    ) -> None:
        """A recipient opened, clicked (`text`: the link), replied, or the message bounced.

        What a link scanner did, or an automatic answer, counts only where rules ask for "any".
        """
        if by and by not in records.MACHINES:
            raise InputError(f"{by!r} is nobody; there are {' and '.join(records.MACHINES)}")
        if fact not in ("opened", "clicked", "replied", "bounced", "complained", "delivered"):
            raise InputError(f"{fact!r} is nothing that happens to a message")
        one_channel(channel)
        one_name(message, "message")
        short_text(text, "a text")

        await self._bring(Noting(channel, message, fact, contact, text, by))

    async def receive(self, contact: str | int, text: str) -> None:
        """An inbound text (SMS).

        One that is nothing but "הסר", "הסירו", "STOP" or "UNSUBSCRIBE", in any case and with or
        without spaces and punctuation after it, is an opt-out of marketing and sales SMS too.
        """
        short_text(text, "a text")

        def command(machine: Machine, now: int) -> None:
            rows = find_all(machine.state, [contact])
            machine.accept(now, received(rows, (text,)))

        await self._run(command)


def _fill(
    machine: Machine,
    now: int,
    name: str,
    answers: Mapping[str, object],
    contact: str | int | None,
    evidence: dict[str, str],
) -> int:
    state = machine.state
    forms = {f.name: f for f in state.plan.workspace.forms} if state.plan is not None else {}
    form = forms.get(name)
    fields = known_fields(state)
    known = {
        key: value
        for key, value in answers.items()
        if key in fields and (form is None or key in form.fields or key in ("email", "phone"))
    }
    typed = typed_rows(fields, [known], place_of(state)) if known else None
    operations: list[records.Operation] = []
    if contact is None:
        if typed is None or not {"id", "email", "phone"} & set(typed.schema.names):
            raise InputError("a form needs a contact, or an e-mail address or phone in its answers")
        found = resolve(state, typed)
        if found.conflict.any():
            raise InputError("e-mail and phone belong to different contacts")
        operations.append(upserted(typed, found, f"form {name}"))
        rows = found.contacts
    else:
        rows = find_all(state, [contact])
        if typed is not None:
            refuse_taken(state, rows, typed)
            operations.append(records.FieldsSet(rows, typed))
    plain = attributes([answers])
    operations += form_operations(state, form, name, rows, plain, evidence, fields_done=True)
    machine.accept(now, operations)
    return int(rows[0])
