"""The funnel: from texts to the curated subset. Between two rows, every text or pair that is missing has its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metaclip_spark.report.account import AFTER_MATCHING, largest
from metaclip_spark.report.card import Card, share
from metaclip_spark.report.formatting import percent

OPT_OUT = "opt-outs of the page"
DUPLICATES = "repeats that met in deduplication"
EARLIER = "pairs that an earlier snapshot has"
UNMATCHED_KEPT = "kept without a match"
NOT_SURVIVING = "repeats, and pairs that are not left"
NOT_LEFT = "pairs that are not left"
NOT_DRAWN = "not drawn"
OTHER_TEXTS = "other texts of the same image"
REMATCHED = "matched again with this list"
TAKEN_DOWN = "taken down"
UNEXPLAINED = "not accounted for"
UNIQUE_IN_SOURCES = "Each once a source"
SURVIVING = "Pairs left of "
SUBSET_OF = "Subset of "
_OR_EARLIER = ", or pairs of earlier snapshots"
_OR_TAKEN = ", or pairs taken down since"
# The constants above are names in the card's JSON, so they are stable. The page uses other words.
_ON_THE_PAGE = {
    DUPLICATES: "duplicates found in deduplication",
    NOT_SURVIVING: "duplicates, and pairs that did not survive",
    NOT_LEFT: "pairs that did not survive",
    NOT_DRAWN: "not sampled",
    UNIQUE_IN_SOURCES: "Unique per source",
    UNEXPLAINED: "not accounted for: a source was read again, or the tables changed since",
}


@dataclass(frozen=True)
class FunnelRow:
    """One row of the funnel: the row before it - the sum of `left_out` + the sum of `added`.

    Attributes:
        name: The name of the row in the card's JSON.
        value: Number of texts or pairs.
        note: Its share of the row before, in words.
        width: Length of the bar, in percent of the longest.
        left_out: (reason, number) of the texts or pairs dropped since the row before, the largest number first.
        added: (origin, number) of pairs that came from elsewhere since the row before.
    """

    name: str
    value: int
    note: str
    width: float
    left_out: Sequence[tuple[str, int]] = ()
    added: Sequence[tuple[str, int]] = ()

    @property
    def title(self) -> str:
        """`name` in the words of the page."""
        return _ON_THE_PAGE.get(self.name, self.name).replace(SURVIVING, "Surviving pairs of ")

    @property
    def dropped(self) -> list[tuple[str, int]]:
        """`left_out` with the reasons in the words of the page."""
        return [(on_the_page(reason), n) for reason, n in self.left_out]

    @property
    def joined(self) -> list[tuple[str, int]]:
        """`added` in the words of the page."""
        return [(on_the_page(origin), n) for origin, n in self.added]


@dataclass(frozen=True)
class _Level:
    """A row before its differences are closed: `of` names the row before it."""

    name: str
    value: int
    of: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    added: Mapping[str, int] = field(default_factory=dict)


def on_the_page(name: str) -> str:
    """Return a name of the JSON in the words of the page."""
    for suffix in (_OR_EARLIER, _OR_TAKEN):
        if name.endswith(suffix):
            return on_the_page(name.removesuffix(suffix)) + suffix
    return _ON_THE_PAGE.get(name, name)


def funnel(card: Card) -> list[FunnelRow]:
    """Return the rows from texts to the curated subset: texts, matched, language identified, unique pairs, sampled.

    The rows begin where the numbers are known: without sources (`match`) at the pool. A difference that no reason
    explains has a line of its own, so that every row is the sum of the lines before it.
    """
    levels = [*_of_sources(card), *_of_pool(card)]
    first = next((at for at, level in enumerate(levels) if level.of == _FRESH), 0)
    levels = levels[first:]
    longest = max(level.value for level in levels)
    rows: list[FunnelRow] = []
    for level in levels:
        left_out, added = ({why: n for why, n in part.items() if n > 0} for part in (level.left_out, level.added))
        note = ""
        if rows:
            before = rows[-1].value
            missing = before - sum(left_out.values()) + sum(added.values()) - level.value
            (left_out if missing > 0 else added)[UNEXPLAINED] = abs(missing)
            note = f"{percent(share(level.value, before))} {level.of}" if before and level.of else ""
        else:
            left_out = added = {}
        width = round(100 * share(level.value, longest), 3)
        rows.append(FunnelRow(level.name, level.value, note, width, largest(left_out), largest(added)))
    return rows


_FRESH = "fresh"
"""`_Level.of` of a row that does not follow from the rows before it."""


def _of_sources(card: Card) -> list[_Level]:
    """Return the rows of texts, and of the pairs that the sources gave."""
    if card.pairs_sent is None:
        return []
    texts = _Level("Texts", card.texts_read)
    sent = "Language identified" if _identifies(card) else UNIQUE_IN_SOURCES
    opted_out, rejected = card.opted_out, card.rejected_texts
    before = {why: n for why, n in rejected.items() if why not in (*AFTER_MATCHING, *opted_out)}
    before[OPT_OUT] = sum(opted_out.values())
    after = {why: rejected.get(why, 0) for why in AFTER_MATCHING}
    # The language that the input names is checked before matching, an identified one after it.
    by_input = card.dropped_before_matching
    if not by_input or (not card.config.get("keep_unmatched") and 0 < by_input <= after["language"]):
        after["language"] -= by_input
        matched = _Level("Matched", card.texts_matched, "of the texts", {**before, "language": by_input})
        return [texts, matched, _Level(sent, card.pairs_sent, "of the matched", after)]
    # Texts without a match are kept among the others, so the matched texts are no step on the way.
    return [texts, _Level(sent, card.pairs_sent, "of the texts", {**before, **after})]


def _of_pool(card: Card) -> list[_Level]:
    """Return the rows of the pool, of its survivors and of the subset."""
    of = "of the pairs" if card.pairs_sent is not None else ""
    if card.left_of is None:
        levels = [_Level(pool_name(card), card.unique_pairs, of, *_to_pool(card, card.unique_pairs))]
    elif card.pairs_before is None:  # the run is of an earlier release, which did not store these numbers
        levels = [_Level(pool_name(card), card.unique_pairs, of, {NOT_SURVIVING: _missing(card, card.unique_pairs)})]
    else:
        levels = _of_survivors(card, card.pairs_before, of)
    unmatched = card.matches_per_text.get(0, 0)
    subset = "of the pool" if card.left_of is None else "of the survivors"
    size, left = card.unique_pairs, {UNMATCHED_KEPT: unmatched}
    if card.images is not None:
        others = card.unique_pairs - unmatched - card.images
        levels.append(_Level("Images", card.images, "of the pairs", {**left, OTHER_TEXTS: others}))
        size, left, subset = card.images, {}, "of the images"
    # Numbers of survivors are those of the draw. All other numbers are those of the pairs that takedowns left.
    drawn = card.curated_size if card.left_of is None else card.compared_size
    left = {**left, NOT_DRAWN: size - sum(left.values()) - drawn, TAKEN_DOWN: drawn - card.curated_size}
    return [*levels, _Level("Curated subset", card.curated_size, subset, left)]


def _of_survivors(card: Card, before: int, of: str) -> list[_Level]:
    pool, of_run = card.pool_pairs, card.left_of != "the pool"
    levels = []
    if pool is not None:
        levels.append(_Level("Unique pairs: the pool", pool, of, *_to_pool(card, pool)))
    if of_run:
        dropped = {NOT_DRAWN: (pool or 0) - before}
        levels.append(
            _Level(f"{SUBSET_OF}{card.left_of}", before, "of the pool" if pool is not None else _FRESH, dropped)
        )
    survivors = "of the subset" if of_run else "of the pool"
    return [*levels, _Level(pool_name(card), card.unique_pairs, survivors, {NOT_LEFT: before - card.unique_pairs})]


def _to_pool(card: Card, pool: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return the pairs that were left out, and those that were added, between the sources and the pool."""
    missing = max(_missing(card, pool), 0)
    added = {REMATCHED: card.pairs_rematched}
    or_taken = _OR_TAKEN if card.taken_down is None else ""
    taken = min(card.taken_down or 0, missing)
    rest, seen = missing - taken, card.pairs_seen
    left_out = {TAKEN_DOWN: taken}
    if seen is not None and pool + taken <= seen <= pool + missing:
        return {DUPLICATES + or_taken: pool + missing - seen, EARLIER: seen - pool - taken, **left_out}, added
    return {DUPLICATES + (_OR_EARLIER if card.has_earlier else "") + or_taken: rest, **left_out}, added


def _missing(card: Card, pool: int) -> int:
    return (card.pairs_sent or 0) + card.pairs_rematched - pool


def pool_name(card: Card) -> str:
    """Name the pairs that were balanced: the pool, or the survivors of a download."""
    return "Unique pairs: the pool" if card.left_of is None else f"{SURVIVING}{card.left_of}"


def _identifies(card: Card) -> bool:
    config = card.config
    return not config.get("no_lid") or config.get("lang_column") is not None
