"""Rates of an earlier download, and the bounds of what will be on disk, over many made worlds."""

from __future__ import annotations

import numpy as np
import pytest

from metaclip_spark.core.survival import model
from metaclip_spark.core.survival.model import Survival, survival_of


def of(rows: list[tuple[str, str, int, int]]) -> Survival:
    domains, ages, tried, got = zip(*rows, strict=True)
    return survival_of(domains, ages, np.array(tried), np.array(got))


def test_a_given_rate_is_that_of_every_image():
    """The bounds are those of the draws and of single failures: 100 images with p = 1, and 100 with p = 1/2."""
    found = Survival.of_rate(0.5)
    assert found.rate("a.org", "2024-51") == 0.5
    disk = found.on_disk({("a.org", ""): (100.0, 0.0), ("", "2024-51"): (50.0, 25.0)}, 200)
    sd = (100 * 0.25 + 100 * 0.25 * 0.75) ** 0.5
    assert disk.expected == 75
    assert (disk.low, disk.high) == pytest.approx((75 - 1.96 * sd, 75 + 1.96 * sd), rel=1e-4)
    assert found.size({("a.org", ""): 100 << 53, ("", ""): 50 << 53}) == 75 << 53
    whole = Survival.of_rate(1.0).on_disk({("", ""): (10.0, 0.0)}, 10)
    assert (whole.expected, whole.low, whole.high) == (10, 10, 10)


def test_a_large_domain_has_its_own_rate_and_small_ones_share_one():
    """Small domains are not believed alone; an unseen domain survives as the small ones do."""
    small = [(f"s{at}.org", "", 4, 2) for at in range(100)]
    found = of([("big.org", "", 10_000, 9_000), ("gone.org", "", 5_000, 0), *small])
    assert found.rate("big.org", "") == pytest.approx(0.9, abs=0.001)
    assert found.rate("gone.org", "") == pytest.approx(0, abs=0.001)
    assert found.rate("s1.org", "") == found.rate("never-seen.org", "") == 0.5
    assert (found.tried, found.got, found.all_domains) == (15_400, 9_200, 102)
    assert found.mean == 9_200 / 15_400
    middle = of(
        [("a.org", "", 30, 30), ("b.org", "", 1_000, 500), *[(f"c{at}.org", "", 1_000, 400) for at in range(9)]]
    )
    assert middle.mean < middle.rate("a.org", "") < 1


def test_domains_that_do_not_differ_have_the_rate_of_all():
    """Nothing is read into noise."""
    found = of([(f"a{at}.org", "", 1_000, 700) for at in range(50)])
    assert found.correlation == 0
    assert {rate for rate, *_ in found.domains.values()} == {0.7}


def test_an_age_is_not_blamed_for_its_domains():
    """Old images of a domain that always fails do not make age count; old failures of the same domain do."""
    mixed = of([("a.org", "2024-51", 10_000, 9_000), ("b.org", "2016-10", 10_000, 1_000)])
    assert mixed.factor("2016-10") == pytest.approx(1, abs=0.01)
    aged = of([("a.org", "2024-51", 10_000, 9_000), ("a.org", "2016-10", 10_000, 3_000), ("a.org", "", 10, 6)])
    assert aged.factor("2024-51") == pytest.approx(1.5, abs=0.02)
    assert aged.factor("2016-10") == pytest.approx(0.5, abs=0.02)
    assert aged.rate("a.org", "2016-10") == pytest.approx(0.3, abs=0.02)
    assert aged.factor("2023-06") == aged.factor("2024-51")
    assert aged.factor("") == 1
    assert of([("a.org", "2024-51", 10, 9)]).ages == {}


@pytest.mark.parametrize("rows", [[("a.org", "", 5, 0)], [("a.org", "", 5, 5)], [("", "", 1, 1), ("b.org", "", 1, 0)]])
def test_tiny_downloads_have_bounds_within_the_possible(rows):
    """One domain, all lost, all there, no host."""
    disk = of(rows).on_disk({("a.org", "2024-51"): (30.0, 5.0), ("", ""): (10.0, 0.0)}, 45)
    assert 0 <= disk.low <= disk.expected <= disk.high <= 45


def made_world(seed: int, concentration: float) -> tuple[Survival, dict, float, int]:
    """Make domains with rates of their own, an earlier download, a pool with other domains too, and its outcome."""
    rng = np.random.default_rng(seed)
    names = [f"d{at}.org" for at in range(1_000)]
    rates = rng.beta(0.7 * concentration, 0.3 * concentration, len(names))
    weights = rng.pareto(1.1, len(names)) + 0.1
    earlier = rng.poisson(20_000 * weights[:800] / weights.sum())
    got = rng.binomial(earlier, rates[:800])
    seen = np.flatnonzero(earlier)
    rows = [names[at] for at in seen]
    found = survival_of(rows, [""] * len(rows), earlier[seen], got[seen])
    sure, drawn = (rng.poisson(part * 30_000 * weights / weights.sum()) for part in (0.6, 0.4))
    outcome = int((rng.binomial(sure, rates) + rng.binomial(drawn, 0.2 * rates)).sum())
    size, spread = sure + 0.2 * drawn, 0.16 * drawn
    own = np.array([name in found.domains for name in names])
    kept = {(names[at], ""): (float(size[at]), float(spread[at])) for at in np.flatnonzero(own)}
    kept["", ""] = float(size[~own].sum()), float(spread[~own].sum())
    others = (sure + drawn)[~own]
    return found, kept, float((others.astype(float) ** 2).sum() / others.sum() ** 2), outcome


@pytest.mark.parametrize("concentration", [1.0, 5.0, 1_000.0])
def test_the_bounds_hold_in_nineteen_of_twenty_made_worlds(concentration):
    """Over 200 fixed seeds, also where a fifth of the domains is new; and the bounds are not so wide as to be idle."""
    held, widths = 0, []
    for seed in range(200):
        found, kept, squares, outcome = made_world(seed, concentration)
        disk = found.on_disk(kept, 30_000, squares)
        held += disk.low <= outcome <= disk.high
        widths.append((disk.high - disk.low) / disk.expected)
    print(concentration, held, np.median(widths))
    assert held >= 180
    assert np.median(widths) < 0.25
    assert model.LEVEL == 0.95
