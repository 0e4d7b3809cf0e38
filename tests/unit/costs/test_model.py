"""The cost model: its sums, its growth over crawls, and the tables that it prints."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from metaclip_spark.costs.model import BLOCK, Cost, Crawl, Prices, Work, costs, stored_bytes, total, work_of_input
from metaclip_spark.costs.rates import ENGINES, Rates, load_rates, rates_of
from metaclip_spark.costs.table import cost_rows, storage_sentence

RATES = Rates(
    measured="made up",
    start_seconds=3.0,
    read_seconds={"wat": 0.02, "tsv": 0.5},
    texts_per_mb={"wat": 2000.0, "tsv": 7000.0},
    pairs_per_mb={"wat": 800.0, "tsv": 6000.0},
    identify_seconds=2e-5,
    dedup_seconds=4e-6,
    known_seconds=1e-6,
    count_seconds=1e-6,
    balance_seconds=8e-6,
    report_seconds=5e-6,
    staged_bytes=100.0,
    pair_bytes=90.0,
    curated_bytes=110.0,
    key_bytes=17.0,
    shuffled_bytes=250.0,
)
WORK = Work(10, {"wat": 3000.0}, 6e6, 3e6, 2e6, 1e6, 5e6, 6e6, 1.5e6)


def test_every_stage_takes_its_amount_times_its_rate():
    """Core seconds, bytes and requests of each stage, computed by hand."""
    by_stage = {cost.stage: cost for cost in costs(WORK, RATES)}
    assert list(by_stage) == ["extract", "dedup", "count", "balance", "report"]
    assert by_stage["extract"].core_seconds == pytest.approx(3000 * 0.02 + 3e6 * 2e-5)
    assert (by_stage["extract"].read, by_stage["extract"].written) == (3e9, 2e8)
    assert by_stage["extract"].gets == pytest.approx(20 + 3e9 / BLOCK)
    assert by_stage["dedup"].core_seconds == pytest.approx(2e6 * 4e-6 + 5e6 * 1e-6)
    assert by_stage["dedup"].shuffled == 2e6 * 250
    assert by_stage["dedup"].read == 2e6 * 100 + 5e6 * 17
    assert by_stage["count"].core_seconds == pytest.approx(1.0)
    assert by_stage["balance"].core_seconds == pytest.approx(6e6 * 8e-6)
    assert by_stage["balance"].written == 1.5e6 * 110
    assert stored_bytes(WORK, RATES) == {"pairs": 1e6 * 90, "keys": 2e6 * 17, "subset": 1.5e6 * 110}


def test_a_sum_adds_every_part():
    """The row `all` is the sum of the stages."""
    parts = [Cost("a", 1, 2, 3, 4, 5, 6), Cost("b", 10, 20, 30, 40, 50, 60)]
    assert total(parts) == Cost("all", 11, 22, 33, 44, 55, 66)


def test_a_later_crawl_costs_more_only_where_the_pool_is_read():
    """Extraction and counting cost the same for each crawl; keys and the balance grow with the pool."""
    crawl = Crawl(files=100)
    first, tenth = ({cost.stage: cost for cost in costs(crawl.work(number), RATES)} for number in (1, 10))
    assert first["extract"] == tenth["extract"]
    assert first["count"] == tenth["count"]
    assert tenth["balance"].core_seconds == pytest.approx(10 * first["balance"].core_seconds)
    known = crawl.work(10).known
    assert known == pytest.approx(9 * crawl.work(1).new)
    assert tenth["dedup"].core_seconds - first["dedup"].core_seconds == pytest.approx(known * RATES.known_seconds)
    assert first["dedup"].shuffled == tenth["dedup"].shuffled


def test_an_input_is_estimated_from_its_bytes_by_format():
    """Texts and pairs follow from the MB of each format; without identification no text is identified."""
    work = work_of_input(3, {"wat": 10.0, "tsv": 2.0}, RATES, identify=True, known=50_000)
    assert work.texts == 34_000
    assert work.staged == work.new == work.identified == 20_000
    assert (work.known, work.pool, work.kept) == (50_000, 70_000, 17_500)
    assert work_of_input(3, {"wat": 10.0}, RATES, identify=False).identified == 0


def test_money_is_the_sum_of_time_requests_and_storage():
    """Each price is multiplied by its own amount; without prices there is no column."""
    prices = Prices(core_hour=0.05, gb_month=0.02, million_gets=0.4, million_puts=5.0)
    cost = Cost("all", core_seconds=7200, gets=2e6, puts=1e6)
    assert prices.of(cost) == pytest.approx(0.1 + 0.8 + 5.0)
    headings, rows = cost_rows([cost], prices)
    assert (headings[-1], rows[0][-1], rows[1][-1]) == ("cost", "5.90", "5.90")
    assert "cost" not in cost_rows([cost], Prices())[0]
    assert storage_sentence(1e12, prices) == "1.0 TB stored; 20.00 a month"
    assert storage_sentence(1e12, replace(prices, gb_month=0.0)) == "1.0 TB stored"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_shipped_rates_are_whole(engine):
    """Each engine has every rate, and each format that can be read has one."""
    rates = load_rates(engine)
    formats = {"wat", "warc", "parquet", "tsv", "csv", "jsonl"}
    assert set(rates.read_seconds) == set(rates.texts_per_mb) == set(rates.pairs_per_mb) == formats
    numbers = [value for value in rates.as_json().values() if isinstance(value, float)]
    assert all(value >= 0 for value in numbers)
    assert min(rates.read_seconds.values()) > 0
    assert min(rates.dedup_seconds, rates.balance_seconds, rates.identify_seconds, rates.pair_bytes) > 0


def test_a_file_of_rates_with_other_names_is_refused():
    """A missing and an unknown rate are named."""
    text = files("metaclip_spark.costs").joinpath("rates.json").read_text(encoding="utf-8")
    values = json.loads(text)["spark"]
    values["dedup_secnds"] = values.pop("dedup_seconds")
    with pytest.raises(ValueError, match=r"missing \['dedup_seconds'\], unknown \['dedup_secnds'\]"):
        rates_of(values)
