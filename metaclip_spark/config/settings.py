"""Typed settings of all commands. YAML files and flags both become `Settings`, which checks their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from metaclip_spark.candidates.options import (
    DEFAULT_OPT_OUTS,
    DEFAULT_TEXT_FIELDS,
    LINK_CAP,
    OPT_OUTS,
    QUOTINGS,
    ROBOTS_FOR,
    TEXT_CAP,
    TEXT_FIELDS,
    ExtractOptions,
)
from metaclip_spark.config import numbers
from metaclip_spark.config.setting import NEVER, WHEN_GIVEN, Group, InRunId, Names, Setting, Words, flag_of, setting
from metaclip_spark.core.sampling import TAIL_FRACTION
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.extract.language import IDENTIFIERS
from metaclip_spark.matchers import ENGINES
from metaclip_spark.sources.lists import CRAWL_ROOT

WHOLE_POOL = "pool"
"""The value of --drawn-from for survivors of the whole matched pool."""

MIN_FAILED = 50
"""Number of sources that may be partial or failed by default, however few were read."""


class Settings(BaseModel):
    """The settings of all commands; each is a flag and a key of the YAML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    input: Words = setting(
        (),
        Setting(Group.INPUT, "PATH...", repeatable=True, variadic=True, run_id=NEVER),
        "Read these files, folders, globs or URIs (https://, s3://, ...): .wat.gz, .warc.gz, .warc, .parquet, "
        ".tsv[.gz], .csv[.gz], .jsonl[.gz], or a list of paths (.paths[.gz]).",
    )
    crawl: Words = setting(
        (),
        Setting(Group.CRAWL, "NAME...", repeatable=True, variadic=True),
        "Read these crawls of Common Crawl instead of --input, e.g. CC-MAIN-2024-51; each is a snapshot.",
    )
    format: Literal["wat", "warc"] = setting(
        "wat", Setting(Group.CRAWL, "wat|warc"), "With --crawl: read the WAT or the WARC files of the crawl."
    )
    max_files: int | None = setting(
        None,
        Setting(Group.CRAWL, "N"),
        "With --crawl: read a sample of N files per crawl, spread over its segments; the same seed gives the same "
        "files.",
        ge=1,
    )
    crawl_root: str = setting(
        CRAWL_ROOT,
        Setting(Group.CRAWL, "URI", run_id=NEVER),
        "With --crawl: read crawl-data/ from here, e.g. s3://commoncrawl/ or the folder of a mirror.",
    )
    retry: Names = setting(
        (),
        Setting(Group.READING, "partial,failed", run_id=NEVER),
        "Re-read sources whose last outcome was partial or failed.",
    )
    max_fetches: int | None = setting(
        None,
        Setting(Group.READING, "N", default_text="one per core", run_id=NEVER),
        "Maximum number of sources read concurrently.",
        ge=1,
    )
    snapshot: str = setting(
        "default",
        Setting(Group.INPUT, "NAME", default_text="the name of the crawl, otherwise default"),
        "Name of the snapshot that the sources belong to; later input with the same name adds to it.",
    )
    url_column: str = setting("url", Setting(Group.TABULAR, "COLUMN"), "Column of image urls.")
    text_column: str = setting(
        "text",
        Setting(Group.TABULAR, "COLUMN"),
        "Column of texts; the columns of a file without a header line are 0, 1, ...",
    )
    lang_column: str | None = setting(None, Setting(Group.TABULAR, "COLUMN"), "Column of language codes.")
    id_column: str | None = setting(
        None, Setting(Group.TABULAR, "COLUMN"), "Column of the pool's own key; needs --no-dedup."
    )
    keep_columns: Names = setting(
        (),
        Setting(Group.TABULAR, "A,B"),
        "Keep these further columns; they are stored in the column `extra`.",
    )
    quoting: Literal["auto", "none", "double", "backslash"] | None = setting(
        None,
        Setting(Group.TABULAR, "|".join(QUOTINGS), default_text="auto", run_id=WHEN_GIVEN),
        "TSV and CSV: read quotation marks as text (none), or as quotes that are escaped by doubling or by a "
        "backslash; auto decides by the fields of each file, and says what it chose.",
    )
    text_cap: int | None = setting(
        None,
        Setting(Group.READING, "N", default_text=f"{TEXT_CAP}", run_id=WHEN_GIVEN),
        "Leave out texts with more characters than this; they are counted as text_cap.",
        ge=1,
    )
    link_cap: int | None = setting(
        None,
        Setting(Group.READING, "N", default_text=f"{LINK_CAP}", run_id=WHEN_GIVEN),
        "WAT and WARC: leave out image links of a page beyond this number; they are counted as link_cap.",
        ge=1,
    )
    metadata: str | None = setting(
        None,
        Setting(Group.LIST, "NAME|PATH", run_id=NEVER),
        "Match against this entry list: one that ships, by name (en, wordnet), a JSON array of strings (.json, "
        ".json.gz), or a .txt file with one entry per line.",
    )
    languages: Names | None = setting(
        None,
        Setting(Group.LANGUAGE, "A,B", default_text="en"),
        "Keep only texts in these languages; all keeps every text.",
    )
    no_lid: bool = setting(
        False,
        Setting(Group.LANGUAGE),
        "Do not identify languages: `lang` is 'und', or the value of --lang-column.",
    )
    lid: str = setting(
        "lid176",
        Setting(Group.LANGUAGE, "NAME"),
        f"Language identifier: {', '.join(IDENTIFIERS)}, a fastText model as PATH.ftz or PATH.bin, or package:factory.",
    )
    min_lang_score: float = setting(
        0.0,
        Setting(Group.LANGUAGE, "S|S%"),
        "Treat a language that is identified with a lower score as unknown ('und').",
    )
    worldwide: bool = setting(
        False,
        Setting(Group.WORLDWIDE, run_id=NEVER),
        "Match each text against the list of its language, with a t for each language. --metadata is then a folder of "
        "lists (docs/WORLDWIDE.md); without it, the lists that ship.",
    )
    unsure: Literal["other", "drop"] | None = setting(
        None,
        Setting(Group.WORLDWIDE, "other|drop", default_text="other", run_id=WHEN_GIVEN),
        "With --worldwide: match texts whose language is not known against the list `other`, or reject them.",
    )
    language_thresholds: dict[str, int] | None = setting(
        None,
        Setting(Group.WORLDWIDE, "en=T,de=T", run_id=WHEN_GIVEN),
        "With --worldwide: set t of these languages. --threshold is the t of English, whose tail fraction gives the t "
        "of all other languages; --tail-fraction and --target-size choose one tail fraction for all languages.",
    )
    language_weights: dict[str, float] | None = setting(
        None,
        Setting(Group.WORLDWIDE, "en=W,de=W", run_id=WHEN_GIVEN),
        "With --worldwide: multiply the sampling probabilities of the pairs of these lists by a weight from 0 to 1.",
    )
    text_fields: Names = setting(
        DEFAULT_TEXT_FIELDS,
        Setting(Group.INPUT, "A,B"),
        f"WAT and WARC: texts of an image to read, out of {', '.join(TEXT_FIELDS)}.",
    )
    opt_outs: Names = setting(
        DEFAULT_OPT_OUTS,
        Setting(Group.FILTERS, "A,B"),
        f"WAT and WARC: opt-outs of a page to honour, out of {', '.join(OPT_OUTS)}; none honours no opt-out.",
    )
    pii: Literal["drop", "mask", "off"] | None = setting(
        None,
        Setting(Group.FILTERS, "drop|mask|off", default_text="off", run_id=WHEN_GIVEN),
        "Drop texts with personal data, or put a word such as [EMAIL] in its place: e-mail addresses, telephone, card "
        "and account numbers, IP addresses, national ids (docs/FILTERS.md); needs the extra [pii].",
    )
    blocklist: str | None = setting(
        None,
        Setting(Group.FILTERS, "FILE"),
        "Reject pairs whose page or image is under one of these domains (a file with one domain per line).",
    )
    robots: str | None = setting(
        None,
        Setting(Group.FILTERS, "DIR", run_id=WHEN_GIVEN),
        "Reject pairs that the robots.txt of their page's host refuses to a crawler of training data, by the table "
        "that `optouts build` wrote to this folder (docs/OPTOUTS.md).",
    )
    robots_for: Literal["page", "image", "both"] | None = setting(
        None,
        Setting(Group.FILTERS, "|".join(ROBOTS_FOR), default_text="page", run_id=WHEN_GIVEN),
        "With --robots: apply the rules of the page's host, of the image's host, or of both.",
    )
    min_chars: int = setting(0, Setting(Group.FILTERS, "N"), "Reject texts with fewer characters.", ge=0)
    max_chars: int = setting(0, Setting(Group.FILTERS, "N"), "Reject texts with more characters; 0 is no limit.", ge=0)
    min_words: int = setting(0, Setting(Group.FILTERS, "N"), "Reject texts with fewer words.", ge=0)
    max_words: int = setting(0, Setting(Group.FILTERS, "N"), "Reject texts with more words; 0 is no limit.", ge=0)
    no_file_names: bool = setting(
        False, Setting(Group.FILTERS), "Reject texts that look like a file name (IMG_1234.JPG)."
    )
    no_digits: bool = setting(False, Setting(Group.FILTERS), "Reject texts that have digits but no letters.")
    image_extensions: Names = setting(
        (), Setting(Group.FILTERS, "A,B"), "Keep only images whose url ends in one of these extensions, e.g. jpg,png."
    )
    filter: Words = setting(
        (),
        Setting(Group.FILTERS, "PACKAGE:FUNCTION", repeatable=True),
        "Apply your own filter, a function on Arrow batches (repeatable, see docs/FILTERS.md).",
    )
    warehouse: str | None = setting(
        None,
        Setting(Group.WAREHOUSE, "DIR", run_id=NEVER, alternative="tables"),
        "Folder or URI of the warehouse, with one Delta table at each DIR/<table>.",
    )
    catalog: str | None = setting(
        None,
        Setting(Group.WAREHOUSE, "CATALOG.SCHEMA", run_id=NEVER, alternative="tables"),
        "Catalog and schema of the warehouse, instead of --warehouse.",
    )
    threshold: int | None = setting(
        None,
        Setting(Group.SAMPLING, "T", short="-t", alternative="t"),
        "Threshold t: an entry with more than t pairs is sampled down.",
    )
    tail_fraction: float | None = setting(
        None,
        Setting(Group.SAMPLING, "F|F%", default_text=str(TAIL_FRACTION), alternative="t"),
        "Choose t so that entries with a count below t have this share of all counts; 6% is 0.06.",
    )
    target_size: int | None = setting(
        None,
        Setting(Group.SAMPLING, "N", alternative="t"),
        "Choose the smallest t whose expected subset has N pairs or more.",
        ge=1,
    )
    seed: int = setting(0, Setting(Group.SAMPLING, "N"), "Seed of the draw: the same seed draws the same subset.")
    unit: Literal["pair", "image"] = setting(
        "pair",
        Setting(Group.SAMPLING, "pair|image"),
        "Draw every pair on its own, or every image with one of its matched texts.",
    )
    weight: str | None = setting(
        None,
        Setting(Group.SAMPLING, "COLUMN", run_id=WHEN_GIVEN),
        "Multiply each pair's sampling probability by its number from 0 to 1 in this kept column (--keep-columns).",
    )
    weight_missing: str | None = setting(
        None,
        Setting(Group.SAMPLING, "W|error", default_text="error", run_id=WHEN_GIVEN),
        "With --weight: the weight of a pair without a number there; error refuses to draw while there is one.",
    )
    snapshots: Names = setting(
        (), Setting(Group.SAMPLING, "A,B", default_text="all in the warehouse"), "Use only these snapshots."
    )
    freeze_counts: str | None = setting(
        None,
        Setting(Group.EARLIER_RUNS, "RUN", run_id=WHEN_GIVEN),
        "Use the entry counts of this run instead of the pool's; with a higher t, the new subset contains the "
        "subset of that run.",
    )
    counts: str | None = setting(
        None,
        Setting(Group.EARLIER_RUNS, "FILE", run_id=WHEN_GIVEN),
        "Use the entry counts of this file instead of the pool's: a card of `counts export`, a JSON object of entry "
        "and count, or a JSON array with a count for each entry (docs/BALANCING.md).",
    )
    whole_pool: bool = setting(
        False,
        Setting(Group.EARLIER_RUNS, run_id=NEVER),
        "Read the whole pool, even where an earlier run's subset and the new snapshots give the same result.",
    )
    expect: str | None = setting(
        None,
        Setting(Group.EARLIER_RUNS, "FILE", run_id=NEVER),
        "Check the snapshots against the expectations of this YAML file before the draw; if one is violated, draw "
        "nothing and exit with status 4 (docs/EXPECTATIONS.md).",
    )
    survivors: str | None = setting(
        None,
        Setting(Group.PART_OF_POOL, "PATH", run_id=WHEN_GIVEN, thins=True),
        "Balance only the pairs that survived the download: Parquet with pair_id, image_id or url, or the output "
        "folder of img2dataset (rows with status success); needs --drawn-from.",
    )
    drawn_from: str | None = setting(
        None,
        Setting(Group.PART_OF_POOL, f"{WHOLE_POOL}|RUN", run_id=WHEN_GIVEN, thins=True),
        "Say what the survivors are a part of: the whole matched pool, or the subset of a run, whose pairs are then "
        "weighted by 1 / sampling probability.",
    )
    where: str | None = setting(
        None,
        Setting(Group.PART_OF_POOL, "SQL", run_id=WHEN_GIVEN, thins=True),
        "Balance only rows for which this SQL condition is true, on the columns of --survivors (otherwise of pairs).",
    )
    group: str | None = setting(
        None,
        Setting(Group.PART_OF_POOL, "COLUMN", run_id=WHEN_GIVEN, thins=True),
        "Keep one image of each group of duplicates: images with the same value in this column of --survivors "
        "(otherwise of pairs).",
    )
    no_dedup: bool = setting(
        False, Setting(Group.INPUT), "Do not deduplicate, because the pairs of the input are already unique."
    )
    keep_unmatched: bool = setting(False, Setting(Group.LIST), "Store texts that match no entry, too.")
    matcher: str = setting(
        "auto", Setting(Group.LIST, "NAME", run_id=NEVER), f"Matching engine: auto, {', '.join(ENGINES)}."
    )
    files_per_commit: int | None = setting(
        None,
        Setting(Group.READING, "N", default_text="500, or 32 for each core if that is more", run_id=NEVER),
        "Number of sources per commit; sources are not read again after their commit, even if the driver dies.",
        ge=1,
    )
    allow_incomplete: str = setting(
        "0",
        Setting(Group.READING, "N|N%", run_id=NEVER),
        "Exit with status 0 if at most this many sources are partial or failed.",
    )
    max_failed: str | None = setting(
        None,
        Setting(Group.READING, "N|N%", default_text="10%, and at least 50 sources", run_id=NEVER),
        "Stop before deduplication, with status 3, as soon as more of the sources that were read are partial or "
        "failed than this, or than --allow-incomplete.",
    )
    lease_seconds: float = setting(
        300.0,
        Setting(Group.WAREHOUSE, "S", run_id=NEVER),
        "Seconds until the lease on the warehouse expires when its holder no longer renews it.",
        ge=5,
    )
    wait: float = setting(
        0.0,
        Setting(Group.WAREHOUSE, "SECONDS", default_text="0", run_id=NEVER, of_command=True),
        "Wait for a run that holds the lease on the warehouse, instead of ending at once.",
        ge=0,
    )
    rejects_per_reason: int = setting(
        10,
        Setting(Group.READING, "N", run_id=NEVER),
        "Number of rejects stored as rows, per source and reason; all rejects are counted.",
        ge=0,
    )
    engine: Literal["auto", "embedded", "spark"] = setting(
        "auto",
        Setting(Group.ENGINE, "auto|embedded|spark", run_id=NEVER),
        "Run on this machine without Java (embedded), or on Spark. auto: Spark under spark-submit, on Databricks, and "
        "with --master, --remote, --catalog, --spark or --driver-memory; otherwise embedded, where it is installed.",
    )
    memory: str | None = setting(
        None,
        Setting(Group.ENGINE, "SIZE", default_text="half of the machine's memory", run_id=NEVER),
        "Memory of the embedded engine, for all its processes together, e.g. 4g; 1280m at least.",
    )
    master: str | None = setting(
        None,
        Setting(Group.SPARK, "URL", default_text="local[*]", run_id=NEVER),
        "Spark master for local use; spark-submit ignores it.",
    )
    remote: str | None = setting(
        None,
        Setting(Group.SPARK, "URL", run_id=NEVER),
        "Connect to this Spark Connect server instead of --master, e.g. sc://host:15002.",
    )
    driver_memory: str | None = setting(
        None,
        Setting(Group.SPARK, "SIZE", default_text="half of the machine's memory", run_id=NEVER),
        "Memory of a local driver, e.g. 8g.",
    )
    run_id: str | None = setting(
        None,
        Setting(
            Group.SCHEDULING, "ID", default_text="a hash of settings, list and input", run_id=NEVER, of_command=True
        ),
        "Run that this command belongs to, as in the --outcome of an earlier command.",
    )
    pinned: dict[str, int] = setting(
        {},
        Setting(Group.SCHEDULING, "TABLE=VERSION,...", run_id=NEVER, of_command=True),
        "Read these versions of tables, as in the --outcome of an earlier command, e.g. pairs=12,entry_counts=7.",
    )
    outcome: str | None = setting(
        None,
        Setting(Group.SCHEDULING, "FILE", run_id=NEVER, of_command=True),
        "Write the outcome of the command to this file or URI, as JSON.",
    )
    spark: dict[str, str] = setting(
        {},
        Setting(Group.SPARK, "NAME=VALUE", repeatable=True, run_id=NEVER, of_command=True),
        "Set this Spark configuration (repeatable; a map in YAML).",
    )

    log_format: Literal["text", "json"] = setting(
        "text",
        Setting(Group.LOGS, "text|json", run_id=NEVER, of_command=True),
        "Write progress and messages to stderr as text, or as JSON, one object per line (docs/LOGS.md).",
    )
    metrics: str | None = setting(
        None,
        Setting(Group.LOGS, "PLACE", run_id=NEVER, of_command=True),
        "Send rates, bytes and core-seconds to a file, statsd://HOST:PORT or otlp://HOST:PORT; the last two need the "
        "extra [metrics].",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _read_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        return numbers.whole(value) if kind in (int, int | None) and value is not None else value

    @field_validator("tail_fraction", "min_lang_score", mode="before")
    @classmethod
    def _read_share(cls, value: Any) -> Any:
        return numbers.share(value)

    @field_validator("languages", mode="before")
    @classmethod
    def _refuse_truth_values(cls, value: Any) -> Any:
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, bool):
                raise ValueError(
                    f"expected codes of languages, got {part!r}; YAML reads no, off, yes and on as truth values, so "
                    'write Norwegian as "no", in quotes'
                )
        return value

    @field_validator("pii", mode="before")
    @classmethod
    def _read_off(cls, value: Any) -> Any:
        return None if value in ("off", False) else value  # YAML reads off as a truth value

    @field_validator("text_fields", "retry", mode="after")
    @classmethod
    def _check_known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return _known(value, TEXT_FIELDS if info.field_name == "text_fields" else ("partial", "failed"))

    @field_validator("opt_outs", mode="after")
    @classmethod
    def _check_opt_outs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return () if value == ("none",) else _known(value, OPT_OUTS)

    @field_validator("image_extensions", mode="after")
    @classmethod
    def _normalize_extensions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(extension.lower().lstrip(".") for extension in value)

    @field_validator("spark", mode="before")
    @classmethod
    def _read_spark(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): str(v).lower() if isinstance(v, bool) else str(v) for k, v in value.items()}
        listed = value if isinstance(value, list | tuple) else [value]
        pairs = [str(item).partition("=") for item in listed]
        if any(not sep for _, sep, _ in pairs):
            raise ValueError("expected NAME=VALUE")
        return {name: text for name, _, text in pairs}

    @field_validator("pinned", mode="before")
    @classmethod
    def _read_pinned(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        found = re.fullmatch(r"(\w+=\d+)(,\w+=\d+)*", str(value))
        if found is None:
            raise ValueError(f"expected TABLE=VERSION pairs with commas between them, got {value!r}")
        return dict(part.split("=") for part in str(value).split(","))

    @field_validator("language_thresholds", mode="before")
    @classmethod
    def _read_thresholds(cls, value: Any) -> Any:
        if value is None or isinstance(value, Mapping):
            return None if not value else dict(value)
        parts = [part.strip().partition("=") for part in str(value).split(",") if part.strip()]
        names = [name.strip() for name, _, _ in parts]
        if not parts or len(set(names)) < len(names) or any(not t.strip().isdigit() for _, _, t in parts):
            raise ValueError(f"expected LANGUAGE=T pairs with commas between them, each language once, got {value!r}")
        return {name: numbers.whole(t.strip()) for name, (_, _, t) in zip(names, parts, strict=True)}

    @field_validator("language_thresholds", mode="after")
    @classmethod
    def _check_thresholds(cls, value: dict[str, int] | None) -> dict[str, int] | None:
        low = {name: t for name, t in (value or {}).items() if t < 1}
        if low:
            raise ValueError(f"every t must be >= 1, got {low}")
        return value

    @field_validator("language_weights", mode="before")
    @classmethod
    def _read_weights(cls, value: Any) -> Any:
        if value is None or isinstance(value, Mapping):
            return {name: numbers.share(weight) for name, weight in value.items()} if value else None
        parts = [part.strip().partition("=") for part in str(value).split(",") if part.strip()]
        names = [name.strip() for name, _, _ in parts]
        if not parts or len(set(names)) < len(names) or any(not name or not sign for name, sign, _ in parts):
            raise ValueError(f"expected LANGUAGE=W pairs with commas between them, each language once, got {value!r}")
        return {name: numbers.share(weight) for name, (_, _, weight) in zip(names, parts, strict=True)}

    @field_validator("language_weights", mode="after")
    @classmethod
    def _check_weights(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        wrong = {name: weight for name, weight in (value or {}).items() if not 0 <= weight <= 1}
        if wrong:
            raise ValueError(f"every weight must be between 0 and 1, got {wrong}")
        return value

    @field_validator("weight_missing", mode="after")
    @classmethod
    def _check_missing_weight(cls, value: str | None) -> str | None:
        if value in (None, "error"):
            return value
        number = numbers.share(value)
        if not 0 <= number <= 1:
            raise ValueError(f"must be error, or a weight between 0 and 1, got {value!r}")
        return f"{number:g}"

    @field_validator("weight", mode="after")
    @classmethod
    def _check_weight(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("expected the name of a kept column, got an empty one")
        return value

    @field_validator("allow_incomplete", "max_failed", mode="before")
    @classmethod
    def _check_amount(cls, value: Any) -> Any:
        return None if value is None else numbers.amount(value)

    @field_validator("snapshot", "run_id", "freeze_counts", "drawn_from", mode="after")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.\-+]+", value):
            raise ValueError(f"expected letters, digits and . _ - +, got {value!r}")
        return value

    @field_validator("threshold", mode="after")
    @classmethod
    def _check_threshold(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"must be >= 1, got {value}. MetaCLIP-400M used 20000")
        return value

    @field_validator("tail_fraction", mode="after")
    @classmethod
    def _check_fraction(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value < 1:
            meant = numbers.percentage_meant(value)
            raise ValueError(
                f"must be between 0 and 1, got {value}. {meant}The paper's sets have about {TAIL_FRACTION}"
            )
        return value

    @field_validator("min_lang_score", mode="after")
    @classmethod
    def _check_score(cls, value: float) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"must be between 0 and 1, or a percentage such as 50%, got {value:g}")
        return value

    @field_validator("matcher", mode="after")
    @classmethod
    def _check_engine(cls, value: str) -> str:
        if value not in ("auto", *ENGINES):
            raise ValueError(f"must be one of auto, {', '.join(ENGINES)}, got {value!r}")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        given = [name for name in alternatives("t") if getattr(self, name) is not None]
        if len(given) > 1:
            flags = " and ".join(flag_of(name) for name in given)
            raise ValueError(f"{flags} both choose t; give one of them")
        if self.warehouse is not None and self.catalog is not None:
            raise ValueError("--warehouse and --catalog both say where the tables are; give one of them")
        if self.survivors is not None and self.drawn_from is None:
            raise ValueError(
                "--survivors needs --drawn-from. With --drawn-from pool, the survivors are a part of the whole matched "
                "pool, and their entries are counted again. With --drawn-from RUN, they are a part of that run's "
                "subset, whose draw thinned the counts already, and each pair counts 1 / its sampling probability. "
                "The wrong choice would keep nearly every pair"
            )
        if self.freeze_counts and self.counts:
            raise ValueError("--freeze-counts and --counts both say which counts to use; give one of them")
        if self.drawn_from_run is not None and (self.has_other_counts or self.target_size):
            other = "--freeze-counts" if self.freeze_counts else "--counts" if self.counts else "--target-size"
            raise ValueError(f"--drawn-from RUN counts by weights; {other} is for the pool. Give --threshold instead")
        if self.id_column is not None and not self.no_dedup:
            raise ValueError("--id-column names the pool's own key, which needs --no-dedup")
        if self.languages and self.no_lid and self.lang_column is None:
            raise ValueError("--languages needs the language of each text: remove --no-lid, or give --lang-column")
        if self.weight_missing is not None and self.weight is None:
            raise ValueError("--weight-missing is for the pairs without a value in --weight; give --weight COLUMN")
        if self.crawl and self.input:
            raise ValueError("--input and --crawl both say what to read; give one of them")
        if self.robots_for and not self.robots:
            raise ValueError("--robots-for says where --robots is applied; add --robots")
        if not self.worldwide and self.unsure:
            raise ValueError("--unsure is for the lists of languages; add --worldwide")
        if self.worldwide and self.no_lid and self.lang_column is None:
            raise ValueError("--worldwide needs the language of each text: remove --no-lid, or give --lang-column")
        return self

    @property
    def drawn_from_run(self) -> str | None:
        """The run whose subset is balanced again, or None if the pool is balanced."""
        return None if self.drawn_from == WHOLE_POOL else self.drawn_from

    @property
    def pair_weights(self) -> PairWeights | None:
        """The weights of pairs; None where every pair weighs 1."""
        return PairWeights.given(self.weight, self.weight_missing, self.language_weights)

    @property
    def is_thinned(self) -> bool:
        """Whether only a part of the pool is balanced."""
        return any(value is not None for value in (self.survivors, self.drawn_from_run, self.where, self.group))

    @property
    def has_other_counts(self) -> bool:
        """Whether the counts are not those of the pool. An entry that these lack is a tail entry."""
        return self.freeze_counts is not None or self.counts is not None

    @property
    def chosen_tail_fraction(self) -> float | None:
        """The tail fraction that chooses t, or None if t or the size is given."""
        given = self.threshold is not None or self.target_size is not None
        return None if given else (self.tail_fraction or TAIL_FRACTION)

    @property
    def has_list(self) -> bool:
        """Whether texts are matched: with the list of `metadata`, or with the lists of languages."""
        return self.metadata is not None or self.worldwide

    @property
    def wanted_languages(self) -> tuple[str, ...]:
        """The languages to keep; empty keeps all, as it is where texts get no language code, or each has a list."""
        if self.no_lid and self.lang_column is None or self.languages == ("all",):
            return ()
        return (() if self.worldwide else ("en",)) if self.languages is None else self.languages

    @property
    def run_id_values(self) -> dict[str, Any]:
        """The values that the run id depends on, by name."""
        values = {}
        for name, value in self.model_dump().items():
            in_run_id = SETTINGS[name].run_id
            if in_run_id is InRunId.ALWAYS or in_run_id is WHEN_GIVEN and value is not None:
                values[name] = value
        return values | {"tail_fraction": self.chosen_tail_fraction, "languages": self.wanted_languages}

    def without_secrets(self) -> dict[str, Any]:
        """Return all values by name, as they are stored and shown; see `core.secrets`."""
        values: dict[str, Any] = masked(self.model_dump())
        return values

    def extract_options(
        self,
        identifier: str | None = None,
        blocklist: str | None = None,
        filters: tuple[str, ...] = (),
        robots: str | None = None,
    ) -> ExtractOptions:
        """Return the settings that decide which rows leave a source.

        Options and settings of the same name have the same value, but for `languages`, `blocklist`, `robots`, and those
        settings that are None by default.

        Args:
            identifier, blocklist, filters, robots: ids of what `lid`, `blocklist`, `filter` and `robots` name.
        """
        computed: dict[str, Any] = {
            "languages": self.wanted_languages,
            "identifier": identifier,
            "blocklist": blocklist,
            "filters": filters,
            "robots": robots,
            "robots_for": self.robots_for or "page",
            "dedup": not self.no_dedup,
            "sample_cap": self.rejects_per_reason,
            "text_cap": self.text_cap or TEXT_CAP,
            "link_cap": self.link_cap or LINK_CAP,
            "quoting": self.quoting or "auto",
            "unsure": (self.unsure or "other") if self.worldwide else None,
        }
        names = [field.name for field in fields(ExtractOptions) if field.name not in computed]
        return ExtractOptions(**{name: getattr(self, name) for name in names}, **computed)

    def allowed_incomplete(self, sources: int) -> int:
        """Return the number of sources that may be incomplete, out of `sources`."""
        return numbers.of_amount(self.allow_incomplete, sources)

    def failure_budget(self, sources: int) -> int:
        """Return the number of sources that may be incomplete for the work to go on, out of `sources` that were read.

        >>> Settings().failure_budget(10), Settings().failure_budget(90_000)
        (50, 9000)
        """
        given = self.max_failed
        budget = max(MIN_FAILED, sources // 10) if given is None else numbers.of_amount(given, sources)
        return max(budget, self.allowed_incomplete(sources))


SETTINGS: dict[str, Setting] = {
    name: Setting(**cast(dict[str, Any], field.json_schema_extra)) for name, field in Settings.model_fields.items()
}
"""The properties of each setting, by name."""

THINNING = tuple(name for name, setting in SETTINGS.items() if setting.thins)
"""Settings that reduce the pool before the balance."""

OF_COMMAND = frozenset(name for name, setting in SETTINGS.items() if setting.of_command)
"""Settings of one command: they are neither restored from a run nor shown for one."""


def settings_in(*groups: Group) -> tuple[str, ...]:
    """Return the names of the settings in these groups.

    >>> settings_in(Group.EARLIER_RUNS)
    ('freeze_counts', 'counts', 'whole_pool', 'expect')
    """
    return tuple(name for name, setting in SETTINGS.items() if setting.group in groups)


def alternatives(name: str) -> tuple[str, ...]:
    """Return the settings that exclude each other under this name."""
    return tuple(setting_name for setting_name, setting in SETTINGS.items() if setting.alternative == name)


def _known(values: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}, got {value!r}")
    return values
