"""The survival of images: a rate for all, or rates by domain and age from an earlier download, with their uncertainty.

Images of a domain fail together: a domain's rate is drawn from a beta distribution around the rate of all
(beta-binomial counts), whose spread is estimated by moments. The rate of a large domain is its own, shrunk towards that
of all; small and unseen domains share one rate. An age multiplies the rate by observed / expected successes of the age
(indirect standardisation), so that an age is not blamed for its domains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.survival.origins import UNKNOWN, weeks

NAMED = 500
"""Maximum number of domains with a rate of their own, those with the most images of the download."""
LEAST = 20
"""Minimum number of images of the download of a domain with a rate of its own."""
AGE_PRIOR = 50.0
"""Expected successes that pull the factor of an age towards 1."""
LEVEL = 0.95
_SDS = 1.959963984540054
FIXED = 1 << 30
"""Rates are multiples of one over this where sizes must be exact."""


@dataclass(frozen=True)
class OnDisk:
    """Images on disk: expected, and the bounds between which they are with LEVEL."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Survival:
    """Rates of survival.

    Attributes:
        tried, got: images of the download, and those on disk; None for a rate that was given.
        mean, mean_variance: the rate of all, and its variance as an estimate.
        others, others_variance: the same of domains without a rate of their own.
        correlation: the correlation of two images of a domain, given the mean.
        domains: domain -> its rate, the variance of the rate, and the part of it that is the rate of all.
        ages: age -> its factor.
    """

    mean: float
    others: float
    mean_variance: float = 0.0
    others_variance: float = 0.0
    correlation: float = 0.0
    domains: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    ages: Mapping[str, float] = field(default_factory=dict)
    tried: int | None = None
    got: int | None = None
    all_domains: int = 0

    @classmethod
    def of_rate(cls, rate: float) -> Survival:
        """Return one rate for all images, known exactly."""
        return cls(rate, rate)

    def factor(self, age: str) -> float:
        """Return the factor of an age: its own, or that of the nearest week with one; 1 if the age is unknown."""
        if age in self.ages:
            return self.ages[age]
        if age == UNKNOWN or not self.ages:
            return 1.0
        return self.ages[min(self.ages, key=lambda known: (abs(weeks(known) - weeks(age)), known))]

    def rate(self, domain: str, age: str) -> float:
        """Return the rate of an image."""
        own = self.domains[domain][0] if domain in self.domains else self.others
        return min(1.0, own * self.factor(age))

    def size(self, kept: Mapping[tuple[str, str], int]) -> int:
        """Return the expected images on disk from those kept by (domain, age). It never falls as these grow."""
        total = sum(number * round(self.rate(*origin) * FIXED) for origin, number in kept.items())
        return total // FIXED

    def on_disk(self, kept: Mapping[tuple[str, str], tuple[float, float]], images: int, squares: float = 0.0) -> OnDisk:
        """Return the expected images on disk and their bounds.

        Args:
            kept: (domain, age) -> the sum of p and of p(1 - p) over the images.
            images: number of images that may be kept.
            squares: the sum over domains without a rate of their own of the square of their part of these domains'
                images, in (0, 1]: two images of these are of one domain with this probability.
        """
        expected = variance = 0.0
        by_domain: dict[str, float] = {}
        for (domain, age), (size, spread) in kept.items():
            rate = self.rate(domain, age)
            expected += rate * size
            # Each image is kept by its draw and then survives, given the rate of its domain.
            variance += rate * size - rate * rate * (size - spread)
            own = domain if domain in self.domains else UNKNOWN
            by_domain[own] = by_domain.get(own, 0.0) + size * self.factor(age)
        shared = 0.0
        for domain, size in by_domain.items():
            if domain in self.domains:
                _, own_variance, pull = self.domains[domain]
                variance += own_variance * size**2
                shared += pull * size * math.sqrt(self.mean_variance)
            else:
                variance += self.others * (1 - self.others) * self.correlation * squares * size**2
                shared += size * math.sqrt(self.others_variance)
        variance += shared**2
        width = _SDS * math.sqrt(max(variance, 0.0))
        return OnDisk(expected, max(0.0, expected - width), min(float(images), expected + width))


