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
from fairmem.types import Conversation

_MADE = ("calls", "failures", "excluded", "judge", "signature", "prompt_tokens", "reply_tokens", "cost")


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


def same_run(path: Path, header: EvalHeader, conversations: Sequence[Conversation], **more: int) -> None:
    """Write what is run to `path`, or see that it is what was run there; `more` are settings besides the header.

    Raises:
        ConfigError: another setting, which is named. CheckpointError: the file is damaged.
    """
    asked = [[c.id, len(c.sessions), [[q.id, q.text, q.answer] for q in c.questions]] for c in conversations]
    settings = header.model_dump(mode="json", exclude=set(_MADE))
    settings |= {"data": hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16], **more}
    settings = json.loads(json.dumps(settings))
    if not path.is_file():
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
        return
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged: {error}; delete the folder and start again") from error
    for name, value in settings.items():
        if before.get(name) != value:
            raise ConfigError(
                f"{path.parent} holds an evaluation with another {name} ({_short(before.get(name))}, here "
                f"{_short(value)}); choose another folder"
            )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
