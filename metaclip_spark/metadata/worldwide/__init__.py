"""Lists of many languages: which list a language has, the lists themselves, and how they are built."""

from __future__ import annotations

from metaclip_spark.metadata.worldwide.languages import Code, LanguageList, Languages, read_languages
from metaclip_spark.metadata.worldwide.lists import WorldwideLists

__all__ = ["Code", "LanguageList", "Languages", "WorldwideLists", "read_languages"]
