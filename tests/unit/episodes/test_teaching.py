"""Who decides where a teacher does, and that its words become the student's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fairmem.agents.careful import CarefulManager
from fairmem.config import Recipe, load_recipe
from fairmem.episodes import Demonstrations, collect, needs_teacher, open_teacher, training_plan
from fairmem.errors import ConfigError
from fairmem.policy import Family, Message, Policy, Prompt, Sample, SampleRequest, ScriptedPolicy
from fairmem.policy.render import plain_text
from fairmem.trace import CallFailure, FailureKind, Role
from fairmem.types import CATEGORIES
from tests.unit.episodes.build import CONVERSATION, told
from tests.unit.episodes.test_bandit import runner


class Letters(ScriptedPolicy):
    """A student whose tokens are letters (their code points); 0 ends a message."""

    family: Family = "compact"

    def __init__(self, context: int | None = None) -> None:
        super().__init__(told)
        self.context = context

    def rendered(self, prompt: Prompt) -> str:
        return f"[{plain_text(prompt)}]"

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def reply_ids(self, text: str) -> tuple[int, ...]:
        return (*map(ord, text), 0)


def ask(student: Letters, text: str = "<manage> x\n<facts>\na Bo hums.\n<out>\n") -> Sequence[Sample | CallFailure]:
    return Demonstrations(CarefulManager(), student).sample([SampleRequest((Message("user", text),), 8)])


def test_a_demonstration_is_the_students_prompt_and_the_tokens_it_would_have_had_to_write() -> None:
    (told_so,) = ask(Letters())
    assert isinstance(told_so, Sample) and told_so.text == "a INSERT"
    assert told_so.prompt_text.startswith("[<manage> x") and told_so.prompt_ids[0] == ord("[")
    assert told_so.ids == (*map(ord, "a INSERT"), 0) and told_so.logprobs == ()


def test_a_demonstration_beyond_the_students_context_and_a_teachers_failure_are_typed() -> None:
    (long,) = ask(Letters(context=20))
    assert isinstance(long, CallFailure) and long.kind is FailureKind.PROMPT_TOO_LONG
    (refused,) = ask(Letters(), "<extract>")
    assert isinstance(refused, CallFailure) and refused.kind is FailureKind.REFUSED


def recipe(name: str = "memory_r1_bc", *overrides: str) -> Recipe:
    return load_recipe(name, overrides)


def policies(student: Policy) -> dict[Role, Policy]:
    return {"extractor": student, "manager": student, "answerer": student}


def test_the_teacher_plays_the_trained_role_and_no_other() -> None:
    student = Letters()
    taught = open_teacher(recipe(), policies(student))
    assert isinstance(taught["manager"], Demonstrations)
    assert taught["extractor"] is student and taught["answerer"] is student
    # Stored memories are played from, not imitated, so the teacher's words stay its own.
    assert isinstance(open_teacher(recipe("memory_r1_grpo"), policies(student))["manager"], CarefulManager)
    own = open_teacher(recipe("memory_r1_grpo", "teacher.path=policy"), policies(student))
    assert own["manager"] is student
    assert not needs_teacher(recipe("memory_r2_small")) and needs_teacher(recipe())


def test_a_teacher_that_reads_other_prompts_than_the_student_is_refused() -> None:
    student = Letters()
    student.family = "instruct"
    with pytest.raises(ConfigError, match="'rules', which reads compact prompts, and the model that is trained reads"):
        open_teacher(recipe(), policies(student))


def test_a_student_that_cannot_tell_its_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="only a model in this process can imitate"):
        open_teacher(recipe(), policies(ScriptedPolicy(told)))


def test_a_step_of_demonstrations_gives_a_row_per_decision_of_the_teacher() -> None:
    teacher = runner()
    decides: dict[Role, Policy] = {"manager": Demonstrations(CarefulManager(), Letters())}
    merged: dict[Role, Policy] = {**teacher.policies, **decides}
    teacher.policies = merged
    plan = training_plan(CONVERSATION, recipe().rollout, CATEGORIES, 5)
    found = collect(runner(), recipe(), [plan], 0, teacher=teacher)
    (tree,) = found.trees
    (branch,) = tree.branches
    # Six chunks of two facts; nothing in them is canonical, so all are inserted.
    decisions = [turn for turn in branch.turns if turn.role == "manager"]
    assert [turn.text for turn in decisions] == ["a INSERT\nb INSERT"] * 6
    assert [row.advantage for row in found.rows if row.role == "manager"] == [1.0] * 6
    assert {row.logprobs for row in found.rows if row.role == "manager"} == {()}
