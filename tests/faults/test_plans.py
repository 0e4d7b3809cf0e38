"""A curation that meets faults by a seeded plan ends, after the same commands again, in the undisturbed tables.

A failing plan prints its seed. It runs again by:

    bash tests/run.sh tests/faults --all -k plan07
"""

from __future__ import annotations

import pytest
from curation import run_plan
from plans import DEFAULT, PLANS, plan_of
from small_disk import small_disk

pytestmark = pytest.mark.timeout(1800)


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