def survival_of(
    domains: Sequence[str], ages: Sequence[str], tried: npt.NDArray[np.int64], got: npt.NDArray[np.int64]
) -> Survival:
    """Return the rates of a download.

    Args:
        domains, ages: the origin of each row, distinct.
        tried, got: int64 by row: images, and those on disk; at least one image in all.
    """
    names, of = np.unique(np.asarray(domains, object).astype(str), return_inverse=True)
    n, x = np.zeros((2, len(names)))
    for total_of, each in ((n, tried), (x, got)):
        np.add.at(total_of, of, each)
    total = float(n.sum())
    mean = float(x.sum() / total)
    rho = _correlation(n, x, mean)
    order = np.lexsort((names, -n))
    own = np.zeros(len(names), bool)
    own[order[:NAMED]] = True
    own &= (n >= LEAST) & (names != UNKNOWN)
    prior = (1 - rho) / rho if rho > 0 else math.inf
    rates = {}
    for at in np.flatnonzero(own).tolist():
        rate = mean if math.isinf(prior) else (x[at] + prior * mean) / (n[at] + prior)
        variance = 0.0 if math.isinf(prior) else rate * (1 - rate) / (n[at] + prior + 1)
        pull = 1.0 if math.isinf(prior) else prior / (n[at] + prior)
        rates[str(names[at])] = (float(rate), float(variance), float(pull))
    others_n, others_x = n[~own], x[~own]
    tried_others = float(others_n.sum())
    others = float(others_x.sum() / tried_others) if tried_others else mean
    fitted = np.array([rates[name][0] if name in rates else others for name in names.tolist()])[of]
    return Survival(
        mean=mean,
        others=others,
        mean_variance=_variance_of_mean(n, x, mean),
        others_variance=_variance_of_mean(*((others_n, others_x, others) if tried_others else (n, x, mean))),
        correlation=rho,
        domains=rates,
        ages=_factors(np.asarray(ages, object).astype(str), fitted * tried, got),
        tried=int(total),
        got=int(x.sum()),
        all_domains=int((names != UNKNOWN).sum()),
    )


def _correlation(n: npt.NDArray[np.float64], x: npt.NDArray[np.float64], mean: float) -> float:
    """Return the correlation of two images of a domain, by the moments of a beta-binomial; 0 if there is none."""
    if not 0 < mean < 1 or len(n) < 2:
        return 0.0
    share = 1 - n / n.sum()
    found = float((n * (x / n - mean) ** 2).sum() / (mean * (1 - mean)))
    pairs = float((share * (n - 1)).sum())
    return min(0.99, max(0.0, (found - float(share.sum())) / pairs)) if pairs > 0 else 0.0


def _variance_of_mean(n: npt.NDArray[np.float64], x: npt.NDArray[np.float64], mean: float) -> float:
    """Return the variance of a rate over domains, each of which is one observation (a ratio estimate)."""
    if len(n) < 2:
        return mean * (1 - mean) / max(float(n.sum()), 1.0)
    return float(((x - mean * n) ** 2).sum() / n.sum() ** 2 * len(n) / (len(n) - 1))


def _factors(
    ages: npt.NDArray[np.str_], expected: npt.NDArray[np.float64], got: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Return observed over expected successes of each age; none unless two ages are known."""
    known = sorted(set(ages.tolist()) - {UNKNOWN})
    if len(known) < 2:
        return {}
    sums = {age: (float(got[ages == age].sum()), float(expected[ages == age].sum())) for age in known}
    return {age: (observed + AGE_PRIOR) / (wanted + AGE_PRIOR) for age, (observed, wanted) in sums.items()}
