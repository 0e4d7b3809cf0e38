"""The settings of an earlier extraction: which commands are refused, and what the sentence says. Without Spark."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from metaclip_spark.candidates.options import DEFAULT_OPT_OUTS
from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.earlier_settings import DECIDING, LAYOUT, Stored, check_dedup, check_settings
from metaclip_spark.warehouse.events import Event, StageEvent

IDENTIFIER = "lid176:1"


class Past:
    """A warehouse's snapshot `s` with its log; each `read` is a command that extracted sources."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.planned: list[dict[str, Any]] = []
        self.done: dict[str, str] = {}
        self.staged: dict[tuple[str, int], str] = {}

    def read(self, *paths: str, status: str = "done", extract_id: str | None = None, **settings: Any) -> Past:
        """Add sources with these settings; status None: they are planned only."""
        self.start(**settings)
        self.events.append(self._event("finished", {}))
        of_settings = Settings(**settings).extract_options(self._identifier(settings)).extract_id
        for path in paths:
            self.planned.append({"source_path": path, "split": 0, "extract_id": extract_id or of_settings})
            if status == "staged":
                self.staged[path, 0] = "done"
            elif status != "unread":
                self.done[path] = status
        return self

    def start(self, end: str = "failed", **settings: Any) -> Past:
        """Add the events of an attempt that was refused."""
        config = Settings(**{"input": ("in",), "snapshot": "s", **settings}).without_secrets()
        self.events.append(self._event("started", config))
        return self

    def check(self, *paths: str, identifier: str | None = "", retry: tuple[str, ...] = (), **settings: Any) -> None:
        """Check a command that is given these sources with these settings."""
        now = Settings(**settings, snapshot="s", retry=retry)
        options = now.extract_options(self._identifier(settings) if identifier == "" else identifier)
        self.start(**settings)  # the command itself is in the log already
        sources = [SimpleNamespace(source_path=path) for path in paths]
        check_settings(self.context(now), self.stored(), sources, options)

    def refusal(self, *paths: str, **about: Any) -> str:
        """Return the sentence with which a command is refused."""
        with pytest.raises(ConfigError) as refused:
            self.check(*paths, **about)
        assert refused.value.exit_code == 2
        return str(refused.value)

    def context(self, settings: Settings) -> Any:
        """Return the context of a command."""
        return SimpleNamespace(settings=settings, metadata_id="m", log=SimpleNamespace(events=self.events))

    def stored(self) -> Stored:
        """Return the rows of the tables."""
        return Stored(self.planned, self.done, self.staged)

    def _identifier(self, settings: dict[str, Any]) -> str | None:
        return None if settings.get("no_lid") else IDENTIFIER

    def _event(self, event: str, config: dict[str, Any]) -> Event:
        at = datetime(2026, 1, 1, tzinfo=timezone.utc)
        attempt = str(sum(each.event == "started" for each in self.events) + (event == "started"))
        return Event(event, "run", attempt, at, ("m",), json.dumps(config), {})


@pytest.fixture
def past(monkeypatch) -> Past:
    """Return an empty past, in which the built-in identifier has one version."""
    monkeypatch.setattr("metaclip_spark.steps.earlier_settings._identifier", lambda name: IDENTIFIER)
    return Past()


def test_other_languages_are_refused_with_both_values_and_the_ways_out(past):
    """The whole sentence: what differs, that nothing was read, and what to do."""
    assert past.read("a", "b").refusal("a", "b", languages=("en", "de")) == (
        "snapshot 's' was extracted with other settings: --languages was en and is en,de (e.g. a). Nothing was read. "
        "To go on with this snapshot, give the settings as they were (--languages en). To read the sources with the "
        "settings of now, use `snapshots replace s`: another --snapshot would get "
        "only the pairs that this snapshot lacks. `metaclip-spark balance` draws from the stored pairs as they are."
    )


DEFAULT = ",".join(DEFAULT_OPT_OUTS)
OLDER = "noai,noimageai,tdm"
"""The default of releases before noml, content-usage and content-signal."""

