"""Dumps are split into byte ranges, and every page is read once, wherever blocks, streams and ranges begin."""

from __future__ import annotations

import bz2
import random
from collections import Counter
from pathlib import Path

import pytest

from metaclip_spark.errors import DumpError, InputError
from metaclip_spark.metadata.dumps import find_dumps, splits_of
from metaclip_spark.metadata.wikipedia import BIGRAM, STATISTIC, WORD, count_split, pages_of
from metaclip_spark.metadata.wikitext import plain_text
from metaclip_spark.metadata.words import phrases_of

TINY = Path(__file__).resolve().parents[2] / "data" / "wikipedia" / "tiny.xml"
pytest.importorskip("mwparserfromhell", reason="mwparserfromhell is not installed (pip install '.[wikipedia]')")


def many_pages(number: int, words: int = 300) -> bytes:
    """Return a dump with this number of articles of random words, which bzip2 hardly compresses."""
    bits = random.Random(3)
    pages = []
    for at in range(number):
        text = " ".join(f"w{bits.randrange(10**6)}" for _ in range(words))
        pages.append(
            f"<page><title>T{at}</title><ns>0</ns><revision><model>wikitext</model><text>{text}</text></revision></page>"
        )
    return ("<mediawiki>\n" + "\n".join(pages) + "\n</mediawiki>\n").encode()


def multistream(xml: bytes, pages: int = 7) -> bytes:
    """Compress a dump as a multistream dump: a stream for the head, one for every few pages, one for the end."""
    head, *rest = xml.split(b"<page>")
    streams = [head]
    for at in range(0, len(rest), pages):
        streams.append(b"".join(b"<page>" + page for page in rest[at : at + pages]))
    last = streams.pop()
    end = last.rindex(b"</page>") + len(b"</page>")
    return b"".join(bz2.compress(stream) for stream in (*streams, last[:end], last[end:]))


def damaged_at_its_start() -> bytes:
    """Return a dump of over 2 MB of bzip2 with one changed byte, far from its end."""
    packed = bytearray(bz2.compress(many_pages(20, words=40_000), 1))
    assert len(packed) > 2_300_000
    packed[150_000] ^= 255
    return bytes(packed)


def count_dump(path: Path, split_bytes: int, max_keys: int = 400_000) -> dict[int, Counter]:
    """Add up the partial sums of all splits."""
    sums = {STATISTIC: Counter(), WORD: Counter(), BIGRAM: Counter()}
    for split in splits_of(find_dumps([str(path)]), split_bytes):
        for batch in count_split(split, max_keys):
            for kind, gram, count in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sums[kind][gram] += count
    return sums


def test_the_tiny_dump_has_the_counts_made_by_hand(tmp_path):
    """Only articles count: no redirects, other namespaces or models; no templates, tables, footnotes or captions."""
    counts = count_dump(TINY, 1 << 20)
    assert not [gram for gram in counts[WORD] + counts[BIGRAM] if "idden" in gram]
    assert (counts[WORD]["cat"], counts[WORD]["Cat"], counts[WORD]["The"], counts[WORD]["Zürich"]) == (4, 1, 3, 2)
    assert (counts[BIGRAM]["The cat"], counts[BIGRAM]["New York"], counts[BIGRAM]["old friends"]) == (3, 1, 0)
    statistics = counts[STATISTIC]
    assert (statistics["pages_read"], statistics["articles"], statistics["redirects"]) == (6, 3, 1)
    assert (statistics["other_namespaces"], statistics["other_content"]) == (1, 1)
    assert statistics["words"] == counts[WORD].total()


