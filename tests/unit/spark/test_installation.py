"""One sentence says which pyspark is missing, mixed or damaged, with the command that mends it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metaclip_spark.core import extras
from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark import installation as module
from metaclip_spark.spark.installation import Installation, check_spark_installed, installation, problem_of


@pytest.fixture(autouse=True)
def pip_here(monkeypatch):
    monkeypatch.setattr(extras, "pip", lambda: "pip")
    monkeypatch.setattr(module, "pip", lambda: "pip")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return an empty site-packages that is the only folder of packages."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def write(site: Path, full=None, client=None, code=None, core=False) -> None:
    for name, version in (("pyspark", full), ("pyspark_client", client)):
        if version:
            info = site / f"{name}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Name: {name.replace('_', '-')}\nVersion: {version}\n")
    if code:
        folder = site / "pyspark"
        (folder / "core").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise SystemExit('imported')\n")
        (folder / "version.py").write_text(f"__version__: str = '{code}'\n")
        if core:
            (folder / "core" / "context.py").touch()


@pytest.mark.parametrize("jvm", [False, True])
@pytest.mark.parametrize(
    "found",
    [
        Installation("4.2.0", "4.2.0", "4.2.0", True),
        Installation("4.0.5", None, "4.0.5", True),
        Installation(None, None, "4.1.1", True),
        Installation(None, None, "unknown", True),
    ],
    ids=["both, one version", "the full one", "a cluster's", "a cluster's zip"],
)
def test_a_whole_pyspark_has_no_problem(found, jvm):
    """The full one alone, with its client in the same version, or a cluster's in SPARK_HOME."""
    assert problem_of(found, jvm) is None


def test_the_client_alone_serves_connect_and_no_jvm():
    """The full one is named in the client's version, with a Delta of it."""
    client = Installation(None, "4.2.0", "4.2.0", False)
    assert problem_of(client) is None
    problem = problem_of(client, jvm=True)
    assert "pyspark-client 4.2.0 alone is installed" in problem
    assert "pip install pyspark==4.2.0 'delta-spark" in problem


ONLY_FULL = "pip uninstall -y pyspark-client && pip install --force-reinstall --no-deps pyspark=={}"


@pytest.mark.parametrize(
    ("found", "says", "mends"),
    [
        (
            Installation("4.2.0", "4.1.3", "4.1.3", True),
            "pyspark 4.2.0 and pyspark-client 4.1.3",
            ONLY_FULL.format("4.2.0"),
        ),
        (
            Installation("4.0.5", "4.2.0", "4.0.5", True),
            "pyspark 4.0.5 and pyspark-client 4.2.0",
            ONLY_FULL.format("4.0.5"),
        ),
        (Installation("4.2.0", None, None, False), "Files of pyspark 4.2.0 are missing", "--no-deps pyspark==4.2.0"),
        (Installation("4.2.0", None, "4.2.0", False), "Files of pyspark 4.2.0 are missing", "--no-deps pyspark==4.2.0"),
        (Installation(None, "4.2.0", None, False), "Files of pyspark-client 4.2.0", "--no-deps pyspark-client==4.2.0"),
        (Installation("4.2.0", "4.2.0", None, False), "Files of pyspark 4.2.0 are missing", ONLY_FULL.format("4.2.0")),
        (Installation("4.2.0", None, "4.1.3", True), "files are of version 4.1.3", "--no-deps pyspark==4.2.0"),
        (Installation(None, None, None, False), "pyspark is not installed", "pyspark-client"),
    ],
)
@pytest.mark.parametrize("jvm", [False, True])
def test_a_mixed_or_damaged_one_is_mended_by_the_command_that_is_named(found, says, mends, jvm):
    """Two versions, files that an uninstallation of the other deleted, files of another version, and nothing."""
    problem = problem_of(found, jvm)
    assert says in problem
    if found != Installation(None, None, None, False):
        assert problem.endswith(mends)
    elif not jvm:
        assert mends in problem
    else:
        assert "On a cluster, use the cluster's own" in problem


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (None, None, None, False)),
        ({"full": "4.2.0", "client": "4.2.0", "code": "4.2.0", "core": True}, ("4.2.0", "4.2.0", "4.2.0", True)),
        ({"client": "4.2.0", "code": "4.2.0"}, (None, "4.2.0", "4.2.0", False)),
        ({"full": "4.2.0"}, ("4.2.0", None, None, False)),
    ],
)
def test_distributions_and_files_are_found_without_an_import(site, files, expected):
    """The package's `__init__` would end this test."""
    write(site, **files)
    assert installation() == Installation(*expected)


def test_what_an_uninstallation_leaves_is_no_pyspark(site):
    """A folder without `__init__` is a namespace to Python: `import pyspark` works, and nothing in it does."""
    write(site, full="4.2.0")
    (site / "pyspark" / "jars").mkdir(parents=True)
    assert installation() == Installation("4.2.0", None, None, False)
    with pytest.raises(MetaclipError, match="Files of pyspark 4.2.0 are missing"):
        check_spark_installed()


def test_a_clients_distribution_elsewhere_does_not_touch_a_clusters_pyspark(site, monkeypatch, tmp_path):
    """spark-submit puts SPARK_HOME/python first: its pyspark is whole, whatever pip has in site-packages."""
    home = tmp_path / "spark" / "python"
    home.mkdir(parents=True)
    write(home, code="4.1.1", core=True)
    write(site, client="4.2.0", code="4.2.0")
    monkeypatch.setattr(sys, "path", [str(home), str(site)])
    assert installation() == Installation(None, None, "4.1.1", True)
    check_spark_installed(jvm=True)


def test_this_environment_passes_as_a_program():
    """`python -m metaclip_spark.spark.installation` ends with 0 here, and imports no pyspark."""
    code = "import sys, metaclip_spark.spark.installation; print('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    ended = subprocess.run([sys.executable, "-m", "metaclip_spark.spark.installation"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
