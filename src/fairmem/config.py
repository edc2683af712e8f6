"""The recipe: everything a training run depends on, in one TOML file.

The defaults are the vetted small setting (bundled model, generated conversations, 2 cores), so a recipe
states only what differs. Unknown keys are errors that name the nearest valid key; values are checked
strictly (`"8"` is no integer); nothing is read from the environment. `fairmem train` saves the resolved
recipe beside the run, and loading that file gives the same recipe again.

Add a field: one annotated line with a docstring in its section below (unit included), then its use.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fairmem import toml
from fairmem.errors import ConfigError
from fairmem.types import CATEGORIES, Category

_Positive = Annotated[int, Field(ge=1)]
_Count = Annotated[int, Field(ge=0)]
_Fraction = Annotated[float, Field(ge=0, le=1)]
_NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


RESOLVED = "recipe.toml"
"""Name of the resolved recipe in a run's folder."""
CHECKPOINTS = "checkpoints"
"""Name of the folder of checkpoints in a run's folder."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class ModelConfig(_Section):
    """The model that is trained."""

    path: str = "bundled"
    """`bundled`, the folder of any Hugging Face causal language model, or a folder with one below it per role."""
    backbones: Literal["shared", "separate"] = "shared"
    """Extractor and manager are two roles of one model, or each has a model of its own that learns from its turns."""
    train: Literal["all", "extractor", "manager"] = "all"
    """Whose turns are learned from; the other role is played by a frozen copy of the start weights."""
    reference: str = "start"
    """What the KL term compares with: `start` (the run's first weights), `stage` (the stage's first) or a folder."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights; `auto` is bfloat16 where the device computes in it, else float32."""
    device: str = "auto"
    """`auto` (CUDA if there is one, else CPU), `cpu`, `cuda` or `cuda:N`."""
    lora_rank: _Count = 0
    """Rank of the trained LoRA adapters; 0 trains all weights. Needs the extra `lora`."""


class AnswererConfig(_Section):
    """The frozen model that answers questions from the memory bank; its F1 is the reward."""

    path: str = "bundled:answerer"
    """`bundled:answerer`, a model folder, or `openai:NAME` for any OpenAI-compatible endpoint."""
    base_url: str = ""
    """Address of the endpoint, for `openai:NAME`."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; it may be unset."""


class DataConfig(_Section):
    """The conversations."""

    source: str = "village"
    """A dataset of `fairmem.data`: `village` (generated), `locomo`, `msc`, ..."""
    path: str = ""
    """File or folder of the dataset; not used by `village`."""
    train: tuple[str, ...] = ()
    """Ids of the training conversations; empty for `village`, which makes new ones for every step."""
    validation: tuple[str, ...] = ()
    """Ids of the validation conversations, scored every `eval.every` steps; `curriculum` chooses weights by them."""
    test: tuple[str, ...] = ()
    """Ids of the test conversations, scored before and after training; without any the validation ones are."""
    conversations_per_step: _Positive = 2
    """Conversations rolled out per training step."""
    difficulty: _Fraction = 0.5
    """The one dial of `village`, 0 (plain) to 1 (hard)."""
    validation_conversations: _Count = 8
    """How many validation conversations `village` makes."""
    test_conversations: _Count = 32
    """How many test conversations `village` makes."""
    seed: int = 0
    """Seed of the generated conversations; independent of the run's seed, so that runs share a test set."""


