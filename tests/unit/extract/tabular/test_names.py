"""Columns are found by the names that people give them, and by the folders of a path; a choice is never a guess."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import ColumnError
from metaclip_spark.extract.tabular.names import choices, file_options, partition_values


def found(names: list[str], **options) -> tuple[str, str]:
    options = file_options(names, ExtractOptions(**options))
    return options.url_column, options.text_column


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["URL", "TEXT"], ("URL", "TEXT")),
        (["Url", "Caption"], ("Url", "Caption")),
        (["image_url", "caption"], ("image_url", "caption")),
        (["imageUrl", "altText"], ("imageUrl", "altText")),
        (["Image URL", "Alt-Text"], ("Image URL", "Alt-Text")),
        (["img_url", "top_caption"], ("img_url", "top_caption")),
        (["image_link", "alt_text"], ("image_link", "alt_text")),
        (["url", "CAPTION"], ("url", "CAPTION")),
        (["url", "URL", "text", "TEXT"], ("url", "text")),
        (["url", "image_url", "text", "caption"], ("url", "text")),
        (["page_url", "image_url", "title", "caption"], ("image_url", "caption")),
    ],
    ids=", ".join,
)
def test_known_names_stand_for_the_default_columns(names, expected):
    """The default name wins; else case, spaces, underscores and hyphens make no difference."""
    assert found(names) == expected


@pytest.mark.parametrize(
    ("names", "candidates"),
    [
        (["URL", "image_url", "text"], "['URL', 'image_url']"),
        (["URL", "Url", "text"], "['URL', 'Url']"),
        (["url", "caption", "alt_text", "x"], "['caption', 'alt_text']"),
    ],
    ids=", ".join,
)
def test_several_known_names_are_no_choice(names, candidates):
    """The error lists the candidates, the flag and all columns."""
    with pytest.raises(ColumnError) as raised:
        found(names)
    assert f"2 columns could be meant: {candidates}" in str(raised.value)
    assert f"Got {names}" in str(raised.value)
    assert "-column" in str(raised.value)


def test_a_column_that_the_user_named_is_not_guessed():
    """A name that differs from the default by a letter is missing, and the near name is shown."""
    with pytest.raises(ColumnError, match="column 'Url' is missing.*Did you mean 'URL'"):
        found(["URL", "text"], url_column="Url")
    with pytest.raises(ColumnError, match="column 'alt' is missing"):
        found(["url", "caption"], text_column="alt")


def test_no_known_name_is_an_error_with_the_columns():
    """The error says what is there, and what to do."""
    with pytest.raises(ColumnError, match=r"column 'url' is missing; got \['a', 'b'\]. Name the columns with --url"):
        found(["a", "b"])


@pytest.mark.parametrize("count", [2, 3])
def test_a_name_that_is_there_twice_is_an_error(count):
    """The error names the column and says what to do."""
    with pytest.raises(ColumnError, match=f"column 'url' is there {count} times; expected once. Write the file again"):
        found(["url", "text"] + ["url"] * (count - 1))


def test_other_names_may_be_there_twice():
    """A column that nobody reads does no harm."""
    assert found(["url", "k", "text", "k"]) == ("url", "text")


@pytest.mark.parametrize(
    ("names", "flags"),
    [
        (["a red kite", "http://example.org/1.jpg"], "--url-column 1 --text-column 0"),
        (["https://example.org/1.jpg", "a red kite"], "--url-column 0 --text-column 1"),
        (["7", "https://example.org/1.jpg", "a red kite"], "--url-column 1 --text-column N"),
    ],
    ids=["text first", "url first", "three columns"],
)
def test_a_file_without_a_header_line_is_recognised_in_the_error(names, flags):
    """The error names the positions to use."""
    with pytest.raises(ColumnError, match="seems to have no header line") as raised:
        found(names)
    assert flags in str(raised.value)


def test_the_choice_is_a_sentence():
    """What was chosen by name is said; what has its default name is not."""
    options = ExtractOptions()
    assert choices(["URL", "TEXT"], options) == "columns: url is URL, text is TEXT"
    assert choices(["url", "caption"], options) == "columns: text is caption"
    assert choices(["url", "text"], options) == ""
    options = ExtractOptions(lang_column="lang")
    assert choices(["url", "text"], options, "/p/lang=en/a.parquet") == "columns: lang is a folder of the path"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/pool/lang=en/part-0.parquet", {"lang": "en"}),
        ("pool/a=1/b=x%20y%2Fz/p.csv", {"a": "1", "b": "x y/z"}),
        ("s3://bucket/k=v/x=__HIVE_DEFAULT_PARTITION__/p.jsonl", {"k": "v", "x": None}),
        ("https://host/k=v/p.parquet?q=a/b=c/d", {"k": "v"}),
        ("/pool/a=b=c/empty=/p.parquet", {"a": "b=c", "empty": ""}),
        ("/pool/=x/name=1.parquet", {}),
        ("/pool/k=1/k=2/p.parquet", {"k": "2"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_folders_of_a_path_are_columns(path, values):
    """Names and values are percent-decoded; the file's own name is none, and the deepest folder of a name counts."""
    assert partition_values(path) == values


def write(path, rows: list[dict]):
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0])
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if path.suffix == ".jsonl":
        lines = [json.dumps(row) for row in rows]
    else:
        sep = "\t" if ".tsv" in path.name else ","
        lines = [sep.join(names), *(sep.join(row.values()) for row in rows)]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


FORMATS = ["a.parquet", "a.tsv", "a.csv", "a.tsv.gz", "a.jsonl"]


