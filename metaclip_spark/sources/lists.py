"""Read lists of sources: Common Crawl's *.paths.gz, and plain text with one path or uri per line."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from urllib.parse import unquote

from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import DamagedSourceError, FetchError, InputError
from metaclip_spark.storage.lines import split_lines
from metaclip_spark.storage.magic import GZIP_MAGIC
from metaclip_spark.storage.open import PLANNING_PATIENCE, is_remote, local_path, open_source
from metaclip_spark.storage.transport import shown

SUFFIXES = (".paths", ".paths.gz", ".txt", ".txt.gz")
CRAWL_ROOT = "https://data.commoncrawl.org/"
INSIDE = "crawl-data/"
"""The beginning of every path inside a crawl, wherever the crawl is."""
_MAX_BYTES = 1 << 28
_HEAD_BYTES = 4096
_PATH_LINE = re.compile(rb"(?:crawl-data/|[a-z][a-z0-9+]*://|/)[^\s]+\.[a-z]+\s*$", re.IGNORECASE)


def is_manifest(uri: str) -> bool:
    """Return whether a file's suffix is that of a list of sources.

    >>> is_manifest("crawl-data/CC-MAIN-2024-51/wat.paths.gz"), is_manifest("x.wat.gz")
    (True, False)
    """
    return uri.lower().partition("?")[0].endswith(SUFFIXES)


def read_manifest(uri: str) -> list[str]:
    """Return the uris in a list, in its order; empty lines and lines that begin with # are skipped.

    Quotes around a line are removed. An absolute uri or path is returned unchanged. A path inside a crawl belongs to
    the mirror that contains the list, else to Common Crawl's server. Any other relative path is relative to the list's
    folder.

    Raises:
        InputError: the list does not exist, cannot be read or is empty, or the file is not a list; or it was fetched,
            and names a file of this machine or a folder above.
    """
    lines = [_unquoted(line.strip()) for line in manifest_lines(uri) if not line.lstrip().startswith("#")]
    lines = [line for line in lines if line]
    if not lines:
        raise InputError(f"list {shown(uri)} is empty; expected one path or uri per line.")
    if is_remote(uri):
        _check_fetched(uri, lines)
    root, folder = _root_of(uri), uri.rpartition("/")[0] + "/" if is_remote(uri) else _folder(uri)
    return [resolve(line, root if line.startswith(INSIDE) else folder) for line in lines]


def _check_fetched(uri: str, lines: list[str]) -> None:
    """Refuse a list from elsewhere that reads what its author may not see: files of this machine, or folders above.

    Raises:
        InputError: a line does.
    """
    for line in lines:
        if not is_remote(line) and line.startswith(("/", "~", "file:")):
            what = "a file of this machine"
        elif "://" not in line and ".." in unquote(line).split("/"):
            what = "a path into a folder above"
        else:
            continue
        raise InputError(
            f"list {shown(uri)} names {shown_line(line)}, {what}; a list that is fetched may name only files beside or "
            "below it, and uris. Fetch it yourself, and give it as a local file, if you trust it."
        )


def manifest_lines(uri: str) -> list[str]:
    """Return a list's lines unchanged; the list is inflated if its first bytes are those of gzip.

    Raises:
        InputError: as `read_manifest`.
    """
    try:
        with open_source(uri, PLANNING_PATIENCE) as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            head = stream.read(_HEAD_BYTES)
            if kind_of(head) == "records":
                raise InputError(
                    f"list {shown(uri)} holds WARC records, not paths; a WAT is named .wat.gz and a WARC .warc.gz."
                )
            data = bytearray(head)
            while len(data) <= _MAX_BYTES and (piece := stream.read(1 << 20)):
                data += piece
        if len(data) > _MAX_BYTES:
            raise InputError(f"list {shown(uri)} has more than {_MAX_BYTES >> 20} MiB; a list of paths is smaller.")
        return split_lines(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(
                f"list {shown(uri)} is not text in UTF-8, but in UTF-16; write it in UTF-8, with one path or uri per "
                "line."
            ) from None
        raise InputError(f"list {shown(uri)} is not text in UTF-8; expected one path or uri per line.") from None
    except FetchError as error:
        raise InputError(f"list {error.what}.") from error
    except (DamagedSourceError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"list {shown(uri)} cannot be read: {error}.") from error


def resolve(line: str, root: str) -> str:
    """Return a line as a uri: a path without ~ and file:, unchanged if it is absolute, else below the root."""
    line = local_file(line)
    return line if "://" in line or line.startswith("/") else root.rstrip("/") + "/" + line


def local_file(given: str) -> str:
    """Return the path of a local path or uri: ~ is the home folder, and file:/a%20b is /a b if that exists.

    A remote uri is returned unchanged.
    """
    if is_remote(given):
        return given
    path = given[5:] if re.match("file:/(?!/)", given) else local_path(given)
    if os.path.lexists(path):
        return path
    if given.startswith("file:") and os.path.lexists(unquote(path)):
        return unquote(path)
    return path if "\0" in path else os.path.expanduser(path)  # no user has a name with NUL


def _unquoted(line: str) -> str:
    return line[1:-1].strip() if len(line) > 1 and line[0] == line[-1] and line[0] in "'\"" else line


def shown_line(line: str) -> str:
    """Return a line of a list for an error; a line of another kind of file can be long."""
    return shortened(shown(line))


def kind_of(head: bytes) -> str | None:
    """Return the kind of a file by its first (inflated) bytes: "records" of a WARC, "paths" of a list, or None.

    >>> kind_of(b"WARC/1.0\\r\\n"), kind_of(b"crawl-data/CC-MAIN-2024-51/x.wat.gz\\n"), kind_of(b"url,text\\n")
    ('records', 'paths', None)
    """
    if head.startswith(b"WARC/"):
        return "records"
    return "paths" if _PATH_LINE.match(head.partition(b"\n")[0]) else None


def check_records(path: str) -> None:
    """Refuse a local WAT or WARC that is a list of paths; the reader reports any other content.

    Raises:
        InputError: the file contains lines of paths.
    """
    with open(local_path(path), "rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
        except zlib.error:
            return
    if kind_of(head) == "paths":
        raise InputError(f"input {path} holds lines of paths, not records; rename it to .paths.gz to read its files.")


def _folder(uri: str) -> str:
    return os.path.dirname(os.path.abspath(local_path(uri))) + "/"


def _root_of(uri: str) -> str:
    """Return the root of the crawl paths in a list: the mirror that contains the list, or Common Crawl's server."""
    if is_remote(uri):
        before, inside, _ = uri.partition("/" + INSIDE)
        return before + "/" if inside and before.count("/") >= 2 else CRAWL_ROOT
    folder = _folder(uri)
    while not os.path.isdir(os.path.join(folder, INSIDE)):
        above = os.path.dirname(folder.rstrip("/")) or "/"
        if above == folder.rstrip("/") or folder == "/":
            return CRAWL_ROOT
        folder = above
    return folder
