"""Typed settings, validated when made; YAML and flags both end here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from metaclip_spark.candidates.options import (
    DEFAULT_OPT_OUTS,
    DEFAULT_TEXT_FIELDS,
    OPT_OUTS,
    TEXT_FIELDS,
    ExtractOptions,
)
from metaclip_spark.core.sampling import TAIL_FRACTION
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.language import IDENTIFIERS
from metaclip_spark.matchers import ENGINES
from metaclip_spark.sources.lists import CRAWL_ROOT

# Settings that say the same thing in different ways: a flag of one wins over the file's other.
_ALTERNATIVES = ({"threshold", "tail_fraction", "target_size"}, {"warehouse", "catalog"})

WHOLE_POOL = "pool"
"""--drawn-from: the survivors are those of the whole matched pool."""

THINNING = ("survivors", "drawn_from", "where", "group")
"""Settings that leave less than the pool to be balanced."""

_LISTS = ("keep_columns", "languages", "snapshots", "retry", "text_fields", "opt_outs", "image_extensions")
"""Settings that take several values with commas between them."""


def _setting(default: Any, text: str, metavar: str | None = None, **kwargs: Any) -> Any:
    return Field(default=default, description=text, json_schema_extra={"metavar": metavar}, **kwargs)


class Settings(BaseModel):
    """Every setting of `run`; each is a flag and a key of the YAML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    input: tuple[str, ...] = _setting(
        (),
        "Files, folders, globs or uris (https://, s3://, ...): .wat.gz .warc.gz .warc .parquet .tsv[.gz] .csv[.gz] "
        ".jsonl[.gz]; a .paths[.gz] names many.",
        "PATH...",
    )
    crawl: tuple[str, ...] = _setting(
        (), "Instead of --input: these crawls of Common Crawl, e.g. CC-MAIN-2024-51; each is a snapshot.", "NAME..."
    )
    format: Literal["wat", "warc"] = _setting("wat", "With --crawl: which files, wat or warc.", "wat|warc")
    max_files: int | None = _setting(
        None, "With --crawl: a sample of N files a crawl, the same each time, over all its segments.", "N", ge=1
    )
    crawl_root: str = _setting(
        CRAWL_ROOT, "With --crawl: where crawl-data/ is: s3://commoncrawl/, or a mirror's folder.", "URI"
    )
    retry: tuple[str, ...] = _setting(
        (), "Read the input's sources that ended so again: partial, failed or both.", "partial,failed"
    )
    max_fetches: int | None = _setting(
        None, "At most so many sources are read at once.  [default: one a core]", "N", ge=1
    )
    snapshot: str = _setting(
        "default",
        "The snapshot that these sources belong to; more input adds to it.  [default: the crawl's name, else default]",
        "NAME",
    )
    url_column: str = _setting("url", "Tabular input: the column of image urls.", "COLUMN")
    text_column: str = _setting(
        "text",
        "Tabular input: the column of texts. In a file without a header line, name columns 0, 1, ...",
        "COLUMN",
    )
    lang_column: str | None = _setting(None, "Tabular input: the column of language codes.", "COLUMN")
    id_column: str | None = _setting(None, "Tabular input: the pool's own key (with --no-dedup).", "COLUMN")
    keep_columns: tuple[str, ...] = _setting((), "Tabular input: columns that travel to the end, in `extra`.", "A,B")
    metadata: str | None = _setting(
        None,
        "The entry list: a JSON array of strings (.json, .json.gz), or .txt with one entry a line.",
        "PATH",
    )
    languages: tuple[str, ...] | None = _setting(
        None, "Keep the texts in these languages; all keeps every text.  [default: en]", "A,B"
    )
    no_lid: bool = _setting(False, "No language identification: lang is 'und' (or what --lang-column holds).")
    lid: str = _setting(
        "lid176", f"The language identifier: {', '.join(IDENTIFIERS)}, or package:factory of your own.", "NAME"
    )
    min_lang_score: float = _setting(
        0.0, "A language identified with a lower score is unknown ('und').", "S", ge=0, le=1
    )
    text_fields: tuple[str, ...] = _setting(
        DEFAULT_TEXT_FIELDS, f"WAT and WARC: which texts of an image are taken, of {', '.join(TEXT_FIELDS)}.", "A,B"
    )
    opt_outs: tuple[str, ...] = _setting(
        DEFAULT_OPT_OUTS, f"WAT and WARC: opt-outs of a page that count, of {', '.join(OPT_OUTS)}; or none.", "A,B"
    )
    blocklist: str | None = _setting(None, "Leave out pages and images of these domains (one a line).", "FILE")
    min_chars: int = _setting(0, "Leave out texts of fewer characters.", "N", ge=0)
    max_chars: int = _setting(0, "Leave out texts of more characters; 0: no limit.", "N", ge=0)
    min_words: int = _setting(0, "Leave out texts of fewer words.", "N", ge=0)
    max_words: int = _setting(0, "Leave out texts of more words; 0: no limit.", "N", ge=0)
    no_file_names: bool = _setting(False, "Leave out texts that look like a file's name (IMG_1234.JPG).")
    no_digits: bool = _setting(False, "Leave out texts that have digits but no letters.")
    image_extensions: tuple[str, ...] = _setting((), "Keep images whose url ends in one of these: jpg,png.", "A,B")
    filter: tuple[str, ...] = _setting(
        (), "A filter of your own, repeatable: a function on Arrow batches; see docs/FILTERS.md.", "PACKAGE:FUNCTION"
    )
    warehouse: str | None = _setting(None, "Delta tables at DIR/<table>.", "DIR")
    catalog: str | None = _setting(None, "Delta tables by name, instead of --warehouse.", "CATALOG.SCHEMA")
    threshold: int | None = _setting(None, "t, the count from which entries are thinned out.", "T")
    tail_fraction: float | None = _setting(
        None,
        f"Choose t so that entries below it hold this share of all counts.  [default: {TAIL_FRACTION}]",
        "F",
    )
    target_size: int | None = _setting(
        None, "Choose the smallest t whose expected subset holds N pairs or more.", "N", ge=1
    )
    seed: int = _setting(0, "Seed of the draw: same seed, same subset.", "N")
    unit: Literal["pair", "image"] = _setting(
        "pair", "What is drawn: each pair, or each image with one of its matched texts.", "pair|image"
    )
    snapshots: tuple[str, ...] = _setting((), "Balance these snapshots.  [default: all in the warehouse]", "A,B")
    freeze_counts: str | None = _setting(
        None,
        "Take the entry counts of this run instead of the pool's: with a higher t, its subset is kept and added to.",
        "RUN",
    )
    whole_pool: bool = _setting(
        False, "Read the whole pool, also where an earlier run's subset and the new snapshots would do."
    )
    survivors: str | None = _setting(
        None,
        "Balance what is left after download: Parquet with pair_id, image_id or url; the folder that img2dataset "
        "wrote (rows with status success). Needs --drawn-from.",
        "PATH",
    )
    drawn_from: str | None = _setting(
        None,
        "What the survivors are left of: the whole matched pool, or a run's subset, whose pairs then stand for others.",
        f"{WHOLE_POOL}|RUN",
    )
    where: str | None = _setting(
        None, "Balance the rows for which this SQL is true, on the columns of --survivors (else of pairs).", "SQL"
    )
    group: str | None = _setting(
        None,
        "Images with the same value of this column of --survivors (else of pairs) are duplicates: one of them stays.",
        "COLUMN",
    )
    no_dedup: bool = _setting(False, "The pool is already unique: do not deduplicate.")
    keep_unmatched: bool = _setting(False, "Store texts that match nothing too.")
    matcher: str = _setting("auto", f"The matching engine: auto, {', '.join(ENGINES)}.", "NAME")
    files_per_commit: int = _setting(500, "Sources per commit: progress that survives the driver.", "N", ge=1)
    allow_incomplete: str = _setting(
        "0", "How many sources (N or N%) may be partial or failed for exit status 0.", "N|N%"
    )
    lease_seconds: float = _setting(
        300.0, "How long the lease on the warehouse lasts when its holder falls silent.", "S", ge=5
    )
    rejects_per_reason: int = _setting(
        10, "Rejects stored as rows, per source and reason (all are counted).", "N", ge=0
    )
    master: str = _setting("local[*]", "Spark master for local use; ignored under spark-submit.", "URL")
    remote: str | None = _setting(None, "A Spark Connect server, in the place of --master: sc://host:15002.", "URL")
    driver_memory: str | None = _setting(
        None, "Memory of a local driver, e.g. 8g.  [default: half of the machine's]", "SIZE"
    )
    run_id: str | None = _setting(
        None,
        "The run that this stage belongs to, as --outcome of an earlier stage names it.  "
        "[default: a hash of settings, list and input]",
        "ID",
    )
    pinned: dict[str, int] = _setting(
        {},
        "Read tables as an earlier stage left them, as its --outcome names them: pairs=12,entry_counts=7.",
        "TABLE=VERSION,...",
    )
    outcome: str | None = _setting(None, "Write what came of it to this file or uri, as JSON.", "FILE")
    spark: dict[str, str] = _setting({}, "Spark settings (YAML: a map; flag: repeatable NAME=VALUE).", "NAME=VALUE")

    @field_validator("input", "crawl", "filter", *_LISTS, mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator(*_LISTS, mode="after")
    @classmethod
    def _split(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is None:
            return None
        parts = [part.strip() for text in value for part in text.split(",")]
        return tuple(dict.fromkeys(part for part in parts if part))

    @field_validator("text_fields", "retry", mode="after")
    @classmethod
    def _among(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return _known(value, TEXT_FIELDS if info.field_name == "text_fields" else ("partial", "failed"))

    @field_validator("opt_outs", mode="after")
    @classmethod
    def _opt_outs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return () if value == ("none",) else _known(value, OPT_OUTS)

    @field_validator("image_extensions", mode="after")
    @classmethod
    def _extensions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(extension.lower().lstrip(".") for extension in value)

    @field_validator("spark", mode="before")
    @classmethod
    def _spark_map(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): str(v).lower() if isinstance(v, bool) else str(v) for k, v in value.items()}
        listed = value if isinstance(value, list | tuple) else [value]
        pairs = [str(item).partition("=") for item in listed]
        if any(not sep for _, sep, _ in pairs):
            raise ValueError("expected NAME=VALUE")
        return {name: text for name, _, text in pairs}

    @field_validator("pinned", mode="before")
    @classmethod
    def _pinned_map(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        found = re.fullmatch(r"(\w+=\d+)(,\w+=\d+)*", str(value))
        if found is None:
            raise ValueError(f"expected TABLE=VERSION with commas between, got {value!r}")
        return dict(part.split("=") for part in str(value).split(","))

    @field_validator("allow_incomplete", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> Any:
        if not re.fullmatch(r"\d+(\.\d+)?%|\d+", str(value)):
            raise ValueError(f"expected a number of sources or a percentage such as 2%, got {value!r}")
        return str(value)

    @field_validator("snapshot", "run_id", "freeze_counts", "drawn_from", mode="after")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.\-+]+", value):
            raise ValueError(f"expected letters, digits and . _ - +, got {value!r}")
        return value

    @field_validator("threshold", mode="after")
    @classmethod
    def _threshold(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"must be >= 1, got {value}. MetaCLIP-400M used 20000")
        return value

    @field_validator("tail_fraction", mode="after")
    @classmethod
    def _fraction(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value < 1:
            raise ValueError(f"must be between 0 and 1, got {value}. The paper's sets have about {TAIL_FRACTION}")
        return value

    @field_validator("matcher", mode="after")
    @classmethod
    def _engine(cls, value: str) -> str:
        if value not in ("auto", *ENGINES):
            raise ValueError(f"must be one of auto, {', '.join(ENGINES)}, got {value!r}")
        return value

    @model_validator(mode="after")
    def _together(self) -> Settings:
        given = [name for name in ("threshold", "tail_fraction", "target_size") if getattr(self, name) is not None]
        if len(given) > 1:
            flags = " and ".join(_flag(name) for name in given)
            raise ValueError(f"{flags} both choose t; give one of them")
        if self.warehouse is not None and self.catalog is not None:
            raise ValueError("--warehouse and --catalog both say where the tables are; give one of them")
        if self.survivors is not None and self.drawn_from is None:
            raise ValueError(
                "--survivors are left of what? --drawn-from pool: of the whole matched pool, and they are counted "
                "anew; --drawn-from RUN: of that run's subset, whose draw thinned the counts already, so that each "
                "pair stands for 1 / its sampling probability. Counted the wrong way, nearly everything would be kept"
            )
        if self.drawn_from_run is not None and (self.freeze_counts or self.target_size):
            other = "--freeze-counts" if self.freeze_counts else "--target-size"
            raise ValueError(f"--drawn-from RUN counts by weights; {other} is for the pool. Give --threshold instead")
        if self.id_column is not None and not self.no_dedup:
            raise ValueError("--id-column takes the pool's own key, which needs --no-dedup")
        if self.languages and self.no_lid and self.lang_column is None:
            raise ValueError("--languages needs to know languages: leave --no-lid out, or give --lang-column")
        if self.crawl and self.input:
            raise ValueError("--input and --crawl both say what to read; give one of them")
        return self

    @property
    def drawn_from_run(self) -> str | None:
        """The run whose subset is balanced again, or None where the pool is."""
        return None if self.drawn_from == WHOLE_POOL else self.drawn_from

    @property
    def is_thinned(self) -> bool:
        """Whether less than the pool is balanced."""
        return any(value is not None for value in (self.survivors, self.drawn_from_run, self.where, self.group))

    @property
    def chosen_tail_fraction(self) -> float | None:
        """The tail fraction that chooses t, or None where t or the size is given."""
        given = self.threshold is not None or self.target_size is not None
        return None if given else (self.tail_fraction or TAIL_FRACTION)

    @property
    def wanted_languages(self) -> tuple[str, ...]:
        """The languages to keep; empty keeps all, and so does a run that cannot tell them."""
        if self.no_lid and self.lang_column is None or self.languages == ("all",):
            return ()
        return ("en",) if self.languages is None else self.languages

    def extract_options(
        self, identifier: str | None = None, blocklist: str | None = None, filters: tuple[str, ...] = ()
    ) -> ExtractOptions:
        """Return the part that decides which rows leave a source.

        Args:
            identifier, blocklist, filters: what was loaded for `lid`, `blocklist` and `filter`, by content.
        """
        return ExtractOptions(
            url_column=self.url_column,
            text_column=self.text_column,
            lang_column=self.lang_column,
            id_column=self.id_column,
            keep_columns=self.keep_columns,
            languages=self.wanted_languages,
            text_fields=self.text_fields,
            opt_outs=self.opt_outs,
            min_chars=self.min_chars,
            max_chars=self.max_chars,
            min_words=self.min_words,
            max_words=self.max_words,
            no_file_names=self.no_file_names,
            no_digits=self.no_digits,
            image_extensions=self.image_extensions,
            blocklist=blocklist,
            filters=filters,
            identifier=identifier,
            min_lang_score=self.min_lang_score,
            keep_unmatched=self.keep_unmatched,
            dedup=not self.no_dedup,
            sample_cap=self.rejects_per_reason,
        )

    def allowed_incomplete(self, sources: int) -> int:
        """Return how many of so many sources may be incomplete."""
        if self.allow_incomplete.endswith("%"):
            return int(sources * float(self.allow_incomplete[:-1]) / 100)
        return int(self.allow_incomplete)


def make_settings(flags: Mapping[str, Any], config: str | None = None) -> Settings:
    """Merge a YAML file and flags (a flag wins) into settings.

    Args:
        flags: setting name -> value, only those that were given.
        config: path of the YAML file; its sections, if any, only group keys.

    Raises:
        ConfigError: one sentence per problem, each naming its flag, or its file and key.
    """
    from_file, origins = ({}, {}) if config is None else _read_yaml(config)
    for group in _ALTERNATIVES:
        if not group.isdisjoint(flags):
            from_file = {name: value for name, value in from_file.items() if name not in group}
    origins.update({name: f"flag {_flag(name)}" for name in flags})
    try:
        return Settings(**{**from_file, **flags})
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(problem, origins) for problem in error.errors())) from error


def _read_yaml(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path} is not YAML: {' '.join(str(error).split())}.") from error
    if loaded is None:
        loaded = {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"config {path} holds a {type(loaded).__name__}; expected keys and values.")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value in loaded.items():
        name = _name(key)
        group = isinstance(value, dict) and (name not in Settings.model_fields or name in ("input", "metadata"))
        for inner, setting in value.items() if group else [(key, value)]:
            shown = f"{key}.{inner}" if group else str(key)
            if _name(inner) not in Settings.model_fields:
                raise ConfigError(f"{path}: unknown key {shown}; expected one of {', '.join(Settings.model_fields)}.")
            values[_name(inner)] = setting
            origins[_name(inner)] = f"{path}: {shown}"
    return values, origins


def _name(key: object) -> str:
    return str(key).replace("-", "_")


def _known(values: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise ValueError(f"must be of {', '.join(known)}, got {value!r}")
    return values


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _sentence(problem: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    text = problem["msg"].removeprefix("Value error, ")
    origin = f" ({origins[name]})" if name in origins else ""
    if problem["type"] != "value_error" and "input" in problem:
        text = f"{text[0].lower()}{text[1:]}, got {problem['input']!r}"
    # "threshold must be ..." reads on; "expected ..." wants a colon.
    joined = f"{name} {text}" if text.startswith("must") else f"{name}: {text}" if name else text
    return f"{joined}{origin}."