@pytest.mark.parametrize("name", FORMATS)
def test_known_names_are_read_in_every_format(tmp_path, extract, name):
    """`text_source` is the column's real name."""
    path = write(tmp_path / name, [{"URL": "u1", "TEXT": "a cat", "k": "1"}, {"URL": "u2", "TEXT": "a dog", "k": "2"}])
    read = extract(path, keep_columns=("k",))
    assert read.rows == [("u1", "a cat"), ("u2", "a dog")]
    assert {pair["text_source"] for pair in read.pairs} == {"TEXT"}
    assert [dict(pair["extra"]) for pair in read.pairs] == [{"k": "1"}, {"k": "2"}]


@pytest.mark.parametrize("name", FORMATS)
def test_hive_columns_are_read_in_every_format(tmp_path, extract, name):
    """A folder gives the language and kept columns; a column of the file comes before a folder of its name."""
    path = write(tmp_path / "lang=pt%2DBR" / "k=folder" / "day=3" / name, [{"url": "u1", "text": "a", "k": "file"}])
    (pair,) = extract(path, lang_column="lang", keep_columns=("k", "day")).pairs
    assert (pair["lang"], dict(pair["extra"])) == ("pt-BR", {"k": "file", "day": "3"})


def test_hive_columns_of_a_file_that_is_read_by_position(tmp_path, extract):
    """A file without a header line has no names; the folder's name is none of its positions."""
    folder = tmp_path / "lang=de"
    folder.mkdir()
    (folder / "a.tsv").write_bytes(b"ein Hund\tu1\n")
    (pair,) = extract(folder / "a.tsv", text_column="0", url_column="1", lang_column="lang").pairs
    assert (pair["url"], pair["text"], pair["lang"]) == ("u1", "ein Hund", "de")


def test_a_null_partition(tmp_path, extract):
    """The language of the default partition is unknown, its key is missing, its kept column is null."""
    folder = tmp_path / "c=__HIVE_DEFAULT_PARTITION__"
    path = write(folder / "a.parquet", [{"url": "u1", "text": "a"}])
    assert [pair["lang"] for pair in extract(path, lang_column="c").pairs] == ["und"]
    assert [pair["extra"] for pair in extract(path, keep_columns=("c",)).pairs] == [[("c", None)]]
    assert extract(path, id_column="c", dedup=False).rejected == {"broken_row": 1}


def test_a_key_may_come_from_the_path(tmp_path, extract):
    """The folder's value is the pair's id."""
    path = write(tmp_path / "uid=k-1" / "a.csv", [{"url": "u1", "text": "a"}])
    assert [pair["pair_id"] for pair in extract(path, id_column="uid", dedup=False).pairs] == ["k-1"]


def test_hive_columns_do_not_name_urls_or_texts(tmp_path, extract):
    """A url in the path would be the same for all rows."""
    path = write(tmp_path / "url=x" / "a.parquet", [{"text": "a"}])
    assert extract(path).outcome["reason"].startswith("column 'url' is missing")


def test_the_rows_of_json_lines_may_have_other_names_later(tmp_path, extract):
    """The first rows decide; a kept column whose name could be the text does not change them."""
    rows = [{"URL": "u1", "caption": "a", "x": "y" * 1000}, {"URL": "u2", "caption": "b", "alt": "c"}]
    read = extract(write(tmp_path / "a.jsonl", rows[:1] * 3000 + rows[1:]), keep_columns=("alt",), dedup=False)
    assert read.rows[-1] == ("u2", "b")
    assert read.pairs[-1]["extra"] == [("alt", "c")]


DATACOMP = ("uid", "url", "text", "original_width", "original_height", "clip_b32_similarity_score", "sha256")


@pytest.mark.parametrize(
    ("names", "given", "kept"),
    [
        (DATACOMP, {}, ("uid",)),
        (("url", "text", "uid", "face_bboxes"), {}, ("uid",)),
        (DATACOMP, {"keep_columns": ("sha256",)}, ("sha256", "uid")),
        (DATACOMP, {"keep_columns": ("uid", "sha256")}, ("uid", "sha256")),
        (DATACOMP, {"id_column": "uid"}, ()),
        (DATACOMP[:3], {}, ()),
        (DATACOMP[1:], {}, ()),
        ((*DATACOMP, "uid"), {}, ()),
        (("uid", "URL", "TEXT", "original_width"), {}, ()),
    ],
)
def test_the_uid_of_datacomps_layout_is_kept(names, given, kept):
    """And said, where it was not asked for. Other tables are read as before."""
    options = ExtractOptions(**given)
    assert file_options(names, options).keep_columns == kept
    said = "columns: uid is kept, because the layout is DataComp's"
    assert (choices(names, options) == said) == (kept[-1:] == ("uid",))


def test_one_column_is_read_where_one_is_named():
    """As for `metadata coverage`, which wants texts alone."""
    assert file_options(DATACOMP, ExtractOptions(url_column="text", text_column="text")).columns == ["text"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_uid_of_datacomps_metadata_reaches_the_pairs(tmp_path, extract, name):
    """Also where other columns are kept. JSON lines, which DataComp does not write, are read as before."""
    uid = "139e4a9b22a614771f06c700a8ebe150"
    path = write(tmp_path / name, [{"uid": uid, "url": "u1", "text": "a cat", "original_width": "7", "sha256": "ab"}])
    (pair,) = extract(path).pairs
    assert (pair["extra"] and dict(pair["extra"])) == (None if "jsonl" in name else {"uid": uid})
    (pair,) = extract(path, keep_columns=("sha256",)).pairs
    assert dict(pair["extra"]) == {"sha256": "ab"} | ({} if "jsonl" in name else {"uid": uid})
