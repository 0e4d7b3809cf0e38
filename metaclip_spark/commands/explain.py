"""The command `explain`: print why a pair is in the curated subset, or not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from metaclip_spark.candidates.ledger import PII_KINDS
from metaclip_spark.candidates.options import DROP, MASK
from metaclip_spark.commands.opening import reading
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.draw import draws
from metaclip_spark.core.hashing.ids import image_id, pair_id
from metaclip_spark.core.text import clean_text, spaced
from metaclip_spark.core.worldwide.switches import NO_SWITCHES, Switches, spaced_text
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.language import keep_languages, load_identifier
from metaclip_spark.filters.pii import mask_text, spans_of
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.matchers.worldwide.by_section import list_matcher, switches_of
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.steps.context import RunContext
from metaclip_spark.steps.explain import (
    counts_of_entries,
    drawn_pair_of_image,
    is_taken_down,
    pairs_of_id,
    pairs_of_url,
    probability_in_subset,
    snapshots_of_pair,
    threshold_of,
)
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.verbs.explanation import (
    Match,
    matches_of,
    sampling_probability,
    smallest_keeping_threshold,
    verdict,
)


@dataclass(frozen=True)
class Question:
    """The pair to explain: by its id, by its image's url, by any text, or by url and text together.

    Raises:
        ConfigError: none of them is given, or the id and another.
    """

    pair_id: str | None
    url: str | None
    text: str | None

    def __post_init__(self) -> None:
        if not (self.pair_id or self.url or self.text):
            raise ConfigError("explain needs a pair; expected --pair-id, --url or --text.")
        if self.pair_id and (self.url or self.text):
            raise ConfigError("--pair-id names one pair already; give it without --url and --text.")


@dataclass(frozen=True)
class _Pair:
    url: str | None
    text: str
    pair_id: str | None
    in_pool: bool
    list_lang: str | None = None
    weight_text: str | None = None


@dataclass
class Explanation:
    """The explanation of one pair. `draw` and `verdict` are of the pool's pair, or of the given url and text.

    Attributes:
        seen_in: the snapshots that hold the pair.
        list_lang: the language of the list that the text is matched against; None where one list is used for all.
        personal_data: with --pii drop, the kinds of personal data in the text, for which it is dropped.
        taken_down: whether the takedown list has the url of the image, its domain or the pair; not looked up for a pair
            of the pool.
        kept_from_threshold: the smallest t that keeps the pair, at the counts of the run; None where the draw is not
            known, or no t would keep it.
        weight: the factor of the sampling probability; None where the run has no weights, or where it is not known,
            because the pair is not in the pool.
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
    list_lang: str | None = None
    taken_down: bool = False
    weight: float | None = None
    personal_data: list[str] = field(default_factory=list)


def explain(settings: Settings, reporter: Reporter, question: Question, run_id: str | None, as_json: bool) -> int:
    """Explain a pair, or the pairs of an image, from the tables of a run; print the explanations and return 0."""
    ctx = reading(settings, reporter, run_id)
    answers = [_explanation_of(ctx, pair) for pair in _pairs_to_explain(ctx, question)]
    if as_json:
        print(json.dumps([asdict(answer) for answer in answers], ensure_ascii=False))
    else:
        for answer in answers:
            _print(answer)
    return 0


def _pairs_to_explain(ctx: RunContext, question: Question) -> list[_Pair]:
    if question.text is not None:
        text = clean_text(question.text)
        if ctx.settings.pii == MASK:
            text = mask_text(text)
        key = pair_id(question.url, text) if question.url else None
        return [_Pair(question.url, text, key, in_pool=key is not None and bool(pairs_of_id(ctx, key)))]
    pairs = pairs_of_id(ctx, question.pair_id or "") if question.url is None else pairs_of_url(ctx, question.url)
    if not pairs:
        if is_taken_down(ctx, question.url, question.pair_id):
            raise ConfigError(
                f"the pool holds no pair {question.pair_id or question.url!r}: it is on the takedown list, so it was "
                "deleted, and later input does not bring it back."
            )
        raise ConfigError(
            f"the pool holds no pair {question.pair_id or question.url!r}: it was not read, it matched no entry, or an "
            "equal pair was kept instead. Give --text to see what a text matches."
        )
    return [_Pair(**pair, in_pool=True) for pair in pairs]


