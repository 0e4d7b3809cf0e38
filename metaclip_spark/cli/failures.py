"""Failures of the machine, of Spark's Java and of a connection, as one sentence each.

Such a failure can appear at any line. It reaches the command line as an error of Python, of Py4J, of Spark Connect or
of a library in Rust, whose text may be a stack trace. Causes are looked for in the whole chain of errors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socketserver
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from metaclip_spark.cli.interrupts import STATUS
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import size
from metaclip_spark.errors import MetaclipError

_LINKS = 30
"""Maximum number of errors of a chain that are looked at."""
_OF_PYTHON = r"(?!org\.|java|scala\.|py4j\.|Caused)(\w+\.)*\w*(Error|Exception|Interrupt|Exit)(:|$)"
"""The line of a stack trace of Python that has the error's type and text. Of several, the last one is of the cause."""
_CHARACTERS = 200_000
"""Maximum number of characters of an error that are looked at."""


class Failure(NamedTuple):
    """What a command prints, and its exit status."""

    sentence: str
    status: int = 1


class _Place(NamedTuple):
    """A folder that a command writes to: its name in a sentence, and what to give instead of it."""

    name: str
    folder: str
    instead: str


@dataclass(frozen=True)
class _Found:
    """A failure in a chain of errors: the error that shows it, and the texts of all."""

    error: BaseException
    text: str
    texts: str


_LAST: list[Settings] = []


def remember(settings: Settings) -> None:
    """Store the settings of the command, whose folders a sentence names."""
    _LAST[:] = [settings]


def last_settings() -> Settings | None:
    """Return the settings of the command; None before they are known."""
    return _LAST[0] if _LAST else None


def forget() -> None:
    """Forget the settings of an earlier command of this process."""
    _LAST.clear()


def failure_of(error: BaseException) -> Failure | None:
    """Return the sentence for an error that a full disk, missing memory, permission or connection caused; else None.

    An error of this package says itself what cannot be reached; of its causes, only failures of the machine are named.
    """
    chain = list(_chain(error))
    texts = [_text_of(link) for link in chain]
    ours = isinstance(error, MetaclipError)
    for numbers, pattern, sentence in (*_OF_MACHINE, *(() if ours else _OF_ACCESS)):
        for link, text in zip(chain, texts, strict=True):
            if getattr(link, "errno", None) in numbers or re.search(pattern, text):
                return sentence(_Found(link, text, "\n".join(texts)))
    if not ours and any(_is_lost(link, text) for link, text in zip(chain, texts, strict=True)):
        return _lost("\n".join(texts))
    return None


def cause_of(error: BaseException) -> str:
    """Return the line of an error that names its cause: one of Python, the last one of Java, or the first line."""
    lines = [line.strip() for line in _body_of(error).splitlines() if line.strip()] or [""]
    traced = any(line.startswith("Traceback (most recent call last)") for line in lines)
    python = [line for line in lines if re.match(_OF_PYTHON, line)] if traced else []
    python = python or [line for line in lines if line.startswith("ValueError:")]
    java = [line.removeprefix("Caused by:").strip() for line in lines if line.startswith("Caused by:")]
    first = [line[1:].strip() for line in lines if line.startswith(": ")]
    named = python[-1:] or java[-1:] or first[:1]
    return f"{type(error).__name__}: {(named or lines)[0][:500]}"


@contextlib.contextmanager
def quiet_servers() -> Iterator[None]:
    """Drop the stack traces that pyspark's own servers print when the JVM has died. The command prints a sentence."""
    before = socketserver.BaseServer.handle_error
    socketserver.BaseServer.handle_error = _drop  # type: ignore[method-assign]
    try:
        yield
    finally:
        socketserver.BaseServer.handle_error = before  # type: ignore[method-assign]


def _drop(self: socketserver.BaseServer, request: Any, client_address: Any) -> None:
    """Print nothing."""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _LINKS:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _text_of(error: BaseException) -> str:
    """Return an error's type and text."""
    return f"{type(error).__name__}: {_body_of(error)}"


def _body_of(error: BaseException) -> str:
    """Return an error's text, with the Java stack trace that pyspark keeps apart."""
    try:
        text = str(error)
    except Exception:  # Py4J asks the JVM for the text, and the JVM may have died
        text = ""
    trace = getattr(error, "_stackTrace", None)
    return (text + (f"\n{trace}" if isinstance(trace, str) else ""))[:_CHARACTERS]


