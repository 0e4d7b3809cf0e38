"""Which card a run ends with: whole or not, written again or left as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_render import make_card
from whole import composition

from metaclip_spark.commands import report


@pytest.fixture
def ctx(tmp_path, monkeypatch) -> SimpleNamespace:
    """A run's context, as far as writing goes; a pass over the tables finds a made composition."""
    monkeypatch.setattr("metaclip_spark.report.plots.card.available", lambda: False)
    monkeypatch.setattr(report, "with_composition", lambda ctx, card: replace(card, composition=composition(["en"])))
    return SimpleNamespace(warehouse=SimpleNamespace(root=str(tmp_path)), attempt=SimpleNamespace(run_id="run"))


def twin_of(page: str) -> dict:
    """The JSON beside a page."""
    return json.loads(Path(page).with_suffix(".json").read_text(encoding="utf-8"))


def test_a_run_ends_with_a_whole_card(ctx, tmp_path):
    """The page and its twin stand among the warehouse's reports."""
    page = report.closing_report(ctx, make_card())
    assert page == str(tmp_path / "reports" / "run.html")
    assert twin_of(page)["languages"]["listed"][0]["value"] == "en"


def test_a_large_pool_is_looked_through_by_report_alone(ctx, monkeypatch):
    """One pair more than the limit: the card is there, and says how to have the rest."""
    monkeypatch.setattr(report, "WHOLE_UP_TO", make_card().unique_pairs - 1)
    page = report.closing_report(ctx, make_card())
    assert twin_of(page)["languages"] is None
    assert "`metaclip-spark report` makes it" in Path(page).read_text(encoding="utf-8")


def test_the_page_of_an_unchanged_draw_stays(ctx, monkeypatch):
    """Whether `run` or `report` wrote it; so the whole card of a large pool is not replaced by a part of it."""
    page = Path(report.write_card(ctx, make_card(composition=composition(["en"]))))
    before = page.read_bytes(), page.with_suffix(".json").read_bytes()
    monkeypatch.setattr(report, "WHOLE_UP_TO", 0)
    assert report.closing_report(ctx, make_card(created_at="later")) == str(page)
    assert (page.read_bytes(), page.with_suffix(".json").read_bytes()) == before


@pytest.mark.parametrize(
    "changes", [{"attempt_id": "another"}, {"rejected": {"json": 10}}, {"metaclip_spark_version": "9"}], ids=str
)
def test_another_draw_or_other_numbers_are_written(ctx, changes):
    """What the page says is what the tables hold now."""
    page = report.closing_report(ctx, make_card())
    assert report.closing_report(ctx, make_card(created_at="later", **changes)) == page
    assert twin_of(page)["created_at"] == "later"


@pytest.mark.parametrize("left", ["html", "json", "half"])
def test_a_report_that_was_cut_short_is_written_again(ctx, left):
    """The twin is written last: without it, or with half of it, the page may be of anything."""
    page = Path(report.closing_report(ctx, make_card()))
    twin = page.with_suffix(".json")
    if left == "half":
        twin.write_text(twin.read_text()[:100])
    else:
        (twin if left == "html" else page).unlink()
    assert report.closing_report(ctx, make_card(created_at="later")) == str(page)
    assert twin_of(str(page))["created_at"] == "later"
    assert "later" in page.read_text(encoding="utf-8")


def test_where_there_is_no_folder_beside_the_tables_reports_go_here(ctx, monkeypatch, tmp_path):
    """Tables of a catalog, or in an object store."""
    monkeypatch.chdir(tmp_path)
    for root in (None, "s3://bucket/warehouse"):
        ctx.warehouse.root = root
        assert report.report_path(ctx) == tmp_path / "run.html"
