"""Settings: flags and YAML end in one checked object, and each error names where its value came from."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.config.merge import make_settings
from metaclip_spark.config.setting import Group
from metaclip_spark.config.settings import OF_COMMAND, SETTINGS, THINNING, Settings, settings_in
from metaclip_spark.core.sampling import TAIL_FRACTION
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.errors import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """Write conf.yaml into the current folder and return its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("conf.yaml").write_text(text, encoding="utf-8")
        return "conf.yaml"

    return write


def refusal(flags: dict, config: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        make_settings(flags, config)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_are_those_of_the_paper():
    """Without flags, the tail fraction is 6%, the seed 0, and the unit a pair."""
    settings = make_settings({})
    assert settings == Settings()
    assert settings.chosen_tail_fraction == TAIL_FRACTION == 0.06
    assert (settings.seed, settings.unit, settings.url_column, settings.text_column) == (0, "pair", "url", "text")
    assert (settings.files_per_commit, settings.allow_incomplete, settings.master) == (None, "0", None)
    assert settings.snapshot == "default"


def test_a_flag_wins_over_the_file(conf):
    """A value of the file counts unless a flag replaces it."""
    path = conf("seed: 7\nthreshold: 100\nkeep_unmatched: true\nurl_column: link\n")
    settings = make_settings({"seed": 3}, path)
    assert (settings.seed, settings.threshold, settings.keep_unmatched, settings.url_column) == (3, 100, True, "link")


def test_a_flag_that_chooses_t_wins_over_another_way_in_the_file(conf):
    """--threshold replaces the file's tail_fraction, and vice versa; --catalog replaces the file's warehouse."""
    settings = make_settings({"threshold": 50}, conf("tail_fraction: 0.1\n"))
    assert (settings.threshold, settings.tail_fraction, settings.chosen_tail_fraction) == (50, None, None)
    settings = make_settings({"tail_fraction": 0.2}, conf("balance: {threshold: 20000}\n"))
    assert (settings.threshold, settings.chosen_tail_fraction) == (None, 0.2)
    settings = make_settings({"catalog": "main.pool"}, conf("warehouse: /tmp/w\n"))
    assert (settings.catalog, settings.warehouse) == ("main.pool", None)


def test_sections_only_group_keys(conf):
    """The name of a section has no meaning, `input` and `metadata` may be sections too, and dashes are underscores."""
    path = conf(
        "input: {input: [a.parquet, b.parquet], url-column: link}\n"
        "metadata: {metadata: list.json}\n"
        "anything: {tail-fraction: 0.1, keep-columns: 'w, h,w'}\n"
        "spark: {spark.a: true, spark.b: 3}\n"
    )
    settings = make_settings({}, path)
    assert settings.input == ("a.parquet", "b.parquet")
    assert (settings.url_column, settings.metadata, settings.tail_fraction) == ("link", "list.json", 0.1)
    assert settings.keep_columns == ("w", "h")
    assert settings.spark == {"spark.a": "true", "spark.b": "3"}


def test_one_string_is_a_list_of_one(conf):
    """A single input needs no brackets, and it is not split at commas."""
    assert make_settings({}, conf("input: a,b.parquet\n")).input == ("a,b.parquet",)


def test_spark_settings_may_be_a_map_a_list_or_one_setting(conf):
    """All three give the same settings."""
    for text in ("spark: {spark.a: x}\n", "spark: [spark.a=x]\n", "spark: spark.a=x\n"):
        assert make_settings({}, conf(text)).spark == {"spark.a": "x"}


def test_an_empty_file_changes_nothing(conf):
    """A file without keys is valid."""
    assert make_settings({}, conf("")) == Settings()
    assert make_settings({}, conf("# only words\n")) == Settings()


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path):
    """Each file in conf/ is read without an error."""
    make_settings({}, str(path))


