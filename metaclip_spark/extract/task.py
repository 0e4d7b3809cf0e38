"""Extract one split, the work of one task: return tagged rows (pairs, rejects, and the outcome of the split)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import PII_PREFIX, Ledger
from metaclip_spark.candidates.options import MASK, ExtractOptions
from metaclip_spark.core.hashing.ids import image_ids, pair_ids
from metaclip_spark.core.secrets import remember, secrets_in
from metaclip_spark.core.worldwide.list_choice import UNKNOWN, ListChoice
from metaclip_spark.errors import CredentialsError
from metaclip_spark.extract.language import Identifier, keep_languages
from metaclip_spark.extract.tabular.parts import shown_row
from metaclip_spark.extract.tabular.reader import read_tabular
from metaclip_spark.extract.warc.reader import read_warc
from metaclip_spark.extract.wat.reader import read_wat
from metaclip_spark.filters import Filters
from metaclip_spark.filters.pii import mask_text, scan
from metaclip_spark.matchers import Matcher
from metaclip_spark.robots.index import Robots
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.tally import Tally
from metaclip_spark.takedown.hashes import Takedowns

if TYPE_CHECKING:
    from metaclip_spark.matchers.worldwide.by_section import SectionMatcher

_ARROW = EXTRACTED.arrow
Reader = Callable[[Split, ExtractOptions, Ledger], Iterator[Candidates]]
READERS: dict[str, Reader] = {"wat": read_wat, "warc": read_warc}
"""Format -> reader; every other format is tabular."""
REQUEST, PROCESS, TASK = "request", "process", "task"
"""What is tried again while a split is read."""
REMEMBERED = 500_000
"""Maximum number of keys that a task remembers of its split, 222 bytes each. A WAT has half as many."""
Origins = dict[bytes, tuple[str, str]]
"""Key of a pair -> the smallest (page, field) of the pair in one source so far."""


@dataclass(frozen=True)
class Stamp:
    """The columns that are equal in all rows of a batch of sources.

    Attributes:
        tally: the folder in which tasks of the driver's machine write their running numbers; "" for none.
    """

    snapshot: str
    metadata_id: str
    batch_id: str
    tally: str = ""


@dataclass(frozen=True)
class Tools:
    """The tools of a task; a tool that is None is not used."""

    filters: Filters | None = None
    matcher: Matcher | None = None
    identifier: Identifier | None = None
    takedowns: Takedowns | None = None
    lists: ListChoice | None = None
    robots: Robots | None = None


@dataclass
class _Task:
    options: ExtractOptions
    tools: Tools
    ledger: Ledger
    origins: Origins = field(default_factory=dict)


def extract_split(
    split: Split, options: ExtractOptions, tools: Tools, stamp: Stamp, ledger: Ledger | None = None
) -> Iterator[pa.RecordBatch]:
    """Read one split, and run its candidates through `STEPS`.

    An error of the reader ends the split as partial or failed. An error in `STEPS` ends the task.

    Args:
        ledger: an empty ledger, for a caller that looks at the counts between the batches.

    Yields:
        Record batches with the schema of `extracted`; the last row is the split's outcome.
    """
    remember(secrets_in(split.source.uri))  # an error of a library may quote them
    task = _Task(options, tools, ledger if ledger is not None else ledger_of(options))
    tally = Tally(stamp.tally, split.source.source_path, split.index, size=split.bytes)
    try:
        yield from _read(split, task, stamp, tally)
    finally:
        tally.close()
    yield from closing_rows(split, options, task.ledger, tools.takedowns, stamp)


def ledger_of(options: ExtractOptions) -> Ledger:
    """Return an empty ledger, which stores no personal data where texts with it are dropped or masked."""
    return Ledger(sample_cap=options.sample_cap, conceal=None if options.pii is None else mask_text)


def _read(split: Split, task: _Task, stamp: Stamp, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Yield the pairs of a split; the ledger of the task and the tally get its numbers."""
    ledger = task.ledger
    reader = READERS.get(split.source.format, read_tabular)(split, task.options, ledger)
    while True:
        try:
            candidates = next(reader)
        except StopIteration:
            break
        except (MemoryError, KeyboardInterrupt, CredentialsError):
            raise  # the source is not at fault
        except Exception as error:  # any error of the reader is a damaged source; the error's text becomes its reason
            ledger.damaged(error)
            break
        for step in STEPS if task.tools.lists is None else STEPS_BY_LANGUAGE:
            candidates = step(candidates, task)
        if len(candidates):
            ledger.pairs_written += len(candidates)
            yield _rows("pair", len(candidates), split, stamp, _columns(candidates))
        tally.update(ledger.records_read, ledger.bytes_reached or ledger.bytes_read)
    tally.finish(ledger.records_read, ledger.bytes_read)


