"""Read `languages.yaml`: the list of each identified language, the reason, and what is known of each list.

```yaml
format: 1
codes:                      # a code of the language identifier -> its list
  th: {list: th, by: upstream, reason: "It has a Wikipedia of its own."}
  yue: {list: zh, by: ours, reason: "..."}
lists:                      # one item per list that a code names
  th: {file: th.json.gz, segmenter: words, wikipedia: [th]}
  en: {shipped: en, wikipedia: [en]}
  ab: {missing: "No source with a licence that allows it."}
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from metaclip_spark.core.wording import shortened
from metaclip_spark.core.worldwide.list_choice import OTHER
from metaclip_spark.core.worldwide.switches import Switches
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.worldwide.segmenters import SEGMENTERS
from metaclip_spark.storage.safe_yaml import in_one_line, parse

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

FILE_NAME = "languages.yaml"
FORMAT = 1
SWITCHES = tuple(sorted(field.name for field in fields(Switches)))
"""Names of the matching switches that a list may turn on; all are off by default (docs/WORLDWIDE.md)."""
_LONGEST = 3000
"""Maximum number of characters of an error: it quotes names and values of the file."""
DECIDERS = ("upstream", "ours")

_NAME = re.compile(r"[a-z]{2,12}(?:_[a-z]+)*")
_CODE_KEYS = ("list", "by", "reason")
_LIST_KEYS = ("file", "shipped", "missing", "segmenter", "switches", "wikipedia")
_EXPECTED = "expected the keys format, codes and lists, as in docs/WORLDWIDE.md"


@dataclass(frozen=True)
class Code:
    """An identified language.

    Attributes:
        code: The label of the language identifier, such as `yue`.
        list_name: The name of its list, such as `zh`.
        by: `upstream` if the code of the reference maps it so, `ours` if this project decided it.
        reason: One sentence.
    """

    code: str
    list_name: str
    by: str
    reason: str


@dataclass(frozen=True)
class LanguageList:
    """An entry list of `languages.yaml`; one of `file`, `shipped` and `missing` is given.

    Attributes:
        name: The name of the list, such as `zh`.
        file: Its file in the folder of `languages.yaml`.
        shipped: The name of a list that ships, such as `en`.
        missing: The reason why there is no list.
        segmenter: How its language is tokenized, a key of `SEGMENTERS`.
        switches: The matching switches that are on, sorted; names of `SWITCHES`.
        wikipedia: Codes of the Wikipedias that a list of the recipe is made from, its own first.
    """

    name: str
    file: str | None = None
    shipped: str | None = None
    missing: str | None = None
    segmenter: str = "spaces"
    switches: tuple[str, ...] = ()
    wikipedia: tuple[str, ...] = ()


@dataclass(frozen=True)
class Languages:
    """The content of a `languages.yaml`.

    Attributes:
        source: The path of the file, for errors.
        codes: Code to its list, in the order of the codes.
        lists: Name to list, in the order of the names.
    """

    source: str
    codes: Mapping[str, Code] = field(repr=False)
    lists: Mapping[str, LanguageList] = field(repr=False)

    def wikipedias(self) -> dict[str, str]:
        """Return the code of each Wikipedia that a list is made from, and the name of the list."""
        return {code: item.name for item in self.lists.values() for code in item.wikipedia}

    def list_of(self, code: str) -> LanguageList:
        """Return the list of a code.

        Raises:
            MetadataError: The code is unknown.
        """
        known = self.codes.get(code)
        if known is None:
            raise MetadataError(
                f"{self.source}: the language code {code!r} is unknown, expected one of its {len(self.codes)} codes"
                f" ({', '.join(list(self.codes)[:5])}, ...); add it under codes:, with a list."
            )
        return self.lists[known.list_name]


def read_languages(path: str | os.PathLike[str] | Traversable) -> Languages:
    """Read and check a `languages.yaml`; the files of the lists are not opened.

    Raises:
        MetadataError: The file is missing, is not UTF-8 or not safe YAML, repeats a key, or has an unknown or
            incomplete item.

    Examples:
        >>> from metaclip_spark.metadata.shipped import shipped_languages
        >>> languages = read_languages(shipped_languages())
        >>> languages.list_of("yue").name
        'zh'
    """
    file = Path(path) if isinstance(path, (str, os.PathLike)) else path
    try:
        return _checked(file)
    except MetadataError as error:
        raise MetadataError(shortened(str(error), _LONGEST)) from error


def _checked(file: Path | Traversable) -> Languages:
    content = _parse(_read(file), str(file))
    if not isinstance(content, dict) or set(content) != {"format", "codes", "lists"}:
        got = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise MetadataError(f"{file}: got {got or 'nothing'}, {_EXPECTED}.")
    if content["format"] != FORMAT:
        raise MetadataError(f"{file}: format is {content['format']!r}, expected {FORMAT}; this version reads no other.")
    lists = {name: _list(name, item, f"{file}: lists.{name}") for name, item in _items(content, "lists", str(file))}
    codes = {code: _code(code, item, f"{file}: codes.{code}") for code, item in _items(content, "codes", str(file))}
    _check_references(codes, lists, str(file))
    return Languages(str(file), dict(sorted(codes.items())), dict(sorted(lists.items())))


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a repeated key, of which PyYAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if first.setdefault(str(key.value), line) != line:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is repeated (first in line {first[key.value]})", key.start_mark
                )
        return super().construct_mapping(node, deep)


def _read(file: Path | Traversable) -> str:
    try:
        raw = file.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise MetadataError(f"{file}: no such file; expected a {FILE_NAME}. Check the path.") from None
    except OSError as error:
        raise MetadataError(f"{file}: cannot be read ({error.strerror}); check its permissions.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"{file}: is not UTF-8 (byte {error.object[error.start]:#04x} at offset {error.start}); convert it."
        ) from error


def _parse(text: str, source: str) -> Any:
    try:
        return parse(text, _UniqueKeys)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}" if mark else "unknown line"
        raise MetadataError(f"{source}: {place}: {error.problem}; expected safe YAML. Correct the line.") from error
    except yaml.YAMLError as error:
        raise MetadataError(f"{source}: is not YAML ({in_one_line(error)}); correct it.") from error


def _items(content: dict[str, Any], section: str, source: str) -> list[tuple[str, dict[str, Any]]]:
    items = content[section]
    if not isinstance(items, dict) or not items:
        raise MetadataError(f"{source}: {section} is empty or no map, expected one item per name.")
    for name, item in items.items():
        if not isinstance(name, str):
            raise MetadataError(
                f"{source}: {section} has the key {name!r}, expected a string; YAML reads a bare no, on or 1 as"
                ' another type: write it in quotes ("no").'
            )
        if not _NAME.fullmatch(name):
            raise MetadataError(
                f"{source}: {section} has the key {name!r}, expected a lower-case language code such as th or zh_yue."
            )
        if not isinstance(item, dict):
            raise MetadataError(f"{source}: {section}.{name} is {item!r}, expected a map such as {{list: th}}.")
    return list(items.items())


def _code(code: str, item: dict[str, Any], place: str) -> Code:
    _check_keys(item, _CODE_KEYS, place)
    missing = [key for key in _CODE_KEYS if not _is_text(item.get(key))]
    if missing:
        raise MetadataError(f"{place}: {' and '.join(missing)} missing or no text, expected list, by and reason.")
    if item["by"] not in DECIDERS:
        raise MetadataError(f"{place}: by is {item['by']!r}, expected upstream or ours.")
    return Code(code, item["list"], item["by"], item["reason"])


def _list(name: str, item: dict[str, Any], place: str) -> LanguageList:
    _check_keys(item, _LIST_KEYS, place)
    origins = [key for key in ("file", "shipped", "missing") if key in item]
    if len(origins) != 1 or not _is_text(item[origins[0]]):
        got = ", ".join(origins) or "none of them"
        raise MetadataError(f"{place}: got {got}, expected exactly one of file, shipped and missing, each a text.")
    if "file" in item and os.path.basename(item["file"]) != item["file"]:
        raise MetadataError(
            f"{place}: file is {item['file']!r}, expected a name without a folder: files lie beside it."
        )
    segmenter = item.get("segmenter", "spaces")
    if segmenter not in SEGMENTERS:
        raise MetadataError(f"{place}: segmenter is {segmenter!r}, expected one of {', '.join(SEGMENTERS)}.")
    switches, wikipedia = (_texts(item.get(key, []), f"{place}: {key}") for key in ("switches", "wikipedia"))
    unknown = sorted(set(switches) - set(SWITCHES))
    if unknown:
        raise MetadataError(f"{place}: unknown switch {', '.join(unknown)}, expected some of {', '.join(SWITCHES)}.")
    return LanguageList(
        name,
        item.get("file"),
        item.get("shipped"),
        item.get("missing"),
        segmenter,
        tuple(sorted(set(switches))),
        tuple(wikipedia),
    )


def _check_keys(item: dict[str, Any], known: tuple[str, ...], place: str) -> None:
    unknown = [str(key) for key in item if key not in known]
    if unknown:
        raise MetadataError(f"{place}: unknown key {', '.join(unknown)}, expected some of {', '.join(known)}.")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(values: object, place: str) -> list[str]:
    if not isinstance(values, list) or not all(_is_text(value) for value in values):
        raise MetadataError(f'{place} is {values!r}, expected a list of texts; quote a bare no ("no").')
    return values


def _check_references(codes: dict[str, Code], lists: dict[str, LanguageList], source: str) -> None:
    for code in codes.values():
        if code.list_name not in lists:
            raise MetadataError(
                f"{source}: codes.{code.code} names the list {code.list_name!r}, which lists: has not; add it there."
            )
    unused = sorted(set(lists) - {code.list_name for code in codes.values()} - {OTHER})
    if unused:
        raise MetadataError(f"{source}: no code has the list {', '.join(unused)}; add a code for it, or remove it.")
    files: dict[str, str] = {}
    for item in lists.values():
        if item.file and files.setdefault(item.file, item.name) != item.name:
            raise MetadataError(
                f"{source}: lists.{files[item.file]} and lists.{item.name} have the same file {item.file};"
                " give both codes one list."
            )
