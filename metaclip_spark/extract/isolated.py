"""Read a split in another process, which the split may end: by a crash, or by a want of memory.

Each batch brings the ledger along, so that what a dead process gave before its end is counted. A process that dies is
replaced by another one, which goes on after the batches that were passed on already: a split gives the same batches
each time that it is read.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator

import pyarrow as pa

from metaclip_spark.candidates.ledger import Ledger, is_of_text
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import DamagedSourceError, WorkerDiedError
from metaclip_spark.extract.task import (
    PROCESS,
    Stamp,
    Tools,
    closing_rows,
    extract_split,
    ledger_of,
    retry_key,
    with_retries,
)
from metaclip_spark.sources.files import Split
from metaclip_spark.takedown.hashes import Takedowns

TRIES = 3
"""Processes that may die while they read one split; after the last, the split is partial or failed."""
_LEDGER = b"ledger"


def read_with_ledger(tools: Tools, split: Split, options: ExtractOptions, stamp: Stamp) -> Iterator[pa.RecordBatch]:
    """Extract a split; the metadata of each batch's schema holds the ledger, for `read_isolated`."""
    ledger = ledger_of(options)
    for batch in extract_split(split, options, tools, stamp, ledger):
        yield batch.replace_schema_metadata({_LEDGER: pickle.dumps(ledger)})


def read_isolated(
    run: Callable[[], Iterator[pa.RecordBatch]],
    split: Split,
    options: ExtractOptions,
    takedowns: Takedowns | None,
    stamp: Stamp,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a split that other processes read; the death of a process ends the split, and not the task.

    Args:
        run: starts `read_with_ledger` in a process, and yields its batches.
        takedowns: urls and domains that no reject may show.

    Yields:
        The batches of `extract_split`. After `TRIES` deaths the outcome says so: failed if no process gave a pair,
        otherwise partial.
    """
    ledger, passed, kind = ledger_of(options), 0, "pair"
    deaths: list[str] = []
    while len(deaths) < TRIES:
        try:
            for number, batch in enumerate(run(), 1):
                if number <= passed:
                    continue
                ledger, passed = pickle.loads(batch.schema.metadata[_LEDGER]), number
                kind = batch.column("kind")[0].as_py()
                yield with_retries(batch.replace_schema_metadata(None), _again(deaths))
            return  # a process whose answer is read to its end takes the next split
        except WorkerDiedError as error:
            if kind == "source":  # the outcome is passed on, so nothing is missing
                return
            deaths.append(error.how)
        except MemoryError as error:
            deaths.append(f"no memory was left ({error})" if str(error) else "no memory was left")
    if kind != "pair":  # the rejects are passed on, and the outcome is not
        ledger.sample.clear()
    for rows in closing_rows(split, options, _after_death(ledger, deaths), takedowns, stamp):
        yield with_retries(rows, _again(deaths[:-1]))


def _again(deaths: list[str]) -> dict[str, int]:
    """Return the retries after deaths of processes."""
    return dict(Counter(retry_key(PROCESS, how.partition(" (")[0]) for how in deaths))


def _after_death(ledger: Ledger, deaths: list[str]) -> Ledger:
    """Return the ledger of a split whose process died: it counts what the batches hold, and no text more."""
    rejected = (number for why, number in ledger.rejected.items() if is_of_text(why))
    ledger.texts_read = ledger.pairs_written + sum(rejected)
    how = "; ".join(dict.fromkeys(deaths))
    ledger.damaged(
        DamagedSourceError(
            f"the worker died reading it, {len(deaths)} times ({how}); run again with --retry partial,failed"
        )
    )
    return ledger
