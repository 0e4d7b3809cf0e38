"""Read and write cards of counts, and read counts as other projects publish them."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaclip_spark.core.text import without_surrogates
from metaclip_spark.counts.card import FORMAT, MOST, UNIT, VERSION, CountsCard, ListCounts
from metaclip_spark.errors import InputError, WarehouseError
from metaclip_spark.metadata.load import json_type
from metaclip_spark.storage.lines import read_text
from metaclip_spark.storage.write import open_atomic

OBJECT, ARRAY = "an object of entries and counts", "an array of counts"
SUFFIXES = (".json", ".json.gz")
_EXPECTED = (
    "expected a card of `counts export`, a JSON object of entry and count, or a JSON array with a count for each entry"
)


@dataclass(frozen=True)
class PlainCounts:
    """Counts without a list's id, as other projects publish them.

    Attributes:
        layout: OBJECT or ARRAY.
        by_entry: entry -> count, which may be 0; empty for an array.
        by_position: the count of each entry of the list, in its order; empty for an object.
    """

    layout: str
    by_entry: Mapping[str, int]
    by_position: tuple[int, ...] = ()


def read_counts(path: str | os.PathLike[str]) -> CountsCard | PlainCounts:
    """Read a card of counts, or counts in a layout that other projects publish.

    Raises:
        InputError: the file cannot be read, is not in one of these layouts, or a count is not a whole number from 0.
    """
    try:
        raw = read_text(path)
    except FileNotFoundError:
        raise InputError(f"counts {path}: no such file; {_EXPECTED}. Check the path.") from None
    except OSError as error:
        what = error.strerror or error
        raise InputError(f"counts {path} cannot be read: {what}. Fetch or write the file again.") from error
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
    except _WrongError as error:
        raise InputError(f"counts {path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"counts {path}: is not JSON ({error}); {_EXPECTED}. Fetch the file again.") from error
    try:
        if isinstance(found, list):
            return PlainCounts(ARRAY, {}, tuple(_count(value, f"position {at}") for at, value in enumerate(found)))
        if not isinstance(found, dict):
            raise _WrongError(f"the JSON is {json_type(found)}; {_EXPECTED}.")
        if isinstance(found.get("format"), str):
            return _card(found)
        return PlainCounts(OBJECT, {entry: _count(value, repr(entry)) for entry, value in found.items()})
    except _WrongError as error:
        raise InputError(f"counts {path}: {error}") from None


def read_card(path: str | os.PathLike[str]) -> CountsCard:
    """Read a card of counts.

    Raises:
        InputError: as `read_counts`; or the counts have no list's id.
    """
    found = read_counts(path)
    if isinstance(found, PlainCounts):
        raise InputError(
            f"counts {path}: is {found.layout} without the id of a list, so it cannot be merged; expected a card of "
            "`counts export`."
        )
    return found


def write_card(card: CountsCard, path: str) -> None:
    """Write a card, gzip if the name ends in .gz. The same card gives the same bytes.

    Raises:
        InputError: the name has another suffix.
        WarehouseError: the file cannot be written.
    """
    check_suffix(path)
    text = without_surrogates(json.dumps(card.plain, ensure_ascii=False, indent=0)) + "\n"
    content = text.encode()
    if path.endswith(".gz"):
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
            file.write(content)
        content = packed.getvalue()
    try:
        with open_atomic(path) as file:
            file.write(content)
    except (OSError, ValueError, ImportError) as error:
        raise WarehouseError(f"counts {path} cannot be written: {error}. Give another place with --output.") from error


def check_suffix(path: str) -> None:
    """Check the name of a file of counts.

    Raises:
        InputError: its suffix is not one of SUFFIXES.
    """
    if not path.lower().endswith(SUFFIXES):
        raise InputError(f"--output {path}: expected a name that ends in {' or '.join(SUFFIXES)}.")


class _WrongError(Exception):
    """What is wrong with the content of a file of counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _WrongError(f"{_shown(twice)} is there twice, so its count is ambiguous; write each entry once.")
    return made


def _no_fraction(text: str) -> Any:
    raise _WrongError(f"got {text}, expected whole numbers; a count is the number of pairs that match an entry.")


def _shown(entry: str) -> str:
    return repr(entry if len(entry) <= 80 else f"{entry[:80]}...")


def _count(value: Any, of: str, least: int = 0) -> int:
    if type(value) is not int:  # True is an int, too
        raise _WrongError(f"the count of {of[:100]} is {json_type(value)}, expected a whole number >= {least}.")
    if not least <= value <= MOST:
        shown = str(value) if abs(value) <= 10**30 else f"a number of {value.bit_length():,} bits"
        raise _WrongError(f"the count of {of[:100]} is {shown}, expected a whole number from {least} to {MOST:,}.")
    return value


def _card(found: dict[str, Any]) -> CountsCard:
    if found["format"] != FORMAT:
        raise _WrongError(f"its format is {_shown(found['format'])}; {_EXPECTED}.")
    if found.get("version") != VERSION:
        raise _WrongError(
            f"its version is {found.get('version')!r:.40}, and this release reads version {VERSION}. Use the release "
            "that wrote it, or a later one."
        )
    if found.get("unit") != UNIT:
        raise _WrongError(f"it counts {found.get('unit')!r:.40}, expected {UNIT!r}: each pair of an image and a text.")
    lists = _field(found, "lists", dict)
    card = CountsCard(
        _field(found, "metadata_id", str),
        _strings(found, "snapshots"),
        {name: _list_counts(name, value) for name, value in lists.items()},
        _strings(found, "merged"),
    )
    if not card.lists:
        raise _WrongError("it has no list; write it again with `counts export`.")
    for name in ("pairs", "total", "card_id"):
        if found.get(name) != getattr(card, name):
            raise _WrongError(
                f"its {name} is {str(found.get(name)):.80}, but its content gives {getattr(card, name)}: it was "
                "changed or damaged. Fetch it again, or write it again with `counts export`."
            )
    return card


def _list_counts(name: str, value: Any) -> ListCounts:
    if not isinstance(value, dict):
        raise _WrongError(f"list {_shown(name)} is {json_type(value)}, expected an object.")
    counts = _field(value, "counts", dict)
    made = ListCounts(
        _count(value.get("entries"), f"the entries of list {_shown(name)}"),
        _count(value.get("pairs"), f"the pairs of list {_shown(name)}"),
        {entry: _count(number, repr(entry), 1) for entry, number in sorted(counts.items())},
    )
    if len(made.counts) > made.entries:
        raise _WrongError(
            f"list {_shown(name)} has {made.entries:,} entries and {len(made.counts):,} counts; expected at most one "
            "for each entry."
        )
    if made.total > MOST:
        raise _WrongError(f"the counts of list {_shown(name)} sum to more than {MOST:,}, which no pool reaches.")
    return made


def _field(found: dict[str, Any], name: str, kind: type) -> Any:
    value = found.get(name)
    if not isinstance(value, kind):
        raise _WrongError(f"its {name} is {json_type(value)}, expected {json_type(kind())}.")
    return value


def _strings(found: dict[str, Any], name: str) -> tuple[str, ...]:
    values = _field(found, name, list)
    if not all(isinstance(value, str) for value in values):
        raise _WrongError(f"its {name} has a value that is no string; expected strings.")
    return tuple(values)
