"""What reached the answerer of the turns that hold an answer: lost when writing, lost when reading, and at what rank.

`evidence` are the turns a question's answer rests on, `stored` the turns that something in memory came from, and
`shown` the turns behind each thing the answerer saw, best first. A question without known evidence is None.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvidenceTrail:
    """Where the evidence turns of one question ended up; the three counts add up to all of them.

    Attributes:
        lost: In nothing that memory holds (the numerator of M-Fail).
        unshown: In memory, but in nothing the answerer saw (of R-Fail).
        reached: Seen by the answerer.
        rank: Place, from 1, of the first thing shown that holds evidence; None if there is none.
    """

    lost: int
    unshown: int
    reached: int
    rank: int | None

    @property
    def turns(self) -> int:
        """Evidence turns."""
        return self.lost + self.unshown + self.reached

    @property
    def recall(self) -> float:
        """Evidence recall: share of the evidence turns that the answerer saw."""
        return self.reached / self.turns

    @property
    def stored_recall(self) -> float | None:
        """Retrieval recall: the same share of those in memory, so of what a search could find; None if none was."""
        stored = self.unshown + self.reached
        return self.reached / stored if stored else None


def evidence_trail(
    evidence: Sequence[str], stored: Collection[str], shown: Sequence[Sequence[str]]
) -> EvidenceTrail | None:
    """Follow the turns `evidence` through memory and search; None if there are none."""
    turns = set(evidence)
    if not turns:
        return None
    seen = {turn for sources in shown for turn in sources} & turns
    kept = (turns & set(stored)) | seen
    rank = next((place for place, sources in enumerate(shown, start=1) if turns.intersection(sources)), None)
    return EvidenceTrail(len(turns - kept), len(kept - seen), len(seen), rank)
