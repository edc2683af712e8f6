"""The curriculum's decisions, worked by hand: bests, promotion, patience, what a stage hands on, and resuming."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from fairmem.config import Recipe, parse_recipe
from fairmem.episodes import (
    Decision,
    Progress,
    after_step,
    first,
    next_step,
    steps_left,
    steps_of,
    validates,
)
from fairmem.errors import CheckpointError

Scores = Mapping[str, float | None]


def recipe(*steps: int, **curriculum: Any) -> Recipe:
    """Stages of 8, 16, ... sessions with these numbers of steps, validated after every step."""
    stages = [{"sessions": 8 * 2**index, "steps": count} for index, count in enumerate(steps)]
    return parse_recipe({"stages": stages, "curriculum": curriculum, "eval": {"every": 1}})


def scored(f1: float | None, m_fail: float | None = None) -> Scores:
    return {"val_f1": f1, "val_m_fail": m_fail}


def played(config: Recipe, scores: Iterable[Scores]) -> list[tuple[Progress, Decision]]:
    """Progress and decision after each step, until training is over."""
    progress, rest, found = first(config), iter(scores), list[tuple[Progress, Decision]]()
    while next_step(progress, config) is not None:
        progress, decision = after_step(progress, config, next(rest))
        found.append((progress, decision))
    assert next(rest, None) is None, "training was over before the scores were"
    return found


def test_without_validation_every_stage_does_its_steps_and_hands_on_what_it_has() -> None:
    config = recipe(2, 1)
    found = played(config, [{}] * 3)
    assert [p for p, _ in found] == [
        Progress(step=1, stage=0, step_in_stage=1),
        Progress(step=2, stage=1, step_in_stage=0, start=2),
        Progress(step=3, stage=2, step_in_stage=0, start=3),
    ]
    assert [(d.keep, d.ending, d.hand_on) for _, d in found] == [
        (False, "", None),
        (False, "steps", None),
        (False, "steps", None),
    ]
    assert found[1][1].says == "stage 1 (8 sessions) ends after 2 steps; going on with stage 2 (16 sessions)"
    assert found[2][1].says == "stage 2 (16 sessions) ends after 1 steps"


def test_the_next_stage_starts_from_the_best_weights_and_forgets_the_score() -> None:
    found = played(recipe(3, 2), [scored(0.4), scored(0.5), scored(0.45), scored(0.3), scored(0.3)])
    # Stage 1: 0.4 is the first, 0.5 is better, 0.45 is not: go on from step 2.
    assert [d.keep for _, d in found] == [True, True, False, True, False]
    assert found[1][0] == Progress(step=2, stage=0, step_in_stage=2, best=0.5, best_step=2)
    assert found[2][1].hand_on == 2 and found[2][0] == Progress(step=3, stage=1, start=2)
    assert "its best weights are those of step 2 (val_f1 0.500)" in found[2][1].says
    # Stage 2: 0.3 is its best, although stage 1 was better; an equal score is not better.
    assert found[3][0].best == 0.3 and found[4][1].hand_on == 4
    assert found[4][0] == Progress(step=5, stage=2, start=4)


def test_a_best_that_is_the_present_one_needs_no_putting_back() -> None:
    ((_, decision),) = played(recipe(1), [scored(0.4)])
    assert decision.keep and decision.hand_on is None and decision.ending == "steps"


def test_lost_evidence_is_better_when_there_is_less_of_it() -> None:
    config = recipe(3, select="val_m_fail")
    found = played(config, [scored(0.9, 0.3), scored(0.1, 0.2), scored(0.8, 0.25)])
    assert [d.keep for _, d in found] == [True, True, False]
    assert found[-1][1].hand_on == 2


def test_the_last_weights_can_be_asked_for_whatever_the_scores_are() -> None:
    found = played(recipe(2, select="last"), [scored(0.9), scored(0.1)])
    assert [(d.keep, d.hand_on) for _, d in found] == [(False, None)] * 2


def test_a_stage_is_left_as_soon_as_too_little_evidence_is_lost_to_matter() -> None:
    config = recipe(5, 5, promote=True)
    found = played(config, [scored(0.5, 0.3), scored(0.4, 0.099), *[scored(0.4, 0.01)] * 5])
    # 0.1 is the default. The best by F1 is step 1, so stage 2 starts there, from step 3 on.
    assert [d.ending for _, d in found] == ["", "promoted", "", "", "", "", "steps"]
    assert found[1][0] == Progress(step=2, stage=1, start=1) and found[1][1].hand_on == 1
    assert found[1][1].says == (
        "stage 1 (8 sessions) ends after 2 steps; val_m_fail 0.099 is below 0.1; "
        "its best weights are those of step 1 (val_f1 0.500); going on with stage 2 (16 sessions)"
    )


def test_a_threshold_that_is_just_met_is_not_reached() -> None:
    assert played(recipe(1, 1, promote=True), [scored(0.5, 0.1), scored(0.5)])[0][1].ending == "steps"


def test_the_last_stage_is_not_left_by_promotion() -> None:
    assert [d.ending for _, d in played(recipe(3, promote=True), [scored(0.5, 0.0)] * 3)] == ["", "", "steps"]


def test_promotion_by_f1_has_to_rise_above_its_threshold() -> None:
    config = recipe(3, 1, promote=True, promote_metric="val_f1", promote_threshold=0.4)
    found = played(config, [scored(0.4, 0.0), scored(0.41, 0.9), scored(0.0)])
    assert [d.ending for _, d in found] == ["", "promoted", "steps"]
    assert "val_f1 0.410 is above 0.4" in found[1][1].says


def test_a_stage_that_does_not_reach_the_threshold_goes_on_and_says_so() -> None:
    found = played(recipe(2, 1, promote=True), [scored(0.2, 0.5), scored(0.3, 0.4), scored(0.3, 0.4)])
    assert found[1][0].stage == 1 and found[1][1].ending == "steps"
    assert "NOT PROMOTED: val_m_fail 0.400 is not below 0.1; its best" in found[1][1].says
    assert "NOT PROMOTED" not in found[2][1].says  # there is nothing to be promoted to


def test_or_training_stops_there() -> None:
    found = played(recipe(2, 9, 9, promote=True, unreached="stop"), [scored(0.3, 0.5), scored(0.2, 0.4)])
    progress, decision = found[-1]
    assert progress == Progress(step=2, stage=3, start=1) and decision.hand_on == 1
    assert decision.says.endswith("training stops here (curriculum.unreached is 'stop')")
    # A stage that reaches it goes on.
    reached = played(recipe(2, 1, promote=True, unreached="stop"), [scored(0.3, 0.01), scored(0.2, 0.4)])
    assert [d.ending for _, d in reached] == ["promoted", "steps"]


def test_patience_counts_validations_without_a_better_score() -> None:
    scores = [0.3, 0.2, 0.3, 0.4, 0.4, 0.1]
    found = played(recipe(9, patience=2), [scored(s) for s in [0.3, 0.2, 0.31, 0.3, 0.31]])
    # 0.2 is one, 0.31 is better again, 0.3 and the second 0.31 are two.
    assert [p.stale for p, _ in found[:4]] == [0, 1, 0, 1]
    assert [d.ending for _, d in found] == ["", "", "", "", "patience"]
    assert found[-1][1].hand_on == 3 and "no better val_f1 in 2 validations" in found[-1][1].says
    # Stage 1 ends at its third score, and what stage 2 has seen starts from 0.
    two = played(recipe(9, 9, patience=2), [scored(s) for s in scores])
    assert [(p.step, p.stage) for p, d in two if d.ending] == [(3, 1), (6, 2)]


def test_steps_that_are_not_validated_change_nothing_but_their_number() -> None:
    found = played(recipe(5, patience=1), [scored(0.5), {}, {}, {}, {}])
    assert [p.stale for p, _ in found[:4]] == [0, 0, 0, 0] and found[-1][1].ending == "steps"


def test_a_score_that_could_not_be_had_decides_nothing() -> None:
    config = recipe(3, 1, promote=True, patience=1)
    found = played(config, [scored(0.5, None), scored(None, None), scored(None, 0.05), scored(0.1, 0.0)])
    assert [d.ending for _, d in found] == ["", "", "promoted", "steps"]
    assert [d.keep for _, d in found] == [True, False, False, True]
    assert found[2][1].hand_on == 1


def test_stages_without_steps_are_passed_over() -> None:
    config = recipe(0, 2, 0, 1, 0)
    assert first(config) == Progress(stage=1)
    assert [(p.step, p.stage) for p, _ in played(config, [{}] * 3)] == [(1, 1), (2, 3), (3, 5)]
    assert next_step(first(recipe(0)), recipe(0)) is None
    # Before a stage without steps there is no later one to be promoted to.
    assert played(recipe(1, 0, promote=True), [scored(0.1, 0.0)])[0][1].ending == "steps"


def test_the_steps_done_are_those_of_the_recipe_unless_a_stage_ends_early() -> None:
    config = recipe(3, 2)
    progress, done = first(config), list[Any]()
    while (plan := next_step(progress, config)) is not None:
        done.append(plan)
        progress, _ = after_step(progress, config, {})
    assert done == steps_of(config)
    early = recipe(3, 2, promote=True)
    progress, _ = after_step(first(early), early, scored(0.1, 0.0))
    plan = next_step(progress, early)
    assert plan is not None and (plan.step, plan.stage_index, plan.step_in_stage) == (1, 1, 0)


def test_what_is_left_follows_from_what_has_ended() -> None:
    config = recipe(5, 3, promote=True)
    assert steps_left(first(config), config) == 8
    progress, _ = after_step(first(config), config, {})
    assert steps_left(progress, config) == 7
    progress, _ = after_step(progress, config, scored(0.1, 0.0))
    assert steps_left(progress, config) == 3
    assert steps_left(Progress(stage=2), config) == 0


def test_every_nth_step_of_a_stage_is_validated_and_its_last() -> None:
    plans = steps_of(recipe(5, 1, 4))
    assert [validates(plan, 2) for plan in plans] == [False, True, False, True, True, True, False, True, False, True]
    assert not any(validates(plan, 0) for plan in plans)


def test_progress_survives_json_at_every_step_and_decides_the_same_again() -> None:
    config = recipe(4, 4, 2, promote=True, patience=2)
    scores = [
        scored(f1, m)
        for f1, m in [(0.3, 0.5), (0.2, 0.05), (0.1, 0.3), (0.1, 0.3), (0.05, 0.2), (0.6, 0.0), (0.6, 0.0)]
    ]
    whole = played(config, scores)
    for stopped in range(len(whole)):
        progress = Progress.from_dict(json.loads(json.dumps(whole[stopped][0].as_dict())))
        for expected, score in zip(whole[stopped + 1 :], scores[stopped + 1 :], strict=True):
            progress, decision = after_step(progress, config, score)
            assert (progress, decision) == expected


def budgeted(*stages: tuple[int, int], **curriculum: Any) -> Recipe:
    """Stages of (steps, tokens), validated after every second step."""
    made = [{"sessions": 8, "steps": steps} | ({"tokens": tokens} if tokens else {}) for steps, tokens in stages]
    return parse_recipe({"stages": made, "curriculum": curriculum, "eval": {"every": 2}})


def test_a_stage_ends_with_the_step_that_reaches_its_budget() -> None:
    config = budgeted((9, 250), (9, 100), (2, 0))
    progress, endings = first(config), list[tuple[str, int, int]]()
    while next_step(progress, config) is not None:
        progress, decision = after_step(progress.sampled(100), config, {})
        endings.append((decision.ending, progress.tokens, progress.tokens_total))
        if decision.ending == "tokens":
            assert "tokens are sampled of" in decision.says
    # 100 and 200 are below 250, 300 is not; stage 2 begins at 0, and 100 reaches 100; stage 3 has no budget.
    assert endings == [("", 100, 100), ("", 200, 200), ("tokens", 0, 300), ("tokens", 0, 400), ("", 100, 500),
                       ("steps", 0, 600)]  # fmt: skip
    assert "300 tokens are sampled of 250" in after_step(Progress(tokens=300), config, {})[1].says


def test_the_step_that_spends_the_budget_is_validated() -> None:
    config = budgeted((9, 250))
    plans = steps_of(config)
    assert [validates(plan, 2, 100 * (plan.step + 1)) for plan in plans[:3]] == [False, True, True]
    assert not validates(plans[2], 2, 249) and not validates(plans[2], 0, 300)


def test_what_is_left_of_a_budget_follows_from_what_a_step_costs() -> None:
    config = budgeted((50, 1000), (3, 0))
    # After 2 steps of 150 tokens 700 are left: 5 steps, and the 3 of the next stage.
    assert steps_left(Progress(step=2, step_in_stage=2, tokens=300, tokens_total=300), config) == 5 + 3
    # Before the first step nothing is known, and a stage never does more than its steps.
    assert steps_left(first(config), config) == 53
    assert steps_left(Progress(step=49, step_in_stage=49, tokens=98, tokens_total=98), config) == 1 + 3


def test_what_a_later_budget_buys_is_guessed_by_tokens_per_session() -> None:
    stages = [{"sessions": 4, "steps": 50, "tokens": 1000}, {"sessions": 10, "steps": 50, "tokens": 3000}]
    config = parse_recipe({"stages": stages})
    # A step took 200 tokens, 50 a session: 3 more are left here; there a step takes 500, so 6.
    assert steps_left(Progress(step=2, step_in_stage=2, tokens=400, tokens_total=400), config) == 3 + 6
    # At most its steps: 2 tokens a step buy 450 here, of which 48 are left, and 600 there.
    assert steps_left(Progress(step=2, step_in_stage=2, tokens=4, tokens_total=4), config) == 48 + 50


def test_a_budget_decides_the_same_again_from_a_checkpoint() -> None:
    config = budgeted((9, 250), (9, 150))
    progress, decision = after_step(first(config).sampled(120), config, {})
    again = Progress.from_dict(json.loads(json.dumps(progress.as_dict())))
    assert again == progress and not decision.ending
    assert after_step(again.sampled(130), config, {}) == after_step(progress.sampled(130), config, {})
    assert after_step(again.sampled(130), config, {})[0] == Progress(step=2, stage=1, start=2, tokens_total=250)


def test_progress_of_another_version_is_refused() -> None:
    with pytest.raises(CheckpointError, match="written by another version"):
        Progress.from_dict({"step": 3})


def test_weights_are_kept_of_the_best_step_and_of_the_start_where_it_is_the_reference() -> None:
    progress = Progress(step=9, stage=1, step_in_stage=4, best=0.5, best_step=7, start=5)
    assert progress.kept(start_too=False) == (7,) and set(progress.kept(start_too=True)) == {5, 7}
    assert Progress(step=3).kept(start_too=True) == ()  # the run's first weights are where the model came from
