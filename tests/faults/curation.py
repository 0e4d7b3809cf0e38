"""A curation of four commands that meets the faults of a plan, and the checks of its tables afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import warc_builder
from bad_server import BadServer, Behaviour, cut, error_page_with_status_200, reset, stall, status
from e2e_world import SHARED, World, row, wat_of, write_parquet, write_tsv, write_wat
from hosts import Hosts, two_hosts
from plans import DEFAULT, STEPS, Fault, Plan
from started import AS_ANY_USER, FLAGS, assert_nothing_is_left, below, remaining

from metaclip_spark.cli.interrupts import SENTENCE
from metaclip_spark.warehouse.compare import COMPARED, Comparison, compare
from metaclip_spark.warehouse.delta_rs import DeltaLogs

SCRIPT = Path(__file__).with_name("faulting.py")
CLUSTER = "local-cluster[2,1,1024]"
SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "100ms",
    # A commit of one source is a stage of one task, which no other task can outrun.
    "spark.speculation.task.duration.threshold": "1s",
    # The log of events tells which tasks were copies.
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
}
LONGEST = {"embedded": 900, "spark": 1500}
"""Engine -> seconds after which a process hangs: many times what it takes, because other work may slow it down."""
VERIFY, MAINTAIN, EXPORT = range(len(STEPS), len(STEPS) + 3)
"""The numbers of more commands: one checks the warehouse, one compacts tables and removes old files, and one writes the
subset into the warehouse once more."""
DIED = -signal.SIGKILL


@dataclass
class Figures:
    """What a set of plans did."""

    plans: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    copies: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    interleavings: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield the figures, one per line."""
        if self.plans:
            yield f"plans run           {self.plans.total()} ({_listed(self.plans)}), {self.attempts} attempts"
            yield f"faults injected     {self.faults.total()}: {_listed(self.faults)}"
            yield f"faults that came too late, after the work: {self.missed.total()} ({_listed(self.missed) or 'none'})"
            yield f"copies of slow tasks {self.copies.total()} ({_listed(self.copies) or 'none'})"
            yield f"lost pairs          {self.lost}"
            yield f"doubled pairs       {self.doubled}"
            yield f"differing rows      {self.differing}"
        if self.interleavings:
            yield f"interleavings       {self.interleavings.total()}: {_listed(self.interleavings)}"
        if self.plans or self.interleavings:
            yield f"as JSON             {json.dumps(vars(self))}"


def _listed(numbers: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))


def wrong_bytes(handler: object, data: bytes, start: int, stop: int) -> None:
    """Send as many bytes as were asked for, and change those in the middle: what a broken cache sends."""
    middle = len(data) // 2
    wrong = data[: middle - 20] + bytes(40) + data[middle + 20 :]
    handler.head(data, start, stop)  # type: ignore[attr-defined]
    handler.wfile.write(wrong[start:stop])  # type: ignore[attr-defined]


BAD: dict[str, list[Behaviour]] = {
    "fetch fails": [status(503), status(500), reset(30), cut(30)],
    "fetch stalls": [stall(0, 2.0), stall(40, 2.0)],
    "fetch lies": [wrong_bytes, error_page_with_status_200()],
}
"""Kind of fault -> what the server does."""