@pytest.mark.parametrize("value", [0, -1, "0"])
def test_t_is_at_least_one(value):
    """t = 0 would drop every pair; the error names the value and that of the paper."""
    message = refusal({"threshold": value})
    assert message.startswith(f"threshold must be >= 1, got {value}")
    assert "MetaCLIP-400M used 20000" in message
    assert "(flag --threshold)" in message


def test_an_error_names_the_files_key(conf):
    """A value from the file is traced to its section and key."""
    message = refusal({}, conf("balance:\n  threshold: 0\n"))
    assert message.startswith("threshold must be >= 1, got 0")
    assert "(conf.yaml: balance.threshold)" in message
    assert "(conf.yaml: seed)" in refusal({}, conf("seed: many\n"))


def test_an_error_of_a_flag_that_replaces_the_files_value_names_the_flag(conf):
    """The error is about the value that counts."""
    assert "(flag --threshold)" in refusal({"threshold": 0}, conf("threshold: 5\n"))


def test_a_wrong_value_that_a_flag_replaces_is_no_error(conf):
    """A wrong value that a flag replaces is not checked."""
    assert make_settings({"threshold": 5}, conf("threshold: 0\n")).threshold == 5


def test_several_errors_are_a_sentence_each(conf):
    """All errors are reported at once, one line each."""
    message = refusal({"seed": "x", "matcher": "regex"}, conf("threshold: 0\n")).splitlines()
    assert len(message) == 3
    assert all(line.endswith(".") for line in message)
    for word in ("seed", "matcher", "threshold"):
        assert sum(line.startswith(word) for line in message) == 1


@pytest.mark.parametrize("value", ["abc", "1.5", "", "1e3x"])
def test_t_is_a_whole_number(value):
    """The error shows the value as it was typed."""
    assert f"got '{value}' (flag --threshold)." in refusal({"threshold": value})


@pytest.mark.parametrize("value", [0, 1, -0.1, 6, "nan"])
def test_tail_fraction_is_inside_of_zero_and_one(value):
    """6 is not 6%: the error names the tail fraction of the paper."""
    message = refusal({"tail_fraction": value})
    assert message.startswith("tail_fraction must be between 0 and 1, got ")
    assert "0.06" in message


