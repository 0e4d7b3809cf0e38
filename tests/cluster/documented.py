"""The code blocks of a page of docs/, so that tests run what stands there and nothing else."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def section(page: str, heading: str) -> str:
    """Return the text below a heading of docs/<page>, up to the next one; "" is the text above the first."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))[heading]


def blocks(page: str, heading: str) -> list[str]:
    """Return the bash blocks below a heading, in order."""
    return re.findall(r"^```bash\n(.*?)^```", section(page, heading), re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    """Return a block's commands, as words; continued lines are one command."""
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines() if line.strip()]
