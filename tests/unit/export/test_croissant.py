"""The description of an export in Croissant. tests/e2e/test_croissant.py gives it to mlcroissant."""

from __future__ import annotations

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.export.croissant import croissant_of, parse_description, with_files


def summary_of(*files: str, **changes: object) -> dict:
    """Return the part of a manifest that a description is made of."""
    entries = [{"file": name, "rows": 1, "pairs": 1, "bytes": 7, "sha256": name * 2} for name in files]
    return {
        "stage": "curated",
        "format": "parquet",
        "run_id": "abc",
        "threshold": 20,
        "seed": 3,
        "files": entries,
        **changes,
    }


def test_files_have_checksums_and_columns_have_types():
    """Lists are arrays of one or two dimensions. The kept columns, which are maps, are not described."""
    described = croissant_of(summary_of("00000.parquet"), {})
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert described["name"] == "metaclip-abc-curated"
    assert described["description"] == (
        "Image-text pairs, one row per image: the curated subset of run abc, balanced as MetaCLIP does with t = 20 and "
        "seed 3. Images are named by url. The kept columns (maps of texts), where the files have them, have no type in "
        "Croissant."
    )
    assert not {"license", "url", "creator"} & described.keys()
    file, files = described["distribution"]
    assert file == {
        "@type": "cr:FileObject",
        "@id": "00000.parquet",
        "name": "00000.parquet",
        "contentUrl": "00000.parquet",
        "contentSize": "7 B",
        "encodingFormat": "application/x-parquet",
        "sha256": "00000.parquet00000.parquet",
    }
    assert (files["@type"], files["@id"], files["includes"]) == ("cr:FileSet", "files-pairs", "[0-9]*.parquet")
    (records,) = described["recordSet"]
    assert records["key"] == {"@id": "pairs/image_id"}
    assert {field["name"]: (field["dataType"], field.get("arrayShape")) for field in records["field"]} == {
        "image_id": ("sc:Text", None),
        "url": ("sc:Text", None),
        "text": ("sc:Text", None),
        "pair_ids": ("sc:Text", "-1"),
        "texts": ("sc:Text", "-1"),
        "langs": ("sc:Text", "-1"),
        "entry_ids": ("sc:Integer", "-1,-1"),
        "sampling_probabilities": ("sc:Float", "-1"),
    }


def test_new_pairs_of_known_images_are_records_of_their_own():
    """As they are a folder of their own, which may be all that an export has."""
    both = croissant_of(summary_of("00000.parquet", "known_images/00000.parquet"), {})
    assert [of["@id"] for of in both["recordSet"]] == ["pairs", "known_images"]
    alone = croissant_of(summary_of("known_images/00000.parquet", format="webdataset-index", stage="pairs"), {})
    (records,) = alone["recordSet"]
    assert records["field"][0]["source"] == {"fileSet": {"@id": "files-known_images"}, "extract": {"column": "__key__"}}
    assert alone["distribution"][-1]["includes"] == "known_images/[0-9]*.parquet"


def test_what_the_publisher_says_is_in_it():
    """It replaces what the export would say. A name that is given twice is a list."""
    said = parse_description(
        ["license=https://spdx.org/licenses/CC0-1.0", "url=https://e.org/?a=b", "creator=A lab", "creator=Ü", "name=x"]
    )
    described = croissant_of(summary_of("00000.parquet"), said)
    assert (described["license"], described["name"]) == ("https://spdx.org/licenses/CC0-1.0", "x")
    assert described["url"] == "https://e.org/?a=b"
    assert described["creator"] == [{"@type": "sc:Organization", "name": name} for name in ("A lab", "Ü")]


@pytest.mark.parametrize("word", ["license", "license=", "licence=x", "=x", "@type=x"])
def test_other_names_and_empty_values_are_refused(word):
    """The error has the names that there are."""
    with pytest.raises(ConfigError) as refused:
        parse_description([word])
    assert str(refused.value) == (
        "--describe takes NAME=VALUE with a name out of citeAs, creator, datePublished, description, keywords, "
        f"license, name, publisher, url, version; got {word!r}."
    )


def test_a_description_follows_its_manifest():
    """Entries without a checksum, of an earlier release, and files that the manifest lacks stay."""
    described = croissant_of(summary_of("00000.parquet", "00001.parquet"), {})
    entry = {"file": "00000.parquet", "rows": 1, "pairs": 1, "bytes": 5, "sha256": "ff"}
    changed = with_files(described, {"00000.parquet": entry, "00001.parquet": {"file": "00001.parquet", "bytes": 1}})
    first, *others = changed["distribution"]
    assert (first["sha256"], first["contentSize"]) == ("ff", "5 B")
    assert others == described["distribution"][1:]
    assert {**changed, "distribution": 0} == {**described, "distribution": 0}
