"""Make the plans of the fault harness: which faults come, in which step, and when. A plan depends on its seed only."""

from __future__ import annotations

import random
from dataclasses import dataclass

PLANS = 60
"""Number of plans of the slow set."""
DEFAULT = 8
"""Number of plans of the default run, the first ones."""
ON_CLUSTER = range(48, PLANS)
"""The plans that run on a cluster of two executor processes. The others run on the embedded engine."""
STEPS = ("crawl", "second crawl", "takedown", "balance")
"""The commands of a curation, in order."""

EVERYWHERE = (
    "kill group",
    "fetch lies",
    "full disk",
    "SIGTERM",
    "kill worker",
    "permission",
    "optimize",
    "input corrupted",
    "fetch fails",
    "kill driver",
    "SIGINT",
    "fetch stalls",
    "vacuum",
)
"""The kinds of faults on both engines; the first ones are in the default run."""
KINDS = {
    "embedded": (*EVERYWHERE[:7], "answer lost", *EVERYWHERE[7:], "commit refused"),
    "spark": ("kill executor", "slow task", *EVERYWHERE),
}
"""Engine -> kinds of faults. Spark's Delta commits in the JVM, where no test can refuse its commit, and the embedded
engine has neither executors nor speculation."""
ONLY_WHILE_READING = ("fetch fails", "fetch stalls", "fetch lies", "input corrupted", "kill worker", "slow task")
"""The faults of steps that read sources."""


@dataclass(frozen=True)
class Fault:
    """One fault of a plan.

    Attributes:
        kind: one of `KINDS`.
        step: number in `STEPS`.
        moment: share of the step's writes before it, in [0, 1).
        delay: seconds after the write.
        choice: a number in [0, 1) that chooses what there is to choose, such as the table or the source.
    """

    kind: str
    step: int
    moment: float
    delay: float
    choice: float


@dataclass(frozen=True)
class Plan:
    """The engine and the faults of one curation. The attempts meet the faults one after another."""

    seed: int
    engine: str
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        said = ", ".join(
            f"{fault.kind} in {STEPS[fault.step]} at {fault.moment:.2f} + {fault.delay:.2f} s" for fault in self.faults
        )
        return f"plan {self.seed:02} on {self.engine}: {said}"


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed: one fault in the default run, two later. The first kind goes through all kinds."""
    draws = random.Random(seed)
    engine = "spark" if seed in ON_CLUSTER else "embedded"
    kinds = KINDS[engine]
    first = kinds[(seed - ON_CLUSTER.start if engine == "spark" else seed) % len(kinds)]
    chosen = [first] if seed < DEFAULT else [first, draws.choice(kinds)]
    faults = [_fault(kind, draws) for kind in chosen]
    return Plan(seed, engine, tuple(sorted(faults, key=lambda fault: (fault.step, fault.moment))))


def _fault(kind: str, draws: random.Random) -> Fault:
    # Only the first crawl has a source that is fetched.
    steps = 1 if kind.startswith("fetch") else 2 if kind in ONLY_WHILE_READING else len(STEPS)
    moment = 0.0 if kind in ONLY_WHILE_READING else draws.random()
    return Fault(kind, draws.randrange(steps), moment, draws.choice((0.0, draws.uniform(0, 0.5))), draws.random())
