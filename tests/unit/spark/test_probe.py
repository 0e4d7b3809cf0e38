"""What the Python workers lack is one sentence, found once per session by a function that needs only Python."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from metaclip_spark.errors import MetaclipError, WorkerError
from metaclip_spark.spark import probe
from metaclip_spark.spark.probe import NEEDED, check_workers, worker_problem, working

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def of_spark(text: str) -> Exception:
    """Return an error as a job of Spark raises it."""
    from pyspark.errors import PythonException

    return PythonException(text)


def script(path: Path, body: str) -> str:
    """Write an executable shell script that stands for the workers' Python."""
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


class Session:
    """A classic local session as far as the check looks at it, with the tags that were set and interrupted."""

    def __init__(self, python: str, version: str = "4.2.0", app: str = "") -> None:
        self.version = version
        self.sparkContext = SimpleNamespace(applicationId=app or uuid.uuid4().hex, master="local[2]", pythonExec=python)
        self.tags: list[str] = []
        self.interrupted = threading.Event()

    def addTag(self, tag: str) -> None:
        """Add a tag."""
        self.tags.append(tag)

    def removeTag(self, tag: str) -> None:
        """Remove a tag."""
        self.tags.remove(tag)

    def interruptTag(self, tag: str) -> None:
        """Note that the jobs of the tag were interrupted."""
        assert tag in self.tags
        self.interrupted.set()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'Traceback (most recent call last):\n  File "worker.py"\nModuleNotFoundError: No module named '
            "'metaclip_spark'\n\tat org.apache.spark.api.python.BasePythonRunner",
            "The workers' Python has no module metaclip_spark. Send it with --py-files dist/metaclip_spark.zip,",
        ),
        (
            "ModuleNotFoundError: No module named 'numba.core'\n\tat org.apache",
            "The workers' Python has no module numba. Send the package and its libraries with --archives,",
        ),
        (
            "ModuleNotFoundError: No module named 'ada_url'",
            "The workers' Python has no module ada_url. Send the package and its libraries with --archives,",
        ),
        (
            "ModuleNotFoundError: No module named 'stdnum.iban'",
            "The workers' Python has no module stdnum. The extra [pii] brings it: bash jobs/package.sh report,pii. ",
        ),
        (
            "ModuleNotFoundError: No module named 'my_filters'",
            "The workers' Python has no module my_filters. Modules of your own travel with --py-files my_filters.py.",
        ),
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9 than that in driver: 3.11, PySpark",
            "The workers run Python 3.9, and this process runs 3.11. Spark needs the same minor version on both:",
        ),
        (
            'java.io.IOException: Cannot run program "./environment/bin/python": error=2, No such file or directory',
            "The workers cannot start ./environment/bin/python: no node has it, or it cannot be run.",
        ),
    ],
)
def test_an_error_of_a_worker_is_one_sentence(text, sentence):
    """Nothing of the Java trace is left, and the advice follows."""
    problem = worker_problem(of_spark(text))
    assert problem.startswith(sentence)
    assert "\n" not in problem
    assert "org.apache" not in problem


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'numba'"),
        ValueError("ModuleNotFoundError: No module named 'numba'"),
        of_spark("ValueError: a row cannot be balanced"),
    ],
)
def test_other_errors_are_no_problem_of_workers(error):
    """An import that fails in this process, and errors of the work itself, stay as they are."""
    assert worker_problem(error) is None


def test_a_job_that_fails_for_a_module_raises_the_sentence_alone():
    """No cause is chained: a notebook would show it whole. Other errors pass."""
    with pytest.raises(WorkerError, match="has no module pyarrow") as raised, working(Session("python")):
        raise of_spark("ModuleNotFoundError: No module named 'pyarrow'")
    assert raised.value.__suppress_context__
    session = Session("python")
    with pytest.raises(ZeroDivisionError), working(session):
        raise ZeroDivisionError
    assert (session.tags, session.interrupted.is_set()) == ([], False)


