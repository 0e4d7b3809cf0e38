"""Filters that users write: named as package:function, called with batches, checked against the contract."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import FILTER_PREFIX
from metaclip_spark.core.plugins import load_named
from metaclip_spark.errors import ConfigError, FilterError

HOOK_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_source", pa.string(), nullable=False),
        pa.field("page_url", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("extra", pa.map_(pa.string(), pa.string())),
    ]
)
"""The batch that a filter receives. `lang` is null unless the input names it, because identification runs later."""

MAX_REASONS = 100
MAX_REASON_CHARS = 100
"""Limits on the reasons of one batch: each source stores a count per reason, so there must be few reasons."""

Call = Callable[[pa.RecordBatch], tuple[Any, Any]]
"""The function of a filter: it takes a record batch with `HOOK_SCHEMA`, and returns (mask, reason)."""


@dataclass(frozen=True)
class Hook:
    """A loaded filter.

    Workers import a plain function by its name. An object that a factory returned is pickled with its data: a file that
    the factory read on the driver need not exist on the workers.

    Attributes:
        name: "package:function", the filter's name in errors.
        id: name, "@", and 12 hex digits of the sha256 over the module's source (and over the made object's id).
        call: the filter itself.
        made: whether a factory returned `call`.
    """

    name: str
    id: str
    call: Call
    made: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        if self.made:
            return Hook, (self.name, self.id, self.call, True)
        return _load_again, (self.name, self.id)

    def reasons(self, candidates: Candidates) -> pa.Array | None:
        """Call the filter on one batch.

        Returns:
            String array of n: "filter:<reason>", null for a text that is kept; None if all texts are kept.

        Raises:
            FilterError: the filter raised, or did not return (mask, reason) as the contract says.
        """
        batch = batch_of(candidates)
        try:
            result = self.call(batch)
        except MemoryError:
            raise  # the machine is at fault, or the source
        except Exception as error:  # any error of the user's filter ends the task, with the filter's name
            raise FilterError(f"filter {self.name} raised {type(error).__name__}: {error}") from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise self._broken(f"returned {type(result).__name__}", "a tuple (mask, reason)")
        keep = self._mask(result[0], len(batch))
        reason = self._reason(result[1], keep)
        if keep.true_count == len(keep):
            return None
        stored = pc.binary_join_element_wise(FILTER_PREFIX, reason, "")
        return pc.if_else(keep, pa.scalar(None, pa.string()), stored)

    def _mask(self, mask: Any, rows: int) -> pa.BooleanArray:
        if isinstance(mask, np.ndarray) and mask.dtype == bool and mask.ndim == 1:
            mask = pa.array(mask)
        mask = _one_array(mask)
        if not isinstance(mask, pa.BooleanArray):
            got = getattr(mask, "type", None) or getattr(mask, "dtype", None) or type(mask).__name__
            raise self._broken(f"returned a mask of type {got}", "a boolean pyarrow or numpy array")
        self._check_rows("mask", mask, rows)
        if mask.null_count:
            raise self._broken(f"returned a mask with {mask.null_count} nulls", "true (keep) or false for each row")
        return mask

    def _reason(self, reason: Any, keep: pa.BooleanArray) -> pa.Array:
        """Return one reason per row; the reason of a row that is kept has no meaning."""
        if isinstance(reason, str):
            reasons = pa.repeat(pa.scalar(reason), len(keep))
        else:
            reasons = _one_array(reason)
            if not isinstance(reasons, pa.StringArray | pa.LargeStringArray):
                got = getattr(reasons, "type", None) or type(reasons).__name__
                raise self._broken(f"returned a reason of type {got}", "a str, or a string array")
            self._check_rows("reason array", reasons, len(keep))
            reasons = reasons.cast(pa.string())
        used = reasons.filter(pc.invert(keep)).unique()
        if used.null_count or "" in used.to_pylist():
            raise self._broken("rejected a row without a reason", "a reason wherever the mask is false")
        if len(used) > MAX_REASONS or any(len(one) > MAX_REASON_CHARS for one in used.to_pylist()):
            raise self._broken(
                f"returned {len(used)} different reasons in one batch, the longest of "
                f"{max(map(len, used.to_pylist()))} characters",
                f"a few kinds, of at most {MAX_REASON_CHARS} characters",
            )
        return reasons

    def _check_rows(self, what: str, array: pa.Array, rows: int) -> None:
        if len(array) != rows:
            raise self._broken(f"returned a {what} of {len(array):,} rows", f"{rows:,}, one for each row of the batch")

    def _broken(self, got: str, expected: str) -> FilterError:
        return FilterError(f"filter {self.name} {got}; expected {expected}.")


def _one_array(value: Any) -> Any:
    return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value


def batch_of(candidates: Candidates) -> pa.RecordBatch:
    """Return the record batch that a filter receives (`HOOK_SCHEMA`)."""
    arrays = []
    for field in HOOK_SCHEMA:
        array = getattr(candidates, field.name)
        arrays.append(pa.nulls(len(candidates), field.type) if array is None else array.cast(field.type))
    return pa.record_batch(arrays, schema=HOOK_SCHEMA)


def load_filter(spec: str) -> Hook:
    """Load a filter.

    Args:
        spec: "package:function" names the filter itself. "package:factory?path=words.txt" names a function that
            returns the filter, and its keyword arguments (strings, percent-decoded).

    Raises:
        ConfigError: the filter cannot be imported or made, or a factory returned an object that is not a filter.
    """
    name, has_parameters, query = spec.partition("?")
    module, function = load_named(name, "filter")
    digest = hashlib.sha256(_source(module, function, name))
    if not has_parameters:
        return Hook(name, _id(name, digest.hexdigest()), function)
    made = _make(name, function, query)
    digest.update(b"\0" + made.id.encode())
    return Hook(name, _id(name, digest.hexdigest()), made, made=True)


def _id(name: str, digest: str) -> str:
    return f"{name}@{digest[:12]}"


def _source(module: ModuleType, function: Callable[..., Any], name: str) -> bytes:
    """Return the source of the module that defines the function; the module in the filter's name may only import it."""
    home = sys.modules.get(getattr(inspect.unwrap(function), "__module__", None) or "", module)
    file = getattr(home, "__file__", None) or getattr(module, "__file__", None)
    try:
        return Path(file or "").read_bytes()
    except OSError:
        raise ConfigError(
            f"filter {name}: the source of module {home.__name__} cannot be read; its hash is part of the filter's id. "
            "Define the filter in a Python file."
        ) from None


