"""Metadata: the ordered entry list that texts are matched against; loading, checking and building it."""

from __future__ import annotations

from metaclip_spark.metadata.build import Source, build, build_from_wordnet
from metaclip_spark.metadata.load import Metadata, load_metadata, metadata_id, never_matching
from metaclip_spark.metadata.wordnet import wordnet_entries

__all__ = [
    "Metadata",
    "Source",
    "build",
    "build_from_wordnet",
    "load_metadata",
    "metadata_id",
    "never_matching",
    "wordnet_entries",
]
