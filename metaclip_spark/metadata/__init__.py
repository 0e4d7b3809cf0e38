"""Metadata, the ordered entry list that texts are matched against: load, check, build and compare it."""

from __future__ import annotations

from metaclip_spark.metadata.assemble import Part, assemble
from metaclip_spark.metadata.build import Source, build
from metaclip_spark.metadata.load import Metadata, load_metadata, metadata_id, never_matching
from metaclip_spark.metadata.ngrams import bigram_entries, pmi, unigram_entries
from metaclip_spark.metadata.recipe import Recipe, build_from
from metaclip_spark.metadata.titles import read_pageviews, title_entries
from metaclip_spark.metadata.wordnet import wordnet_entries

__all__ = [
    "Metadata",
    "Part",
    "Recipe",
    "Source",
    "assemble",
    "bigram_entries",
    "build",
    "build_from",
    "load_metadata",
    "metadata_id",
    "never_matching",
    "pmi",
    "read_pageviews",
    "title_entries",
    "unigram_entries",
    "wordnet_entries",
]
