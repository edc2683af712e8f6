"""Under which settings `fairmem eval` plays a model."""

import json
from pathlib import Path

import pytest

from fairmem.config import AgentsConfig
from fairmem.errors import ConfigError
from fairmem.eval.evaluation import EvalRequest, _agents, evaluate_dataset
from fairmem.policy import ScriptedPolicy

TRAINED = AgentsConfig(chunks_per_session=3, shown_per_speaker=5, retriever="bm25")


def told(folder: Path, **about: object) -> str:
    """The spec of a model folder whose `fairmem.json` says `about`."""
    folder.mkdir(exist_ok=True)
    (folder / "fairmem.json").write_text(json.dumps({"prompts": "compact", **about}))
    return str(folder)


def test_a_trained_model_is_played_as_it_was_trained(tmp_path: Path) -> None:
    spec = told(tmp_path, agents=TRAINED.model_dump(mode="json"))
    for way in (spec, f"hf:{spec}"):
        assert _agents(ScriptedPolicy(), way) == TRAINED


def test_other_models_get_the_setting_of_their_family(tmp_path: Path) -> None:
    compact, instruct = ScriptedPolicy(), ScriptedPolicy(family="instruct")
    for spec in (told(tmp_path), str(tmp_path / "nothing"), "openai:gpt", "scripted"):
        assert _agents(compact, spec) == AgentsConfig()
        large = _agents(instruct, spec)
        assert (large.chunks_per_session, large.shown_per_speaker, large.manager_max_tokens) == (6, 30, 1024)


@pytest.mark.parametrize("agents", [{"chunks": 3}, {"shown_per_speaker": 0}, [3]])
def test_settings_that_are_not_known_are_refused_in_one_line(tmp_path: Path, agents: object) -> None:
    with pytest.raises(ConfigError, match=r"fairmem\.json: .*agents") as caught:
        _agents(ScriptedPolicy(), told(tmp_path, agents=agents))
    assert "\n" not in str(caught.value)


def test_an_evaluation_is_reported_and_kept(tmp_path: Path) -> None:
    report = evaluate_dataset(
        EvalRequest(
            dataset="village",
            model="scripted",
            sessions=2,
            limit=2,
            questions=3,
            categories=("single_hop",),
            seed=1,
            out=tmp_path / "out",
        )
    )
    assert "F1" in report
    header = json.loads((tmp_path / "out" / "eval.jsonl").read_text().splitlines()[0])
    assert header["shown_per_speaker"] == AgentsConfig().shown_per_speaker
    assert (tmp_path / "out" / "report.html").is_file()
