"""Filters that drop texts before matching: all are off by default, and every dropped text is counted by reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import FilterError
from metaclip_spark.filters import texts
from metaclip_spark.filters.blocklist import Blocklist, load_blocklist
from metaclip_spark.filters.hook import Hook, load_filter

__all__ = ["Blocklist", "FilterError", "Filters", "Hook", "load_blocklist", "load_filter"]

Check = tuple[str, Callable[[Candidates], pa.Array]]
"""A reject reason, and the function that returns True for each text to reject."""


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a run; picklable, so that they can be broadcast.

    Attributes:
        options: the options that turn the built-in filters on.
        blocklist: the compiled blocklist, if `options.blocklist` names one.
        hooks: the user's filters, in the order in which they run.
    """

    options: ExtractOptions
    blocklist: Blocklist | None = None
    hooks: Sequence[Hook] = ()

    def __post_init__(self) -> None:
        # extract_id is a hash of the options: a filter that they do not name would drop rows without a trace.
        blocklist = None if self.blocklist is None else self.blocklist.id
        if (blocklist, tuple(hook.id for hook in self.hooks)) != (self.options.blocklist, self.options.filters):
            raise ValueError("the options must name the blocklist and the filters that are given, and no others")

    @property
    def any(self) -> bool:
        """Whether any filter is on."""
        return bool(self.hooks) or next(self._checks(), None) is not None

    def reasons(self, candidates: Candidates) -> pa.Array | None:
        """Return the reason of the first filter that rejects each text; hooks see only texts that are not rejected yet.

        Returns:
            String array of n, null for a text that is kept; None if all texts are kept.
        """
        if not len(candidates):
            return None
        rejected = pa.nulls(len(candidates), pa.string())
        for reason, check in self._checks():
            rejected = pc.if_else(pc.and_(pc.is_null(rejected), check(candidates)), reason, rejected)
        for hook in self.hooks:
            rejected = _hooked(hook, candidates, rejected)
        return None if rejected.null_count == len(rejected) else rejected

    def _checks(self) -> Iterator[Check]:
        options, blocklist = self.options, self.blocklist
        if blocklist is not None:
            yield "blocklist", lambda batch: _blocked(blocklist, batch)
        if options.image_extensions:
            yield "image_extension", lambda batch: texts.other_extension(batch.url, options.image_extensions)
        if options.min_chars or options.min_words:
            yield "too_short", lambda batch: texts.too_short(batch.text, options.min_chars, options.min_words)
        if options.max_chars or options.max_words:
            yield "too_long", lambda batch: texts.too_long(batch.text, options.max_chars, options.max_words)
        if options.no_digits:
            yield "digits", lambda batch: texts.only_digits(batch.text)
        if options.no_file_names:
            yield "file_name", lambda batch: texts.file_name(batch.text)


def _blocked(blocklist: Blocklist, batch: Candidates) -> pa.Array:
    found = blocklist.blocks(batch.url)
    return found if batch.page_url is None else pc.or_(found, blocklist.blocks(batch.page_url))


def _hooked(hook: Hook, candidates: Candidates, rejected: pa.Array) -> pa.Array:
    """Run a hook on the texts that no earlier filter rejected."""
    kept = pc.is_null(rejected)
    if not kept.true_count:
        return rejected
    found = hook.reasons(candidates.select(kept) if rejected.null_count < len(rejected) else candidates)
    return rejected if found is None else pc.replace_with_mask(rejected, kept, found)