def _explanation_of(ctx: RunContext, pair: _Pair) -> Explanation:
    settings, metadata = ctx.settings, ctx.metadata
    ids, lang = _matched_ids(ctx, pair)
    switches = None if lang is None else _switches_of(ctx, lang)
    counts = counts_of_entries(ctx, ids)
    answer = Explanation(
        text=pair.text,
        spaced=spaced(pair.text) if switches is None else spaced_text(pair.text, switches),
        threshold=threshold_of(ctx, lang),
        list_lang=lang,
        seed=settings.seed,
        run_id=ctx.run_id,
        pair_id=pair.pair_id,
        url=pair.url,
        in_pool=pair.in_pool,
        seen_in=snapshots_of_pair(ctx, pair.pair_id),
    )
    answer.matches += matches_of(
        answer.spaced,
        ids,
        metadata.entries,
        lambda entry_id: counts.get(entry_id, 0),
        answer.threshold,
        switches,
    )
    answer.weight = _weight_of(ctx, pair, lang)
    factor = 1.0 if answer.weight is None else answer.weight
    answer.sampling_probability = sampling_probability(answer.matches) * factor
    image = image_id(answer.url) if settings.unit == "image" and answer.url else None
    if not answer.in_pool:
        answer.taken_down = is_taken_down(ctx, answer.url, answer.pair_id)
    _judge(answer, image or answer.pair_id)
    if answer.weight is None and settings.pair_weights is not None and answer.matches:
        answer.verdict += "; its weight is not known outside the pool, and is taken as 1"
    if settings.pii == DROP and not answer.in_pool:
        answer.personal_data = list(dict.fromkeys(kind for _, _, kind in spans_of(pair.text)))
    if answer.personal_data:
        what = " and ".join(PII_KINDS[kind] for kind in answer.personal_data)
        answer.verdict = f"dropped before matching: the text holds {what} (--pii drop)"
    if image is not None and answer.in_pool and answer.matches:
        drawn = drawn_pair_of_image(ctx, image)
        if drawn != answer.pair_id:
            answer.verdict = f"dropped: of the image's matched texts, the text of pair {drawn} is drawn"
            answer.kept_from_threshold = None
    elif settings.is_thinned and answer.in_pool and answer.matches:
        _judge_by_subset(ctx, answer)
    return answer


def _matched_ids(ctx: RunContext, pair: _Pair) -> tuple[list[int], str | None]:
    """Return the ids of the entries that a text matches, and the language of its list if each has its own."""
    texts = pa.array([pair.text], pa.string())
    if ctx.lists is None:
        return compile_matcher(ctx.metadata).match(texts).ids.tolist(), None
    lang = pair.list_lang
    if lang is None:
        codes, scores = load_identifier(ctx.settings.lid).identify(texts)
        code, _, _ = keep_languages(codes, scores, ctx.settings.extract_options())
        lang = ctx.lists.choose(code)[0].as_py()
        if lang is None:
            raise ConfigError(f"the text is in language {code[0].as_py()!r}, for which there is no list.")
    assert isinstance(ctx.metadata, WorldwideMetadata)
    lists, first = list_matcher(ctx.metadata, lang)
    return (lists.get(lang).match(texts).ids + first).tolist(), lang


def _weight_of(ctx: RunContext, pair: _Pair, lang: str | None) -> float | None:
    """Return the weight of a pair in the run; None where the run has no weights, or the pair's weight is not known."""
    weights = ctx.settings.pair_weights
    if weights is None or (weights.column is not None and not pair.in_pool):
        return None
    return float(weights.of(*(pa.array([value], pa.string()) for value in (pair.weight_text, lang)))[0])


def _switches_of(ctx: RunContext, lang: str) -> Switches:
    assert isinstance(ctx.metadata, WorldwideMetadata)
    return switches_of(ctx.metadata).get(lang, NO_SWITCHES)


def _judge_by_subset(ctx: RunContext, answer: Explanation) -> None:
    """Correct the verdict where the run drew from survivors: counts do not tell whether the pair is a survivor."""
    probability = None if answer.pair_id is None else probability_in_subset(ctx, answer.pair_id)
    if probability is not None:
        answer.sampling_probability = probability
    elif answer.draw is not None and answer.draw < answer.sampling_probability:
        run_id = ctx.settings.drawn_from_run
        origin = f"the subset of run {run_id}" if run_id else "the pool"
        answer.verdict = f"dropped: it is not among the survivors of {origin}, which this run drew from"
        answer.kept_from_threshold = None


def _judge(answer: Explanation, key: str | None) -> None:
    """Set the draw and the verdict.

    Args:
        key: the key of the draw: the id of the image or of the pair; None: the draw is not known.
    """
    if key is not None:
        counts = [match.count or 0 for match in answer.matches]
        answer.draw = float(draws(pa.array([key]), answer.seed)[0])
        weight = 1.0 if answer.weight is None else answer.weight
        answer.kept_from_threshold = smallest_keeping_threshold(counts, answer.draw, weight)
    answer.verdict = verdict(answer.matches, answer.sampling_probability, answer.draw, "url")
    if answer.matches and answer.weight is not None and answer.draw is not None and answer.draw >= answer.weight:
        answer.verdict = "dropped: the draw is not below the weight of the pair, so no t keeps it"
    if answer.pair_id is not None and not answer.in_pool:
        why = ", because it is on the takedown list" if answer.taken_down else ""
        answer.verdict = f"not in the pool{why}; if it were: {answer.verdict}"


def _print(answer: Explanation) -> None:
    out = console()
    lines = [
        ("pair", answer.pair_id),
        ("url", answer.url),
        ("text", repr(answer.text)),
        ("spaced", repr(answer.spaced)),
        ("list", answer.list_lang),
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
            m.part or "",
            f"{m.probability:.6g}",
        ]
        for m in answer.matches
    ]
    if rows:
        print_rows(["id", "entry", "at", "count", "part", "probability"], rows)
        out.print()
    out.print(f"t {answer.threshold:,}, seed {answer.seed}, run {answer.run_id}", markup=False)
    shown = "-" if answer.draw is None else f"{answer.draw:.6g}"
    weight = "" if answer.weight is None else f" (with weight {answer.weight:.6g})"
    out.print(f"p(pair) {answer.sampling_probability:.6g}{weight}, draw {shown}", markup=False)
    if answer.kept_from_threshold is not None:
        out.print(f"kept from t = {answer.kept_from_threshold:,} on, at these counts", markup=False)
    out.print(answer.verdict, markup=False, style="bold")
