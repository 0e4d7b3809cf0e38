"""Unpack archives on every supported Python."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python before 3.10.12 and 3.11.4, as Debian 12 has it, knows no filters; 3.12 warns where none is named."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder."""
    shutil.unpack_archive(archive, folder, **_FILTER)
