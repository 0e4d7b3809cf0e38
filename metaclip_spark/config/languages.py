"""Check the values of --languages before the work: a code that no text can have would leave out the whole pool."""

from __future__ import annotations

import re
from collections.abc import Collection

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.worldwide.list_choice import UNKNOWN
from metaclip_spark.extract.language import IDENTIFIERS
from metaclip_spark.extract.language_codes import LID176_CODES, code_meant

ALL = "all"
"""The value of --languages that keeps every text."""


def problem_of_languages(
    settings: Settings, codes: Collection[str] = LID176_CODES, source: str = "lid176"
) -> str | None:
    """Return what is wrong with the languages of the settings, without the name of the setting; None if nothing is.

    Args:
        codes: the codes that texts can have, besides `und`.
        source: what gives the codes.
    """
    wanted = settings.wanted_languages if settings.languages is None else settings.languages
    if wanted == (ALL,) or settings.languages is None and not wanted:
        return None
    if not wanted:
        return f"must name at least one language, or {ALL}"
    if ALL in wanted:
        return f"must be {ALL} alone, which keeps every text, or codes of languages, got {','.join(wanted)!r}"
    unknown = _unknown(wanted, codes)
    if not unknown:
        return None
    known = f"such as en, de or zh, {UNKNOWN} (not known) or {ALL} (docs/FLAGS.md lists those of lid176)"
    default = ", the default" if settings.languages is None else ""
    return f"must be codes that {source} gives, {known}, got {unknown}{default}"


def problem_of_typed(settings: Settings) -> str | None:
    """Return what is wrong with the languages as far as the settings alone tell; None if nothing is.

    A column of languages may hold any codes, and an identifier of the user's own may give any: see
    `warning_of_languages` and the `codes` of `Identifier`.
    """
    any_code = settings.lang_column is not None or settings.lid not in IDENTIFIERS
    return problem_of_languages(settings, settings.wanted_languages if any_code else LID176_CODES)


def warning_of_languages(settings: Settings) -> str | None:
    """Return a warning of languages that only the column of languages can give; None without one."""
    if settings.lang_column is None:
        return None
    unknown = _unknown(settings.languages or (), LID176_CODES | {ALL})
    if not unknown:
        return None
    return (
        f"--languages: {unknown} is no usual code; such texts are kept only if column {settings.lang_column} "
        "(--lang-column) has exactly this value."
    )


def _unknown(wanted: Collection[str], codes: Collection[str]) -> str:
    """Return the values that are no codes, with the codes that they mean; "" without one."""
    named = []
    for text in wanted:
        if text not in codes and text != UNKNOWN:
            meant = ",".join(_codes_meant(text, codes))
            named.append(f"{text!r} (did you mean {meant}?)" if meant else repr(text))
    return ", ".join(named)


def _codes_meant(text: str, codes: Collection[str]) -> list[str]:
    """Return the codes that a text means, which may be several with other signs than commas between them."""
    parts = [part for part in re.split(r"[;|/+&\s]+", text) if part]
    several = len(parts) > 1 and not code_meant(text, similar=False) and all(map(code_meant, parts))
    meant = [part if part in codes else code_meant(part) for part in (parts if several else [text])]
    found = [code for code in meant if code is not None and (code in codes or code in (UNKNOWN, ALL))]
    return list(dict.fromkeys(found)) if len(found) == len(meant) else []
