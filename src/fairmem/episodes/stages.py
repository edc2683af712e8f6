"""The curriculum as a state machine: after each training step, is this stage over, and from which weights to go on?

Pure: a frozen `Progress` and the step's validation scores go in, the next `Progress` and a `Decision` come out. The
caller carries the decision out (keeps weights, puts weights back) and saves the progress with its checkpoints, so a
run that is stopped anywhere decides the same again.

Source: Memory-R2 (arXiv 2605.21768) trains on 8, then 16, then 32 sessions, each stage from the best checkpoint of the
one before by validation F1; in its authors' log a 16-session model that lost more than a tenth of the evidence
(M-Fail) collapsed at 32, hence the promotion rule's default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from fairmem.config import CurriculumConfig, Recipe, StageConfig
from fairmem.errors import CheckpointError

Ending = Literal["", "steps", "tokens", "promoted", "patience"]
"""Why a stage is over: its steps are done, its tokens are spent, the promotion rule holds, or nothing got better; "" if
it is not."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One training step: its number over all stages (from 0), its stage, and its place in the stage."""

    step: int
    stage_index: int
    stage: StageConfig
    step_in_stage: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands between two training steps.

    Attributes:
        step: Training steps done, over all stages.
        stage: The present stage, from 0; the number of stages when training is over.
        step_in_stage: Steps of it that are done.
        best: Best validation score of the stage so far, by `curriculum.select`; None before the first.
        best_step: After which step it was reached (a value of `step`).
        stale: Validations since then.
        start: The weights the stage started from: those after that step; 0 is the run's first.
        tokens: Tokens sampled by the trained roles in the stage.
        tokens_total: The same over all stages.
    """

    step: int = 0
    stage: int = 0
    step_in_stage: int = 0
    best: float | None = None
    best_step: int | None = None
    stale: int = 0
    start: int = 0
    tokens: int = 0
    tokens_total: int = 0

    def sampled(self, tokens: int) -> Progress:
        """With the `tokens` of one more step counted; the step itself is counted by `after_step`."""
        return replace(self, tokens=self.tokens + tokens, tokens_total=self.tokens_total + tokens)

    def kept(self, start_too: bool) -> tuple[int, ...]:
        """Steps whose weights may be needed again: the stage's best, and (for a reference) those it started from."""
        return tuple(step for step in {self.best_step, self.start if start_too else None} if step)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Progress:
        """What `as_dict` gave.

        Raises:
            CheckpointError: not such values.
        """
        if set(values) != {field.name for field in fields(cls)}:
            raise CheckpointError(f"the checkpoint's progress is {dict(values)}; it was written by another version")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a step.

    Attributes:
        keep: The present weights are the stage's best so far: keep them.
        ending: Why the stage is over.
        hand_on: The stage is over and its best weights are those after this (earlier) step: put them back.
        says: One line about the end of the stage, "" if it goes on.
    """

    keep: bool = False
    ending: Ending = ""
    hand_on: int | None = None
    says: str = ""


def steps_of(recipe: Recipe) -> list[StepPlan]:
    """All training steps of a recipe in order, if no stage ends early."""
    plans: list[StepPlan] = []
    for index, stage in enumerate(recipe.stages):
        for number in range(stage.steps):
            plans.append(StepPlan(len(plans), index, stage, number))
    return plans


def first(recipe: Recipe) -> Progress:
    """Before the first step; stages without steps are passed over."""
    return replace(Progress(), stage=_next_with_steps(recipe.stages, 0))


def next_step(progress: Progress, recipe: Recipe) -> StepPlan | None:
    """The step to do next; None when training is over."""
    if progress.stage >= len(recipe.stages):
        return None
    return StepPlan(progress.step, progress.stage, recipe.stages[progress.stage], progress.step_in_stage)


def steps_left(progress: Progress, recipe: Recipe) -> int:
    """Training steps that are still to come, at most; where tokens are the limit, as many as those so far suggest.

    Of a later stage that is a guess: as many tokens per step and session as in this one.
    """
    if progress.stage >= len(recipe.stages):
        return 0
    stage, done = recipe.stages[progress.stage], progress.step_in_stage
    each = progress.tokens / (done * stage.sessions) if done else 0.0
    left = stage.steps - done
    if stage.tokens is not None and each:
        left = min(left, math.ceil((stage.tokens - progress.tokens) / (each * stage.sessions)))
    for later in recipe.stages[progress.stage + 1 :]:
        spent = math.ceil(later.tokens / (each * later.sessions)) if later.tokens is not None and each else later.steps
        left += min(later.steps, spent)
    return left


def validates(plan: StepPlan, every: int, tokens: int = 0) -> bool:
    """Whether the validation conversations are scored after a step: each `every`-th of a stage, and its last.

    Args:
        plan: The step.
        every: `eval.every`; 0 is never.
        tokens: Sampled in the stage, those of the step included (`Progress.tokens`).
    """
    done = plan.step_in_stage + 1
    return every > 0 and (done % every == 0 or done == plan.stage.steps or _spent(plan.stage, tokens))


def after_step(progress: Progress, recipe: Recipe, scores: Mapping[str, float | None]) -> tuple[Progress, Decision]:
    """What follows from the training step that has just been done.

    Args:
        progress: Before that step, but for its tokens, which are counted already (`Progress.sampled`).
        recipe: Its `stages` and `curriculum`.
        scores: `val_f1` and `val_m_fail` if the validation conversations were scored after the step, else empty. A
            score that could not be had (None) chooses nothing, promotes nothing and costs no patience.

    Returns:
        The progress after it, and what to do.
    """
    settings, stages = recipe.curriculum, recipe.stages
    stage = stages[progress.stage]
    step, done = progress.step + 1, progress.step_in_stage + 1
    score = scores.get(settings.select)
    best, best_step, stale = progress.best, progress.best_step, progress.stale
    better = score is not None and (best is None or _sign(settings.select) * (score - best) > 0)
    if better:
        best, best_step, stale = score, step, 0
    elif score is not None:
        stale += 1
    now = replace(progress, step=step, step_in_stage=done, best=best, best_step=best_step, stale=stale)
    is_last = _next_with_steps(stages, progress.stage + 1) == len(stages)
    reached = not is_last and _reached(settings, scores)
    ending: Ending = ""
    if reached:
        ending = "promoted"
    elif done >= stage.steps:
        ending = "steps"
    elif _spent(stage, progress.tokens):
        ending = "tokens"
    elif settings.patience and stale >= settings.patience:
        ending = "patience"
    if not ending:
        return now, Decision(keep=better)
    goes_on = reached or not settings.promote or settings.unreached == "next"
    following = len(stages) if is_last or not goes_on else _next_with_steps(stages, progress.stage + 1)
    handed = best_step or step
    says = _says(now, recipe, ending, scores, is_last, following)
    after = Progress(step=step, stage=following, start=handed, tokens_total=progress.tokens_total)
    return after, Decision(better, ending, None if handed == step else handed, says)


def _next_with_steps(stages: Sequence[StageConfig], index: int) -> int:
    return next((i for i in range(index, len(stages)) if stages[i].steps), len(stages))


def _spent(stage: StageConfig, tokens: int) -> bool:
    return stage.tokens is not None and stage.tokens <= tokens


def _sign(metric: str) -> int:
    """1 if a higher score is better, -1 if a lower one is."""
    return -1 if metric == "val_m_fail" else 1


def _reached(settings: CurriculumConfig, scores: Mapping[str, float | None]) -> bool:
    score = scores.get(settings.promote_metric)
    if not settings.promote or score is None:
        return False
    return _sign(settings.promote_metric) * (score - settings.promote_threshold) > 0


def _says(
    now: Progress,
    recipe: Recipe,
    ending: Ending,
    scores: Mapping[str, float | None],
    is_last: bool,
    following: int,
) -> str:
    """The line about the end of a stage."""
    settings, number = recipe.curriculum, now.stage + 1
    stage = f"stage {number} ({recipe.stages[now.stage].sessions} sessions) ends after {now.step_in_stage} steps"
    score = scores.get(settings.promote_metric)
    shown = "unknown" if score is None else f"{score:.3f}"
    relation = "below" if settings.promote_metric == "val_m_fail" else "above"
    rule = f"{settings.promote_metric} {shown}"
    parts = [stage]
    if ending == "promoted":
        parts.append(f"{rule} is {relation} {settings.promote_threshold:g}")
    if ending == "tokens":
        parts.append(f"{now.tokens:,} tokens are sampled of {recipe.stages[now.stage].tokens or 0:,}")
    if ending == "patience":
        parts.append(f"no better {settings.select} in {now.stale} validations")
    if settings.promote and ending != "promoted" and not is_last:
        parts.append(f"NOT PROMOTED: {rule} is not {relation} {settings.promote_threshold:g}")
    if now.best is not None and now.best_step is not None:
        parts.append(f"its best weights are those of step {now.best_step} ({settings.select} {now.best:.3f})")
    if following < len(recipe.stages):
        parts.append(f"going on with stage {following + 1} ({recipe.stages[following].sessions} sessions)")
    elif not is_last:
        parts.append("training stops here (curriculum.unreached is 'stop')")
    return "; ".join(parts)
