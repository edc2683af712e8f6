"""The part that all products share, with a product small enough to see through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from fairmem.errors import CheckpointError, ConfigError, MissingExtraError
from fairmem.eval.backend import speaker_of
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers import PEERS, PeerMemory, Said, peer_memory
from fairmem.memory import HashedEmbedder, MemoryBank
from fairmem.policy import ScriptedPolicy
from fairmem.types import Conversation, Question, Session, Turn

TALK = Conversation(
    "c/1",
    ("Ana", "Bo"),
    (
        Session(1, datetime(2024, 1, 1), (Turn("D1:1", "Ana", "home: Lodz"), Turn("D1:2", "Bo", "drink: tea"))),
        Session(2, datetime(2024, 2, 1), (Turn("D2:1", "Ana", "home: Riga"), Turn("D2:2", "Bo", "forget drink"))),
    ),
)
QUESTION = Question("q", "home?", "Riga", "single_hop", (), 1)


class Notes:
    """Remembers `key: value` by key, one JSON file; searches by the key."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.file = folder / "notes.json"
        self.notes: dict[str, str] = json.loads(self.file.read_text()) if self.file.is_file() else {}

    def add(self, turns: Sequence[Said]) -> None:
        for turn in turns:
            line = turn.text.partition(f"{turn.speaker}: ")[2]
            key, _, value = line.partition(": ")
            if line.startswith("forget "):
                self.notes.pop(line.removeprefix("forget "))
            elif value:
                self.notes[key] = f"{turn.speaker} {line}"
            else:
                raise RuntimeError("no note")

    def listed(self) -> dict[str, str]:
        return self.notes

    def found(self, query: str, count: int) -> list[str]:
        return [key for key in self.notes if key in query][:count]

    def close(self) -> None:
        self.file.write_text(json.dumps(self.notes))


def memory(gateway: Gateway, folder: Path) -> PeerMemory:
    return PeerMemory("notes", Notes, gateway, folder, 2)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(ScriptedPolicy(family="instruct"), HashedEmbedder(16))


def test_what_a_product_lists_becomes_entries_with_the_session_they_came_in(tmp_path: Path, gateway: Gateway) -> None:
    with gateway:
        built = memory(gateway, tmp_path).build([TALK])[0]
        assert built.failure is None and isinstance(built.bank, MemoryBank)
        assert [(e.content, e.speaker, e.created_session, e.updated_session) for e in built.bank.entries] == [
            ("Ana home: Riga", "Ana", 1, 2)
        ]
        changed, gone = built.bank.all_entries[0], built.bank.all_entries[1]
        assert [r.content for r in changed.history] == ["Ana home: Lodz"]
        assert (gone.content, gone.deleted_session, gone.created_time) == ("Bo drink: tea", 2, datetime(2024, 1, 1))
        assert built.growth == (2, 1)


def test_another_process_searches_the_store_that_was_built(tmp_path: Path, gateway: Gateway) -> None:
    with gateway:
        built = memory(gateway, tmp_path).build([TALK])[0]
        assert built.bank is not None
        again = memory(gateway, tmp_path)
        assert [entry.content for entry in again.search(built.bank, QUESTION, TALK)] == ["Ana home: Riga"]
        again.close()


def test_a_product_that_raises_is_not_built_and_says_why(tmp_path: Path, gateway: Gateway) -> None:
    mute = Conversation("d", ("Ana",), (Session(1, datetime(2024, 1, 1), (Turn("D1:1", "Ana", "hm"),)),))
    with gateway:
        peer = memory(gateway, tmp_path)
        built = peer.build([mute])[0]
        assert built.bank is None
        assert built.failure == "product: notes taking in d: RuntimeError: no note"
        with pytest.raises(CheckpointError, match="no finished store of notes for d"):
            peer.search(MemoryBank.empty(), QUESTION, mute)


def test_days_and_speakers_stand_in_what_a_product_is_told() -> None:
    from fairmem.eval.peers.product import said

    assert said(TALK.sessions[0])[0] == Said("Ana", "[1 January 2024] Ana: home: Lodz")


def test_an_entry_is_about_the_first_speaker_it_names() -> None:
    assert speaker_of("A dog of Bo and Ana", ("Ana", "Bo")) == "Bo"
    assert speaker_of("Bowls and bananas", ("Ana", "Bo")) == "Ana"


def test_a_product_that_is_not_installed_says_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "no_such_product", Notes)
    with pytest.raises(MissingExtraError, match=r"run: pip install 'fairmem\[no_such_product\]'"):
        peer_memory("no_such_product", None, None, 1)
    monkeypatch.setitem(PEERS, "json", Notes)
    with pytest.raises(ConfigError, match="memory 'json' needs a server to ask"):
        peer_memory("json", None, None, 1)
