"""The template of the European Commission for the public summary of training content, filled with what tables say.

Regulation (EU) 2024/1689, Article 53(1)(d); template of 24 July 2025. What only the provider of a model can know stays
blank (`value` is None), with the facts that help to answer it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metaclip_spark.core.urls.registered import LIST_VERSION
from metaclip_spark.core.wording import counted, size
from metaclip_spark.report.account import meaning_of
from metaclip_spark.report.summary.facts import DomainList, Facts, Input, Rules

TITLE = "Public Summary of Training Content for general-purpose AI models"
BASIS = "Article 53(1)(d) of Regulation (EU) 2024/1689 (AI Act); template of the European Commission of 24 July 2025"

IMAGE_RANGES = (
    (1_000_000, "Less than 1 million images"),
    (1_000_000_000, "1 million to 1 billion images"),
    (None, "More than 1 billion images"),
)
_SHOWN_LANGUAGES = 30
_DOMAINS = f"A domain is the registered one, by the ICANN part of the Public Suffix List of {LIST_VERSION}."
_NOT_ILLEGAL = ("takedown", "blocklist")


@dataclass(frozen=True)
class Field:
    """A field of the template.

    Attributes:
        value: the answer; None: only the provider can give it.
        facts: what the tables say about it.
    """

    label: str
    value: str | None = None
    facts: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A section of the template."""

    number: str
    title: str
    fields: Sequence[Field] = ()


def sections(facts: Facts) -> list[Section]:
    """Return the filled template."""
    return [
        Section("", "General information", (Field("Version of the Summary"), Field("Last update"))),
        Section("1", "General information"),
        Section(
            "1.1",
            "Provider identification",
            (
                Field("Provider name and contact details"),
                Field("Authorised representative name and contact details"),
            ),
        ),
        Section(
            "1.2",
            "Model identification",
            (
                Field("Versioned model name(s)"),
                Field("Model dependencies"),
                Field("Date of placement of the model on the Union market"),
            ),
        ),
        _sizes(facts),
        Section("2", "List of data sources"),
        _public(facts),
        Section("2.2", "Private non-publicly available datasets obtained from third parties"),
        Section(
            "2.2.1",
            "Datasets commercially licensed by rightsholders or their representatives",
            (
                Field(
                    "Have you concluded transactional commercial licensing agreement(s) with rightsholder(s) or with "
                    "their representatives?"
                ),
            ),
        ),
        Section(
            "2.2.2",
            "Private datasets obtained from other third parties",
            (
                Field(
                    "Have you obtained private datasets from third parties that are not licensed as described in "
                    "Section 2.2.1?",
                    facts=_tables(facts),
                ),
            ),
        ),
        _crawled(facts),
        Section(
            "2.4",
            "User data",
            (
                Field("Was data from user interactions with the AI model used to train the model?"),
                Field(
                    "Was data collected from user interactions with the provider's other services or products used to "
                    "train the model?"
                ),
            ),
        ),
        Section(
            "2.5",
            "Synthetic data",
            (Field("Was synthetic AI-generated data created by the provider or on their behalf to train the model?"),),
        ),
        Section(
            "2.6",
            "Other sources of data",
            (
                Field(
                    "Have data sources other than those described in Sections 2.1 to 2.5 been used to train the model?"
                ),
            ),
        ),
        Section("3", "Data processing aspects"),
        _reservations(facts),
        Section(
            "3.2",
            "Removal of illegal content",
            (Field("General description of measures taken", facts=_removed(facts)),),
        ),
        Section(
            "3.3",
            "Other information (optional)",
            (Field("Other relevant information about data processing", _processing(facts), facts.notes),),
        ),
    ]


