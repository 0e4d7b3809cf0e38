"""Two commands on one warehouse at the same time: serialised, refused with a sentence, or both right.

A seed chooses the two commands, the moment in the first one when the second one starts, and whether the first one halts
there until the second one has ended. A failing interleaving runs again by:

    bash tests/run.sh tests/faults --all -k interleaving07
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from curation import EXPORT, MAINTAIN, VERIFY, Curation, Figures, Pool, Undisturbed, seeded
from plans import STEPS, Fault

pytestmark = pytest.mark.timeout(1800)

INTERLEAVINGS, DEFAULT = 40, 1
CRAWL, SECOND, TAKEDOWN, BALANCE = range(len(STEPS))
PAIRS = (
    (BALANCE, TAKEDOWN),
    (SECOND, MAINTAIN),
    (CRAWL, CRAWL),
    (CRAWL, SECOND),
    (MAINTAIN, TAKEDOWN),
    (TAKEDOWN, BALANCE),
    (BALANCE, MAINTAIN),
    (SECOND, SECOND),
    (MAINTAIN, SECOND),
    (TAKEDOWN, MAINTAIN),
    (SECOND, TAKEDOWN),
    (MAINTAIN, BALANCE),
    (BALANCE, BALANCE),
    (CRAWL, MAINTAIN),
    (TAKEDOWN, TAKEDOWN),
    (MAINTAIN, MAINTAIN),
    (CRAWL, TAKEDOWN),
    (EXPORT, TAKEDOWN),
    (TAKEDOWN, EXPORT),
    (VERIFY, MAINTAIN),
)
"""The first and the second command; each seed takes the next pair."""
HALT, WAIT = 60.0, 200
REFUSALS = ("another run holds warehouse ", "another run took warehouse ")
ORDERS: dict[tuple[int, ...], Path] = {}
"""Steps in their order -> the tables that they make without a fault."""


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, id=f"interleaving{seed:02}", marks=() if seed < DEFAULT else pytest.mark.slow)
        for seed in range(INTERLEAVINGS)
    ],
)
def test_two_commands_at_once_are_serialised_or_refused_or_both_right(
    seed, pool, undisturbed, cluster_env, tmp_path, tmp_path_factory, figures
):
    """The tables are those of the commands one after the other, and `verify` finds nothing."""
    draws = seeded(seed)
    first, second = PAIRS[seed % len(PAIRS)]
    halts, moment = draws.random() < 0.5, draws.random()
    print(
        f"interleaving {seed:02}: command {second} in command {first} at {moment:.2f}, {halts=}\n"
        f"again: bash tests/run.sh tests/faults --all -k interleaving{seed:02}"
    )
    curation = Curation(tmp_path / "trial", pool, "embedded", cluster_env, undisturbed.points)
    steps = [step for step in (first, second) if step < len(STEPS)]
    curation.begin_at(min(steps, default=len(STEPS)), undisturbed)
    curation.last = max(steps, default=BALANCE)
    rest = [step for step in curation.left if step not in steps]
    pause = Fault("pause", first, moment, HALT if halts else 0.0, 0.0)

    curation.attempt = 1
    one = curation.start([first], pause)
    deadline = time.monotonic() + 120
    while not curation.came() and one.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    curation.attempt = 2
    words = [*curation.words(second, None), *([] if halts else ["--wait", str(WAIT)])]
    status = curation.end(curation.start([second], None, [words]), None)
    said = curation.log.splitlines()[-1]
    refused = status == 1 and any(text in said for text in REFUSALS)
    assert status == 0 or refused, curation.tail()
    if refused:
        (curation.marks / f"done.{second}").unlink(missing_ok=True)  # the first one may have marked the same step
    (curation.marks / "go").touch()
    curation.attempt = 1
    assert curation.end(one, pause) == 0, curation.tail()

    curation.attempt = 2
    if refused and second >= len(STEPS):
        assert curation.run([second]) == 0, curation.tail()
    curation.finish()
    orders = [tuple(dict.fromkeys(order)) for order in ([*steps, *rest], [*steps[::-1], *rest])]
    if not min(steps, default=1):  # the first crawl makes the warehouse
        orders = [order for order in orders if order[0] == CRAWL]
    if refused:  # then what is left is done in order
        orders = [tuple(dict.fromkeys([*steps[:1], *sorted([*steps, *rest])]))]
    wanted = [_in_order(order, pool, undisturbed, cluster_env, tmp_path_factory) for order in orders]
    found = [curation.differences(tables) for tables in wanted]
    assert any(not differing for differing in found), "\n".join(str(one) for one in found[0])
    figures.interleavings["refused" if refused else "one after the other"] += 1


def _in_order(
    steps: tuple[int, ...],
    pool: Pool,
    undisturbed: Undisturbed,
    env: dict[str, str],
    folders: pytest.TempPathFactory,
) -> Path:
    """Return the tables that steps make one after the other; each order is made once."""
    if not steps or list(steps) == list(range(steps[0], steps[-1] + 1)):
        return undisturbed.after(max(steps, default=BALANCE))
    if steps not in ORDERS:
        made = Curation(folders.mktemp("order"), pool, "embedded", env, {})
        made.begin_at(min(steps), undisturbed)
        assert made.run(list(steps)) == 0, made.tail()
        ORDERS[steps] = made.warehouse
    return ORDERS[steps]


def test_the_figures_tell_lost_and_doubled_pairs_apart():
    """The lines that a run of the harness prints have every figure."""
    figures = Figures(lost=1, doubled=2, differing=3)
    figures.plans["embedded"] += 1
    figures.faults["SIGINT"] += 4
    figures.copies["came first"] += 2
    lines = list(figures.lines())
    assert "plans run           1 (embedded 1), 0 attempts" in lines
    assert "faults injected     4: SIGINT 4" in lines
    assert "copies of slow tasks 2 (came first 2)" in lines
    assert json.loads(lines[-1].removeprefix("as JSON"))["faults"] == {"SIGINT": 4}
    assert [line.split()[-1] for line in lines if line.split()[0] in ("lost", "doubled", "differing")] == list("123")
