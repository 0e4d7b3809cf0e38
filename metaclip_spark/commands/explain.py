"""`explain`: why a pair is in the curated subset, or not."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field

import pyarrow as pa
from pyspark.sql import functions as F

from metaclip_spark.commands.opening import open_warehouse, run_settings
from metaclip_spark.config import Settings
from metaclip_spark.core.draw import draws, smallest_of
from metaclip_spark.core.hashing.ids import image_id, pair_id
from metaclip_spark.core.text import clean_text, spaced
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import console, print_rows
from metaclip_spark.verbs.explanation import Match, kept_from, matches_of, sampling_probability, verdict
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

MOST_PAIRS = 20


@dataclass(frozen=True)
class Question:
    """Which pair: by its id, by its image's url, by any text, or by url and text together."""

    pair_id: str | None
    url: str | None
    text: str | None

    def __post_init__(self) -> None:
        if not (self.pair_id or self.url or self.text):
            raise ConfigError("explain needs a pair; expected --pair-id, --url or --text.")
        if self.pair_id and (self.url or self.text):
            raise ConfigError("--pair-id names one pair already; give it without --url and --text.")


@dataclass
class Explanation:
    """What decides about one pair. `draw` and `verdict` are of the pool's pair, or of the url and text given.

    Attributes:
        kept_from_threshold: the smallest t that keeps it, at the run's counts; None where the draw is not known, or no
            t would.
    """

    text: str
    spaced: str
    threshold: int
    seed: int
    run_id: str
    matches: list[Match] = field(default_factory=list)
    sampling_probability: float = 0.0
    pair_id: str | None = None
    url: str | None = None
    in_pool: bool = False
    seen_in: list[str] = field(default_factory=list)
    draw: float | None = None
    kept_from_threshold: int | None = None
    verdict: str = ""


def explain(settings: Settings, reporter: Reporter, question: Question, run_id: str | None, as_json: bool) -> int:
    """Answer the question from a run's tables; print it."""
    warehouse = open_warehouse(settings, reporter)
    run_id, settings, metadata = run_settings(warehouse, settings, run_id)
    answers = [
        _explained(warehouse, metadata, settings, run_id, pair) for pair in _asked(warehouse, metadata, question)
    ]
    if as_json:
        print(json.dumps([asdict(answer) for answer in answers], ensure_ascii=False))
    else:
        for answer in answers:
            _print(answer)
    return 0


def _asked(warehouse: Warehouse, metadata: Metadata, question: Question) -> list[dict]:
    """Return url, text and pair_id of each pair asked for; `in_pool` says whether the pool holds it."""
    pool = filter_equal(warehouse.read("pairs"), metadata_id=metadata.metadata_id)
    if question.text is not None:
        text = clean_text(question.text)
        key = pair_id(question.url, text) if question.url else None
        there = key is not None and not filter_equal(pool, pair_id=key).isEmpty()
        return [{"url": question.url, "text": text, "pair_id": key, "in_pool": there}]
    if question.url is not None:
        pool = filter_equal(pool, image_id=image_id(question.url), url=question.url)
    else:
        pool = filter_equal(pool, pair_id=question.pair_id)
    rows = pool.select("url", "text", "pair_id").orderBy("pair_id").limit(MOST_PAIRS).collect()
    if not rows:
        asked = question.pair_id or question.url
        raise ConfigError(
            f"the pool holds no pair {asked!r}: it was not read, matched no entry, or an equal one stands for it. "
            "Ask by --text to see what a text matches."
        )
    return [{**row.asDict(), "in_pool": True} for row in rows]


def _explained(warehouse: Warehouse, metadata: Metadata, settings: Settings, run_id: str, pair: dict) -> Explanation:
    ids = compile_matcher(metadata).match(pa.array([pair["text"]], pa.string())).ids
    run = filter_equal(warehouse.read("entry_probabilities"), run_id=run_id)
    found = {row["entry_id"]: row["count"] for row in run.where(F.col("entry_id").isin(ids.tolist() or [-1])).collect()}
    threshold = run.select("threshold").first()
    answer = Explanation(
        text=pair["text"],
        spaced=spaced(pair["text"]),
        threshold=threshold[0] if threshold else 0,
        seed=settings.seed,
        run_id=run_id,
        **{name: pair[name] for name in ("pair_id", "url", "in_pool")},
    )
    answer.seen_in += _seen_in(warehouse, metadata, pair["pair_id"])
    answer.matches += matches_of(
        answer.spaced, ids.tolist(), metadata.entries, lambda entry_id: found.get(entry_id, 0), answer.threshold
    )
    answer.sampling_probability = sampling_probability(answer.matches)
    image = image_id(answer.url) if settings.unit == "image" and answer.url else None
    _judge(answer, image or answer.pair_id)
    if image is not None and answer.in_pool and answer.matches:
        drawn = _drawn_of_image(warehouse, metadata, settings.seed, image)
        if drawn != answer.pair_id:
            answer.verdict = f"dropped: of the image's matched texts that of pair {drawn} is drawn"
            answer.kept_from_threshold = None
    elif settings.is_thinned and answer.in_pool and answer.matches:
        _judge_by_subset(warehouse, settings, answer)
    return answer


