"""The account of the input: where the records and texts of its sources went, in numbers and in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metaclip_spark.candidates.ledger import (
    FILTER_PREFIX,
    MASKED,
    MASKED_PREFIX,
    NO_TEXT_REASONS,
    PASSED_OVER,
    PII_PREFIX,
    REASONS,
    RECORD_REASONS,
    ROBOTS_PREFIX,
    is_of_text,
)
from metaclip_spark.candidates.options import OPT_OUTS
from metaclip_spark.core.wording import agrees, counted

SHOWN = 20
"""Maximum number of lines about sources without a pair."""

AFTER_MATCHING = ("repeat", "language")
"""Reasons that are looked at after matching; the language that the input names is looked at before."""

_NAMED = 4
"""Number of reasons that a sentence names."""


@dataclass(frozen=True)
class WithoutPairs:
    """The sources that are done, have records, and gave no pair, with the same most common reason.

    Attributes:
        reason: the most common reason in each of the sources; "" if a source counts no reason.
        sources: number of sources.
        number: records, rows or texts that were left out for the reason, in all of the sources.
        records, texts: number of all records, and of all texts read.
        example: the path of one of the sources.
    """

    reason: str
    sources: int
    number: int
    records: int
    texts: int
    example: str

    @property
    def sentence(self) -> str:
        """The sentence that the command prints."""
        subject = f"{counted(self.sources, 'source')} {agrees(self.sources, 'is', 'are')} done without a pair"
        if not self.reason:
            return f"{subject}, and no reason was counted: {counted(self.records, 'record')}, e.g. {self.example}"
        of_text = is_of_text(self.reason)
        whole = counted(self.texts, "text") if of_text or self.reason == "link_cap" else counted(self.records, "record")
        meaning = meaning_of(self.reason)
        named = f"{self.reason} ({meaning})" if meaning else self.reason
        return f"{subject}; most common reason: {named}: {self.number:,} of {whole}, e.g. {self.example}"

    @property
    def plain(self) -> dict[str, object]:
        """The numbers as plain values, for JSON."""
        return {
            "reason": self.reason,
            "sources": self.sources,
            "number": self.number,
            "records": self.records,
            "texts": self.texts,
            "example": self.example,
        }


def by_reason(rows: Iterable[tuple[str, str, int, int, int]]) -> list[WithoutPairs]:
    """Group sources without a pair by their most common reason, the most frequent first.

    Args:
        rows: (source_path, reason, number, records, texts) of each source.
    """
    groups: dict[str, WithoutPairs] = {}
    for path, reason, number, records, texts in rows:
        group = groups.get(reason, WithoutPairs(reason, 0, 0, 0, 0, path))
        groups[reason] = WithoutPairs(
            reason,
            group.sources + 1,
            group.number + number,
            group.records + records,
            group.texts + texts,
            min(group.example, path),
        )
    return sorted(groups.values(), key=lambda group: (-group.sources, -group.number, group.reason))


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    """Sums over the outcomes of sources.

    Attributes:
        sources: Status (`done`, `partial`, `failed`) -> number of sources.
        pairs_sent: Pairs before deduplication; None if no source is known.
        rejected: Reason -> number of rejects: records, rows and texts.
        passed_over: Reason -> number of records without a text, which are no rejects.
        masked: Kind of personal data -> number of texts in which it was masked, which are no rejects.
        without_pairs: The sources that are done and gave no pair.
    """

    sources: Mapping[str, int]
    records_read: int
    texts_read: int
    texts_matched: int
    rejected: Mapping[str, int]
    pairs_sent: int | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)
    masked: Mapping[str, int] = field(default_factory=dict)
    without_pairs: Sequence[WithoutPairs] = ()

    @property
    def opted_out(self) -> dict[str, int]:
        """Opt-out -> number of texts rejected for it: in the order of `OPT_OUTS`, then those of robots.txt."""
        robots = sorted(why for why in self.rejected if why.startswith(ROBOTS_PREFIX))
        return {name: self.rejected[name] for name in (*OPT_OUTS, *robots) if self.rejected.get(name)}

    @property
    def rejected_texts(self) -> dict[str, int]:
        """Reason -> number of texts: texts_read = pairs_sent + the sum of these."""
        return {why: n for why, n in self.rejected.items() if is_of_text(why)}

    @property
    def dropped_before_matching(self) -> int:
        """Texts that are neither matched nor left out for a reason other than `AFTER_MATCHING`.

        Without --keep-unmatched, these were left out for the language that the input names.
        """
        others = sum(n for why, n in self.rejected_texts.items() if why not in AFTER_MATCHING)
        return self.texts_read - others - self.texts_matched

    @property
    def without_text(self) -> dict[str, int]:
        """Reason -> number of the records, rows and links that were left out before a text was read."""
        early = {**RECORD_REASONS, **NO_TEXT_REASONS}
        return {**self.passed_over, **{why: n for why, n in self.rejected.items() if why in early}}


def split_reasons(counts: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Split the numbers of the column `rejected`, the largest first.

    Returns:
        The rejects by reason, the records passed over by reason, and the masked texts by kind.
    """
    ordered = largest(counts)
    rejects = {why: n for why, n in ordered if why not in PASSED_OVER and why not in MASKED}
    masked = {why.removeprefix(MASKED_PREFIX): n for why, n in ordered if why in MASKED}
    return rejects, {why: n for why, n in ordered if why in PASSED_OVER}, masked


