"""The commands that errors name install what an extra needs, into this environment."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest
from setup_arguments import setup_arguments

from metaclip_spark.core import extras
from metaclip_spark.core.extras import how_to_install, how_to_install_package, pip, requirements

ROOT = Path(__file__).resolve().parents[3]

LINES = [
    "numba>=0.60",
    'stringzilla>=4; sys_platform != "darwin" or platform_machine == "arm64"',
    'matplotlib>=3.8; extra == "report"',
    's3fs>=2024.2; extra == "s3"',
    "pyspark<=4.2.0,>=4.0; extra == 'spark'",
    'griffe2md==1.5.1; python_version >= "3.11" and extra == "test"',
    'one>=1; (sys_platform != "darwin" or platform_machine == "arm64") and extra == "test"',
]


@pytest.fixture
def installed(monkeypatch):
    """Give the package these requirements, and this environment a pip on PATH."""
    monkeypatch.setattr(metadata, "requires", lambda name: LINES)
    monkeypatch.setattr(extras.shutil, "which", lambda name: str(Path(sys.executable).parent / name))


def test_an_extra_is_named_by_its_packages(installed):
    """The command has every package of the extra with its versions, quoted for a shell."""
    assert how_to_install("s3") == "pip install 's3fs>=2024.2'"
    assert shlex.split(how_to_install("test")) == [
        "pip",
        "install",
        'griffe2md==1.5.1; python_version >= "3.11"',
        'one>=1; sys_platform != "darwin" or platform_machine == "arm64"',
    ]


def test_a_package_of_every_installation_is_named_with_its_versions(installed):
    """A package that setup.py requires has its bounds; another one is named alone."""
    assert how_to_install_package("numba") == "pip install 'numba>=0.60'"
    assert how_to_install_package("gcsfs") == "pip install gcsfs"
    assert requirements() == LINES[:2]


def test_modules_that_are_not_installed_name_the_extra(monkeypatch, installed):
    """Modules from a zip have no list of requirements."""

    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert how_to_install("s3") == "pip install 'metaclip-spark[s3]'"


@pytest.mark.parametrize(
    ("which", "has_pip", "expected"),
    [
        ({}, True, "'/a b/python' -m pip"),
        ({"pip": "/usr/bin/pip"}, True, "'/a b/python' -m pip"),
        ({"pip": "/a b/pip"}, True, "pip"),
        ({"uv": "/usr/bin/uv"}, False, "uv pip"),
        ({"uv": "/usr/bin/uv"}, True, "'/a b/python' -m pip"),
        ({}, False, "'/a b/python' -m pip"),
    ],
)
def test_the_pip_is_that_of_this_environment(monkeypatch, which, has_pip, expected):
    """The pip on PATH may belong to another Python: then this one's is named by its path."""
    monkeypatch.setattr(sys, "executable", "/a b/python")
    monkeypatch.setattr(extras.shutil, "which", which.get)
    monkeypatch.setattr(extras, "find_spec", lambda name: object() if has_pip else None)
    assert pip() == expected


def test_extras_that_the_code_names_exist():
    """Each `how_to_install("x")` names an extra of setup.py, and each package one of its requirements."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "metaclip_spark").rglob("*.py"))
    named = set(re.findall(r"how_to_install\(['\"](\w+)['\"]\)", code))
    packages = set(re.findall(r"how_to_install_package\(['\"]([\w-]+)['\"]\)", code))
    arguments = setup_arguments()
    assert named <= set(arguments["extras_require"])
    assert len(named) >= 4
    assert packages <= {re.split(r"[<>=!;\[]", line)[0] for line in arguments["install_requires"]}


def test_no_message_names_an_extra_of_an_index():
    """`pip install 'metaclip-spark[s3]'` fails without an index, and brings pyspark-client to a cluster."""
    code = [path for path in (ROOT / "metaclip_spark").rglob("*.py") if path.name != "extras.py"]
    assert [path.name for path in code if "metaclip-spark[" in path.read_text(encoding="utf-8")] == []
