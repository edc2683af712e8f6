"""Under which settings `fairmem eval` plays a model."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from fairmem.config import AgentsConfig
from fairmem.data import load
from fairmem.errors import ConfigError, DataError
from fairmem.eval.evaluation import (
    EvalRequest,
    agents_of,
    answering_of,
    categories_of,
    conversations_of,
    evaluate_dataset,
)
from fairmem.eval.folder_lock import locked
from fairmem.eval.result import EvalResult
from fairmem.policy import ScriptedPolicy
from tests.unit.data.test_longmemeval import item
from tests.unit.policy.conftest import Endpoint, completion, endpoint, model_folder

__all__ = ["endpoint", "model_folder"]

TRAINED = AgentsConfig(chunks_per_session=3, shown_per_speaker=5, retriever="bm25")


def told(folder: Path, **about: object) -> str:
    """The spec of a model folder whose `fairmem.json` says `about`."""
    folder.mkdir(exist_ok=True)
    (folder / "fairmem.json").write_text(json.dumps({"prompts": "compact", **about}))
    return str(folder)


def test_a_trained_model_is_played_as_it_was_trained(tmp_path: Path) -> None:
    spec = told(tmp_path, agents=TRAINED.model_dump(mode="json"))
    for way in (spec, f"hf:{spec}"):
        assert agents_of(ScriptedPolicy(), way) == TRAINED


def test_other_models_get_the_setting_of_their_family(tmp_path: Path) -> None:
    compact, instruct = ScriptedPolicy(), ScriptedPolicy(family="instruct")
    for spec in (told(tmp_path), str(tmp_path / "nothing"), "openai:gpt", "scripted"):
        assert agents_of(compact, spec) == AgentsConfig()
        large = agents_of(instruct, spec)
        assert (large.chunks_per_session, large.shown_per_speaker, large.manager_max_tokens) == (6, 30, 1024)


@pytest.mark.parametrize("agents", [{"chunks": 3}, {"shown_per_speaker": 0}, [3]])
def test_settings_that_are_not_known_are_refused_in_one_line(tmp_path: Path, agents: object) -> None:
    with pytest.raises(ConfigError, match=r"fairmem\.json: .*agents") as caught:
        agents_of(ScriptedPolicy(), told(tmp_path, agents=agents))
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


def test_several_memories_make_one_table_and_one_that_cannot_work_is_skipped_with_the_reason(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = EvalRequest(
        dataset="village", model="scripted", memories=("none", "summary", "ours"), sessions=2, limit=2, out=out
    )
    report = evaluate_dataset(asked)
    assert "memory 'summary' needs a model that follows instructions; scripted reads compact prompts" in report
    table = json.loads((out / "memories.json").read_text())
    assert list(table["memories"]) == ["none", "ours"] and list(table["skipped"]) == ["summary"]
    assert table["memories"]["none"]["against_ours"]["n"] == table["memories"]["ours"]["score"]["n"]
    assert (out / "none" / "report.html").is_file() and (out / "memories.html").is_file()
    assert "Memory growth" in (out / "ours" / "report.html").read_text()
    assert evaluate_dataset(asked) == report


def test_one_memory_that_cannot_work_is_an_error() -> None:
    with pytest.raises(ConfigError, match="needs a model that follows instructions"):
        evaluate_dataset(EvalRequest(dataset="village", model="scripted", memories=("summary",), sessions=1, limit=1))


def test_multiple_choice_is_scored_by_the_option_picked(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    choices = {"A": "Lodz", "B": "Riga"}
    asked = {"question": "Where?", "choices": choices, "ground_truth": "A", "target_step_id": [0]}
    path.write_text(json.dumps([{"tid": 0, "message_list": ["I moved to Lodz."], "QA": asked}]))
    report = evaluate_dataset(EvalRequest(dataset="membench", path=path, model="scripted", memories=("oracle",)))
    assert "EM[exact|squad-norm|no-stem|v1]" in report


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"limit": 0}, "--limit is 0"),
        ({"top_k": 0}, "--top-k is 0"),
        ({"budget": -1}, "--budget is -1"),
        ({"score": "f2"}, "score 'f2' is unknown"),
        ({"memories": ("mem9",)}, "memory 'mem9' is unknown; expected some of none, full, last"),
        ({"categories": ("riddle",)}, "category 'riddle' is unknown"),
        ({"questions": 0}, "--questions is 0, expected at least 1"),
        ({"seed": -1}, "--seed is -1, expected at least 0"),
        ({"prices": (float("nan"), 1.0)}, "--prices are nan,1; expected two numbers of at least 0"),
        ({"prices": (0.0, -2.0)}, "--prices are 0,-2"),
        ({"path": Path("locomo10.json")}, "'village' is generated and takes no path, found locomo10.json"),
        ({"conversations": ("conv-1",), "limit": 1}, "--conversations names 'conv-1', not in village"),
    ],
)
def test_a_wrong_option_gets_one_line_before_any_work(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        evaluate_dataset(EvalRequest(dataset="village", model="scripted", **change))
    assert "\n" not in str(caught.value)


def test_top_k_is_what_the_answerer_is_shown_and_prices_make_a_cost(tmp_path: Path) -> None:
    evaluate_dataset(
        EvalRequest(
            dataset="village", model="scripted", sessions=2, limit=1, top_k=1, prices=(1.0, 0.0), out=tmp_path / "o"
        )
    )
    result = EvalResult.load(tmp_path / "o" / "eval.jsonl")
    assert result.header.shown_per_speaker == 1
    assert max(answer.shown for answer in result.answers) <= 2  # two speakers
    assert result.header.cost == pytest.approx(result.header.prompt_tokens / 1e6)


def test_abstention_counts_except_on_locomo() -> None:
    assert "adversarial" in categories_of((), "longmemeval")
    assert "adversarial" not in categories_of((), "locomo")
    assert categories_of(("adversarial",), "locomo") == ("adversarial",)


LOCOMO = Path(__file__).parents[3] / ".." / "shared" / "data" / "locomo" / "locomo_dev3.json"


@pytest.mark.skipif(not LOCOMO.is_file(), reason=f"no LoCoMo file at {LOCOMO}")
def test_on_conv_44_the_questions_of_memory_r2s_validation_are_asked(tmp_path: Path) -> None:
    evaluate_dataset(
        EvalRequest("locomo", LOCOMO, "scripted", memories=("oracle",), conversations=("conv-44",), out=tmp_path)
    )
    result = EvalResult.load(tmp_path / "eval.jsonl")
    assert len(result.answers) == 123
    assert [(m.sessions, m.entries, m.growth[-1]) for m in result.memories] == [(28, 675, 675)]
    # All evidence of conv-44 names turns, so what is shown of it is all of it.
    assert sum(m.lost + m.unshown for m in result.memories) == 0


def test_types_of_question_of_the_dataset_have_a_table_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text(json.dumps([item(), item(question_id="x_abs")]))
    report = evaluate_dataset(EvalRequest("longmemeval", path, "scripted", memories=("oracle",)))
    assert "Score by the dataset's own type of question" in report
    assert "knowledge-update" in report and "abstention" in report


def test_an_answerer_that_was_trained_is_shown_what_it_was_trained_on(tmp_path: Path) -> None:
    writers, own = AgentsConfig(), AgentsConfig(distill=True, shown_per_speaker=12, chunks_per_session=4)
    spec = told(tmp_path, role="answerer", agents=own.model_dump(mode="json"))
    # What concerns writing is the writers' own.
    assert answering_of(writers, spec, distill=False) == writers.model_copy(
        update={"distill": True, "shown_per_speaker": 12}
    )
    for other in (told(tmp_path, agents=own.model_dump(mode="json")), "scripted"):
        assert answering_of(writers, other, distill=False) == writers
        assert answering_of(writers, other, distill=True).distill


def test_what_an_answerer_keeps_is_in_the_result_and_in_the_report(tmp_path: Path) -> None:
    asked = EvalRequest(
        dataset="village", model="scripted", sessions=2, limit=2, seed=1, distill=True, out=tmp_path / "out"
    )
    report = evaluate_dataset(asked)
    found = EvalResult.load(tmp_path / "out" / "eval.jsonl")
    # The rules answer without quoting, which is a named outcome, or say that they know nothing.
    assert {answer.keep for answer in found.answers} <= {"ok", "empty", "partial", "unparsable"}
    assert {answer.keep for answer in found.answers} & {"unparsable", "partial"}
    assert "Memory distillation" in report and "precision: kept entries that hold evidence" in report
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(written["summary"]["distillation"]) == {"kept", "precision", "recall", "formed"}
    assert evaluate_dataset(asked) == report  # resumed


def test_a_model_trained_anew_in_its_folder_does_not_go_on_with_the_old_ones_answers(
    tmp_path: Path, model_folder: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(model_folder, model)
    asked = EvalRequest(
        "village", model=str(model), sessions=1, limit=1, questions=1, memories=("none",), out=tmp_path / "o"
    )
    evaluate_dataset(asked)
    evaluate_dataset(asked)
    weights = next(model.glob("*.safetensors"))
    os.utime(weights, ns=(1, 1))
    with pytest.raises(ConfigError, match="other weights in the folder of its model"):
        evaluate_dataset(asked)


def test_two_evaluations_in_one_folder_at_once_are_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ConfigError, match="another process is at work"):
        evaluate_dataset(EvalRequest("village", model="scripted", sessions=1, limit=1, out=tmp_path))


def test_going_on_keeps_the_verdicts_of_a_judge(tmp_path: Path) -> None:
    asked = EvalRequest("village", model="scripted", sessions=1, limit=1, out=tmp_path)
    evaluate_dataset(asked)
    before = EvalResult.load(tmp_path / "eval.jsonl")
    judged = before.model_copy(
        update={
            "header": before.header.model_copy(update={"judge": "j"}),
            "answers": tuple(a.model_copy(update={"verdicts": {"lenient": True}}) for a in before.answers),
        }
    )
    judged.save(tmp_path / "eval.jsonl")
    evaluate_dataset(asked)
    after = EvalResult.load(tmp_path / "eval.jsonl")
    assert after.header.judge == "j" and {a.verdicts["lenient"] for a in after.answers} == {True}


def test_patterns_are_those_of_the_seed_and_of_the_test_split() -> None:
    first, second = (
        conversations_of(EvalRequest("village_patterns", sessions=2, limit=2, seed=seed)) for seed in (0, 1)
    )
    assert len(first) == 2 and {len(talk.sessions) for talk in first} == {2}
    assert first != second and first == conversations_of(EvalRequest("village_patterns", sessions=2, limit=2))
    assert first[0] == load("village_patterns", split="test", conversations=2, sessions=2)[0]


def test_an_endpoint_is_asked_as_many_at_once_as_told(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    made = httpx.Limits

    def limits(**fields: Any) -> httpx.Limits:
        opened.append(fields["max_connections"])
        return made(**fields)

    monkeypatch.setattr(httpx, "Limits", limits)
    endpoint.otherwise = lambda body: completion("<answer>no information</answer>")
    evaluate_dataset(
        EvalRequest(
            "village",
            model="openai:m",
            base_url=endpoint.base_url,
            sessions=1,
            limit=1,
            memories=("none",),
            concurrency=40,
        )
    )
    assert opened == [40]


def test_tokens_of_a_build_are_those_the_endpoint_reports(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.otherwise = lambda body: completion("[]")  # its usage says 5 and 2 tokens
    asked = EvalRequest(
        "village", model="openai:m", base_url=endpoint.base_url, sessions=2, limit=1, questions=2, out=tmp_path
    )
    evaluate_dataset(asked)
    header = EvalResult.load(tmp_path / "eval.jsonl").header
    assert header.calls > 2
    assert (header.prompt_tokens, header.reply_tokens) == (5 * header.calls, 2 * header.calls)


def test_half_an_emoji_in_a_reply_does_not_stop_an_evaluation(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.otherwise = lambda body: completion("<answer>yes \ud83d</answer>")
    asked = EvalRequest(
        "village",
        model="openai:m",
        base_url=endpoint.base_url,
        sessions=1,
        limit=1,
        questions=2,
        memories=("none",),
        out=tmp_path,
    )
    evaluate_dataset(asked)
    assert {answer.answer for answer in EvalResult.load(tmp_path / "eval.jsonl").answers} == {"yes ?"}


@pytest.mark.parametrize(("content", "complaint"), [("", "d.json: empty"), ("[]", "d.json: holds no conversation")])
def test_a_file_without_a_conversation_is_an_error_and_no_evaluation(
    tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "d.json").write_text(content)
    for dataset in ("locomo", "longmemeval"):
        with pytest.raises(DataError, match=complaint):
            evaluate_dataset(EvalRequest(dataset, tmp_path / "d.json", "scripted"))