@pytest.mark.parametrize(
    "flags",
    [
        {"threshold": 5, "tail_fraction": 0.1},
        {"threshold": 5, "target_size": 10},
        {"tail_fraction": 0.1, "target_size": 10},
    ],
)
def test_two_ways_to_choose_t_are_refused(flags, conf):
    """The error names both, whether they are flags or keys of the file."""
    first, second = ("--" + name.replace("_", "-") for name in flags)
    expected = f"{first} and {second} both choose t; give one of them."
    assert refusal(flags) == expected
    body = "".join(f"{name}: {value}\n" for name, value in flags.items())
    assert refusal({}, conf(body)) == expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"target_size": 0}, "target_size: input should be greater than or equal to 1, got 0 (flag --target-size)."),
        ({"unit": "text"}, "got 'text' (flag --unit)."),
        ({"warehouse": "w", "catalog": "c.s"}, "--warehouse and --catalog both say where the tables are"),
        ({"id_column": "uid"}, "--id-column names the pool's own key, which needs --no-dedup"),
        (
            {"languages": "en", "no_lid": True},
            "--languages needs the language of each text: remove --no-lid, or give --lang-column.",
        ),
        ({"input": "a", "crawl": "CC-MAIN-2024-51"}, "--input and --crawl both say what to read; give one of them"),
        ({"format": "wet", "crawl": "CC-MAIN-2024-51"}, "got 'wet' (flag --format)."),
        ({"robots_for": "image"}, "--robots-for says where --robots is applied; add --robots"),
        ({"robots": "r", "robots_for": "host"}, "got 'host' (flag --robots-for)."),
        ({"max_files": 0}, "got 0 (flag --max-files)."),
        ({"retry": "partial,done"}, "retry must be one of partial, failed, got 'done' (flag --retry)."),
        (
            {"opt_outs": "noia"},
            "opt_outs must be one of noai, noimageai, tdm, noml, content-usage, content-signal, noindex, noimageindex, "
            "got 'noia'",
        ),
        ({"text_fields": "alt,caption"}, "text_fields must be one of alt, title, data-image-title, aria-label, "),
        ({"min_lang_score": 1.5}, "got 1.5 (flag --min-lang-score)."),
        ({"min_words": -1}, "got -1 (flag --min-words)."),
        ({"matcher": "regex"}, "matcher must be one of auto, phrases, ahocorasick"),
        ({"snapshot": "a b"}, "snapshot: expected letters, digits and . _ - +, got 'a b' (flag --snapshot)."),
        ({"snapshot": "../x"}, "got '../x'"),
        ({"snapshot": ""}, "got ''"),
        ({"run_id": "a b"}, "run_id: expected letters, digits and . _ - +, got 'a b' (flag --run-id)."),
        (
            {"pinned": "pairs="},
            "pinned: expected TABLE=VERSION pairs with commas between them, got 'pairs=' (flag --pinned).",
        ),
        ({"pinned": "pairs=1,,"}, "got 'pairs=1,,'"),
        ({"allow_incomplete": "some"}, "expected a number of sources or a percentage such as 2%, got 'some'"),
        ({"allow_incomplete": "-1"}, "got '-1'"),
        ({"files_per_commit": 0}, "got 0 (flag --files-per-commit)."),
        ({"lease_seconds": 1}, "got 1 (flag --lease-seconds)."),
        ({"rejects_per_reason": -1}, "got -1"),
        ({"spark": ("spark.a",)}, "spark: expected NAME=VALUE (flag --spark)."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_values_are_refused_in_one_sentence(flags, words):
    """Each error names the value or what to give instead, on one line."""
    message = refusal(flags)
    assert words in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("treshold: 5\n", "conf.yaml: unknown key treshold; expected one of input, crawl, "),
        ("balance: {treshold: 5}\n", "conf.yaml: unknown key balance.treshold; expected one of "),
        ("5: 6\n", "unknown key 5;"),
        ("- a\n- b\n", "config conf.yaml contains a list; expected keys and values."),
        ("just words\n", "config conf.yaml contains a str; expected keys and values."),
        ("a: [1,\n b: {\n", "config conf.yaml is not YAML: "),
        ("input: 5\n", "(conf.yaml: input)."),
        ("input:\n", "(conf.yaml: input)."),
        ("keep_columns: [a, {b: c}]\n", "(conf.yaml: keep_columns)."),
        ("spark: 5\n", "(conf.yaml: spark)."),
        ("spark:\n", "(conf.yaml: spark)."),
        ("spark: [a=1, b]\n", "spark: expected NAME=VALUE (conf.yaml: spark)."),
        ("allow_incomplete: [1]\n", "(conf.yaml: allow_incomplete)."),
    ],
)
def test_files_that_are_no_configuration_are_refused(conf, text, words):
    """A mistyped key does not silently give the default; the error names the file."""
    message = refusal({}, conf(text))
    assert words in message
    assert "\n" not in message


def test_a_configuration_that_cannot_be_read_is_refused(tmp_path):
    """A missing file, a folder, and a file that is not UTF-8 are refused."""
    assert refusal({}, str(tmp_path / "gone.yaml")).startswith(f"config {tmp_path}/gone.yaml cannot be read: ")
    assert "cannot be read" in refusal({}, str(tmp_path))
    (tmp_path / "latin.yaml").write_bytes(b"snapshot: caf\xe9\n")
    assert "cannot be read" in refusal({}, str(tmp_path / "latin.yaml"))


def test_lists_of_names_are_split_at_commas_once_each():
    """A,B and a repeated flag give the same list, without empty names and repeats."""
    settings = make_settings({"keep_columns": "w, h,,w", "snapshots": ("a,b", "c", "a")})
    assert settings.keep_columns == ("w", "h")
    assert settings.snapshots == ("a", "b", "c")


