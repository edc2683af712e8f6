"""From the gains of operations to decisions that can be compared, and from their credit back to tokens.

A decision is a dialogue turn of a chunk that some rollout wrote a fact about, or gave as the source of an operation.

- The tokens of a manager's (or single agent's) line get the advantage of the operation they ask for; the token before
  the line, its line break, has part in the decision to write it and gets the same.
- The tokens of an extractor's line get what its dialogue turn was made into, A[i, t]: a fact is worth what the
  operations did that it led to.
- All other tokens of a reply (the end, lines that could not be read or say nothing new) get the mean of A[i, t] over
  the decisions that the reply left out: of an extractor or single agent those of its chunk, of a manager those about
  the facts it was given. So a reply that says `none` is judged by what it missed or was spared, and one that left
  nothing out has no credit for them.
- Decisions without contrast give no credit; a reply that had no other is no row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fairmem.credit.counterfactual_op import DecisionCredit
from fairmem.credit.parts import combined
from fairmem.credit.rule import Decisions
from fairmem.errors import CreditError
from fairmem.trace import Branch, RoleTurn

Key = tuple[int, int, str]
"""(session, chunk, dialogue turn)."""


class TokenCredit(NamedTuple):
    """A role turn, the advantage of the reply as a whole, and that of each sampled token."""

    turn: RoleTurn
    own: float
    tokens: tuple[float, ...]


def read_decisions(branches: Sequence[Branch], conversation: str, answers: float = 1.0) -> Decisions:
    """The decisions of all `branches` and what each branch gained by them.

    `answers` is the weight of the answer part of a gain (`credit.value_unit`).

    Raises:
        CreditError: the tree was rolled out without `rollout.op_values`.
    """
    turns = [turn for branch in branches for turn in branch.turns]
    if any(op.outcome == "applied" for turn in turns for op in turn.ops) and not any(turn.lines for turn in turns):
        raise CreditError(
            f"conversation {conversation!r}: its operations have no values; roll out with rollout.op_values = true"
        )
    keys_D = tuple(sorted({key for turn in turns for key in _keys(turn)}))
    column = {key: at for at, key in enumerate(keys_D)}
    gains_G_D = np.zeros((len(branches), len(keys_D)))
    for row, branch in enumerate(branches):
        known = {turn.id: turn for turn in branch.turns}
        for gain in branch.gains:
            turn = known[gain.turn]
            gains_G_D[row, column[_key(turn, turn.ops[gain.op].source)]] += combined(gain.parts, answers)
    return Decisions(keys_D, gains_G_D, answers)


def token_credit(branch: Branch, row: int, decisions: Decisions, credit: DecisionCredit) -> Iterator[TokenCredit]:
    """The turns of `branch`, row number `row` of the decisions, that took a decision with credit."""
    column = {key: at for at, key in enumerate(decisions.keys_D) if credit.kept_G_D[row, at]}
    gain_of = {(gain.turn, gain.op): combined(gain.parts, decisions.answers) for gain in branch.gains}
    told: dict[tuple[int, int], set[Key]] = defaultdict(set)  # what the extractor passed on in each chunk
    for turn in branch.turns:
        if turn.role == "extractor":
            told[turn.session, turn.chunk] |= set(_keys(turn))
    for turn in branch.turns:
        place = (turn.session, turn.chunk)
        taken = sorted(key for key in column if key[:2] == place)
        if turn.role == "manager":
            given = told[place] | set(_keys(turn))
            taken = [key for key in taken if key in given]
        if not taken or turn.role == "answerer":
            continue
        own = {key: float(credit.advantages_G_D[row, column[key]]) for key in taken}
        said = {_key(turn, line.source) for line in turn.lines}
        missed = [value for key, value in own.items() if key not in said]
        tokens = [float(np.mean(missed)) if missed else 0.0] * len(turn.ids)
        number = Counter(_key(turn, op.source) for op in turn.ops)
        ended = 0
        for line in turn.lines:
            key = _key(turn, line.source)
            value = own.get(key, 0.0)
            if key in own and line.op is not None:
                value = credit.of_op(column[key], gain_of.get((turn.id, line.op), 0.0), number[key])
            begins = max(ended, line.first - 1)
            tokens[begins : line.last] = [value] * (line.last - begins)
            ended = line.last
        yield TokenCredit(turn, float(np.mean(list(own.values()))), tuple(tokens))


def _key(turn: RoleTurn, source: str | None) -> Key:
    return (turn.session, turn.chunk, source or "")


def _keys(turn: RoleTurn) -> list[Key]:
    """The decisions that a turn wrote something about."""
    sources = [*(line.source for line in turn.lines), *(op.source for op in turn.ops)]
    return [_key(turn, source) for source in sources]
