"""The properties of a setting, such as its heading in --help, and whether the run id depends on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field


class Group(str, Enum):
    """The headings of settings in --help, in the order in which --help shows them."""

    INPUT = "Input"
    CRAWL = "Common Crawl"
    TABULAR = "Tabular input"
    LIST = "Entry list"
    WAREHOUSE = "Warehouse"
    SAMPLING = "Threshold and sampling"
    LANGUAGE = "Language"
    WORLDWIDE = "Worldwide"
    FILTERS = "Filters"
    READING = "Reading sources"
    EARLIER_RUNS = "Earlier runs"
    PART_OF_POOL = "Part of the pool"
    SCHEDULING = "Scheduling"
    ENGINE = "Engine"
    SPARK = "Spark"
    LOGS = "Logs and metrics"


class InRunId(str, Enum):
    """The cases in which the run id depends on a setting."""

    ALWAYS = "always"
    WHEN_GIVEN = "when given"
    """For settings that came with a later release: the ids of runs without them stay the same."""
    NEVER = "never"
    """For settings that change no result: where things are, how fast, and how much is shown."""


NEVER, WHEN_GIVEN = InRunId.NEVER, InRunId.WHEN_GIVEN


@dataclass(frozen=True)
class Setting:
    """The properties of a setting, besides its type, default and description.

    Attributes:
        group: its heading in --help.
        metavar: the placeholder of its value in --help.
        default_text: its default in words, where --help cannot show a value.
        short: a second flag of one letter.
        repeatable: the flag may be given several times.
        variadic: the flag takes every word up to the next flag.
        run_id: whether the run id depends on it.
        of_command: it belongs to one command and not to the run. It is neither restored from a run nor shown for one.
        thins: it reduces the pool before the balance.
        alternative: settings with the same name here exclude each other; a flag of one replaces the YAML file's other.
    """

    group: Group
    metavar: str | None = None
    default_text: str | None = None
    short: str | None = None
    repeatable: bool = False
    variadic: bool = False
    run_id: InRunId = InRunId.ALWAYS
    of_command: bool = False
    thins: bool = False
    alternative: str | None = None


def setting(default: Any, about: Setting, text: str, ge: float | None = None, le: float | None = None) -> Any:
    """Return a field of `Settings` with its default, its `Setting`, its help text and its bounds."""
    return Field(default=default, description=text, json_schema_extra=asdict(about), ge=ge, le=le)


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _split_at_commas(value: tuple[str, ...]) -> tuple[str, ...]:
    parts = [part.strip() for text in value for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


Words = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""Several values; one string is one value."""

Names = Annotated[Words, AfterValidator(_split_at_commas)]
"""Several values with commas between them, each once."""


def flag_of(name: str) -> str:
    """Return the flag of a setting."""
    return "--" + name.replace("_", "-")
