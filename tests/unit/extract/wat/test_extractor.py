"""The extractor of a WAT: whether it decoded character references, by the warcinfo record, else by the crawl."""

from __future__ import annotations

import doctest

import pytest

from metaclip_spark.extract.wat import extractor
from metaclip_spark.extract.wat.extractor import references_of

THEIRS = "Software-Info: ia-web-commons.1.1.{}\r\nExtracted-Date: {}\r\n"
OLD, NEW = "Mon, 27 May 2019 15:39:42 GMT", "Fri, 31 May 2024 01:16:45 GMT"


@pytest.mark.parametrize(
    ("warcinfo", "path", "encoded"),
    [
        # Internet Archive's program, whatever its version, its date and the crawl
        ("software: webarchive-commons.1.3.0-20241220051957\r\nextractedDate: " + NEW, "a.wat.gz", True),
        ("software: ia-web-commons.1.3.0-20241220051957\r\n", "a.wat.gz", True),
        ("SOFTWARE:ia-web-commons.1.1.9\n", "CC-MAIN-2024-22/a.wat.gz", True),
        # Common Crawl's, by the time at which it was built, then by the time at which it ran
        (THEIRS.format("10-SNAPSHOT-20240513074037", NEW), "a.wat.gz", False),
        (THEIRS.format("9-SNAPSHOT-20190909091644", NEW), "CC-MAIN-2019-22/a.wat.gz", False),
        (THEIRS.format("9-SNAPSHOT-20190515084427", OLD), "a.wat.gz", True),
        (THEIRS.format("9-SNAPSHOT-20190515084427", OLD), "CC-MAIN-2024-22/a.wat.gz", True),
        (THEIRS.format("10-SNAPSHOT", NEW), "a.wat.gz", False),
        (THEIRS.format("9-SNAPSHOT", OLD), "a.wat.gz", True),
        ("Software-Info: ia-web-commons.1.0-SNAPSHOT-20140819100050\r\n", "a.wat.gz", True),
        ("software-info: ia-web-commons\r\nExtracted-Date: no date\r\nisPartOf: CC-MAIN-2019-22", "a.wat.gz", True),
        ("software-info: ia-web-commons\r\nisPartOf: CC-MAIN-2019-26", "a.wat.gz", False),
        ("software-info: ia-web-commons\r\n", "a.wat.gz", False),
        # a warcinfo record that says nothing, or none: the name of the crawl
        ("software: warcio\r\nisPartOf: CC-MAIN-2024-22", "a.wat.gz", False),
        ("", "crawl-data/CC-MAIN-2019-26/segments/1/wat/a.warc.wat.gz", False),
        ("", "s3://commoncrawl/crawl-data/CC-MAIN-2019-22/segments/1/wat/a.warc.wat.gz", True),
        ("", "crawl-data/CC-MAIN-2009-2010/a.wat.gz", True),
        ("", "crawl-data/CC-MAIN-2012/a.wat.gz", True),
        ("", "/data/CC-MAIN-20190519061520-20190519083520-00000.warc.wat.gz", True),
        ("", "/data/CC-MAIN-20240517233122-20240518023122-00000.warc.wat.gz", False),
        # nothing at all, or bytes that are no fields
        ("", "a.wat.gz", True),
        ("Software-Info: something else 2024\r\n", "a.wat.gz", True),
        ("\0\xff no fields", "a.wat.gz", True),
    ],
)
def test_the_program_or_the_crawl_tells_whether_references_are_decoded(warcinfo, path, encoded):
    """The forms are those of published files, and broken ones."""
    assert references_of(path, warcinfo.encode("latin-1")).encoded is encoded


def test_the_record_s_own_fields_are_the_last_to_decide():
    """The name of the file, and the time at which the record was written, say something if its block does not."""
    name = "CC-MAIN-20190519061520-20190519083520-00000.warc.wat.gz"
    assert references_of("a.wat.gz", b"", name).encoded
    assert references_of("a.wat.gz", b"Software-Info: ia-web-commons", "", "2019-05-27T15:39:42Z").encoded
    assert not references_of("a.wat.gz", b"Software-Info: ia-web-commons", "", "2024-05-31T01:16:45Z").encoded


def test_the_evidence_names_the_value_that_decided():
    """So that the decision about a file can be shown."""
    assert references_of("a", b"software: ia-web-commons.1").evidence == "software ia-web-commons.1"
    assert references_of("CC-MAIN-2024-22").evidence == "crawl CC-MAIN-2024-22"
    assert "neither" in references_of("a").evidence


def test_examples_in_docstrings_are_true():
    """The examples of the module give what they say."""
    result = doctest.testmod(extractor)
    assert result.attempted > 0
    assert result.failed == 0
