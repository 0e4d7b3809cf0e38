"""Writing metadata: an entry list becomes a file whose bytes depend on the entries alone.

Beside `<name>.json.gz` stands `<name>.sidecar.json`, which says where the entries are from, under which
licence, how many there are, and the list's id; and `<name>.provenance.parquet` says it of each entry.
"""

from __future__ import annotations

import contextlib
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
from metaclip_spark.version import __version__

SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Source:
    """Where entries are from, as the sidecar tells it.

    Attributes:
        name: What it is called, such as "WordNet".
        version: Its own version.
        licence: The licence's name.
        entries: How many entries it offered, before repeats of other sources went.
        files: sha256 in hex of each file that was read, by name.
        notice: The licence's text, where it asks to be carried along.
        read: How many candidates it was read from.
        taken: How many entries of the list are its own.
        first_id: The id of the first of them; the others follow it.
        cut: How many candidates were not taken, by reason.
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
    """Writes an entry list and its sidecar.

    All files are complete before any takes its name, and the list's name comes last. The list is
    a JSON array, one entry a line, in gzip without time or file name. The sidecar alone holds the time: now,
    or what the environment's SOURCE_DATE_EPOCH says.

    Args:
        entries: The list, in the order that gives the ids.
        output: A path that ends in `.json.gz`; its folder is made when it is missing.
        sources: Where the entries are from.
        order: One sentence on the order of the entries, for the sidecar.
        parameters: What the entries were chosen by, for the sidecar.
        provenance: The Parquet file that goes beside the list.

    Returns:
        The list as `load_metadata(output)` reads it.

    Raises:
        MetadataError: The list cannot be used, or the files cannot be written.
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
    described = json.dumps(sidecar, ensure_ascii=False, indent=2).encode() + b"\n"
    beside = {provenance_path(output): provenance} if provenance is not None else {}
    _write_together({**beside, sidecar_path(output): described, output: _compress(metadata.entries)})
    return metadata


def check_output(output: Path) -> Path:
    """Refuses a path that does not end in `.json.gz`, before any work."""
    output = Path(output)
    if not output.name.endswith(SUFFIX) or output.name == SUFFIX:
        raise MetadataError(f"{output}: got {output.name!r}, expected a name that ends in {SUFFIX}; change --output.")
    return output


def _build_time() -> str:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(given), timezone.utc) if given.isdigit() else datetime.now(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sidecar_path(output: Path) -> Path:
    """Names the sidecar of a list: `wordnet.json.gz` has `wordnet.sidecar.json`."""
    return output.with_name(output.name[: -len(SUFFIX)] + ".sidecar.json")


def provenance_path(output: Path) -> Path:
    """Names the provenance of a list: `en.json.gz` has `en.provenance.parquet`."""
    return output.with_name(output.name[: -len(SUFFIX)] + ".provenance.parquet")


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