class AgentsConfig(_Section):
    """What the three roles see and how much they may write."""

    roles: Literal["two", "single"] = "two"
    """Extractor and manager, or one agent that reads turns and writes operations in one call per chunk."""
    chunks_per_session: _Positive = 2
    """Slices a session is cut into; one extractor and one manager call each."""
    related_per_fact: _Positive = 5
    """Memory entries retrieved for each extracted fact."""
    related_max: _Positive = 25
    """Most entries a manager prompt shows."""
    related_min_score: float = 0.1
    """Entries below this retrieval score are not shown to the manager."""
    shown_per_speaker: _Positive = 8
    """Entries per speaker that the answerer sees (30 in Memory-R2)."""
    retriever: str = "hybrid"
    """A key of `fairmem.memory.RETRIEVERS`."""
    embedder: str = "hashed"
    """`hashed` (built in, deterministic), or an embedder of the extra `embed`."""
    extractor_max_tokens: _Positive = 96
    """Most tokens of one extractor reply."""
    manager_max_tokens: _Positive = 96
    """Most tokens of one manager (or single agent) reply."""
    answerer_max_tokens: _Positive = 96
    """Most tokens of one answer."""
    history: bool = False
    """Whether the extractor sees its earlier chunks of the same session (`instruct` models only)."""


class RolloutConfig(_Section):
    """How episodes are sampled."""

    global_group: Annotated[int, Field(ge=2)] = 8
    """Rollouts of a whole conversation that are compared with each other."""
    local_group: Annotated[int, Field(ge=2)] = 4
    """Rerollouts of one session from one shared memory bank."""
    local_fraction: _Fraction = 0.5
    """Share of a conversation's sessions that get local rerollouts; 0 turns them off (for rules that need none)."""
    local_sources: Literal["one", "all"] = "one"
    """Rollouts that a session is rolled out again from: one drawn at random, or every one (for `vine_continue`)."""
    local_horizon: _Count | Literal["end"] = 0
    """Further sessions a local rerollout goes on for before its memory is scored; `end` goes on to the last."""
    local_reuse: bool = False
    """Whether the session its source played itself joins a local group as one more member, at no generation."""
    questions: Literal["cumulative", "session", "both"] = "cumulative"
    """Local scoring: all questions by then, those with evidence in the session, or the mean of these and the others."""
    max_questions: _Count = 0
    """Most questions per comparison group, the same for all its members; 0 asks all."""
    max_local_questions: _Count | None = None
    """Overrides max_questions for local groups; with `both` for either kind."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Sampling temperature of global and of local rollouts."""
    batch: _Positive = 128
    """Sequences generated at once."""
    state_values: bool = False
    """Quiz the memory of a global rollout after every session, not only after the last (answerer calls only)."""

    def rerolled(self, sessions: int) -> int:
        """How many of `sessions` sessions get local rerollouts; half a session counts as one."""
        return min(sessions, int(self.local_fraction * sessions + 0.5))


class RewardConfig(_Section):
    """What a rollout earns: answer F1 minus a penalty for a bank that outgrows the dialogue."""

    f1: str = "bag"
    """A key of `fairmem.metrics.F1_VARIANTS`; `memory_r2_set` is the original's set overlap."""
    compression_tau: _NonNegative = 0.5
    """Bank size, as a share of the dialogue in tokens, up to which nothing is charged."""
    compression_lambda: _NonNegative = 0.2
    """Reward lost per share of the dialogue by which the bank exceeds tau."""


class CreditConfig(_Section):
    """How rewards become advantages."""

    rule: str = "logo"
    """A key of `fairmem.credit.CREDIT_RULES`: `logo`, `grpo`, ... (docs/algorithms.md)."""
    scale: Literal["std", "mean", "loo"] = "std"
    """Group baseline: mean with division by the standard deviation, mean alone, or leave-one-out mean.
    `dr_grpo` and `rloo` set their own, `vine` has none."""
    local_weight: _NonNegative = 1.0
    """Weight of the local rows in the loss, relative to the global ones."""
    gamma: _Fraction | None = None
    """Discount of rewards per session; left out, the rule's own: 1 for `per_turn`, 0.95 for `gigpo` and `hcapo`."""
    omega: _NonNegative = 1.0
    """Weight of the second term: equal memories in `gigpo`, all nodes of one depth in `tree`, hindsight in `hcapo`."""
    used_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 4.0
    """`membuilder`: weight in the loss of the chunk of a session that the answerer was shown most of; else 1."""
    floor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-6
    """Groups whose reward deviation is not above this are dropped (reward units)."""
    scope: Literal["session", "trajectory"] = "session"
    """Global rewards: each session earns from the questions about it, or all sessions earn the mean."""