def _take_down(candidates: Candidates, task: _Task) -> Candidates:
    """Drop pairs on the takedown list, before a later function of `STEPS` could store them as rejects."""
    takedowns = task.tools.takedowns
    if takedowns is None or not len(candidates):
        return candidates
    keys = candidates.key
    if keys is None and takedowns.has_pair_ids:
        keys = pair_ids(candidates.url, candidates.text)
    covered = takedowns.covers(candidates.url, candidates.page_url, keys)
    if not covered.any():
        return candidates
    task.ledger.reject_many("takedown", int(covered.sum()), ())
    return candidates.select(pa.array(~covered))


def _apply_robots(candidates: Candidates, task: _Task) -> Candidates:
    """Drop pairs that the robots.txt of their page's host, or of their image's, refuses."""
    robots, where = task.tools.robots, task.options.robots_for
    if robots is None or not len(candidates):
        return candidates
    of_page, of_image = where != "image" and candidates.page_url is not None, where != "page"
    reasons = robots.reasons(candidates.page_url) if of_page else pa.nulls(len(candidates), pa.string())
    return _without(candidates, pc.coalesce(reasons, robots.reasons(candidates.url)) if of_image else reasons, task)


def _hide_personal_data(candidates: Candidates, task: _Task) -> Candidates:
    """Mask personal data, or drop the texts that hold it, before a later function of `STEPS` could show them."""
    if task.options.pii is None or not len(candidates):
        return candidates
    found = scan(candidates.text)
    if not len(found):
        return candidates
    where = np.zeros(len(candidates), dtype=bool)
    where[found.rows] = True
    masked = replace(candidates, text=pc.replace_with_mask(candidates.text, pa.array(where), found.masked))
    if task.options.pii == MASK:
        task.ledger.mask(found.counts)
        takedowns = task.tools.takedowns
        # The id of a pair is that of its masked text, unless the input has its own.
        changes_ids = takedowns is not None and takedowns.has_pair_ids and candidates.key is None
        return _take_down(masked, task) if changes_ids else masked
    for kind in dict.fromkeys(kinds[0] for kinds in found.kinds):
        of_kind = np.zeros(len(candidates), dtype=bool)
        of_kind[found.rows] = [kinds[0] == kind for kinds in found.kinds]
        _reject(task.ledger, f"{PII_PREFIX}{kind}", masked, of_kind)
    return candidates.select(pa.array(~where))


def _filter(candidates: Candidates, task: _Task) -> Candidates:
    """Drop pairs that a filter rejects, before the more expensive matching."""
    filters = task.tools.filters
    return candidates if filters is None else _without(candidates, filters.reasons(candidates), task)


def _without(candidates: Candidates, reasons: pa.Array | None, task: _Task) -> Candidates:
    """Return the pairs that have no reason; count the others as rejects."""
    if reasons is None or reasons.null_count == len(reasons):
        return candidates
    for reason in pc.unique(reasons.drop_null()).to_pylist():
        where = pc.fill_null(pc.equal(reasons, reason), False).to_numpy(zero_copy_only=False)
        _reject(task.ledger, reason, candidates, where)
    return candidates.select(pc.is_null(reasons))


def _choose_list(candidates: Candidates, task: _Task) -> Candidates:
    """Choose the list of each text by its language; drop texts without a list."""
    if task.tools.lists is None or not len(candidates):
        return candidates
    chosen = task.tools.lists.choose(candidates.lang)
    candidates = replace(candidates, list_lang=chosen)
    missing = chosen.is_null().to_numpy(zero_copy_only=False)
    if not missing.any():
        return candidates
    unknown = pc.equal(candidates.lang, UNKNOWN).to_numpy(zero_copy_only=False)
    for reason, where in (("unsure", missing & unknown), ("no_list", missing & ~unknown)):
        if where.any():
            _reject(task.ledger, reason, candidates, where)
    return candidates.select(pa.array(~missing))


