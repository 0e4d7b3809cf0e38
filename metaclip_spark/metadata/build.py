"""Write metadata: an entry list as a file whose bytes depend on the entries alone.

Two files are next to the list `<name>.json.gz`:

- `<name>.sidecar.json` has the sources of the entries, their licences, the number of entries and the id of the list.
- `<name>.provenance.parquet` has the source of each entry.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.load import Metadata, never_matching
from metaclip_spark.storage.write import write_together
from metaclip_spark.version import __version__

SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Source:
    """A source of entries, as the sidecar describes it. The names of the attributes are keys of the sidecar.

    Attributes:
        name: The name of the source, such as "WordNet".
        version: The version of the source.
        licence: The name of its licence.
        entries: Number of entries that the source offered, including entries of earlier sources.
        files: File name to sha256 in hex, for each file that was read.
        notice: The text of the licence, if the licence requires a copy.
        read: Number of candidates that were read.
        taken: Number of entries that the list took from this source.
        first_id: The id of the first of these entries; the others follow it.
        cut: Number of candidates that were not taken, by reason.
    """

    name: str
    version: str
    licence: str
    entries: int
    files: dict[str, str]
    notice: str = ""
    read: int | None = None
    taken: int | None = None
    first_id: int | None = None
    cut: Mapping[str, int] = field(default_factory=dict)


def build(
    entries: Iterable[str],
    output: Path,
    sources: Sequence[Source],
    order: str,
    parameters: Mapping[str, Any] | None = None,
    provenance: bytes | None = None,
) -> Metadata:
    """Write an entry list and its sidecar.

    All files are complete before the first one appears under its name, and the list appears last. The list is a JSON
    array with one entry per line, in gzip without a time or a file name. Only the sidecar has a time: the current time,
    or that of the environment variable SOURCE_DATE_EPOCH.

    Args:
        entries: The list, in the order of the ids.
        output: A path that ends in `.json.gz`; its folder is created if it is missing.
        sources: The sources of the entries.
        order: One sentence on the order of the entries, for the sidecar.
        parameters: The parameters that selected the entries, for the sidecar.
        provenance: The content of the Parquet file next to the list; None writes no such file.

    Returns:
        The list, equal to `load_metadata(output)`.

    Raises:
        MetadataError: An entry is invalid, or the files cannot be written.
    """
    output = check_output(output)
    metadata = Metadata.from_entries(entries, source="the built list")
    sidecar = {
        "file": output.name,
        "metadata_id": metadata.metadata_id,
        "entries": len(metadata.entries),
        "never_matching": int(never_matching(metadata.entries).sum()),
        "order": order,
        "built": _build_time(),
        "builder": f"metaclip-spark {__version__}",
        "parameters": dict(parameters or {}),
        "sources": [asdict(source) for source in sources],
    }
    sidecar_json = json.dumps(sidecar, ensure_ascii=False, indent=2).encode() + b"\n"
    optional = {provenance_path(output): provenance} if provenance is not None else {}
    _write_files({**optional, sidecar_path(output): sidecar_json, output: _compress(metadata.entries)})
    return metadata


def check_output(output: Path) -> Path:
    """Return the path, or raise MetadataError if it does not end in `.json.gz`."""
    output = Path(output)
    if not output.name.endswith(SUFFIX) or output.name == SUFFIX:
        raise MetadataError(f"{output}: got {output.name!r}, expected a name that ends in {SUFFIX}; change --output.")
    return output


def _build_time() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), timezone.utc) if epoch.isdigit() else datetime.now(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sidecar_path(output: Path) -> Path:
    """Return the path of a list's sidecar: `wordnet.sidecar.json` for `wordnet.json.gz`."""
    return output.with_name(output.name[: -len(SUFFIX)] + ".sidecar.json")


def provenance_path(output: Path) -> Path:
    """Return the path of a list's provenance: `en.provenance.parquet` for `en.json.gz`."""
    return output.with_name(output.name[: -len(SUFFIX)] + ".provenance.parquet")


def _compress(entries: Sequence[str]) -> bytes:
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    buffer = io.BytesIO()
    # gzip.compress() is not used: its header differs between versions of Python.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(f"[\n{lines}\n]\n".encode())
    return buffer.getvalue()


def _write_files(contents: dict[Path, bytes]) -> None:
    try:
        write_together(contents)
    except OSError as error:
        place = error.filename or list(contents)[-1]
        raise MetadataError(f"{place}: cannot be written ({error.strerror}); check --output and its folder.") from error