class LearnerConfig(_Section):
    """The policy-gradient update."""

    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4
    """Peak learning rate of AdamW."""
    betas: tuple[_Fraction, _Fraction] = (0.9, 0.99)
    """AdamW's decay rates."""
    weight_decay: _NonNegative = 0.0
    """AdamW's decoupled weight decay."""
    warmup_steps: _Count = 2
    """Optimizer steps over which the learning rate rises linearly to `lr`; constant after that."""
    clip_low: _Fraction = 0.2
    """The ratio is clipped below 1 - clip_low."""
    clip_high: _NonNegative = 0.2
    """The ratio is clipped above 1 + clip_high."""
    dual_clip: _NonNegative = 3.0
    """Bound on the loss of negative advantages, in multiples of |A| (> 1); 0 turns it off."""
    ratio: Literal["token", "turn"] = "turn"
    """Importance ratio per token, or per turn from the mean log-ratio of its tokens."""
    aggregation: Literal["token", "turn"] = "turn"
    """Loss is the mean over tokens, or over turns."""
    kl: _NonNegative = 0.001
    """Weight of the k3 estimate of KL to the reference (nats per token)."""
    entropy: _NonNegative = 0.0
    """Weight of the entropy bonus (nats per token)."""
    grad_clip: _NonNegative = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    epochs: _Positive = 1
    """Passes over each step's rows."""
    minibatches: _Positive = 1
    """Optimizer steps per pass."""
    pack_tokens: _Positive = 1024
    """Length of a packed row (tokens)."""
    micro_tokens: _Positive = 8192
    """Most tokens per forward pass; gradients are accumulated up to a minibatch."""

    @model_validator(mode="after")
    def _bounds(self) -> LearnerConfig:
        if 0 < self.dual_clip <= 1:
            raise ValueError(f"learner.dual_clip must be above 1, or 0 to turn it off; found {self.dual_clip}")
        return self


class StageConfig(_Section):
    """One stage of the curriculum. What is left out is the recipe's own value."""

    sessions: _Positive = 8
    """Sessions per conversation; longer conversations are cut after this many."""
    steps: _Count = 24
    """Training steps."""
    conversations_per_step: _Positive | None = None
    """Overrides data.conversations_per_step."""
    global_group: Annotated[int, Field(ge=2)] | None = None
    """Overrides rollout.global_group."""
    local_group: Annotated[int, Field(ge=2)] | None = None
    """Overrides rollout.local_group."""
    local_fraction: _Fraction | None = None
    """Overrides rollout.local_fraction."""
    compression_tau: _NonNegative | None = None
    """Overrides reward.compression_tau."""
    compression_lambda: _NonNegative | None = None
    """Overrides reward.compression_lambda."""
    minibatches: _Positive | None = None
    """Overrides learner.minibatches."""


class CurriculumConfig(_Section):
    """How stages end and what they hand on, by scores of the validation conversations (`eval.every` above 0).

    A stage ends after its steps at the latest. Every stage starts with a fresh optimizer.
    """

    select: Literal["val_f1", "val_m_fail", "last"] = "val_f1"
    """Score that chooses a stage's best weights: the next stage starts from them, the run exports them."""
    promote: bool = False
    """Leave a stage, unless it is the last, as soon as a validation reaches `promote_threshold`."""
    promote_metric: Literal["val_m_fail", "val_f1"] = "val_m_fail"
    """Score of the rule: `val_m_fail` (evidence lost from memory) has to fall below, `val_f1` to rise above."""
    promote_threshold: _Fraction = 0.10
    """Where `promote_metric` has to get to."""
    unreached: Literal["next", "stop"] = "next"
    """After a stage that ended without reaching it: go on with the next stage all the same, or end training."""
    patience: _Count = 0
    """Validations in a row without a better `select` score after which a stage ends; 0 is never."""