@pytest.mark.parametrize(
    ("amount", "sources", "allowed"),
    [("0", 100, 0), ("3", 2, 3), ("2%", 100, 2), ("2%", 49, 0), ("1.5%", 200, 3), ("100%", 7, 7), (5, 9, 5)],
)
def test_allowed_incomplete_sources(amount, sources, allowed):
    """A percentage is of the sources of this command, and is rounded down."""
    assert make_settings({"allow_incomplete": amount}).allowed_incomplete(sources) == allowed


def test_extraction_gets_its_settings():
    """Each setting that decides which rows leave a source reaches extraction."""
    settings = make_settings(
        {
            "url_column": "u",
            "text_column": "t",
            "lang_column": "l",
            "id_column": "i",
            "keep_columns": "k,m",
            "languages": "en,de",
            "keep_unmatched": True,
            "no_dedup": True,
            "rejects_per_reason": 3,
            "text_fields": "alt,og:title",
            "opt_outs": "none",
            "min_chars": 1,
            "max_chars": 2,
            "min_words": 3,
            "max_words": 4,
            "no_file_names": True,
            "no_digits": True,
            "image_extensions": ".JPG,png",
            "min_lang_score": 0.5,
        }
    )
    options = settings.extract_options("lid:1", "domains", ("own:filter@1",), "build")
    assert (options.robots, options.robots_for) == ("build", "page")
    robots = make_settings({"robots": "r", "robots_for": "both"}).extract_options(robots="build")
    assert (robots.robots, robots.robots_for) == ("build", "both")
    assert robots.extract_id != replace(robots, robots_for="image").extract_id
    assert (options.text_fields, options.opt_outs) == (("alt", "og:title"), ())
    assert (options.min_chars, options.max_chars, options.min_words, options.max_words) == (1, 2, 3, 4)
    assert (options.no_file_names, options.no_digits, options.image_extensions) == (True, True, ("jpg", "png"))
    assert (options.identifier, options.blocklist, options.filters) == ("lid:1", "domains", ("own:filter@1",))
    assert options.min_lang_score == 0.5
    assert (options.url_column, options.text_column, options.lang_column, options.id_column) == ("u", "t", "l", "i")
    assert (options.keep_columns, options.languages) == (("k", "m"), ("en", "de"))
    assert (options.keep_unmatched, options.dedup, options.sample_cap) == (True, False, 3)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({}, ("en",)),
        ({"languages": "de, fr"}, ("de", "fr")),
        ({"languages": "all"}, ()),
        ({"no_lid": True}, ()),
        ({"no_lid": True, "lang_column": "lang"}, ("en",)),
        ({"no_lid": True, "lang_column": "lang", "languages": "de"}, ("de",)),
    ],
)
def test_english_is_kept_unless_other_languages_are_given_or_languages_are_unknown(flags, wanted):
    """The default is that of the paper. Without identification and without a column, every text is kept."""
    assert make_settings(flags).extract_options().languages == wanted


def test_settings_do_not_change_once_made():
    """Settings are frozen after the check."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 5


def test_every_setting_has_a_description():
    """The description of a setting is the help text of its flag."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_setting_has_a_group():
    """--help shows each setting once, under the heading of its group."""
    assert list(SETTINGS) == list(Settings.model_fields)
    listed = [name for group in Group for name in settings_in(group)]
    assert sorted(listed) == sorted(SETTINGS)
    assert all(settings_in(group) for group in Group)


def test_a_value_has_a_metavar_and_a_switch_has_none():
    """--help names the kind of each value."""
    switches = {name for name, field in Settings.model_fields.items() if field.annotation is bool}
    assert {name for name, setting in SETTINGS.items() if setting.metavar is None} == switches


def test_sets_of_settings_are_these():
    """A new setting joins one of these sets only on purpose."""
    assert THINNING == ("survivors", "drawn_from", "where", "group")
    assert {"run_id", "pinned", "outcome", "spark", "wait", "log_format", "metrics"} == OF_COMMAND


