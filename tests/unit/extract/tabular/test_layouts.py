"""The layouts of published sets of pairs are read with the default columns, or refused with a sentence that helps.

The rows are made up; the columns are those that the sets document.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

URL, TEXT = "https://example.org/kite.jpg", "a red kite"

READ = {
    "LAION-400M": (
        {"SAMPLE_ID": 12.0, "URL": URL, "TEXT": TEXT, "HEIGHT": 300.0, "WIDTH": 400.0, "LICENSE": "?"}
        | {"NSFW": "UNLIKELY", "similarity": 0.33},
        "TEXT",
    ),
    "LAION-2B-multi": (
        {"SAMPLE_ID": 12, "URL": URL, "TEXT": TEXT, "HEIGHT": 300, "WIDTH": 400, "LICENSE": "?", "LANGUAGE": "fr"}
        | {"NSFW": "UNLIKELY", "similarity": 0.33},
        "TEXT",
    ),
    "LAION-5B aesthetic": (
        {"URL": URL, "TEXT": TEXT, "WIDTH": 400, "HEIGHT": 300, "similarity": 0.3, "hash": 5, "punsafe": 0.1}
        | {"pwatermark": 0.2, "AESTHETIC_SCORE": 6.5},
        "TEXT",
    ),
    "LAION-COCO without the web's texts": (
        {"SAMPLE_ID": 1, "URL": URL, "top_caption": TEXT, "all_captions": [TEXT, "a kite"], "all_similarities": [0.3]},
        "top_caption",
    ),
    "CommonPool, DataComp": (
        {"uid": "0a", "url": URL, "text": TEXT, "original_width": 400, "original_height": 300}
        | {"clip_b32_similarity_score": 0.3, "face_bboxes": [[0.1, 0.2, 0.3, 0.4]], "sha256": "ab"},
        "text",
    ),
    "COYO-700M": (
        {"id": 841814333321, "url": URL, "text": TEXT, "width": 400, "height": 300, "image_phash": "ab12"}
        | {"text_length": 10, "word_count": 3, "num_faces": 0, "clip_similarity_vitb32": 0.3},
        "text",
    ),
    "CC3M, CC12M as tables": ({"image_url": URL, "caption": TEXT}, "caption"),
    "SBU as a table": ({"image_url": URL, "user_id": "7", "caption": TEXT}, "caption"),
    "RedCaps as a table": (
        {"image_id": "x", "author": "me", "image_url": URL, "raw_caption": TEXT + "!", "caption": TEXT}
        | {"subreddit": 3, "score": 9, "created_utc": 1_600_000_000, "permalink": "/r/x", "crosspost_parents": None},
        "caption",
    ),
    "WIT base": (
        {"image_url": URL, "embedding": [0.1, 0.2], "metadata_url": "https://example.org/page", "original_height": 3}
        | {"mime_type": "image/jpeg", "caption_attribution_description": TEXT, "wit_features": {"language": ["en"]}},
        "caption_attribution_description",
    ),
}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize(("row", "text_column"), READ.values(), ids=READ)
def test_a_published_layout_is_read_without_flags(tmp_path, extract, row, text_column, suffix):
    """The pair is there, under the text column's real name."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps(row) + "\n")
    found = extract(path)
    assert (found.rows, found.ending) == ([(URL, TEXT)], ("done", None))
    assert found.pairs[0]["text_source"] == text_column


def test_laion_coco_with_the_webs_texts_asks_which_texts(tmp_path, extract):
    """The set has two texts per image: the web's and a model's."""
    row = {"URL": URL, "TEXT": "IMG_1", "top_caption": TEXT, "all_captions": [TEXT], "all_similarities": [0.3]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    found = extract(tmp_path / "a.parquet")
    assert found.outcome["status"] == "failed"
    assert "2 columns could be meant: ['TEXT', 'top_caption']. Name one of them with --text-column" in found.ending[1]
    assert extract(tmp_path / "a.parquet", text_column="top_caption").rows == [(URL, TEXT)]
    found = extract(tmp_path / "a.parquet", text_column="all_captions")
    assert "column 'all_captions' has type list<" in found.ending[1]
    assert "df.explode('all_captions')" in found.ending[1]


def test_wit_asks_which_of_three_texts(tmp_path, extract):
    """WIT's TSV has three descriptions per image; one is named, and the language is a column."""
    names = ["language", "page_url", "image_url", "page_title", "caption_reference_description"]
    names += ["caption_attribution_description", "caption_alt_text_description", "mime_type"]
    values = ["fr", "https://example.org", URL, "Kites", TEXT, "drawn by me", "", "image/png"]
    (tmp_path / "a.tsv").write_text("\t".join(names) + "\n" + "\t".join(values) + "\n")
    found = extract(tmp_path / "a.tsv")
    assert "3 columns could be meant: ['caption_reference_description'," in found.ending[1]
    found = extract(tmp_path / "a.tsv", text_column="caption_reference_description", lang_column="language")
    assert [(pair["url"], pair["text"], pair["lang"]) for pair in found.pairs] == [(URL, TEXT, "fr")]


@pytest.mark.parametrize(
    ("row", "positions"),
    [([TEXT, URL], (1, 0)), ([URL, TEXT], (0, 1))],
    ids=["CC3M: text, url", "CC12M: url, text"],
)
def test_conceptual_captions_have_no_header_line(tmp_path, extract, row, positions):
    """The error says so and names the positions, with which the first line is a row."""
    (tmp_path / "a.tsv").write_text("\t".join(row) + "\n" + "\t".join(row[::-1]) + "\n")
    found = extract(tmp_path / "a.tsv")
    assert found.outcome["status"] == "failed"
    assert "seems to have no header line" in found.ending[1]
    assert f"--url-column {positions[0]} --text-column {positions[1]}" in found.ending[1]
    found = extract(tmp_path / "a.tsv", url_column=str(positions[0]), text_column=str(positions[1]))
    assert found.rows[0] == (URL, TEXT)


@pytest.mark.parametrize(
    "content",
    [
        {"info": {"year": 2021}, "annotations": [{"image_id": "x", "url": URL, "caption": TEXT, "raw_caption": TEXT}]},
        {"image_urls": [URL], "user_ids": ["7"], "captions": [TEXT]},
    ],
    ids=["RedCaps", "SBU"],
)
def test_one_object_of_lists_is_refused_with_advice(tmp_path, extract, content):
    """The file is JSON, but not a row per line."""
    (tmp_path / "a.jsonl").write_text(json.dumps(content) + "\n")
    found = extract(tmp_path / "a.jsonl")
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert "one JSON object whose lists hold the rows. Write one object per row and line" in found.ending[1]
