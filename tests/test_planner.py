"""The planner as a whole: threads change nothing, the guard's longest reds are kept, and it says why."""

from __future__ import annotations

import numpy as np

from citybrain.control.cautious import Cautious
from citybrain.control.planner import Parameters, Planner
from citybrain.control.reasons import Explainer
from citybrain.decisions import Command, Rule, Wish
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.state import TrafficState
from tests.sites import empty_state, random_state, small_site

SITE = small_site()
BEGIN = 36_000


def drive(planner: Planner, ticks: int, state_at: str) -> list[tuple[TrafficState, Wish, Command]]:
    """Let planner and guard run on random or empty roads."""
    rng = generator(7, "planner-test")
    guard = LampGuard(SITE.signals, SITE.timings, BEGIN)
    seen = []
    for k in range(1, ticks + 1):
        time = BEGIN + 10 * k
        state = random_state(SITE, rng, time) if state_at == "random" else empty_state(SITE, time)
        wish = planner.decide(state, guard.lamps)
        seen.append((state, wish, guard.enforce(wish)))
    return seen


def test_any_number_of_threads_plans_the_same() -> None:
    alone, together = (drive(Planner(SITE, threads=k), 60, "random") for k in (1, 2))
    for (_, one, _), (_, two, _) in zip(alone, together, strict=True):
        assert one.plan_row.tolist() == two.plan_row.tolist()
        assert one.plan_start.tolist() == two.plan_start.tolist()
        assert one.cost.tobytes() == two.cost.tobytes()
        assert one.reasons is not None
        assert two.reasons is not None
        assert one.reasons.other_row.tolist() == two.reasons.other_row.tolist()
        assert one.reasons.other_cost.tobytes() == two.reasons.other_cost.tobytes()


def longest_reds_bent(parameters: Parameters) -> int:
    """How often the guard had to end a red on empty roads."""
    longest = int(SITE.timings.max_red.max()) // 10
    seen = drive(Planner(SITE, parameters), 2 * longest + 60, "empty")
    return sum(int((command.bent_rule == Rule.MAXIMUM_RED).sum()) for _, _, command in seen)


def test_guard_need_not_end_a_red_that_is_planned_with() -> None:
    assert longest_reds_bent(Parameters()) == 0


def test_without_planning_for_it_the_guard_ends_reds() -> None:
    assert longest_reds_bent(Parameters(heed_reds=False)) > 0


def test_a_change_says_why_and_what_the_best_alternative_would_cost() -> None:
    explainer = Explainer(SITE.network, SITE.signals)
    guard = LampGuard(SITE.signals, SITE.timings, BEGIN)
    planner, rng = Planner(SITE), generator(3, "planner-test")
    texts = []
    for k in range(1, 60):
        state, lamps = random_state(SITE, rng, BEGIN + 10 * k), guard.lamps
        wish = planner.decide(state, lamps)
        for i in np.flatnonzero((wish.plan_row[:, 0] != lamps.row) & ~lamps.changing).tolist():
            decision = explainer.decision(i, state, lamps, wish)
            assert decision.row == wish.plan_row[i, 0]
            assert decision.other_row not in {-1, decision.row}
            assert decision.other_cost > 0
            texts.append(decision.text)
        guard.enforce(wish)
    assert texts
    for text in texts:
        assert "vehicles wait, the first for" in text
        assert "would cost" in text
        assert "\n" not in text


def test_a_blind_intersection_says_so() -> None:
    state = empty_state(SITE, BEGIN)
    state.confidence[:] = 0.1
    lamps = LampGuard(SITE.signals, SITE.timings, BEGIN).lamps
    wish = Cautious(SITE, Planner(SITE)).decide(state, lamps)
    explainer = Explainer(SITE.network, SITE.signals)
    assert "own program by the clock" in explainer.decision(0, state, lamps, wish).text


def test_what_the_guard_held_back_is_told() -> None:
    state, lamps = empty_state(SITE, BEGIN), LampGuard(SITE.signals, SITE.timings, BEGIN).lamps
    wish = Wish.now(BEGIN, lamps.row)
    text = Explainer(SITE.network, SITE.signals).decision(0, state, lamps, wish, [Rule.MINIMUM_GREEN]).text
    assert text.endswith("held back by minimum green")
