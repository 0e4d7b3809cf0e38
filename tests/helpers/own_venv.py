"""Environments of their own for tools whose dependencies are others than those of this package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def own_venv(name: str, requirements: Path) -> Path:
    """Return the folder of the programs of .venv-NAME; create the environment if it is missing or outdated.

    Raises:
        subprocess.CalledProcessError: pip cannot install the requirements; `stderr` has what it says.
    """
    venv, wanted = ROOT / f".venv-{name}", requirements.read_text(encoding="utf-8")
    stamp = venv / "requirements.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        subprocess.run([base, "-m", "venv", venv], check=True)
        install = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", requirements]
        subprocess.run(install, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        stamp.write_text(wanted, encoding="utf-8")
    return venv / "bin"