def _sizes(facts: Facts) -> Section:
    urls = f"{facts.images:,} different urls of images in the subset"
    upper = next(name for most, name in IMAGE_RANGES if most is None or facts.images < most)
    origins = ", ".join(f"{name} ({pairs:,})" for name, pairs in facts.text_sources.items())
    last = max((each.last for each in facts.inputs), default="")
    known = bool(facts.inputs) and all(each.last for each in facts.inputs) and not facts.gone
    shown = list(facts.languages.items())[:_SHOWN_LANGUAGES]
    languages = [f"{name}: {pairs:,} texts, {characters:,} characters" for name, (pairs, characters) in shown]
    rest = len(facts.languages) - len(shown)
    if rest:
        languages.append(f"and {counted(rest, 'other language')}: summary.json has all")
    return Section(
        "1.3",
        "Modalities, overall training data size and other characteristics",
        (
            Field("Modality", "Text, Image", ["Of this data set; other data of the model is the provider's to add."]),
            Field(
                "Training data size: Text",
                None,
                [
                    f"{facts.pairs:,} texts with {facts.characters:,} characters. The range of the template is in "
                    "tokens, which the provider's tokenizer decides; characters are another unit that it allows.",
                ],
            ),
            Field(
                "Training data size: Image",
                f"{upper} ({urls})" if facts.images < IMAGE_RANGES[0][0] else None,
                [f"{urls}: at most the range {upper!r}. How many were downloaded and used, the provider knows."],
            ),
            Field("Types of content", f"Images on web pages, and short texts about them. Texts by origin: {origins}."),
            Field(
                "Latest date of data acquisition/collection for model training",
                last if known else None,
                [] if known else _dates(facts),
            ),
            Field(
                "Description of the linguistic characteristics of the overall training data",
                f"{counted(len(facts.languages), 'language')}; und: unknown.",
                languages,
            ),
            Field("Other relevant characteristics of the overall training data"),
            Field("Additional comments (optional)"),
        ),
    )


def _dates(facts: Facts) -> list[str]:
    known = [each for each in facts.inputs if each.last]
    found = [f"snapshot {each.snapshot}: fetched until {each.last}" for each in known]
    unknown = sorted({each.snapshot for each in facts.inputs if not each.last} | set(facts.gone))
    return [*found, f"The tables do not know the dates of {', '.join(unknown) or 'the sources'}."]


def _public(facts: Facts) -> Section:
    crawls = [each for each in facts.inputs if each.is_common_crawl]
    listed = [
        f"Common Crawl, {each.crawl} ({each.format.upper()}): {counted(each.sources, 'file')}, {each.texts:,} texts, "
        f"{size(each.bytes)} read{_period(each)}"
        for each in crawls
    ]
    return Section(
        "2.1",
        "Publicly available datasets",
        (
            Field(
                "Have you used publicly available datasets to train the model?",
                "Yes" if crawls else None,
                ["Common Crawl, by the paths of the sources."] if crawls else _tables(facts),
            ),
            Field(
                "If yes, specify the modality(ies) of the content covered by the datasets concerned",
                "Text, Image (by url)" if crawls else None,
            ),
            Field(
                "List of large publicly available datasets", "; ".join(listed) or None, _tables(facts) if crawls else ()
            ),
            Field("General description of other publicly available datasets not listed above"),
            Field("Additional comments (optional)"),
        ),
    )


def _period(each: Input) -> str:
    return f", fetched {each.first} to {each.last}" if each.first else ""


def _tables(facts: Facts) -> list[str]:
    """Return facts about input whose origin only the provider knows: public, private, or own."""
    found = [
        f"snapshot {each.snapshot} was read from {counted(each.sources, 'table')} ({each.format}, {each.texts:,} texts)"
        for each in facts.inputs
        if not each.is_archive
    ]
    found += [f"snapshot {name} was dropped since, with its list of sources" for name in facts.gone]
    return [f"{one}; whether that is a public or a private data set, the provider knows." for one in found]


def _crawled(facts: Facts) -> Section:
    own = [each for each in facts.inputs if each.is_archive and not each.is_common_crawl]
    found = [
        f"snapshot {each.snapshot}: {counted(each.sources, 'archive')} ({each.format.upper()}"
        f"{', ' + each.crawl if each.crawl else ''}), {each.texts:,} texts{_period(each)}; whose crawler made them, "
        "the provider knows"
        for each in own
    ]
    if any(each.is_common_crawl for each in facts.inputs):
        found.append("Archives of Common Crawl are in Section 2.1, as the template says.")
    return Section(
        "2.3",
        "Data crawled and scraped from online sources",
        (
            Field("Were crawlers used by the provider or on behalf of?", None, found),
            Field("Crawler name(s)/identifier(s)"),
            Field("Purposes of the crawler(s)"),
            Field("General description of crawler behaviour"),
            Field(
                "Period of data collection",
                None,
                [f"snapshot {each.snapshot}{_period(each)}" for each in own if each.first],
            ),
            Field("Comprehensive description of the type of content and online sources crawled"),
            Field("Type of modality covered", "Text, Image (by url)" if own else None),
            Field(
                "Summary of the most relevant domain names crawled",
                " ".join(_listed(each, facts.small) for each in facts.domains) or None,
                [f"{_DOMAINS} Its size is its number of pairs in the subset."],
            ),
            Field("Additional comments (optional)"),
        ),
    )


