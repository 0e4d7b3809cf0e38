"""The output of the JVM is kept only if Spark fails, in a private file with a name that nobody can foresee."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark import java
from metaclip_spark.spark.java import archive_path, archive_place, java_options, started_quietly


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Return a temporary folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def at_exit(monkeypatch):
    """Return the calls that would be made when the process ends."""
    calls = []
    monkeypatch.setattr(java.atexit, "register", lambda *call: calls.append(call))
    return calls


def session(status: int):
    """Return a session whose JVM writes three lines and ends with this status."""
    jvm = subprocess.Popen(["sh", "-c", f"echo one; echo two >&2; echo three; exit {status}"])
    jvm.wait()
    return SimpleNamespace(sparkContext=SimpleNamespace(_gateway=SimpleNamespace(proc=jvm)))


@pytest.mark.parametrize("status", [0, 143])
def test_a_good_start_leaves_no_file(temporary, at_exit, capfd, status):
    """Nothing is printed, and nothing is in the temporary folder: during the session, and after its end."""
    started_quietly(lambda: session(status))
    assert os.listdir(temporary) == []
    ((call, *arguments),) = at_exit
    call(*arguments)
    assert os.listdir(temporary) == []
    assert capfd.readouterr() == ("", "")


def test_a_failed_start_keeps_the_output_and_says_where(temporary):
    """The error has the last lines; the file can be read by its owner alone."""

    def start():
        session(1)
        raise RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited\nmore lines")

    with pytest.raises(MetaclipError) as raised:
        started_quietly(start)
    text = str(raised.value)
    assert text.startswith("Spark did not start: [JAVA_GATEWAY_EXITED] Java gateway process exited\none\ntwo\nthree\n")
    (name,) = os.listdir(temporary)
    assert f"is kept in {temporary / name}." in text
    assert (temporary / name).read_text() == "one\ntwo\nthree\n"
    assert stat.S_IMODE((temporary / name).stat().st_mode) == 0o600
    assert re.fullmatch(r"metaclip-spark-\w{8}\.log", name)
    assert str(os.getpid()) not in name


def test_the_output_of_a_jvm_that_died_is_kept(temporary, at_exit, capfd):
    """A JVM that ends before the process has a reason, which its output may name."""
    started_quietly(lambda: session(134))
    ((call, *arguments),) = at_exit
    call(*arguments)
    (name,) = os.listdir(temporary)
    assert capfd.readouterr().err == (
        f"metaclip-spark: Java ended with status 134; its output is kept in {temporary / name}\n"
    )


def test_a_start_without_a_console(temporary, at_exit, monkeypatch):
    """A notebook's stdout has no file descriptor, and a program without a console has no stdout."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace())
    assert started_quietly(lambda: session(0)).sparkContext
    ((call, *arguments),) = at_exit
    call(*arguments)


def test_options_of_small_work_and_of_an_archive():
    """Large work gets no option that costs it time."""
    assert java_options(False, None) == ""
    assert java_options(False, "/a.jsa") == "-XX:SharedArchiveFile=/a.jsa"
    assert java_options(True, None) == "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    assert java_options(True, "/a.jsa").split()[0] == "-XX:SharedArchiveFile=/a.jsa"


def test_an_archive_belongs_to_one_java_and_one_class_path(tmp_path, monkeypatch):
    """Another Java, other JARs, or no archive give none."""
    monkeypatch.setenv("METACLIP_IVY", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert archive_place("/a.jar") is None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    place = archive_place("/a.jar")
    assert (archive_path("/a.jar"), archive_path(None)) == (None, None)
    place.parent.mkdir()
    place.touch()
    assert archive_path("/a.jar") == str(place)
    assert archive_path("/b.jar") is None
    os.utime(tmp_path / "bin" / "java", (1, 1))
    assert archive_path("/a.jar") is None
