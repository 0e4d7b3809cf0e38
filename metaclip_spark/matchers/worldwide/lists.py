"""The lists of many languages: each is compiled or mapped with its first text, and given up when others need room.

A compiled list is a file, which all processes of a machine map. So a machine holds each list once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import xxhash

from metaclip_spark.core.extras import how_to_install_package
from metaclip_spark.core.worldwide.switches import NO_SWITCHES, Switches
from metaclip_spark.errors import ConfigError, MetadataError
from metaclip_spark.matchers.base import Matches
from metaclip_spark.matchers.worldwide.compiled import KIND, Buffered, CompiledList
from metaclip_spark.matchers.worldwide.oracles import AhocorasickList, NaiveList
from metaclip_spark.metadata.load import SUFFIXES, load_metadata

MAX_BYTES = 5 << 28
"""Bytes of compiled lists that a process maps at once, by default: 1.25 GiB."""
_EXPECTED = "<code>.json, <code>.json.gz, <code>.txt or <code>.txt.gz"
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class ListMatcher(Protocol):
    """The matcher of one list under the edge rule."""

    metadata_id: str
    n_entries: int
    nbytes: int

    def match(self, texts: pa.Array, buffered: Buffered | None = None) -> Matches:
        """Match an Arrow array of strings; a null text matches nothing."""
        ...


COMPILED = "phrases"
"""The engine whose lists are compiled: phrases and edge entries."""
_ENGINES: dict[str, Any] = {COMPILED: CompiledList.of, "ahocorasick": AhocorasickList, "naive": NaiveList}


class ListInfo(NamedTuple):
    """What a list is.

    Attributes:
        metadata_id: the id of the list.
        n_entries: the number of its entries.
        nbytes: bytes of its compiled form.
    """

    metadata_id: str
    n_entries: int
    nbytes: int


class Lists:
    """The lists of many languages, by their code. A pickled object has the paths and no list.

    The file of a list is hashed once, by `prepare` or the first use, and a pickled object keeps the hash. So workers
    map the compiled list that the driver checked, and do not read the file of the list.

    Args:
        paths: the file of each list (see `load_metadata`), by its code. A code has letters, digits, `_` and `-`.
        switches: what worldwide mode changes of the reference code's rules: for all lists, or by the code of a list,
            where lists that are not named change nothing.
        compiled: the folder for compiled lists, on a disk that the processes of a machine share. A file in it is of one
            content of one list, so that a changed list is compiled again. Without it, each process compiles for itself.
        max_bytes: bytes of lists that this object keeps at once; the list in use is kept, whatever its size. When
            others need room, the list whose last use is longest ago is given up.
        engine: `phrases` (compiled), `ahocorasick`, `naive`, or `auto` for the fastest that is installed.

    Attributes:
        codes: the codes, in ascending order. An integer code of a text is an index of this tuple.
        switches: what changes for all lists; None where that differs between lists.
        loaded: how often a list was compiled or mapped.
        nbytes: bytes of the lists that are kept at the moment.
        given_up: how often a list was given up. If this grows with every batch, `max_bytes` is too small.

    Raises:
        ConfigError: there is no list, or a code or the engine is unknown.
    """

    def __init__(
        self,
        paths: Mapping[str, str | os.PathLike[str]],
        switches: Switches | Mapping[str, Switches] = NO_SWITCHES,
        *,
        compiled: str | os.PathLike[str] | None = None,
        max_bytes: int = MAX_BYTES,
        engine: str = "auto",
    ) -> None:
        if not paths:
            raise ConfigError("got no list of any language, expected at least one; check the folder of the lists.")
        for code in paths:
            if not _CODE.fullmatch(code):
                raise ConfigError(f"got {code!r} as the code of a list, expected letters, digits, _ and -; rename it.")
        self.codes = tuple(sorted(paths))
        given = dict.fromkeys(paths, switches) if isinstance(switches, Switches) else dict(switches)
        self._switches = {code: on for code, on in given.items() if on != NO_SWITCHES}
        different = {self.switches_of(code) for code in self.codes}
        self.switches = different.pop() if len(different) == 1 else None
        self.max_bytes, self.engine = max_bytes, _engine(engine)
        self.loaded = self.given_up = 0
        self._paths = {code: os.fspath(path) for code, path in paths.items()}
        self._compiled = None if compiled is None else Path(compiled)
        self._sources: dict[str, str] = {}
        self._start()

    def _start(self) -> None:
        self._lists: OrderedDict[str, ListMatcher] = OrderedDict()
        self.nbytes = 0
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lists", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __contains__(self, code: object) -> bool:
        return code in self._paths

    def __len__(self) -> int:
        return len(self.codes)

    def switches_of(self, code: str) -> Switches:
        """Return what changes for a list."""
        return self._switches.get(code, NO_SWITCHES)

    def get(self, code: str) -> ListMatcher:
        """Return the matcher of a list; compile or map the list if it is not kept.

        Raises:
            ConfigError: there is no list of this code.
            MetadataError: the list cannot be read (it is missing, empty, not UTF-8, ...), or its compiled form is
                damaged. The text names the file.
        """
        with self._lock:
            if code not in self._lists:
                self._lists[code] = found = self._load(code)
                self.nbytes += found.nbytes
                self.loaded += 1
            self._lists.move_to_end(code)
            while self.nbytes > self.max_bytes and len(self._lists) > 1:
                self.nbytes -= self._lists.popitem(last=False)[1].nbytes
                self.given_up += 1
            return self._lists[code]

    def prepare(self, codes: Iterable[str] | None = None) -> dict[str, ListInfo]:
        """Check lists, and compile those that are not compiled; keep none.

        Call this before any text is read: what is wrong with a list is an error here, and not in a task.

        Args:
            codes: the lists; by default, all.

        Returns:
            What each list is.

        Raises:
            ConfigError, MetadataError: see `get`.
        """
        infos = {}
        for code in self.codes if codes is None else codes:
            found = self._load(code)
            infos[code] = ListInfo(found.metadata_id, found.n_entries, found.nbytes)
        return infos

    def compiled_files(self) -> dict[str, tuple[Path, str]]:
        """Return code -> its compiled file and the hash of the list's own file, after `prepare`.

        Raises:
            MetadataError: a list cannot be read.
        """
        sources = {code: self._sources.get(code) or _hash_of(path) for code, path in self._paths.items()}
        return {code: (self._file(code, source), source) for code, source in sources.items()}

    def _file(self, code: str, source: str) -> Path:
        assert self._compiled is not None
        return self._compiled / f"{code}-{source}-{self.switches_of(code).rule}-{KIND.format}.list"

    def _load(self, code: str) -> ListMatcher:
        if code not in self._paths:
            known = ", ".join(self.codes[:20]) + (", ..." if len(self.codes) > 20 else "")
            raise ConfigError(f"there is no list {code!r}; got lists for {known}. Add a list, or check the code.")
        path = self._paths[code]
        if self.engine != COMPILED or self._compiled is None:
            made: ListMatcher = _ENGINES[self.engine](load_metadata(path), self.switches_of(code))
            return made
        source = self._sources.get(code)
        if source is None or not self._file(code, source).exists():
            source = self._sources[code] = _hash_of(path)
        file = self._file(code, source)
        if not file.exists():
            with _only_one(file):
                if not file.exists():  # another process may have compiled it while this one waited
                    CompiledList.of(load_metadata(path), self.switches_of(code)).write(file, source)
        return CompiledList.read(file, self.switches_of(code), source)


def lists_in(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the lists of a folder by their code: `<code>.json`, `<code>.json.gz`, `<code>.txt` or `<code>.txt.gz`.

    Other files are no lists, and are passed over.

    Raises:
        MetadataError: the folder is missing or has no list, or two files are of one code.
    """
    if not Path(folder).is_dir():
        raise MetadataError(
            f"{folder}: no such folder, expected one with <code>.json or <code>.json.gz; check the path."
        )
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None or not path.is_file():
            continue
        code = path.name.removesuffix(suffix)
        if not _CODE.fullmatch(code):
            continue  # a file such as `fr.source.json` is about a list
        if code in found:
            raise MetadataError(f"{folder}: got two lists of {code}, {found[code].name} and {path.name}; remove one.")
        found[code] = path
    if not found:
        raise MetadataError(
            f"{folder}: the folder has no list, expected <code>.json or <code>.json.gz; check the path."
        )
    return found


def _engine(name: str) -> str:
    if name == "auto":
        if find_spec("numba") is not None:
            return COMPILED
        warnings.warn(
            "numba is not installed: pyahocorasick matches the texts, which takes many times as long "
            f"({how_to_install_package('numba')}).",
            stacklevel=4,
        )
        return "ahocorasick"
    if name not in _ENGINES:
        raise ConfigError(f"matcher must be one of {', '.join(['auto', *_ENGINES])}, got {name!r}.")
    return name


def _hash_of(path: str) -> str:
    """Return the hash of a file's content."""
    try:
        return xxhash.xxh3_128_hexdigest(Path(path).read_bytes())
    except OSError as error:
        raise MetadataError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


@contextlib.contextmanager
def _only_one(file: Path) -> Iterator[None]:
    """Let one process of this machine at a time compile a file; the others wait."""
    lock = file.with_name(f".{file.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
