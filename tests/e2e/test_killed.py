"""A run whose driver is killed at random moments is finished by the next one, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest
from e2e_world import assert_same, table_state
from started import FLAGS, Started, assert_nothing_is_left, below, remaining

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="the other engine is in a process of its own"),
]


MOMENTS = ("engine: ", "run ", "extract ", "dedup ", "balance ")
"""The lines of progress after which a process is killed."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_a_run_that_is_killed_at_random_moments_is_finished(undisturbed, engine, child_env, tmp_path, seed, spark):
    """Only the driver gets SIGKILL, two times. Its processes end by themselves, and the next run removes its files."""
    moments = random.Random(seed)
    warehouse, scratch = tmp_path / "wh", tmp_path / "scratch"
    scratch.mkdir()
    env = {**child_env, "TMPDIR": str(scratch)}
    words = ["run", *undisturbed.world.words(warehouse), *FLAGS[engine]]
    for _ in range(2):
        started = Started(env, words)
        with contextlib.suppress(AssertionError):  # a run that ends before says nothing more
            started.wait_for(moments.choice(MOMENTS))
        time.sleep(moments.uniform(0, 0.5))
        children = below(started.process.pid)
        started.process.send_signal(signal.SIGKILL)
        started.process.wait()
        try:
            assert remaining(children, 20.0) == [], "a process of the killed run is left"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.process.pid, signal.SIGKILL)
            started.close()
    last = Started(env, words)
    status = last.process.wait(timeout=900)
    last.close()
    assert status == 0, last.lines
    assert_same(table_state(spark, warehouse), undisturbed.state)
    assert_nothing_is_left(warehouse)
    if engine == "embedded":  # Spark's own folders are for the JVM to remove
        assert [path.name for path in scratch.iterdir()] == []
