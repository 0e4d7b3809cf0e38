"""What was taken down, as keyed hashes: the lists that users give, and whether a url is among it (no Spark)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.hashing.ids import pair_ids
from metaclip_spark.core.urls.domains import any_above
from metaclip_spark.core.urls.hosts import hosts_of

URL, DOMAIN, PAGE_DOMAIN = KINDS = ("url", "domain", "page_domain")
HASH_BYTES = 16
_HASH = np.dtype(f"S{HASH_BYTES}")
_SLICE = 1 << 20
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s\"'<>\\]+")
_AFTER_A_URL = ".,;:!?)]}"
_SHOWN_CHARS = 80


@dataclass(frozen=True, eq=False)
class Takedowns:
    """Urls and domains that were taken down. Picklable: 16 bytes each.

    Attributes:
        salt: the key of the hashes, a warehouse's own.
        hashes: kind -> its hashes (bytes of 16, ascending, distinct), as `hashes_of` makes them.
    """

    salt: str
    hashes: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return sum(map(len, self.hashes.values()))

    @property
    def id(self) -> str:
        """Hash of all that decides what is taken."""
        digest = blake2b(self.salt.encode(), digest_size=16)
        for kind, hashes in sorted(self.hashes.items()):
            digest.update(f"{kind}:{len(hashes)}:".encode() + hashes.tobytes())
        return digest.hexdigest()

    def takes(self, urls: pa.Array, pages: pa.Array | None = None) -> np.ndarray:
        """Return bool[n]: whether an image goes, by its url or host, or by the url or host of its page.

        Args:
            urls, pages: string arrays of n; a null is never taken down.
        """
        taken = self._among_urls(urls) | self._under_a_domain(DOMAIN, urls)
        if pages is not None:
            taken |= self._among_urls(pages) | self._under_a_domain(PAGE_DOMAIN, pages)
        return taken

    def takes_any_in(self, texts: pa.Array) -> np.ndarray:
        """Return bool[n]: whether a text (a reject's record, a line of a report) is or holds a url that goes.

        Which kind of url it is, of an image or of a page, cannot be told there; either is enough.
        """
        owners: list[int] = []
        urls: list[str] = []
        for at in np.flatnonzero(pc.fill_null(pc.match_substring(texts, ":"), False).to_numpy(zero_copy_only=False)):
            found = urls_in(texts[int(at)].as_py())
            owners += [int(at)] * len(found)
            urls += found
        taken = np.zeros(len(texts), dtype=bool)
        listed = pa.array(urls, pa.string())
        np.logical_or.at(taken, np.array(owners, dtype=np.int64), self.takes(listed, listed))
        return taken

    def _among_urls(self, urls: pa.Array) -> np.ndarray:
        if not len(self.hashes.get(URL, ())):
            return np.zeros(len(urls), dtype=bool)
        encoded = urls.cast(pa.string()).dictionary_encode()  # a batch has few pages, and each page many texts
        held = self._held(URL, normal_urls(encoded.dictionary))
        return _by_index(held, encoded.indices)

    def _under_a_domain(self, kind: str, urls: pa.Array) -> np.ndarray:
        if not len(self.hashes.get(kind, ())):
            return np.zeros(len(urls), dtype=bool)
        hosts = hosts_of(urls.cast(pa.string()))
        held = any_above(hosts.dictionary.to_pylist(), lambda names: self._held(kind, pa.array(names, pa.string())))
        return _by_index(held, hosts.indices)

    def _held(self, kind: str, values: pa.Array) -> np.ndarray:
        among = self.hashes[kind]
        hashes = hashes_of(self.salt, kind, values)
        return among[np.minimum(np.searchsorted(among, hashes), len(among) - 1)] == hashes


def hashes_of(salt: str, kind: str, values: pa.Array) -> np.ndarray:
    """Return the keyed hash of each value: BLAKE2b (16 bytes) over the key's length, the key, and the value.

    Args:
        values: string array without nulls, in the form in which they are compared.

    Returns:
        bytes of 16, in the order of the values. (numpy drops NULs at the end of one; all are as long, so that
        equal stays equal.)
    """
    parts = []
    for start in range(0, len(values), _SLICE):
        part = values.slice(start, _SLICE).cast(pa.string())
        digits = pair_ids(pa.repeat(pa.scalar(f"{salt}:{kind}"), len(part)), part)
        codes = np.frombuffer(digits.buffers()[2], dtype=np.uint8).reshape(-1, 2 * HASH_BYTES)
        nibbles = (codes & 15) + 9 * (codes >> 6)
        parts.append((nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).reshape(-1).view(_HASH))
    return np.concatenate(parts) if parts else np.zeros(0, dtype=_HASH)


def normal_urls(urls: pa.Array) -> pa.Array:
    """Return urls as they are compared: as they stand, without tabs and spaces, as for image_id."""
    return pc.replace_substring(pc.replace_substring(urls, " ", ""), "\t", "")


def urls_in(text: str) -> list[str]:
    """Return what may be a url in a text: all of it, and each part that looks like one, also without its last marks.

    >>> urls_in('see "https:\\/\\/example.org\\/a.jpg".')[1:]
    ['https://example.org/a.jpg']
    """
    found = _URL_IN_TEXT.findall(text.replace("\\/", "/"))
    return [text, *found, *(bare for url in found if (bare := url.rstrip(_AFTER_A_URL)) != url)]


def sorted_hashes(hashes: Iterable[np.ndarray]) -> np.ndarray:
    """Return hashes of several kinds of origin as one array, ascending and distinct."""
    return np.unique(np.concatenate([np.zeros(0, dtype=_HASH), *hashes]))


def to_arrow(hashes: np.ndarray) -> pa.Array:
    """Return hashes as a binary array, 16 bytes each."""
    raw = pa.py_buffer(np.ascontiguousarray(hashes))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(HASH_BYTES), len(hashes), [None, raw]).cast(pa.binary())


def from_arrow(hashes: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a binary array's hashes, each of 16 bytes, in their order."""
    chunks = hashes.chunks if isinstance(hashes, pa.ChunkedArray) else [hashes]
    fixed = [chunk.cast(pa.binary(HASH_BYTES)) for chunk in chunks if len(chunk)]
    arrays = [np.frombuffer(a.buffers()[1], dtype=_HASH)[a.offset : a.offset + len(a)] for a in fixed]
    return np.concatenate([np.zeros(0, dtype=_HASH), *arrays])


def _by_index(held: np.ndarray, indices: pa.Array) -> np.ndarray:
    """Return bool[n]: `held` at each index, False at a null."""
    places = pc.fill_null(indices, len(held)).to_numpy(zero_copy_only=False)
    return np.append(held, False)[places]
