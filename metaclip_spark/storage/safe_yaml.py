"""Parse YAML that anyone wrote: safe tags only, of a bounded size, depth and number of values."""

from __future__ import annotations

from typing import Any

import yaml

from metaclip_spark.core.wording import shortened

MAX_CHARACTERS = 4 << 20
"""Maximum number of characters of a file."""
MAX_DEPTH = 50
"""Maximum number of levels."""
MAX_DIGITS = 100
"""Maximum number of characters of a number."""
MAX_VALUES = 200_000
"""Maximum number of values, an alias counted as all that it stands for."""


def parse(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Return the content of a YAML text.

    Args:
        loader: how values are constructed; a subclass of PyYAML's safe loader.

    Raises:
        yaml.YAMLError: the text is not safe YAML, or has more characters, levels or values than a configuration has.
    """
    made = _bounded(loader)(text)
    try:
        node = _composed(made, text)
        return None if node is None else _constructed(made, node)
    finally:
        made.dispose()


def compose(text: str) -> yaml.Node | None:
    """Return the nodes of a YAML text, which know their lines; None for an empty text.

    Raises:
        yaml.YAMLError: as `parse`.
    """
    made = _bounded(yaml.SafeLoader)(text)
    try:
        return _composed(made, text)
    finally:
        made.dispose()


def in_one_line(error: yaml.YAMLError) -> str:
    """Return the text of an error for a sentence: in one line, of which the beginning if it quotes much."""
    return shortened(" ".join(str(error).split()), 1000)


def _composed(loader: yaml.SafeLoader, text: str) -> yaml.Node | None:
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"it has {len(text):,} characters, expected at most {MAX_CHARACTERS:,}")
    node: yaml.Node | None = loader.get_single_node()
    if node is not None:
        _count(node, 0, {})
    return node


class _Levels:
    """Counts the levels of nodes while they are composed: PyYAML's own work grows with the square of the depth."""

    _levels = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, unless it is too deep."""
        self._levels += 1
        if self._levels > MAX_DEPTH + 1:
            raise yaml.YAMLError(_TOO_DEEP)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[misc]  # of the loader
        self._levels -= 1
        return node


def _bounded(loader: type[yaml.SafeLoader]) -> type[yaml.SafeLoader]:
    return type("Bounded" + loader.__name__, (_Levels, loader), {})


_TOO_DEEP = f"it has more than {MAX_DEPTH} levels"


def _count(node: yaml.Node, depth: int, known: dict[yaml.Node, int | None]) -> int:
    """Return the number of values of a node, an alias counted as all that it stands for.

    Args:
        known: the numbers of nodes that were counted; None for a node that is being counted.
    """
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith((":int", ":float")) and len(node.value) > MAX_DIGITS:
            # PyYAML takes 1:30:00 for a number, and long ones of this form take it minutes.
            raise yaml.YAMLError(f"a number has {len(node.value):,} characters, expected at most {MAX_DIGITS}")
        return 1
    if node in known:
        number = known[node]
        if number is None:
            raise yaml.YAMLError("a value contains itself, by an alias")
        return number
    if depth >= MAX_DEPTH:
        raise yaml.YAMLError(_TOO_DEEP)
    known[node] = None
    total = 1
    for item in node.value:
        for inner in item if isinstance(item, tuple) else (item,):
            total += _count(inner, depth + 1, known)
    if total > MAX_VALUES:
        raise yaml.YAMLError(f"its aliases stand for more than {MAX_VALUES:,} values")
    known[node] = total
    return total


def _constructed(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, OverflowError, TypeError, KeyError, AttributeError) as error:
        # PyYAML lets the errors of numbers, dates and unusual keys through.
        raise yaml.YAMLError(f"a value cannot be read ({type(error).__name__}: {str(error)[:200]})") from error
