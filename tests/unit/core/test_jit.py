"""Kernels work without a cache on disk, and read buffers without a copy."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numba
import numpy as np
import pytest

from metaclip_spark.core import jit
from metaclip_spark.core.machine import open_to_others


def test_a_kernel_is_compiled_without_a_folder_for_the_cache(monkeypatch):
    """numba refuses to cache where no folder is writable; this only costs time."""
    njit = numba.njit

    def refuse(*args, **options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr(numba, "njit", refuse)

    @jit.kernel
    def doubled(value):
        return 2 * value

    with pytest.warns(UserWarning, match=r"^doubled is recompiled in every process: cannot cache function"):
        assert doubled(21) == 42


def test_numba_is_imported_when_a_kernel_is_called_first():
    """A command that computes nothing does not wait for numba; the kernels that a kernel calls come with it."""
    script = (
        "import sys, numpy as np; from metaclip_spark.core.jit import copy_bytes; print('numba' in sys.modules)\n"
        "print(copy_bytes(np.ones(24, 'u1'), np.zeros(24, 'u1'), 0), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["False", "24", "True"]), done.stderr


def test_a_kernel_travels_to_another_process_by_its_name():
    """A closure that names a kernel is pickled for the workers, where the kernel is compiled again."""
    from metaclip_spark.core.hashing.sha2 import sha224_of_urls

    assert pickle.loads(pickle.dumps(sha224_of_urls)).__name__ == "sha224_of_urls"


def test_kernels_in_a_zip_work_where_no_home_can_be_written(tmp_path):
    """A zip of --py-files, on a node where the user has no home folder: one warning, and the right answer."""
    source = "from metaclip_spark.core.jit import kernel\n@kernel\ndef doubled(value):\n    return 2 * value\n"
    with zipfile.ZipFile(tmp_path / "modules.zip", "w") as out:
        out.write(jit.__file__, "metaclip_spark/core/jit.py")
        out.writestr("metaclip_spark/__init__.py", "")
        out.writestr("doubling.py", source)
    (tmp_path / "file").touch()
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "modules.zip"), "HOME": "/", "XDG_CACHE_HOME": f"{tmp_path}/file"}
    script = "import doubling, metaclip_spark as m; print(doubling.doubled(21), '.zip' in m.__file__)"
    done = subprocess.run([sys.executable, "-c", script], env=env, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "42 True\n"), done.stderr
    assert done.stderr.count("functions are recompiled in every process: ") == 1


def test_a_changed_kernel_is_not_taken_from_the_cache_of_its_caller(tmp_path):
    """A kernel contains the kernels of other files that it calls: after a change there its cached code is obsolete."""
    package = tmp_path / "metaclip_spark"
    (package / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py"):
        (package / name).touch()
    source = Path(jit.__file__).parents[1]
    for name in ("core/jit.py", "core/machine.py", "errors.py"):  # jit and what it imports
        (package / name).write_bytes((source / name).read_bytes())
    header = "from metaclip_spark.core.jit import kernel\n"
    (package / "caller.py").write_text(
        f"{header}from metaclip_spark.inner import inner\n@kernel\ndef outer(value):\n    return inner(value) + 1\n"
    )
    script = "from metaclip_spark.caller import outer; print(outer(20), sum(outer.stats.cache_hits.values()))"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = []
    for factor in (2, 2, 3):
        inner = f"{header}@kernel\ndef inner(value):\n    return {factor} * value\n"
        if not (package / "inner.py").exists() or (package / "inner.py").read_text() != inner:
            (package / "inner.py").write_text(inner)
        done = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert found == [["41", "0"], ["41", "1"], ["61", "0"]]


@pytest.mark.parametrize("make", [bytes, bytearray, lambda raw: memoryview(bytearray(raw))])
def test_bytes_of_any_buffer_are_one_type(make):
    """The array shares the buffer's memory, and is read-only."""
    buffer = make(b"abc")
    found = jit.bytes_of(buffer)
    assert found.tobytes() == b"abc"
    assert not found.flags.writeable
    assert np.shares_memory(found, np.frombuffer(buffer, np.uint8))
    assert jit.bytes_of(make(b"")).shape == (0,)


