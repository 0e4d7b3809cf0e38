"""Read a file of expectations: bounds on what a snapshot gives, which are checked before a subset is drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from metaclip_spark.candidates.ledger import REASONS, is_of_text
from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.safe_yaml import compose, in_one_line

MEASURES = {
    "sources": "number of sources that were read",
    "incomplete": "share of the sources that are partial or failed",
    "texts": "number of texts that were read",
    "match_rate": "share of the texts that match an entry",
    "opt_outs": "share of the texts whose page or robots.txt opts out",
    "pairs": "number of pairs that the snapshot added to the pool",
    "pairs_per_source": "pairs of the pool for each source that was read",
    "repeats": "share of the extracted pairs that the pool had already",
}
"""The measures of a snapshot. `language.CODE` and `rejects.REASON` are shares, too."""
SHARES = ("incomplete", "match_rate", "opt_outs", "repeats")
_BOUNDS = ("min", "max", "change")
_NUMBER = re.compile(r"((?:\d+(?:_\d+)*)?(?:\.?\d+)?(?:[eE][+-]?\d+)?)\s*(%?)")
_LANGUAGE = re.compile(r"language\.[\w-]+")


@dataclass(frozen=True)
class Bound:
    """A bound of an expectation.

    Attributes:
        kind: `min`, `max`, or `change`: by what share the value may differ from that of the snapshot before.
        value: a number; 60% is 0.6.
        line: its line in the file, counted from 1.
    """

    kind: str
    value: float
    line: int


@dataclass(frozen=True)
class Expectation:
    """The bounds of one measure."""

    measure: str
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class Expectations:
    """All expectations of a file, in its order."""

    path: str
    each: tuple[Expectation, ...]


def is_share(measure: str) -> bool:
    """Return whether a measure is a share, which is shown as a percentage."""
    return measure in SHARES or measure.startswith(("language.", "rejects."))


def load_expectations(path: str) -> Expectations:
    """Read a YAML file of expectations.

    Raises:
        ConfigError: the file cannot be read, or a line of it is no expectation; the text names the line.
    """
    try:
        root = compose(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"expectations {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"expectations {path} is not YAML: {in_one_line(error)}.") from error
    found: dict[str, Expectation] = {}
    for key, value in _entries(root, path, "measures, such as `match_rate: {min: 60%}`"):
        name = _name(key, path)
        if name in found:
            raise _wrong(path, key, f"{name} is there twice", "each measure once")
        bounds = tuple(_bound(kind, limit, name, path) for kind, limit in _entries(value, path, _expected_bounds()))
        kinds = [bound.kind for bound in bounds]
        if not bounds or len(set(kinds)) < len(kinds):
            raise _wrong(path, key, f"{name} has the bounds {kinds}", "each bound once, and at least one")
        limits = {bound.kind: bound.value for bound in bounds}
        if limits.get("min", 0.0) > limits.get("max", limits.get("min", 0.0)):
            raise _wrong(path, key, f"{name} has a min above its max", "a range that a value can be in")
        found[name] = Expectation(name, bounds)
    return Expectations(path, tuple(found.values()))


def _entries(node: yaml.Node | None, path: str, expected: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        if node is None:
            raise ConfigError(f"expectations {path} is empty; expected {expected}.")
        raise _wrong(path, node, f"got {_shown(node)}", expected)
    entries = []
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong(path, key, f"got {_shown(key)} as a name", expected)
        entries.append((key, value))
    return entries


def _name(key: yaml.ScalarNode, path: str) -> str:
    name = str(key.value)
    reason = name.removeprefix("rejects.")
    is_reason = reason != name and (reason in REASONS or is_of_text(reason))
    if name not in MEASURES and not is_reason and not _LANGUAGE.fullmatch(name):
        expected = f"one of {', '.join(MEASURES)}, language.CODE, rejects.REASON (such as rejects.no_url)"
        raise _wrong(path, key, f"got the measure {name!r}", expected)
    return name


def _bound(key: yaml.ScalarNode, node: yaml.Node, measure: str, path: str) -> Bound:
    if key.value not in _BOUNDS:
        raise _wrong(path, key, f"{measure} has the bound {key.value!r}", _expected_bounds())
    text = str(node.value).strip() if isinstance(node, yaml.ScalarNode) else ""
    read = _NUMBER.fullmatch(text)
    if read is None or not read[1][:1].strip("eE"):
        raise _wrong(path, node, f"{key.value} of {measure} is {_shown(node)}", "a number, or a percentage such as 60%")
    value = float(text.rstrip("% ").replace("_", "")) / (100 if read[2] else 1)
    if key.value != "change" and not is_share(measure) and read[2]:
        raise _wrong(path, node, f"{key.value} of {measure} is {text}", "a number: this measure is no share")
    if key.value != "change" and is_share(measure) and value > 1:
        raise _wrong(path, node, f"{key.value} of {measure} is {text}", f"a share, such as {text}% or 0.6")
    return Bound(key.value, value, node.start_mark.line + 1)


def _expected_bounds() -> str:
    return "bounds in braces: min, max, and change (by what share it may differ from the snapshot before)"


def _wrong(path: str, node: yaml.Node, got: str, expected: str) -> ConfigError:
    return ConfigError(
        f"expectations {path}, line {node.start_mark.line + 1}: {shortened(got, 500)}; expected {expected}."
    )


def _shown(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list" if node.tag.endswith("seq") else "a map"