class _Made(Protocol):
    """A filter that a factory returned."""

    id: str

    def __call__(self, batch: pa.RecordBatch, /) -> tuple[Any, Any]: ...


def _make(name: str, factory: Callable[..., Any], query: str) -> _Made:
    # urllib's parse_qsl would turn the "+" in a path into a space.
    pairs = [part.partition("=") for part in query.split("&")] if query else []
    parameters = {key: unquote(value) for key, equals, value in pairs if equals and key.isidentifier()}
    if len(parameters) < len(pairs):
        raise ConfigError(f"filter {name}: parameters must be name=value&name=value, each once, got {query!r}.")
    try:
        made: Any = factory(**parameters)
    except ConfigError:
        raise
    except Exception as error:  # any error of the user's factory is a wrong configuration
        raise ConfigError(f"filter {name}?{query}: {type(error).__name__}: {error}") from error
    if not callable(made) or not isinstance(getattr(made, "id", None), str):
        raise ConfigError(
            f"filter {name}: the factory returned {type(made).__name__}; expected an object that is called with a "
            "batch, with an attribute id (str) that changes with all of its data."
        )
    try:
        pickle.dumps(made)
    except Exception as error:  # pickle raises whatever the parts of the object raise
        raise ConfigError(
            f"filter {name}: the object of the factory cannot be pickled for the workers: {error}."
        ) from error
    valid: _Made = made
    return valid


def _load_again(name: str, expected: str) -> Hook:
    """Import a filter in a worker, and check that it is the driver's filter."""
    hook = load_filter(name)
    if hook.id != expected:
        raise FilterError(
            f"filter {name} differs on this worker: got {hook.id}, expected {expected}. "
            "Send the same module to every worker (--py-files)."
        )
    return hook
