"""The lock files satisfy setup.py, the bill of materials is of what ships, and a build gives the same bytes again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setup_arguments import setup_arguments

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "jobs" / "requirements"
LOCKS = runpy.run_path(str(FOLDER / "lock.py"))["LOCKS"]
SYSTEMS = [
    {"python_version": version, "python_full_version": f"{version}.5", "sys_platform": name, "platform_system": system}
    for version in ("3.10", "3.11", "3.12", "3.13")
    for name, system in (("linux", "Linux"), ("darwin", "Darwin"))
]
"""Environments for which a lock file is checked; the rest of the markers are those of this machine."""


def entries(name: str) -> list[Requirement]:
    """Return the lines of a lock file, each with an exact version."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted", text), f"{name} names a place"
    assert [line for line in lines if not re.search(r"--hash=sha256:[0-9a-f]{64}", line)] == []
    return [Requirement(line.partition("--hash")[0]) for line in lines]


def versions(name: str, system: dict[str, str]) -> dict[str, str]:
    """Return package -> version of a lock file on a system."""
    found = {}
    for each in entries(name):
        if each.marker is None or each.marker.evaluate(system):
            (exact,) = each.specifier
            assert (exact.operator, found.get(each.name)) == ("==", None), f"{each} is there twice"
            found[canonicalize_name(each.name)] = exact.version
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_satisfies_setup(name):
    """What setup.py asks for, and what the packages that are installed here in that version ask for, is locked."""
    extras, environment = LOCKS[name]
    arguments = setup_arguments(**environment)
    asked = [*arguments["install_requires"], *(line for extra in extras for line in arguments["extras_require"][extra])]
    wrong, compared = set(), 0
    for system in SYSTEMS:
        locked = versions(name, system)
        needed = [Requirement(line) for line in asked]
        for package, version in locked.items():
            try:
                here = distribution(package)
            except PackageNotFoundError:
                continue
            if here.version == version:
                needed += [Requirement(line) for line in here.requires or ()]
                compared += 1
        for each in needed:
            if each.marker is not None and not each.marker.evaluate({**system, "extra": ""}):
                continue
            version = locked.get(canonicalize_name(each.name))
            if version is None or not each.specifier.contains(version, prereleases=True):
                wrong.add(f"{each}: got {version}; python jobs/requirements/lock.py")
    assert wrong == set()
    assert compared > 100
    if environment.get("METACLIP_FOR") == "cluster":
        assert not {"pyspark", "pyspark-client", "pysail"} & set(versions(name, SYSTEMS[0]))


def test_the_bill_of_materials_is_of_what_ships():
    """It has the packages of the lock file and the lists byte for byte, and each has a licence."""
    made = json.loads((FOLDER / "sbom.cdx.json").read_text(encoding="utf-8"))
    parts = {(part["name"], part.get("version")) for part in made["components"] if part["type"] == "library"}
    locked = runpy.run_path(str(FOLDER / "sbom.py"))["locked"](FOLDER / "machine.txt")
    assert parts == {(name, version) for name, version, _ in locked}, "python jobs/requirements/sbom.py"
    lists = {part["name"]: part["hashes"][0]["content"] for part in made["components"] if part["type"] == "data"}
    shipped = [*(ROOT / "metadata").glob("*.json.gz"), *(ROOT / "metadata" / "worldwide").glob("*.json.gz")]
    assert lists == {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in shipped
    }
    assert [part["name"] for part in made["components"] if not part.get("licenses")] == []


def test_the_bill_of_materials_is_valid():
    """By the schema of CycloneDX 1.6."""
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib comes with [test]")
    from cyclonedx.schema import SchemaVersion

    text = (FOLDER / "sbom.cdx.json").read_text(encoding="utf-8")
    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def built(folder: Path, umask: int) -> dict[str, str]:
    """Copy the repository, build the wheel, the wheel for clusters and the archive; return name -> hash."""
    source = folder / "source"
    before = os.umask(umask)
    try:
        source.mkdir(parents=True)
        for name in ("metaclip_spark", "metadata", "docs", "conf", "jobs"):
            ignored = shutil.ignore_patterns("__pycache__", "dist")
            shutil.copytree(ROOT / name, source / name, ignore=ignored, copy_function=shutil.copyfile)
        for path in ROOT.glob("*"):
            if path.is_file():
                shutil.copyfile(path, source / path.name)
        environment = {**os.environ, "METACLIP_COMMIT": "abc1234def", "PYTHONHASHSEED": str(umask)}
        environment.pop("SOURCE_DATE_EPOCH", None)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
        for kind in ("", "cluster"):
            words = [*pip, str(folder / "out"), "."]
            subprocess.run(words, cwd=source, env={**environment, "METACLIP_FOR": kind}, check=True)
            shutil.rmtree(source / "build", ignore_errors=True)
        sdist = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(folder / "out")]
        subprocess.run(sdist, cwd=source, env=environment, check=True)
    finally:
        os.umask(before)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "out").iterdir())}


@pytest.mark.slow
def test_a_build_gives_the_same_bytes_again(tmp_path):
    """In another folder, with another umask, later: both wheels and the archive of the source."""
    first, again = built(tmp_path / "a", 0o022), built(tmp_path / "another" / "folder", 0o077)
    assert len(first) == 3
    assert first == again
