"""The loaders with the real torch, torchdata and webdataset, in an environment of their own; and without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from own_venv import own_venv

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
    try:
        return own_venv("torch", HERE / "requirements.txt") / "python"
    except subprocess.CalledProcessError as error:
        pytest.skip(f"torch cannot be installed here: {(error.stderr or '').strip().splitlines()[-1:]}")


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