def _match(candidates: Candidates, task: _Task) -> Candidates:
    """Match each text against the entries; drop texts without a match."""
    if task.tools.matcher is None or not len(candidates):
        return candidates
    if candidates.list_lang is None:
        matches = task.tools.matcher.match(candidates.text)
    else:
        matches = cast("SectionMatcher", task.tools.matcher).match(candidates.text, candidates.list_lang)
        _count_values(candidates.list_lang, task.ledger.list_texts)
        _count_values(candidates.list_lang.filter(pa.array(matches.counts > 0)), task.ledger.list_matched)
    hit = matches.counts > 0
    task.ledger.texts_matched += int(hit.sum())
    candidates = replace(candidates, entry_ids=matches.to_arrow())
    if task.options.keep_unmatched or hit.all():
        return candidates
    _reject(task.ledger, "no_match", candidates, ~hit)
    return candidates.select(pa.array(hit))


def _drop_repeats(candidates: Candidates, task: _Task) -> Candidates:
    """Compute the key of every pair, and drop pairs that repeat in the source."""
    keys = candidates.key if candidates.key is not None else pair_ids(candidates.url, candidates.text)
    candidates = replace(candidates, key=keys)
    if not task.options.dedup:
        return candidates
    first = _not_repeats(keys, candidates, task.origins)
    if len(first) == len(candidates):
        return candidates
    repeats = np.ones(len(candidates), dtype=bool)
    repeats[first] = False
    _reject(task.ledger, "repeat", candidates, repeats)
    return candidates.select(pa.array(first, pa.int64()))


def _not_repeats(keys: pa.Array, candidates: Candidates, origins: Origins) -> list[int]:
    """Return the indices of keys that are new in the source, or new under a smaller (page, field); update `origins`.

    Deduplication needs the smallest (page, field) of each key in a source. At most one index per key that is remembered
    is returned. Once `REMEMBERED` keys are, further ones are all returned: deduplication finds their repeats.
    """
    pages = candidates.page_url.to_pylist() if candidates.page_url is not None else repeat(None, len(candidates))
    fields = candidates.text_source.to_pylist()
    chosen: dict[bytes, int] = {}
    forgotten: list[int] = []
    shared: dict[tuple[str, str], tuple[str, str]] = {}  # one tuple for all rows of a page: `origins` keeps them
    for index, (key, page, field_name) in enumerate(zip(keys.to_pylist(), pages, fields, strict=True)):
        raw, origin = bytes.fromhex(key), (page or "", field_name)
        before = origins.get(raw)
        if before is None and len(origins) >= REMEMBERED:
            forgotten.append(index)
        elif before is None or origin < before:
            origins[raw] = shared.setdefault(origin, origin)
            chosen[raw] = index
    return sorted([*chosen.values(), *forgotten])


def _identify(candidates: Candidates, task: _Task) -> Candidates:
    """Identify the language of texts for which the input names none; drop texts in unwanted languages."""
    if not len(candidates):
        return candidates
    lang = candidates.lang if candidates.lang is not None else pa.nulls(len(candidates), pa.string())
    score = pa.nulls(len(candidates), pa.float32())
    if task.tools.identifier is not None and lang.null_count:
        missing = pc.is_null(lang)
        codes, scores = task.tools.identifier.identify(candidates.text.filter(missing))
        lang = pc.replace_with_mask(lang, missing, codes)
        score = pc.replace_with_mask(score, missing, scores)
    lang, score, keep = keep_languages(pc.fill_null(lang, UNKNOWN), score, task.options)
    candidates = replace(candidates, lang=lang, lang_score=score)
    if pc.all(keep).as_py():
        return candidates
    _reject(task.ledger, "language", candidates, ~keep.to_numpy(zero_copy_only=False))
    return candidates.select(keep)


STEPS = (_take_down, _apply_robots, _hide_personal_data, _filter, _match, _drop_repeats, _identify)
"""The order of the work after parsing: expensive steps run last, on the fewest texts."""

STEPS_BY_LANGUAGE = (
    _take_down,
    _apply_robots,
    _hide_personal_data,
    _filter,
    _identify,
    _choose_list,
    _match,
    _drop_repeats,
)
"""The order where each language has a list: the language of a text decides what it is matched against."""


def _count_values(values: pa.Array, counter: Counter[str]) -> None:
    """Add the number of each value to the counter."""
    for row in pc.value_counts(values).to_pylist():
        counter[row["values"]] += row["counts"]