def _is_lost(error: BaseException, text: str) -> bool:
    package = type(error).__module__.partition(".")[0]
    if package == "py4j" and type(error).__name__ == "Py4JNetworkError":
        return True
    of_connect = package == "grpc" or type(error).__name__ == "SparkConnectGrpcException"
    return of_connect and re.search(_UNAVAILABLE, text) is not None


_UNAVAILABLE = (
    r"UNAVAILABLE|failed to connect to all addresses|Socket closed|Connection reset|Connection refused|"
    r"SESSION_(NOT_FOUND|CLOSED|CHANGED)|GOAWAY"
)


# --- Folders


def _places() -> list[_Place]:
    """Return the local folders that the command writes to."""
    settings = _LAST[0] if _LAST else None
    places = []
    if settings is not None and settings.warehouse is not None and "://" not in settings.warehouse:
        places.append(_Place("the warehouse", settings.warehouse, "--warehouse"))
    spark = settings.spark.get("spark.local.dir", "") if settings is not None else ""
    scratch = [*spark.split(","), *os.environ.get("SPARK_LOCAL_DIRS", "").split(",")]
    places += [
        _Place("Spark's temporary files", folder, "--spark spark.local.dir=FOLDER") for folder in scratch if folder
    ]
    return [*places, _Place("temporary files", tempfile.gettempdir(), "TMPDIR")]


def _full_place(found: _Found) -> _Place:
    """Return the folder that an error names, otherwise the one with the fewest free bytes."""
    places = _places()
    for path in _paths_in(found):
        inside = [place for place in places if _is_below(path, place.folder)]
        if inside:
            return max(inside, key=lambda place: len(os.path.abspath(place.folder)))
    named = [path for path in _paths_in(found) if os.path.isdir(os.path.dirname(path))]
    if named and not _is_below(named[0], "/proc"):
        return _Place("", named[0], "another place")
    return min(places, key=lambda place: _usage(place.folder)[0])


def _paths_in(found: _Found) -> list[str]:
    """Return the absolute paths of an error and of its chain; of a copy, the target first."""
    own = [getattr(found.error, name, None) for name in ("filename2", "filename")]
    written = re.findall(r"(?:->\s*|(?<=writing rows to )(?:file:)?)(/[^\s:'\"]+)", found.texts)
    quoted = re.findall(r"'(/[^'\n]+)'", found.text)
    return [str(path) for path in (*own, *written, *quoted) if path]


def _is_below(path: str, folder: str) -> bool:
    whole, part = os.path.abspath(folder), os.path.abspath(path)
    return part == whole or part.startswith(whole.rstrip("/") + "/")


def _usage(folder: str) -> tuple[int, int]:
    """Return (free, total) bytes of a folder's disk, or of that of its next parent that exists."""
    folder = os.path.abspath(folder)
    while not os.path.isdir(folder) and folder != "/":
        folder = os.path.dirname(folder)
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 0, 0
    return usage.free, usage.total


def _again() -> str:
    """Return what the same command does after the failure is mended."""
    writes = _LAST and (_LAST[0].warehouse is not None or _LAST[0].catalog is not None)
    return "run the same command again" + ("; it continues from the last commit." if writes else ".")


# --- Sentences


def _named(place: _Place) -> str:
    return f"{place.name} ({place.folder})" if place.name else place.folder


def _disk_full(found: _Found) -> Failure:
    place = _full_place(found)
    free, total = _usage(place.folder)
    again = " again, since the unfinished files were removed" if free > total / 20 else ""
    return Failure(
        f"no space was left on the disk of {_named(place)}: {size(free)} of {size(total)} are free{again}. Free space "
        f"there, or name a folder on a larger disk ({place.instead}), and {_again()}"
    )


def _quota(found: _Found) -> Failure:
    return Failure(
        f"the disk quota of this user is used up at {_named(_full_place(found))}. Remove files or ask for a larger "
        f"quota, and {_again()}"
    )


def _read_only(found: _Found) -> Failure:
    place = _full_place(found)
    return Failure(
        f"{_named(place)} is on a file system that is mounted read-only; expected one that can be written. Mount it "
        f"for writing or give another folder ({place.instead}), and {_again()}"
    )


def _broken_disk(found: _Found) -> Failure:
    return Failure(
        f"the disk of {_named(_full_place(found))} reports an input/output error: it may be damaged or unplugged (the "
        f"system's log says more). Mend it or move the folder, and {_again()}"
    )


def _no_permission(found: _Found) -> Failure:
    paths = _paths_in(found)
    denied = re.search(r"AccessDeniedException: (/\S+)", found.text)
    path = paths[0] if paths else denied[1] if denied else _full_place(found).folder
    return Failure(
        f"permission denied: this user ({_user()}) may not read or write {path}. Give the user that right or name "
        f"another place, and {_again()}"
    )


