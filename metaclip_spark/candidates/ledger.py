"""The ledger of a source: counts by reject reason, a sample of the rejects, and the outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.text import without_surrogates
from metaclip_spark.errors import DamagedSourceError, WrongKindError

DETAIL_CHARS = 300

PASSED_OVER = {
    "not_response": "the record holds no response: a request, a revisit, metadata, or a protocol other than HTTP",
    "not_page": "the response is no HTML page, by its content type or its first bytes",
    "no_image_text": "the page has no image with a text",
}
"""Records that are passed over because they have no text. They are counted, and never stored as rows.

For WAT and WARC: records_read = pages with a text + the sum of these counts + the sum over `RECORD_REASONS`.
"""

RECORD_REASONS = {
    "broken_json": "the record or line is not the JSON that was expected",
    "broken_row": "the row does not have the columns of its file, or is not UTF-8",
    "broken_record": "the response's header or body cannot be read",
}
"""Reasons that reject a whole record; its texts, if any, are not read."""

NO_TEXT_REASONS = {
    "no_text": "a row whose text is null",
    "empty_text": "the text is empty after cleaning",
    "link_cap": "an image link beyond the maximum number per page; its text is not read",
}
"""Reasons that reject a row or an image without a text: they are counted, but not among the texts read."""

PII_PREFIX, MASKED_PREFIX = "pii:", "masked:"
PII_KINDS = {
    "email": "an e-mail address",
    "iban": "the IBAN of an account",
    "card": "the number of a credit or debit card",
    "ip": "a public IP address",
    "phone": "a telephone number",
    "id_br": "a CPF of Brazil",
    "id_cn": "a resident's number of China",
    "id_es": "a DNI or NIE of Spain",
    "id_fr": "a NIR of France",
    "id_in": "an Aadhaar number of India",
    "id_it": "a codice fiscale of Italy",
    "id_nl": "a BSN of the Netherlands",
    "id_pl": "a PESEL of Poland",
    "id_us": "a social security number of the United States",
}
"""Kinds of personal data that --pii finds, and what each is."""

TEXT_REASONS = {
    "text_cap": "the text is longer than the maximum length; it is left out, not cut",
    "no_url": "a text without a url",
    "data_url": "the image is inlined as a data: url",
    "not_http": "the image's url is neither http nor https",
    "bad_url": "the image's url cannot be resolved",
    "noai": "the page opts out: robots say noai",
    "noimageai": "the page opts out: robots say noimageai",
    "noindex": "the page opts out: robots say noindex",
    "noimageindex": "the page opts out: robots say noimageindex",
    "tdm": "the page reserves text and data mining",
    "noml": "the page opts out: robots say noml",
    "content-usage": "the page opts out: its Content-Usage disallows training (IETF AIPREF)",
    "content-signal": "the page opts out: its Content-Signal disallows training",
    "takedown": "the image or the page was taken down (counted, and never stored as a row)",
    **{f"{PII_PREFIX}{kind}": f"the text holds {what}" for kind, what in PII_KINDS.items()},
    "blocklist": "the page's or the image's domain is on the blocklist",
    "too_short": "fewer characters or words than the minimum",
    "too_long": "more characters or words than the maximum",
    "file_name": "the text looks like a file's name",
    "digits": "the text has digits but no letters",
    "image_extension": "the image's url does not end in a wanted extension",
    "language": "the text is not in one of the wanted languages",
    "no_list": "there is no list for the language of the text",
    "unsure": "the language of the text is not known (--unsure other matches it against the list `other`)",
    "no_match": "the text matches no entry",
    "repeat": "the same url and text occur elsewhere in the same source",
}
"""Reasons that reject one text: texts_read = pairs_written + the sum of their counts."""

FILTER_PREFIX = "filter:"
"""Prefix of the reasons of a user's filter; they reject one text."""

ROBOTS_PREFIX = "robots:"
"""Prefix of the reasons of robots rules: the crawler, or the statement, that a robots.txt refuses."""

TEXT_PREFIXES = (FILTER_PREFIX, ROBOTS_PREFIX)
"""Prefixes of further reasons that reject one text."""

MASKED = {f"{MASKED_PREFIX}{kind}": f"texts in which {what} was masked" for kind, what in PII_KINDS.items()}
"""Texts that --pii mask changed, by kind. They are counted beside the reasons, and are no rejects: a text with finds of
two kinds counts for both."""

