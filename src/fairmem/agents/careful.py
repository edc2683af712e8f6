"""A manager that needs no model: it decides as a careful one would about the sentences of generated conversations.

It reads compact prompts and writes compact replies, so that it can sit in a model's place wherever a `Policy` is asked:
as the teacher of demonstrations and of stored memories. What is not a canonical sentence of `fairmem.data.village` it
inserts. It is what the bundled model's demonstrations are made by, without their mistakes (`fairmem.pretrain`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fairmem.agents.compact import fact_letter, format_decision
from fairmem.data.village import decide
from fairmem.policy import Family, Reply, Sample, SampleRequest
from fairmem.policy.render import approximate_tokens, plain_text
from fairmem.trace import CallFailure, FailureKind, StopReason

_PROMPT = re.compile(r"<manage>[^\n]*\n(?P<entries>.*?)<facts>\n(?P<facts>.*?)<out>\n?$", re.DOTALL)


class CarefulManager:
    """Plays the manager of `compact` prompts by `fairmem.data.village.decide`, one operation per entry at most."""

    name = "rules"
    family: Family = "compact"

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One decision per request, the same at every temperature; another role's prompt is a `REFUSED` failure."""
        return [self._reply(request) for request in requests]

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Not possible: there are no probabilities."""
        raise NotImplementedError("rules have no log-probabilities")

    def count_tokens(self, text: str) -> int:
        """An approximation, as for endpoints."""
        return approximate_tokens(text)

    def close(self) -> None:
        """Nothing to release."""

    def _reply(self, request: SampleRequest) -> Reply:
        text = plain_text(request.prompt)
        found = _PROMPT.search(text)
        if found is None:
            return CallFailure(kind=FailureKind.REFUSED, message="the rules decide about <manage> prompts only")
        reply = careful_decision(_contents(found["facts"]), _contents(found["entries"]))
        return Sample(prompt_text=text, prompt_ids=(), ids=(), logprobs=(), text=reply, stop=StopReason.EOS)


def careful_decision(facts: Sequence[str], entries: Sequence[str]) -> str:
    """The compact reply that states what to do with `facts`, in order, given the `entries` shown (oldest first).

    A second operation on one entry becomes an INSERT in place of an UPDATE, and a NOOP in place of a DELETE.
    """
    touched: set[int] = set()
    ops: list[tuple[str, str, str | None]] = []
    for index, fact in enumerate(facts):
        decision = decide(fact, entries)
        op, at = decision.op, decision.position
        if at is not None and at in touched:
            op = {"UPDATE": "INSERT", "DELETE": "NOOP"}.get(op, op)
        if at is None or op not in ("UPDATE", "DELETE"):
            ops.append((fact_letter(index), op, None))
            continue
        touched.add(at)
        ops.append((fact_letter(index), op, entries[at]))
    return format_decision(ops)


def _contents(block: str) -> list[str]:
    """What follows the number or letter of each line."""
    return [line.split(" ", 1)[1] for line in block.splitlines() if " " in line]
