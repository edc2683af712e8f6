"""What changed between two memory banks, as data and as one line per change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fairmem.memory.entry import Entry


@dataclass(frozen=True, slots=True)
class BankDiff:
    """Live entries that came, changed and went, each by id. `changed` holds pairs (before, after)."""

    added: tuple[Entry, ...] = ()
    changed: tuple[tuple[Entry, Entry], ...] = ()
    removed: tuple[Entry, ...] = ()

    @classmethod
    def between(cls, before: Sequence[Entry], after: Sequence[Entry]) -> BankDiff:
        """The difference between two sequences of live entries."""
        old = {entry.id: entry for entry in before}
        new = {entry.id: entry for entry in after}
        return cls(
            added=tuple(new[id] for id in sorted(new.keys() - old.keys())),
            changed=tuple((old[id], new[id]) for id in sorted(old.keys() & new.keys()) if old[id] != new[id]),
            removed=tuple(old[id] for id in sorted(old.keys() - new.keys())),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        """One line per change, ordered by entry id; `no change` if there is none."""
        lines = [(e.id, f"+ {e.id} {e.speaker}: {e.content} [{', '.join(e.sources)}]") for e in self.added]
        lines += [(e.id, f"- {e.id} {e.speaker}: {e.content}") for e in self.removed]
        lines += [(new.id, _change(old, new)) for old, new in self.changed]
        return "\n".join(line for _, line in sorted(lines)) or "no change"


def _change(old: Entry, new: Entry) -> str:
    attached = [f"+{source}" for source in new.sources if source not in old.sources]
    attached += [f"-{source}" for source in old.sources if source not in new.sources]
    origin = f" [{', '.join(attached)}]" if attached else ""
    if old.content != new.content or old.speaker != new.speaker:
        speaker = old.speaker if old.speaker == new.speaker else f"{old.speaker} -> {new.speaker}"
        return f"~ {new.id} {speaker}: {old.content} -> {new.content}{origin}"
    if old.updated_time != new.updated_time or old.updated_session != new.updated_session:
        return f"= {new.id} {new.speaker}: {new.content} (confirmed {_date(new.updated_time)}){origin}"
    return f"= {new.id} {new.speaker}: {new.content}{origin}"


def _date(time: datetime) -> str:
    return f"{time.day} {time:%B} {time.year}"
