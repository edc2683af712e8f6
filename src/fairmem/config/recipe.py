"""The recipe as a whole: its sections, what its keys cannot say together, and its overrides per stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, model_validator

from fairmem.config.drift import DriftConfig
from fairmem.config.learning import CreditConfig, CurriculumConfig, LearnerConfig, StageConfig
from fairmem.config.records import CheckpointConfig, EvalConfig, LogConfig
from fairmem.config.roles import AgentsConfig, AnswererConfig, ModelConfig, SamplerConfig, TeacherConfig
from fairmem.config.rollouts import DataConfig, RewardConfig, RolloutConfig
from fairmem.config.section import Count, Section
from fairmem.config.units import unit_conflicts


class Recipe(Section):
    """A training run. Sections are TOML tables; `stages` is an array of tables."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    """Name of the run; its files go to runs/NAME."""
    seed: Count = 0
    """Seed of everything random except the generated conversations (`data.seed`)."""
    model: ModelConfig = ModelConfig()
    sampler: SamplerConfig = SamplerConfig()
    answerer: AnswererConfig = AnswererConfig()
    teacher: TeacherConfig = TeacherConfig()
    data: DataConfig = DataConfig()
    agents: AgentsConfig = AgentsConfig()
    rollout: RolloutConfig = RolloutConfig()
    reward: RewardConfig = RewardConfig()
    drift: DriftConfig = DriftConfig()
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
        """This recipe with the overrides of `stage` put in their places, and `learner.correction` decided."""

        def merged(section: Any, *names: str) -> Any:
            given = {name: getattr(stage, name) for name in names if getattr(stage, name) is not None}
            return section.model_copy(update=given)

        learner = merged(self.learner, "minibatches")
        if learner.correction == "auto":
            learner = learner.model_copy(update={"correction": "truncate" if self.sampler.path else "off"})
        return self.model_copy(
            update={
                "data": merged(self.data, "conversations_per_step"),
                "rollout": merged(self.rollout, "global_group", "local_group", "local_fraction"),
                "reward": merged(self.reward, "compression_tau", "compression_lambda"),
                "learner": learner,
            }
        )


def _conflicts(recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
    """(whether it is so, what the recipe asks for, what it cannot go with and what to do) for pairs of keys."""
    model, agents, curriculum = recipe.model, recipe.agents, recipe.curriculum
    single = agents.roles != "two"
    alone = f"agents.roles is '{agents.roles}': one agent has no"
    yield (
        single and model.train in ("extractor", "manager"),
        f"model.train is '{model.train}'",
        f"{alone} extractor and no manager to choose from; use model.train=all",
    )
    yield (
        bool(model.frozen) and model.train in ("all", "answerer"),
        f"model.frozen is '{model.frozen}'",
        f"model.train is '{model.train}', so that no role is played by it; use model.train=manager or extractor",
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
    yield from unit_conflicts(recipe)
    yield from _sampler_conflicts(recipe)


def _sampler_conflicts(recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
    sampler, model = recipe.sampler, recipe.model
    used = bool(sampler.path)
    yield (
        used and not (sampler.path.startswith("openai:") and sampler.path.removeprefix("openai:").strip()),
        f"sampler.path is '{sampler.path}'",
        "a sampler is named as openai:NAME, with the name that the servers know the model by",
    )
    yield used and not sampler.servers, "sampler.path is set", "sampler.servers is empty; name at least one address"
    yield (
        not used and bool(sampler.servers),
        "sampler.servers is set",
        "sampler.path is empty, so that nobody would ask them; set it to openai:NAME",
    )
    yield (
        used and (model.backbones != "shared" or model.train != "all"),
        "sampler.path is set",
        "its servers hold one model for all roles; use model.backbones=shared and model.train=all",
    )
    yield (
        used and sampler.sync == "http" and not sampler.sync_url,
        "sampler.sync is 'http'",
        "sampler.sync_url is empty; give the address that loads weights",
    )
    yield (
        used and sampler.sync == "command" and not sampler.sync_command,
        "sampler.sync is 'command'",
        "sampler.sync_command is empty; give the command that loads weights",
    )
    yield (
        used and sampler.sync_every > sampler.max_staleness + 1,
        f"sampler.sync_every is {sampler.sync_every}",
        f"sampler.max_staleness is {sampler.max_staleness}, so that whole steps would be dropped; "
        f"set it to {sampler.sync_every - 1} or more",
    )
