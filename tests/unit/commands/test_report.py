"""The card at the end of a run: complete or not, written again or kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_render import make_card
from whole import composition

from metaclip_spark.commands import report
from metaclip_spark.terminal.progress import Reporter


@pytest.fixture
def ctx(tmp_path, monkeypatch) -> SimpleNamespace:
    """The context of a run, as far as writing needs it; a pass over the tables finds a fixed composition."""
    monkeypatch.setattr("metaclip_spark.report.plots.card.available", lambda: False)
    monkeypatch.setattr(report, "with_composition", lambda ctx, card: replace(card, composition=composition(["en"])))
    monkeypatch.setattr("metaclip_spark.terminal.progress.is_connect", lambda spark: False)
    tracker = SimpleNamespace(getActiveStageIds=lambda: [])
    spark = SimpleNamespace(sparkContext=SimpleNamespace(statusTracker=lambda: tracker))
    warehouse = SimpleNamespace(root=str(tmp_path))
    return SimpleNamespace(warehouse=warehouse, run_id="run", reporter=Reporter(), spark=spark)


def sidecar_of(page: str) -> dict:
    """Return the JSON sidecar of a page."""
    return json.loads(Path(page).with_suffix(".json").read_text(encoding="utf-8"))


def test_a_run_ends_with_a_whole_card(ctx, tmp_path, capsys):
    """The page and its sidecar are among the reports of the warehouse. The report is a step with its time."""
    page = report.closing_report(ctx, make_card())
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"report   {make_card().unique_pairs:,} pairs read, \d+\.\d s", line)
    assert ctx.reporter.stages == ["report"]
    assert page == str(tmp_path / "reports" / "run.html")
    assert sidecar_of(page)["languages"]["listed"][0]["value"] == "en"


def test_only_report_reads_the_composition_of_a_large_pool(ctx, monkeypatch):
    """One pair above the limit: the card is written, and names the command that completes it."""
    monkeypatch.setattr(report, "WHOLE_UP_TO", make_card().unique_pairs - 1)
    page = report.closing_report(ctx, make_card())
    assert sidecar_of(page)["languages"] is None
    assert "`metaclip-spark report` makes it" in Path(page).read_text(encoding="utf-8")


def test_the_page_of_an_unchanged_draw_stays(ctx, monkeypatch):
    """Whether `run` or `report` wrote it. So the complete card of a large pool is not replaced by an incomplete one."""
    page = Path(report.write_card(ctx, make_card(composition=composition(["en"]))))
    before = page.read_bytes(), page.with_suffix(".json").read_bytes()
    monkeypatch.setattr(report, "WHOLE_UP_TO", 0)
    assert report.closing_report(ctx, make_card(created_at="later")) == str(page)
    assert ctx.reporter.stages == []
    assert (page.read_bytes(), page.with_suffix(".json").read_bytes()) == before


@pytest.mark.parametrize(
    "changes", [{"attempt_id": "another"}, {"rejected": {"json": 10}}, {"metaclip_spark_version": "9"}], ids=str
)
def test_another_draw_or_other_numbers_are_written(ctx, changes):
    """The page has the numbers of the tables."""
    page = report.closing_report(ctx, make_card())
    assert report.closing_report(ctx, make_card(created_at="later", **changes)) == page
    assert sidecar_of(page)["created_at"] == "later"


@pytest.mark.parametrize("left", ["html", "json", "half"])
def test_an_interrupted_report_is_written_again(ctx, left):
    """The sidecar is written last: without it, or with half of it, the page may be of another draw."""
    page = Path(report.closing_report(ctx, make_card()))
    sidecar = page.with_suffix(".json")
    if left == "half":
        sidecar.write_text(sidecar.read_text()[:100])
    else:
        (sidecar if left == "html" else page).unlink()
    assert report.closing_report(ctx, make_card(created_at="later")) == str(page)
    assert sidecar_of(str(page))["created_at"] == "later"
    assert "later" in page.read_text(encoding="utf-8")


def test_without_a_local_warehouse_reports_go_to_the_current_folder(ctx, monkeypatch, tmp_path):
    """The tables are in a catalog, or in an object store."""
    monkeypatch.chdir(tmp_path)
    for root in (None, "s3://bucket/warehouse"):
        ctx.warehouse.root = root
        assert report.report_path(ctx) == tmp_path / "run.html"
