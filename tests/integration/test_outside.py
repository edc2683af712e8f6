"""A run of several stages with an engine that has its own loop, beside the same run in this process."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem.config import Recipe
from fairmem.episodes import Conversations
from fairmem.errors import EngineError
from fairmem.learner import Learner, export
from fairmem.learner.engines import Job
from fairmem.learner.engines.base import open_journal, open_rollouts
from fairmem.outside import _evaluated, run_outside
from fairmem.policy import folder_of, read_about
from fairmem.policy.hf import HFPolicy
from fairmem.policy.model_folder import read_family
from fairmem.train import run
from tests.integration.build import metrics, tiny

STAGES = "stages=[{sessions = 1, steps = 2}, {sessions = 3, steps = 0}, {sessions = 2, steps = 2}]"
VALIDATED = ["eval.every=2", "data.validation_conversations=1", "model.reference=stage"]
OWN = {"waves", "sampled_tokens_total"}
"""What a wave of one conversation does not share with others, and what the embedded engine alone counts."""


class Inline:
    """As small as an engine can be: our learner in a loop of its own.

    Args:
        breaks: Folder of the stage it ends in with an error.
    """

    def __init__(self, breaks: str = "") -> None:
        self.breaks = breaks
        self.jobs: list[Job] = []

    def refusals(self, recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
        return iter(())

    def check(self) -> None:
        pass

    def train(self, job: Job) -> None:
        self.jobs.append(job)
        if job.folder.name == self.breaks:
            raise EngineError("out of memory")
        recipe, path = job.recipe, Path(folder_of(job.recipe.model.path) or job.recipe.model.path)
        (stage,) = [stage for stage in recipe.stages if stage.steps]
        settings = recipe.at(stage)
        policy = HFPolicy.from_folder(path, device="cpu", dtype="float32")
        learner = Learner(policy.model, config=settings.learner, temperature=settings.rollout.temperature)
        rollouts = open_rollouts(job.episodes, job.folder)
        with open_journal(job.episodes, job.folder, 0 if job.resume else None) as journal:
            for step in range(stage.steps):
                rolled = [rollouts.roll(step, at, policy) for at in range(settings.data.conversations_per_step)]
                learned = learner.step([row for one in rolled for row in one.rows])
                journal.record(step, [one.facts for one in rolled], learned, {"rollout": 1.0, "learn": 1.0})
        about = {"run": recipe.name, "from": recipe.model.path, "prompts": read_family(path)}
        export(policy.model, policy.tokenizer, job.folder / "model", about)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe without an engine (`embedded`), and with one that broke in its last stage and was resumed."""
    out = tmp_path_factory.mktemp("runs")
    recipe = tiny(STAGES, *VALIDATED)
    run(recipe, out / "embedded")
    with pytest.raises(EngineError, match="out of memory"):
        run_outside(Inline(breaks="3"), recipe, out / "outside", False, ())
    assert [row["step"] for row in metrics(out / "outside")] == [1, 2]
    second = Inline()
    assert "F1" in run_outside(second, recipe, out / "outside", True, ())
    assert [(job.folder.name, job.resume) for job in second.jobs] == [
        ("3", True)
    ]  # the first stage is not trained again
    return out


def test_a_run_that_is_over_is_not_trained_again(runs: Path) -> None:
    again, before = Inline(), metrics(runs / "outside")
    assert "F1" in run_outside(again, tiny(STAGES, *VALIDATED), runs / "outside", True, ())
    assert again.jobs == [] and metrics(runs / "outside") == before


def test_every_step_is_that_of_the_run_without_an_engine(runs: Path) -> None:
    ours, theirs = metrics(runs / "outside"), metrics(runs / "embedded")
    assert [row["step"] for row in ours] == [1, 2, 3, 4]
    for here, there in zip(ours, theirs, strict=True):
        assert set(there) - OWN <= set(here)
        for name in set(there) - OWN:
            expected = there[name]
            assert here[name] == (
                expected if isinstance(expected, (str, type(None))) else pytest.approx(expected, abs=1e-4)
            ), name
    assert [row.get("stage_end") for row in ours] == [None, "steps", None, "steps"]
    assert [row["step"] for row in ours if "val_f1" in row] == [2, 4]


def test_the_run_has_the_traces_and_the_model_of_its_stages(runs: Path) -> None:
    folder = runs / "outside"
    assert [path.name for path in sorted((folder / "trace").iterdir())] == [
        path.name for path in sorted((runs / "embedded" / "trace").iterdir())
    ]
    assert [json.loads(line)["step"] for line in (folder / "timing.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    weights = "model/model.safetensors"
    assert (folder / weights).read_bytes() == (folder / "stages" / "3" / weights).read_bytes()
    assert (folder / weights).read_bytes() != (folder / "stages" / "1" / weights).read_bytes()
    assert read_about(folder / "model")["from"] == "bundled"
    assert read_about(folder / "stages" / "3" / "model")["from"] == str(folder / "stages" / "1" / "model")


def test_a_rule_that_is_not_reached_stops_after_the_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = ["curriculum.promote=true", "curriculum.promote_threshold=0.0", "curriculum.unreached=stop"]
    engine = Inline()
    run_outside(engine, tiny(STAGES, *VALIDATED, *rule), tmp_path, False, ())
    assert [job.folder.name for job in engine.jobs] == ["1"] and len(metrics(tmp_path)) == 2
    assert "NOT PROMOTED" in capsys.readouterr().err
    weights = "model/model.safetensors"
    assert (tmp_path / weights).read_bytes() == (tmp_path / "stages" / "1" / weights).read_bytes()


def test_an_evaluation_leaves_no_model_in_the_way_of_the_engine(tmp_path: Path) -> None:
    from transformers import PreTrainedModel

    def held() -> int:
        return sum(issubclass(type(thing), PreTrainedModel) for thing in gc.get_objects())

    recipe = tiny("data.validation_conversations=1")
    talks, before = Conversations(recipe).validation, held()
    gc.disable()  # what goes, goes by itself or by `release_memory`
    try:
        _evaluated(recipe, talks, "bundled", tmp_path / "eval.jsonl")
        assert held() == before
    finally:
        gc.enable()


def test_one_stage_that_is_not_validated_is_trained_in_the_folder_of_the_run(tmp_path: Path) -> None:
    engine = Inline()
    run_outside(engine, tiny(), tmp_path, False, ())
    assert [job.folder for job in engine.jobs] == [tmp_path] and not (tmp_path / "stages").exists()
    assert len(metrics(tmp_path)) == 1