def test_an_interrupt_cancels_the_jobs_while_the_result_is_collected():
    """SIGINT cancels at once: a `finally` of pyspark, which waits for the jobs, comes after it."""
    session = Session("python")
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    def collect() -> None:
        with working(session):
            try:
                time.sleep(30)
            finally:
                assert session.interrupted.wait(10)

    with pytest.raises(KeyboardInterrupt):
        collect()
    assert session.tags == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_this_interpreter_has_all_and_is_asked_once(tmp_path):
    """The second check of a session starts nothing; another session is checked again."""
    python = script(tmp_path / "python", f'echo asked >>"{tmp_path}/asked"\nexec {sys.executable} "$@"')
    check_workers(Session(python, app="one"))
    check_workers(Session(python, app="one"))
    assert (tmp_path / "asked").read_text().split() == ["asked"]
    check_workers(Session(python, app="two"))
    assert (tmp_path / "asked").read_text().split() == ["asked"] * 2


def test_an_interpreter_without_the_libraries(tmp_path, monkeypatch):
    """A notebook's kernel runs in a virtual environment, and its workers the python3 on PATH. Mended, it passes."""
    monkeypatch.chdir(tmp_path)  # a worker finds modules in its working directory
    python = tmp_path / "python"
    script(python, f'exec {sys.executable} -S -E "$@"')
    session = Session(str(python))
    with pytest.raises(WorkerError) as raised:
        check_workers(session)
    text = str(raised.value)
    assert text.startswith(f"The workers' Python ({sys.executable}) has no module {', '.join(NEEDED)}.")
    script(python, f'exec {sys.executable} "$@"')
    check_workers(session)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "echo '[\"/opt/python\", [3, 7], []]'",
            f"The workers run Python 3.7 (/opt/python), and this process runs {HERE}.",
        ),
        (
            f'echo \'["/opt/python", [{HERE.replace(".", ", ")}], ["numba"]]\'',
            "The workers' Python (/opt/python) has no module numba.",
        ),
        ("exit 1", "The workers cannot start their Python, "),
    ],
)
def test_an_interpreter_that_differs(tmp_path, body, sentence):
    """The sentence names the interpreter and the setting that chooses it."""
    with pytest.raises(WorkerError) as raised:
        check_workers(Session(script(tmp_path / "python", body)))
    assert str(raised.value).startswith(sentence)
    assert "os.environ['PYSPARK_PYTHON'] = sys.executable" in str(raised.value)


def test_an_interpreter_that_is_missing():
    """The sentence names its path."""
    with pytest.raises(WorkerError, match=r"cannot start their Python, /nowhere/python\. Before the session starts"):
        check_workers(Session("/nowhere/python"))


def test_an_old_server_is_refused():
    """The client may be new enough, and the server of a session not."""
    with pytest.raises(
        MetaclipError, match=r"^Spark 4\.0 or newer is needed, and the Spark of this session is 3\.5\.1"
    ):
        check_workers(Session(sys.executable, version="3.5.1"))


def test_the_question_needs_nothing_of_this_package(tmp_path):
    """A worker without the package, numpy or pyarrow unpickles the function, and answers what is missing."""
    import py4j
    import pyspark
    from pyspark import cloudpickle

    for module in (py4j, pyspark):
        folder = Path(module.__file__).parent
        (tmp_path / folder.name).symlink_to(folder)
    (tmp_path / "question").write_bytes(cloudpickle.dumps(probe._question(NEEDED)))
    code = "import pickle, sys; sys.path.append('.'); print(pickle.load(open('question', 'rb'))(0))"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [sys.executable, list(sys.version_info[:2]), list(NEEDED)]


def test_the_answer_of_a_cluster(monkeypatch):
    """The sentence names the Python of the nodes, and what to send."""
    lacking = probe._problem_of_answer("/usr/bin/python3", sys.version_info[:2], ["metaclip_spark"], None)
    assert lacking.startswith(
        "The workers' Python (/usr/bin/python3) has no module metaclip_spark. Send it with --py-files"
    )
    assert "addArtifacts" in lacking
    assert "library of the cluster" in lacking
    other = probe._problem_of_answer("/usr/bin/python3", (3, 8), [], None)
    assert other.endswith("set PYSPARK_PYTHON to such a Python of the nodes.")
    assert probe._problem_of_answer("/usr/bin/python3", sys.version_info[:2], [], None) is None
