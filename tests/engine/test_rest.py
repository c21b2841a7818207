"""When an engine is at rest, and what that waits for."""

from __future__ import annotations

from blaster.model.fields import NEVER
from blaster.model.records import Steered
from tests.engine.support import START, WAIT_S, HeldTransport
from tests.engine.test_thread import Rig


def test_rest_waits_for_the_rate_of_a_campaign_where_it_is_asked_to(tmp_path):
    """Without that it is a later hour like any other; a campaign that pauses is not waited for."""
    spring = "campaign: spring\naudience: email is set\nsend: email bill\nrate: 1/h\n"
    transport = HeldTransport(answers=True)
    with Rig(tmp_path, 4, transport=transport, files={"campaigns/spring.yaml": spring}) as rig:

        def steer(verb: str) -> None:
            rig.ask(lambda m: m.accept(START, (Steered("spring", verb, ""),)))

        steer("start")
        whole = rig.thread.rest(settled=True, rates=True)
        for sent in (1, 2, 3):
            assert rig.thread.rest(settled=True).result(WAIT_S) == START + sent * 3600
            assert (rig.sent(), whole.done()) == (sent, False)
            rig.clock.time += 3600 * (sent < 3)
        steer("pause")
        assert whole.result(WAIT_S) > START + 3 * 3600
        steer("resume")
        rig.clock.time += 3600
        assert rig.thread.rest(settled=True, rates=True).result(WAIT_S) == NEVER
        assert rig.sent() == 4


def test_who_waits_no_more_for_rest_is_forgotten(tmp_path):
    """Else the engine would go on looking for room as often as for somebody who waits."""
    with Rig(tmp_path, 1) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(1)
        given_up, waits = rig.thread.rest(settled=True), rig.thread.rest(settled=True)
        given_up.cancel()
        rig.ask(lambda m: None)
        assert [future for future, *_ in rig.thread._resting] == [waits]
        rig.transport.answer(rig.transport.handed[0])
        assert waits.result(WAIT_S) == NEVER
