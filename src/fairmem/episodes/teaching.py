"""Who decides in the place of the trained role: for demonstrations that are imitated, and for stored memories.

What a teacher says in words is tokenised with the student's tokenizer, so a demonstration is a turn like any other: the
prompt the student would read and the tokens it would have had to write. A student's own tokens are kept as sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from fairmem.agents.careful import CarefulManager
from fairmem.config import Recipe
from fairmem.errors import ConfigError
from fairmem.policy import Family, Policy, Prompt, Reply, Sample, SampleRequest, open_ready
from fairmem.policy.sampled import unfit
from fairmem.trace import Role


@runtime_checkable
class Student(Protocol):
    """A model in this process that can say what its tokens for a prompt and a reply are."""

    family: Family
    context: int | None

    def rendered(self, prompt: Prompt) -> str:
        """The prompt as the model reads it."""
        ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a rendered prompt."""
        ...

    def reply_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a whole reply."""
        ...


class Demonstrations:
    """A teacher as a policy whose replies are in the student's tokens; log-probabilities are left out.

    A demonstration that the student's context cannot hold is a `PROMPT_TOO_LONG` failure.
    """

    def __init__(self, teacher: Policy, student: Student) -> None:
        self.name = teacher.name
        self.family: Family = student.family
        self._teacher, self._student = teacher, student

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """The teacher's replies, in the student's tokens."""
        return [
            self._told(request, reply) if isinstance(reply, Sample) else reply
            for request, reply in zip(requests, self._teacher.sample(requests), strict=True)
        ]

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """As the teacher does."""
        return self._teacher.score(prompt_ids, ids)

    def count_tokens(self, text: str) -> int:
        """As the student counts."""
        return len(self._student.reply_ids(text)) - 1

    def close(self) -> None:
        """Release the teacher."""
        self._teacher.close()

    def _told(self, request: SampleRequest, reply: Sample) -> Reply:
        text = self._student.rendered(request.prompt)
        prompt, ids = self._student.encode(text), self._student.reply_ids(reply.text)
        failure = unfit(len(prompt), len(ids), self._student.context)
        return failure or Sample(text, prompt, ids, (), reply.text, reply.stop)


def needs_teacher(recipe: Recipe) -> bool:
    """Whether a teacher takes part in the recipe."""
    return recipe.rollout.unit != "conversation"


def open_teacher(recipe: Recipe, policies: Mapping[Role, Policy]) -> dict[Role, Policy]:
    """Who plays each role where the teacher decides: the teacher in the trained ones, `policies` in the others.

    Args:
        recipe: One that `needs_teacher`.
        policies: Who plays each role in training.

    Raises:
        ConfigError: the teacher and the student read other prompts, or the student is not a model in this process.
        FairmemError: the teacher cannot be opened (`open_ready`).
    """
    teaching, train = recipe.teacher, recipe.model.train
    trained: list[Role] = [role for role in policies if role != "answerer" and train in ("all", role)]
    student = policies[trained[0]]
    teacher: Policy
    if teaching.path == "policy":
        return dict(policies)
    if teaching.path == "rules":
        teacher = CarefulManager()
    else:
        model = recipe.model
        local: dict[str, Any] = {"device": model.device, "dtype": model.dtype, "batch": recipe.rollout.batch}
        teacher = open_ready(teaching.path, teaching.base_url, teaching.api_key_env, family=student.family, **local)
    if teacher.family != student.family:
        teacher.close()
        raise ConfigError(
            f"teacher.path is '{teaching.path}', which reads {teacher.family} prompts, and the model that is trained "
            f"reads {student.family} ones; give a teacher that reads the same, as a model folder or openai:NAME"
        )
    if recipe.rollout.unit == "demonstration":
        if not isinstance(student, Student):
            raise ConfigError(f"{student.name}: only a model in this process can imitate, bundled or a folder")
        teacher = Demonstrations(teacher, student)
    replaced: dict[Role, Policy] = dict.fromkeys(trained, teacher)
    return {**policies, **replaced}
