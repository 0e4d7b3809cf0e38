"""The ledger: all rejects are counted, a few are stored, and damage has a reason."""

from __future__ import annotations

import pytest

from metaclip_spark.candidates.ledger import DETAIL_CHARS, RECORD_REASONS, TEXT_REASONS, Ledger
from metaclip_spark.errors import DamagedSourceError


def test_samples_are_capped_and_counts_are_not():
    """Rejects are stored up to the cap for each reason, and counted beyond it."""
    ledger = Ledger(sample_cap=2)
    for number in range(5):
        ledger.reject("no_url", f"page {number}", "x")
    ledger.reject("empty_text", "page 9", "y")
    assert ledger.rejected == {"no_url": 5, "empty_text": 1}
    assert ledger.sample == [
        ("page 0", "no_url", "x"),
        ("page 1", "no_url", "x"),
        ("page 9", "empty_text", "y"),
    ]


def test_many_at_once_take_only_the_examples_that_fit():
    """Examples are read one by one, and no more of them than the cap allows."""
    ledger = Ledger(sample_cap=3)
    ledger.reject("repeat", "first", "x")
    made = []

    def examples():
        for number in range(1000):
            made.append(number)
            yield f"row {number}", "x"

    ledger.reject_many("repeat", 1000, examples())
    assert ledger.rejected == {"repeat": 1001}
    assert [record for record, _, _ in ledger.sample] == ["first", "row 0", "row 1"]
    assert len(made) <= 3


def test_a_cap_of_zero_keeps_none():
    """All rejects are counted, and none is stored."""
    ledger = Ledger(sample_cap=0)
    ledger.reject_many("repeat", 7, [("a", "b")] * 7)
    assert (ledger.rejected["repeat"], ledger.sample) == (7, [])


def test_no_rejects_leave_no_count():
    """A reason without rejects has no count."""
    ledger = Ledger()
    ledger.reject_many("repeat", 0, [])
    assert ledger.rejected == {}


def test_examples_are_shortened_and_storable():
    """Details are truncated to a fixed length, converted to strings, and valid UTF-8."""
    ledger = Ledger()
    ledger.reject("no_url", "p" * 1000, "d" * 1000)
    ledger.reject("no_url", None, None)
    ledger.reject("no_url", "http://e.org/\ud800", "\udfff")
    assert ledger.sample[0] == ("p" * DETAIL_CHARS, "no_url", "d" * DETAIL_CHARS)
    assert ledger.sample[1] == ("None", "no_url", "None")
    assert ledger.sample[2] == ("http://e.org/\ufffd", "no_url", "\ufffd")


def test_unknown_reasons_are_refused():
    """Every reason is one that the ledger explains."""
    with pytest.raises(KeyError, match="unknown reject reason 'typo'"):
        Ledger().reject("typo", "a", "b")
    assert not set(RECORD_REASONS) & set(TEXT_REASONS)


@pytest.mark.parametrize(("read", "status"), [(0, "failed"), (1, "partial")])
def test_damage_before_and_after_the_first_record(read, status):
    """A source without a record is failed; a source with one is partial."""
    ledger = Ledger(records_read=read)
    ledger.damaged(DamagedSourceError("the file is empty"))
    assert (ledger.status, ledger.reason) == (status, "the file is empty")


def test_errors_of_libraries_are_named():
    """The reason names the type of the error, even if the error has no text."""
    ledger = Ledger()
    ledger.damaged(EOFError())
    assert ledger.reason == "EOFError: EOFError"
    ledger.damaged(OSError("no such device"))
    assert ledger.reason == "OSError: no such device"
