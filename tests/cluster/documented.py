"""The code blocks of the pages of docs/, so that the tests run exactly the documented commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def section(page: str, heading: str) -> str:
    """Return the text below a heading of docs/<page>, up to the next heading; "" is the text above the first."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))[heading]


def blocks(page: str, heading: str) -> list[str]:
    """Return the bash blocks below a heading, in order."""
    return re.findall(r"^```bash\n(.*?)^```", section(page, heading), re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    """Return the commands of a block as words. Continued lines are one command."""
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines() if line.strip()]
