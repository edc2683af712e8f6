"""Scores a base model on words and phrasings it has never seen: the figures of the model card.

Every figure comes from generated test-split conversations, greedy decoding. Extraction is judged against what was
said: a demonstrator that misses facts on purpose teaches low recall, so recall is reported per kind
and precision apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fairmem.agents.compact import parse_compact_answer, parse_compact_decision, parse_compact_extract
from fairmem.data.village import UNKNOWN, Split, read, simulate
from fairmem.metrics import exact_match
from fairmem.policy import Message, Policy, SampleRequest
from fairmem.pretrain.demonstrate import Demonstrator
from fairmem.pretrain.mixture import Demonstration, Imperfection, Mixture
from fairmem.seeds import python_rng
from fairmem.trace import CallFailure, ParseOutcome, StopReason

_CHANGE = re.compile(r"[a-z] (INSERT|UPDATE|DELETE|CORE) \S.*")
_PERFECT = Imperfection(miss={}, default_miss=0.0, hearsay=0.0, stale=0.0, duplicate=0.0, keep_gone=0.0)
_ASKED = {
    "extractor": Mixture(),
    "manager": Mixture(),
    "answerer": Mixture(),
    "single": Mixture(singles=1.0),
    "writer": Mixture(writers=1.0),
}
"""Role -> demonstrations in which it appears."""
_PARSED = {ParseOutcome.OK, ParseOutcome.EMPTY}


@dataclass(slots=True)
class _Tally:
    parsed: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, hit: bool) -> None:
        self.of[name] += 1
        self.right[name] += hit

    def rates(self) -> dict[str, Any]:
        shares = {f"parseable {role}": self.parsed[role] / n for role, n in self.asked.items()}
        return shares | {name: self.right[name] / n for name, n in sorted(self.of.items())}


def score_base(policy: Policy, split: Split = "test", conversations: int = 24, seed: int = 0) -> dict[str, float]:
    """Shares in [0, 1], by name.

    `parseable ROLE`: replies in the expected form. `answer exact`: exact match where the shown entries tell
    the answer, `answer refuses` where they do not. `fact exact`: facts written that are what was said;
    `recall KIND`: said facts that were written. `manager right OP`: decisions a careful manager would take.
    """
    tally = _Tally()
    for role, mixture in _ASKED.items():
        _score_role(policy, _examples(split, conversations, seed, role, mixture), tally, role)
    return tally.rates()


def _examples(
    split: Split, conversations: int, seed: int, role: str, mixture: Mixture
) -> list[tuple[Demonstration, str, str]]:
    """(demonstration, rest of prompt, right reply) of one role."""
    examples: list[tuple[Demonstration, str, str]] = []
    for index in range(conversations):
        world = simulate(seed, split, index, 8, 0.5)
        for demonstration in Demonstrator(world, python_rng(seed, "score", index), _PERFECT, mixture).run():
            if demonstration.role == role:
                examples += [(demonstration, rest, reply) for rest, reply in demonstration.branches]
    return examples


def _score_role(policy: Policy, examples: Sequence[tuple[Demonstration, str, str]], tally: _Tally, role: str) -> None:
    requests = [SampleRequest((Message("user", d.prefix + rest),), 96, 0.0, 0, role) for d, rest, _ in examples]
    for (demonstration, _, gold), reply in zip(examples, policy.sample(requests), strict=True):
        tally.asked[role] += 1
        if isinstance(reply, CallFailure):
            continue
        cut = reply.stop is StopReason.LENGTH
        if role == "extractor":
            turns = demonstration.prefix.count("\n") - 2
            found = parse_compact_extract(reply.text, cut, turns)
            tally.parsed[role] += found.outcome in _PARSED
            said = parse_compact_extract(gold, False, turns).items
            for item in said:
                statement = read(item[1])
                tally.count(f"recall {statement.kind if statement else 'other'}", item in found.items)
            for item in found.items:
                tally.count("fact exact", item in said)
        elif role == "manager":
            facts = demonstration.prefix.split("<facts>")[1].count("\n") - 2
            shown = [line.partition(" ")[2] for line in demonstration.prefix.split("<facts>")[0].splitlines()[1:]]
            decided = parse_compact_decision(reply.text, cut, facts, shown)
            tally.parsed[role] += decided.outcome in _PARSED
            right = {change[0]: change for change in parse_compact_decision(gold, False, facts, shown).items}
            done = {change[0]: change for change in decided.items}
            for index, change in right.items():
                tally.count(f"manager right {change[1]}", done.get(index) == change)
        elif role in ("single", "writer"):
            lines = reply.text.splitlines()
            tally.parsed[role] += not cut and (lines == ["none"] or all(map(_CHANGE.fullmatch, lines)))
            for line in gold.splitlines():
                tally.count(f"{role} right {line.split()[1] if ' ' in line else 'none'}", line in lines)
        else:
            answered = parse_compact_answer(reply.text, cut)
            tally.parsed[role] += answered.outcome in _PARSED
            text = answered.items[0] if answered.items else ""
            right_answer = parse_compact_answer(gold, False).items[0]
            hit = exact_match(text, right_answer) == 1.0
            tally.count("answer refuses" if right_answer == UNKNOWN else "answer exact", hit)
