"""Find the inputs of one language: a folder with its WordNets, names, word counts, bigram counts and titles.

| file | lines | rank |
|---|---|---|
| `wordnet*.txt` | a lemma | none |
| `names*.txt` | a name or noun of another kind of lexicon | the order of the lines |
| `words.tsv` | `word<TAB>count` | count |
| `bigrams.tsv` | `first second<TAB>count` | score |
| `titles*.tsv` | `title<TAB>views` | views |

Each may end in `.gz` or `.bz2`. `<file>.source.json` beside it has its name, version, licence and notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import ORIGIN_SUFFIX, byte_lines

_KINDS = {
    "wordnet": re.compile(r"wordnet[\w-]*\.txt(\.gz|\.bz2)?"),
    "names": re.compile(r"names[\w-]*\.txt(\.gz|\.bz2)?"),
    "words": re.compile(r"words\.tsv(\.gz|\.bz2)?"),
    "bigrams": re.compile(r"bigrams\.tsv(\.gz|\.bz2)?"),
    "titles": re.compile(r"titles[\w-]*\.tsv(\.gz|\.bz2)?"),
}
_OTHER_FILES = ("counts.json",)


@dataclass(frozen=True)
class LanguageInputs:
    """The input files of one Wikipedia's code, each kind in the order of the names.

    Attributes:
        code: The code, such as `zh_yue`.
        wordnet: Files of lemmas.
        names: Files of names.
        words: At most one file of word counts.
        bigrams: At most one file of bigram counts.
        titles: Files of titles with views.
    """

    code: str
    wordnet: tuple[Path, ...] = ()
    names: tuple[Path, ...] = ()
    words: tuple[Path, ...] = ()
    bigrams: tuple[Path, ...] = ()
    titles: tuple[Path, ...] = ()


def find_inputs(folder: Path, code: str) -> LanguageInputs | None:
    """List the inputs in `folder/code`; None if there is no such folder.

    Raises:
        MetadataError: The folder has no input, a file of an unknown name, or the same counts twice.
    """
    place = folder / code
    if not place.is_dir():
        return None
    found: dict[str, list[Path]] = {kind: [] for kind in _KINDS}
    for path in sorted(place.iterdir()):
        if path.name.endswith(ORIGIN_SUFFIX) or path.name.startswith(("_", ".")) or path.name in _OTHER_FILES:
            continue
        kind = next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(path.name)), None)
        if kind is None:
            raise MetadataError(
                f"{path}: the name is no input of a language, expected wordnet*.txt, names*.txt, words.tsv, bigrams.tsv"
                " or titles*.tsv, plain, .gz or .bz2; rename or remove it."
            )
        found[kind].append(path)
    for kind in ("words", "bigrams"):
        if len(found[kind]) > 1:
            names = " and ".join(path.name for path in found[kind])
            raise MetadataError(f"{place}: {names} are both {kind}, expected one file; keep one.")
    if not any(found.values()):
        raise MetadataError(
            f"{place}: the folder contains no input, expected words.tsv or another one; check --sources."
        )
    if found["bigrams"] and not found["words"]:
        raise MetadataError(f"{place}: bigrams.tsv needs words.tsv, the counts of its words; add it.")
    return LanguageInputs(code, **{kind: tuple(paths) for kind, paths in found.items()})


def read_lemmas(path: Path) -> Iterator[str]:
    """Yield the lemmas of a WordNet: `_` becomes a space, `+` is removed, outer white space is stripped.

    Raises:
        MetadataError: The file cannot be read, or is not UTF-8.
    """
    for line in read_names(path):
        yield line.replace("_", " ").replace("+", "").strip()


def read_names(path: Path) -> Iterator[str]:
    """Yield the lines of a file, stripped.

    Raises:
        MetadataError: The file cannot be read, or is not UTF-8.
    """
    for number, line in enumerate(byte_lines(path), start=1):
        try:
            yield line.decode().strip()
        except UnicodeDecodeError as error:
            raise MetadataError(f"{path}: line {number} is not UTF-8 ({error.reason}); convert the file.") from error
