"""The files of an evaluation's stages, and the one that says what is evaluated there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmem.errors import CheckpointError, ConfigError
from fairmem.eval.calls import read_lines
from fairmem.eval.result import EvalHeader
from fairmem.replace import replace_text
from fairmem.types import Conversation

_MADE = ("calls", "failures", "excluded", "judge", "signature", "prompt_tokens", "reply_tokens", "cost")
_PLURAL = {
    "data": "other data",
    "turns": "other turns in its conversations",
    "weights": "other weights in the folder of its model",
    "categories": "other categories",
    "prompt_hashes": "other prompts",
}


class StageFile:
    """The records of one stage by key, on disk as they come; kept in memory only if `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.records: dict[str, dict[str, Any]] = {}
        for line in read_lines(path) if path is not None else ():
            self.records[str(line.get("key"))] = line

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keep the record of `key`."""
        self.records[key] = {"key": key, **record}
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(self.records[key], ensure_ascii=False) + "\n")

    def missing(self, keys: Sequence[str]) -> list[str]:
        """The keys without a record, in order."""
        return [key for key in keys if key not in self.records]


def same_run(path: Path, header: EvalHeader, conversations: Sequence[Conversation], **more: int | str) -> None:
    """Write what is run to `path`, or see that it is what was run there; `more` are settings besides the header.

    A setting that an older version did not write down counts as the same.

    Raises:
        ConfigError: another setting, which is named. CheckpointError: the file is damaged.
    """
    asked = [[c.id, len(c.sessions), [[q.id, q.text, q.answer] for q in c.questions]] for c in conversations]
    settings = header.model_dump(mode="json", exclude=set(_MADE))
    said = [[turn.id, turn.speaker, turn.text] for c in conversations for s in c.sessions for turn in s.turns]
    settings |= {"data": _digest(asked), "turns": _digest(said), **more}
    settings = json.loads(json.dumps(settings))
    if not path.is_file():
        replace_text(path, json.dumps(settings, indent=1) + "\n")
        return
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged: {error}; delete the folder and start again") from error
    for name, value in settings.items():
        if name in before and before[name] != value:
            what = _PLURAL.get(name, f"another {name}")
            raise ConfigError(
                f"{path.parent} holds an evaluation with {what} ({_short(before[name])}, here {_short(value)}); "
                "choose another folder"
            )


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
