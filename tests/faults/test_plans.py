"""A curation that meets faults by a seeded plan ends, after the same commands again, in the undisturbed tables.

A failing plan prints its seed. It runs again by:

    bash tests/run.sh tests/faults --all -k plan07
"""

from __future__ import annotations

import pytest
from curation import Curation, run_plan
from damaged import rewrite
from plans import DEFAULT, PLANS, STEPS, plan_of
from small_disk import small_disk

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, id=f"plan{seed:02}", marks=() if seed < DEFAULT else pytest.mark.slow)
        for seed in range(PLANS)
    ],
)
def test_a_curation_that_meets_faults_ends_in_the_undisturbed_tables(
    seed, pool, undisturbed, cluster_env, tmp_path, figures
):
    """No pair is lost or doubled, no row of any table differs, and `verify` finds nothing."""
    plan = plan_of(seed)
    print(f"{plan}\nagain: bash tests/run.sh tests/faults --all -k plan{seed:02}")
    with small_disk(tmp_path / "trial" / "disk", "128m"):
        run_plan(plan, tmp_path / "trial", pool, cluster_env, undisturbed, figures)


def test_a_lost_and_a_doubled_pair_are_seen(pool, undisturbed, child_env, tmp_path):
    """The harness can fail: of the pairs one is missing, and another is there twice."""
    curation = Curation(tmp_path / "trial", pool, "embedded", child_env, {})
    curation.begin_at(len(STEPS), undisturbed)
    assert curation.differences(undisturbed.after(len(STEPS) - 1)) == []
    rewrite(curation.warehouse, "pairs", lambda rows: rows[1:] + rows[-1:])
    (one,) = curation.differences(undisturbed.after(len(STEPS) - 1))
    assert (one.table, one.only) == ("pairs", (1, 1))