CASES: dict[str, tuple[Any, str, str]] = {
    "url_column": ("u", "was url and is u", "--url-column url"),
    "text_column": ("t", "was text and is t", "--text-column text"),
    "lang_column": ("l", "was not given and is l", "without --lang-column"),
    "keep_columns": (("a", "b"), "was not given and is a,b", "without --keep-columns"),
    "languages": ("all", "was en and is all", "--languages en"),
    "text_fields": (("alt",), "was alt,title,data-image-title and is alt", "--text-fields alt,title,data-image-title"),
    "opt_outs": ("none", f"was {DEFAULT} and is none", f"--opt-outs {DEFAULT}"),
    "min_chars": (1, "was 0 and is 1", "without --min-chars"),
    "max_chars": (9, "was 0 and is 9", "without --max-chars"),
    "min_words": (3, "was 0 and is 3", "without --min-words"),
    "max_words": (9, "was 0 and is 9", "without --max-words"),
    "no_file_names": (True, "was off and is on", "without --no-file-names"),
    "no_digits": (True, "was off and is on", "without --no-digits"),
    "image_extensions": (("jpg",), "was not given and is jpg", "without --image-extensions"),
    "min_lang_score": (0.5, "was 0.0 and is 0.5", "without --min-lang-score"),
    "keep_unmatched": (True, "was off and is on", "without --keep-unmatched"),
    "text_cap": (100, "was 16384 and is 100", "--text-cap 16384"),
    "link_cap": (100, "was 20000 and is 100", "--link-cap 20000"),
    "quoting": ("none", "was auto and is none", "--quoting auto"),
    "pii": ("mask", "was not given and is mask", "without --pii"),
    "no_lid": (True, "was off and is on", "without --no-lid"),
    "no_dedup": (True, "was off and is on", "without --no-dedup"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_setting_that_decides_about_rows_is_refused_by_name(past, name):
    """Each is named with the value before and now, and the flag that brings the earlier value back."""
    value, changed, flag = CASES[name]
    sentence = past.read("a").refusal("a", **{name: value})
    named = "--" + name.replace("_", "-")
    assert f"other settings: {named} {changed} (e.g. a)." in sentence
    assert f"give the settings as they were ({flag})." in sentence


def test_the_table_of_cases_has_every_deciding_setting():
    """A setting that is added to extraction gets a case; those that name objects have tests of their own."""
    assert set(CASES) == set(DECIDING) - {"id_column", "blocklist", "lid", "filter", "unsure", "robots", "robots_for"}
    assert set(LAYOUT) < set(DECIDING)


def test_what_happens_to_unsure_texts_decides_where_each_language_has_a_list(past):
    """Without lists of languages, the setting does not exist."""
    refused = past.read("a", worldwide=True).refusal("a", worldwide=True, unsure="drop")
    assert "other settings: --unsure was other and is drop (e.g. a)." in refused
    past.check("a", "b", worldwide=True, unsure="other")


@pytest.mark.parametrize(
    ("before", "now", "changed", "flags"),
    [
        ({"no_lid": True}, {}, "--no-lid was on and is off", "--no-lid"),
        ({"opt_outs": "none"}, {}, f"--opt-outs was none and is {DEFAULT}", "--opt-outs none"),
        ({"opt_outs": OLDER}, {}, f"--opt-outs was {OLDER} and is {DEFAULT}", f"--opt-outs {OLDER}"),
        (
            {"id_column": "k", "no_dedup": True},
            {},
            "--id-column was k and is not given; --no-dedup was on and is off",
            "--id-column k, --no-dedup",
        ),
        (
            {"min_words": 3, "languages": "de"},
            {},
            "--languages was de and is en; --min-words was 3 and is 0",
            "--languages de, --min-words 3",
        ),
    ],
)
def test_settings_that_are_left_out_now_are_named_too(past, before, now, changed, flags):
    """The earlier value may be the unusual one."""
    sentence = past.read("a", **before).refusal("a", **now)
    assert f"other settings: {changed} (e.g. a)." in sentence
    assert f"as they were ({flags})." in sentence


def test_the_same_settings_pass_however_they_are_written(past):
    """A default that is spelt out, another threshold, and another order of work are the same settings."""
    past.read("a", languages=None)
    past.check("a", "b", languages=("en",), quoting="auto", text_cap=16_384, threshold=7, rejects_per_reason=3)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"languages": ("en", "de")}, {"languages": ("de", "en")}),
        ({"opt_outs": ("tdm", "noai")}, {"opt_outs": ("noai", "tdm")}),
        ({"image_extensions": ("jpg", "png")}, {"image_extensions": ("png", "jpg")}),
    ],
)
def test_another_order_of_a_set_is_the_same_setting(past, before, now):
    """For sources that were read, that are unfinished, and that are new."""
    past.read("a", **before).read("b", status="unread", **before)
    past.check("a", "b", "c", **now)
    past.check("c", **now)
    sentence = past.refusal("a", min_words=3, **now)
    assert "other settings: --min-words was 0 and is 3 (e.g. a)." in sentence


def test_another_order_is_refused_where_the_hash_is_not_known(past):
    """What the settings name may have changed."""
    past.read("a", extract_id="of another model", languages=("en", "de"))
    assert "all flags are the same, so what differs is the model" in past.refusal("a", languages=("de", "en"))


