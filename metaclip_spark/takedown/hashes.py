"""Takedown lists as keyed hashes, and the look-up of urls in them (no Spark)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.hashing.ids import md5_digits, pair_ids, sha256_digits
from metaclip_spark.core.references import decode_references
from metaclip_spark.core.urls.domains import any_above
from metaclip_spark.core.urls.hosts import hosts_of
from metaclip_spark.core.urls.request import request_urls, requested

URL, DOMAIN, PAGE_DOMAIN, URL_SHA256, URL_MD5, PAIR_ID = KINDS = (
    *("url", "domain", "page_domain"),
    *("url_sha256", "url_md5", "pair_id"),
)
DIGESTS: dict[str, Callable[[pa.Array], pa.Array]] = {URL_SHA256: sha256_digits, URL_MD5: md5_digits}
"""Kind of a list of hashes of urls -> the function that computes their hex digits."""
COUNTED = (*DIGESTS, PAIR_ID)
"""Kinds whose lines cannot be looked at before they are used: those that match nothing are counted."""
FORMS = "as found, without spaces and tabs, as a browser requests it (as in exports), and with `&amp;` for `&`"
"""The forms of a url that are compared with lists of hashes (`written_forms`), in words."""
HASH_BYTES = 16
_HASH = np.dtype(f"S{HASH_BYTES}")
_SLICE = 1 << 20
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s\"'<>\\]+")
_HEX_ID = "^[0-9A-Fa-f]{32}$"
_MARKS_AFTER_URL = ".,;:!?)]}"

Hashes = npt.NDArray[np.bytes_]
"""Hashes of 16 bytes each (dtype S16)."""


@dataclass(frozen=True, eq=False)
class Takedowns:
    """A picklable takedown list of urls, domains, hashes of urls and pair ids, with 16 bytes per value.

    Attributes:
        salt: the key of the hashes; each warehouse has one.
        hashes: kind -> its hashes from `hashes_of`, ascending and distinct.
    """

    salt: str
    hashes: Mapping[str, Hashes]

    def __len__(self) -> int:
        return sum(map(len, self.hashes.values()))

    @property
    def id(self) -> str:
        """Hash of the salt and of all hashes."""
        digest = blake2b(self.salt.encode(), digest_size=16)
        for kind, hashes in sorted(self.hashes.items()):
            digest.update(f"{kind}:{len(hashes)}:".encode() + hashes.tobytes())
        return digest.hexdigest()

    @property
    def has_pair_ids(self) -> bool:
        """Whether pairs are listed by their ids."""
        return bool(len(self.hashes.get(PAIR_ID, ())))

    def covers(
        self, urls: pa.Array, pages: pa.Array | None = None, keys: pa.Array | None = None
    ) -> npt.NDArray[np.bool_]:
        """Return bool[n]: whether the url or host of an image or of its page, or the id of its pair, is on the list.

        Args:
            urls, pages, keys: string arrays of n; a null is never on the list.
        """
        covered = self._is_url(urls) | self._is_under_domain(DOMAIN, urls)
        if pages is not None:
            covered |= self._is_url(pages) | self._is_under_domain(PAGE_DOMAIN, pages)
        return covered if keys is None else covered | self.covers_ids(keys)

    def covers_ids(self, keys: pa.Array) -> npt.NDArray[np.bool_]:
        """Return bool[n]: whether a pair id is on the list; a null is not."""
        found = np.zeros(len(keys), dtype=np.bool_)
        if self.has_pair_ids:
            valid = keys.is_valid().to_numpy(zero_copy_only=False)
            found[valid] = self._is_listed(PAIR_ID, keys.drop_null().cast(pa.string()))
        return found

    def listed_in(self, urls: pa.Array, pages: pa.Array, keys: pa.Array) -> dict[str, Hashes]:
        """Return kind -> the hashes of `COUNTED` kinds that are those of some row.

        Args:
            urls, pages, keys: string arrays of n, with nulls.
        """
        distinct = pa.concat_arrays([urls.cast(pa.string()), pages.cast(pa.string())]).drop_null().unique()
        found: dict[str, list[Hashes]] = {kind: [] for kind in COUNTED}
        for kind, _, hashes in self._hashes_of_urls(distinct):
            if kind in found:
                found[kind].append(hashes)
        found[PAIR_ID].append(hashes_of(self.salt, PAIR_ID, keys.drop_null().cast(pa.string())))
        none = sorted_hashes([])
        return {kind: np.intersect1d(sorted_hashes(all_), self.hashes.get(kind, none)) for kind, all_ in found.items()}

    def covers_any_url_in(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Return bool[n]: whether a text (a reject's record, a line of a report) contains a url that is on the list.

        A text does not show whether a url is of an image or of a page; the url counts if it is listed as either.
        """
        owners: list[int] = []
        urls: list[str] = []
        for at in np.flatnonzero(pc.fill_null(pc.match_substring(texts, ":"), False).to_numpy(zero_copy_only=False)):
            found = urls_in(texts[int(at)].as_py())
            owners += [int(at)] * len(found)
            urls += found
        covered = np.zeros(len(texts), dtype=np.bool_)
        candidates = pa.array(urls, pa.string())
        np.logical_or.at(covered, np.array(owners, dtype=np.int64), self.covers(candidates, candidates))
        return covered

    def _is_url(self, urls: pa.Array) -> npt.NDArray[np.bool_]:
        if not any(len(self.hashes.get(kind, ())) for kind in (URL, *DIGESTS)):
            return np.zeros(len(urls), dtype=bool)
        encoded = urls.cast(pa.string()).dictionary_encode()  # a batch has few pages, and each page many texts
        found = np.zeros(len(encoded.dictionary), dtype=np.bool_)
        for kind, rows, hashes in self._hashes_of_urls(encoded.dictionary):
            found[rows] |= self._has(kind, hashes)
        return _by_index(found, encoded.indices)

    def _hashes_of_urls(self, urls: pa.Array) -> Iterator[tuple[str, npt.NDArray[np.int64], Hashes]]:
        """Yield kind, rows and the keyed hash of each row, for every form in which a list may name a url.

        Args:
            urls: string array without nulls.
        """
        for rows, forms in written_forms(urls):
            normal = normal_urls(forms)
            if len(self.hashes.get(URL, ())):
                yield URL, rows, hashes_of(self.salt, URL, normal)
            others = pc.not_equal(normal, forms)
            for kind, digits in DIGESTS.items():
                if len(self.hashes.get(kind, ())):
                    yield kind, rows, hashes_of(self.salt, kind, digits(forms))
                    spaced = rows[others.to_numpy(zero_copy_only=False)]
                    yield kind, spaced, hashes_of(self.salt, kind, digits(normal.filter(others)))

    def _is_under_domain(self, kind: str, urls: pa.Array) -> npt.NDArray[np.bool_]:
        if not len(self.hashes.get(kind, ())):
            return np.zeros(len(urls), dtype=bool)
        hosts = hosts_of(urls.cast(pa.string()))
        names = hosts.dictionary.to_pylist()
        found = any_above(names, lambda above: self._is_listed(kind, pa.array(above, pa.string())))
        return _by_index(found, hosts.indices)

    def _is_listed(self, kind: str, values: pa.Array) -> npt.NDArray[np.bool_]:
        return self._has(kind, hashes_of(self.salt, kind, values))

    def _has(self, kind: str, hashes: Hashes) -> npt.NDArray[np.bool_]:
        listed = self.hashes[kind]
        found: npt.NDArray[np.bool_] = listed[np.minimum(np.searchsorted(listed, hashes), len(listed) - 1)] == hashes
        return found


