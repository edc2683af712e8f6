"""The seam to engines that own the training loop: what they are asked for, and what they are given."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from fairmem.config import SMALL_WORLD, Recipe, StageConfig
from fairmem.errors import ConfigError
from fairmem.learner.rows import Row
from fairmem.policy import Policy

EMBEDDED = "embedded"
"""The engine of this process; its loop is `fairmem.train`."""

ENGINES: dict[str, str] = {
    EMBEDDED: "",
    "verl": "fairmem.learner.engines.verl.engine",
    "trl": "fairmem.learner.engines.trl",
}
"""Name -> module with an `ENGINE`; the embedded one has no loop of its own."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """One conversation, rolled out and rewarded: rows to learn from, and plain facts for the journal."""

    rows: Sequence[Row]
    facts: Mapping[str, Any]


class Rollouts(Protocol):
    """Plays the episodes of a run; made from the run's folder, in every process that plays."""

    def __init__(self, folder: Path) -> None: ...

    recipe: Recipe

    def roll(self, step: int, index: int, policy: Policy) -> Rolled:
        """The tree of conversation `index` of `step` (both from 0), written by `policy`, with credit."""
        ...


class Journal(Protocol):
    """Writes down the steps of a run; `done` steps are kept of what is there, None for a new run."""

    def __init__(self, folder: Path, done: int | None = None) -> None: ...

    def __enter__(self) -> Journal: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def record(
        self, step: int, facts: Sequence[Mapping[str, Any]], learned: Mapping[str, float], seconds: Mapping[str, float]
    ) -> None:
        """Write down `step` (from 0): facts of its conversations, metrics of its update, seconds of its parts."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What an engine is asked to do.

    Attributes:
        recipe: What to train.
        folder: Of the run; holds the resolved recipe already. Checkpoints and metrics go there.
        resume: Go on from the newest checkpoint, if there is one.
        episodes: Module with `Rollouts` and `Journal`.
        options: Settings of the engine itself, as `key=value` in its own words.
    """

    recipe: Recipe
    folder: Path
    resume: bool
    episodes: str
    options: tuple[str, ...] = field(default=())


@functools.cache
def open_rollouts(episodes: str, folder: Path) -> Rollouts:
    """`Rollouts` of the module `episodes` for the run in `folder`, opened once per process."""
    return importlib.import_module(episodes).Rollouts(folder)


def open_journal(episodes: str, folder: Path, done: int | None) -> Journal:
    """`Journal` of the module `episodes` for the run in `folder`, of which `done` steps are done."""
    return importlib.import_module(episodes).Journal(folder, done)


class Engine(Protocol):
    """Something that trains a model from rows, in a loop of its own."""

    def refusals(self, recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
        """(whether it is so, what the recipe asks for, why the engine cannot and what to do) per such key."""
        ...

    def check(self) -> None:
        """Raise MissingExtraError unless the engine's packages are installed."""
        ...

    def train(self, job: Job) -> None:
        """Train to the end and leave the model in `job.folder / "model"` as a Hugging Face folder."""
        ...


def open_engine(name: str, recipe: Recipe) -> Engine | None:
    """The engine called `name`, if it can train `recipe`; None for the embedded one.

    Raises:
        ConfigError: no such engine, or the recipe asks for what it cannot do.
        MissingExtraError: its packages are not installed.
    """
    if name not in ENGINES:
        raise ConfigError(f"engine '{name}': not known, expected one of {', '.join(ENGINES)}")
    if name == EMBEDDED:
        return None
    engine: Engine = importlib.import_module(ENGINES[name]).ENGINE
    for so, found, why in engine.refusals(recipe):
        if so:
            raise ConfigError(f"{found}, but {why}")
    engine.check()
    return engine


def stage_of(recipe: Recipe) -> StageConfig:
    """The stage that an engine is asked to train: the one with steps."""
    return next(stage for stage in recipe.stages if stage.steps)


Refusals = Iterator[tuple[bool, str, str]]
"""See `Engine.refusals`."""


def common_refusals(recipe: Recipe, engine: str) -> Refusals:
    """What no engine but the embedded one does; see `Engine.refusals`."""
    yield from _of_rollouts(recipe, engine)
    yield from _of_steps(recipe, engine)
    yield from _of_models(recipe, engine)
    yield from _of_credit(recipe, engine)


_ONLY = "only --engine embedded"


def _of_rollouts(recipe: Recipe, engine: str) -> Refusals:
    yield (
        recipe.data.source == SMALL_WORLD,
        f"data.source is '{SMALL_WORLD}'",
        f"{_ONLY} trains tool users; {engine} rolls out conversations",
    )
    yield (
        recipe.rollout.unit != "conversation",
        f"rollout.unit is '{recipe.rollout.unit}'",
        f"{_ONLY} plays it; {engine} rolls out whole conversations, use rollout.unit=conversation",
    )
    yield (
        bool(recipe.sampler.path),
        f"sampler.path is '{recipe.sampler.path}'",
        f"{_ONLY} sends its weights to servers of yours; {engine} has its own, leave [sampler] out",
    )


def _of_steps(recipe: Recipe, engine: str) -> Refusals:
    stages = [stage for stage in recipe.stages if stage.steps]
    yield not stages, "the recipe has no stage with steps", f"{engine} trains steps, give stages=[{{steps = N, ...}}]"
    yield (
        any(stage.tokens for stage in stages),
        "a stage has a budget of tokens",
        f"{_ONLY} counts them; {engine} trains a number of steps, use stages=[{{steps = N}}]",
    )
    longest = max((stage.steps for stage in stages), default=0)
    yield (
        0 < recipe.eval.every < longest,
        f"eval.every is {recipe.eval.every}",
        f"{_ONLY} validates within a stage; {engine} at the end of each: use eval.every={longest}, or 0 for never",
    )
    yield (
        len(stages) > 1 and recipe.learner.kl > 0 and recipe.model.reference == "start",
        "model.reference is 'start' with several stages",
        f"{engine} compares with the weights a stage begins with; use model.reference=stage",
    )


def _of_models(recipe: Recipe, engine: str) -> Refusals:
    model = recipe.model
    yield (
        model.backbones != "shared",
        f"model.backbones is '{model.backbones}'",
        f"{_ONLY} trains two models in one run; use model.backbones=shared",
    )
    yield model.train != "all", f"model.train is '{model.train}'", f"{_ONLY} keeps one role frozen; use model.train=all"
    yield (
        model.reference not in ("start", "stage"),
        f"model.reference is '{model.reference}'",
        f"{engine} compares with the weights a stage begins with; use model.reference=stage",
    )
    yield (
        model.lora_rank > 0,
        f"model.lora_rank is {model.lora_rank}",
        f"{engine} trains all weights here; use model.lora_rank=0",
    )


def _of_credit(recipe: Recipe, engine: str) -> Refusals:
    from fairmem.credit import CREDIT_RULES, Need

    yield (
        recipe.learner.correction not in ("auto", "off"),
        f"learner.correction is '{recipe.learner.correction}'",
        f"{_ONLY} weights tokens so; see {engine}'s own settings, and use learner.correction=auto",
    )
    needs = CREDIT_RULES[recipe.credit.rule].needs
    yield (
        Need.CRITIC in needs,
        f"credit.rule is '{recipe.credit.rule}'",
        f"{engine} trains no value head of ours; use another rule, or --engine embedded",
    )
    yield (
        Need.HINDSIGHT_LOGPROB in needs,
        f"credit.rule is '{recipe.credit.rule}'",
        f"it scores given text with the trained model, which {engine}'s servers do not do; use another rule",
    )
