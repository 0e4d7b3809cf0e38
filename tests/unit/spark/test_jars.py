"""Delta's JARs are named by their paths where an earlier start fetched them, and are packages elsewhere."""

from __future__ import annotations

import os

import pytest

from metaclip_spark.spark.jars import BY_PATH, delta_package, jar_settings, remember_jars
from metaclip_spark.spark.session import local_settings

PACKAGES = "spark.jars.packages"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of the JARs, with two of a first start that was noted."""
    monkeypatch.setenv("METACLIP_IVY", str(tmp_path))
    for name in ("SPARK_HOME", "SPARK_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in ("a b.jar", "c.jar"):
        (folder / name).write_bytes(b"jar" * 9)
    remember_jars([f"file://{folder}/a%20b.jar", f"file://{folder}/c.jar"], {})
    return folder


def test_jars_that_were_fetched_are_named_by_path(cache):
    """The second start resolves no package."""
    assert jar_settings(True) == {BY_PATH: f"{cache}/a b.jar{os.pathsep}{cache}/c.jar"}


def test_nothing_was_fetched(tmp_path, monkeypatch):
    """The first start names the package, its cache and the repository."""
    monkeypatch.setenv("METACLIP_IVY", str(tmp_path))
    settings = jar_settings(True)
    assert (settings[PACKAGES], settings["spark.jars.ivy"]) == (delta_package(), str(tmp_path))
    assert settings["spark.jars.ivySettings"].endswith("ivysettings.xml")


@pytest.mark.parametrize("fault", ["truncated", "missing", "note"])
def test_a_cache_that_is_not_whole_is_resolved_again(cache, fault):
    """A JAR that is missing or has another size, or a note that cannot be read, leads back to the packages."""
    if fault == "truncated":
        (cache / "c.jar").write_bytes(b"jar")
    elif fault == "missing":
        (cache / "c.jar").unlink()
    else:
        next(cache.glob("*.metaclip")).write_text("no size\n")
    assert PACKAGES in jar_settings(True)


@pytest.mark.parametrize(
    "conf", [{PACKAGES: "org:aws:1"}, {"spark.jars": "/my.jar"}, {"spark.executor.extraClassPath": "/my.jar"}]
)
def test_jars_of_the_user_are_left_to_spark(cache, conf):
    """Paths would hide what the user's own settings name."""
    assert PACKAGES in jar_settings(True, conf)


def test_a_configured_spark_is_left_to_spark(cache, tmp_path, monkeypatch):
    """A spark-defaults.conf may name JARs."""
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert BY_PATH in jar_settings(True)
    (tmp_path / "spark-defaults.conf").touch()
    assert PACKAGES in jar_settings(True)


@pytest.mark.parametrize(
    ("master", "name"), [("local", BY_PATH), ("local[*]", BY_PATH), ("local-cluster[1,1,1024]", PACKAGES)]
)
def test_executors_of_their_own_fetch_the_jars(cache, master, name, monkeypatch):
    """The class path is the driver's, so paths serve only where the driver is the executor."""
    monkeypatch.setenv("PYSPARK_PYTHON", "kept")
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", "kept")
    assert name in local_settings(master, "1g")


@pytest.mark.parametrize("conf", [{}, {"spark.jars": "/elsewhere/d.jar"}])
def test_jars_from_elsewhere_are_not_noted(cache, conf):
    """A JAR outside the cache is the user's: the note stays as it was."""
    before = next(cache.glob("*.metaclip")).read_text()
    remember_jars(["file:///elsewhere/d.jar"], conf)
    assert [path.read_text() for path in cache.glob("*.metaclip")] == [before]