def hashes_of(salt: str, kind: str, values: pa.Array) -> Hashes:
    """Return the keyed hash of each value: BLAKE2b (16 bytes) over the key's length, the key, and the value.

    Args:
        values: string array of n without nulls, in normal form (`normal_urls`, `core.urls.hosts.normal_host`).

    Returns:
        n hashes, in the order of the values. numpy drops NULs at the end of a bytes value. All values have one length,
        so that equality is not affected.
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
    """Return urls in the form that is compared: without tabs and spaces, as for image_id."""
    return pc.replace_substring(pc.replace_substring(urls, " ", ""), "\t", "")


def written_forms(urls: pa.Array) -> Iterator[tuple[npt.NDArray[np.int64], pa.Array]]:
    """Yield (rows, urls) for each form that a url of a table may have elsewhere.

    The forms are the url as found, as a browser requests it, which is how exports have it, and both with `&amp;` for
    `&`: earlier releases did not decode it, so the urls of their exports, and their hashes, may have it.

    Args:
        urls: string array of n without nulls.
    """
    rows = np.arange(len(urls))
    references = pc.match_substring(urls, "&")
    escaped = pc.replace_substring(urls.filter(references), "&", "&amp;")
    for of, forms in ((rows, urls), (rows[references.to_numpy(zero_copy_only=False)], escaped)):
        yield of, forms
        requests, rewritten, _ = requested(forms)
        yield of[rewritten], requests.filter(pa.array(rewritten))


def url_forms(urls: pa.Array) -> pa.Array:
    """Return the distinct values that stand for urls in a list: as they are, and as a browser requests them.

    A url with character references, as the HTML of a page or the export of an earlier release has it, also stands for
    the url that they mean.

    Args:
        urls: string array without nulls.
    """
    urls = urls.cast(pa.string())
    written = urls.filter(pc.match_substring(urls, "&")).to_pylist()
    urls = pa.concat_arrays([urls, pa.array([decode_references(url) for url in written], pa.string())])
    requests = request_urls(urls).drop_null()
    return pa.concat_arrays([normal_urls(urls), normal_urls(requests)]).unique()


def pair_id_forms(keys: pa.Array) -> pa.Array:
    """Return the distinct ids that a list names: each as it is, and 32 hexadecimal digits in lower case, too.

    Args:
        keys: string array without nulls. The input's own keys (--id-column) are any strings.
    """
    return pa.concat_arrays([keys, pc.utf8_lower(keys.filter(pc.match_substring_regex(keys, _HEX_ID)))]).unique()


def urls_in(text: str) -> list[str]:
    r"""Return the possible urls in a text: all of it, and each part with a scheme, with and without marks at its end.

    >>> urls_in('see "https:\\/\\/example.org\\/a.jpg".')[1:]
    ['https://example.org/a.jpg']
    """
    found = _URL_IN_TEXT.findall(text.replace("\\/", "/"))
    return [text, *found, *(bare for url in found if (bare := url.rstrip(_MARKS_AFTER_URL)) != url)]


def sorted_hashes(hashes: Iterable[Hashes]) -> Hashes:
    """Merge arrays of hashes into one, ascending and distinct."""
    return np.unique(np.concatenate([np.zeros(0, dtype=_HASH), *hashes]))


def to_arrow(hashes: Hashes) -> pa.Array:
    """Convert hashes to a binary array, 16 bytes each."""
    raw = pa.py_buffer(np.ascontiguousarray(hashes))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(HASH_BYTES), len(hashes), [None, raw]).cast(pa.binary())


def from_arrow(hashes: pa.Array | pa.ChunkedArray) -> Hashes:
    """Convert a binary array of 16 bytes each to hashes, in the same order."""
    chunks = hashes.chunks if isinstance(hashes, pa.ChunkedArray) else [hashes]
    fixed = [chunk.cast(pa.binary(HASH_BYTES)) for chunk in chunks if len(chunk)]
    arrays = [np.frombuffer(a.buffers()[1], dtype=_HASH)[a.offset : a.offset + len(a)] for a in fixed]
    return np.concatenate([np.zeros(0, dtype=_HASH), *arrays])


def _by_index(values: npt.NDArray[np.bool_], indices: pa.Array) -> npt.NDArray[np.bool_]:
    """Return bool[n]: the value at each index, False at a null."""
    positions = pc.fill_null(indices, len(values)).to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.bool_] = np.append(values, False)[positions]
    return found
