"""Check once per session that the Python workers can run this package, and put what they lack into one sentence.

Without the check, a job fails with pages of Java, perhaps hours later: the verbs return DataFrames that the user
computes. A session of this machine is checked by starting the workers' interpreter, other sessions by a job of one
task. The function of that job needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from metaclip_spark.core.extras import extra_of
from metaclip_spark.errors import WorkerError
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.spark.versions import check_version, is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NEEDED = ("metaclip_spark", "numba", "numpy", "pandas", "pyarrow")
"""The modules that every worker needs."""

_CHECKED: set[str] = set()
"""Sessions whose workers have all of them. A failed check is made again: the user may have sent the package."""

_ASK_INTERPRETER = (
    "import importlib.util as u, json, sys; "
    "print(json.dumps([sys.executable, list(sys.version_info[:2]), [n for n in sys.argv[1:] if not u.find_spec(n)]]))"
)
_SEND = (
    "Send the package and its libraries with --archives, or set PYSPARK_PYTHON to a Python of the nodes that has them "
    "(bash jobs/package.sh builds the files; see docs/CLUSTER.md); on Databricks, install the wheel as a library of "
    "the cluster."
)
_SEND_MODULES = (
    "Send it with --py-files dist/metaclip_spark.zip, in a running session with addPyFile or, over Spark Connect, "
    "addArtifacts(..., pyfile=True) (bash jobs/package.sh builds the file); on Databricks, install the wheel as a "
    "library of the cluster."
)
_SAME_PYTHON = "Spark needs the same minor version on both: set PYSPARK_PYTHON to such a Python of the nodes."
_IN_NOTEBOOK = (
    "Before the session starts, set os.environ['PYSPARK_PYTHON'] = sys.executable; a session that runs needs a restart "
    "of the kernel."
)


def check_workers(spark: SparkSession) -> None:
    """Check, once per session, that the workers have this package, its libraries, and this version of Python.

    Raises:
        WorkerError: they lack something. One sentence says what, and what to do.
        MetaclipError: the session's Spark is too old.
    """
    if is_embedded(spark):
        return
    session: Any = spark  # pyspark's types know no session_id
    key = session.session_id if is_connect(spark) else spark.sparkContext.applicationId
    if key in _CHECKED:
        return
    check_version(spark.version, "the Spark of this session", "Use a newer cluster, or a newer server.")
    python = _local_python(spark)
    problem = _problem_of_cluster(spark) if python is None else _problem_of_interpreter(python)
    if problem is not None:
        raise WorkerError(problem)
    _CHECKED.add(key)


@contextlib.contextmanager
def working(spark: SparkSession) -> Iterator[None]:
    """Run the body's jobs: say in one sentence what workers lack, and cancel the jobs at an interrupt.

    A notebook's kernel interrupts the cell alone; its jobs would run on.

    Raises:
        WorkerError: a job failed because a worker lacks a module, or has another Python.
    """
    if is_embedded(spark):
        yield
        return
    tag = f"metaclip-{uuid.uuid4().hex}"

    def stop() -> None:
        with contextlib.suppress(Exception):
            spark.interruptTag(tag)

    spark.addTag(tag)
    try:
        with _at_interrupt(stop):
            yield
    except KeyboardInterrupt:
        stop()
        raise
    except Exception as error:
        problem = worker_problem(error)
        if problem is None:
            raise
        raise WorkerError(problem) from None
    finally:
        with contextlib.suppress(Exception):
            spark.removeTag(tag)


@contextlib.contextmanager
def _at_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call a function at SIGINT, where nothing else handles it: pyspark collects a result to its end all the same."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=stop, daemon=True).start()  # this thread may be in the middle of a call to the JVM
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def worker_problem(error: BaseException) -> str | None:
    """Return what workers lack, by the error of a job, with the advice; None for any other error.

    >>> worker_problem(ValueError("no such column"))
    """
    text = str(error)
    if not type(error).__module__.startswith(("pyspark.", "py4j.")) or isinstance(error, ImportError):
        return None
    versions = re.search(r"worker has different version: (\d+\.\d+) than that in driver: (\d+\.\d+)", text)
    if versions:
        return f"The workers run Python {versions[1]}, and this process runs {versions[2]}. {_SAME_PYTHON}"
    module = re.search(r"(?:ModuleNotFoundError|ImportError): No module named '([\w.]+)'", text)
    if module:
        return _lacking([module[1].partition(".")[0]], None)
    program = re.search(r'Cannot run program "([^"]+)"', text)
    if program:
        return f"The workers cannot start {program[1]}: no node has it, or it cannot be run. {_SEND}"
    return None


def _lacking(modules: list[str], python: str | None) -> str:
    """Say which modules the workers lack, and how to send them."""
    where = f" ({python})" if python else ""
    advice = _SEND_MODULES if modules == ["metaclip_spark"] else _SEND
    if not set(modules) <= set(NEEDED):
        extra = extra_of(modules[0])
        if extra:
            advice = f"The extra [{extra}] brings it: bash jobs/package.sh report,{extra}. {_SEND}"
        elif extra is None:
            advice = f"Modules of your own travel with --py-files my_filters.py. {_SEND}"
    return f"The workers' Python{where} has no module {', '.join(modules)}. {advice}"


def _local_python(spark: SparkSession) -> str | None:
    """Return the interpreter of the workers where they run on this machine, in the driver's JVM; else None."""
    if is_connect(spark):
        return None
    context: Any = spark.sparkContext
    is_local = context.master == "local" or context.master.startswith("local[")
    return str(context.pythonExec) if is_local else None


def _problem_of_interpreter(python: str) -> str | None:
    try:
        done = subprocess.run(
            [python, "-c", _ASK_INTERPRETER, *NEEDED], capture_output=True, text=True, check=True, timeout=60
        )
        where, version, missing = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return f"The workers cannot start their Python, {shutil.which(python) or python}. {_IN_NOTEBOOK}"
    return _problem_of_answer(where, tuple(version), missing, _advice_here(where))


def _advice_here(where: str) -> str:
    """Say what to do on this machine."""
    if os.path.abspath(where) != os.path.abspath(sys.executable):
        return _IN_NOTEBOOK
    return (
        "A folder that was added to sys.path is not known to the workers: install the package (pip install), or put "
        "the folder into PYTHONPATH before the session starts."
    )


def _problem_of_cluster(spark: SparkSession) -> str | None:
    from pyspark.sql import functions as F

    try:
        ask = F.udf(_question(NEEDED), "string", useArrow=False)
        answer = spark.range(0, 1, 1, 1).select(ask("id")).collect()[0][0]
    except Exception as error:
        problem = worker_problem(error)
        if problem is None:
            raise
        return problem
    where, version, missing = json.loads(answer)
    return _problem_of_answer(where, tuple(version), missing, None)


def _question(needed: tuple[str, ...]) -> Callable[[int], str]:
    """Return a function that is sent to workers whole, because it is defined in another one."""

    def ask(_: int) -> str:
        import importlib.util
        import json
        import sys

        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        return json.dumps([sys.executable, list(sys.version_info[:2]), missing])

    return ask


def _problem_of_answer(where: str, version: tuple[int, ...], missing: list[str], advice: str | None) -> str | None:
    if version != sys.version_info[:2]:
        here = ".".join(map(str, sys.version_info[:2]))
        theirs = ".".join(map(str, version))
        return f"The workers run Python {theirs} ({where}), and this process runs {here}. {advice or _SAME_PYTHON}"
    if not missing:
        return None
    if advice is None:
        return _lacking(missing, where)
    return f"The workers' Python ({where}) has no module {', '.join(missing)}. {advice}"
