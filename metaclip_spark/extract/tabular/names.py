"""Find the columns that a file's urls, texts, keys and languages are in: by their names, or from the file's path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import ColumnError

KNOWN_NAMES = {
    "url": (
        *("url", "image url", "img url", "image link", "img link", "image uri", "img uri", "image src", "img src"),
        *("photo url", "photo image url", "picture url"),
    ),
    "text": (
        *("text", "caption", "alt", "alt text", "image alt", "image alt text", "img alt", "image caption"),
        *("img caption", "image text", "top caption"),
        *("caption reference description", "caption attribution description", "caption alt text description"),
    ),
}
"""Default column -> the names that stand for it, in the order of the documentation.

Case, spaces, `_` and `-` make no difference. LAION has URL and TEXT, LAION-COCO top_caption, CC3M and SBU image_url and
caption, WIT image_url and caption_..._description.
"""

UID = "uid"
"""The column of DataComp's sample ids, which is kept of a file with DataComp's layout."""
_OF_DATACOMP = frozenset(
    {"original_width", "original_height", "clip_b32_similarity_score", "clip_l14_similarity_score", "face_bboxes"}
)
"""Columns that DataComp's metadata has besides uid, url, text and sha256; a table made from it has at least one."""

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The value that stands for null in the name of a partition folder."""

_SHOWN_CHARS = 40
_SHOWN_NAMES = 50


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


_BARE = {role: frozenset(map(_bare, names)) for role, names in KNOWN_NAMES.items()}


def partition_values(source_path: str) -> dict[str, str | None]:
    """Return the columns that the folders of a path stand for, as Hive and Spark write them.

    >>> partition_values("s3://bucket/pool/lang=pt%2DBR/day=__HIVE_DEFAULT_PARTITION__/part-0.parquet")
    {'lang': 'pt-BR', 'day': None}
    """
    path = urlsplit(source_path).path if source_path.startswith(("http://", "https://")) else source_path
    values: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        key, sign, value = folder.partition("=")
        if key and sign:
            values[unquote(key)] = None if value == NULL_PARTITION else unquote(value)
    return values


def file_options(
    names: Sequence[str], options: ExtractOptions, source_path: str = "", where: str = "", by_row: bool = False
) -> ExtractOptions:
    """Return the options with the names that the columns have in one file.

    A default column (`url`, `text`) that the file lacks becomes the one column of a known name; see `KNOWN_NAMES`. A
    column that only the path has is taken out; see `with_partitions`. Of a file with DataComp's layout, `UID` is kept.

    Args:
        names: the file's columns in order.
        source_path: the source's path, for the columns that its folders stand for.
        where: a phrase for errors, with a space before it.
        by_row: each row names its own columns, as in JSON lines: only urls and texts must be there.

    Raises:
        ColumnError: a wanted column is missing, is there twice, or several columns could be meant.
    """
    options = without_partitions(options, partition_values(source_path), names)
    url, text = (_resolved(names, role, getattr(options, f"{role}_column"), where) for role in ("url", "text"))
    if options.url_column == options.text_column:  # one column is read, as for `metadata inspect`
        url = text
    found = replace(options, url_column=url, text_column=text)
    if url != text and not by_row and is_datacomp(names) and UID not in found.columns:
        found = replace(found, keep_columns=(*found.keep_columns, UID))
    for name in [url, text] if by_row else found.columns:
        _check(names, name, where)
    return found


def is_datacomp(names: Sequence[str]) -> bool:
    """Return whether a file has the layout of DataComp's metadata.

    >>> is_datacomp(["uid", "url", "text", "original_width"]), is_datacomp(["uid", "url", "text"])
    (True, False)
    """
    return {"url", "text"} <= set(names) and names.count(UID) == 1 and not _OF_DATACOMP.isdisjoint(names)


def without_partitions(
    options: ExtractOptions, partitions: dict[str, str | None], names: Iterable[str] = ()
) -> ExtractOptions:
    """Return the options without the columns that a path has and the file has not."""
    only = partitions.keys() - set(names)
    if not only:
        return options
    return replace(
        options,
        lang_column=None if options.lang_column in only else options.lang_column,
        id_column=None if options.id_column in only else options.id_column,
        keep_columns=tuple(name for name in options.keep_columns if name not in only),
    )


def choices(names: Sequence[str], options: ExtractOptions, source_path: str = "", where: str = "") -> str:
    """Return a sentence about columns that were found by another name or in the path, or "".

    Raises:
        ColumnError: as `file_options`.

    >>> choices(["SAMPLE_ID", "URL", "TEXT"], ExtractOptions())
    'columns: url is URL, text is TEXT'
    """
    found = file_options(names, options, source_path, where)
    said = [
        f"{role} is {getattr(found, f'{role}_column')}"
        for role in KNOWN_NAMES
        if getattr(found, f"{role}_column") != getattr(options, f"{role}_column")
    ]
    of_path = partition_values(source_path).keys() - set(names)
    said += [f"{name} is a folder of the path" for name in options.columns if name in of_path]
    if UID in found.columns and UID not in options.columns:
        said.append("uid is kept, because the layout is DataComp's")
    return f"columns: {', '.join(said)}" if said else ""


def _resolved(names: Sequence[str], role: str, name: str, where: str) -> str:
    """Return the column's name in this file; a name that the user gave is returned as it is."""
    if name in names or name != role:
        return name
    known = [found for found in dict.fromkeys(names) if _bare(found) in _BARE[role]]
    if len(known) > 1:
        raise ColumnError(
            f"column {name!r} is missing{where}, and {len(known)} columns could be meant: {_listed(known)}. "
            f"Name one of them with --{role}-column. Got {_listed(names)}."
        )
    return known[0] if known else name


def _check(names: Sequence[str], name: str, where: str) -> None:
    count = names.count(name)
    if count == 1:
        return
    if count:
        raise ColumnError(
            f"column {name!r} is there {count} times{where}; expected once. Write the file again with another name for "
            f"{'one' if count == 2 else 'all but one'} of them."
        )
    raise ColumnError(f"column {name!r} is missing{where}; got {_listed(names)}. {_advice(names, name)}")


def _advice(names: Sequence[str], name: str) -> str:
    urls = [at for at, found in enumerate(names) if re.match(r"\s*https?://", found)]
    if urls:
        text = 1 - urls[0] if len(names) == 2 else "N"
        return (
            f"The file seems to have no header line: its first line has a url at position {urls[0]}. "
            f"Name the columns by position: --url-column {urls[0]} --text-column {text}."
        )
    bare = {_bare(found) for found in names}
    if {"annotations", "imageurls"} & bare or {"images", "captions"} <= bare:
        return (
            "The file seems to be one JSON object whose lists hold the rows. Write one object per row and line, with a "
            "url and a text in each."
        )
    near = [found for found in names if _bare(found) == _bare(name)]
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return (
        f"{meant}Name the columns with --url-column and --text-column "
        "(in a file without a header line by position: 0, 1, ...)."
    )


def _listed(names: Sequence[str]) -> list[str]:
    short = [shortened(name, _SHOWN_CHARS) for name in names[:_SHOWN_NAMES]]
    return short + ([f"... {len(names) - _SHOWN_NAMES} more"] if len(names) > _SHOWN_NAMES else [])