def test_the_languages_that_count_are_compared(past):
    """With --no-lid, every language is kept; the flags bring all earlier settings back."""
    sentence = past.read("a", languages="all").refusal("a", no_lid=True)
    assert "other settings: --no-lid was off and is on (e.g. a)." in sentence
    assert "as they were (--languages all, without --no-lid)." in sentence
    assert "--languages was de and is all; --no-lid was off and is on" in Past().read("a", languages="de").refusal(
        "a", no_lid=True
    )


def test_texts_without_a_language_code_had_no_languages(past):
    """With --no-lid and no --lang-column, a command with --languages is refused, so it is to be left out."""
    sentence = past.read("a", no_lid=True).refusal("a", no_lid=True, languages="en,de", lang_column="lang")
    assert "--languages was all and is en,de" in sentence
    assert "as they were (without --lang-column, without --languages)." in sentence


def test_new_sources_with_other_rules_are_refused(past):
    """Pairs of two rules are never mixed in one snapshot."""
    assert past.read("a", min_words=3).refusal("b") == (
        "snapshot 's' was extracted with other settings: --min-words was 3 and is 0. New sources would be mixed with "
        "its pairs, so nothing was read. To add them to this snapshot, give the settings as they were (--min-words 3). "
        "To read them with the settings of now, give another --snapshot, or use `snapshots replace s` to "
        "read all sources with them."
    )


@pytest.mark.parametrize("name", LAYOUT)
def test_new_sources_may_have_another_layout(past, name):
    """Files with other names of columns add to the same snapshot. The files that were read keep theirs."""
    value = CASES[name][0]
    past.read("a").check("b", **{name: value})
    past.read("b", **{name: value}).check("a")
    past.check("b", **{name: value})
    assert "other settings" in past.refusal("a", "b", **{name: value})


def test_a_command_without_new_sources_passes_in_a_snapshot_that_was_mixed_before(past):
    """An earlier release mixed rules. What it made is still recognised."""
    past.read("a").read("b", min_words=3)
    past.check("a")
    past.check("b", min_words=3)
    assert "--min-words was 3 and is 0" in past.refusal("a", "c")


@pytest.mark.parametrize("retry", [("failed",), ("partial", "failed")])
def test_a_failed_source_may_be_retried_with_other_settings(past, retry):
    """Nothing of it is stored. Without --retry, the sentence names the flag."""
    past.read("a", status="failed")
    past.check("a", text_column="caption", retry=retry)
    past.check("a", min_words=3, retry=retry)
    assert past.refusal("a", text_column="caption").endswith(
        "Nothing was read. These sources failed: --retry failed reads them again with the settings of now. Otherwise, "
        "give the settings as they were (--text-column text)."
    )


def test_a_failed_source_beside_read_ones_keeps_their_rules(past):
    """A retry adds to the snapshot, as new sources do."""
    past.read("a").read("b", status="failed", text_column="missing")
    past.check("b", text_column="caption", retry=("failed",))
    assert "New sources would be mixed" in past.refusal("b", min_words=3, retry=("failed",))
    assert "(e.g. a). Nothing was read." in past.refusal("a", "b", min_words=3, retry=("failed",))


def test_a_partial_source_is_not_retried_with_other_settings(past):
    """Its pairs stay, so reading it again would mix."""
    past.read("a", status="partial")
    past.check("a", retry=("partial",))
    assert "--min-words was 0 and is 3" in past.refusal("a", min_words=3, retry=("partial", "failed"))


def test_an_unfinished_extraction_is_finished_with_its_settings(past):
    """Even if the command is given other sources: the planned ones would be read with its settings."""
    past.read("a", "b", status="unread")
    for given in ("a", "c"):
        assert past.refusal(given, text_column="t") == (
            "snapshot 's' has 2 sources of an unfinished extraction with other settings: --text-column was text and is "
            "t (e.g. a). Nothing was read. To finish it, give the settings as they were (--text-column text). To read "
            "everything with the settings of now, use `snapshots replace s`."
        )


def test_extracted_sources_that_wait_for_deduplication_count_as_read(past):
    """`extract`, then `run` with other settings."""
    past.read("a", status="staged")
    past.check("a")
    past.check("b", text_column="t")
    assert "--languages was en and is de" in past.refusal("a", languages="de")


def test_refused_attempts_are_not_taken_for_the_extraction(past):
    """They are in the log, too, with the settings that were refused."""
    past.read("a", languages="fr")
    for _ in range(2):
        assert "--languages was fr and is de" in past.refusal("a", languages="de")


