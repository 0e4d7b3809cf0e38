"""The loaders with the real torch, torchdata and webdataset, in an environment of their own; and without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import metaclip_spark.training
from metaclip_spark.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
HERE = ROOT / "tests" / "trainers"


def test_without_torch_the_dataset_says_what_to_install(monkeypatch):
    """The other loaders need no torch; a name that is none is an AttributeError."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "metaclip_spark.training.dataset", raising=False)
    with pytest.raises(ConfigError, match=r"PairDataset needs torch \(.*\); install it: .* install .*torch"):
        _ = metaclip_spark.training.PairDataset
    with pytest.raises(AttributeError, match="module 'metaclip_spark.training' has no attribute 'Dataset'"):
        _ = metaclip_spark.training.Dataset


@pytest.fixture(scope="module")
def torch_python() -> Path:
    """Return the interpreter of .venv-torch; create the environment, of 5 GB, if it is missing or outdated."""
    venv, wanted = ROOT / ".venv-torch", (HERE / "requirements.txt").read_text(encoding="utf-8")
    python, stamp = venv / "bin" / "python", venv / "requirements.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        subprocess.run([base, "-m", "venv", venv], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"]
        done = subprocess.run(install, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"torch cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(wanted, encoding="utf-8")
    return python


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_loaders_are_what_torch_and_webdataset_take(torch_python):
    """tests/trainers passes with the real ones: workers, ranks, resumed epochs, pipelines."""
    packages = sysconfig.get_path("purelib")  # what this package needs; torch and what it needs are the environment's
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), packages]), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [torch_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", HERE / "pytest.ini"]
    words += ["--rootdir", HERE, HERE]
    done = subprocess.run(words, env=env, cwd=HERE, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
