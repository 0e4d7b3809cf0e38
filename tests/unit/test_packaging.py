"""setup.py: what a wheel requires and contains, its licence, and the commit in its version."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from setup_arguments import setup_arguments
from unpacking import unpack

import metaclip_spark
from metaclip_spark.version import commit_of, full_version, stored_commit

ROOT = Path(__file__).resolve().parents[2]
SPARKS = ("pysail", "pyspark", "pyspark-client", "delta-spark")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!;\[ ]", line)[0] for line in requirements}


def test_the_plain_installation_has_the_embedded_engine_and_not_the_full_pyspark():
    """The plain installation has Sail and its client; `[spark]` alone has the full pyspark, bounded as the client."""
    arguments = setup_arguments()
    base = names(arguments["install_requires"])
    assert base >= {"pysail", "pyspark-client", "deltalake"}
    assert not base & {"pyspark", "delta-spark", "matplotlib", "s3fs"}
    extras = arguments["extras_require"]
    assert {extra for extra in extras if "pyspark" in names(extras[extra])} == {"spark", "all"}
    sparks = [line for line in extras["spark"] if line.startswith("pyspark")]
    bounds = {line.removeprefix("pyspark").removeprefix("-client") for line in sparks}
    assert (len(sparks), len(bounds)) == (2, 1)
    assert arguments["version"] == metaclip_spark.__version__


def test_the_wheel_for_clusters_requires_no_spark():
    """Its version says so, and the rest is the same."""
    plain, cluster = setup_arguments(), setup_arguments(METACLIP_FOR="cluster")
    assert cluster["version"] == f"{plain['version']}+cluster"
    assert names(plain["install_requires"]) - names(cluster["install_requires"]) == {"pysail", "pyspark-client"}
    assert not names(cluster["install_requires"] + cluster["extras_require"]["connect"]) & set(SPARKS)


def test_licence_and_notices_travel():
    """The files exist, NOTICE names each list that ships, and the text is Apache's."""
    arguments = setup_arguments()
    assert arguments["license"] == "Apache-2.0"
    assert all((ROOT / name).is_file() for name in arguments["license_files"])
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    shipped = sorted(path.name for path in (ROOT / "metadata").glob("*.json.gz"))
    assert shipped == ["en.json.gz", "wordnet.json.gz"]
    assert [name for name in shipped if name not in notice] == []
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in (ROOT / "LICENSE").read_text(
        encoding="utf-8"
    )


