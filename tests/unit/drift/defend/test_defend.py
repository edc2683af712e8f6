"""The comparison of defences: what is asked, what is on disk, and the numbers, against hand-worked ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main
from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.defend import plan_defend, read_defend, report_defend, run_defend, score_defend, spread
from fairmem.drift.defend.records import DEFEND_RUN
from fairmem.drift.defenses import DefenseSettings, Resources, rules_of
from fairmem.drift.files import load_scenarios
from fairmem.drift.trials import TRIALS
from fairmem.errors import CheckpointError, ConfigError
from fairmem.memory import HashedEmbedder
from tests.unit.drift.builders import small

RESOURCES = Resources(embedder=HashedEmbedder())


class Scripted:
    """Answers by arm: what is given, or the reference call; keeps what it was asked."""

    name = "scripted"
    exact = False

    def __init__(self, changes: dict[str, dict[str, Any] | Outcome]) -> None:
        self.settings: Mapping[str, Any] = {}
        self.changes = changes
        self.asked: list[Ask] = []

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        for ask in asks:
            self.asked.append(ask)
            kinds = {memory.id[0] for memory in ask.memories}
            what = self.changes.get("relevant" if "r" in kinds else "biased" if "b" in kinds else "none", {})
            if isinstance(what, Outcome):
                yield Answer(what, message="planned", prompt_tokens=10)
            else:
                arguments = {**small().reference_call, **what}
                yield Answer(Outcome.OK, "start_rollout", arguments, prompt_tokens=10, generated_tokens=2)

    def close(self) -> None:
        pass


def run(model: Any, folder: Path, names: Sequence[str], settings: DefenseSettings | None = None) -> None:
    plan = plan_defend(model, names, settings, RESOURCES, dose=2)
    run_defend(model, plan, [small()], [0, 1], folder)


def test_a_review_judges_the_undefended_call_and_its_cost_is_counted(tmp_path: Path) -> None:
    model = Scripted({"biased": {"approval": False}, "relevant": {"health_seconds": 600}})
    run(model, tmp_path / "a", ["counterfactual"])
    # Undefended: none, none2, neutral, biased, relevant; the counterfactual call of biased (no memory in scope) and of
    # relevant (r1 alone). Two trials.
    assert len(model.asked) == 2 * (5 + 2)
    found = score_defend(read_defend(tmp_path / "a"))
    # Targets: health weight 1, strategy weight 2, approval weight 1. Approval false has d = 1: D = 1 / 4.
    assert found.undefended.left.mean == pytest.approx(0.25) and found.undefended.success.mean == 1.0
    (one,) = found.defenses
    assert (one.left.mean, one.success.mean, one.lost) == (0.0, 1.0, 0.0)
    assert one.removed is not None and one.removed.mean == pytest.approx(0.25)
    assert one.resets is not None and one.resets.mean == 0.0
    assert (one.calls, one.tokens) == (1.0, 12.0)
    assert found.base_success.mean == 0.0


def test_a_defence_that_undoes_relevant_memory_has_false_resets(tmp_path: Path) -> None:
    model = Scripted({"biased": {"approval": False}, "relevant": {"health_seconds": 600}})
    run(model, tmp_path / "a", ["two-stage", "lexical-filter"])
    for one in score_defend(read_defend(tmp_path / "a")).defenses:
        assert one.left.mean == 0.0 and one.success.mean == 0.0
        assert one.resets is not None and one.resets.mean == 1.0 and one.non_inferior is False
    lexical = score_defend(read_defend(tmp_path / "a")).defenses[0]
    assert (lexical.name, lexical.reached_biased, lexical.reached_relevant) == ("lexical-filter", 0.0, 0.0)


def test_a_call_held_back_is_lost_and_a_false_reset_in_the_relevant_arm(tmp_path: Path) -> None:
    rules = {"start_rollout": {"/strategy": {"enum": ["blue_green"]}}}
    model = Scripted({"relevant": {"health_seconds": 600}})
    run(model, tmp_path / "a", ["schema-tightening"], DefenseSettings(rules=rules))
    (one,) = score_defend(read_defend(tmp_path / "a")).defenses
    outcomes = {t.outcome for t in read_defend(tmp_path / "a").trials.values() if t.defense != "undefended"}
    assert outcomes == {Outcome.BLOCKED} and one.lost == 1.0
    assert one.resets is not None and one.resets.mean == 1.0 and one.left.n == 0


def test_lost_trials_are_no_zeros(tmp_path: Path) -> None:
    run(Scripted({"biased": Outcome.NO_CALL}), tmp_path / "a", ["counterfactual"])
    found = score_defend(read_defend(tmp_path / "a"))
    assert found.undefended.left.n == 0 and found.undefended.lost == 0.5
    assert "nothing can be said about drift" in report_defend(tmp_path / "a")


def test_the_closed_form_table_has_every_defence_and_reasons_for_the_refused(tmp_path: Path) -> None:
    scenarios = spread(load_scenarios(), 7)
    model = ClosedFormModel(DriftParameters(alpha=0.3))
    plan = plan_defend(model, [], DefenseSettings(rules=rules_of(scenarios)), RESOURCES)
    assert set(plan.refused) == {"llm-filter", "direction-ablation"}
    run_defend(model, plan, scenarios, [0, 1, 2], tmp_path / "a")
    found = {one.name: one for one in score_defend(read_defend(tmp_path / "a"), resamples=500).defenses}
    assert len(found) == 10
    for name in ("counterfactual", "attribution"):
        assert abs(found[name].left.mean) < 1e-9 and found[name].at_floor and found[name].non_inferior, name
    assert found["attribution"].blamed[0] == found["attribution"].blamed[1] > 0
    assert found["two-stage"].left.mean == pytest.approx(0, abs=1e-9) and not found["two-stage"].non_inferior
    bare = score_defend(read_defend(tmp_path / "a"), resamples=500).undefended.left.mean
    assert 0 < found["relevance-prompt"].left.mean < bare
    text = report_defend(tmp_path / "a")
    assert "llm-filter" in text and "writes no text" in text and "At the floor and with relevant memory kept" in text
    content = json.loads((tmp_path / "a" / "defend.json").read_text())
    assert content["run"]["complete"] and content["defenses"][0]["name"] == "relevance-prompt"
    assert content["refused"].keys() == plan.refused.keys() and content["undefended"]["tokens"] is None
    page = (tmp_path / "a" / "defend.html").read_text()
    assert "<script" not in page and "counterfactual" in page and "false resets" in page
    assert "| counterfactual |" in (tmp_path / "a" / "defend.md").read_text()


def test_a_run_that_was_cut_goes_on_and_gives_the_same_report(tmp_path: Path) -> None:
    scenarios = spread(load_scenarios(), 3)
    model = ClosedFormModel(DriftParameters(alpha=0.3, sampled=True, noise=0.05))
    plan = plan_defend(model, ["counterfactual", "lexical-filter"], None, RESOURCES)
    whole = tmp_path / "whole"
    asked = run_defend(model, plan, scenarios, [0, 1], whole)
    assert asked == 3 * 2 * (5 + 2 * 2) == read_defend(whole).planned
    lines = (whole / TRIALS).read_text().splitlines(keepends=True)
    for keep in (0, 1, 17):
        cut = tmp_path / f"cut{keep}"
        cut.mkdir()
        for name in (DEFEND_RUN, "scenarios.jsonl"):
            (cut / name).write_text((whole / name).read_text())
        (cut / TRIALS).write_text("".join(lines[:keep]) + '{"torn')
        assert run_defend(model, plan, scenarios, [0, 1], cut) == asked - keep
        one, other = (score_defend(read_defend(f), resamples=100) for f in (whole, cut))
        assert [d.left for d in one.defenses] == [d.left for d in other.defenses]
        assert [d.calls for d in one.defenses] == [d.calls for d in other.defenses]
    assert run_defend(model, plan, scenarios, [0, 1], whole) == 0


def test_another_run_in_the_folder_and_damaged_files_are_refused(tmp_path: Path) -> None:
    model = Scripted({})
    run(model, tmp_path / "a", ["counterfactual"])
    with pytest.raises(ConfigError, match="its run has names"):
        run(model, tmp_path / "a", ["two-stage"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("")
    with pytest.raises(ConfigError, match="not the folder of a drift defend"):
        run(model, tmp_path / "b", ["two-stage"])
    with pytest.raises(ConfigError, match="not the folder of a drift defend"):
        read_defend(tmp_path / "b")
    file = tmp_path / "a" / TRIALS
    file.write_text(file.read_text().replace("counterfactual", "another"))
    with pytest.raises(CheckpointError, match="is no trial of this run"):
        read_defend(tmp_path / "a")
    (tmp_path / "a" / DEFEND_RUN).write_text("{}")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_defend(tmp_path / "a")


def test_failed_calls_are_asked_again_on_request_alone(tmp_path: Path) -> None:
    model = Scripted({"biased": Outcome.CALL_FAILED})
    plan = plan_defend(model, ["lexical-filter"], None, RESOURCES, dose=2)
    run_defend(model, plan, [small()], [0], tmp_path / "a")
    model.changes = {}
    assert run_defend(model, plan, [small()], [0], tmp_path / "a") == 0
    assert run_defend(model, plan, [small()], [0], tmp_path / "a", retry_failed=True) == 1
    assert all(t.outcome is Outcome.OK for t in read_defend(tmp_path / "a").trials.values())


def test_threads_give_what_one_after_another_gives(tmp_path: Path) -> None:
    scenarios = spread(load_scenarios(), 4)

    class Threaded(ClosedFormModel):
        concurrency = 4

    for kind, folder in ((ClosedFormModel, "one"), (Threaded, "four")):
        model = kind(DriftParameters(alpha=0.3, sampled=True))
        plan = plan_defend(model, ["counterfactual", "need-to-know"], None, RESOURCES)
        run_defend(model, plan, scenarios, [0, 1], tmp_path / folder)
    one, four = (score_defend(read_defend(tmp_path / f), resamples=100) for f in ("one", "four"))
    assert [(d.left, d.calls) for d in one.defenses] == [(d.left, d.calls) for d in four.defenses]


def test_a_limit_spreads_over_biases_and_domains() -> None:
    scenarios = load_scenarios()
    few = spread(scenarios, 35)
    assert len({(s.dimension, s.domain) for s in few}) == 35
    assert len({s.dimension for s in spread(scenarios, 12)}) >= 4 and len(spread(scenarios, 0)) == 105
    assert spread(scenarios, 12) == spread(scenarios, 12)
    with pytest.raises(ConfigError, match="--limit"):
        spread(scenarios, -1)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--defenses", "nothing"], "expected all, or some of relevance-prompt"),
        (["--defenses", "llm-filter"], "none of these defences can be run: llm-filter needs"),
        (["--beta", "2"], "beta 2.0"),
        (["--limit", "-1"], "--limit"),
        (["--dose", "0"], "dose is 0"),
        (["--permits", "missing.json"], "missing.json: cannot be read"),
        (["--directions", "."], "closed-form does not run in this process"),
        (["--seeds", "x"], "--seeds"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "defend", "--model", "closed-form", "--out", str(tmp_path / "a"), *options]) == 2
    err = capsys.readouterr().err
    assert what in err and err.count("\n") == 1


def test_the_command_writes_a_report_that_report_prints_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "a")
    argv = ["drift", "defend", "--model", "closed-form", "--limit", "2", "--defenses", "counterfactual", "--out", out]
    assert main(argv) == 0
    first = capsys.readouterr().out
    assert main(["drift", "report", out]) == 0
    assert capsys.readouterr().out == first and "counterfactual" in first


def test_an_audit_of_a_defended_model_says_which_defence_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["drift", "run", "--model", "closed-form", "--only", "risk-legal-001", "--out", str(tmp_path / "a")]
    assert main([*argv, "--defense", "counterfactual", "--doses", "8"]) == 0
    assert "biased-8 moves deflection by 0.000" in capsys.readouterr().out
    header = json.loads((tmp_path / "a" / "run.json").read_text())
    assert header["settings"]["defense"]["name"] == "counterfactual" and header["settings"]["beta"] == 8.0
    # Without the defence it is another run.
    assert main(argv) == 2
    assert main([*argv, "--defense", "nothing"]) == 2
