"""When runs may share the evaluation of the model they begin with, and that it is lent unchanged."""

from pathlib import Path

import pytest

from fairmem.config import load_recipe
from fairmem.eval import EvalResult
from fairmem.eval.runs import BEFORE
from fairmem.eval.starts import keep_start, lend_start, start_file
from tests.unit.eval.build import result


def kept(*overrides: str, recipe: str = "memory_r2_small") -> Path | None:
    return start_file(load_recipe(recipe, overrides), Path("runs"))


def test_a_start_is_kept_below_the_folder_of_the_runs() -> None:
    found = kept()
    assert found is not None and found.parent == Path("runs/.starts") and found.suffix == ".jsonl"


@pytest.mark.parametrize(
    "override",
    ["seed=3", "name=other", "learner.lr=5e-4", "credit.rule=grpo", "rollout.global_group=8", "data.questions=152",
     "reward.compression_lambda=0", "data.conversations_per_step=1", "stages=[{sessions=8,tokens=9}]",
     "checkpoint.keep=1"],
)  # fmt: skip
def test_how_a_run_learns_does_not_change_its_start(override: str) -> None:
    assert kept(override) == kept()


@pytest.mark.parametrize(
    "override",
    ["model.path=bundled:extractor", "answerer.path=bundled:extractor", "model.frozen=bundled:extractor",
     "data.difficulty=0.7", "data.test_conversations=25", "data.seed=1", "agents.shown_per_speaker=4",
     "agents.roles=single", "reward.f1=exact", "stages=[{sessions=16}]", 'eval.categories=["single_hop"]'],
)  # fmt: skip
def test_another_model_or_another_test_is_another_start(override: str) -> None:
    overrides = [override, *(["model.train=manager"] if "frozen" in override else [])]
    plain = [word for word in overrides if word.startswith("model.train")]
    found = kept(*overrides)
    assert found is not None and found != kept(*plain)


def test_only_the_longest_stage_decides_how_long_the_test_conversations_are() -> None:
    assert kept("stages=[{sessions=8},{sessions=16}]") == kept("stages=[{sessions=16}]")


@pytest.mark.parametrize(
    "overrides",
    [["eval.temperature=0.5"], ["answerer.path=openai:big"], ["model.path=./nowhere"], ["data.path=nowhere.json"]],
)
def test_a_start_that_may_differ_from_run_to_run_is_not_shared(overrides: list[str]) -> None:
    assert kept(*overrides) is None


def test_a_file_of_conversations_that_has_changed_is_another_test(tmp_path: Path) -> None:
    data = tmp_path / "talk.json"
    data.write_text("[1]")
    recipe = load_recipe("memory_r2_small", ["data.source=locomo", f"data.path={data}"])
    first = start_file(recipe, tmp_path)
    assert first is not None and first == start_file(recipe, tmp_path)
    data.write_text("[2]")
    assert start_file(recipe, tmp_path) != first


def test_what_one_run_found_is_lent_to_the_next_under_its_seed(tmp_path: Path) -> None:
    at, first, second = tmp_path / ".starts" / "x.jsonl", tmp_path / "s0", tmp_path / "s1"
    assert not lend_start(at, first, 0)
    found = result([[0.5, 1.0], [0.0, 0.25]])
    found.save(first / BEFORE)
    keep_start(at, first)
    assert lend_start(at, second, 7)
    lent = EvalResult.load(second / BEFORE)
    assert lent.header.seed == 7 and lent.header.model_copy(update={"seed": found.header.seed}) == found.header
    assert lent.answers == found.answers and lent.memories == found.memories


def test_a_run_that_has_one_keeps_its_own_and_a_damaged_one_is_not_lent(tmp_path: Path) -> None:
    at, run = tmp_path / ".starts" / "x.jsonl", tmp_path / "s0"
    result([[0.5]]).save(at)
    result([[1.0]]).save(run / BEFORE)
    assert not lend_start(at, run, 0)
    assert [answer.score for answer in EvalResult.load(run / BEFORE).answers] == [1.0]
    at.write_text("{}")
    assert not lend_start(at, tmp_path / "s1", 1) and not (tmp_path / "s1" / BEFORE).exists()


def test_nothing_is_kept_or_lent_where_starts_differ(tmp_path: Path) -> None:
    result([[1.0]]).save(tmp_path / "s0" / BEFORE)
    keep_start(None, tmp_path / "s0")
    assert not lend_start(None, tmp_path / "s1", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["s0"]