class EvalConfig(_Section):
    """Evaluation during and around training."""

    every: _Count = 0
    """Steps of a stage between two scores of the validation conversations (its last is scored too); 0 is never."""
    temperature: _NonNegative = 0.0
    """Sampling temperature; 0 is greedy."""
    bootstrap: _Positive = 10_000
    """Resamples of the confidence intervals."""
    categories: tuple[Category, ...] = tuple(c for c in CATEGORIES if c != "adversarial")
    """Question categories that count."""


class CheckpointConfig(_Section):
    """What is kept of a run that is stopped."""

    every: _Count = 5
    """Training steps between two checkpoints; 0 keeps none."""
    keep: _Positive = 2
    """How many of the newest checkpoints are kept."""


class LogConfig(_Section):
    """Where metrics go besides `metrics.jsonl`."""

    tensorboard: bool = False
    """Write TensorBoard event files (needs the package `tensorboard`)."""
    wandb: bool = False
    """Send metrics to Weights & Biases (needs the package `wandb`)."""
    trace_every: _Count = 10
    """Training steps between two episode traces kept in the run's `trace` folder; 0 keeps none."""


class Recipe(_Section):
    """A training run. Sections are TOML tables; `stages` is an array of tables."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    """Name of the run; its files go to runs/NAME."""
    seed: _Count = 0
    """Seed of everything random except the generated conversations (`data.seed`)."""
    model: ModelConfig = ModelConfig()
    answerer: AnswererConfig = AnswererConfig()
    data: DataConfig = DataConfig()
    agents: AgentsConfig = AgentsConfig()
    rollout: RolloutConfig = RolloutConfig()
    reward: RewardConfig = RewardConfig()
    credit: CreditConfig = CreditConfig()
    learner: LearnerConfig = LearnerConfig()
    stages: Annotated[tuple[StageConfig, ...], Field(min_length=1)] = (StageConfig(),)
    curriculum: CurriculumConfig = CurriculumConfig()
    eval: EvalConfig = EvalConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        for wrong, found, reason in _conflicts(self):
            if wrong:
                raise ValueError(f"{found}, but {reason}")
        return self

    @property
    def steps(self) -> int:
        """Training steps of all stages together, at most: the curriculum may end a stage early."""
        return sum(stage.steps for stage in self.stages)

    def at(self, stage: StageConfig) -> Recipe:
        """This recipe with the overrides of `stage` put in their places."""

        def merged(section: Any, *names: str) -> Any:
            given = {name: getattr(stage, name) for name in names if getattr(stage, name) is not None}
            return section.model_copy(update=given)

        return self.model_copy(
            update={
                "data": merged(self.data, "conversations_per_step"),
                "rollout": merged(self.rollout, "global_group", "local_group", "local_fraction"),
                "reward": merged(self.reward, "compression_tau", "compression_lambda"),
                "learner": merged(self.learner, "minibatches"),
            }
        )


def _conflicts(recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
    """(whether it is so, what the recipe asks for, what it cannot go with and what to do) for pairs of keys."""
    model, agents, curriculum = recipe.model, recipe.agents, recipe.curriculum
    single = agents.roles == "single"
    alone = "agents.roles is 'single': one agent has no"
    yield (
        single and model.train != "all",
        f"model.train is '{model.train}'",
        f"{alone} extractor and no manager to choose from; use model.train=all",
    )
    yield (
        single and model.backbones == "separate",
        "model.backbones is 'separate'",
        f"{alone} second role to give a model to; use model.backbones=shared",
    )
    yield (
        single and agents.history,
        "agents.history is on",
        f"{alone} extractor that could see earlier chunks; use agents.history=false",
    )
    yield (
        model.reference == "stage" and model.lora_rank > 0,
        "model.reference is 'stage'",
        "model.lora_rank is above 0: with adapters the model without them is compared with; use model.reference=start",
    )
    unseen = "eval.every is 0, so nothing is validated; set eval.every above 0"
    yield curriculum.promote and not recipe.eval.every, "curriculum.promote is on", unseen
    yield curriculum.patience > 0 and not recipe.eval.every, f"curriculum.patience is {curriculum.patience}", unseen
    yield (
        curriculum.patience > 0 and curriculum.select == "last",
        f"curriculum.patience is {curriculum.patience}",
        "curriculum.select is 'last', so no score is better than another; use val_f1 or val_m_fail",
    )


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe at `source`, a TOML file or the name of a shipped recipe, with `key=value` overrides applied.

    Raises:
        ConfigError: no such recipe, not TOML, an unknown key, or a value of the wrong type or out of range.
    """
    path = find_recipe(source)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_recipe(data, overrides, where=str(path))


