"""The arguments that setup.py gives to setuptools, from a process of its own: setuptools replaces distutils."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_SCRIPT = """
import json, runpy, setuptools
given = {}
setuptools.setup = given.update
runpy.run_path("setup.py")
print(json.dumps(given, default=str))
"""


def setup_arguments(**environment: str) -> dict[str, Any]:
    """Return the arguments, with these environment variables; classes are text."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("METACLIP_")}
    command = [sys.executable, "-c", _SCRIPT]
    ended = subprocess.run(command, cwd=ROOT, env={**env, **environment}, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)
