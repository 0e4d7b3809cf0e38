"""Build the lists of several languages, for `metadata build --languages`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from metaclip_spark.core.hashing.digest import sha256_of
from metaclip_spark.metadata.build import Source
from metaclip_spark.metadata.files import input_files, origin_of
from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.titles import PageViews, read_all_pageviews
from metaclip_spark.metadata.worldwide.languages import read_languages
from metaclip_spark.metadata.worldwide.recipe import BuiltLanguage, LanguageRecipe, build_language, chosen_lists


def build_lists(
    wanted: Sequence[str],
    sources: Path,
    output: Path,
    recipe: LanguageRecipe,
    pageviews: Sequence[str] = (),
    min_hourly_views: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> list[BuiltLanguage]:
    """Build lists one after the other; page views are read once for all.

    Args:
        wanted: Names of lists, or `all`.
        sources: A folder with one folder of inputs per Wikipedia's code.
        output: The folder of the lists.
        recipe: The parameters.
        pageviews: Hourly dumps of page views, instead of `titles.tsv` of each language.
        min_hourly_views: Lines with fewer views are skipped.
        say: Called with one line per source.

    Raises:
        MetadataError: A name or an input is invalid, or the files cannot be written. The lists before it are written.
    """
    languages = read_languages(shipped_languages())
    names = chosen_lists(wanted, sources, languages)
    views: dict[str, PageViews] = {}
    source = None
    if pageviews:
        files = input_files(pageviews, "--pageviews")
        codes = [code for name in names for code in languages.lists[name].wikipedia]
        read = read_all_pageviews(files, codes, min_hourly_views)
        views = read.by_code
        origin = origin_of(pageviews[0])
        hashes = {file.name: sha256_of(file) for file in files}
        source = Source(origin.name, origin.version, origin.licence, 0, hashes, origin.notice)
        say(f"page views: {read.lines:,} lines; malformed: {read.rejected.total():,}")
    built = []
    for name in names:
        one = build_language(name, sources, output, recipe, languages, views, source, say)
        if one.without_inputs:
            say(f"{name}: no inputs for {', '.join(one.without_inputs)}, which the recipe merges into this list")
        built.append(one)
    return built
