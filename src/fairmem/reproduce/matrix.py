"""The matrix as data: groups of arms, each arm a recipe with overrides, all with the same budget of tokens."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from fairmem import toml
from fairmem.config import Section
from fairmem.errors import ConfigError

SHIPPED = ("matrix", "recipes")
"""Matrices that come with fairmem: the ablations of Memory-R2, and the four systems side by side."""

MOST_STEPS = 100_000
"""Steps of a stage at most; its budget ends it long before."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Share(Section):
    """A stage of an arm: how many sessions are played, and which share of the arm's budget it gets."""

    sessions: Annotated[int, Field(ge=1)]
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    conversations: Annotated[int, Field(ge=1)] | None = None
    """Conversations of a step, if not as many as the recipe says."""


class CommonTest(Section):
    """Held-out village conversations that all arms of a group are tested on, with one answerer and one score."""

    conversations: Annotated[int, Field(ge=1)] = 24
    sessions: Annotated[int, Field(ge=1)] = 8
    seed: int = 0
    answerer: str = "bundled"
    """As for `fairmem eval --answerer`."""
    base_url: str = ""
    """Address of the answerer, if it is an endpoint."""
    score: str = "bag"
    """A key of `fairmem.metrics.ANSWER_SCORES`; `bag` is token F1."""


class Arm(Section):
    """One setting that is trained over all seeds."""

    name: Name
    about: str
    """What it is, in a few words."""
    recipe: str = ""
    """Name or file of its recipe, if it is another than the matrix's."""
    overrides: tuple[str, ...] = ()
    """Of the recipe, as `key=value`, after those of the matrix and of the group."""
    stages: tuple[Share, ...] = ()
    """In place of the group's."""


class Group(Section):
    """Arms that are compared with one of them."""

    name: Name
    title: str
    asks: str
    """The question that the group answers."""
    baseline: Name
    """The arm that differences are taken from."""
    arms: Annotated[tuple[Arm, ...], Field(min_length=2)]
    stages: tuple[Share, ...] = (Share(sessions=8),)
    budget: Positive = 1.0
    """Sampled tokens of every arm, as a multiple of the matrix's budget."""
    overrides: tuple[str, ...] = ()
    frontier: bool = False
    """Whether F1 is drawn against the size of the memory."""
    test: CommonTest | None = None
    """In place of the test of each run's own recipe, for arms that are not tested alike there."""

    @model_validator(mode="after")
    def _fits(self) -> Group:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"group '{self.name}' has two arms of one name: {', '.join(names)}")
        if self.baseline not in names:
            raise ValueError(f"group '{self.name}': baseline '{self.baseline}' is none of its arms {', '.join(names)}")
        for arm in self.arms:
            total = sum(stage.share for stage in arm.stages or self.stages)
            if abs(total - 1) > 1e-6:
                raise ValueError(f"group '{self.name}', arm '{arm.name}': shares of its stages add up to {total:g}")
        return self


class Matrix(Section):
    """All groups."""

    title: str = "Does fair credit help?"
    """Of the page."""
    recipe: str
    """Name or file of the recipe that arms are overrides of, unless they name another."""
    budget: Annotated[int, Field(ge=1)]
    """Sampled tokens per run (`stages[].tokens`)."""
    counts: Literal["trained", "written"] = "trained"
    """Whose tokens those are (`stages[].counts`)."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    seconds_per_kilotoken: Positive
    """Of training, evaluations apart: for estimates before any run is finished."""
    overrides: tuple[str, ...] = ()
    """Of every arm."""
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]

    _order: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="after")
    def _named_once(self) -> Matrix:
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise ValueError(f"two groups of one name: {', '.join(names)}")
        return self

    @property
    def order(self) -> tuple[str, ...]:
        """Names of its groups; of those of the whole matrix, if this is `only` some of it."""
        return self._order or tuple(group.name for group in self.groups)

    def only(self, names: Sequence[str]) -> Matrix:
        """The groups of these names, all without any.

        Raises:
            ConfigError: there is no such group.
        """
        known = [group.name for group in self.groups]
        for name in names:
            if name not in known:
                raise ConfigError(f"--only {name}: no such group; expected some of {', '.join(known)}")
        if not names:
            return self
        part = self.model_copy(update={"groups": tuple(group for group in self.groups if group.name in names)})
        part._order = self.order
        return part


def load_matrix(path: Path | None = None) -> Matrix:
    """The matrix in the file at `path`, or the one of that name that ships; None takes that of the ablations.

    Raises:
        ConfigError: no such file, not TOML, or not a matrix; one line that names the place.
    """
    shipped = {name: files("fairmem.reproduce") / f"{name}.toml" for name in SHIPPED}
    name = "matrix" if path is None else str(path)
    try:
        text = (path if path is not None and name not in shipped else shipped[name]).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        known = ", ".join(SHIPPED)
        raise ConfigError(f"{path}: not a matrix of arms in TOML (shipped: {known}): {error}") from error
    try:
        return Matrix.model_validate_json(json.dumps(data))  # from JSON: strict, and TOML's arrays are tuples
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path or 'matrix.toml'}: {where or 'matrix'}: {first['msg']}") from error


def arm_overrides(matrix: Matrix, group: Group, arm: Arm, budget: int | None = None) -> tuple[str, ...]:
    """The overrides of the matrix's recipe that make `arm`, its stages with their budgets included.

    Args:
        matrix: With the arm.
        group: Of the arm.
        arm: The arm.
        budget: Sampled tokens per run, before the group's multiple; None takes the matrix's.
    """
    tokens = (budget or matrix.budget) * group.budget
    stages: list[dict[str, Any]] = [
        {"sessions": stage.sessions, "steps": MOST_STEPS, "tokens": max(1, round(tokens * stage.share))}
        for stage in arm.stages or group.stages
    ]
    for stage, given in zip(stages, arm.stages or group.stages, strict=True):
        stage.update({} if given.conversations is None else {"conversations_per_step": given.conversations})
    if matrix.counts != "trained":
        stages = [{**stage, "counts": matrix.counts} for stage in stages]
    return (*matrix.overrides, *group.overrides, *arm.overrides, f"stages={toml.value(stages)}")
