"""Do the intervals of drift audits cover what they say? By simulation, 95 % nominal.

    python benchmarks/drift_coverage.py            # the table of docs/design/drift.md, about three minutes
    python benchmarks/drift_coverage.py --draws 200 --resamples 500

Differences per scenario: `mild` is 0 with probability 0.3 and else normal around 0.4 with sd 0.5, plus trial noise of
sd 0.3 over five trials a side; `rare` is 0 but for 5 % of scenarios, which lie around 1 with sd 0.3, with no noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from fairmem.drift.intervals import Method, clopper_pearson, mean_interval, redraw_trials
from fairmem.metrics.stats import student_t_quantile

MEANS = {"mild": 0.7 * 0.4, "rare": 0.05}
METHODS: tuple[Method, ...] = ("percentile", "bca", "t", "studentised")


def mild(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Trials [2, n, 5] of an arm and of the baseline, and the differences of their means [n]."""
    effect = np.where(rng.random(n) < 0.3, 0.0, rng.normal(0.4, 0.5, n))
    trials = rng.normal(0.0, 0.3, (2, n, 5))
    trials[0] += effect[:, None]
    return trials, trials[0].mean(axis=1) - trials[1].mean(axis=1)


def rare(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same where few scenarios drift; every trial of a scenario is alike."""
    effect = np.where(rng.random(n) < 0.05, rng.normal(1.0, 0.3, n), 0.0)
    return np.stack([effect, np.zeros(n)])[:, :, None].repeat(5, axis=2), effect


MAKERS: dict[str, Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]] = {"mild": mild, "rare": rare}


def coverage(kind: str, n: int, method: Method, draws: int, resamples: int, levels: str = "scenarios") -> float:
    """Share of `draws` simulated audits of `n` scenarios whose interval holds the true mean."""
    held = 0
    for draw in range(draws):
        rng = np.random.default_rng([draw, n])
        trials, deltas = MAKERS[kind](rng, n)
        redraw = redraw_trials(list(trials[0]), list(trials[1])) if levels == "trials" else None
        found = mean_interval(deltas, seed=draw, resamples=resamples, method=method, redraw=redraw)
        held += found.low <= MEANS[kind] <= found.high
    return held / draws


def rate_coverage(n: int, draws: int) -> float:
    """Share of simulated audits whose Clopper-Pearson interval holds the true rate of 5 %."""
    counts = np.random.default_rng(n).binomial(n, 0.05, draws)
    found = {int(count): clopper_pearson(int(count), n) for count in np.unique(counts)}
    return float(np.mean([found[int(c)].low <= 0.05 <= found[int(c)].high for c in counts]))


def power(delta: float, spread: float, n: int, draws: int) -> float:
    """Share of simulated audits, of `n` scenarios with differences of mean `delta` and sd `spread`, that t finds."""
    values = np.random.default_rng(n).normal(delta, spread, (draws, n))
    t = values.mean(axis=1) / (values.std(axis=1, ddof=1) / np.sqrt(n))
    return float((np.abs(t) > student_t_quantile(0.975, n - 1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    args = parser.parse_args()
    print("| differences | scenarios | " + " | ".join(METHODS) + " | bca, two levels | Clopper-Pearson of the rate |")
    print("|---|---:|" + "---:|" * (len(METHODS) + 2))
    for kind in MAKERS:
        for n in (105, 21, 15):
            cells = [f"{coverage(kind, n, method, args.draws, args.resamples):.3f}" for method in METHODS]
            two = "–"
            if kind == "mild":
                two = f"{coverage(kind, n, 'bca', max(1, args.draws // 4), args.resamples, 'trials'):.3f}"
            rate = f"{rate_coverage(n, args.draws):.3f}" if kind == "rare" else "–"
            print(f"| {kind} | {n} | " + " | ".join([*cells, two, rate]) + " |", flush=True)
    found = power(0.33, 1.2, 105, 10 * args.draws)
    print(f"\n105 scenarios, sd 1.2 points of the difference: 0.33 points are found in {found:.3f} of audits.")


if __name__ == "__main__":
    main()
