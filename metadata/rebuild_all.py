"""Rebuild every list that ships from its sources, or check that what ships is what the sources give, byte for byte.

    git clone https://github.com/omwn/omw-data
    python metadata/rebuild_all.py --omw omw-data --check

The script fetches the sources in fixed versions: packages with pip and npm, and WordNet with apt-get. The WordNets of
the Open Multilingual Wordnet are in no package registry, so `--omw` names a clone of it. `rebuild.py` makes the English
list from the sources, and `build_languages.py` the lists of other languages.

With `--check`, nothing that ships is changed. Each file that differs is named, and the exit status is 1. It is 1, too,
if a list could not be rebuilt because its source is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_languages as languages
import language_sources as known
import rebuild

from metaclip_spark.cli import main as metaclip_spark
from metaclip_spark.core.wording import counted

SHIPPED = Path(__file__).resolve().parent
ENGLISH, WORDNET = "en", "wordnet"
FILES = {
    ENGLISH: ("en.json.gz", "en.sidecar.json", "en.provenance.parquet"),
    WORDNET: ("wordnet.json.gz", "wordnet.sidecar.json"),
}
"""The files of the lists outside the folder `worldwide`."""
CODES = "languages.yaml"
"""The file of the folder `worldwide` that is written by hand."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Rebuild every list that ships from its sources, byte for byte.")
    parser.add_argument("--check", action="store_true", help="compare with what ships, and change nothing")
    parser.add_argument("--lists", default="", help="only these lists, such as en,wordnet,de,th (default: all)")
    parser.add_argument(
        "--omw", type=Path, help="the Open Multilingual Wordnet: a clone of omw-data (default: leave out its lists)"
    )
    parser.add_argument("--wordnet", help="WordNet 3.0's dictionary folder (default: as in rebuild.py)")
    parser.add_argument("--downloads", type=Path, help="keep the archives in this folder, and use those in it")
    parser.add_argument("--output", type=Path, help="write the lists to this folder (default: metadata)")
    given = parser.parse_args(arguments)
    if given.check and given.output:
        parser.error("--check writes no lists; give it without --output")
    wanted = _wanted(given.lists)
    missing = [] if given.omw else [name for name in wanted if name in known.WORDNETS]
    made = [name for name in wanted if name not in missing]
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch, "built")
        with contextlib.redirect_stdout(sys.stderr):  # stdout has the result of the check alone
            status = build_lists(made, built, Path(scratch), given)
        if status:
            return status
        if missing:
            print(
                f"not rebuilt, {len(missing)} of {len(wanted)} lists: {', '.join(missing)}. They need the Open "
                "Multilingual Wordnet, which no package registry has; clone it, and give it with --omw.",
                file=sys.stderr,
            )
        if given.check:
            return max(check(made, built, everything=not given.lists), bool(missing))
        _copy(made, built, given.output or SHIPPED)
    return int(bool(missing))


def _wanted(names: str) -> list[str]:
    every = [ENGLISH, WORDNET, *languages.all_lists()]
    wanted = names.split(",") if names else every
    unknown = [name for name in wanted if name not in every]
    if unknown:
        sys.exit(f"--lists: no list that ships is called {', '.join(unknown)}; they are {', '.join(every)}.")
    return wanted


def files_of(name: str) -> list[str]:
    """Return the files of a list, relative to the folder `metadata`."""
    folder = languages.OUTPUT.name
    return list(FILES.get(name, (f"{folder}/{name}.json.gz", f"{folder}/{name}.sidecar.json")))


def build_lists(names: Sequence[str], built: Path, scratch: Path, given: argparse.Namespace) -> int:
    """Build lists into a folder that is laid out as `metadata`; return the exit status."""
    built.mkdir()
    wordnet = rebuild.find_wordnet(given.wordnet, scratch) if {ENGLISH, WORDNET} & set(names) else None
    if ENGLISH in names:
        status = _build_english(built / "en.json.gz", wordnet, scratch)
        if status:
            return status
    if WORDNET in names:
        os.environ["SOURCE_DATE_EPOCH"] = languages.BUILT
        command = ["metadata", "build", "--wordnet", str(wordnet), "--numbers", "0"]
        command += ["--output", str(built / "wordnet.json.gz")]
        print("metaclip-spark " + shlex.join(command), file=sys.stderr)
        status = metaclip_spark(command)
        if status:
            return status
    others = [name for name in names if name not in FILES]
    if not others:
        return 0
    words = ["--languages", ",".join(others), "--output", str(built / languages.OUTPUT.name)]
    words += ["--downloads", str(given.downloads or scratch / "archives")]
    return languages.main([*words, *(["--omw", str(given.omw)] if given.omw else [])])