def meaning_of(reason: str) -> str:
    """Return what a reason means, or "" for an unknown one."""
    if reason.startswith(FILTER_PREFIX):
        return "rejected by a filter of the user"
    if reason.startswith(ROBOTS_PREFIX):
        return "the robots.txt of the host refuses it"
    return REASONS.get(reason, "")


def largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return (reason, number), the largest number first, without zeros."""
    return sorted(((why, n) for why, n in counts.items() if n), key=lambda item: (-item[1], item[0]))


def in_words(counts: Mapping[str, int]) -> str:
    """Write the largest numbers with their reasons and meanings."""
    ordered = largest(counts)
    parts = []
    for reason, number in ordered[:_NAMED]:
        meaning = meaning_of(reason)
        parts.append(f"{number:,} {reason} ({meaning})" if meaning else f"{number:,} {reason}")
    rest = ordered[_NAMED:]
    if rest:
        parts.append(f"{sum(n for _, n in rest):,} for {counted(len(rest), 'other reason')}")
    return ", ".join(parts)


def why_no_pair(account: Account) -> str:
    """Write where the records and texts of an input went that gave no pair, with what to do about it."""
    total = sum(account.sources.values())
    sources = counted(total, "source")
    if not total:
        return "no source was read. Give --input or --crawl."
    failed = account.sources.get("failed", 0)
    if failed == total:
        the = "its only source" if total == 1 else f"all {sources}"
        return f"{the} failed; the table `sources` has the reasons. Mend them, and run again with --retry failed."
    unread = f" ({failed:,} failed)" if failed else ""
    if not account.texts_read:
        records = counted(account.records_read, "record")
        why = in_words(account.without_text)
        advice = advice_on(account.without_text)
        have = agrees(total, "has", "have")
        return f"{sources}{unread} with {records} {have} no text{': ' if why else ''}{why}.{advice}"
    of = "the only text" if account.texts_read == 1 else f"none of the {account.texts_read:,} texts"
    verb = "gave no pair" if account.texts_read == 1 else "gave a pair"
    rejected = account.rejected_texts
    return f"{of} of {sources}{unread} {verb}: {in_words(rejected)}.{advice_on(rejected)}"


_ADVICE = {
    "language": "--languages all keeps every language, --languages de,fr these",
    "no_match": "check --metadata: `metaclip-spark metadata inspect` shows what is in a list",
    "no_url": "check --url-column",
    "no_text": "check --text-column",
    "empty_text": "check --text-column",
    "broken_row": "check that the files are what their names say",
    "broken_json": "check that the files are what their names say",
    "not_page": "check that the input is WAT or WARC files of web pages",
    "not_response": "check that the input is WAT or WARC files of web pages",
    "no_image_text": "--text-fields names more places where a page has texts",
    "text_cap": "raise --text-cap",
    "too_short": "lower --min-chars or --min-words",
    "too_long": "raise --max-chars or --max-words",
    "blocklist": "check --blocklist",
    "image_extension": "check --image-extensions",
    "file_name": "leave --no-file-names out",
    "digits": "leave --no-digits out",
}
_OPT_OUT_ADVICE = "--opt-outs names the opt-outs that are honoured"
_AGAIN = "A source is read once per warehouse and snapshot: to read it with other settings, use `snapshots replace`."


def advice_on(counts: Mapping[str, int]) -> str:
    """Write what to do about the most common reason, with a leading space; "" if there is no advice."""
    ordered = largest(counts)
    if not ordered:
        return ""
    reason = ordered[0][0]
    advice = _ADVICE.get(reason, _OPT_OUT_ADVICE if reason in OPT_OUTS else "")
    if reason.startswith(FILTER_PREFIX):
        advice = "check --filter"
    elif reason.startswith(PII_PREFIX):
        advice = "--pii mask keeps the texts without their personal data"
    elif reason.startswith(ROBOTS_PREFIX):
        advice = "check --robots"
    return f" {advice[0].upper() + advice[1:] if not advice.startswith('-') else advice}. {_AGAIN}" if advice else ""
