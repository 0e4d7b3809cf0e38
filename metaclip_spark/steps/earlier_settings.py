"""The settings that a snapshot was extracted with, compared with those of this command.

A snapshot has one set of rules: with two, its pool would depend on the order of the commands. A command with other
settings is refused before it reads or deletes anything. The tables store a hash of the settings (`extract_id`); the log
of runs tells which settings the hash stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Any

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.config.setting import flag_of
from metaclip_spark.config.settings import SETTINGS, Settings
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError, MetaclipError
from metaclip_spark.extract.language import IDENTIFIERS, load_identifier
from metaclip_spark.schemas import PLANNED
from metaclip_spark.sources.files import Source
from metaclip_spark.steps.context import POOL, Context, rows_in_pool
from metaclip_spark.steps.staging import staged_outcomes
from metaclip_spark.version import __version__
from metaclip_spark.warehouse.events import Event, StageEvent

DECIDING = (
    *(field.name for field in fields(ExtractOptions) if field.name in SETTINGS),
    *("no_lid", "lid", "filter", "no_dedup"),
)
"""Settings that decide which rows leave a source."""

LAYOUT = ("url_column", "text_column", "lang_column", "keep_columns", "quoting")
"""Deciding settings that describe the layout of files. They may differ between the sources of a snapshot."""

_SETS = ("languages", "opt_outs", "image_extensions")
"""Deciding settings whose order makes no difference, although `extract_id` depends on it."""

_DEFAULTS = vars(Settings(worldwide=True).extract_options())
"""Values of deciding settings that are None by default."""

_NONE = {"opt_outs": "none", "languages": "all"}
"""Deciding settings whose empty value has a name."""


@dataclass(frozen=True)
class Stored:
    """The rows of the warehouse about the sources of one snapshot and list.

    Attributes:
        planned: one row per split.
        done: source_path -> status of the sources that are deduplicated.
        staged: (source_path, split) -> status of the splits that are extracted and not deduplicated.
    """

    planned: list[dict[str, Any]]
    done: Mapping[str, str]
    staged: Mapping[tuple[str, int], str]

    @cached_property
    def extract_ids(self) -> dict[str, str]:
        """The map source_path -> `extract_id` of the planned sources."""
        return {row["source_path"]: row["extract_id"] for row in self.planned}

    @cached_property
    def open(self) -> list[dict[str, Any]]:
        """The planned splits of sources that are not deduplicated."""
        return [row for row in self.planned if row["source_path"] not in self.done]

    @cached_property
    def unread(self) -> set[str]:
        """The sources with a planned split that is not extracted."""
        return {row["source_path"] for row in self.open if (row["source_path"], row["split"]) not in self.staged}

    @cached_property
    def read(self) -> set[str]:
        """The sources whose splits are all extracted, deduplicated or not."""
        return {*self.done, *(path for path, _ in self.staged)} - self.unread

    @cached_property
    def incomplete(self) -> set[str]:
        """The sources with a split that is partial or failed."""
        staged = {path for (path, _), status in self.staged.items() if status != "done"}
        return staged | {path for path, status in self.done.items() if status != "done"}

    @cached_property
    def failed(self) -> set[str]:
        """The sources of which nothing was read."""
        read = {path for (path, _), status in self.staged.items() if status != "failed"}
        staged = {path for path, _ in self.staged} - read - self.unread
        return staged | {path for path, status in self.done.items() if status == "failed"}


def read_stored(ctx: Context) -> Stored:
    """Read what the warehouse has about the sources of a snapshot."""
    snapshot = ctx.settings.snapshot
    planned = rows_in_pool(ctx, "planned", snapshot, [name for name in PLANNED.names if name not in POOL])
    done = rows_in_pool(ctx, "sources", snapshot, ["source_path", "status"])
    staged = staged_outcomes(ctx, ["source_path", "split", "status"])
    by_split = zip(staged["source_path"].to_pylist(), staged["split"].to_pylist(), strict=True)
    return Stored(
        planned.to_pylist(),
        dict(zip(done["source_path"].to_pylist(), done["status"].to_pylist(), strict=True)),
        dict(zip(by_split, staged["status"].to_pylist(), strict=True)),
    )


@dataclass(frozen=True)
class Difference:
    """A setting with two values: when the snapshot was extracted, and now."""

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        none = _NONE.get(self.name, "not given")
        return f"{flag_of(self.name)} was {_shown(self.before, none)} and is {_shown(self.now, none)}"

    @property
    def flag(self) -> str:
        """The flag that gives the earlier value."""
        if self.name == "opt_outs" and not self.before:
            return f"{flag_of(self.name)} none"
        if not self.before:
            return f"without {flag_of(self.name)}"
        if self.before is True:
            return flag_of(self.name)
        if self.name == "filter":
            return " ".join(f"{flag_of(self.name)} {value}" for value in self.before)
        value = ",".join(self.before) if isinstance(self.before, tuple) else self.before
        return f"{flag_of(self.name)} {value}"


def check_settings(ctx: Context, stored: Stored, given: Iterable[Source], options: ExtractOptions) -> None:
    """Check that the given sources are to be read with the settings that their snapshot was extracted with.

    A source that was read must have had the same settings. A source that is new must have the same ones, but for its
    layout. A failed source that --retry names counts as new, because no row of it is stored.

    Raises:
        ConfigError: the settings differ; the text names them, and the ways out.
    """
    ids, snapshot = stored.extract_ids, ctx.settings.snapshot
    again = stored.failed if "failed" in ctx.settings.retry else set()
    named = [source.source_path for source in given]
    read = [path for path in named if path in ids and path not in again]
    same = {other for other in set(ids.values()) if _is_same(ctx, other, options)}
    others = [path for path in dict.fromkeys([*read, *sorted(stored.unread)]) if ids[path] not in same]
    if others:
        raise ConfigError(_refusal(ctx, stored, others, options))
    if len(read) == len(named):
        return
    for other in sorted({ids[path] for path in ids if path not in again} - same):
        before = _settings_of(ctx, other, options)
        differing = None if before is None else _differences(before, ctx.settings)
        if not differing or any(each.name not in LAYOUT for each in differing):
            as_before, changed = _changed(ctx, before)
            raise ConfigError(
                f"snapshot {snapshot!r} was extracted with other settings: {changed}. New sources would be mixed with "
                f"its pairs, so nothing was read. To add them to this snapshot, {as_before}. To read them with the "
                f"settings of now, give another --snapshot, or use `snapshots replace {snapshot}` to read all sources "
                "with them."
            )


def check_dedup(ctx: Context) -> None:
    """Check that `dedup` has the settings of deduplication that the waiting sources were extracted with.

    Raises:
        ConfigError: the settings differ.
    """
    stored = read_stored(ctx)
    for extract_id in sorted({row["extract_id"] for row in stored.open}):
        before = _settings_of(ctx, extract_id, None)
        names = ("no_dedup", "id_column")
        differing = (
            [] if before is None else [each for each in _differences(before, ctx.settings) if each.name in names]
        )
        if differing:
            raise ConfigError(
                f"snapshot {ctx.settings.snapshot!r} was extracted with other settings: {_listed(differing)}. Nothing "
                f"was deduplicated. Give the settings as they were ({_flags(differing)})."
            )


def _refusal(ctx: Context, stored: Stored, others: list[str], options: ExtractOptions) -> str:
    """Return why sources that were planned or read before cannot be read with the settings of this command."""
    snapshot = ctx.settings.snapshot
    before = _settings_of(ctx, stored.extract_ids[others[0]], options)
    as_before, changed = _changed(ctx, before)
    unread = [path for path in others if path in stored.unread]
    if unread:
        sources = counted(len(unread), "source")
        what = f"snapshot {snapshot!r} has {sources} of an unfinished extraction with other settings"
        again = f"use `snapshots replace {snapshot}`"
        way = f"To finish it, {as_before}. To read everything with the settings of now, {again}."
    else:
        what = f"snapshot {snapshot!r} was extracted with other settings"
        way = (
            f"To go on with this snapshot, {as_before}. To read the sources with the settings of now, use "
            f"`snapshots replace {snapshot}`: another --snapshot would get only the pairs that this snapshot lacks. "
            "`metaclip-spark balance` draws from the stored pairs as they are."
        )
    if stored.failed.issuperset(others):
        way = f"These sources failed: --retry failed reads them again with the settings of now. Otherwise, {as_before}."
    return f"{what}: {changed} (e.g. {others[0]}). Nothing was read. {way}"


def settings_of_snapshot(ctx: Context, snapshot: str, extract_id: str) -> Settings | None:
    """Return the settings with which sources of a snapshot were extracted; None where the log does not tell them."""
    of_snapshot = replace(ctx, settings=ctx.settings.model_copy(update={"snapshot": snapshot}))
    return _settings_of(of_snapshot, extract_id, None)


def _changed(ctx: Context, before: Settings | None) -> tuple[str, str]:
    """Return what to do to have the earlier settings, and what changed.

    Args:
        before: the earlier settings; None where the log of runs does not tell them.
    """
    if before is None:
        names = ", ".join(flag_of(name) for name in DECIDING)
        return (
            "give the settings as they were",
            f"the log of runs does not tell which; they are among {names}, or the content of a file that one names",
        )
    differing = _differences(before, ctx.settings)
    if differing:
        flags = _flags([*_languages_again(before, ctx.settings, differing), *differing])
        return f"give the settings as they were ({flags})", _listed(differing)
    settings, parts = ctx.settings, []
    if not settings.no_lid:
        parts.append(f"the model or the release of the language identifier {settings.lid}")
    if settings.blocklist:
        parts.append(f"the content of --blocklist {settings.blocklist}")
    if settings.robots:
        parts.append(f"the build of --robots {settings.robots}")
    if settings.filter:
        parts.append(f"the code of --filter {', '.join(settings.filter)}")
    if not parts:
        parts.append(f"a default of this release, {__version__}")
    return (
        "use the versions as they were (`metaclip-spark runs show` names the releases of the earlier run)",
        f"all flags are the same, so what differs is {' or '.join(parts)}",
    )


def _settings_of(ctx: Context, extract_id: str, options: ExtractOptions | None) -> Settings | None:
    """Return the settings that a hash stands for; None where the log of runs does not tell them.

    The hash covers the contents of what some settings name, and these cannot be loaded again as they were. So where no
    attempt has the hash, the settings of the attempts that were not refused count, if they are all the same.
    """
    attempts = [event for event in ctx.log.events if _has_read(event, ctx)]
    known = [(event, settings) for event in attempts if (settings := _as_settings(event)) is not None]
    for _, settings in reversed(known):
        if _extract_id(settings, ctx.settings, options) == extract_id:
            return settings
    went_on = {
        event.attempt_id
        for event in ctx.log.events
        if event.event == "finished" or isinstance(event, StageEvent) and event.stage == "dedup"
    }
    accepted = [settings for event, settings in known if event.attempt_id in went_on]
    if not accepted or any(_differences(settings, accepted[-1]) for settings in accepted):
        return None
    return accepted[-1]


def _is_same(ctx: Context, extract_id: str, options: ExtractOptions) -> bool:
    """Return whether a hash stands for the settings of now, but for the order of what has none."""
    if extract_id == options.extract_id:
        return True
    before = _settings_of(ctx, extract_id, options)
    if before is None or _differences(before, ctx.settings):
        return False
    return _extract_id(before, ctx.settings, options) == extract_id  # what the settings name has the same content


def _has_read(event: Event, ctx: Context) -> bool:
    """Return whether an event is the start of a command that was given sources of this snapshot, with this list."""
    if event.event != "started" or ctx.metadata_id not in event.metadata_ids:
        return False
    detail, snapshot = event.detail, ctx.settings.snapshot
    if detail.get("crawl"):
        return snapshot in (detail["crawl"] if detail.get("snapshot", "default") == "default" else [detail["snapshot"]])
    return bool(detail.get("input")) and detail.get("snapshot") == snapshot


def _as_settings(event: Event) -> Settings | None:
    known = {name: value for name, value in event.detail.items() if name in DECIDING}
    try:
        return Settings(**known)
    except ValueError:  # a value that this release refuses
        return None


def _extract_id(settings: Settings, now: Settings, options: ExtractOptions | None) -> str | None:
    """Return the hash that settings have today; None where it covers contents that are not loaded."""
    known = options or ExtractOptions()
    files = [(each.blocklist, each.filter, each.robots) for each in (settings, now)]
    same_files = files[0] == files[1] and options is not None
    if any(files[0]) and not same_files:
        return None
    blocklist, filters, robots = (known.blocklist, known.filters, known.robots) if same_files else (None, (), None)
    identifier = None
    if not settings.no_lid:
        same = options is not None and (settings.lid, settings.no_lid) == (now.lid, now.no_lid)
        identifier = known.identifier if same else _identifier(settings.lid)
        if identifier is None:
            return None
    return settings.extract_options(identifier, blocklist, filters, robots).extract_id


@cache
def _identifier(name: str) -> str | None:
    """Return the id of a built-in identifier; None where it is not built in, or cannot be loaded."""
    if name not in IDENTIFIERS:
        return None
    try:
        loaded = load_identifier(name)
    except MetaclipError:
        return None
    return f"{loaded.name}:{loaded.version}"


def _differences(before: Settings, now: Settings) -> list[Difference]:
    names = [name for name in DECIDING if _differs(_value(before, name), _value(now, name), name)]
    found = [Difference(name, _value(before, name), _value(now, name)) for name in names if name != "languages"]
    if "languages" in names and _differs(before.wanted_languages, now.wanted_languages, "languages"):
        # Texts without a language code had no --languages, and with it the command would be refused again.
        wanted = before.wanted_languages or before.languages or ()
        found.append(Difference("languages", wanted, now.wanted_languages))
    return sorted(found, key=lambda each: DECIDING.index(each.name))


def _languages_again(before: Settings, now: Settings, differing: list[Difference]) -> list[Difference]:
    """Return the difference of --languages that shows only when texts have a language code as they had before."""
    languages = _value(before, "languages"), _value(now, "languages")
    names = {each.name for each in differing}
    hidden = "languages" not in names and bool(names & {"no_lid", "lang_column"})
    return [Difference("languages", *languages)] if hidden and _differs(*languages, "languages") else []


def _differs(before: Any, now: Any, name: str) -> bool:
    return bool(set(before) != set(now) if name in _SETS else before != now)


def _value(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    return _DEFAULTS.get(name) if value is None else value


def _shown(value: Any, none: str) -> str:
    if value in (None, ()):
        return none
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _listed(differing: list[Difference]) -> str:
    return "; ".join(map(str, differing))


def _flags(differing: list[Difference]) -> str:
    return ", ".join(each.flag for each in differing)
