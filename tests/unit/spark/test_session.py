"""Versions of Spark are compared as numbers; a session has no folder where the user works."""

from __future__ import annotations

import tempfile

import pyspark
import pytest

from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark import session
from metaclip_spark.spark.session import minor_version


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("4.10", (4, 10)), ("4.0.1", (4, 0)), ("4.1.0.dev0", (4, 1)), ("4.2.0rc1", (4, 2)), ("10.0.0", (10, 0))],
)
def test_minor_version_is_two_numbers(version, numbers):
    """Later parts and suffixes of a version are ignored."""
    assert minor_version(version) == numbers


def test_minor_versions_are_ordered_as_numbers():
    """As a string, 4.10 would come before 4.9."""
    versions = ["4.0.1", "4.1.0.dev0", "4.2.0", "4.9.3", "4.10", "5.0.0"]
    numbers = [minor_version(version) for version in versions]
    assert numbers == sorted(set(numbers))
    assert sorted(versions) != versions


@pytest.mark.parametrize(
    "conf",
    [
        {"spark.sql.warehouse.dir": "/tables"},
        {"spark.sql.catalogImplementation": "hive"},
    ],
)
def test_a_catalog_that_lasts_keeps_its_folder(conf):
    """Tables of the user's catalog must not go to a temporary folder."""
    with session._no_warehouse_here(conf) as settings:
        assert settings == {}


def test_other_sessions_have_an_empty_temporary_folder(tmp_path, monkeypatch):
    """It is there while the session starts, and deleted when the JVM ends, or at once if the start fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = []
    monkeypatch.setattr(session, "_delete_with_jvm", asked.append)
    monkeypatch.setattr(session.atexit, "register", lambda *call: asked.append(call[1]))
    with session._no_warehouse_here({}) as settings:
        (folder,) = settings.values()
        assert [str(path) for path in tmp_path.iterdir()] == [folder]
    assert asked == [folder, folder]

    def failing() -> None:
        with session._no_warehouse_here({}):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert [str(path) for path in tmp_path.iterdir()] == [folder]


def test_tables_of_the_user_are_not_deleted(tmp_path):
    """Only an empty folder is removed."""
    (tmp_path / "table").mkdir()
    session._remove_if_empty(str(tmp_path))
    assert (tmp_path / "table").is_dir()
    session._remove_if_empty(str(tmp_path / "table"))
    assert not (tmp_path / "table").exists()


def test_small_work_starts_another_jvm(monkeypatch):
    """By default, no option costs large pools time."""
    monkeypatch.setattr(session, "archive_path", lambda class_path: None)
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        monkeypatch.setenv(name, "kept")
    assert "spark.driver.extraJavaOptions" not in session.local_settings("local[2]", "1g")
    small = session.local_settings("local[2]", "1g", small=True)
    assert small["spark.driver.extraJavaOptions"] == "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.mark.parametrize("version", ["3.5.9", "3.4.0"])
def test_an_old_pyspark_is_refused(monkeypatch, version):
    """The sentence has the version that is needed and the one that is there."""
    monkeypatch.setattr(pyspark, "__version__", version)
    with pytest.raises(MetaclipError, match=rf"^Spark 4\.0 or newer is needed, and the pyspark here is {version}\."):
        session.get_session()