def _columns(candidates: Candidates) -> dict[str, pa.Array | None]:
    return {
        "pair_id": candidates.key,
        "image_id": image_ids(candidates.url),
        "url": candidates.url,
        "text": candidates.text,
        "text_source": candidates.text_source,
        "page_url": candidates.page_url,
        "lang": candidates.lang,
        "lang_score": candidates.lang_score,
        "list_lang": candidates.list_lang,
        "entry_ids": candidates.entry_ids,
        "extra": candidates.extra,
        "position": candidates.position,
    }


def _reject(ledger: Ledger, reason: str, candidates: Candidates, where: npt.NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(where)

    def examples() -> Iterator[tuple[str, str]]:
        for row in rows:
            page = candidates.page_url[int(row)].as_py() if candidates.page_url is not None else None
            yield page or shown_row(candidates.position[int(row)].as_py()), candidates.text[int(row)].as_py()

    ledger.reject_many(reason, len(rows), examples())


def closing_rows(
    split: Split, options: ExtractOptions, ledger: Ledger, takedowns: Takedowns | None, stamp: Stamp
) -> Iterator[pa.RecordBatch]:
    """Yield the sample of a split's rejects, if there are any, and its outcome, as the ledger has them."""
    sample = ledger.sample if takedowns is None else _not_covered(ledger.sample, takedowns)
    if sample:
        record, reason, detail = zip(*sample, strict=True)
        columns = {"record": list(record), "reason": list(reason), "detail": list(detail)}
        yield _rows("reject", len(record), split, stamp, columns)
    outcome = {
        "format": split.source.format,
        "status": ledger.status,
        "reason": ledger.reason,
        "records_read": ledger.records_read,
        "texts_read": ledger.texts_read,
        "texts_matched": ledger.texts_matched,
        "pairs_written": ledger.pairs_written,
        "rejected": sorted(ledger.rejected.items()),
        "list_texts": sorted(ledger.list_texts.items()) or None,
        "list_matched": sorted(ledger.list_matched.items()) or None,
        "bytes_read": ledger.bytes_read,
        "etag": split.source.etag or ledger.etag,
        "extract_id": options.extract_id,
        "retries": [(retry_key(REQUEST, kind), number) for kind, number in sorted(ledger.requests.items())],
    }
    yield _rows("source", 1, split, stamp, {name: [value] for name, value in outcome.items()})


def retry_key(what: str, why: str) -> str:
    """Return the key of a retry in the column `retries`.

    >>> retry_key(REQUEST, "status 503")
    'request: status 503'
    """
    return f"{what}: {why}"


def with_retries(batch: pa.RecordBatch, retries: Mapping[str, int]) -> pa.RecordBatch:
    """Add retries to the outcome of a split; other batches of its rows stay as they are.

    Args:
        retries: `retry_key` -> number.
    """
    if not retries or batch.column("kind")[0].as_py() != "source":
        return batch
    (known,) = batch.column("retries").to_pylist()
    sums = Counter(dict(known or ())) + Counter(retries)
    at = batch.schema.get_field_index("retries")
    return batch.set_column(at, batch.schema.field(at), pa.array([sorted(sums.items())], batch.schema.field(at).type))


def _not_covered(sample: list[tuple[str, str, str]], takedowns: Takedowns) -> list[tuple[str, str, str]]:
    """Return the rejects without a url on the takedown list: a reader rejects records before `_take_down` runs."""
    if not sample:
        return sample
    records, _, details = (pa.array(column, pa.string()) for column in zip(*sample, strict=True))
    covered = takedowns.covers_any_url_in(records) | takedowns.covers_any_url_in(details)
    return [row for row, is_covered in zip(sample, covered.tolist(), strict=True) if not is_covered]


def _rows(kind: str, rows: int, split: Split, stamp: Stamp, columns: dict[str, Any]) -> pa.RecordBatch:
    """Build a batch of tagged rows; a scalar is repeated, a missing column is null."""
    given = {
        "snapshot": stamp.snapshot,
        "metadata_id": stamp.metadata_id,
        "batch_id": stamp.batch_id,
        "kind": kind,
        "source_path": split.source.source_path,
        "split": split.index,
        "splits": split.of,
        **columns,
    }
    arrays = []
    for column in _ARROW:
        value = given.get(column.name)
        if value is None:
            arrays.append(pa.nulls(rows, column.type))
        elif isinstance(value, pa.Array):
            arrays.append(value)
        elif isinstance(value, list):
            arrays.append(pa.array(value, column.type))
        else:
            arrays.append(pa.repeat(pa.scalar(value, column.type), rows))
    return pa.record_batch(arrays, schema=_ARROW)