def test_kernels_are_cached_in_a_private_folder_where_no_other_is_writable(tmp_path):
    """On a node with a read-only package and home, a second process takes the code that the first one compiled."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "kernels.py").write_text(
        "from metaclip_spark.core.jit import kernel\n\n@kernel\ndef doubled(value):\n    return value * 2\n"
    )
    script = (
        "import numba.core.caching as caching\n"
        "for name in dir(caching):\n"
        "    if 'InTree' in name or 'UserWide' in name:\n"
        "        getattr(caching, name).ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError('read-only'))\n"
        "from kernels import doubled\n"
        "print(doubled(21), sum(doubled.stats.cache_hits.values()))\n"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(package), *sys.path])}
    env.pop("NUMBA_CACHE_DIR", None)
    said = [
        subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said == ["42 0\n", "42 1\n"]
    (folder,) = tmp_path.glob("metaclip-kernels-*")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_for_code_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    """Code is loaded from it, and its name can be foreseen: another user could put code there, or a link."""
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = jit.private_folder()
    assert folder is not None
    assert jit.private_folder() == folder
    os.chmod(folder, 0o770)
    assert jit.private_folder() is None
    os.rmdir(folder)
    os.symlink(tmp_path, folder)
    assert jit.private_folder() is None


class _Planted:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


_DOUBLED = "from metaclip_spark.core.jit import kernel\n\n@kernel\ndef doubled(value):\n    return value * 2\n"


def _other_group(folder: Path) -> None:
    try:
        os.chown(folder, -1, os.getgid() + 1)
    except PermissionError:
        pytest.skip("only root can give a folder to a group that is not the user's own")
    os.chmod(folder, 0o775)


def _other_user(folder: Path) -> None:
    try:
        os.chown(folder, os.getuid() + 1, -1)
    except PermissionError:
        pytest.skip("only root can give a folder to another user")


OPEN = {
    "all users": lambda folder: os.chmod(folder, 0o777),
    "a group": _other_group,
    "another user's": _other_user,
    "a file": lambda folder: [os.chmod(file, 0o666) for file in folder.iterdir()],
    "a link": lambda folder: _behind_a_link(folder),
}
"""Kind of a folder that others can write -> how to make one of a private folder."""


def _behind_a_link(folder: Path) -> None:
    moved = folder.with_name("moved")
    folder.rename(moved)
    moved.chmod(0o777)
    folder.symlink_to(moved)


@pytest.fixture
def place_of_all():
    """Yield a folder that all users can enter: nobody enters pytest's own, so that all below it is private."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    ("place", "kind"), [*(("__pycache__", kind) for kind in OPEN), ("NUMBA_CACHE_DIR", "all users")]
)
def test_no_pickle_is_loaded_from_a_folder_that_others_can_write(place_of_all, place, kind):
    """A pickle that is planted in numba's cache is not loaded: a warning names the folder, and another one is used.

    While the folder is private, the same pickle is loaded: the test would see it.
    """
    package = place_of_all / "package"
    package.mkdir()
    (package / "kernels.py").write_text(_DOUBLED)
    env = {**os.environ, "TMPDIR": str(place_of_all), "PYTHONPATH": os.pathsep.join([str(package), *sys.path])}
    env.pop("NUMBA_CACHE_DIR", None)
    if place == "NUMBA_CACHE_DIR":
        env[place] = str(place_of_all / "kernels")

    def run() -> subprocess.CompletedProcess:
        script = "from kernels import doubled; print(doubled(21))"
        return subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)

    assert run().stdout == "42\n"
    (index,) = place_of_all.rglob("*.nbi")
    for file in (index, *index.parent.glob("*.nbc")):
        file.write_bytes(pickle.dumps(_Planted(place_of_all / "loaded")))
    run()
    assert (place_of_all / "loaded").exists()
    (place_of_all / "loaded").unlink()
    OPEN[kind](index.parent)
    done = run()
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert not (place_of_all / "loaded").exists()
    assert f"{index.parent} is not used as a cache of compiled functions: " in done.stderr
    assert list(place_of_all.glob("metaclip-kernels-*/*/*.nbi"))


