"""Sentences about where the records and texts of an input went."""

from __future__ import annotations

import pytest

from metaclip_spark.report.account import Account, WithoutPairs, by_reason, in_words, split_reasons, why_no_pair

AGAIN = " A source is read once per warehouse and snapshot: to read it with other settings, use `snapshots replace`."


def account(**changes) -> Account:
    """Make the account of one source without a record."""
    values = {"sources": {"done": 1}, "records_read": 0, "texts_read": 0, "texts_matched": 0, "rejected": {}}
    return Account(**(values | changes))


def test_sources_without_a_pair_are_grouped_by_their_most_common_reason():
    """90,000 sources of one kind are one line."""
    rows = [(f"{at:05}.warc.gz", "not_page", 4, 5, 0) for at in range(90_000)] + [("b.tsv", "no_url", 10, 10, 10)]
    groups = by_reason(rows)
    assert groups == [
        WithoutPairs("not_page", 90_000, 360_000, 450_000, 0, "00000.warc.gz"),
        WithoutPairs("no_url", 1, 10, 10, 10, "b.tsv"),
    ]
    assert groups[0].sentence == (
        "90,000 sources are done without a pair; most common reason: not_page (the response is no HTML page, by its "
        "content type or its first bytes): 360,000 of 450,000 records, e.g. 00000.warc.gz"
    )
    assert groups[1].sentence == (
        "1 source is done without a pair; most common reason: no_url (a text without a url): 10 of 10 texts, e.g. b.tsv"
    )


def test_a_source_that_counts_no_reason_is_not_hidden():
    """A reader that understands nothing and counts nothing is named as well."""
    (group,) = by_reason([("a.wat.gz", "", 0, 7, 0)])
    assert group.sentence == "1 source is done without a pair, and no reason was counted: 7 records, e.g. a.wat.gz"


def test_the_reasons_of_the_table_are_split():
    """The column `rejected` has records that were passed over and texts that were masked as well."""
    counts = {"not_page": 3, "no_match": 2, "repeat": 0, "pii:card": 1, "masked:email": 4, "masked:ip": 5}
    assert split_reasons(counts) == ({"no_match": 2, "pii:card": 1}, {"not_page": 3}, {"ip": 5, "email": 4})


def test_reasons_are_written_largest_first_and_the_rest_is_summed():
    """A filter of the user and an unknown reason are named, too."""
    counts = {"filter:a:b": 9, "language": 12_000, "odd": 3, "no_url": 2, "repeat": 1, "tdm": 1}
    assert in_words(counts) == (
        "12,000 language (the text is not in one of the wanted languages), 9 filter:a:b (rejected by a filter of the "
        "user), 3 odd, 2 no_url (a text without a url), 2 for 2 other reasons"
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"sources": {"done": 0, "failed": 2}},
            "all 2 sources failed; the table `sources` has the reasons. Mend them, and run again with --retry failed.",
        ),
        (
            {"sources": {"failed": 1}},
            "its only source failed; the table `sources` has the reasons. Mend them, and run again with --retry "
            "failed.",
        ),
        ({"sources": {}}, "no source was read. Give --input or --crawl."),
        ({"sources": {"done": 1}}, "1 source with 0 records has no text."),
        (
            {"sources": {"done": 2, "failed": 1}, "records_read": 9, "passed_over": {"not_page": 9}},
            "3 sources (1 failed) with 9 records have no text: 9 not_page (the response is no HTML page, by its "
            f"content type or its first bytes). Check that the input is WAT or WARC files of web pages.{AGAIN}",
        ),
        (
            {"texts_read": 4_111, "rejected": {"no_match": 1_000, "language": 3_111}},
            "none of the 4,111 texts of 1 source gave a pair: 3,111 language (the text is not in one of the wanted "
            "languages), 1,000 no_match (the text matches no entry). --languages all keeps every language, --languages "
            f"de,fr these.{AGAIN}",
        ),
        (
            {"texts_read": 1, "rejected": {"no_url": 1}},
            f"the only text of 1 source gave no pair: 1 no_url (a text without a url). Check --url-column.{AGAIN}",
        ),
        (
            {"texts_read": 2, "rejected": {"takedown": 2}},
            "none of the 2 texts of 1 source gave a pair: 2 takedown (the image or the page was taken down (counted, "
            "and never stored as a row)).",
        ),
        (
            {"texts_read": 2, "rejected": {"robots:GPTBot": 2}},
            "none of the 2 texts of 1 source gave a pair: 2 robots:GPTBot (the robots.txt of the host refuses it). "
            f"Check --robots.{AGAIN}",
        ),
        (
            {"texts_read": 2, "rejected": {"filter:a:b": 2}},
            "none of the 2 texts of 1 source gave a pair: 2 filter:a:b (rejected by a filter of the user). Check "
            f"--filter.{AGAIN}",
        ),
        (
            {"texts_read": 2, "rejected": {"tdm": 2}},
            "none of the 2 texts of 1 source gave a pair: 2 tdm (the page reserves text and data mining). --opt-outs "
            f"names the opt-outs that are honoured.{AGAIN}",
        ),
    ],
)
def test_an_input_without_a_pair_is_explained(values, sentence):
    """The sentence has the numbers by reason, the largest first, and what to do about the first."""
    assert why_no_pair(account(**values)) == sentence


def test_opt_outs_of_robots_come_after_those_of_pages():
    """Both are opt-outs, and both are texts."""
    rejected = {"robots:b": 1, "robots:*": 2, "tdm": 3, "noai": 4, "no_match": 5, "not_page": 6}
    found = account(rejected=rejected)
    assert list(found.opted_out.items()) == [("noai", 4), ("tdm", 3), ("robots:*", 2), ("robots:b", 1)]
    assert set(found.rejected_texts) == set(rejected) - {"not_page"}
