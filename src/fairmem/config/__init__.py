"""The recipe: everything a training run depends on, in one TOML file.

The defaults are the vetted small setting (bundled model, generated conversations, 2 cores), so a recipe
states only what differs. Unknown keys are errors that name the nearest valid key; values are checked
strictly (`"8"` is no integer); nothing is read from the environment. `fairmem train` saves the resolved
recipe beside the run, and loading that file gives the same recipe again.

Add a field: one annotated line with a docstring in its section (unit included), then its use.

section.py    what every section is made of
roles.py      model, sampler, answerer, teacher, agents
rollouts.py   data, rollout, reward
drift.py      drift: training a tool user that memory does not move
learning.py   credit, learner, stages, curriculum
records.py    eval, checkpoint, log
recipe.py     the whole, and what its keys cannot say together; units.py that of single decisions and demonstrations
files.py      load, save, compare; overrides.py reads KEY=VALUE, explain.py says what is wrong
"""

from __future__ import annotations

from fairmem.config.drift import SMALL_WORLD, DriftConfig
from fairmem.config.files import (
    CHECKPOINTS,
    RESOLVED,
    changed,
    differences,
    find_recipe,
    load_recipe,
    parse_recipe,
    save_resolved,
    shipped_recipes,
)
from fairmem.config.learning import CreditConfig, CurriculumConfig, LearnerConfig, StageConfig
from fairmem.config.overrides import parse_value
from fairmem.config.recipe import Recipe
from fairmem.config.records import CheckpointConfig, EvalConfig, LogConfig
from fairmem.config.roles import AgentsConfig, AnswererConfig, ModelConfig, SamplerConfig, TeacherConfig
from fairmem.config.rollouts import DataConfig, RewardConfig, RolloutConfig
from fairmem.config.section import Section

__all__ = [
    "AgentsConfig",
    "AnswererConfig",
    "CHECKPOINTS",
    "CheckpointConfig",
    "CreditConfig",
    "CurriculumConfig",
    "DataConfig",
    "DriftConfig",
    "EvalConfig",
    "LearnerConfig",
    "LogConfig",
    "ModelConfig",
    "RESOLVED",
    "Recipe",
    "RewardConfig",
    "RolloutConfig",
    "SMALL_WORLD",
    "SamplerConfig",
    "Section",
    "StageConfig",
    "TeacherConfig",
    "changed",
    "differences",
    "find_recipe",
    "load_recipe",
    "parse_recipe",
    "parse_value",
    "save_resolved",
    "shipped_recipes",
]
