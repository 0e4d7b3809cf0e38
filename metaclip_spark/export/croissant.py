"""Describe an export in Croissant, the metadata format of MLCommons for data sets (no Spark).

The description has what the manifest knows: files with their SHA-256, and the columns as fields. License, address and
creator are the publisher's to say; what nobody said is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from metaclip_spark.errors import ConfigError
from metaclip_spark.export.shards import COLUMNS, KNOWN_IMAGES

CROISSANT = "_croissant.json"
"""The file of an export. Spark and pyarrow skip names that begin with an underscore."""
VERSION = "http://mlcommons.org/croissant/1.1"
PARQUET = "application/x-parquet"
SAID = (
    "citeAs",
    "creator",
    "datePublished",
    "description",
    "keywords",
    "license",
    "name",
    "publisher",
    "url",
    "version",
)
"""The properties that `--describe` takes."""
_ORGANIZATIONS = ("creator", "publisher")

_TERMS = (
    "arrayShape citeAs column containedIn equivalentProperty excludes extract field fileObject fileProperty fileSet "
    "format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated "
    "replace samplingRate separator source subField transform"
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _TERMS.split()},
}
"""The JSON-LD context that Croissant recommends; readers warn of a shorter one."""

_MEANINGS = {
    "image_id": "The first 24 hex digits of the SHA-224 of the url as found",
    "__key__": "The id of the pair",
    "url": "The url of the image, as a browser requests it",
    "text": "The text of the pair; of a row per image, the first of its texts",
    "pair_ids": "The ids of the image's pairs",
    "texts": "The texts of the image's pairs",
    "langs": "The languages of the texts",
    "lang": "The language of the text",
    "entry_ids": "Positions in the entry list of the entries that the text matches; of a row per image, of each text",
    "sampling_probabilities": "The probability with which the run samples each pair",
    "sampling_probability": "The probability with which the run samples the pair",
}


def parse_description(given: Iterable[str]) -> dict[str, Any]:
    """Return the properties that `--describe NAME=VALUE` gives. A name that is given several times is a list.

    Raises:
        ConfigError: a word is no NAME=VALUE, or the name is not one of SAID.

    >>> parse_description(["license=https://spdx.org/licenses/CC0-1.0", "creator=A lab"])["creator"]
    {'@type': 'sc:Organization', 'name': 'A lab'}
    """
    said: dict[str, Any] = {}
    for word in given:
        name, sign, value = word.partition("=")
        if not sign or name not in SAID or not value.strip():
            raise ConfigError(f"--describe takes NAME=VALUE with a name out of {', '.join(SAID)}; got {word!r}.")
        one: Any = {"@type": "sc:Organization", "name": value} if name in _ORGANIZATIONS else value
        before = said.get(name)
        said[name] = one if before is None else [*(before if isinstance(before, list) else [before]), one]
    return said


def croissant_of(summary: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of an export.

    Args:
        summary: the manifest, with `sha256` of each file.
        said: the result of `parse_description`.
    """
    what = "the matched pool" if summary["stage"] == "pairs" else "the curated subset"
    row = "pair" if "__key__" in COLUMNS[summary["format"]] else "image"
    described = {
        "name": f"metaclip-{summary['run_id']}-{summary['stage']}",
        "description": f"Image-text pairs, one row per {row}: {what} of run {summary['run_id']}, balanced as MetaCLIP "
        f"does with t = {summary['threshold']} and seed {summary['seed']}. Images are named by url. The kept columns "
        "(maps of texts), where the files have them, have no type in Croissant.",
        **said,
    }
    files = [each["file"] for each in summary["files"]]
    sets = {name: folder for name, folder in (("pairs", ""), (KNOWN_IMAGES, f"{KNOWN_IMAGES}/"))}
    present = {name: folder for name, folder in sets.items() if any(_is_in(file, folder) for file in files)}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        **described,
        "distribution": [
            *(_file_object(each) for each in summary["files"]),
            *(_file_set(name, folder) for name, folder in present.items()),
        ],
        "recordSet": [_record_set(name, summary["format"]) for name in present],
    }


def _is_in(file: str, folder: str) -> bool:
    return file.rpartition("/")[0] == folder.rstrip("/")


def _file_object(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": each["file"],
        "name": each["file"],
        "contentUrl": each["file"],
        "contentSize": f"{each['bytes']} B",
        "encodingFormat": PARQUET,
        "sha256": each["sha256"],
    }


def _file_set(name: str, folder: str) -> dict[str, Any]:
    files = f"files-{name}"
    return {
        "@type": "cr:FileSet",
        "@id": files,
        "name": files,
        "encodingFormat": PARQUET,
        # A star matches slashes, too; names of shards begin with a digit, those of folders do not.
        "includes": f"{folder}[0-9]*.parquet",
    }


def _record_set(name: str, format: str) -> dict[str, Any]:
    key = next(iter(COLUMNS[format]))
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/{key}"},
        "field": [_field(name, column, kind) for column, kind in COLUMNS[format].items() if _leaf(kind)[0] is not None],
    }


def _field(of: str, column: str, kind: pa.DataType) -> dict[str, Any]:
    leaf, depth = _leaf(kind)
    array = {"isArray": True, "arrayShape": ",".join(["-1"] * depth)} if depth else {}
    return {
        "@type": "cr:Field",
        "@id": f"{of}/{column}",
        "name": column,
        "description": _MEANINGS[column],
        "dataType": leaf,
        **array,
        "source": {"fileSet": {"@id": f"files-{of}"}, "extract": {"column": column}},
    }


def _leaf(kind: pa.DataType) -> tuple[str | None, int]:
    """Return the type in Croissant of a column's values, None if there is none, and the number of lists around them."""
    depth = 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    if pa.types.is_string(kind):
        return "sc:Text", depth
    if pa.types.is_integer(kind):
        return "sc:Integer", depth
    return ("sc:Float" if pa.types.is_floating(kind) else None), depth


def with_files(content: dict[str, Any], files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a description with the present sizes and checksums of its files.

    Args:
        files: name -> the file's entry in the manifest; one without `sha256` is of an earlier release.
    """
    known = {name: each for name, each in files.items() if "sha256" in each}
    distribution = [
        _file_object(known[each["contentUrl"]]) if each.get("contentUrl") in known else each
        for each in content["distribution"]
    ]
    return {**content, "distribution": distribution}
