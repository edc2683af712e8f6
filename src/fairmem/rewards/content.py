"""Whether what a writer put into memory is true to the chunk it read: the judges of the content reward.

The published judge (Mem-alpha, arXiv 2509.25911) sees the text alone, so it can check that it is the right kind of
text and not that anybody said it. Here a judge sees the chunk, and what the entry or the core said before.

`PolicyJudge` asks a model. `LexicalFaithfulness` is its stand-in where there is none: it looks for the words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple, Protocol

from fairmem.memory import split_sentences
from fairmem.memory.terms import term_counts
from fairmem.policy import Message, Policy, SampleRequest
from fairmem.seeds import derive
from fairmem.trace import CallFailure, FailureKind

_VERDICT = re.compile(r"\b(INVALID|VALID)\b")
_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One text that was written.

    Attributes:
        content: The text.
        place: core, semantic, episodic, or "" for an entry of a flat bank.
        source: What was said in the chunk, a line per turn, each with its speaker.
        date: The session's date in words.
        before: What the entry, or the core, said before; "" if it is new.
    """

    content: str
    place: str
    source: str
    date: str
    before: str = ""


class Judged(NamedTuple):
    """The verdict on one item; None with the reason if there is none."""

    faithful: bool | None
    failure: CallFailure | None = None


class ContentJudge(Protocol):
    """Says whether texts are true to their sources."""

    name: str

    def judge(self, items: Sequence[ContentItem]) -> list[Judged]:
        """One verdict per item, in order; a call that fails is a `Judged` with its failure."""
        ...


class LexicalFaithfulness:
    """A text is faithful if of each new sentence at least `share` of the words are in the chunk, its date or before.

    Words are compared by stem, stop words left out. No model and no understanding: negation and who did what to whom
    pass unseen.
    """

    name = "lexical faithfulness"

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def judge(self, items: Sequence[ContentItem]) -> list[Judged]:
        """See `ContentJudge.judge`; never fails."""
        return [Judged(self._faithful(item)) for item in items]

    def _faithful(self, item: ContentItem) -> bool:
        known = set(split_sentences(item.before))
        support = term_counts(f"{item.source} {item.date}")[0].keys()
        if item.place != "core":  # an update may keep words of the entry; a core keeps whole sentences
            support = support | term_counts(item.before)[0].keys()
        for sentence in split_sentences(item.content):
            words = term_counts(sentence)[0].keys()
            if sentence not in known and len(words & support) < self.share * len(words):
                return False
        return True


class PolicyJudge:
    """Asks a model, again with another seed where it gives no verdict."""

    def __init__(self, policy: Policy, attempts: int = 3, max_tokens: int = 256) -> None:
        self.name = f"{policy.name}, content judge"
        self._policy, self._attempts, self._max_tokens = policy, attempts, max_tokens

    def judge(self, items: Sequence[ContentItem]) -> list[Judged]:
        """See `ContentJudge.judge`. A reply without a verdict, after all attempts, is a failure of its own."""
        verdicts = [Judged(None)] * len(items)
        open_, prompts = list(range(len(items))), [_prompt(item) for item in items]
        for attempt in range(self._attempts):
            requests = [
                SampleRequest(
                    (Message("user", prompts[at]),),
                    self._max_tokens,
                    0.1 if attempt else 0.0,
                    derive(attempt, "content judge", prompts[at]),
                    "content judge",
                )
                for at in open_
            ]
            replies = self._policy.sample(requests) if requests else []
            for at, reply in zip(open_, replies, strict=True):
                verdicts[at] = Judged(None, reply) if isinstance(reply, CallFailure) else _read(reply.text)
            open_ = [at for at in open_ if (f := verdicts[at].failure) and f.kind is FailureKind.BAD_RESPONSE]
        return verdicts


def _read(text: str) -> Judged:
    found = _VERDICT.findall(text)
    if found:
        return Judged(found[-1] == "VALID")
    message = f"no verdict in: {' '.join(text.split())[:120]}"
    return Judged(None, CallFailure(kind=FailureKind.BAD_RESPONSE, message=message))


@cache
def _template() -> str:
    return files("fairmem.rewards").joinpath("prompts", "content_judge.md").read_text(encoding="utf-8")


def _prompt(item: ContentItem) -> str:
    values = {
        "before_rule": ", or in what memory said there before" if item.before else "",
        "before": f"Memory said there before:\n{item.before}\n" if item.before else "",
        "date": item.date,
        "source": item.source,
        "place": item.place or "an entry",
        "content": item.content,
    }
    return _VARIABLE.sub(lambda match: values[match[1]], _template())
