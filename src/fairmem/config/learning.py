"""Sections about how is learned: credit, the update, the stages of the curriculum."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fairmem.config.section import Count, Fraction, NonNegative, Positive, Section


class CreditConfig(Section):
    """How rewards become advantages."""

    rule: str = "logo"
    """A key of `fairmem.credit.CREDIT_RULES`: `logo`, `grpo`, ... (docs/algorithms.md)."""
    scale: Literal["std", "mean", "loo"] = "std"
    """Group baseline: mean with division by the standard deviation, mean alone, or leave-one-out mean.
    `dr_grpo` and `rloo` set their own, `vine` has none."""
    local_weight: NonNegative = 1.0
    """Weight of the local rows in the loss, relative to the global ones."""
    gamma: Fraction | None = None
    """Discount of rewards per session; left out, the rule's own: 0.95 for `gigpo` and `hcapo`, else 1.
    `ppo` discounts per turn."""
    gae_lambda: Fraction = 0.95
    """`ppo`: how far rewards are trusted beyond the critic's values; 1 takes returns, 0 one step."""
    omega: NonNegative = 1.0
    """Weight of the second term: equal memories in `gigpo`, all nodes of one depth in `tree`, hindsight in `hcapo`."""
    used_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 4.0
    """`membuilder`: weight in the loss of the chunk of a session that the answerer was shown most of; else 1."""
    floor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-6
    """Groups whose reward deviation is not above this are dropped (reward units)."""
    scope: Literal["session", "trajectory"] = "session"
    """Global rewards: each session earns from the questions about it, or all sessions earn the mean."""
    value_unit: Literal["session", "conversation"] = "session"
    """`vine` and the `counterfactual` rules: what the answer part of a value is counted in. `session`: a question
    weighs what it weighs in a session's own reward, as in `grpo` and `logo`, so that the price of memory and
    `learner.kl` mean the same under every rule; `conversation`: the mean over all questions."""


class LearnerConfig(Section):
    """The update: a policy gradient, or imitation."""

    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4
    """Peak learning rate of AdamW."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    """AdamW's decay rates."""
    weight_decay: NonNegative = 0.0
    """AdamW's decoupled weight decay."""
    warmup_steps: Count = 2
    """Optimizer steps over which the learning rate rises linearly to `lr`."""
    decay_steps: Count = 0
    """Optimizer steps after the warm-up over which it falls linearly to a tenth of `lr`; 0 keeps it at `lr`."""
    clip_low: Fraction = 0.2
    """The ratio is clipped below 1 - clip_low."""
    clip_high: NonNegative = 0.2
    """The ratio is clipped above 1 + clip_high."""
    dual_clip: NonNegative = 3.0
    """Bound on the loss of negative advantages, in multiples of |A| (> 1); 0 turns it off."""
    loss: Literal["policy", "imitation"] = "policy"
    """`imitation` is cross-entropy on what was demonstrated (`rollout.unit = "demonstration"`); no clip, no ratio."""
    ratio: Literal["token", "turn"] = "turn"
    """Importance ratio per token, or per turn from the mean log-ratio of its tokens."""
    aggregation: Literal["token", "turn"] = "turn"
    """Loss is the mean over tokens, or over turns."""
    kl: NonNegative = 0.001
    """Weight of the k3 estimate of KL to the reference (nats per token)."""
    entropy: NonNegative = 0.0
    """Weight of the entropy bonus (nats per token)."""
    value_lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """`ppo`: peak learning rate of the critic's head."""
    value_coef: NonNegative = 0.5
    """`ppo`: weight of the value loss; 0 leaves the critic as it is."""
    value_clip: NonNegative = 0.2
    """`ppo`: how far a value may move in an update before its loss is flat (reward units); 0 is anywhere."""
    value_features: Literal["shared", "detached"] = "shared"
    """`ppo`: whether the value loss trains the backbone too, or the head alone."""
    value_warmup: Count = 0
    """`ppo`: first steps in which the value loss alone is learned from; a critic that knows nothing calls every
    reward a surprise, and whatever the policy does most is praised for it."""
    correction: Literal["auto", "off", "truncate", "mask"] = "auto"
    """Importance weights where sampler and learner differ: cut at `correction_high`, or dropped outside the bounds.
    `auto` is `truncate` with a `[sampler]` and off without."""
    correction_level: Literal["token", "sequence"] = "token"
    """One weight per token, or one per turn: the product of its tokens' ratios."""
    correction_low: NonNegative = 0.5
    """`mask`: smallest ratio of the learner's to the sampler's probability that is kept."""
    correction_high: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    """Largest such ratio: kept by `mask`, and where `truncate` cuts."""
    grad_clip: NonNegative = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    epochs: Positive = 1
    """Passes over each step's rows."""
    minibatches: Positive = 1
    """Optimizer steps per pass."""
    pack_tokens: Positive = 1024
    """Length of a packed row (tokens)."""
    micro_tokens: Positive = 8192
    """Most tokens per forward pass; gradients are accumulated up to a minibatch."""

    @model_validator(mode="after")
    def _bounds(self) -> LearnerConfig:
        if 0 < self.dual_clip <= 1:
            raise ValueError(f"learner.dual_clip must be above 1, or 0 to turn it off; found {self.dual_clip}")
        if self.correction == "mask" and self.correction_low >= self.correction_high:
            raise ValueError(
                f"learner.correction_low is {self.correction_low} and learner.correction_high {self.correction_high}; "
                "low has to be below high, or everything is dropped"
            )
        return self


