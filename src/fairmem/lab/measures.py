"""How good gradient estimates are, with intervals over replications.

Of B independent estimates h of the exact gradient g, in one replication (m their mean, V their total variance, u the
direction g / |g|, all sums over parameters; squares of means are freed of the share that sampling noise has in them):

    bias           min over c >= 0 of |c E[h] - g| / |g|, the error that is left with any number of samples and the
                   best learning rate: the sine of the angle between E[h] and g, or 1 if it is not acute. (The
                   length of E[h] means nothing: rules divide by deviations and learn from more or fewer decisions.)
    variance       V / |E[h]|^2: power of the noise per power of the mean estimate.
    snr            sign(E[h] . u) (E[h] . u)^2 / V: power along the exact gradient per power of noise; negative
                   where the mean estimate leads away from it. An estimate of N times the samples has N times the snr:
    snr_per_kilotoken   snr / (sampled tokens of the estimate / 1000) does not depend on the budget, as long as
                   groups keep their make-up. It does not see what is across: read it beside the bias.
    cosine         mean cosine between one estimate and g: what a single update gets.
    sign           share of decisions credited with the sign of their exact advantage. No credit counts as half
                   right, decisions that change nothing do not count.
    sign_weighted  the same, each decision weighted by the size of its exact advantage.

Every replication is another conversation with estimates of its own. Values are ratios of means over replications,
intervals are 95 % by the delete-one jackknife with Student's t (Efron and Stein, 1981; nan with one replication).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.lab.bench import Bench, Sample
from fairmem.lab.world import Floats
from fairmem.metrics.stats import student_t_quantile

_NEGLIGIBLE = 1e-12
"""Advantages below this are rounding: the decision changes nothing."""

Parts = Mapping[str, float]
"""What one replication contributes: sums from which every measure is a ratio."""

RATIOS: dict[str, tuple[str, str]] = {
    "bias": ("across", "signal"),
    "variance": ("noise", "signal"),
    "snr": ("along_squared", "noise"),
    "snr_per_kilotoken": ("along_squared", "noise_kilotokens"),
    "cosine": ("cosine", "one"),
    "sign": ("agreeing", "decisions"),
    "sign_weighted": ("agreeing_weight", "weight"),
}
"""Measure -> (numerator, denominator); the bias is the square root of its ratio."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its interval; nan where it cannot be had."""

    value: float
    low: float
    high: float


def parts_of(bench: Bench, sample: Sample) -> Parts:
    """The sums of one rule in one replication."""
    exact = bench.values.gradient_F_A.ravel()
    estimates_B_P = bench.gradients(sample).reshape(bench.estimates, -1)
    direction = exact / np.linalg.norm(exact)
    mean = estimates_B_P.mean(axis=0)
    noise = float(estimates_B_P.var(axis=0, ddof=1).sum())
    along_B = estimates_B_P @ direction
    along = float(along_B.mean())
    # The square of a mean of B estimates holds 1 / B of their variance.
    power = along**2 - float(along_B.var(ddof=1)) / bench.estimates
    signal = float(mean @ mean) - noise / bench.estimates
    lengths_B = np.linalg.norm(estimates_B_P, axis=1)
    cosine_B = np.divide(along_B, lengths_B, out=np.zeros_like(along_B), where=lengths_B > 0)
    return {
        "across": signal - power if along > 0 else signal,
        "signal": signal,
        "noise": noise,
        "along_squared": math.copysign(1.0, along) * power,
        "noise_kilotokens": noise * sample.tokens / 1000,
        "cosine": float(cosine_B.mean()),
        "one": 1.0,
        "tokens": sample.tokens,
        "questions": sample.questions,
        **_signs(sample),
    }


def _signs(sample: Sample) -> dict[str, float]:
    agreeing = decisions = agreeing_weight = weight = 0.0
    for played, credit, _ in sample.credited:
        size = np.abs(played.advantages)
        counts = size > _NEGLIGIBLE
        right = np.where(credit == 0, 0.5, (credit > 0) == (played.advantages > 0)) * counts
        agreeing += float(right.sum())
        decisions += float(counts.sum())
        agreeing_weight += float((right * size).sum())
        weight += float((counts * size).sum())
    return {"agreeing": agreeing, "decisions": decisions, "agreeing_weight": agreeing_weight, "weight": weight}


def measure(parts: Sequence[Parts], name: str) -> Estimate:
    """A measure over replications, `name` a key of `RATIOS`."""
    above, below = RATIOS[name]
    found = jackknife(np.array([[p[above], p[below]] for p in parts]))
    if name != "bias":
        return found
    return Estimate(*(math.sqrt(min(max(x, 0.0), 1.0)) if not math.isnan(x) else x for x in _fields(found)))


def versus(parts: Sequence[Parts], baseline: Sequence[Parts]) -> Estimate:
    """Ratio of two rules' snr per token on the same replications, with the interval of the pairs."""
    above, below = RATIOS["snr_per_kilotoken"]
    rows = [[p[above], p[below], q[above], q[below]] for p, q in zip(parts, baseline, strict=True)]
    return jackknife(np.array(rows))


def jackknife(sums_N_2: Floats) -> Estimate:
    """Ratio of the sums of two columns (or a/b over c/d of four) with its delete-one jackknife interval."""
    count = len(sums_N_2)
    total = sums_N_2.sum(axis=0)
    value = _ratio(total)
    if count < 2:
        return Estimate(value, math.nan, math.nan)
    without = np.array([_ratio(total - row) for row in sums_N_2])
    se = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    reach = student_t_quantile(0.975, count - 1) * se
    return Estimate(value, value - reach, value + reach)


def _ratio(sums: Floats) -> float:
    parts = [float(x) for x in sums]
    for below in parts[1::2]:
        if below == 0:
            return math.nan
    first = parts[0] / parts[1]
    if len(parts) == 2:
        return first
    second = parts[2] / parts[3]
    return first / second if second else math.nan


def _fields(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
