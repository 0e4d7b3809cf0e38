"""Find the entry lists that ship with the package, by name."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from metaclip_spark.errors import MetadataError

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


def shipped_folder(name: str) -> Traversable | None:
    """Return a folder of lists that ships, such as `worldwide`; None if no folder has the name."""
    if not is_name(name):
        return None
    return next((file for file in _files() if file.name == name and file.is_dir()), None)


def shipped_languages() -> Traversable:
    """Return the `languages.yaml` that ships: the list of each identified language.

    Raises:
        MetadataError: The package was copied without its lists.
    """
    folder = shipped_folder("worldwide")
    if folder is None or not folder.joinpath("languages.yaml").is_file():
        raise MetadataError(
            "languages.yaml, which ships with the entry lists, is not installed; install the package as a whole, or"
            " give a folder that has a languages.yaml."
        )
    return folder.joinpath("languages.yaml")


def _files() -> list[Traversable]:
    # A wheel has a copy in the package (setup.py); in a clone, and where it is installed as editable, the only copy is
    # the folder of the repository.
    packaged = resources.files("metaclip_spark").joinpath("metadata", "lists")
    root = Path(__file__).resolve().parents[2]
    for folder in (packaged, root / "metadata" if (root / "setup.py").is_file() else None):
        if folder is not None and folder.is_dir():
            return list(folder.iterdir())
    return []