class StageConfig(Section):
    """One stage of the curriculum. What is left out is the recipe's own value."""

    sessions: Positive = 8
    """Sessions per conversation; longer conversations are cut after this many."""
    steps: Count = 24
    """Training steps, at most."""
    tokens: Positive | None = None
    """Sampled tokens of the trained roles, rerollouts included, after which the stage ends: with the step that reaches
    them. A frozen answerer's do not count. Left out, there is no budget."""
    counts: Literal["trained", "written"] = "trained"
    """Whose tokens those are: of the roles that learn, or of all roles that write memory, frozen ones too."""
    conversations_per_step: Positive | None = None
    """Overrides data.conversations_per_step."""
    global_group: Annotated[int, Field(ge=2)] | None = None
    """Overrides rollout.global_group."""
    local_group: Annotated[int, Field(ge=2)] | None = None
    """Overrides rollout.local_group."""
    local_fraction: Fraction | None = None
    """Overrides rollout.local_fraction."""
    compression_tau: NonNegative | None = None
    """Overrides reward.compression_tau."""
    compression_lambda: NonNegative | None = None
    """Overrides reward.compression_lambda."""
    minibatches: Positive | None = None
    """Overrides learner.minibatches."""


class CurriculumConfig(Section):
    """How stages end and what they hand on, by scores of the validation conversations (`eval.every` above 0).

    A stage ends after its steps at the latest. Every stage starts with a fresh optimizer.
    """

    select: Literal["val_f1", "val_m_fail", "last"] = "val_f1"
    """Score that chooses a stage's best weights: the next stage starts from them, the run exports them."""
    promote: bool = False
    """Leave a stage, unless it is the last, as soon as a validation reaches `promote_threshold`."""
    promote_metric: Literal["val_m_fail", "val_f1"] = "val_m_fail"
    """Score of the rule: `val_m_fail` (evidence lost from memory) has to fall below, `val_f1` to rise above."""
    promote_threshold: Fraction = 0.10
    """Where `promote_metric` has to get to."""
    unreached: Literal["next", "stop"] = "next"
    """After a stage that ended without reaching it: go on with the next stage all the same, or end training."""
    patience: Count = 0
    """Validations in a row without a better `select` score after which a stage ends; 0 is never."""
