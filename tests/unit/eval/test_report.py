from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fairmem.errors import CheckpointError, ConfigError
from fairmem.eval import EvalResult, format_result, report_run, write_eval_report
from fairmem.eval.style import CSS
from tests.unit.eval.build import answer, memory, result, run_folder

VOID = {"meta", "br", "img", "hr"}


class _Checker(HTMLParser):
    """Collects what a page would load or run, and whether its elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.scripts = 0
        self.classes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.scripts += tag == "script" or any(name.startswith("on") for name in values)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.classes += (values.get("class") or "").split()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _checked(html: str) -> _Checker:
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


# Before: 0.1, 0.2, 0.3; after: 0.5, 0.5, 0.8. The change and its interval are worked in test_summary.py.
BEFORE = result([[0.1], [0.2], [0.3]])
AFTER = result([[0.5], [0.5], [0.8]])


def test_a_terminal_shows_score_interval_signature_mix_top_k_and_failures() -> None:
    text = format_result(result([[0.4, None], [0.5], [0.6]], failures=1))
    # Three scored conversations 0.4, 0.5, 0.6: [0.252, 0.748] as worked in test_summary.py.
    assert "F1[bag|squad-norm|no-stem|v1] 0.500 [0.252, 0.748]  (4 questions, 3 conversations)" in text
    assert "1 of 4 questions unscored, since calls failed: timeout 1; the mean is over the others." in text
    assert "1 of 40 model calls failed." in text
    rows = [line.split() for line in text.splitlines()]
    assert ["all", "0.500", "[0.252,", "0.748]", "4", "100", "%", "3", "1"] in rows
    assert ["temporal", "–", "–", "1", "25", "%", "0", "1"] in rows
    assert "at most 8 entries per speaker" in text
    assert ["INSERT", "applied", "30", "83.3", "%"] in rows


def test_when_every_question_failed_that_is_the_first_thing_said() -> None:
    text = format_result(result([[None], [None]], failures=2))
    assert text.splitlines()[1] == "NO SCORE: everything failed. Not one of 2 questions got an answer."
    assert "First failure: timeout: no reply in 60 s" in text
    assert "0.000" not in text


def test_when_no_memory_could_be_built_that_is_said() -> None:
    failed = memory("c0", failed=True, ops={}, parse={}, failure="unreachable: connection refused")
    found = result([[1.0]]).model_copy(update={"memories": (failed,), "answers": ()})
    text = format_result(found)
    assert "NO SCORE: everything failed. Not one memory could be built (1 conversation)" in text
    assert "First failure: unreachable: connection refused" in text


def test_an_evaluation_without_questions_is_no_failure() -> None:
    found = result([[]])
    assert "NO SCORE: the conversations hold no question of the chosen categories." in format_result(found)


def test_names_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in format_result(result([[1.0]], dataset="x\x1b[2J\n"))


def test_an_evaluation_report_has_json_markdown_and_html(tmp_path: Path) -> None:
    write_eval_report(result([[0.4], [0.5], [0.6]]), tmp_path / "new")
    content = json.loads((tmp_path / "new" / "report.json").read_text())
    assert (content["format"], content["version"], content["kind"]) == ("fairmem-report", 1, "evaluation")
    score = content["summary"]["score"]
    assert score["mean"] == pytest.approx(0.5) and score["low"] == pytest.approx(0.251586, abs=1e-5)
    assert (score["n"], score["conversations"], score["unscored"]) == (3, 3, 0)
    assert "| all | 0.500 | \\[0.252, 0.748\\] | 3 |" in (tmp_path / "new" / "report.md").read_text()
    _checked((tmp_path / "new" / "report.html").read_text())
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.html", "report.json", "report.md"]


def test_what_has_no_number_is_null_in_json(tmp_path: Path) -> None:
    write_eval_report(result([[1.0]]), tmp_path)
    score = json.loads((tmp_path / "report.json").read_text())["summary"]["score"]
    assert (score["mean"], score["low"], score["high"]) == (1.0, None, None)


def test_a_finished_run_is_reported_with_its_change(tmp_path: Path) -> None:
    text = report_run(run_folder(tmp_path / "run", BEFORE, AFTER))
    assert "F1[bag|squad-norm|no-stem|v1] 0.200 before, 0.600 after training: +0.400 [+0.152, +0.648]" in text
    # t over 0.1, 0.2, 0.3: reach 0.248 cuts the low end at 0.
    assert "all         0.200 [0.000, 0.448]" in text
    assert re.search(r"entries per conversation +10\.0 \[10\.0, 10\.0\] +10\.0 \[10\.0, 10\.0\] +\+0\.0", text)
    # f1 is 0.3, 0.4 | 0.5... of steps 1 to 4: 0.2, 0.3, 0.4, 0.5; two steps at each end.
    assert re.search(r"f1 +0\.25 +0\.45 +\+0\.2\b", text)
    # 4 steps of 10 s, 6 of them rollout, 6,000 tokens each: 24,000 / 24 s and 24,000 / 40 s.
    assert re.search(r"tokens generated +24,000", text)
    assert re.search(r"effective tokens per second of rollout +1,000", text)
    assert re.search(r"tokens per second of whole steps +600", text)
    assert re.search(r"engine's own peak +0\.75", text)
    assert re.search(r"learner\.lr +0\.003 +0\.0001", text)
    assert "Seed 3, data seed 0, 4 of 4 steps done." in text


def test_a_run_leaves_its_files_and_a_picture(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", BEFORE, AFTER)
    report_run(folder)
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((folder / "report.json").read_text())
    assert (content["kind"], content["finished"], content["steps"]) == ("run", True, {"done": 4, "planned": 4})
    assert content["comparison"]["score"]["difference"] == pytest.approx(0.4)
    assert content["comparison"]["better"] == 3
    assert content["timing"]["effective_tokens_per_second"] == 1000.0
    assert content["recipe_changes"]["seed"] == {"default": "0", "here": "3"}
    markdown = (folder / "report.md").read_text()
    assert "](learning_curve.png)" in markdown and "+0.400" in markdown


def test_the_html_of_a_run_stands_alone(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", BEFORE, AFTER)
    report_run(folder)
    html = (folder / "report.html").read_text()
    page = _checked(html)
    assert page.scripts == 0
    assert all(load.startswith("#") for load in page.loads)
    assert "://" not in html and "@import" not in html and "url(http" not in html
    assert "<svg" in html and "currentColor" in html
    for shown in ("0.600", "+0.400", "[+0.152, +0.648]", "1,000", "learner.lr", "Question 0 of c1?"):
        assert shown in html


def test_texts_of_questions_are_escaped(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script><img src=x onerror=y> | `a`"
    found = BEFORE.model_copy(
        update={"answers": tuple(a.model_copy(update={"text": bad, "gold": bad, "answer": bad}) for a in AFTER.answers)}
    )
    folder = run_folder(tmp_path / "run", found, AFTER)
    report_run(folder)
    html = (folder / "report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert _checked(html).scripts == 0
    named = result([[1.0]], model="<script>x</script>", dataset="a|b")
    write_eval_report(named, tmp_path / "eval")
    assert _checked((tmp_path / "eval" / "report.html").read_text()).scripts == 0
    markdown = (tmp_path / "eval" / "report.md").read_text()
    assert "<script" not in markdown and "a\\|b" in markdown


def test_changed_answers_come_first_in_the_sample(tmp_path: Path) -> None:
    scores = [[0.5] * 20, [0.5] * 20, [0.5] * 20]
    before = result(scores)
    changed = {("c1", "q7"), ("c2", "q3")}
    later = tuple(
        a.model_copy(update={"answer": "other", "score": 1.0}) if (a.conversation, a.question) in changed else a
        for a in before.answers
    )
    folder = run_folder(tmp_path / "run", before, before.model_copy(update={"answers": later}))
    report_run(folder)
    cards = re.findall(r"<h3>(.*?)</h3>", (folder / "report.html").read_text())
    assert len(cards) == 30
    assert set(cards[:2]) == {"Question 7 of c1?", "Question 3 of c2?"}
    assert "2 of 60 answers changed: 2 scores rose, 0 fell." in (folder / "report.html").read_text()


def test_a_run_stopped_before_its_second_evaluation_says_so(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", BEFORE, None, steps=2)
    text = report_run(folder)
    assert text.splitlines()[1] == "STOPPED after 2 of 4 steps; go on with `fairmem train ... --resume`."
    assert "scores below are of the model before training" in text
    content = json.loads((folder / "report.json").read_text())
    assert (content["finished"], content["after"], content["comparison"]) == (False, None, None)
    assert content["before"]["score"]["mean"] == pytest.approx(0.2)


def test_a_run_stopped_before_anything_was_done_has_a_report(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", None, None, steps=0)
    text = report_run(folder)
    assert "STOPPED after 0 of 4 steps" in text and "There is no evaluation yet." in text
    assert not (folder / "learning_curve.png").exists()
    assert "learning_curve" not in (folder / "report.md").read_text()
    _checked((folder / "report.html").read_text())


def test_a_finished_run_without_held_out_conversations_is_not_called_stopped(tmp_path: Path) -> None:
    text = report_run(run_folder(tmp_path / "run", None, None, steps=4))
    assert "STOPPED" not in text and "names no test or validation conversations" in text


def test_a_change_whose_interval_holds_zero_is_not_called_one(tmp_path: Path) -> None:
    # Differences +0.1, -0.1, 0: mean 0.
    text = report_run(run_folder(tmp_path / "run", BEFORE, result([[0.2], [0.1], [0.3]])))
    assert "no clear change, since the interval holds 0" in text


def test_evaluations_that_all_failed_on_one_side_are_not_compared(tmp_path: Path) -> None:
    text = report_run(run_folder(tmp_path / "run", BEFORE, result([[None], [None], [None]])))
    assert "NO COMPARISON: not one question was scored both before and after training." in text
    assert "After: NO SCORE: everything failed." in text


def test_a_category_that_only_one_side_asked_is_left_to_that_side(tmp_path: Path) -> None:
    more = AFTER.model_copy(update={"answers": (*AFTER.answers, answer("c0", 9, 1.0, "multi_hop"))})
    text = report_run(run_folder(tmp_path / "run", BEFORE, more))
    assert "1 question asked on one side only, left out of the change." in text


def test_reporting_again_gives_the_same_files(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", BEFORE, AFTER)
    first = report_run(folder), (folder / "report.html").read_bytes(), (folder / "report.json").read_bytes()
    again = report_run(folder), (folder / "report.html").read_bytes(), (folder / "report.json").read_bytes()
    assert first == again


def test_a_folder_that_is_no_run_or_is_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        report_run(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"recipe\.toml"):
        report_run(tmp_path)
    folder = run_folder(tmp_path / "run", BEFORE, AFTER)
    (folder / "eval_after.jsonl").write_text("{}\n")
    with pytest.raises(CheckpointError, match=r"eval_after\.jsonl: line 1"):
        report_run(folder)


def test_reports_of_evaluations_need_no_torch_and_no_matplotlib() -> None:
    code = (
        "import sys; from fairmem.eval import format_result, report_run; "
        "print(sorted({'torch', 'transformers', 'matplotlib'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_without_matplotlib_a_run_keeps_json_and_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    folder = run_folder(tmp_path / "run", BEFORE, AFTER)
    with pytest.raises(ImportError, match=r"needs the package 'matplotlib'.*fairmem\[train\]"):
        report_run(folder)
    assert (folder / "report.json").is_file() and (folder / "report.md").is_file()


def test_a_report_reads_what_an_evaluation_saved(tmp_path: Path) -> None:
    BEFORE.save(tmp_path / "eval.jsonl")
    assert format_result(EvalResult.load(tmp_path / "eval.jsonl")) == format_result(BEFORE)


def test_the_stages_of_a_curriculum_are_a_table_of_their_own(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", result([[0.2]]), result([[0.6]]))
    metrics = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()][:3]
    rows[1] |= {"val_f1": 0.25, "val_m_fail": 0.05, "stage_end": "promoted"}
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = report_run(folder)
    assert re.search(r"stage 1 +2 +0\.250 +0\.050 +promoted", text), text
    assert re.search(r"stage 2 +1 +. +. +under way", text), text
    assert "3 steps done; the curriculum did without 1 more" in text
    told = json.loads((folder / "report.json").read_text())["training"]["stages"]
    assert [(s["name"], s["ending"]) for s in told] == [("stage 1", "promoted"), ("stage 2", "")]


def test_a_run_whose_answerer_lists_what_it_keeps_shows_it_before_and_after(tmp_path: Path) -> None:
    def listing(kept: int) -> EvalResult:
        plain = result([[1.0], [0.0]])
        kept_of = {"keep": "ok", "kept": kept, "kept_grounds": 1, "grounds": 2, "reached": 1}
        return plain.model_copy(update={"answers": tuple(a.model_copy(update=kept_of) for a in plain.answers)})

    folder = run_folder(tmp_path / "run", listing(4), listing(1))
    report_run(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    table = text.partition("Memory distillation")[2]
    # Of 4 kept entries one holds evidence, then of one; of 2 that do, one was kept both times.
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}
    assert "| before | after |" in table
    assert re.search(r"\| 0\.250 .*\| 1\.000 ", rows["precision: kept entries that hold evidence"])
    assert re.search(r"\| 0\.500 .*\| 0\.500 ", rows["recall: evidence entries shown that were kept"])
    plain = run_folder(tmp_path / "plain", result([[1.0]]), result([[1.0]]))
    report_run(plain)
    assert "Memory distillation" not in (plain / "report.md").read_text(encoding="utf-8")


def test_words_in_tables_of_text_are_not_cut_and_drawings_keep_a_size_that_can_be_read() -> None:
    # Cells may break anywhere, so that a path of 200 letters fits; a row's name and a heading only between words.
    assert ".prose td{overflow-wrap:anywhere;min-width:6.5rem}" in CSS
    assert "overflow-wrap" not in CSS.split(".prose th,.prose td{")[1].split("}")[0]
    assert "figure svg{width:100%;min-width:30rem;" in CSS and "figure{margin:0;overflow-x:auto}" in CSS
