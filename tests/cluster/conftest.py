"""Fixtures: the packaged project, and a standalone cluster on this machine, by the commands of docs/CLUSTER.md."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyspark
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "spark")]  # documented and processes, also under importlib mode

from documented import ROOT, blocks  # noqa: E402
from processes import below  # noqa: E402

CLUSTERS_OWN = {
    "spark.ui.enabled": "false",
    "spark.worker.timeout": "600",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
"""The cluster's spark-defaults.conf, which makes a small pool cheap. The documented commands do not name it."""
PRETENDED = {"SPARK_WORKER_CORES": "4", "SPARK_WORKER_MEMORY": "7g"}
"""The cores and memory that the documented settings request. A worker does not check whether its machine has them."""


@dataclass
class Desk:
    """The folder and the environment in which the commands are typed.

    The environment has nothing of the tests' own interpreter: no PYTHONPATH, and no virtual environment on PATH.
    """

    folder: Path
    env: dict[str, str]
    port: int
    started: list[subprocess.Popen] = field(default_factory=list)

    def words(self, block: str) -> str:
        """Return a block with this machine's addresses, folders and Delta version instead of the page's."""
        from metaclip_spark.spark.session import delta_package

        block = re.sub(r"io\.delta:delta-spark\S+", delta_package(), block)
        here = {"MASTER": "127.0.0.1", "7077": str(self.port), "/shared": str(self.folder)}
        return re.sub("|".join(here), lambda found: here[found.group()], block)

    def type(self, block: str, wait: bool = True) -> subprocess.CompletedProcess | None:
        """Run a block of the page. Without `wait`, its processes run until the tests end."""
        if wait:
            with open(self.folder / "stderr", "w+b") as log:
                done = subprocess.run(
                    ["bash", "-euc", self.words(block)],
                    cwd=self.folder,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    timeout=900,
                    check=False,
                )
            return subprocess.CompletedProcess(
                done.args, done.returncode, done.stdout.decode(), (self.folder / "stderr").read_text(errors="replace")
            )
        with open(self.folder / f"started-{len(self.started)}", "wb") as log:
            script = self.words(block) + "wait\n"
            self.started.append(
                subprocess.Popen(
                    ["bash", "-euc", script],
                    cwd=self.folder,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return None

    def close(self) -> None:
        """End the started processes, the last one first."""
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def desk(tmp_path_factory) -> Iterator[Desk]:
    """Yield a folder with the repository's jobs, conf and metadata; the package is built into its dist/."""
    from metaclip_spark.spark.session import ivy_folder

    folder = tmp_path_factory.mktemp("desk")
    for name in ("jobs", "conf", "metadata"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "spark-conf").mkdir()
    own = {**CLUSTERS_OWN, "spark.jars.ivy": ivy_folder()}
    (folder / "spark-conf" / "spark-defaults.conf").write_text("".join(f"{k} {v}\n" for k, v in own.items()))
    kept = ("HOME", "JAVA_HOME", "LANG", "TMPDIR", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    env = {name: value for name, value in os.environ.items() if name in kept or name.startswith("PIP_")}
    env |= {
        "PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"]),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(folder / "spark-conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "PYTHON": sys.executable,
        "METACLIP_DIST": str(folder / "dist"),
        **PRETENDED,
    }
    made = Desk(folder, env, _free_port())
    yield made
    made.close()


@pytest.fixture(scope="session")
def packaged(desk) -> Path:
    """Build dist/ by the page's first command, and return it."""
    (block,) = blocks("CLUSTER.md", "")
    done = desk.type(block)
    assert done.returncode == 0, done.stderr
    return desk.folder / "dist"


@pytest.fixture(scope="session")
def cluster(desk) -> Desk:
    """Start a master and two workers by the page's commands."""
    master, worker, _ = blocks("CLUSTER.md", "Standalone")
    desk.type(master, wait=False)
    _until(lambda: _answers(desk.port), "the master does not listen", desk)
    desk.type(worker, wait=False)
    desk.type(worker, wait=False)
    log = desk.folder / "started-0"
    _until(lambda: log.read_text().count("Registering worker") == 2, "two workers did not register", desk)
    return desk


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(condition: Callable[[], bool], complaint: str, desk: Desk, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in desk.folder.glob("started-*"))
        assert time.monotonic() < deadline, f"{complaint}\n{logs}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def workers_python(desk) -> Callable[[], dict[int, str]]:
    """Return a function that lists the cluster's Python workers: process id -> working directory."""

    def now() -> dict[int, str]:
        found = {}
        for started in desk.started:
            for pid in below(started.pid, "pyspark.daemon"):
                with contextlib.suppress(OSError):
                    found[pid] = os.readlink(f"/proc/{pid}/cwd")
        return found

    return now