def test_what_others_can_enter_and_not_write_is_private(place_of_all):
    """Folders above count: a sticky one may be open, as /tmp is; below a folder that lets nobody in, all is private."""
    above, folder = place_of_all / "above", place_of_all / "above" / "kernels"
    folder.mkdir(parents=True)
    found = {}
    for mode in (0o755, 0o777, 0o1777, 0o700):
        above.chmod(mode)
        found[mode] = open_to_others(folder)
    assert found == {0o755: None, 0o777: f"{above} can be written by all users", 0o1777: None, 0o700: None}
    folder.chmod(0o777)
    assert open_to_others(folder) is None  # nobody enters the folder above
    above.chmod(0o755)
    assert open_to_others(folder) == f"{folder} can be written by all users"
    assert open_to_others(folder / "none" / "yet") == f"{folder} can be written by all users"


def test_a_read_only_cache_of_an_image_is_copied_to_the_private_folder(tmp_path):
    """numba takes no cache from a folder that it cannot write. Its code is taken from a copy, and not compiled."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "kernels.py").write_text(_DOUBLED)
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(package), *sys.path])}
    env["NUMBA_CACHE_DIR"] = str(tmp_path / "kernels")
    read_only = (
        "import numba.core.caching as caching, os\n"
        "ensure = caching.UserProvidedCacheLocator.ensure_cache_path\n"
        "def refuse(self):\n"
        "    if 'metaclip-kernels-' not in self.get_cache_path(): raise OSError('read-only')\n"
        "    ensure(self)\n"
        "for name in ('InTree', 'UserWide', 'UserProvided'):\n"
        "    getattr(caching, name + 'CacheLocator').ensure_cache_path = refuse\n"
    )
    script = "from kernels import doubled; print(doubled(21), sum(doubled.stats.cache_hits.values()))"
    said = [
        subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=True).stdout
        for text in (script, read_only + script)
    ]
    assert said == ["42 0\n", "42 1\n"]
    assert list(tmp_path.glob("metaclip-kernels-*/*/*.nbi"))


def test_processes_that_start_together_compile_a_kernel_once(tmp_path):
    """The second one waits for the first, and takes its code."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "kernels.py").write_text(
        "from metaclip_spark.core.jit import kernel\n\n"
        "@kernel\ndef inner(value):\n    return value * 2\n\n"
        "@kernel\ndef outer(value):\n    return inner(value) + 1\n"
    )
    script = (
        "import os, sys, numba\nfrom kernels import outer\n"
        "outer.made()\nsys.stdin.read()\nprint(outer(20), sum(outer.stats.cache_misses.values()))\n"
    )
    path = os.pathsep.join([str(package), *sys.path])
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": path}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:  # all are ready; now they compile at the same time
        process.stdin.close()
    said = sorted(process.stdout.read() for process in processes)
    for process in processes:
        process.stdout.close()
        assert process.wait() == 0
    assert said == ["41 0\n", "41 0\n", "41 1\n"]


def test_a_kernel_that_others_call_is_called_from_python_too():
    """Its own code has what such a call needs, and the caller's does not change it."""
    buffer = np.zeros(4, np.uint8)
    assert jit.copy_bytes(np.frombuffer(b"ab", np.uint8), buffer, 1) == 3
    assert buffer.tobytes() == b"\0ab\0"


def test_a_part_is_compiled_when_it_is_marked(tmp_path, monkeypatch):
    """A mark counts for these sources and this processor."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    jit._mark_of.cache_clear()
    assert not jit.is_compiled("wat")
    jit.mark_compiled("wat")
    assert (jit.is_compiled("wat"), jit.is_compiled("warc")) == (True, False)
    monkeypatch.setattr(jit, "kind_of_processor", lambda: "another")
    jit._mark_of.cache_clear()
    assert not jit.is_compiled("wat")
    jit._mark_of.cache_clear()
