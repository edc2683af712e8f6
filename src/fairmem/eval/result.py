"""What an evaluation found: every answer and every memory, as a versioned JSON-lines file that reports are made from.

Line 1 is the header (`format`, `version`, what was run), then one line per memory and one per answer. Means are
never stored; they are computed from the answers, with their intervals, by `summary.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fairmem.errors import CheckpointError
from fairmem.replace import replace_text

EVAL_FORMAT = "fairmem-eval"
EVAL_VERSION = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EvalHeader(_Record):
    """What was run.

    `signature` names the score's definition; `calls` counts model calls, `failures` failed ones; `excluded` counts the
    questions left out for a wrong key; `memory` names what kept the memory (a key of `fairmem.eval.BACKENDS`);
    `budget` is the most tokens of entries shown (0: no limit). Token totals are over all calls; `cost` is them at the
    prices given, if any were. `judge` names the model that gave the verdicts.
    """

    dataset: str
    model: str
    answerer: str
    signature: str
    categories: tuple[str, ...]
    temperature: float
    seed: int
    shown_per_speaker: int
    prompt_hashes: dict[str, str] = {}
    calls: int = 0
    failures: int = 0
    excluded: int = 0
    memory: str = "ours"
    budget: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cost: float | None = None
    judge: str = ""


class MemoryRecord(_Record):
    """The memory of one conversation after its last session.

    Attributes:
        tokens: Of live entries; `dialogue_tokens` of all that was said (the keeping model's tokens).
        ops: `OP outcome` -> count, e.g. `INSERT applied`.
        parse: `role outcome` -> count, e.g. `extractor ok`.
        evidence: Evidence turns of the asked questions (each question's counted on its own).
        lost: Of these, turns no live entry came from (the numerator of M-Fail).
        unshown: Of these, turns in memory, but in no entry that the answerer was shown (of R-Fail).
        growth: Live entries after each session, where they were followed.
        failed: A model call failed, so the memory is incomplete and nothing was asked.
        failure: The first failure, as `kind: message`, if it is known.
    """

    conversation: str
    sessions: int
    entries: int
    tokens: int
    dialogue_tokens: int
    ops: dict[str, int]
    parse: dict[str, int]
    evidence: int
    lost: int
    unshown: int
    failed: bool
    failure: str | None = None
    growth: tuple[int, ...] = ()


class AnswerRecord(_Record):
    """One question: `score` is None, and `failure` says why as `kind: message`, when the call failed.

    Attributes:
        shown: Entries the answerer saw; `shown_texts` are these, with `sources` the turns each came from, where kept.
        lost: Evidence turns in no entry; `unshown` those in memory but in no entry shown; `reached` those shown.
        rank: Place, best match first, of the first entry found that holds evidence; None if there is none.
        ranked: Whether `rank` is known.
        cut: Entries found but not shown, since they went beyond the token budget.
        options: For multiple choice, the options; `alternatives` are other answers that count as right, `rubric` is
            what a judge checks, `kind` the dataset's own type of question.
        prompt_tokens: Of the answerer's prompt, `reply_tokens` of its reply, `seconds` its latency where measured.
        verdicts: Judge prompt -> verdict of a judge, where one was asked; `unjudged` says why there is none, as
            `kind: message`.
        keep: With memory distillation, what became of the list of entries that the reply keeps (a `ParseOutcome`); ""
            without. `kept` are entries on it, `grounds` entries shown that hold evidence, `kept_grounds` both.
    """

    conversation: str
    question: str
    category: str
    text: str
    gold: str
    answer: str | None
    score: float | None
    shown: int
    failure: str | None = None
    lost: int = 0
    unshown: int = 0
    reached: int = 0
    rank: int | None = None
    ranked: bool = False
    cut: int = 0
    kind: str = ""
    options: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    rubric: tuple[str, ...] = ()
    shown_texts: tuple[str, ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()
    prompt_hash: str = ""
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    seconds: float | None = None
    verdicts: dict[str, bool | None] = {}
    keep: str = ""
    kept: int = 0
    kept_grounds: int = 0
    grounds: int = 0
    unjudged: dict[str, str] = {}


class EvalResult(_Record):
    """One evaluation."""

    header: EvalHeader
    memories: tuple[MemoryRecord, ...]
    answers: tuple[AnswerRecord, ...]

    def save(self, path: Path) -> None:
        """Write to `path` in one move."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"format": EVAL_FORMAT, "version": EVAL_VERSION, **self.header.model_dump()})]
        lines += [json.dumps({"memory": memory.model_dump()}) for memory in self.memories]
        lines += [json.dumps({"answer": answer.model_dump()}) for answer in self.answers]
        replace_text(path, "\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: Path) -> EvalResult:
        """Read what `save` wrote.

        Raises:
            CheckpointError: absent, not an evaluation, of another version, or damaged (the line is named).
        """
        if not path.is_file():
            if (path.parent / "memories.json").is_file():
                held = sorted(each.parent.name for each in path.parent.glob("*/eval.jsonl"))
                raise CheckpointError(
                    f"{path.parent} holds several memories; give the folder of one: {', '.join(held)}"
                )
            raise CheckpointError(f"{path}: no such evaluation; `fairmem train` and `fairmem eval --out` write them")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{path}: cannot be read as an evaluation: {error}") from error
        memories: list[MemoryRecord] = []
        answers: list[AnswerRecord] = []
        header: EvalHeader | None = None
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                if number == 1:
                    if row.pop("format", None) != EVAL_FORMAT or row.pop("version", None) != EVAL_VERSION:
                        raise CheckpointError(f"{path}: line 1 is no {EVAL_FORMAT} header of version {EVAL_VERSION}")
                    header = EvalHeader.model_validate(row)
                elif "memory" in row:
                    memories.append(MemoryRecord.model_validate(row["memory"]))
                else:
                    answers.append(AnswerRecord.model_validate(row.get("answer")))
            except (json.JSONDecodeError, ValidationError, AttributeError, TypeError) as error:
                raise CheckpointError(f"{path}: line {number} is damaged: {str(error).splitlines()[0]}") from error
        if header is None:
            raise CheckpointError(f"{path}: empty; an evaluation starts with a {EVAL_FORMAT} header")
        return cls(header=header, memories=tuple(memories), answers=tuple(answers))
