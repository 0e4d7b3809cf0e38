"""Read WARC files: the image texts of their pages, including lazy-loaded images, which no WAT has.

Every response with HTML is read, whatever its status, because a WAT also lists the links of every status. A `resource`
record with HTML is read, too: wget and warcit write them. All other records are passed over, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import BrokenResponseError, DamagedSourceError, WrongKindError
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.warc.batch import Batch
from metaclip_spark.extract.warc.charset import utf8_of
from metaclip_spark.extract.warc.content import KINDS, content_of
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.magic import GZIP_MAGIC, HEAD_BYTES, identified
from metaclip_spark.storage.open import open_source

_WAT_STARTS = (b'{"Container":', b'{"Envelope":')
_OTHER_KINDS = {
    b"metadata": "a WAT, not a WARC: it holds metadata records in JSON; a WARC holds response records",
    b"conversion": "a WET, not a WARC: it holds conversion records in plain text; a WARC holds response records",
}


def read_warc(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WARC, gzip or plain; yield the candidates before any damage, then raise its error.

    Raises:
        WrongKindError: the file is a WAT or a WET.
        DamagedSourceError, OSError, EOFError: as `warc_records` raises them.
    """
    batch = Batch(options, ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        check_start(raw.read(HEAD_BYTES))
        raw.seek(0)
        try:
            for record in warc_records(raw, WARC, Damage(ledger)):
                kind = record.get(b"warc-type").lower()
                if kind in _OTHER_KINDS and _is_other_kind(kind, record.payload):
                    raise WrongKindError(_OTHER_KINDS[kind])
                ledger.records_read += 1
                if kind not in KINDS:
                    ledger.pass_over("not_response")
                    continue
                for full in _add_record(batch, record, kind):
                    ledger.bytes_read = raw.tell()
                    yield full
        except MemoryError:
            raise
        except Exception as error:
            failure = error
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    yield batch.flush()
    if failure is not None:
        raise failure


def check_start(start: bytes) -> None:
    """Refuse a file that is neither gzip nor a WARC (an error page, say) before a parser reads it."""
    if not start:
        raise DamagedSourceError("the file is empty")
    if not start.startswith((GZIP_MAGIC, b"WARC/")):
        raise DamagedSourceError(
            f"not a WARC: the first bytes are {start[:5]!r}, expected b'WARC/' or gzip's {GZIP_MAGIC!r}"
            f"{identified(start)}"
        )


def _is_other_kind(kind: bytes, block: memoryview) -> bool:
    """Return whether a record belongs to a WAT or a WET; a WARC may have metadata records with other content."""
    return kind == b"conversion" or bytes(block[:20]).startswith(_WAT_STARTS)


def _add_record(batch: Batch, record: Record, kind: bytes) -> Iterator[Candidates]:
    """Add the image texts of one record, or count why it has none; yield the batches that become full."""
    texts = batch.ledger.texts_read
    url = record.get(b"warc-target-uri").decode("utf-8", "replace")
    if url.startswith("<") and url.endswith(">"):  # wget writes urls in brackets
        url = url[1:-1]
    try:
        content = content_of(record, kind)
        if isinstance(content, str):
            batch.ledger.pass_over(content)
            return
        html = utf8_of(content.body, content.content_type)
        yield from batch.add_page(url, html, content.headers)
    except BrokenResponseError as error:
        batch.reject("broken_record", url or f"record {batch.ledger.records_read}", str(error))
        return
    if batch.ledger.texts_read == texts:
        batch.ledger.pass_over("no_image_text")