def test_extras_in_readme_are_those_of_setup():
    """README's table names each extra once."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("\n## Install\n")[2].partition("\n## ")[0]
    named = [
        name for row in re.findall(r"^\| (`\[.*?) \|", table, re.MULTILINE) for name in re.findall(r"`\[(\w+)\]`", row)
    ]
    assert sorted(named) == sorted(setup_arguments()["extras_require"])


def test_spark_and_its_client_have_one_version_here():
    """Where both are installed, as in the tests' environment."""
    found = {}
    for name in ("pyspark", "pyspark-client"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    assert len(set(found.values())) == 1, found


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    ended = subprocess.run(["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


@pytest.fixture
def clone(tmp_path):
    """Return a repository with one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "a").write_text("1")
    git(folder, "init", "--quiet")
    git(folder, "add", "a")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def test_a_clone_says_its_commit_and_whether_it_was_changed(clone, monkeypatch):
    """The commit is git's; a tag does not replace it, and another repository in the environment does not either."""
    head = git(clone, "rev-parse", "--short=10", "HEAD")
    git(clone, "tag", "v1")
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    assert commit_of(clone) == head
    (clone / "a").write_text("2")
    assert commit_of(clone) == f"{head}, changed"


def test_no_commit_is_said_where_none_is_known(clone, monkeypatch, tmp_path):
    """A folder below a repository of something else is no clone; without git, or where git refuses, there is none."""
    (clone / "below").mkdir()
    assert commit_of(clone / "below") is None
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    assert commit_of(tmp_path / "broken") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(clone) is None


def test_the_version_of_ids_and_runs_has_no_commit(monkeypatch):
    """`__version__` stays; the commit is beside it, also that of a build."""
    monkeypatch.setattr("metaclip_spark.version.stored_commit", lambda: "abc1234def")
    assert full_version() == f"{metaclip_spark.__version__} (abc1234def)"
    assert re.fullmatch(r"\d+\.\d+\.\d+", metaclip_spark.__version__)
    monkeypatch.setattr("metaclip_spark.version.stored_commit", lambda: None)
    monkeypatch.setattr("metaclip_spark.version.commit_of", lambda root: None)
    assert full_version() == metaclip_spark.__version__


def test_git_archive_fills_in_the_commit():
    """The file of a clone has a placeholder, which `git archive` replaces."""
    assert (ROOT / "metaclip_spark" / "commit.txt").read_text(encoding="utf-8") == "$Format:%h$\n"
    assert "metaclip_spark/commit.txt export-subst" in (ROOT / ".gitattributes").read_text(encoding="utf-8")
    assert stored_commit() is None


DOCKERFILES = sorted((ROOT / "jobs" / "docker").glob("*.Dockerfile"))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_is_not_roots_and_copies_what_there_is(path):
    """The last user has a number that is not root's, ENTRYPOINT is set, and every copied path exists."""
    lines = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8")).splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1])
    (entry,) = [json.loads(line.partition(" ")[2]) for line in lines if line.startswith("ENTRYPOINT ")]
    assert entry == {"machine": ["metaclip-spark"], "cluster": ["/opt/entrypoint.sh"]}[path.stem]
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied
    assert [word for word in copied if not (ROOT / word).exists()] == []
    assert len(DOCKERFILES) == 2


def test_the_operators_application_is_the_job_with_the_settings_of_a_cluster():
    """Its flags are those of `run`, and its settings those of conf/cluster.conf."""
    from metaclip_spark.cli.app import cli
    from metaclip_spark.cli.options import spread_variadic

    spec = yaml.safe_load((ROOT / "jobs" / "kubernetes" / "curation.yaml").read_text(encoding="utf-8"))["spec"]
    flags = [word.replace("/opt/metaclip-spark", str(ROOT)) for word in spec["arguments"]]
    parameters = cli.commands["run"].make_context("run", spread_variadic(flags), resilient_parsing=True).params
    assert (parameters["metadata"], parameters["warehouse"]) == ("en", "s3a://bucket/warehouse")
    assert Path(flags[flags.index("--config") + 1]).is_file()
    conf = (ROOT / "conf" / "cluster.conf").read_text(encoding="utf-8").replace("\\\n", "")
    settings = dict(line.split(None, 1) for line in conf.splitlines() if line.startswith("spark."))
    settings = {name: re.sub(r",\s+", ",", value.strip()) for name, value in settings.items()}
    fields = {
        "spark.driver.memory": spec["driver"]["memory"],
        "spark.executor.cores": str(spec["executor"]["cores"]),
        "spark.driver.memoryOverhead": spec["driver"]["memoryOverhead"],
        "spark.executor.memory": spec["executor"]["memory"],
        "spark.executor.memoryOverhead": spec["executor"]["memoryOverhead"],
    }
    assert {**fields, **spec["sparkConf"]} == {**settings, "spark.jars.ivy": "/tmp/.ivy2"}
    users = [spec[who]["securityContext"]["runAsUser"] for who in ("driver", "executor")]
    assert users == [185, 185]


@pytest.mark.slow
def test_an_sdist_makes_a_wheel_with_lists_licences_and_commit(tmp_path):
    """The wheel of an sdist, which is no clone, has the lists byte for byte, the notices and the given commit."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("metaclip_spark", "metadata", "docs", "conf", "jobs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    for path in ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, source / path.name)
    environment = {**os.environ, "METACLIP_COMMIT": "abc1234def"}
    subprocess.run([sys.executable, "setup.py", "-q", "sdist"], cwd=source, env=environment, check=True)
    (archive,) = (source / "dist").glob("*.tar.gz")
    unpack(archive, tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), "."], cwd=unpacked, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        inside = {name: files.read(name) for name in files.namelist()}
    assert inside["metaclip_spark/commit.txt"] == b"abc1234def\n"
    for path in (ROOT / "metadata").glob("*.json.gz"):
        assert inside[f"metaclip_spark/metadata/lists/{path.name}"] == path.read_bytes()
        assert json.loads(gzip.decompress(path.read_bytes()))
    for path in (ROOT / "metadata" / "worldwide").iterdir():
        assert inside[f"metaclip_spark/metadata/lists/worldwide/{path.name}"] == path.read_bytes()
    names_inside = " ".join(inside)
    for wanted in (
        "lists/en.sidecar.json",
        "lists/WORDNET-LICENSE.txt",
        "LICENSE",
        "NOTICE",
        "licences/omw-dan.txt",
        "templates/card.html.j2",
    ):
        assert wanted in names_inside
