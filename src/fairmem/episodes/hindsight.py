"""How likely a rollout's turns are once its outcome is known: the second pass of HCAPO (arXiv 2603.08754).

The outcome is put before the prompt in one line, and the sampled tokens are scored after it; nothing is sampled. The
line says what the memory was asked about the turn's session and which of it was in the memory, which for a memory is
what success is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from fairmem.credit import Hindsight, learns
from fairmem.errors import ConfigError
from fairmem.policy import Policy
from fairmem.trace import Branch, EpisodeTree, Role, RoleTurn

_RIGHT = 0.5
"""Answer score from which on a question counts as answered from memory."""


@runtime_checkable
class HindsightPolicy(Protocol):
    """A policy that scores given tokens after a prompt given as text."""

    context: int | None

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a rendered prompt."""
        ...

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """See `fairmem.policy.Policy`."""
        ...


def outcome_text(branch: Branch, session: int) -> str:
    """One line: the score of the branch, and the answers asked for about `session` that it had and that it lacked."""
    scored = [(item, item.score) for item in branch.quiz if item.score is not None]
    parts = [f"score {sum(score for _, score in scored) / len(scored):.2f}" if scored else "no score"]
    for name, right in (("remembered", True), ("missed", False)):
        golds = [item.gold for item, score in scored if session in item.sessions and (score >= _RIGHT) == right]
        parts += [f"{name}: {', '.join(golds)}"] if golds else []
    return f"(Known outcome: {'; '.join(parts)}.)\n"


def hindsight_logprobs(trees: Sequence[EpisodeTree], policies: Mapping[Role, Policy]) -> list[Hindsight]:
    """(branch id, turn id) -> mean log-probability (nats per token, temperature 1) for the global turns of each tree.

    Turns of failed branches, turns without tokens, and turns that with the outcome exceed the context are absent.

    Raises:
        ConfigError: a policy that cannot score.
    """
    found: list[dict[tuple[str, str], float]] = [{} for _ in trees]
    work: dict[int, tuple[HindsightPolicy, list[tuple[int, Branch, RoleTurn]]]] = {}
    for index, tree in enumerate(trees):
        for branch in (branch for branch in tree.global_branches if not branch.failed):
            for turn in (turn for turn in branch.turns if learns(turn) and turn.ids):
                policy = policies[turn.role]
                if not isinstance(policy, HindsightPolicy):
                    raise ConfigError(f"{policy.name}: hindsight needs a model in this process, bundled or a folder")
                work.setdefault(id(policy), (policy, []))[1].append((index, branch, turn))
    for policy, turns in work.values():
        prompts = [policy.encode(outcome_text(branch, turn.session) + turn.prompt) for _, branch, turn in turns]
        fit = [
            at
            for at, (prompt, (_, _, turn)) in enumerate(zip(prompts, turns, strict=True))
            if policy.context is None or len(prompt) + len(turn.ids) <= policy.context
        ]
        scores = policy.score([prompts[at] for at in fit], [turns[at][2].ids for at in fit])
        for at, logprobs in zip(fit, scores, strict=True):
            index, branch, turn = turns[at]
            found[index][branch.id, turn.id] = sum(logprobs) / len(logprobs)
    return [dict(known) for known in found]