REASONS = {**PASSED_OVER, **RECORD_REASONS, **NO_TEXT_REASONS, **TEXT_REASONS}


def is_of_text(reason: str) -> bool:
    """Return whether a reason rejects one text: texts_read = pairs_written + the sum over these reasons.

    >>> is_of_text("no_match"), is_of_text("filter:nsfw"), is_of_text("broken_row")
    (True, True, False)
    """
    return reason in TEXT_REASONS or reason.startswith(TEXT_PREFIXES)


@dataclass
class Ledger:
    """Counts of one split while it is read.

    Attributes:
        bytes_reached: bytes read so far, estimated, of a format that knows them at its end only.
        etag: the fingerprint that the server of a remote source reports, or ""; used if the plan does not know it.
        status, reason: the outcome (`done`, `partial` or `failed`), and why it is not `done`.
        rejected: reason -> number of rejects, and of records passed over.
        requests: kind of failure -> number of requests to a remote source that were made again after one.
        list_texts, list_matched: language of a list -> texts that were matched against it, and those with a match.
        conceal: changes the text of a reject before it is stored, such as `mask_text`; None: it is stored as it is.
        sample: rejects stored as rows, up to `sample_cap` per reason: (record, reason, detail).
    """

    sample_cap: int = 10
    records_read: int = 0
    texts_read: int = 0
    texts_matched: int = 0
    pairs_written: int = 0
    bytes_read: int = 0
    bytes_reached: int = 0
    etag: str = ""
    status: str = "done"
    reason: str | None = None
    rejected: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    list_texts: Counter[str] = field(default_factory=Counter)
    list_matched: Counter[str] = field(default_factory=Counter)
    sample: list[tuple[str, str, str]] = field(default_factory=list)
    conceal: Callable[[str], str] | None = None

    def reject(self, reason: str, record: str, detail: str) -> None:
        """Count one record or text as rejected."""
        self.reject_many(reason, 1, [(record, detail)])

    def pass_over(self, reason: str, number: int = 1) -> None:
        """Count records as passed over, for one of `PASSED_OVER`."""
        if reason not in PASSED_OVER:
            raise KeyError(f"unknown reason to pass over a record {reason!r}")
        if number:
            self.rejected[reason] += number

    def mask(self, counts: Mapping[str, int]) -> None:
        """Count texts as masked; `counts` has their number by kind of personal data."""
        for kind, number in counts.items():
            self.rejected[f"{MASKED_PREFIX}{kind}"] += number

    def reject_many(self, reason: str, number: int, examples: Iterable[tuple[object, object]]) -> None:
        """Count `number` records or texts as rejected, and keep examples up to the cap.

        Args:
            examples: (record, detail) of the rejects; read only as far as the cap allows.
        """
        if not number:
            return
        if (reason not in REASONS or reason in PASSED_OVER) and not reason.startswith(TEXT_PREFIXES):
            raise KeyError(f"unknown reject reason {reason!r}")
        remaining = self.sample_cap - min(self.sample_cap, self.rejected[reason])
        self.rejected[reason] += number
        for (record, detail), _ in zip(examples, range(remaining), strict=False):
            shown = str(detail) if self.conceal is None else self.conceal(str(detail))
            self.sample.append((_shown(record), reason, _shown(shown)))

    def opened(self, raw: object) -> None:
        """Store the etag that an opened source's server reports, and the counter of its requests."""
        self.etag = getattr(raw, "info", (0, ""))[1]
        counter: Counter[str] | None = getattr(raw, "retries", None)
        self.requests = self.requests if counter is None else counter

    def __getstate__(self) -> dict[str, object]:
        """Return the state for pickle. A thread that fetches the next block may be counting meanwhile."""
        return {**self.__dict__, "requests": self.requests.copy()}

    def damaged(self, error: Exception) -> None:
        """Set the outcome to partial, or to failed if nothing was read."""
        nothing = not self.records_read or (isinstance(error, WrongKindError) and not self.texts_read)
        self.status = "failed" if nothing else "partial"
        text = str(error) or type(error).__name__
        self.reason = masked(text if isinstance(error, DamagedSourceError) else f"{type(error).__name__}: {text}")


def _shown(value: object) -> str:
    return without_surrogates(str(value)[:DETAIL_CHARS])
