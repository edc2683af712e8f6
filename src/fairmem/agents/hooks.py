"""Where something may step between memory and a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fairmem.memory import Entry


class Defense(Protocol):
    """Decides which retrieved entries reach a prompt, for example to hold back what has no bearing on the task."""

    def before_prompt(self, entries: Sequence[Entry], task: str) -> Sequence[Entry]:
        """The entries to show for `task` (a question or an instruction), in order; normally some of `entries`."""
        ...
