"""Sections about what is rolled out and what it earns: conversations, groups, rewards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fairmem.config.section import Count, Fraction, NonNegative, Positive, Section


class MixConfig(Section):
    """One dataset of a mix: its first conversations are trained on, those after them validated."""

    source: str
    """A dataset of `fairmem.data`."""
    path: str = ""
    """File or folder of it."""
    train: Positive = 100
    """Conversations to train on, from the first."""
    validation: Count = 0
    """Conversations to validate on, those after them."""


class DataConfig(Section):
    """The conversations."""

    source: str = "village"
    """A dataset of `fairmem.data`: `village` (generated), `locomo`, `msc`, ...; or `small_world`, tasks with tools in
    place of conversations (section `drift`)."""
    path: str = ""
    """File or folder of the dataset; not used by `village`."""
    train: tuple[str, ...] = ()
    """Ids of the training conversations; empty for `village`, which makes new ones for every step."""
    validation: tuple[str, ...] = ()
    """Ids of the validation conversations, scored every `eval.every` steps; `curriculum` chooses weights by them."""
    test: tuple[str, ...] = ()
    """Ids of the test conversations, scored before and after training; without any the validation ones are."""
    conversations_per_step: Positive = 2
    """Conversations (of `small_world` pairs) rolled out per training step."""
    questions: Count = 0
    """Questions to train on: the first conversations whose questions, asked at their end, are so many, visited again
    and again; the last of them keeps a part of its questions. 0: no limit, `village` makes new ones for every step."""
    mix: tuple[MixConfig, ...] = ()
    """Several datasets in place of `source`, each a table of `source`, `path`, `train` and `validation`: how many of
    its first conversations are trained on, and how many after them validated."""
    test_source: str = ""
    """Dataset of the test conversations, where it is another than that of training; `test` may name some of it."""
    test_path: str = ""
    """File or folder of `test_source`."""
    patterns: tuple[str, ...] = ()
    """For `village_patterns`: some of reading, two_hops, dialogue, labels, keywords; all if empty."""
    difficulty: Fraction = 0.5
    """The one dial of `village`, 0 (plain) to 1 (hard)."""
    validation_conversations: Count = 8
    """How many validation conversations `village` makes."""
    test_conversations: Count = 32
    """How many test conversations `village` makes."""
    seed: int = 0
    """Seed of the generated conversations; independent of the run's seed, so that runs share a test set."""


class RolloutConfig(Section):
    """How episodes are sampled."""

    unit: Literal["conversation", "bandit", "demonstration"] = "conversation"
    """What is compared: whole conversations from an empty memory; `bandit` one decision of the manager on one turn's
    facts, from a memory that `teacher` left; or nothing, a `demonstration` by `teacher` is imitated."""
    decisions: Positive = 16
    """`bandit`: turns drawn per conversation, each a group of `global_group` decisions from the same prompt."""
    global_group: Annotated[int, Field(ge=2)] = 8
    """Rollouts of a whole conversation that are compared with each other."""
    local_group: Annotated[int, Field(ge=2)] = 4
    """Rerollouts of one session from one shared memory bank."""
    local_fraction: Fraction = 0.5
    """Share of a conversation's sessions that get local rerollouts; 0 turns them off (for rules that need none)."""
    local_sources: Literal["one", "all"] = "one"
    """Rollouts that a session is rolled out again from: one drawn at random, or every one (for `vine_continue`)."""
    local_horizon: Count | Literal["end"] = 0
    """Further sessions a local rerollout goes on for before its memory is scored; `end` goes on to the last."""
    local_reuse: bool = False
    """Whether the session its source played itself joins a local group as one more member, at no generation."""
    questions: Literal["cumulative", "session", "both"] = "cumulative"
    """Local scoring: all questions by then, those with evidence in the session, or the mean of these and the others."""
    max_questions: Count = 0
    """Most questions per comparison group, the same for all its members; 0 asks all."""
    max_local_questions: Count | None = None
    """Overrides max_questions for local groups; with `both` for either kind."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Sampling temperature of global and of local rollouts."""
    batch: Positive = 128
    """Sequences generated at once."""
    state_values: bool = False
    """Quiz the memory of a global rollout after every session, not only after the last (answerer calls only)."""
    op_values: bool = False
    """Quiz a memory without each of its operations in turn (answerer calls only); with `questions = "session"` only
    about the sessions that the operation's entry is from, else all of the end."""
    op_horizon: Literal["end", "session"] = "end"
    """`op_values`: which memory that is: the final one, made again without the operation; or that after its session,
    which is charged and crowded less, and does not see what later sessions made of it."""

    def rerolled(self, sessions: int) -> int:
        """How many of `sessions` sessions get local rerollouts; half a session counts as one."""
        return min(sessions, int(self.local_fraction * sessions + 0.5))


class RewardConfig(Section):
    """What a rollout earns: answer score minus a penalty for a bank that outgrows the dialogue, or as in Mem-alpha."""

    form: Literal["memory_r2", "mem_alpha", "mem_alpha_paper"] = "memory_r2"
    """Parts beside the answer score: `memory_r2` a penalty for size; `mem_alpha` share of calls that worked,
    compression and faithful content; `mem_alpha_paper` these with the published incentives (no-ops cost reward)."""
    score: Literal["f1", "source"] = "f1"
    """Answer score: token F1, or the metric of the question's source (`fairmem.metrics.source_score`)."""
    spread: Literal["evidence", "all"] = "evidence"
    """A session earns the answers whose evidence it holds, or (as in Mem-alpha) every session all of them."""
    beta: NonNegative = 0.05
    """Weight of compression in the forms of Mem-alpha."""
    gamma: NonNegative = 0.1
    """Weight of content quality there; 0 judges nothing."""
    judge: Literal["lexical", "answerer"] = "lexical"
    """Who judges content: words found in the chunk (no model), or the answerer's model."""

    f1: str = "bag"
    """A key of `fairmem.metrics.F1_VARIANTS`; `memory_r2_set` is the original's set overlap, `exact` the
    exact match of Memory-R1."""
    compression_tau: NonNegative = 0.5
    """Bank size, as a share of the dialogue in tokens, up to which nothing is charged."""
    compression_lambda: NonNegative = 0.2
    """Reward lost per share of the dialogue by which the bank exceeds tau."""
