"""Building metadata: an entry list becomes a file whose bytes depend on the entries alone.

Beside `<name>.json.gz` stands `<name>.sidecar.json`, which says where the entries are from, under which
licence, how many there are, and the list's id.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.load import Metadata, never_matching
from metaclip_spark.metadata.wordnet import wordnet_entries, wordnet_origin

SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Source:
    """Where entries are from, as the sidecar tells it.

    Attributes:
        name: What it is called, such as "WordNet".
        version: Its own version.
        licence: The licence's name.
        entries: How many entries it brought, before repeats of other sources went.
        files: sha256 in hex of each file that was read, by name.
        notice: The licence's text, where it asks to be carried along.
    """

    name: str
    version: str
    licence: str
    entries: int
    files: dict[str, str]
    notice: str = ""


def build(entries: Iterable[str], output: Path, sources: Sequence[Source], order: str) -> Metadata:
    """Writes an entry list and its sidecar.

    Both files are complete before either takes its name, and the list's name comes last. The list is
    a JSON array, one entry a line, in gzip without time or file name.

    Args:
        entries: The list, in the order that gives the ids.
        output: A path that ends in `.json.gz`; its folder is made when it is missing.
        sources: Where the entries are from.
        order: One sentence on the order of the entries, for the sidecar.

    Returns:
        The list as `load_metadata(output)` reads it.

    Raises:
        MetadataError: The list cannot be used, or the files cannot be written.
    """
    output = Path(output)
    if not output.name.endswith(SUFFIX) or output.name == SUFFIX:
        raise MetadataError(f"{output}: got {output.name!r}, expected a name that ends in {SUFFIX}; change --output.")
    metadata = Metadata.from_entries(entries, source="the built list")
    sidecar = {
        "file": output.name,
        "metadata_id": metadata.metadata_id,
        "entries": len(metadata.entries),
        "never_matching": int(never_matching(metadata.entries).sum()),
        "order": order,
        "sources": [asdict(source) for source in sources],
    }
    described = json.dumps(sidecar, ensure_ascii=False, indent=2).encode() + b"\n"
    _write_together({sidecar_path(output): described, output: _compress(metadata.entries)})
    return metadata


def build_from_wordnet(dictionary_folder: Path, output: Path) -> Metadata:
    """Writes the lemmas of a WordNet dictionary folder as metadata.

    Args:
        dictionary_folder: The folder that holds WordNet's `data.*` files.
        output: A path that ends in `.json.gz`.

    Raises:
        MetadataError: The folder is not WordNet's, or the files cannot be written; nothing is written.
    """
    entries = wordnet_entries(dictionary_folder)
    origin = wordnet_origin(dictionary_folder)
    licence = f"WordNet {origin.version} licence"
    source = Source("WordNet", origin.version, licence, len(entries), origin.files, origin.notice)
    order = "Nouns, verbs, adjectives, adverbs, each as in its data file; a lemma stands where it first appears."
    return build(entries, output, [source], order)


def sidecar_path(output: Path) -> Path:
    """Names the sidecar of a list: `wordnet.json.gz` has `wordnet.sidecar.json`."""
    return output.with_name(output.name[: -len(SUFFIX)] + ".sidecar.json")


def _compress(entries: Sequence[str]) -> bytes:
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    buffer = io.BytesIO()
    # Not gzip.compress(): the header that it writes differs between versions of Python.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(f"[\n{lines}\n]\n".encode())
    return buffer.getvalue()


def _write_together(contents: dict[Path, bytes]) -> None:
    staged = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged[path].write_bytes(content)
        for path, temporary in staged.items():
            os.replace(temporary, path)
    except OSError as error:
        place = error.filename or list(contents)[-1]
        raise MetadataError(f"{place}: cannot be written ({error.strerror}); check --output and its folder.") from error
    finally:
        for temporary in staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
