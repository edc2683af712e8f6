"""20,000 damaged replies of endpoints and models: each is one typed outcome, and none without a call looks like one."""

from __future__ import annotations

import json
import random
from collections import Counter

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.endpoint import _answered
from fairmem.drift.local import read_text
from fairmem.drift.prompt import tool_specs
from fairmem.drift.trials import Trial, line_of
from fairmem.policy.calls import read_tool_reply
from fairmem.trace import CallFailure
from tests.unit.drift.builders import small
from tests.unit.drift.test_endpoint import GOOD, call, in_text

ASK = Ask(small(), "none", 0, 0)
_SCRAPS = (
    '{"',
    '":',
    "[",
    "]",
    "}",
    ",",
    "null",
    "true",
    "1e999",
    "-",
    '"',
    "\\u",
    "\\",
    "\ud800",
    "\0",
    "NaN",
    "{" * 50,
)


def damaged(text: str, rng: random.Random) -> str:
    """`text` with a few cuts, doublings and scraps."""
    for _ in range(rng.randint(1, 6)):
        a, b = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        match rng.randrange(4):
            case 0:
                text = text[:a] + rng.choice(_SCRAPS) + text[a:]
            case 1:
                text = text[:a] + text[min(b, a + 9) :]
            case 2:
                text = text[:b] + text[a : a + 40] + text[b:]
            case _:
                text = text[:b] if rng.random() < 0.2 else text[:a] + rng.choice(_SCRAPS) + text[a + 1 :]
    return text


def held(answer: Answer) -> Outcome:
    """The outcome of `answer`, which must survive the file of trials."""
    trial = Trial.model_validate_json(line_of(Trial.of(ASK, answer)))
    assert (trial.outcome is Outcome.OK) == (trial.deflection(small()) is not None)
    assert trial.outcome is Outcome.OK or trial.message
    return trial.outcome


def test_10_000_damaged_texts_are_one_outcome_each() -> None:
    rng = random.Random(1)
    text = json.dumps({"tool": "start_rollout", "arguments": GOOD})
    found = Counter(held(read_text(ASK, damaged(text, rng))) for _ in range(10_000))
    assert {Outcome.OK, Outcome.NO_CALL, Outcome.WRONG_TOOL, Outcome.SCHEMA_VIOLATION} <= set(found), found


def test_10_000_damaged_bodies_of_endpoints_are_one_outcome_each() -> None:
    rng = random.Random(2)
    bodies = [call(GOOD)[1], in_text(json.dumps({"tool": "start_rollout", "arguments": GOOD}))[1]]
    found: Counter[Outcome] = Counter()
    for number in range(10_000):
        reply = read_tool_reply(damaged(bodies[number % 2], rng), tool_specs(small()))
        outcome = held(_answered(ASK, reply, "named", False, 1))
        assert isinstance(reply, CallFailure) == (outcome is Outcome.CALL_FAILED)
        found[outcome] += 1
    assert {Outcome.OK, Outcome.NO_CALL, Outcome.INVALID_JSON, Outcome.CALL_FAILED} <= set(found), found
