"""Real memory products in an evaluation, against an OpenAI-compatible server on the loopback interface.

Each test skips, saying how to install it, where its product is absent.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main
from fairmem.eval import EvalResult
from tests.unit.policy.conftest import Answer, Endpoint, completion, endpoint

__all__ = ["endpoint"]

# What the products and their dependencies warn of is theirs.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]

_SAID = re.compile(r"\[\d+ \w+ \d{4}\] (\w+): (.*)")


def _facts(text: str) -> list[tuple[str, str]]:
    """(speaker, what was said) of the lines in a prompt, each once."""
    return list(dict.fromkeys((who, line.strip()) for who, line in _SAID.findall(text)))


def _replies(body: dict[str, Any]) -> Answer:
    """What a model that notes every line of a session says to each product's prompts, and to the answerer's."""
    text = "\n".join(str(message["content"]) for message in body["messages"])
    last = str(body["messages"][-1]["content"])
    if "<answer>" in last:
        return completion("<answer>Lodz</answer>")
    if body.get("tools"):  # LangMem
        calls = [
            {"id": f"c{i}", "type": "function", "function": {"name": "Memory", "arguments": json.dumps({"content": c})}}
            for i, c in enumerate(f"{who}: {what}" for who, what in _facts(text))
        ]
        return completion("", "tool_calls", message={"role": "assistant", "content": None, "tool_calls": calls})
    if "## New Messages" in last:  # mem0
        new = last.partition("## New Messages")[2]
        facts = [{"id": str(i), "text": f"{who}: {what}"} for i, (who, what) in enumerate(_facts(new))]
        return completion(json.dumps({"memory": facts}))
    if "<|COMPLETE|>" in text:  # LightRAG: one person and one thing said per line, and how they relate
        rows: list[str] = []
        for who, what in _facts(last):
            thing = " ".join(what.split()[:6])
            rows += [f"entity<|#|>{who}<|#|>Person<|#|>{who} speaks.", f"entity<|#|>{thing}<|#|>Event<|#|>{what}"]
            rows.append(f"relation<|#|>{who}<|#|>{thing}<|#|>said<|#|>{who} said: {what}")
        return completion("\n".join([*rows, "<|COMPLETE|>"]))
    return completion("OK")


def _plain(folder: Path) -> list[dict[str, Any]]:
    """The lines of an evaluation without what the clock decides."""
    lines = [json.loads(line) for line in (folder / "eval.jsonl").read_text().splitlines()]
    for line in lines:
        line.get("answer", {}).pop("seconds", None)
    return lines


@pytest.mark.parametrize("product", ["mem0", "langmem", "lightrag"])
def test_a_product_is_evaluated_like_any_memory_and_going_on_asks_nothing_twice(
    product: str, tmp_path: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec(product) is None:
        pytest.skip(f"{product} absent: pip install 'fairmem[{product}]'")
    endpoint.otherwise = _replies
    words = [
        "eval",
        "village",
        "--limit",
        "1",
        "--sessions",
        "2",
        "--questions",
        "4",
        "--seed",
        "4",
        "--memory",
        product,
    ]
    out = tmp_path / "out"
    words += ["--model", "openai:m", "--base-url", endpoint.base_url, "--out", str(out)]
    assert main(words) == 0, capsys.readouterr().err
    found = EvalResult.load(out / "eval.jsonl")
    (memory,) = found.memories
    assert memory.failure is None and memory.entries > 4 and len(memory.growth) == 2
    assert found.header.memory == product and found.header.failures == 0
    # What the product asked counts like everything else: the answers alone are four calls.
    assert found.header.calls > 4 and found.header.prompt_tokens > 0
    assert all(answer.shown and answer.answer == "Lodz" for answer in found.answers)

    # Without the built memories, the replies in the gateway's file give the same ones.
    before, asked = _plain(out), len(endpoint.bodies)
    for name in ("index.jsonl", "search.jsonl", "answers.jsonl"):
        (out / name).unlink()
    assert main(words) == 0
    new = [body for body in endpoint.bodies[asked:] if body["messages"][-1]["content"] != "Say OK."]
    assert new == []
    assert _plain(out) == before


def test_a_product_that_is_not_there_is_skipped_with_the_pip_line(
    tmp_path: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.otherwise = _replies
    missing = [name for name in ("mem0", "langmem", "lightrag") if importlib.util.find_spec(name) is None]
    if not missing:
        pytest.skip("every product is installed here")
    words = ["eval", "village", "--limit", "1", "--sessions", "1", "--questions", "1", "--memory", f"none,{missing[0]}"]
    assert main([*words, "--model", "openai:m", "--base-url", endpoint.base_url, "--out", str(tmp_path)]) == 0
    assert f"pip install 'fairmem[{missing[0]}]'" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "memories.json").read_text())["skipped"]) == [missing[0]]


@pytest.mark.parametrize("product", ["mem0", "langmem", "lightrag"])
def test_an_agent_is_audited_for_drift_through_a_product(
    product: str, tmp_path: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec(product) is None:
        pytest.skip(f"{product} absent: pip install 'fairmem[{product}]'")
    endpoint.otherwise = _replies
    out = tmp_path / "out"
    words = ["drift", "run", "--model", "closed-form:alpha=0.3", "--only", "risk,legal", "--out", str(out)]
    words += ["--arms", "none,none2,neutral,biased-2,relevant", "--through", f"direct,{product}", "--top-k", "3"]
    words += ["--memory-model", "openai:m", "--memory-base-url", endpoint.base_url]
    assert main(words) == 0, capsys.readouterr().err
    direct, through = json.loads((out / "comparison.json").read_text())["systems"]
    assert through["settings"]["through"] == product and through["lost"] == 0.0 and through["calls"] > 0
    # The model notes every line as it was said, so what is kept is known by its words.
    assert through["main"]["built"] == 3 and through["main"]["kept"]["mean"] == 1.0
    assert 0 < through["main"]["reached"]["mean"] <= 1.0 and through["main"]["lines"]["mean"] <= 3.0
    assert direct["main"]["reached"]["mean"] == 1.0

    asked = len(endpoint.bodies)
    assert main(words) == 0
    assert [body for body in endpoint.bodies[asked:] if body["messages"][-1]["content"] != "Say OK."] == []
