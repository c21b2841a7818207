"""Random journeys and histories: the engine does what the plain model does, contact by contact."""

from __future__ import annotations

import random

import pytest

from tests.sim.worlds import (
    LIMITS,
    engine_summary,
    make_history,
    model_summary,
    run_engine,
    run_model,
)
from tests.volume import cases


def compare(seed: int) -> None:
    """One world; the seed and the contact stand in what a failure shows."""
    draw = random.Random(seed)
    contacts = draw.choice([1, 2, 5, 9])
    history = make_history(seed, contacts)
    play = run_engine(seed, contacts, history, limit=draw.choice(LIMITS))
    for contact in range(contacts):
        engine, plain = (
            engine_summary(play, contact),
            model_summary(run_model(seed, contact, history)),
        )
        assert engine == plain, f"seed {seed}, contact {contact}"


@pytest.mark.parametrize("block", range(10))
def test_engine_and_model_agree(block: int) -> None:
    """Worlds, ten to a test."""
    for seed in range(block * 10, block * 10 + cases(10)):
        compare(seed)


@pytest.mark.long
@pytest.mark.parametrize("block", range(50))
def test_engine_and_model_agree_at_length(block: int) -> None:
    """Two thousand more."""
    for seed in range(1000 + block * 40, 1040 + block * 40):
        compare(seed)
