"""Build the lists of languages from their sources, in the order and with the quotas of MetaCLIP 2's recipe.

Numbers, WordNet, words, bigrams, titles. A quota counts only entries that are not in the list yet. Source: the
reference code of worldwide curation (arXiv 2507.22062). Names of other lexicons may follow WordNet; that is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.assemble import Part, SourceCounts, assemble
from metaclip_spark.metadata.build import Source, build
from metaclip_spark.metadata.counts import read_bigrams, read_counts
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.metadata.ngrams import RankedEntry, Ranking, WordCase, bigram_entries, unigram_entries
from metaclip_spark.metadata.recipe import ORDER, provenance, source_of, unranked, with_counts
from metaclip_spark.metadata.scores import LOG_BASE, MIN_SCORE, BigramScore, check_log_base, metaclip2_entries
from metaclip_spark.metadata.titles import WITH_COLON, PageViews, title_entries
from metaclip_spark.metadata.worldwide.casing import both_cases
from metaclip_spark.metadata.worldwide.inputs import LanguageInputs, find_inputs, read_lemmas, read_names
from metaclip_spark.metadata.worldwide.languages import Languages
from metaclip_spark.metadata.worldwide.merge import merge
from metaclip_spark.metadata.worldwide.segmenters import joiner_of
from metaclip_spark.metadata.worldwide.tokens import PUNCTUATION

UNIGRAM_SHARE, BEST_UNIGRAMS = 0.1, 251_465
BEST_BIGRAMS = 100_646
TITLE_SHARE, BEST_TITLES = 0.76, 61_235
ALL = "all"


@dataclass(frozen=True)
class LanguageRecipe:
    """The parameters of the lists; the defaults are those of MetaCLIP 2.

    Attributes:
        numbers: Number of whole numbers, from 0, that are entries.
        unigram_share: Share of the distinct words, by count, that may become entries.
        best_unigrams: Maximum number of words.
        word_case: `source` takes words as they are counted; `both` adds each word with a capital, too.
        bigram_score: `metaclip2` or `pmi`.
        min_score: Bigrams whose score is not higher are excluded (`metaclip2`).
        log_base: Base of the logarithm of the PMI (`metaclip2`).
        min_pmi: Minimum PMI in bits (`pmi`); None is no minimum.
        best_bigrams: Maximum number of bigrams.
        title_share: Share of the distinct titles, by views, that may become entries.
        best_titles: Maximum number of titles.
        drop_never_matching: Drop entries that no text can match.
        provenance: Write the source of each entry beside the list.
    """

    numbers: int = 100
    unigram_share: float = UNIGRAM_SHARE
    best_unigrams: int = BEST_UNIGRAMS
    word_case: WordCase = "source"
    bigram_score: BigramScore = "metaclip2"
    min_score: float = MIN_SCORE
    log_base: float = LOG_BASE
    min_pmi: float | None = None
    best_bigrams: int = BEST_BIGRAMS
    title_share: float = TITLE_SHARE
    best_titles: int = BEST_TITLES
    drop_never_matching: bool = False
    provenance: bool = True

    def __post_init__(self) -> None:
        """Raise MetadataError if a parameter is invalid."""
        if self.bigram_score == "metaclip2" and self.min_pmi is not None:
            raise MetadataError("--min-pmi needs --bigram-score pmi; with metaclip2 give --min-score.")
        for name in ("numbers", "best_unigrams", "best_bigrams", "best_titles"):
            if getattr(self, name) < 0:
                raise MetadataError(f"--{name.replace('_', '-')} must be >= 0, got {getattr(self, name)}.")
        for name in ("unigram_share", "title_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise MetadataError(f"--{name.replace('_', '-')} must be in 0 .. 1, got {getattr(self, name)}.")
        check_log_base(self.log_base)


@dataclass(frozen=True)
class BuiltLanguage:
    """A list that `build_languages` wrote.

    Attributes:
        name: The name of the list.
        metadata: The list.
        source_counts: The counts of each source.
        without_inputs: Codes of Wikipedias that the list merges upstream, and for which there was no folder.
    """

    name: str
    metadata: Metadata
    source_counts: list[SourceCounts]
    without_inputs: tuple[str, ...]


def chosen_lists(wanted: Sequence[str], sources: Path, languages: Languages) -> list[str]:
    """Return the names of the lists to build, in the order given; `all` is every list that has a folder of inputs.

    Raises:
        MetadataError: A name is no list, is English, repeats, or has no inputs; or `sources` is no folder.
    """
    if not sources.is_dir():
        raise MetadataError(f"{sources}: no such folder, expected one folder of inputs per language; check --sources.")
    with_inputs = [
        item.name for item in languages.lists.values() if any((sources / code).is_dir() for code in item.wikipedia)
    ]
    if list(wanted) == [ALL]:
        if not with_inputs:
            raise MetadataError(f"{sources}: no folder is named as a language's Wikipedia; check --sources.")
        return [name for name in with_inputs if name != "en"]
    for at, name in enumerate(wanted):
        if name not in languages.lists:
            known = languages.codes.get(name)
            hint = f"{name} has the list {known.list_name}" if known else f"the lists are those of {languages.source}"
            raise MetadataError(f"--languages: {name!r} is the name of no list; {hint}.")
        if name == "en":
            raise MetadataError(
                "--languages: en is the list of version 1, as upstream has it; build it without --languages."
            )
        if name in wanted[:at]:
            raise MetadataError(f"--languages: {name} is given twice; remove one.")
        if name not in with_inputs:
            codes = ", ".join(languages.lists[name].wikipedia) or "none"
            raise MetadataError(
                f"--languages: {sources} has no folder for {name} (its Wikipedias: {codes}); add one, or leave"
                f" {name} out."
            )
    return list(wanted)


def build_language(
    name: str,
    sources: Path,
    output: Path,
    recipe: LanguageRecipe,
    languages: Languages,
    views: Mapping[str, PageViews] | None = None,
    view_source: Source | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> BuiltLanguage:
    """Build one list, and write it as `<name>.json.gz` with its sidecar.

    Args:
        name: The name of the list.
        sources: A folder with one folder of inputs per Wikipedia's code (see `find_inputs`).
        output: The folder of the lists.
        recipe: The parameters.
        languages: Which Wikipedias the list merges.
        views: Wikipedia's code to the views of its titles, in the place of `titles.tsv`.
        view_source: What the sidecar says of `views`.
        say: Called with one line per source.

    Raises:
        MetadataError: An input is invalid, or the files cannot be written.
    """
    codes = languages.lists[name].wikipedia
    found = {code: inputs for code in codes if (inputs := find_inputs(sources, code))}
    assembled, described = [], []
    for code, inputs in found.items():
        gathered = _Gathering(recipe, inputs, (views or {}).get(code), view_source)
        gathered.gather()
        label = "" if code == name else f"{code}: "
        gathered.parts = [replace(part, name=label + part.name) for part in gathered.parts]
        one = assemble(gathered.parts, None, recipe.drop_never_matching, PUNCTUATION)
        for part in gathered.parts:
            offered, read = len(part.ranking.entries), part.ranking.candidates
            say(f"{name}: {part.name}: {offered:,} entries from {read:,} candidates")
        assembled.append(one)
        described += gathered.sources
    merged = merge(assembled)
    counted = [with_counts(source, counts) for source, counts in zip(described, merged.source_counts, strict=True)]
    metadata = build(
        merged.entries,
        output / f"{name}.json.gz",
        counted,
        ORDER,
        parameters=_parameters(name, list(found), recipe),
        provenance=provenance(merged) if recipe.provenance else None,
    )
    return BuiltLanguage(name, metadata, merged.source_counts, tuple(code for code in codes if code not in found))


def _parameters(name: str, codes: list[str], recipe: LanguageRecipe) -> dict[str, Any]:
    return {"list": name, "wikipedias": codes, **asdict(recipe)}


class _Gathering:
    """The parts of one Wikipedia's list, in the order of the recipe, and what the sidecar says of each."""

    def __init__(
        self,
        recipe: LanguageRecipe,
        inputs: LanguageInputs,
        views: PageViews | None,
        view_source: Source | None,
    ) -> None:
        self.recipe, self.inputs = recipe, inputs
        self.views, self.view_source = views, view_source
        self.parts: list[Part] = []
        self.sources: list[Source] = []

    def gather(self) -> None:
        numbers = [str(number) for number in range(self.recipe.numbers)]
        if numbers:
            self.add(Part("numbers", unranked(numbers)), Source("numbers", "-", "none needed", len(numbers), {}))
        for path in self.inputs.wordnet:
            part = Part(_stem(path), unranked(list(dict.fromkeys(read_lemmas(path)))), any_length=True)
            self.add(part, source_of((str(path),), [path]))
        for path in self.inputs.names:
            part = Part(_stem(path), unranked(list(dict.fromkeys(read_names(path)))))
            self.add(part, source_of((str(path),), [path]))
        self.add_words_and_bigrams()
        self.add_titles()

    def add(self, part: Part, source: Source) -> None:
        self.parts.append(part)
        self.sources.append(source)

    def add_words_and_bigrams(self) -> None:
        recipe, inputs = self.recipe, self.inputs
        if not inputs.words:
            return
        counts = read_counts(inputs.words)
        words = self.words(counts)
        # With both cases, each form of a word counts.
        limit = min(recipe.best_unigrams, int(len(words.entries) * recipe.unigram_share))
        self.add(Part("words", words, limit), source_of((str(inputs.words[0]),), list(inputs.words)))
        if not inputs.bigrams:
            return
        files = list(inputs.bigrams)
        # An earlier source may have some of the best bigrams, so more than `best_bigrams` may be needed. Two joined
        # bigrams may be one entry ("ab" + "c", "a" + "bc"), so there twice as many.
        joiner = joiner_of(inputs.code)
        best = recipe.best_bigrams + sum(min(len(p.ranking.entries), p.limit or 1 << 60) for p in self.parts)
        best = best if joiner == " " else 2 * best
        if recipe.bigram_score == "metaclip2":
            read = partial(read_bigrams, files)
            ranking = metaclip2_entries(read, counts, recipe.min_score, best, recipe.log_base, joiner=joiner).ranking
        else:
            ranking = bigram_entries(read_bigrams(files), counts, recipe.min_pmi, best)
            joined = [RankedEntry(entry.replace(" ", joiner), score) for entry, score in ranking.entries]
            ranking = ranking._replace(entries=joined)
        self.add(Part("bigrams", ranking, recipe.best_bigrams), source_of((str(files[0]),), files + list(inputs.words)))

    def words(self, counts: Mapping[str, int]) -> Ranking:
        ranking = unigram_entries(counts, min_count=0)
        if self.recipe.word_case == "source":
            return ranking
        forms = [
            RankedEntry(form, score) for word, score in ranking.entries for form in both_cases(word, self.inputs.code)
        ]
        return ranking._replace(entries=forms)

    def add_titles(self) -> None:
        for path in self.inputs.titles:
            self.add_titles_of(_stem(path), _titles(read_counts([path], "title")), source_of((str(path),), [path]))
        if self.views is not None and self.view_source is not None:
            self.add_titles_of("titles", self.views, self.view_source)

    def add_titles_of(self, name: str, titles: PageViews, source: Source) -> None:
        limit = min(self.recipe.best_titles, int(len(titles.views) * self.recipe.title_share))
        ranking = title_entries(titles.views, min_views=0)
        read = len(titles.views) + titles.skipped[WITH_COLON]
        self.add(Part(name, ranking._replace(candidates=read, excluded=dict(titles.skipped)), limit), source)


def _titles(counted: Mapping[str, int]) -> PageViews:
    """Return titles with `_` as a space and without those with `:`, as `read_all_pageviews` reads them."""
    titles = PageViews()
    for title, number in counted.items():
        if ":" in title:
            titles.skipped[WITH_COLON] += 1
            continue
        name = title.replace("_", " ").strip()
        titles.views[name] = titles.views.get(name, 0) + number
    return titles


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]
