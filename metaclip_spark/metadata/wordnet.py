"""WordNet as a source of entries: the lemmas of its own dictionary files.

The format is described in WordNet's manual page wndb(5WN): each line of `data.<pos>` is a synset,
`offset lex_filenum ss_type w_cnt word lex_id [word lex_id ...] ...`, and lines that begin with two
spaces are the licence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from metaclip_spark.errors import MetadataError

DATA_FILES = ("data.noun", "data.verb", "data.adj", "data.adv")

WordnetNames = Literal["lemmas", "synsets", "upstream"]

_FIRST_WORD = 4  # fields before the first word: offset, lex_filenum, ss_type, w_cnt
_MARKER = re.compile(r"\((?:a|p|ip)\)$")
_VERSION = re.compile(r"^WordNet (\S+) Copyright", re.MULTILINE)


@dataclass(frozen=True)
class WordnetOrigin:
    """What a dictionary folder says of itself.

    Attributes:
        version: As its licence names it, such as "3.0"; "unknown" when it does not.
        notice: The licence that stands at the top of every data file.
        files: sha256 in hex of each data file, by name.
    """

    version: str
    notice: str
    files: dict[str, str]


def wordnet_entries(dictionary_folder: Path, names: WordnetNames = "lemmas") -> list[str]:
    """Lists the lemmas of all synsets, or one name for each synset.

    `_` becomes a space, case stays as `data.*` has it, and the syntactic markers `(a)`, `(p)` and
    `(ip)` of adjectives go. The `index.*` files are not read: they hold the same lemmas in lower case.

    Args:
        dictionary_folder: The folder that holds `data.noun`, `data.verb`, `data.adj`, `data.adv`.
        names: `lemmas` takes every lemma. `synsets` takes each synset's name, which is its first lemma.
            `upstream` does as the paper's own code: the synset's name in lower case, cut at its first dot
            (`U.S. Mint` becomes `u`); with the numbers from 0 to 99 these are the paper's 86,654 entries.

    Returns:
        The names in the order of nouns, verbs, adjectives, adverbs; within one in the order of its
        data file, then in the order of words in a synset; each once, where it first appears.

    Raises:
        MetadataError: A data file is missing or is not in WordNet's format.
    """
    folder = Path(dictionary_folder)
    _check_folder(folder)
    synsets = [lemmas for name in DATA_FILES for lemmas in _synsets(folder / name)]
    if names == "lemmas":
        return list(dict.fromkeys(lemma for lemmas in synsets for lemma in lemmas))
    if names == "synsets":
        return list(dict.fromkeys(lemmas[0] for lemmas in synsets))
    cut = dict.fromkeys(lemmas[0].lower().partition(".")[0] for lemmas in synsets)
    return [name for name in cut if name]


def wordnet_origin(dictionary_folder: Path) -> WordnetOrigin:
    """Reads version, licence and hashes of a dictionary folder.

    Raises:
        MetadataError: A data file is missing or cannot be read.
    """
    folder = Path(dictionary_folder)
    _check_folder(folder)
    files = {name: _read(folder / name) for name in DATA_FILES}
    header = [line for line in files[DATA_FILES[0]].decode().splitlines() if line.startswith("  ")]
    notice = "\n".join(re.sub(r"^ +\d+ ", "", line).rstrip() for line in header)
    version = _VERSION.search(notice)
    hashes = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    return WordnetOrigin(version.group(1) if version else "unknown", notice, hashes)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise MetadataError(
            f"{folder}: is not a folder, expected WordNet's dictionary folder, which holds data.noun; check --wordnet."
        )
    missing = [name for name in DATA_FILES if not (folder / name).is_file()]
    if missing:
        raise MetadataError(
            f"{folder}: {', '.join(missing)} missing, expected WordNet's dictionary files"
            f" ({', '.join(DATA_FILES)});"
            " point --wordnet to the folder that holds them (Debian's wordnet-base: usr/share/wordnet)."
        )


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        raw.decode()
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read ({error.strerror}); check its permissions.") from error
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"{path}: is not UTF-8 at byte {error.start}; take WordNet's own files as they are."
        ) from error
    return raw


def _synsets(path: Path) -> Iterator[list[str]]:
    """Yields each synset's lemmas."""
    # Split at LF alone: splitlines() would also cut at characters that a gloss may hold.
    for number, line in enumerate(_read(path).decode().split("\n"), start=1):
        if line and not line.startswith("  "):
            yield [_MARKER.sub("", word).replace("_", " ") for word in _words(line, path, number)]


def _words(line: str, path: Path, number: int) -> list[str]:
    fields = line.partition(" | ")[0].split(" ")
    try:
        count = int(fields[3], 16)
    except (IndexError, ValueError):
        count = 0
    words = fields[_FIRST_WORD : _FIRST_WORD + 2 * count : 2]
    if not fields[0].isdecimal() or count == 0 or len(words) < count or "" in words:
        raise MetadataError(
            f"{path}: line {number} is not a synset, got {line[:40]!r}, expected 'offset lex_filenum ss_type"
            " w_cnt word lex_id ...'; take WordNet's own files as they are."
        )
    return words
