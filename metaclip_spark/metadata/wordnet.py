"""Read WordNet as a source of entries: the lemmas of its dictionary files.

WordNet's manual page wndb(5WN) describes the format. Each line of `data.<pos>` is a synset,
`offset lex_filenum ss_type w_cnt word lex_id [word lex_id ...] ...`. Lines that begin with two spaces are the licence.
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
    """The version, licence and hashes of a dictionary folder.

    Attributes:
        version: The version that the licence names, such as "3.0", or "unknown".
        notice: The licence at the top of every data file.
        files: File name to sha256 in hex, for each data file.
    """

    version: str
    notice: str
    files: dict[str, str]


def wordnet_entries(dictionary_folder: Path, names: WordnetNames = "lemmas") -> list[str]:
    """List the lemmas of all synsets, or one name per synset.

    `_` becomes a space, case is kept, and the syntactic markers `(a)`, `(p)` and `(ip)` of adjectives are removed. The
    `index.*` files are not read: they have the same lemmas in lower case.

    Args:
        dictionary_folder: The folder with `data.noun`, `data.verb`, `data.adj`, `data.adv`.
        names: `lemmas` lists every lemma. `synsets` lists the name of each synset, which is its first lemma.
            `upstream` follows the paper's own code: the name of each synset in lower case, up to its first dot
            (`U.S. Mint` becomes `u`). With the numbers from 0 to 99 these are the paper's 86,654 entries.

    Returns:
        The names of nouns, verbs, adjectives and adverbs, in this order; then in the order of the data file, then in
        the order of the words of a synset. Each name is listed once, at its first position.

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
    upstream = dict.fromkeys(lemmas[0].lower().partition(".")[0] for lemmas in synsets)
    return [name for name in upstream if name]


def wordnet_origin(dictionary_folder: Path) -> WordnetOrigin:
    """Read the version, licence and hashes of a dictionary folder.

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
            f"{folder}: is not a folder, expected WordNet's dictionary folder, with data.noun in it; check --wordnet."
        )
    missing = [name for name in DATA_FILES if not (folder / name).is_file()]
    if missing:
        raise MetadataError(
            f"{folder}: {', '.join(missing)} missing, expected WordNet's dictionary files"
            f" ({', '.join(DATA_FILES)});"
            " point --wordnet to the folder that contains them (Debian's wordnet-base: usr/share/wordnet)."
        )


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        raw.decode()
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read ({error.strerror}); check its permissions.") from error
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"{path}: is not UTF-8 at byte {error.start}; use WordNet's own files, unchanged."
        ) from error
    return raw


def _synsets(path: Path) -> Iterator[list[str]]:
    """Yield the lemmas of each synset."""
    # Split at LF alone: str.splitlines() also splits at characters that a gloss may contain.
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
            " w_cnt word lex_id ...'; use WordNet's own files, unchanged."
        )
    return words