def test_extraction_and_settings_have_the_same_defaults():
    """Options that are read from a setting of the same name start with its default."""
    defaults = {field.name: field.default for field in fields(ExtractOptions) if field.name in Settings.model_fields}
    assert len(defaults) == 25
    options = Settings().extract_options()
    assert {name: getattr(options, name) for name in defaults if name != "languages"} == {
        name: default for name, default in defaults.items() if name != "languages"
    }


def test_personal_data_is_part_of_the_run_id_when_it_is_looked_for():
    """YAML reads off as a truth value; off is the same as none, and another word is refused."""
    plain = Settings()
    for off in ("off", False, None):
        assert Settings(pii=off).pii is None
        assert Settings(pii=off).run_id_values == plain.run_id_values
        assert Settings(pii=off).extract_options().extract_id == plain.extract_options().extract_id
    assert Settings(pii="mask").run_id_values == {**plain.run_id_values, "pii": "mask"}
    with pytest.raises(ValueError, match="Input should be 'drop', 'mask' or 'off'"):
        Settings(pii="hide")


def test_secrets_are_hidden_where_settings_are_stored():
    """Values of Spark settings with a secret's name are hidden; the names stay."""
    spark = {"spark.a": "1", "spark.hadoop.fs.s3a.secret.key": "x", "spark.password": "y"}
    shown = Settings(spark=spark).without_secrets()
    assert shown["spark"] == {
        "spark.a": "1",
        "spark.hadoop.fs.s3a.secret.key": "(hidden)",
        "spark.password": "(hidden)",
    }
    assert shown == Settings(spark=spark).model_dump() | {"spark": shown["spark"]}


@pytest.mark.parametrize(
    ("flags", "weights"),
    [
        ({}, None),
        ({"weight": "score"}, PairWeights("score")),
        ({"weight": "score", "weight_missing": "error"}, PairWeights("score")),
        ({"weight": "score", "weight_missing": 1}, PairWeights("score", 1.0)),
        ({"weight": "score", "weight_missing": "25%"}, PairWeights("score", 0.25)),
        ({"language_weights": "en=0.5, de=1"}, PairWeights(None, None, (("de", 1.0), ("en", 0.5)))),
        ({"language_weights": {"de": "50%"}}, PairWeights(None, None, (("de", 0.5),))),
    ],
)
def test_settings_of_weights(flags, weights):
    """A column, what a missing value weighs, and languages; a map in YAML."""
    assert make_settings(flags).pair_weights == weights


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ({"weight": " "}, "expected the name of a kept column, got an empty one"),
        (
            {"weight_missing": "1"},
            "--weight-missing is for the pairs without a value in --weight; give --weight COLUMN",
        ),
        ({"weight": "s", "weight_missing": "2"}, "must be error, or a weight between 0 and 1, got '2'"),
        ({"weight": "s", "weight_missing": "nan"}, "must be error, or a weight between 0 and 1, got 'nan'"),
        ({"weight": "s", "weight_missing": "drop"}, "expected a number between 0 and 1"),
        (
            {"language_weights": "en"},
            "expected LANGUAGE=W pairs with commas between them, each language once, got 'en'",
        ),
        ({"language_weights": "en=1,en=0"}, "each language once, got 'en=1,en=0'"),
        ({"language_weights": "=1"}, "each language once, got '=1'"),
        ({"language_weights": "en=1.5"}, "every weight must be between 0 and 1, got {'en': 1.5}"),
        ({"language_weights": "en=-0.5"}, "every weight must be between 0 and 1, got {'en': -0.5}"),
        ({"language_weights": "en=nan"}, "every weight must be between 0 and 1, got {'en': nan}"),
        ({"language_weights": "en=half"}, "expected a number between 0 and 1, or a percentage such as 6%, got 'half'"),
    ],
)
def test_wrong_weights_are_refused(flags, error):
    """Before anything starts."""
    assert error in refusal(flags)
