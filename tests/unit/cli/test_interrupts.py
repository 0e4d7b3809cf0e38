"""Ctrl-C and SIGTERM end a program with one sentence and status 130, wherever it is. Real processes, without Spark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from metaclip_spark.cli import interrupts, main

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 10.0
"""Seconds that an interrupted program may need."""

AT_WORK = """
    import sys
    from types import ModuleType
    from metaclip_spark.cli import main

    def work():
{body}

    app = ModuleType("metaclip_spark.cli.app")
    app.main = lambda words: work()
    sys.modules["metaclip_spark.cli.app"] = app
    import metaclip_spark.cli
    metaclip_spark.cli.app = app
    sys.exit(main([]))
"""
"""A program whose command is `body`."""


class Program:
    """A process in a group of its own, whose first line on stdout says that it is at work."""

    def __init__(self, *words: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @classmethod
    def at_work(cls, body: str) -> Program:
        """Start a program whose command is `body`, and wait until it says that it is at work."""
        code = textwrap.indent(textwrap.dedent(body), " " * 8)
        program = cls("-c", textwrap.dedent(AT_WORK.format(body=code)))
        assert program.process.stdout.readline() == "at work\n"
        return program

    def ended(self, number: int = signal.SIGINT, group: bool = False, again: float | None = None) -> str:
        """Send a signal, and check how the program ends; return its stderr."""
        send = os.killpg if group else os.kill
        start = time.monotonic()
        send(self.process.pid, number)
        if again is not None:
            time.sleep(again)
            send(self.process.pid, number)
        try:
            _, err = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        assert time.monotonic() - start <= LIMIT
        assert self.process.returncode == 130, err
        assert "Traceback" not in err
        return err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("group", [False, True])
def test_a_command_ends_with_one_sentence(number, group):
    """Ctrl-C in a terminal goes to the whole group, kill to the process."""
    program = Program.at_work("print('at work', flush=True); import time; time.sleep(60)")
    assert program.ended(number, group) == f"{interrupts.SENTENCE}\n"


@pytest.mark.parametrize("after", [0.1, 0.3, 0.6, 1.0])
def test_the_start_of_the_program_is_covered(after):
    """Imports take a second. `benchmark` goes on for long, so it does not end before the signal."""
    start = (
        "import sys; from metaclip_spark.cli import main; print('at work', flush=True); "
        "sys.exit(main(['benchmark', '--no-spark', '--texts', '9000000']))"
    )
    program = Program("-c", start)
    assert program.process.stdout.readline() == "at work\n"
    time.sleep(after)
    assert program.ended().splitlines()[-1] == interrupts.SENTENCE


def test_what_libraries_write_while_they_are_stopped_is_dropped():
    """Log lines, errors of threads and finalizers, and text from C."""
    body = """
        import logging, os, time, threading
        class Loud:
            def __del__(self):
                raise ValueError("from a finalizer")
        def fail():
            time.sleep(0.3)
            raise ValueError("from a thread")
        try:
            print("at work", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            logging.exception("KeyboardInterrupt while sending command.")
            Loud()
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
            os.write(2, b"from C\\n")
            print("from Python", file=sys.stderr)
            raise
    """
    assert Program.at_work(body).ended() == f"{interrupts.SENTENCE}\n"


def test_what_a_thread_writes_while_the_program_ends_is_dropped():
    """As the server of Spark's accumulators does when its JVM has got the signal, too."""
    body = """
        import threading, time
        def write():
            time.sleep(0.6)
            print("Traceback", file=sys.stderr, flush=True)
        try:
            print("at work", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            threading.Thread(target=write).start()
            raise
    """
    assert Program.at_work(body).ended() == f"{interrupts.SENTENCE}\n"


@pytest.mark.slow
def test_a_program_that_goes_on_writes_again():
    """A script may run a command and have more to do; it is not ended then."""
    code = AT_WORK.replace(
        "sys.exit(main([]))",
        "status = main([])\n    time.sleep(6)\n    print('on', file=sys.stderr)\n    sys.exit(status)",
    )
    body = textwrap.indent("print('at work', flush=True)\ntime.sleep(60)", " " * 8)
    program = Program("-c", "import time\n" + textwrap.dedent(code.format(body=body)))
    assert program.process.stdout.readline() == "at work\n"
    assert program.ended() == f"{interrupts.SENTENCE}\non\n"


@pytest.mark.parametrize(
    "ending",
    [
        "raise RuntimeError('Answer from Java side is empty')",
        "return 1",
        "return 0",
        "raise SystemExit(3)",
    ],
)
def test_errors_that_an_interrupt_causes_are_not_shown(ending):
    """A JVM that got the signal, too, answers with errors. The status stays that of an interrupt."""
    body = f"""
        import time
        try:
            print("at work", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            {ending}
    """
    assert Program.at_work(body).ended() == f"{interrupts.SENTENCE}\n"


def test_an_interrupt_that_python_loses_is_raised_again():
    """An exception in a callback of a weak reference, or in a finalizer, only reaches a hook."""
    body = """
        import time
        class Slow:
            def __del__(self):
                print("at work", flush=True)
                time.sleep(60)
        Slow()
        time.sleep(60)
        return 0
    """
    program, start = Program.at_work(body), time.monotonic()
    assert program.ended() == f"{interrupts.SENTENCE}\n"
    assert time.monotonic() - start < interrupts.GRACE - 1


@pytest.mark.parametrize(
    "hang",
    [
        "while True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool:\n    pool.submit(time.sleep, 60)\n    time.sleep(60)",
        "import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()\ntime.sleep(60)",
        "import ctypes\nctypes.CDLL(None).sleep(60); ctypes.CDLL(None).sleep(60)",
    ],
    ids=["swallowed", "pool", "thread", "in C"],
)
def test_a_command_that_cannot_stop_is_ended(hang):
    """Its threads wait for the network, or it never comes back from C. The process ends all the same, in time."""
    program = Program.at_work("import time\nprint('at work', flush=True)\n" + hang)
    assert program.ended() == f"{interrupts.SENTENCE}\n"


def test_a_second_interrupt_ends_at_once():
    """Whatever is being cleaned up. The same signal to the process and its group is one."""
    body = """
        import time
        try:
            print("at work", flush=True)
            time.sleep(60)
        finally:
            time.sleep(60)
    """
    program, start = Program.at_work(body), time.monotonic()
    assert program.ended(again=0.8) == f"{interrupts.SENTENCE}\n"
    assert time.monotonic() - start < interrupts.GRACE - 1


def test_the_same_signal_to_the_process_and_its_group_is_one(tmp_path):
    """As `timeout` sends it: the command has its time to stop."""
    body = f"""
        import time
        from pathlib import Path
        try:
            print("at work", flush=True)
            time.sleep(60)
        finally:
            time.sleep(0.6)
            Path({str(tmp_path / "stopped")!r}).touch()
    """
    assert Program.at_work(body).ended(signal.SIGTERM, again=0.05) == f"{interrupts.SENTENCE}\n"
    assert (tmp_path / "stopped").exists()


@pytest.mark.parametrize("stubborn", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_processes_that_it_started_end_too(stubborn):
    """As the JVM does: politely, or after a while by force."""
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if stubborn else ""
    body = f"""
        import subprocess, time
        code = "import signal, time; {ignore} print(flush=True); time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
        child.stdout.readline()
        print("at work", flush=True)
        print(child.pid, flush=True)
        time.sleep(60)
    """
    program = Program.at_work(body)
    child = int(program.process.stdout.readline())
    program.ended()
    assert not interrupts._runs(child)


def test_debug_shows_what_is_written():
    """With --debug nothing is dropped, and the sentence is there once."""
    code = AT_WORK.replace("main([])", "main(['--debug'])")
    body = "import time, logging\ntry:\n    print('at work', flush=True)\n    time.sleep(60)\n"
    body += "except KeyboardInterrupt:\n    logging.error('noise')\n    raise"
    program = Program("-c", textwrap.dedent(code.format(body=textwrap.indent(body, " " * 8))))
    assert program.process.stdout.readline() == "at work\n"
    err = program.ended()
    assert "noise" in err
    assert err.splitlines()[-1] == interrupts.SENTENCE


def test_a_handler_of_the_caller_stays():
    """A scheduler that runs commands in its own process has its own way to stop them."""
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with interrupts.Interrupts() as active:
            os.kill(os.getpid(), signal.SIGTERM)
            deadline = time.monotonic() + 10
            while not seen and time.monotonic() < deadline:
                time.sleep(0.01)
            assert (seen, active.requested) == ([signal.SIGTERM], False)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_forked_child_is_its_own(number):
    """A pool of processes ends its workers with SIGTERM; the command goes on."""
    body = f"""
        import os, time
        print("at work", flush=True)
        child = os.fork()
        if not child:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                os._exit(7)
        time.sleep(0.2)
        os.kill(child, {int(number)})
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        time.sleep({interrupts.GRACE} + 1)
        raise SystemExit(5)
    """
    program = Program.at_work(body)
    out, err = program.process.communicate(timeout=60)
    assert (out, err) == ("7\n" if number == signal.SIGINT else "-15\n", "")
    assert program.process.returncode == 5


def test_a_shell_of_python_keeps_its_keyboard_interrupt(monkeypatch):
    """In a notebook, the verbs raise KeyboardInterrupt, and a command of the command line does not end the kernel."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with interrupts.Interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_are_restored_and_nothing_is_left(capsys):
    """A program that runs many commands loses no file descriptors, and no threads."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["--version"]) == 0
    deadline = time.monotonic() + 10
    opened = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert main(["--version"]) == 0
    while time.monotonic() < deadline and (
        len(os.listdir("/proc/self/fd")) > opened or any(t.name == "interrupts" for t in threading.enumerate())
    ):
        time.sleep(0.02)
    assert len(os.listdir("/proc/self/fd")) <= opened
    assert not [thread for thread in threading.enumerate() if thread.name == "interrupts"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_another_thread_may_run_a_command(capsys):
    """Only the main thread may set handlers."""
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(main(["--version"])))
    thread.start()
    thread.join()
    assert statuses == [0]
