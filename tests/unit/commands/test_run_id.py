"""Ids are the same in every release: an old run is found again, and a source that is done is not read again."""

from __future__ import annotations

import pytest

from metaclip_spark.commands.opening import run_id_of
from metaclip_spark.config.merge import make_settings

EARLIER = {"opt_outs": "noai,noimageai,tdm"}
"""The default of releases before noml, content-usage and content-signal."""

FLAGS = [
    ({}, "15bc9a803ad24880", "0c35100f5d4d7f51"),
    (EARLIER, "4e515ab0b52806e9", "dc39c67fec706caf"),
    ({**EARLIER, "threshold": 20, "seed": 7, "unit": "image"}, "36ed4a9c57fccae0", "dc39c67fec706caf"),
    (
        {**EARLIER, "languages": "de,fr", "keep_columns": "w,h", "min_chars": 3, "no_digits": True},
        "c18acc5e8ef34f83",
        "89b51b83f235820e",
    ),
    ({**EARLIER, "freeze_counts": "run-1", "threshold": 9}, "f86d7f68647dadaa", "dc39c67fec706caf"),
    (
        {**EARLIER, "survivors": "p", "drawn_from": "pool", "where": "w > 1", "group": "g"},
        "7e0407c60166c802",
        "dc39c67fec706caf",
    ),
    (
        {"no_dedup": True, "id_column": "key", "text_fields": "alt,og:title", "opt_outs": "none"},
        "f240329778ac7a56",
        "b7cc3300d17bb4e9",
    ),
]


@pytest.mark.parametrize(("flags", "run_id", "extract_id"), FLAGS, ids=range(len(FLAGS)))
def test_ids_of_settings_never_change(flags, run_id, extract_id):
    """The ids are written down here: a new setting must not change the ids of runs without it."""
    settings = make_settings(flags)
    assert run_id_of(settings, "list", {}) == run_id
    assert settings.extract_options().extract_id == extract_id


@pytest.mark.parametrize(
    "flags",
    [
        {"warehouse": "/w", "metadata": "list.json", "input": "pool.parquet"},
        {"matcher": "naive", "files_per_commit": 3, "max_fetches": 2, "lease_seconds": 9, "whole_pool": True},
        {
            "allow_incomplete": "2%",
            "max_failed": "5%",
            "rejects_per_reason": 0,
            "retry": "failed",
            "crawl_root": "/mirror",
        },
        {"master": "local[2]", "remote": "sc://h:1", "driver_memory": "2g", "spark": "a=b"},
        {"run_id": "r", "pinned": "pairs=3", "outcome": "o.json"},
        {"tail_fraction": 0.06, "languages": "en"},
    ],
    ids=lambda flags: ",".join(flags),
)
def test_what_changes_no_result_is_not_in_the_run_id(flags):
    """Where things are, how fast, and how much is shown; a default that is written out is the same setting."""
    assert run_id_of(make_settings(flags), "list", {}) == FLAGS[0][1]


@pytest.mark.parametrize(
    "flags",
    [
        {"weight": "score"},
        {"weight": "other"},
        {"weight": "score", "weight_missing": "1"},
        {"language_weights": "en=0.5"},
        {"language_weights": "en=0.6"},
    ],
    ids=str,
)
def test_weights_are_in_the_run_id_when_given(flags):
    """Each gives another run, and reads the sources in the same way."""
    settings = make_settings(flags)
    assert run_id_of(settings, "list", {}) not in {run_id for _, run_id, _ in FLAGS}
    assert settings.extract_options().extract_id == FLAGS[0][2]