def _build_english(output: Path, wordnet: Path | None, scratch: Path) -> int:
    """Run `rebuild.py` with the versions of the packages that it needs: the installed ones, or others beside them."""
    environment = dict(os.environ)
    environment["SOURCE_DATE_EPOCH"] = rebuild.BUILT
    if not all(_is_installed(name, number) for name, number in rebuild.PACKAGES.items()):
        site = scratch / "site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)]
        pip += [f"{name}=={number}" for name, number in rebuild.PACKAGES.items()]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            sys.exit(f"{shlex.join(pip)}: failed ({reason}); install these packages, or leave en out with --lists.")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), environment.get("PYTHONPATH")]))
    script = [sys.executable, str(SHIPPED / "rebuild.py"), "--wordnet", str(wordnet), "--output", str(output)]
    return subprocess.run(script, env=environment, stdout=2, check=False).returncode


def _is_installed(name: str, number: str) -> bool:
    return importlib.util.find_spec(name) is not None and version(name) == number


def check(names: Sequence[str], built: Path, everything: bool) -> int:
    """Print each file that differs from what ships; return 1 if there is one, otherwise 0.

    Args:
        everything: all lists are checked: what ships beside their files differs, too.
    """
    files = [file for name in names for file in files_of(name)]
    found = {file: reason for file in files if (reason := difference(built / file, SHIPPED / file))}
    if everything:
        known_files = {file for name in _wanted("") for file in files_of(name)} | {f"{languages.OUTPUT.name}/{CODES}"}
        for path in sorted([*SHIPPED.glob("*.json.gz"), *languages.OUTPUT.iterdir()]):
            file = path.relative_to(SHIPPED).as_posix()
            if file not in known_files:
                found[file] = "no source makes it"
    for file, reason in found.items():
        print(f"metadata/{file}: {reason}")
    equal = len(files) - len(found.keys() & set(files))
    print(f"{counted(len(names), 'list')} rebuilt: {equal:,} of {len(files):,} files are equal, byte for byte.")
    return int(bool(found))


def difference(built: Path, shipped: Path) -> str | None:
    """Return how a file differs from the one that ships; None if it does not.

    The version that a sidecar names as builder is not compared: no list depends on it.
    """
    for path, reason in ((shipped, "does not ship"), (built, "was not rebuilt")):
        if not path.is_file():
            return reason
    one, other = built.read_bytes(), shipped.read_bytes()
    if one == other:
        return None
    if built.name.endswith(".sidecar.json"):
        about, expected = json.loads(one), json.loads(other)
        builders = json.dumps(about.get("builder")), json.dumps(expected.get("builder"))
        if one.replace(builders[0].encode(), builders[1].encode(), 1) == other:
            return None
        keys = sorted(key for key in about.keys() | expected.keys() if about.get(key) != expected.get(key))
        return f"differs in {', '.join(keys) or 'its layout'}"
    if built.name.endswith(".gz"):
        if gzip.decompress(one) == gzip.decompress(other):
            return f"differs: the entries are equal, but zlib {zlib.ZLIB_RUNTIME_VERSION} compresses them differently"
        return _difference_of_entries(json.loads(gzip.decompress(one)), json.loads(gzip.decompress(other)))
    return f"differs: {len(one):,} bytes, {len(other):,} ship"


def _difference_of_entries(entries: list[str], shipped: list[str]) -> str:
    if entries == shipped:
        return "differs: the entries are equal, but not their JSON"
    numbers = f"{len(entries):,} entries, {len(shipped):,} ship"
    at = next((at for at, (one, other) in enumerate(zip(entries, shipped, strict=False)) if one != other), None)
    if at is None:
        return f"differs: {numbers}"
    return f"differs: {numbers}; the first that differs is entry {at:,}: {entries[at]!r}, {shipped[at]!r} ships"


def _copy(names: Sequence[str], built: Path, output: Path) -> None:
    for name in names:
        for file in files_of(name):
            (output / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built / file, output / file)


if __name__ == "__main__":
    sys.exit(main())