class Pool:
    """The input of two crawls (WAT, WARC, Parquet, TSV, and a WAT on a server), the list, and a takedown list."""

    def __init__(self, root: Path, server: BadServer) -> None:
        self.world = World(root)  # the first crawl has its Parquet, TSV and WAT
        self.server = server
        one, two = self.world.pool, root / "second"
        html = "".join(f"<img src='{url}' alt='{text}'>" for url, text, *_ in (row("d", n) for n in range(6)))
        warc_builder.write(
            one / "d.warc.gz", [warc_builder.page(html), warc_builder.page("<img src=x.jpg alt='a cat'>")]
        )
        write_parquet(two / "e.parquet", [*(row("e", n) for n in range(10)), SHARED, row("a", 2)])
        write_tsv(two / "f.tsv", [row("f", n, "dog") for n in range(8)] + [row("b", 3, "cat")])
        write_wat(two / "g.wat.gz", wat_of([row("g", n) for n in range(6)]))
        far = write_wat(root / "far.wat.gz", wat_of([*(row("far", n, "cat") for n in range(8)), SHARED]))
        self.fetched = root / "fetched.paths"
        self.fetched.write_text(server.add("/far.wat.gz", far.read_bytes()) + "\n", encoding="utf-8")
        self.takedown = root / "urls.txt"
        gone = [row("a", 4), row("e", 2), SHARED]
        self.takedown.write_text("".join(f"{url}\n" for url, *_ in gone), encoding="utf-8")

    def inputs(self, step: int) -> list[Path]:
        """Return the local files that a step reads and whose damage shows: of compressed and of Parquet files."""
        folder = self.world.pool if step == 0 else self.world.root / "second"
        return [path for path in sorted(folder.iterdir()) if path.suffix in (".gz", ".parquet")]

    def commands(self, warehouse: Path, engine: str, master: str = CLUSTER) -> list[list[object]]:
        """Return the four commands of the curation, `verify`, `maintain`, and `export`."""
        flags = [*FLAGS[engine], *(["--master", master] if engine == "spark" else [])]
        of_run = ["--metadata", self.world.metadata, "--no-lid", "-t", 2, "--files-per-commit", 1, "--max-failed", 0]
        of_all = ["--warehouse", warehouse, *flags]
        return [
            ["run", "--snapshot", "one", "--input", self.world.pool, self.fetched, *of_run, *of_all],
            ["run", "--snapshot", "two", "--input", self.world.root / "second", *of_run, *of_all],
            ["takedown", "--urls", self.takedown, *of_all],
            ["balance", "-t", 3, *of_all],
            ["verify", *of_all],
            ["maintain", "--target-size", "1m", *of_all],
            ["export", *of_all],
        ]

    @contextlib.contextmanager
    def disturbed(self, fault: Fault, engine: str) -> Iterator[None]:
        """Make the faults of the input while the body runs."""
        if fault.kind in BAD:
            behaviours = BAD[fault.kind]
            behaviour = behaviours[int(fault.choice * 100) % len(behaviours)]
            # Spark's workers have the patience of users, so few failures.
            self.server.plan = [behaviour] * (1 + int(fault.choice * (6 if engine == "embedded" else 2)))
            yield
            self.server.plan = []
        elif fault.kind == "input corrupted":
            files = self.inputs(fault.step)
            file = files[int(fault.choice * len(files))]
            whole = file.read_bytes()
            at = len(whole) - 8 if file.suffix == ".parquet" else len(whole) // 2
            file.write_bytes(whole[:at] + bytes(8) + whole[at + 8 :])
            try:
                yield
            finally:
                file.write_bytes(whole)
        else:
            yield


@dataclass
class Undisturbed:
    """The warehouse after each step without a fault, and the number of writes of each step."""

    root: Path
    points: dict[str, int]

    def after(self, step: int) -> Path:
        """Return the warehouse after a step; before the first there is none."""
        return self.root / str(step)


