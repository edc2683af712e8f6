"""Which conversations a step rolls out: new villages by number, or a file round robin."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairmem.config import CurriculumConfig, DataConfig, EvalConfig, Recipe, RolloutConfig, StageConfig, parse_recipe
from fairmem.data import locomo
from fairmem.data.stream import marks
from fairmem.data.village import generate
from fairmem.episodes import Conversations, StepPlan, steps_of
from fairmem.errors import ConfigError, DataError
from fairmem.types import Conversation

STAGES = (StageConfig(sessions=2, steps=3), StageConfig(sessions=4, steps=2), StageConfig(steps=0))
SMALL = DataConfig(validation_conversations=2, test_conversations=3)


def test_steps_are_numbered_through_all_stages() -> None:
    plans = steps_of(Recipe(stages=STAGES))
    assert [(p.step, p.stage_index, p.step_in_stage) for p in plans] == [
        (0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 0), (4, 1, 1),
    ]  # fmt: skip
    assert [p.stage.sessions for p in plans] == [2, 2, 2, 4, 4]


def test_village_makes_new_conversations_in_every_step_and_the_same_ones_again_when_resumed() -> None:
    recipe = Recipe(stages=STAGES, data=SMALL, seed=5)
    plans = steps_of(recipe)
    first = [Conversations(recipe).for_step(plan, 2) for plan in plans]
    resumed = Conversations(recipe)
    assert [resumed.for_step(plan, 2) for plan in reversed(plans)] == first[::-1]
    made = [c for talks in first for c in talks]
    assert len({c.id for c in made}) == len(made) == 10
    assert [len(c.sessions) for c in made] == [2] * 6 + [4] * 4
    assert all(c.id.startswith("village-train-") for c in made)


def test_more_conversations_in_a_step_add_to_those_it_had() -> None:
    recipe = Recipe(stages=STAGES, data=SMALL)
    talks, plan = Conversations(recipe), steps_of(recipe)[1]
    assert talks.for_step(plan, 3)[:2] == talks.for_step(plan, 2)


def test_held_out_villages_are_as_long_as_the_longest_stage_and_depend_on_the_data_seed_only() -> None:
    recipe = Recipe(stages=STAGES, data=SMALL, seed=5)
    talks = Conversations(recipe)
    assert list(talks.validation) == generate(0, "val", 2, 8)  # the stage without steps has the default length
    assert [c.id for c in talks.test] == ["village-test-0-0", "village-test-0-1", "village-test-0-2"]
    other = Conversations(recipe.model_copy(update={"seed": 6}))
    assert other.test == talks.test
    assert other.for_step(steps_of(recipe)[0], 1) != talks.for_step(steps_of(recipe)[0], 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talks.json"
    locomo.dump(generate(1, "train", 5, 3, 0.0), path)
    return path


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"village-train-1-{n}" for n in numbers)


def test_a_file_is_visited_round_robin_in_an_order_shuffled_once_per_pass(file: Path) -> None:
    data = DataConfig(source="locomo", path=str(file), train=names(0, 1, 2), validation=names(3), test=names(4))
    recipe = Recipe(stages=(StageConfig(sessions=2, steps=30),), data=data)
    talks = Conversations(recipe)
    visits = [c for plan in steps_of(recipe) for c in talks.for_step(plan, 2)]
    assert {len(c.sessions) for c in visits} == {2}
    passes = [tuple(c.id for c in visits[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(one) == list(names(0, 1, 2)) for one in passes)
    assert len(set(passes)) > 3
    assert [c.id for c in (*talks.validation, *talks.test)] == list(names(3, 4))
    # Only training conversations are cut.
    assert [len(c.sessions) for c in talks.test] == [3]


def test_conversations_that_nothing_is_asked_about_are_refused_before_work_starts(tmp_path: Path) -> None:
    talks = generate(1, "train", 2, 3, 0.0)
    silent, late, adversarial = tmp_path / "silent.json", tmp_path / "late.json", tmp_path / "adversarial.json"
    locomo.dump([replace(talk, questions=()) for talk in talks], silent)
    last = [replace(t, questions=tuple(q for q in t.questions if q.asked_from == 3)) for t in talks]
    locomo.dump(last, late)
    locomo.dump(
        [replace(t, questions=tuple(replace(q, category="adversarial") for q in t.questions)) for t in talks],
        adversarial,
    )

    def made(path: Path, sessions: int) -> Conversations:
        data = DataConfig(source="locomo", path=str(path), train=names(0, 1))
        return Conversations(Recipe(data=data, stages=(StageConfig(sessions=sessions, steps=1),)))

    for path in (silent, adversarial):
        with pytest.raises(ConfigError, match=r"data\.train: no question of eval\.categories \(multi_hop, .*\) about"):
            made(path, 3)
    # Questions about sessions that no stage reaches are of no use.
    with pytest.raises(ConfigError, match="about the first 2 sessions of its 2 conversation"):
        made(late, 2)
    assert made(late, 3).for_step(steps_of(Recipe())[0], 1)


def test_what_a_file_cannot_give_is_said_before_work_starts(file: Path) -> None:
    def made(**data: object) -> Conversations:
        return Conversations(Recipe(data=DataConfig.model_validate({"source": "locomo", "path": str(file), **data})))

    with pytest.raises(ConfigError, match=r"data\.path is empty; add data\.path=FILE"):
        made(path="")
    with pytest.raises(ConfigError, match=r"data\.train names no conversation"):
        made()
    with pytest.raises(ConfigError, match=r"data\.test names 'nobody', not in .*; it holds village-train-1-0, "):
        made(train=names(0), test=("nobody",))


def test_promotion_and_patience_need_validation_conversations(file: Path) -> None:
    every = EvalConfig(every=1)
    for settings, what in (({"promote": True}, "promote is on"), ({"patience": 1}, "patience is above 0")):
        curriculum = CurriculumConfig.model_validate(settings)
        village = Recipe(data=DataConfig(validation_conversations=0), curriculum=curriculum, eval=every)
        with pytest.raises(ConfigError, match=rf"curriculum\.{what}, but .*; set data\.validation_conversations above"):
            Conversations(village)
        data = DataConfig(source="locomo", path=str(file), train=names(0))
        with pytest.raises(ConfigError, match=rf"curriculum\.{what}, but .*; give ids, data\.validation="):
            Conversations(Recipe(data=data, curriculum=curriculum, eval=every))
        held = data.model_copy(update={"validation": names(1)})
        assert Conversations(Recipe(data=held, curriculum=curriculum, eval=every)).validation


def test_a_mix_trains_on_all_its_sources_and_refuses_to_test_on_what_it_trains_on(tmp_path: Path) -> None:
    asked = "NUM:date When was bridge number {n} opened to traffic ?\nHUM:ind Who painted picture {n} here ?\n"
    (tmp_path / "trec").write_text("".join(asked.format(n=n) for n in range(2)))
    told = "wake me up at six,alarm\nplay some quiet jazz now,music\nstop the alarm,alarm\n"
    (tmp_path / "nlu.csv").write_text(f"text,intent\n{told}")
    row = {"questions": ["Which?"], "answers": [["one"]], "metadata": {"source": "ruler_qa1"}}

    def conversations(context: str, train: int = 1) -> Conversations:
        (tmp_path / "test.jsonl").write_text(json.dumps({**row, "context": context}) + "\n")
        data: dict[str, Any] = {
            "mix": [
                {"source": "trec", "path": str(tmp_path / "trec"), "train": train},
                {"source": "nlu", "path": str(tmp_path / "nlu.csv"), "train": 1},
            ],
            "test_source": "memory_agent_bench",
            "test_path": str(tmp_path / "test.jsonl"),
        }
        return Conversations(parse_recipe({"data": data}, where="mix"))

    talks = conversations("Doc 1. Nothing that was ever trained on. " * 500)
    step = StepPlan(0, 0, StageConfig(sessions=8, steps=1), 0)
    assert {talk.id for talk in talks.for_step(step, 2)} == {"trec#1", "nlu#1"}
    assert max(sum(marks(t.text) for t in s.turns) for talk in talks.test for s in talk.sessions) <= 2_048
    with pytest.raises(DataError, match="share texts"):
        conversations("When was bridge number 0 opened to traffic ?\nlabel: 1")
    with pytest.raises(ConfigError, match="holds 1 conversations, expected at least 9"):
        conversations("Clean.", train=9)


def counted(questions: int, **more: Any) -> Conversations:
    data = SMALL.model_copy(update={"questions": questions, **more})
    return Conversations(Recipe(stages=(StageConfig(sessions=3, steps=40),), data=data, seed=5))


def visited(talks: Conversations, steps: int = 40) -> dict[str, Conversation]:
    plans = steps_of(Recipe(stages=(StageConfig(sessions=3, steps=steps),)))
    return {talk.id: talk for plan in plans for talk in talks.for_step(plan, 2)}


def test_a_number_of_questions_is_met_exactly_and_visited_over_and_over() -> None:
    few, many = visited(counted(20)), visited(counted(60))
    assert [sum(len(talk.questions) for talk in found.values()) for found in (few, many)] == [20, 60]
    assert all(question.holds_after(3) for talk in many.values() for question in talk.questions)
    # The larger set begins with the smaller, whose last conversation it has in full.
    *whole, cut = sorted(few, key=lambda name: int(name.rsplit("-", 1)[1]))
    assert all(few[name] == many[name] for name in whole)
    assert many[cut].questions[: len(few[cut].questions)] == few[cut].questions
    # All of a pass before any of the next.
    talks, plans = counted(60), steps_of(Recipe(stages=(StageConfig(sessions=3, steps=40),)))
    first = [talk.id for plan in plans for talk in talks.for_step(plan, 1)][: len(many)]
    assert sorted(first) == sorted(many)


def test_without_a_number_every_step_is_new_and_held_out_conversations_do_not_depend_on_it() -> None:
    assert len(visited(counted(0))) == 80
    assert counted(20).test == counted(0).test and counted(20).validation == counted(0).validation


def test_more_questions_than_a_file_has_are_refused_with_the_number_there_is(tmp_path: Path) -> None:
    path = tmp_path / "talks.json"
    locomo.dump(generate(1, "train", 2, 2), path)
    names = tuple(talk.id for talk in locomo.load(path))
    asked = [question for talk in locomo.load(path) for question in talk.questions_after(2)]
    there = sum(question.category != "adversarial" for question in asked)
    file = {"source": "locomo", "path": str(path), "train": names}
    assert sum(len(t.questions) for t in visited(counted(3, **file)).values()) == 3
    with pytest.raises(ConfigError, match=rf"data.questions is 9999, but the training conversations have {there} "):
        counted(9999, **file)


def test_single_decisions_need_questions_that_name_their_evidence(tmp_path: Path) -> None:
    path = tmp_path / "talks.json"
    talks = generate(1, "train", 1, 2)
    bare = [replace(t, questions=tuple(replace(q, evidence=()) for q in t.questions)) for t in talks]
    locomo.dump(bare, path)
    data = SMALL.model_copy(update={"source": "locomo", "path": str(path), "train": (talks[0].id,)})
    recipe = Recipe(data=data, rollout=RolloutConfig(unit="conversation"))
    Conversations(recipe)
    with pytest.raises(ConfigError, match=r"no question of data\.train names the turns of its evidence"):
        Conversations(recipe.model_copy(update={"rollout": RolloutConfig(unit="bandit")}))