def _refused_by_store(found: _Found) -> Failure:
    return Failure(
        f"the object store refuses access: {_line_with(found.text, _STORE_REFUSES)}. Expected credentials that may "
        f"read and write this place; check them (and whether they have expired), and {_again()}"
    )


def _silent_store(found: _Found) -> Failure:
    return Failure(
        f"the object store does not answer: {_line_with(found.text, _STORE_SILENT)}. Check the network and the "
        f"endpoint, and {_again()}"
    )


def _too_many_files(found: _Found) -> Failure:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return Failure(
        f"too many files are open: this process may open {limit:,}. Raise the limit, for example with "
        f"`ulimit -n 65536`, and {_again()}"
    )


def _no_memory(found: _Found) -> Failure:
    if re.search(r"java\.lang\.OutOfMemoryError", found.text):
        where, how = "Spark's Java process", "Give it more (--driver-memory 8g; on a cluster spark.executor.memory)"
    elif re.search(_POOL_IS_FULL, found.text):
        where, how = "the embedded engine", "Give it more (--memory 8g)"
    else:
        where, how = "a Python process", "Use a machine with more memory, or fewer tasks at once (--master 'local[2]')"
    return Failure(f"{where} has no memory left. {how}, and {_again()}")


def _cancelled(found: _Found) -> Failure:
    return Failure(f"interrupted: the engine reports that the work was cancelled. To go on, {_again()}", STATUS)


def _lost(texts: str) -> Failure:
    settings = _LAST[0] if _LAST else None
    if "Py4J" in texts:
        return Failure(
            "the connection to Spark is lost: its Java process has ended. It was killed, or the machine had no memory "
            f"left for it (--driver-memory sets how much it takes). Mend that, and {_again()}"
        )
    if settings is not None and settings.remote is not None:
        where = settings.remote.partition(";")[0]
        return Failure(
            f"the connection to the Spark Connect server at {where} is lost: it does not answer, or it has ended this "
            f"session. Check that it runs and can be reached, and {_again()}"
        )
    return Failure(f"the connection to the engine is lost: its server has ended. To go on, {_again()}")


def _line_with(text: str, pattern: str) -> str:
    lines = (line.strip() for line in text.splitlines() if re.search(pattern, line))
    return next(lines, text.strip().partition("\n")[0])[:200].rstrip(" .")


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


_Kind = tuple[tuple[int, ...], str, Callable[[_Found], Failure]]
_STORE_REFUSES = r"AccessDenied(?!Exception: /)|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|status 403"
_POOL_IS_FULL = r"Resources exhausted|Failed to allocate additional .* for the total memory pool"
_STORE_SILENT = (
    r"Generic (S3|GCS|MicrosoftAzure|HTTP) error: Error (performing|after)|ConnectTimeoutError|EndpointConnectionError"
)

_OF_MACHINE: tuple[_Kind, ...] = (
    ((errno.ENOSPC,), r"No space left on device|os error 28\b|not enough space on the disk", _disk_full),
    ((), r"used disk space during the spilling process has exceeded", _disk_full),
    ((errno.EDQUOT,), r"[Dd]isk quota exceeded|os error 122\b", _quota),
    ((errno.EROFS,), r"Read-only file system|os error 30\b", _read_only),
    ((errno.EIO,), r"Input/output error|os error 5\b", _broken_disk),
    ((errno.EMFILE, errno.ENFILE), r"Too many open files|os error 24\b", _too_many_files),
    (
        (errno.ENOMEM,),
        rf"java\.lang\.OutOfMemoryError|{_POOL_IS_FULL}|^(Arrow)?MemoryError|\nMemoryError",
        _no_memory,
    ),
    ((), r"(m|re)alloc of size \d+ failed|Cannot allocate memory|os error 12\b", _no_memory),
    (
        (),
        r"cancelled because SparkContext was shut down|part of cancellation of all jobs|OPERATION_CANCELED",
        _cancelled,
    ),
    (
        (),
        r"SparkInterruptedException|invalid argument: operation not found|Caused by: java\.lang\.Interrupted",
        _cancelled,
    ),
)
"""(errno, pattern of an error's text, sentence) of each kind of failure; the first that an error shows is named."""
_OF_ACCESS: tuple[_Kind, ...] = (
    ((), _STORE_REFUSES, _refused_by_store),
    ((), _STORE_SILENT, _silent_store),
    ((errno.EACCES, errno.EPERM), r"Permission denied|os error 13\b|AccessDeniedException: /", _no_permission),
)
