"""The request of an export, up to the point at which Spark would start."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from metaclip_spark.commands.export import ExportRequest, default_output, index_of, manifest, print_summary
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.export.shards import File, Written, pool_of
from metaclip_spark.warehouse.runs import Run
from metaclip_spark.warehouse.tables import Warehouse

NOW = datetime(2026, 11, 23)


def request_with(**changes: object) -> ExportRequest:
    """Return the default request, with changes."""
    unset = dict.fromkeys(("run_id", "since", "output", "shards", "rows_per_shard"))
    return ExportRequest(**{**unset, "stage": "curated", "format": "parquet", **changes})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "abc-curated"),
        ({"stage": "pairs"}, "abc-pairs"),
        ({"since": "def"}, "abc-curated-since-def"),
        ({"format": "webdataset-index"}, "abc-curated-webdataset-index"),
    ],
)
def test_exports_of_one_run_have_different_folders(changes, name):
    """The folders are next to the tables, local or remote."""
    run = Run("abc", "finished", NOW, NOW, {}, ("m",))
    for root in ("/data/out", "s3://bucket/out"):
        assert default_output(Warehouse(None, root), request_with(**changes), run) == f"{root}/exports/{name}"


def test_the_summary_and_the_manifest_count_urls_that_are_not_as_found(capsys):
    """Nothing is said where all urls are as found."""
    run = Run("abc", "finished", NOW, NOW, {"threshold": 20, "seed": 0}, ("m",))
    for rewritten, refused in ((1234, 5), (0, 0)):
        found = Written({"00000.parquet": File(2000, 3000, 10**6, "ab")}, 0, 0, rewritten, refused)
        summary = manifest(request_with(), run, found, 1, {}, {})
        assert (summary["urls_rewritten"], summary["urls_refused"]) == (rewritten, refused)
        print_summary("out/exports/abc", {**summary, "threshold": 20})
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("urls", "refused"))]
        assert (
            lines
            == [
                "urls      1,234 are written as a browser requests them, not as found",
                "refused   5 urls are invalid or not http(s), and stay as found",
            ][: 2 * bool(rewritten)]
        )


def test_an_export_of_a_catalog_needs_an_output():
    """A catalog has no folder for exports."""
    run = Run("abc", "finished", NOW, NOW, {}, ("m",))
    with pytest.raises(
        ConfigError, match="output is missing; expected --output DIR with --catalog, which has no folder for exports"
    ):
        default_output(Warehouse(None, None, "main.pairs"), request_with(), run)


@pytest.mark.parametrize("name", ["survivors", "drawn_from", "where", "group"])
def test_a_run_that_drew_from_a_part_has_no_pool(name):
    """Its counts are those of the part."""
    run = Run("abc", "finished", NOW, NOW, {name: "x"}, ("m",))
    with pytest.raises(ConfigError, match="run abc was drawn from a part of the pool, whose counts say nothing of the"):
        pool_of(Warehouse(None, "/data/out"), run)


def test_entries_that_came_after_frozen_counts_are_tail():
    """An entry without a count has p = 1, whatever its position; other entries keep theirs."""
    found = by_entry(np.array([2, 0]), np.array([0.25, 0.5]), missing=1.0, n_entries=5)
    assert found.tolist() == [0.5, 1.0, 0.25, 1.0, 1.0]
    assert by_entry(np.array([0, 1]), np.array([0.5, 1.0]), missing=1.0, n_entries=1).tolist() == [0.5, 1.0]


def test_the_index_lists_shards_in_the_format_of_wids_under_another_kind():
    """The keys are url, nsamples and filesize; the kind is another, because the shards are not tars."""
    files = [{"file": "00000.parquet", "rows": 3, "pairs": 3, "bytes": 70}]
    assert index_of({"files": files}) == {
        "__kind__": "metaclip-sample-index-v1",
        "key": "__key__",
        "shardlist": [{"url": "00000.parquet", "nsamples": 3, "filesize": 70}],
    }