class Curation:
    """Commands on one warehouse, each as often as it takes.

    Attributes:
        warehouse: the folder of the tables.
        marks: a folder in which the processes say what they have done.
        last: the last step to do.
        copies: a folder that gets the warehouse after each step, or None.
    """

    def __init__(
        self,
        root: Path,
        pool: Pool,
        engine: str,
        env: dict[str, str],
        points: dict[str, int],
        hosts: Hosts | None = None,
    ) -> None:
        self.root, self.pool, self.engine, self.env, self.points = root, pool, engine, dict(env), points
        self.disk = root / "disk"
        self.warehouse, self.marks, self.scratch = self.disk / "wh", root / "marks", scratch_of(root)
        self.events = root / "events"
        for folder in (self.marks, self.scratch, self.events):
            folder.mkdir(parents=True, exist_ok=True)
        self.env["TMPDIR"] = str(self.scratch)
        self.hosts = hosts
        self.commands = pool.commands(self.warehouse, engine, hosts.master if hosts else CLUSTER)
        self.copies: Path | None = None
        self.last = len(STEPS) - 1
        self.retry = False
        self.attempt = 0
        self.log = ""

    def begin_at(self, step: int, undisturbed: Undisturbed) -> None:
        """Begin with the tables that the steps before have made."""
        if step:
            shutil.copytree(undisturbed.after(step - 1), self.warehouse)
        for number in range(step):
            (self.marks / f"done.{number}").touch()

    def is_done(self, step: int) -> bool:
        """Return whether a step has ended well."""
        return (self.marks / f"done.{step}").exists()

    @property
    def left(self) -> list[int]:
        """The steps that have not ended well."""
        return [step for step in range(self.last + 1) if not self.is_done(step)]

    def words(self, step: int, fault: Fault | None) -> list[str]:
        """Return the words of a step, which after an incomplete run reads its failed sources again."""
        words = list(self.commands[step])
        if self.retry and words[0] == "run":
            words += ["--retry", "partial,failed"]
        if fault is not None and fault.kind == "slow task":
            settings = {**SPECULATION, "spark.eventLog.dir": self.events.as_uri()}
            words += [word for name, value in settings.items() for word in ("--spark", f"{name}={value}")]
        return [str(word) for word in words]

    def start(self, steps: list[int], fault: Fault | None, words: list[list[str]] | None = None) -> subprocess.Popen:
        """Start a process that runs steps, and meets a fault."""
        given = {
            "steps": list(zip(steps, words or [self.words(step, fault) for step in steps], strict=True)),
            "marks": str(self.marks),
            "fault": None if fault is None else asdict(fault),
            "points": self.points,
            "warehouse": str(self.warehouse),
            "disk": str(self.disk),
            "attempt": self.attempt,
            "copies": str(self.copies) if self.copies else None,
            "workers": self.hosts.workers if self.hosts else (),
        }
        before = AS_ANY_USER if fault is not None and fault.kind == "permission" and os.geteuid() == 0 else []
        with open(self.root / f"log{self.attempt}", "wb") as log:
            return subprocess.Popen(
                [*before, sys.executable, str(SCRIPT), json.dumps(given)],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, steps: list[int], fault: Fault | None = None) -> int:
        """Run steps in one process to its end; return its status."""
        self.attempt += 1
        with self.pool.disturbed(fault, self.engine) if fault is not None else contextlib.nullcontext():
            process = self.start(steps, fault)
            status_ = self.end(process, fault)
        return status_

    def end(self, process: subprocess.Popen, fault: Fault | None) -> int:
        """Wait for the end of the last process; check that it has ended in order, whatever the fault."""
        try:
            process.wait(timeout=LONGEST[self.engine])
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it hangs; {self.tail()}") from None
        finally:
            children = below(process.pid)
            if process.poll() is None or process.returncode == DIED:
                left = remaining(children, 20.0) if process.poll() is not None else []
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                assert not left, "a process of the killed driver is left"
            self._restore()
        text = (self.root / f"log{self.attempt}").read_text(errors="replace")
        self.log = text
        assert "Traceback" not in text, self.tail()
        killed = process.returncode == DIED
        assert killed == (fault is not None and fault.kind in ("kill driver", "kill group") and self.came()), (
            self.tail()
        )
        if process.returncode == 130:
            assert fault is not None, self.tail()
            assert fault.kind.startswith("SIG"), self.tail()
            assert text.splitlines()[-1] == SENTENCE, self.tail()
        elif not killed:
            assert process.returncode in (0, 1, 3), self.tail()
            if process.returncode == 1:
                assert text.splitlines()[-1].startswith("metaclip-spark: "), self.tail()
        self.retry |= process.returncode == 3
        return process.returncode

    def _restore(self) -> None:
        """Give back space and permissions."""
        (self.disk / "filler").unlink(missing_ok=True)
        for log in self.warehouse.glob("*/_delta_log"):
            log.chmod(0o755)
            log.parent.chmod(0o755)

    def came(self) -> bool:
        """Return whether the fault of this attempt has come."""
        return (self.marks / f"came.{self.attempt}").exists()

    def tail(self) -> str:
        """Return the end of the log of this attempt."""
        return (
            f"the end of {self.root / f'log{self.attempt}'}:\n"
            + (self.root / f"log{self.attempt}").read_text(errors="replace")[-3000:]
        )

    def finish(self, tries: int = 3) -> None:
        """Run what is left, without faults, until all steps have ended well; then verify."""
        for _ in range(tries):
            ended = self.run([*self.left, VERIFY])
            if ended == 0:
                return
            assert self.left, f"verify found differences; {self.tail()}"
        raise AssertionError(f"the same command does not end well without a fault; {self.tail()}")

    def differences(self, wanted: Path) -> list[Comparison]:
        """Return the tables that differ, and check that nothing is left beside the tables."""
        assert_nothing_is_left(self.warehouse)
        sides = stages_done(self.warehouse), stages_done(wanted)
        only = sides[0] - sides[1], sides[1] - sides[0]
        examples = tuple(map(str, sorted(only[0] | only[1])))
        # The log of runs has the events of every attempt, so only what was done is compared.
        runs = Comparison("runs", (len(sides[0]), len(sides[1])), (len(only[0]), len(only[1])), examples, ())
        tables = [name for name in COMPARED if name != "runs"]
        return [one for one in (runs, *compare(str(self.warehouse), str(wanted), tables)) if not one.is_equal]