def parse_recipe(data: dict[str, Any], overrides: Sequence[str] = (), where: str = "recipe") -> Recipe:
    """The recipe in `data`, the content of a TOML file; `where` names it in errors. `data` is not changed."""
    data = json.loads(json.dumps(data, default=str))
    _validate(data, where)  # so that a fault of the file is not blamed on an override
    for override in overrides:
        _set(data, override)
    return _validate(data, f"{where} with overrides" if overrides else where)


def find_recipe(source: str | Path) -> Path:
    """The file of a recipe given as a path or by the name of a shipped one.

    Raises:
        ConfigError: neither a file nor the name of a shipped recipe.
    """
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if str(source) in shipped:
        return shipped[str(source)]
    near = difflib.get_close_matches(path.stem, shipped, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    names = ", ".join(shipped) or "none"
    raise ConfigError(f"{source}: no such recipe file, nor a shipped recipe{hint} (shipped: {names})")


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of the recipes that come with fairmem."""
    here = Path(__file__).resolve()
    # A wheel carries them inside the package; a checkout keeps them at its root.
    folders = (here.parent / "recipes", here.parents[2] / "recipes")
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def save_resolved(recipe: Recipe, path: Path) -> None:
    """Write `recipe` with every default spelled out to `path` as TOML; `load_recipe(path)` gives it back."""
    text = toml.dumps(recipe.model_dump(mode="json", exclude_none=True))
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def differences(old: Recipe, new: Recipe) -> list[str]:
    """One text per value that differs, as `learner.lr: 0.1 there, 0.2 here`."""
    before, after = (dict(_values(recipe.model_dump(mode="json"))) for recipe in (old, new))
    return [
        f"{key}: {_short(before.get(key))} there, {_short(after.get(key))} here"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def parse_value(text: str) -> Any:
    """The value of an override: TOML syntax, where strings may go without quotes, also inside a list."""
    text = text.strip()
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    if parsed.keys() == {"value"}:
        return parsed["value"]
    if text.startswith("[") and text.endswith("]"):
        return [parse_value(item) for item in text[1:-1].split(",") if item.strip()]
    return text


def _set(data: dict[str, Any], override: str) -> None:
    """Put one `a.b.c=value` into `data`; a number in the path is an index into an array."""
    key, sign, text = override.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise ConfigError(f"override '{override}': expected KEY=VALUE, as in learner.lr=1e-4")
    place: Any = data
    for depth, part in enumerate(parts[:-1]):
        if isinstance(place, list):
            place = cast("list[Any]", place)[_index(cast("list[Any]", place), part, override)]
            continue
        if not isinstance(place, dict):
            raise ConfigError(f"override '{override}': '{'.'.join(parts[:depth])}' holds a value, not a section")
        # The default stages are not in the file, so an index into them needs them spelled out first.
        missing: Any = [{}] if part == "stages" and depth == 0 else {}
        place = cast("dict[str, Any]", place).setdefault(part, missing)
    if isinstance(place, list):
        members = cast("list[Any]", place)
        members[_index(members, parts[-1], override)] = parse_value(text)
    elif isinstance(place, dict):
        place[parts[-1]] = parse_value(text)
    else:
        raise ConfigError(f"override '{override}': '{'.'.join(parts[:-1])}' holds a value, not a section")


def _index(members: list[Any], part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(members):
        raise ConfigError(f"override '{override}': '{part}' is no index into a list of {len(members)} (0 is the first)")
    return int(part)


def _validate(data: dict[str, Any], where: str) -> Recipe:
    try:
        # From JSON, so that strict checking still takes TOML's arrays for tuples.
        return Recipe.model_validate_json(json.dumps(data))
    except ValidationError as error:
        errors: dict[tuple[str | int, ...], list[Any]] = {}
        for found in error.errors(include_url=False):
            errors.setdefault(_place(found["loc"]), []).append(found)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        place, first = next(iter(errors.items()))
        raise ConfigError(f"{where}: {_explain(place, first)}{more}") from error


def _place(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """`loc` without what pydantic appends to it to name the members of a union."""
    section: Any = Recipe
    for depth, part in enumerate(loc):
        if isinstance(part, str):
            if section is None:
                return loc[:depth]
            field = section.model_fields.get(part)
            inner = StageConfig if part == "stages" else field.annotation if field else None
            section = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return loc


def _explain(loc: tuple[str | int, ...], errors: Sequence[Any]) -> str:
    """One line for what is wrong at `loc` (several errors for a union): what was found, and what was expected."""
    error = errors[0]
    where = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        return _explain_unknown(loc)
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "missing":  # of a fixed-length list, such as learner.betas
        where, expected = ".".join(str(part) for part in loc[:-1]), "more items"
    elif error["type"] == "too_short":
        expected = f"at least {error['ctx']['min_length']} item(s)"
    elif error["type"] == "too_long":
        expected = f"at most {error['ctx']['max_length']} item(s)"
    elif error["type"] == "model_type":
        expected = "a section"
    elif error["type"] == "string_pattern_mismatch":  # name is the only field with a pattern
        expected = "letters, digits, '.', '_' and '-' (it becomes a folder)"
    else:
        expected = " or ".join(str(e["msg"]).removeprefix("Input should be ").removeprefix("a valid ") for e in errors)
    return f"{where}: found {_describe(error['input'])}, expected {expected}"


def _describe(found: object) -> str:
    if isinstance(found, dict):
        return "a section"
    names = {"bool": "boolean", "int": "integer", "float": "number", "str": "string"}
    kind = type(found).__name__
    return f"{_short(found)} ({names.get(kind, kind)})"


def _short(found: object) -> str:
    text = "nothing" if found is None else toml.value(found)
    return text if len(text) <= 60 else text[:57] + "..."


def _values(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every value below `data`; list members are counted from 0."""
    for name, item in data.items():
        if isinstance(item, dict):
            yield from _values(cast("dict[str, Any]", item), f"{prefix}{name}.")
        elif name == "stages":
            for index, stage in enumerate(item):
                yield from _values(stage, f"{prefix}{name}.{index}.")
        else:
            yield prefix + name, item


def _explain_unknown(loc: tuple[str | int, ...]) -> str:
    *parents, key = loc
    section = _section_at(parents)
    valid = list(section.model_fields)
    name = ".".join(str(part) for part in parents)
    near = difflib.get_close_matches(str(key), valid, n=1)
    if not near:  # right word in the wrong section, as in `lr=1e-4` for `learner.lr`
        dotted = dict(_leaves(Recipe))
        close = difflib.get_close_matches(str(key), dotted, n=1, cutoff=0.7)
        near = [dotted[close[0]]] if close else difflib.get_close_matches(str(key), valid, n=1, cutoff=0.0)
    elif name:
        near = [f"{name}.{near[0]}"]
    full = f"{name}.{key}" if name else str(key)
    inside = f"section '{name}'" if name else "the recipe"
    return f"unknown key '{full}'; did you mean '{near[0]}'? Valid keys of {inside}: {', '.join(valid)}"


def _section_at(path: Sequence[str | int]) -> type[BaseModel]:
    section: type[BaseModel] = Recipe
    for part in path:
        if part == "stages":
            section = StageConfig
        elif isinstance(part, str):
            section = cast("type[BaseModel]", section.model_fields[part].annotation)
    return section


def _leaves(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(key, dotted key) of every plain field."""
    for name, field in section.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _leaves(annotation, f"{prefix}{name}.")
        else:
            yield name, prefix + name