@pytest.mark.parametrize("split_bytes", [1, 7, 100, 1000])
def test_every_split_of_plain_xml_gives_the_same_counts(split_bytes, tmp_path):
    """Ranges may begin inside a tag, a page or a character."""
    whole = count_dump(TINY, 1 << 20)
    assert count_dump(TINY, max(1, split_bytes // 4)) == whole


@pytest.mark.parametrize("form", ["one stream", "multistream"])
def test_every_split_of_bzip2_gives_every_page_once(form, tmp_path):
    """With blocks of 100 kB and with streams of a few pages, each page is in one split."""
    xml = many_pages(300)
    packed = bz2.compress(xml, 1) if form == "one stream" else multistream(xml)
    path = tmp_path / "wiki-pages-articles.xml.bz2"
    path.write_bytes(packed)
    for parts in (1, 2, 3, 10, 40):
        splits = splits_of(find_dumps([str(path)]), len(packed) // parts + 1)
        titles = [page.title for split in splits for page in pages_of(split)]
        assert titles == [f"T{number}" for number in range(300)]


def test_partial_sums_add_up_for_any_max_keys(tmp_path):
    """A task with a small `max_keys` yields often, and drops no rare word."""
    path = tmp_path / "wiki.xml"
    path.write_bytes(many_pages(20))
    single = Counter()
    for split in splits_of(find_dumps([str(path)])):
        for page in pages_of(split):
            for run in phrases_of(plain_text(page.text)):
                single.update(run)
    assert count_dump(path, 1000, max_keys=50)[WORD] == count_dump(path, 1 << 20)[WORD] == single


def test_a_folder_and_a_glob_name_dumps_once(tmp_path):
    """Files of other types in the folder are not dumps."""
    for name in ("a-pages-articles.xml", "b-pages-articles.xml"):
        (tmp_path / name).write_bytes(TINY.read_bytes())
    (tmp_path / "readme.txt").write_text("x")
    names = [Path(dump.path).name for dump in find_dumps([str(tmp_path), str(tmp_path / "*.xml")])]
    assert names == ["a-pages-articles.xml", "b-pages-articles.xml"]
    (tmp_path / "a-pages-articles-multistream.xml.bz2").write_bytes(multistream(TINY.read_bytes()))
    with pytest.raises(InputError, match="are the same dump in two forms"):
        find_dumps([str(tmp_path)])


BAD = {
    "an empty file": (b"", "is not a MediaWiki export: it is empty"),
    "binary data": (bytes(range(256)) * 100, "is not a MediaWiki export: it starts with"),
    "gzip": (b"\x1f\x8b\x08" + bytes(50), "is gzip; .* Decompress it first"),
    "other XML": (b"<html></html>", "is not a MediaWiki export"),
    "bzip2 of a text": (bz2.compress(b"hello" * 100), "is not a MediaWiki export"),
    "truncated bzip2": (bz2.compress(many_pages(60), 1)[:-5000], "fetch it again"),
    "truncated XML": (many_pages(3)[:-200], "is incomplete"),
    "binary data with bzip2's head": (b"BZh9" + bytes(range(256)) * 50_000, "is not bzip2|is not a MediaWiki export"),
}


@pytest.mark.parametrize("name", BAD)
def test_file_that_is_not_a_complete_dump_is_refused_before_any_work(name, tmp_path):
    """The error is one line: what was found, what was expected, what to do."""
    content, message = BAD[name]
    path = tmp_path / "bad.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        find_dumps([str(path)])
    assert "\n" not in str(raised.value)


def test_the_error_for_a_missing_dump_says_what_is_expected(tmp_path):
    """The cases are a path, a glob and an empty folder."""
    for given in (tmp_path / "no.xml.bz2", tmp_path / "*.bz2", tmp_path):
        with pytest.raises(InputError, match=r"expected Wikipedia's pages-articles\.xml\.bz2"):
            find_dumps([str(given)])


def test_damage_in_the_middle_names_the_block(tmp_path):
    """Head and tail are intact, so the task that reads the damaged block raises the error."""
    path = tmp_path / "wiki.xml.bz2"
    path.write_bytes(damaged_at_its_start())
    with pytest.raises(DumpError, match=r"fetch it again, and compare its checksum"):
        count_dump(path, 1 << 24)
