"""Write the lock files of this folder: each package with its version and hashes, for all systems and Pythons.

    pip install uv
    python jobs/requirements/lock.py             # what setup.py asks for now; other versions stay
    python jobs/requirements/lock.py --upgrade   # the newest versions that setup.py allows

README.md of this folder says what each file is for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "tests.txt": (("spark", "report", "test"), {}),
    "machine.txt": (("report", "s3"), {}),
    "cluster.txt": (("report", "s3"), {"METACLIP_FOR": "cluster"}),
}
"""File -> the extras that it covers, and the environment in which setup.py says its requirements."""
HEAD = """\
# Written by jobs/requirements/lock.py: setup.py with the extras {extras}{environment}.
#
#   pip install --require-hashes -r jobs/requirements/{name}
"""
OPTIONS = (
    "--universal",
    "--python-version",
    "3.10",
    "--generate-hashes",
    "--no-annotate",
    "--no-header",
    "--no-emit-index-url",
)


def lock(name: str, more: list[str]) -> None:
    """Write one file. Versions that it has stay, unless setup.py no longer allows them or `more` has --upgrade."""
    extras, environment = LOCKS[name]
    path = HERE / name
    words = [
        "uv",
        "pip",
        "compile",
        "setup.py",
        *OPTIONS,
        "--refresh-package",
        "metaclip-spark",
        *(word for extra in extras for word in ("--extra", extra)),
    ]
    subprocess.run(
        [*words, "--quiet", "--output-file", str(path), *more],
        cwd=HERE.parents[1],
        env={**os.environ, **environment},
        check=True,
    )
    given = "".join(f", with {key}={value}" for key, value in environment.items())
    head = HEAD.format(extras=", ".join(extras), environment=given, name=name)
    path.write_text(head + path.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    for file in LOCKS:
        lock(file, sys.argv[1:])
