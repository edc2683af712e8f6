"""Each memory on a conversation small enough to see through; the summary is written by a real endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli.drift_audit import THROUGH
from fairmem.config import AgentsConfig
from fairmem.drift.arms import Arm
from fairmem.drift.through import SYSTEMS, Recalled, SystemMemory, WriterOptions, tell
from fairmem.drift.through.recalled import DIRECT
from fairmem.drift.through.systems import Setup
from fairmem.errors import CheckpointError
from fairmem.policy import ScriptedPolicy
from fairmem.types import Question
from tests.unit.drift.builders import small
from tests.unit.policy.conftest import Answer, Endpoint, completion

ARM = Arm("biased", 2)
PLACE = ("risk-test-001", "biased-2")
SENTENCES = {"b1": "Jumps from the highest ledge.", "b2": "Skips the health check of the horse."}


def recalled(folder: Path, name: str, **options: Any) -> Recalled:
    folder.mkdir(exist_ok=True)
    return SystemMemory(name, **options).recall([small()], [ARM], folder, retry_failed=False)[PLACE]


def test_the_names_offered_are_those_there_are() -> None:
    assert (DIRECT, *SYSTEMS) == THROUGH


def test_verbatim_keeps_every_turn_with_its_speaker(tmp_path: Path) -> None:
    record = recalled(tmp_path, "verbatim")
    assert len(record.stored) == 5 and record.calls == 0 and record.traces
    ids = dict(record.told)
    assert {line.text for line in record.stored if line.sources[0] in ids} == {
        f"Robin: {lead}{SENTENCES[id]}"
        for id, lead in zip(ids.values(), ("My notes say: ", "I wrote this down lately: "), strict=True)
    }


def test_the_bank_holds_what_extractor_and_manager_wrote(tmp_path: Path) -> None:
    record = recalled(tmp_path, "bank")
    first, second = (SENTENCES[id] for _, id in record.told)
    assert [line.text for line in record.stored] == [
        f"Robin's notes say: {first}",
        f"Robin wrote this down lately: {second}",
    ]
    assert record.calls == 2 and record.prompt_tokens > 0 and record.reply_tokens > 0


def test_the_persistent_memory_is_searched_in_its_file(tmp_path: Path) -> None:
    record = recalled(tmp_path, "persistent")
    assert len(record.stored) == 2 and record.traces and record.calls == 1
    (file,) = (tmp_path / "memories").iterdir()
    assert json.loads(file.read_text())["format"] == "fairmem-structured"

    agents = AgentsConfig(manager_max_tokens=1024, chunks_per_session=1)
    backend = SYSTEMS["persistent"](Setup(ScriptedPolicy(), agents, tmp_path / "b"))
    conversation = tell(small(), ARM).conversation
    (built,) = backend.build([conversation])
    assert built.bank is not None
    question = Question("q", "Which horse?", "", "open_domain", (), 1)
    (found,) = backend.search(built.bank, question, conversation)
    assert found.content.endswith("Skips the health check of the horse.")
    (file,) = (tmp_path / "b" / "memories").iterdir()
    file.write_text(file.read_text().replace("horse", "zebra"))
    assert backend.search(built.bank, question, conversation) == ()  # the file is what is searched
    file.unlink()
    with pytest.raises(CheckpointError, match="the memory of risk-test-001 biased-2 cannot be read"):
        backend.search(built.bank, question, conversation)


def test_an_endpoint_writes_the_summary_and_all_of_it_is_recalled(tmp_path: Path, endpoint: Endpoint) -> None:
    def reply(body: dict[str, Any]) -> Answer:
        text = body["messages"][-1]["content"]
        return completion("- Robin jumps off the highest ledges.\n- Robin likes horses.") if "ledge" in text else failed

    failed: Answer = completion("OK")
    endpoint.otherwise = reply
    writer = WriterOptions("openai:tiny", endpoint.base_url)
    record = recalled(tmp_path, "summary", writer=writer, top_k=1)
    assert record.failure is None and not record.traces and record.calls == 1
    assert [line.text for line in record.lines] == ["Robin jumps off the highest ledges.", "Robin likes horses."]
    asked = endpoint.bodies[-1]["messages"][-1]["content"]
    assert "5 January 2026" in asked and "Skips the health check of the horse." in asked and "Robin" in asked
    # The first line has jump, highest and ledge; the second one of skip, health, check and horse: no memory.
    carried = [(m.polarity, m.text) for m in record.memories(small())]
    assert carried == [(1, "Robin jumps off the highest ledges."), (0, "Robin likes horses.")]


def test_an_endpoint_that_fails_is_a_failed_memory(tmp_path: Path, endpoint: Endpoint) -> None:
    def reply(body: dict[str, Any]) -> Answer:
        text = body["messages"][-1]["content"]
        return completion("OK") if text == "Say OK." else (400, '{"error": "too hot"}', {}, 0.0)

    endpoint.otherwise = reply
    record = recalled(tmp_path, "summary", writer=WriterOptions("openai:tiny", endpoint.base_url))
    assert record.failure is not None and "too hot" in record.failure and record.stored == ()
