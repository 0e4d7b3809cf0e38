"""A cluster of two hosts on this machine.

Spark starts no copy of a slow task on the host of an earlier attempt. The executors of `local-cluster` have one host,
so none of their tasks is ever copied.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sessions import free_port
from started import AS_ANY_USER

HOSTS = ("127.0.0.2", "127.0.0.3")
PATIENCE = 180.0
"""Seconds until a worker must have joined."""


@dataclass(frozen=True)
class Hosts:
    """A standalone cluster.

    Attributes:
        master: its url.
        workers: the processes below which its executors run.
    """

    master: str
    workers: tuple[int, ...]


@contextlib.contextmanager
def two_hosts(root: Path, env: dict[str, str]) -> Iterator[Hosts]:
    """Run a master, and on each host a worker of one core, while the body runs."""
    root.mkdir(parents=True)
    here, port = "127.0.0.1", free_port()
    master = f"spark://{here}:{port}"
    with contextlib.ExitStack() as started:
        first = started.enter_context(_daemon("master.Master", here, root, env, "--port", str(port)))
        _wait_for("I have been elected leader", first, root / here)
        workers = {}
        for host in HOSTS:
            words = ["--cores", "1", "--memory", "1g", "--work-dir", str(root / f"work-{host}"), master]
            workers[host] = started.enter_context(_daemon("worker.Worker", host, root, env, *words))
        for host, worker in workers.items():
            _wait_for("Successfully registered with master", worker, root / host)
        yield Hosts(master, tuple(worker.pid for worker in workers.values()))


@contextlib.contextmanager
def _daemon(name: str, host: str, root: Path, env: dict[str, str], *words: str) -> Iterator[subprocess.Popen]:
    """Run a daemon of Spark, which writes to a file that is named for its host, while the body runs."""
    before = AS_ANY_USER if os.geteuid() == 0 else []
    command = [*before, f"{env['SPARK_HOME']}/bin/spark-class", f"org.apache.spark.deploy.{name}"]
    own = {"SPARK_LOCAL_IP": host, "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false"}
    with open(root / host, "wb") as out:
        process = subprocess.Popen(
            [*command, "--host", host, "--webui-port", "0", *words],
            env={**env, **own},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(text: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in (said := log.read_text(errors="replace")):
        assert process.poll() is None, f"it has ended:\n{said[-3000:]}"
        assert time.monotonic() < deadline, f"it does not start:\n{said[-3000:]}"
        time.sleep(0.1)