def scratch_of(root: Path) -> Path:
    """Return the folder of the temporary files of a curation."""
    return root / "disk" / "scratch"


def copies_in(events: Path) -> Counter[str]:
    """Return how the copies of slow tasks ended that Spark started, as its logs of events tell."""
    found: Counter[str] = Counter()
    for log in events.iterdir():
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["Event"] == "SparkListenerTaskEnd" and event["Task Info"]["Speculative"]:
                found["came first" if event["Task End Reason"]["Reason"] == "Success" else "were overtaken"] += 1
    return found


def stages_done(warehouse: Path) -> set[tuple[str, ...]]:
    """Return what the log of runs says of stages that are done; it is silent on `maintain`."""
    rows = DeltaLogs(str(warehouse)).rows("runs", ["run_id", "event", "stage", "metadata_ids"]).to_pylist()
    return {tuple(map(str, each.values())) for each in rows if each["event"] == "stage done"}


def make_undisturbed(root: Path, pool: Pool, env: dict[str, str]) -> Undisturbed:
    """Run the curation without a fault, on the embedded engine; keep the warehouse after each step."""
    curation = Curation(root, pool, "embedded", env, {})
    curation.copies = root / "copies"
    assert curation.run([*range(len(STEPS)), VERIFY, MAINTAIN, EXPORT]) == 0, curation.tail()
    names = [mark.name.split(".") for mark in curation.marks.glob("points.*")]
    return Undisturbed(curation.copies, {step: int(number) for _, step, number in names})


def run_plan(
    plan: Plan, root: Path, pool: Pool, env: dict[str, str], undisturbed: Undisturbed, figures: Figures
) -> None:
    """Run the curation of a plan until it ends, and compare its tables with the undisturbed ones.

    In the default run, which must be cheap, the curation begins with the step of the fault and ends with it.
    """
    with contextlib.ExitStack() as started:
        hosts = None
        if any(fault.kind == "slow task" for fault in plan.faults):
            scratch_of(root).mkdir(parents=True)
            hosts = started.enter_context(two_hosts(root / "hosts", {**env, "TMPDIR": str(scratch_of(root))}))
        curation = Curation(root, pool, plan.engine, env, undisturbed.points, hosts)
        _run_plan(plan, curation, undisturbed, figures)


def _run_plan(plan: Plan, curation: Curation, undisturbed: Undisturbed, figures: Figures) -> None:
    first = min(fault.step for fault in plan.faults)
    if plan.seed < DEFAULT:
        curation.last = max(fault.step for fault in plan.faults)
    curation.begin_at(first, undisturbed)
    was_slow = False
    for fault in plan.faults:
        if fault.step not in curation.left:
            figures.missed[fault.kind] += 1
            continue
        requests = len(curation.pool.server.requests)
        # The process that meets the last fault does the rest too, if it survives; but old files go between attempts.
        is_last = fault is plan.faults[-1] and fault.kind != "vacuum"
        curation.run([*(step for step in curation.left if is_last or step <= fault.step), *[VERIFY] * is_last], fault)
        came = curation.came() or fault.kind == "input corrupted"
        came |= fault.kind in BAD and len(curation.pool.server.requests) > requests
        (figures.faults if came else figures.missed)[fault.kind] += 1
        was_slow |= came and fault.kind == "slow task"
        if fault.kind == "vacuum":
            vacuum_now(curation.warehouse)
    if not curation.is_done(VERIFY):
        curation.finish()
    figures.attempts += curation.attempt
    figures.plans[plan.engine] += 1
    copies = copies_in(curation.events)
    figures.copies += copies
    assert copies or not was_slow, "a task was slow, and Spark started no copy of it"
    differing = curation.differences(undisturbed.after(curation.last))
    for one in differing:
        figures.differing += sum(one.only)
        if one.table in ("pairs", "curated_pairs"):
            figures.doubled += one.only[0]
            figures.lost += one.only[1]
    assert not differing, "\n".join(line for one in differing for line in (str(one), *one.examples))


def vacuum_now(warehouse: Path) -> None:
    """Remove all that the latest versions do not need, between two attempts, as another tool does."""
    logs = DeltaLogs(str(warehouse))
    for log in warehouse.glob("*/_delta_log"):
        if logs.open(log.parent.name) is not None:
            logs.vacuum(log.parent.name, 0)


def seeded(seed: int) -> random.Random:
    """Return the random numbers of an interleaving."""
    return random.Random(f"interleaving {seed}")