def _judge_by_subset(warehouse: Warehouse, settings: Settings, answer: Explanation) -> None:
    """Say what became of the pair where the run drew from survivors: counts alone do not tell whether it is one."""
    subset = filter_equal(warehouse.read("curated_pairs"), run_id=answer.run_id, pair_id=answer.pair_id)
    row = subset.select("sampling_probability").first()
    if row is not None:
        answer.sampling_probability = row["sampling_probability"]
    elif answer.draw is not None and answer.draw < answer.sampling_probability:
        of = f"the subset of run {settings.drawn_from_run}" if settings.drawn_from_run else "the pool"
        answer.verdict = f"dropped: it is not among what is left of {of}, which this run drew from"
        answer.kept_from_threshold = None


def _drawn_of_image(warehouse: Warehouse, metadata: Metadata, seed: int, image: str) -> str:
    """Return the pair that is drawn of an image, `--unit image`."""
    texts = filter_equal(warehouse.read("pairs"), metadata_id=metadata.metadata_id, image_id=image)
    keys = pa.array([row[0] for row in texts.where(F.size("entry_ids") > 0).select("pair_id").collect()], pa.string())
    return keys.filter(pa.array(smallest_of(pa.array([image] * len(keys)), keys, seed)))[0].as_py()


def _seen_in(warehouse: Warehouse, metadata: Metadata, key: str | None) -> list[str]:
    """Return the snapshots that hold a pair, in order: the first and the last time it was seen."""
    if key is None or not re.fullmatch("[0-9a-f]{32}", key):
        return []
    seen = filter_equal(warehouse.read("sightings"), metadata_id=metadata.metadata_id)
    rows = seen.where(F.col("pair_key") == F.unhex(F.lit(key))).select("snapshot").collect()
    return sorted(row["snapshot"] for row in rows)


def _judge(answer: Explanation, key: str | None) -> None:
    if key is not None:
        answer.draw = float(draws(pa.array([key]), answer.seed)[0])
        answer.kept_from_threshold = kept_from([match.count or 0 for match in answer.matches], answer.draw)
    answer.verdict = verdict(answer.matches, answer.sampling_probability, answer.draw, "url")
    if answer.pair_id is not None and not answer.in_pool:
        answer.verdict = f"not in the pool; if it were: {answer.verdict}"


def _print(answer: Explanation) -> None:
    out = console()
    lines = [
        ("pair", answer.pair_id),
        ("url", answer.url),
        ("text", repr(answer.text)),
        ("spaced", repr(answer.spaced)),
        ("seen in", ", ".join(answer.seen_in) or None),
    ]
    out.print()
    for name, value in lines:
        if value is not None:
            out.print(f"{name:<8}{value}", markup=False)
    out.print()
    rows = [
        [
            str(m.entry_id),
            repr(m.entry),
            ",".join(map(str, m.positions)),
            f"{m.count:,}",
            m.part,
            f"{m.probability:.6g}",
        ]
        for m in answer.matches
    ]
    if rows:
        print_rows(["id", "entry", "at", "count", "part", "probability"], rows)
        out.print()
    out.print(f"t {answer.threshold:,}, seed {answer.seed}, run {answer.run_id}", markup=False)
    shown = "-" if answer.draw is None else f"{answer.draw:.6g}"
    out.print(f"p(pair) {answer.sampling_probability:.6g}, draw {shown}", markup=False)
    if answer.kept_from_threshold is not None:
        out.print(f"kept from t = {answer.kept_from_threshold:,} on, at these counts", markup=False)
    out.print(answer.verdict, markup=False, style="bold")
