"""Which tokens of a rendered trial belong to which part: system, schema, each memory entry, task, reply.

Parts are found as text in the rendered prompt, and tokens by the character offsets of a fast tokenizer. A token belongs
to the part that holds its first character.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairmem.drift.answer import Ask
from fairmem.drift.local import form_of
from fairmem.errors import ModelError
from fairmem.policy.hf import HFPolicy


@dataclass(frozen=True, slots=True)
class Spans:
    """Token positions of each part. `memories` has those of each entry, in the order shown."""

    ids: tuple[int, ...]
    parts: dict[str, tuple[int, ...]]
    memories: tuple[tuple[int, ...], ...]


def spans(policy: HFPolicy, ask: Ask, reply: str = "") -> Spans:
    """The parts of the prompt of `ask` with the beginning of a `reply`; parts are system, schema, memory, task, reply.

    Raises:
        ModelError: the tokenizer gives no offsets, or the chat template rewrites the texts so that they are not found.
    """
    form = form_of(policy)
    prompt = policy.rendered(form.prompt(ask))
    text = prompt + reply
    ids, offsets = policy.offsets(text)
    places: dict[str, tuple[int, int]] = {}
    start = 0
    for name, part in form.parts(ask):
        at = text.find(part, start)
        if at < 0:
            raise ModelError(f"{policy.name}: the {name} of {ask.scenario.id} is not in the rendered prompt as written")
        places[name] = (at, at + len(part))
        start = at + len(part)
    places["reply"] = (len(prompt), len(text) + 1)
    tokens = {
        name: tuple(i for i, (first, last) in enumerate(offsets) if low <= first < high and last > first)
        for name, (low, high) in places.items()
    }
    entries = tuple(tokens[f"memory {i}"] for i in range(len(ask.memories)))
    parts = {name: tokens[name] for name in ("system", "schema", "task", "reply")}
    return Spans(ids, parts | {"memory": tuple(i for entry in entries for i in entry)}, entries)