def test_another_version_of_the_identifier_is_named(past):
    """All flags are the same, so the sentence says what they name."""
    past.read("a", extract_id="of another model")
    assert past.refusal("a") == (
        "snapshot 's' was extracted with other settings: all flags are the same, so what differs is the model or the "
        "release of the language identifier lid176 (e.g. a). Nothing was read. To go on with this snapshot, use the "
        "versions as they were (`metaclip-spark runs show` names the releases of the earlier run). To read the sources "
        "with the settings of now, use `snapshots replace s`: another --snapshot would get "
        "only the pairs that this snapshot lacks. `metaclip-spark balance` draws from the stored pairs as they are."
    )
    assert "New sources would be mixed" in past.refusal("b")


def test_other_contents_of_named_files_are_named(past):
    """A blocklist or a filter that was edited has the same flag."""
    past.read("a", no_lid=True, blocklist="block.txt", filter=("my:f",), extract_id="of the old files")
    sentence = past.refusal("a", no_lid=True, blocklist="block.txt", filter=("my:f",))
    assert "what differs is the content of --blocklist block.txt or the code of --filter my:f (e.g. a)" in sentence
    sentence = past.refusal("a", no_lid=True)
    assert "--blocklist was block.txt and is not given; --filter was my:f and is not given" in sentence
    assert "as they were (--blocklist block.txt, --filter my:f)." in sentence


def test_another_build_of_robots_rules_is_named(past):
    """A table that was built again has the same flag; the same build goes on, and another place for it is refused."""
    past.read("a", no_lid=True, robots="folder", robots_for="image", extract_id="of the old build")
    sentence = past.refusal("a", no_lid=True, robots="folder", robots_for="image")
    assert "what differs is the build of --robots folder (e.g. a)" in sentence
    sentence = past.refusal("a", no_lid=True, robots="folder")
    assert "--robots-for was image and is page" in sentence
    sentence = past.refusal("a", no_lid=True)
    assert "--robots was folder and is not given; --robots-for was image and is page" in sentence
    assert "as they were (--robots folder, --robots-for image)." in sentence


def test_a_log_that_does_not_tell_the_settings_refuses_all_the_same(past):
    """The hash alone shows that they differ."""
    past.read("a", no_lid=True)
    past.events.clear()
    sentence = past.refusal("a")
    assert "other settings: the log of runs does not tell which; they are among --url-column, " in sentence
    assert "To go on with this snapshot, give the settings as they were. To read" in sentence


def test_logs_of_other_lists_snapshots_and_commands_are_not_asked(past):
    """Their settings are not those of this snapshot."""
    past.read("a", languages="fr")
    past.events[0] = replace(past.events[0], metadata_ids=("other",))
    past.start(snapshot="other", languages="it")
    past.start(input=(), crawl=("CC-1",), snapshot="default", languages="it")
    past.start(input=(), languages="it")
    assert "the log of runs does not tell which" in past.refusal("a", languages="de")


def test_a_crawl_is_its_snapshot(past):
    """With --crawl, the snapshot is the crawl's name, which the log has under `crawl`."""
    past.read("a", languages="fr")
    past.events[0] = replace(
        past.events[0],
        config=json.dumps(Settings(crawl=("s", "t"), languages="fr").without_secrets()),
    )
    assert "--languages was fr and is de" in past.refusal("a", languages="de")


def test_dedup_has_the_settings_of_the_extraction(past):
    """A pool that is declared unique at extraction only would be half deduplicated, and the other way round."""
    past.read("a", status="staged", no_dedup=True)
    context = past.context(Settings(snapshot="s"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metaclip_spark.steps.earlier_settings.read_stored", lambda ctx: past.stored())
        check_dedup(past.context(Settings(snapshot="s", no_dedup=True)))
        with pytest.raises(ConfigError) as refused:
            check_dedup(context)
        past.done["a"] = "done"
        check_dedup(context)  # nothing waits
    assert str(refused.value) == (
        "snapshot 's' was extracted with other settings: --no-dedup was on and is off. Nothing was deduplicated. Give "
        "the settings as they were (--no-dedup)."
    )


def test_a_stage_event_shows_that_an_attempt_went_on(past):
    """A run that was interrupted after its extraction has no `finished`, but its deduplication is in the log."""
    past.read("a", extract_id="of another model", languages="fr")
    finished = past.events.pop()
    assert "does not tell which" in past.refusal("a")
    stage = StageEvent(
        "stage done", "run", finished.attempt_id, finished.at, ("m",), "{}", {}, "dedup", "s", "f", {}, 1
    )
    past.events.insert(1, stage)
    assert "--languages was fr and is en" in past.refusal("a")