def _listed(each: DomainList, small: bool) -> str:
    share = "the top 5%, at most 1,000" if small else "the top 10%"
    covered = f"{100 * each.listed_pairs / each.pairs:.1f}%" if each.pairs else "0%"
    unknown = f" {counted(each.without, 'pair has', 'pairs have')} no known domain." if each.without else ""
    return (
        f"{each.file}: {each.listed:,} of {each.domains:,} domains of {each.of} ({share} by size), with {covered} of "
        f"the pairs.{unknown}"
    )


def _reservations(facts: Facts) -> Section:
    archives = {each.snapshot for each in facts.inputs if each.is_archive}
    measures = []
    for snapshot, rules in facts.rules.items():
        if snapshot not in archives:
            measures.append(
                f"snapshot {snapshot}: read from tables, which have no opt-outs of pages; those of its own makers, the "
                "provider knows."
            )
        elif rules.opt_outs is None:
            measures.append(f"snapshot {snapshot}: the log of runs does not tell which opt-outs were honoured.")
        else:
            measures.append(f"snapshot {snapshot}: {_honoured(rules.opt_outs)}")
    counts = [f"{name}: {number:,} texts left out" for name, number in facts.opted_out.items()]
    return Section(
        "3.1",
        "Respect of reservation of rights from text and data mining exception or limitation",
        (
            Field(
                "Are you a Signatory to the Code of Practice for general-purpose AI models that includes commitments "
                "to respect reservations of rights from the TDM exception or limitation?"
            ),
            Field(
                "Describe the measures implemented before model training to respect reservations of rights from the "
                "TDM exception or limitation before and during data collection, including the opt-out protocols and "
                "solutions honoured by the provider or, as applicable, by third parties from which datasets have been "
                "obtained",
                None,
                [*measures, *counts, _taken_down(facts)],
            ),
            Field("Additional comments (optional)"),
        ),
    )


def _honoured(opt_outs: Sequence[str]) -> str:
    if not opt_outs:
        return "no opt-out was honoured."
    return f"opt-outs honoured: {'; '.join(f'{name} ({meaning_of(name)})' for name in opt_outs)}."


def _taken_down(facts: Facts) -> str:
    if facts.taken_down is None:
        return "Takedowns: a release that did not count them removed pairs."
    return f"Takedowns removed {counted(facts.taken_down, 'pair')} from the pool; later crawls leave them out, too."


def _removed(facts: Facts) -> list[str]:
    found = [
        f"{why}: {number:,} ({meaning})" for why, (number, meaning) in facts.rejected.items() if why in _NOT_ILLEGAL
    ]
    return [*found, _taken_down(facts)]


def _processing(facts: Facts) -> str:
    parts = [
        f"The pool of {facts.pool:,} pairs was balanced as MetaCLIP does (t = {facts.threshold:,}, seed {facts.seed}): "
        f"{facts.pairs:,} pairs are the data set.",
        *_sentences(facts.rules),
    ]
    if facts.rules and all(rules.deduplicated for rules in facts.rules.values()):
        parts.append("Each url and text is there once: repeats were removed.")
    others = [(why, number, meaning) for why, (number, meaning) in facts.rejected.items() if why not in facts.opted_out]
    left_out = "; ".join(
        f"{why}: {number:,} ({meaning})" if meaning else f"{why}: {number:,}" for why, number, meaning in others
    )
    return " ".join(
        [*parts, f"Left out while reading: {left_out}." if left_out else "Nothing was left out while reading."]
    )


def _sentences(rules: Mapping[str, Rules]) -> list[str]:
    return [f"Snapshot {name} was read with {', '.join(each.filters)}." for name, each in rules.items() if each.filters]
