"""A policy that stands in for the models of a plan: it writes replies of the expected size and measures the calls.

One step of the recipe is played with the real episodes, so that prompts are those of the agents, memory grows as it
does in a run, and waves are waves. What the stand-in says is taken from the prompt: as many facts per turn as is
assumed, each of the assumed length, every one of them stored. Nothing is loaded and nothing is learned.

Simplified: only insertions; a writer stores in its semantic memory and does not search.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fairmem.agents import fact_letter, format_answer, format_decision, format_extraction
from fairmem.memory import Entry, Hit
from fairmem.planning.assumptions import Assumptions
from fairmem.policy import Family, Message, Prompt, Reply, Sample, SampleRequest
from fairmem.policy.render import plain_text
from fairmem.trace import StopReason

_JSON_LINE = re.compile(r"^\{.*\}(?=,?$)", re.MULTILINE)
_COMPACT_TURN = re.compile(r"^(\d+) ([^:\n]+): (.*)$", re.MULTILINE)
_LETTERED = re.compile(r"^([a-z]{1,3}) (?:([^:\n]+): )?(.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^(.+) \| \d", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Call:
    """The size of one call, in tokens.

    Attributes:
        wave: Number of the `sample` call it was part of.
        seed: Of its request, which names the turn it belongs to.
        tag: Kind of call.
        prompt: Of its prompt.
        fresh: Of these, not at the head of a prompt that was read before.
        seen: Whether the whole prompt was read before.
        shareable: Whether the prompt is the same on every branch: nothing sampled is in it.
        sampled: Of its reply.
    """

    wave: int
    seed: int
    tag: str
    prompt: float
    fresh: float
    seen: bool
    shareable: bool
    sampled: float


@dataclass(slots=True)
class StandIn:
    """A `Policy` that knows how long things are; see the module."""

    family: Family
    assumptions: Assumptions
    count: Callable[[str], float]
    name: str = "stand-in"
    calls: list[Call] = field(default_factory=list)
    _waves: int = 0
    _heads: set[Prompt] = field(default_factory=set)
    _last: dict[str, str] = field(default_factory=dict)

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """A reply of the expected size to each."""
        replies: list[Reply] = [self._one(request) for request in requests]
        self._waves += 1
        return replies

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """As if everything were certain."""
        return [(0.0,) * len(each) for each in ids]

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, as the plan counts them."""
        return max(1, round(self.count(text))) if text else 0

    def close(self) -> None:
        """Nothing to release."""

    def _one(self, request: SampleRequest) -> Sample:
        marks = self.assumptions["text.template"]
        prompt = self._tokens(request.prompt)
        text = self._reply(request.tag, request.prompt[-1].content)
        sampled = min(float(request.max_tokens), self.count(text) + 1)
        fresh, seen = self._fresh(request)
        alone = request.tag in ("extractor", "") and all(message.role != "assistant" for message in request.prompt)
        self.calls.append(Call(self._waves, request.seed, request.tag, prompt + marks, fresh, seen, alone, sampled))
        size = round(sampled)
        return Sample("", (0,) * round(prompt + marks), (0,) * size, (0.0,) * size, text, StopReason.EOS)

    def _tokens(self, prompt: Sequence[Message]) -> float:
        return sum(self.count(message.content) for message in prompt)

    def _fresh(self, request: SampleRequest) -> tuple[float, bool]:
        """(tokens after the longest head that was read before, whether all of it was)."""
        prompt, text = request.prompt, plain_text(request.prompt)
        seen = prompt in self._heads
        known = max((n for n in range(len(prompt) + 1) if n == 0 or prompt[:n] in self._heads), default=0)
        common = _common(self._last.get(request.tag, ""), text)
        self._heads.update(prompt[:n] for n in range(1, len(prompt) + 1))
        self._last[request.tag] = text
        whole = self._tokens(prompt)
        return max(0.0, min(self._tokens(prompt[known:]), whole * (1 - common / max(1, len(text))))), seen

    def _reply(self, tag: str, asked: str) -> str:
        if tag == "answerer":
            return self._answer(asked)
        return self._compact(tag, asked) if self.family == "compact" else self._instruct(tag, asked)

    def _answer(self, asked: str) -> str:
        if self.family == "compact":
            entries = _ENTRY.findall(asked)
            return format_answer([(entries[-1], entries[-1].split()[-1])]) if entries else format_answer([])
        thought = (asked[-int(self.assumptions["answer.chars"]) :]).replace("<", "(")
        return f"{thought}\n<answer>7 May 2023</answer>"

    def _sentences(self, said: Sequence[tuple[str, str]]) -> list[tuple[int, str]]:
        """(place among the turns, fact): as many as is assumed of (speaker, text) turns, none twice."""
        wanted = max(1, int(self.assumptions["facts.per_turn"] * len(said) + 0.5)) if said else 0
        size = int(self.assumptions["facts.chars"])
        facts: list[tuple[int, str]] = []
        for number in range(wanted):
            round_, place = divmod(number, len(said))
            speaker, text = said[place]
            words = (text + " " + text[::-1] * (size // max(1, len(text)) + 1))[round_ * 7 :]
            facts.append((place, f"{speaker} {words}"[:size].replace("<", "(").strip() + (f" {round_}" * (round_ > 0))))
        return sorted(facts)

    def _instruct(self, tag: str, asked: str) -> str:
        rows = [found for line in _JSON_LINE.findall(asked) if (found := _object(line)) is not None]
        if tag == "manager":
            facts = [row for row in rows if "fact" in row]
            ops = [
                {"operation": "INSERT", "speaker": f["speaker"], "content": f["fact"], "dia_id": f["dia_id"]}
                for f in facts
            ]
            return json.dumps({"operations": ops}, ensure_ascii=False)
        key = "turn" if tag == "writer" else "dia_id"
        turns = [row for row in rows if key in row and "text" in row]
        found = self._sentences([(str(row["speaker"]), str(row["text"])) for row in turns])
        told = [(turns[place], fact) for place, fact in found]
        if tag == "writer":
            inserts = [{"store": "semantic", "content": fact, "turn": row["turn"]} for row, fact in told]
            return json.dumps({"calls": [{"tool": "memory_insert", "arguments": each} for each in inserts]})
        if tag == "single":
            ops = [
                {"operation": "INSERT", "speaker": r["speaker"], "content": f, "dia_id": r["dia_id"]} for r, f in told
            ]
            return json.dumps({"operations": ops}, ensure_ascii=False)
        rows_ = [{"speaker": row["speaker"], "dia_id": row["dia_id"], "fact": fact} for row, fact in told]
        return json.dumps({"facts": rows_}, ensure_ascii=False)

    def _compact(self, tag: str, asked: str) -> str:
        if tag == "manager":
            facts = _LETTERED.findall(asked.partition("<facts>\n")[2].partition("<out>")[0])
            return format_decision([(letter, "INSERT", None) for letter, _, _ in facts])
        if tag in ("single", "writer"):
            turns = _LETTERED.findall(asked.partition("<turns>\n")[2].partition("<out>")[0])
            store = " semantic" if tag == "writer" else ""
            facts = self._sentences([(speaker, text) for _, speaker, text in turns])
            return "\n".join(f"{fact_letter(place)} INSERT{store} {fact}" for place, fact in facts)
        turns = _COMPACT_TURN.findall(asked)
        found = self._sentences([(speaker, text) for _, speaker, text in turns])
        return format_extraction([(place + 1, fact) for place, fact in found])


def _common(one: str, other: str) -> int:
    """Length of the head that two texts share, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


class Spread:
    """A retriever that finds as many entries as it may, different ones for different queries; nothing is compared."""

    def rank(self, entries: Sequence[Entry], query: str, k: int, min_score: float = float("-inf")) -> list[Hit]:
        """The `k` entries from a place that the query names."""
        first = zlib.crc32(query.encode()) % max(1, len(entries))
        found = [entries[(first + place) % len(entries)] for place in range(min(k, len(entries)))]
        return [Hit(entry, 1.0) for entry in found]


def _object(line: str) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def token_counter(folder: Path | None, assumptions: Assumptions) -> tuple[Callable[[str], float], str]:
    """(tokens of a text, how they are counted): with the tokenizer of `folder` where it can be read, else by length."""
    file = None if folder is None else folder / "tokenizer.json"
    if file is not None and file.is_file():
        try:
            from tokenizers import Tokenizer
        except ImportError:
            pass
        else:
            tokenizer = Tokenizer.from_file(str(file))
            return (
                lambda text: float(len(tokenizer.encode(text, add_special_tokens=False).ids))
            ), "the model's tokenizer"
    per_token = assumptions["text.chars_per_token"]
    return (lambda text: len(text) / per_token), f"{per_token:g} characters per token"
