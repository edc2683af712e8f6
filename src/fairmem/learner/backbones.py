"""From a recipe to the models that write memory and to the team that trains them.

    model.backbones   model.train   who plays                         who learns
    shared            all           one model in all roles            it does, from all rows
    separate          all           one model per role                each from its own rows
    either            one role      its model, and a frozen copy of   that role's model, from its own rows
                                    the start weights, or the model
                                    of `model.frozen`, as the other
    shared            answerer      `model.path` writes, frozen;      the answerer's model, from its answers
                                    `answerer.path` answers

With a shared model the role that is not trained would drift with the other's updates; hence the frozen copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem.config import ModelConfig, Recipe
from fairmem.credit import CREDIT_RULES, Need
from fairmem.errors import ConfigError
from fairmem.learner.checkpoint import export
from fairmem.learner.learner import Learner
from fairmem.learner.lora import with_lora
from fairmem.learner.team import Team
from fairmem.policy import WRITERS, Policy, folder_of, is_pair, of_role, open_policy
from fairmem.policy.hf import HFPolicy
from fairmem.seeds import derive
from fairmem.trace import Role

_SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Backbones:
    """The models of a run.

    Attributes:
        policies: Who plays each role that writes memory.
        team: What learns from their turns; it trains the very models that play.
        answerer: The model that answers, if that is the one that learns; it is then what is exported.
    """

    policies: Mapping[Role, HFPolicy]
    team: Team
    answerer: HFPolicy | None = None

    @property
    def name(self) -> str:
        """The model's name, or those of both."""
        return " + ".join(dict.fromkeys(policy.name for policy in self._models().values()))

    def export(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write the model to `folder`; of two models, each to a folder below it, named after its role.

        Raises:
            CheckpointError: see `fairmem.learner.export`.
        """
        models = self._models()
        if self.answerer is not None:
            models, metadata = {_SHARED: self.answerer}, {**metadata, "role": "answerer"}
        for role, policy in models.items():
            place = folder if len(models) == 1 else folder / role
            export(policy.model, policy.tokenizer, place, {"prompts": policy.family, **metadata})

    def close(self) -> None:
        """Release the models."""
        for policy in (*self._models().values(), *([self.answerer] if self.answerer else [])):
            policy.close()

    def _models(self) -> dict[str, HFPolicy]:
        """Role -> model; one entry if all roles share it."""
        found = {role: self.policies[role] for role in WRITERS}
        return found if len({id(policy) for policy in found.values()}) > 1 else {_SHARED: found["manager"]}


def open_backbones(recipe: Recipe) -> Backbones:
    """Open the models that `recipe` trains.

    Raises:
        ConfigError: not a model that runs in this process, or two models where one is to be shared.
        ModelError: a folder that cannot be used.
        MissingExtraError: the recipe asks for adapters and `peft` is not installed.
    """
    model = recipe.model
    if model.train == "answerer":
        return _answering(recipe)
    if model.backbones == "shared" and model.train == "all":
        if is_pair(model.path):
            raise ConfigError(f"model.path is '{model.path}', a model per role; use model.backbones=separate")
        policy = _opened("model.path", model.path, recipe)
        learner = _learner(policy, recipe, derive(recipe.seed, "learner"))
        roles: tuple[Role, ...] = (*WRITERS, "single", "writer", "tooluser")
        return Backbones(dict.fromkeys(roles, policy), Team({_SHARED: learner}, dict.fromkeys(roles, _SHARED)))
    trained: tuple[Role, ...] = WRITERS if model.train == "all" else (model.train,)
    policies: dict[Role, HFPolicy] = {role: _of_writer(role, role in trained, recipe) for role in WRITERS}
    frozen = [policy.model for role, policy in policies.items() if role not in trained]
    # The other role's weights never change, so they can be the reference too and save a copy.
    start = frozen[0] if frozen and _same_start(model) else None
    members: dict[str, Learner] = {
        role: _learner(policies[role], recipe, derive(recipe.seed, "learner", role), start) for role in trained
    }
    owners: dict[Role, str] = {role: role for role in trained}
    return Backbones(policies, Team(members, owners))


def _of_writer(role: Role, trained: bool, recipe: Recipe) -> HFPolicy:
    model = recipe.model
    if model.frozen and not trained:
        return _opened("model.frozen", of_role(model.frozen, role), recipe)
    return _opened("model.path", of_role(model.path, role), recipe)


def _answering(recipe: Recipe) -> Backbones:
    """Frozen writers, and an answerer that learns."""
    path = recipe.model.path
    if is_pair(path):
        writers: dict[Role, HFPolicy] = {role: _opened("model.path", of_role(path, role), recipe) for role in WRITERS}
    else:
        writers = dict.fromkeys((*WRITERS, "single", "writer"), _opened("model.path", path, recipe))
    policy = _opened("answerer.path", recipe.answerer.path, recipe)
    learner = _learner(policy, recipe, derive(recipe.seed, "learner", "answerer"))
    return Backbones(writers, Team({"answerer": learner}, {"answerer": "answerer"}), policy)


def _same_start(model: ModelConfig) -> bool:
    return model.reference == "start" and not (model.lora_rank or model.frozen or is_pair(model.path))


def _opened(key: str, path: str, recipe: Recipe) -> HFPolicy:
    model = recipe.model
    local: dict[str, Any] = {"device": model.device, "dtype": model.dtype, "batch": recipe.rollout.batch}
    here = folder_of(path) is not None or path.startswith("bundled:")
    opened: Policy | None = open_policy(path, **local) if here else None
    if not isinstance(opened, HFPolicy):
        raise ConfigError(f"{key} is '{path}'; training needs a model in this process: bundled or a folder")
    return opened


def _learner(policy: HFPolicy, recipe: Recipe, seed: int, start: Any | None = None) -> Learner:
    """A learner that trains the model of `policy`; `start` is a frozen model with the same weights, if there is one."""
    model = recipe.model
    if model.lora_rank:
        policy.model = with_lora(policy.model, model.lora_rank)
    reference = start
    if model.reference not in ("start", "stage"):
        reference = _opened("model.reference", model.reference, recipe).model
    settings = recipe.at(recipe.stages[0]).learner
    critic = Need.CRITIC in CREDIT_RULES[recipe.credit.rule].needs
    temperature = 1.0 if settings.loss == "imitation" else recipe.rollout.temperature  # nothing was sampled at it
    return Learner(policy.model, reference, settings, temperature=temperature, seed=seed, critic=critic)
