"""Find the entry lists that ship with the package, by name."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_SUFFIX = ".json.gz"
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def shipped_names() -> list[str]:
    """Return the names of the lists, sorted; none if the package was copied without them."""
    return sorted(file.name.removesuffix(_SUFFIX) for file in _files() if file.name.endswith(_SUFFIX))


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a list; else it is a path."""
    return _NAME.fullmatch(text) is not None


def shipped_list(name: str) -> Traversable | None:
    """Return the file of a list; None if no list has the name.

    A name is the same list everywhere, so the current folder does not matter. A path has a dot or a slash: a file or a
    folder that is called `en` is `./en`.

    Args:
        name: A name of `shipped_names()`, or anything else, such as a path.
    """
    if not is_name(name):
        return None
    return next((file for file in _files() if file.name == name + _SUFFIX), None)


def _files() -> list[Traversable]:
    # A wheel has a copy in the package (setup.py); in a clone, and where it is installed as editable, the only copy is
    # the folder of the repository.
    packaged = resources.files("metaclip_spark").joinpath("metadata", "lists")
    root = Path(__file__).resolve().parents[2]
    for folder in (packaged, root / "metadata" if (root / "setup.py").is_file() else None):
        if folder is not None and folder.is_dir():
            return list(folder.iterdir())
    return []
