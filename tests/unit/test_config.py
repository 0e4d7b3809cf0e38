"""Settings: flags and YAML end in one checked object, and each error names where its value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from metaclip_spark.config import Settings, make_settings
from metaclip_spark.core.sampling import TAIL_FRACTION
from metaclip_spark.errors import ConfigError

ROOT = Path(__file__).parents[2]


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


def test_defaults_are_the_papers():
    """Without any flag: a tail fraction of 6%, seed 0, pairs as the unit."""
    settings = make_settings({})
    assert settings == Settings()
    assert settings.chosen_tail_fraction == TAIL_FRACTION == 0.06
    assert (settings.seed, settings.unit, settings.url_column, settings.text_column) == (0, "pair", "url", "text")
    assert (settings.files_per_commit, settings.allow_incomplete, settings.master) == (500, "0", "local[*]")
    assert settings.snapshot == "default"


def test_a_flag_wins_over_the_file(conf):
    """What stands in the file counts where no flag says otherwise."""
    path = conf("seed: 7\nthreshold: 100\nkeep_unmatched: true\nurl_column: link\n")
    settings = make_settings({"seed": 3}, path)
    assert (settings.seed, settings.threshold, settings.keep_unmatched, settings.url_column) == (3, 100, True, "link")


def test_a_flag_that_chooses_t_wins_over_another_way_in_the_file(conf):
    """--threshold puts aside the file's tail_fraction, and the other way round; --catalog the file's warehouse."""
    settings = make_settings({"threshold": 50}, conf("tail_fraction: 0.1\n"))
    assert (settings.threshold, settings.tail_fraction, settings.chosen_tail_fraction) == (50, None, None)
    settings = make_settings({"tail_fraction": 0.2}, conf("balance: {threshold: 20000}\n"))
    assert (settings.threshold, settings.chosen_tail_fraction) == (None, 0.2)
    settings = make_settings({"catalog": "main.pool"}, conf("warehouse: /tmp/w\n"))
    assert (settings.catalog, settings.warehouse) == ("main.pool", None)


def test_sections_only_group_keys(conf):
    """A section's name means nothing, input and metadata may be sections too, and dashes are underscores."""
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
    """input: pool/*.parquet needs no brackets, and its commas are its own."""
    assert make_settings({}, conf("input: a,b.parquet\n")).input == ("a,b.parquet",)


def test_spark_settings_may_be_a_map_a_list_or_one_setting(conf):
    """The three ways to write them mean the same."""
    for text in ("spark: {spark.a: x}\n", "spark: [spark.a=x]\n", "spark: spark.a=x\n"):
        assert make_settings({}, conf(text)).spark == {"spark.a": "x"}


def test_an_empty_file_changes_nothing(conf):
    """No keys are no error."""
    assert make_settings({}, conf("")) == Settings()
    assert make_settings({}, conf("# only words\n")) == Settings()


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path):
    """Each file in conf/ is read without complaint."""
    make_settings({}, str(path))


@pytest.mark.parametrize("value", [0, -1, "0"])
def test_t_is_at_least_one(value):
    """t = 0 would drop every pair; the sentence says what was got and what the paper used."""
    said = refusal({"threshold": value})
    assert said.startswith(f"threshold must be >= 1, got {value}")
    assert "MetaCLIP-400M used 20000" in said
    assert "(flag --threshold)" in said


def test_an_error_names_the_files_key(conf):
    """A value from the file is traced to its section and key."""
    said = refusal({}, conf("balance:\n  threshold: 0\n"))
    assert said.startswith("threshold must be >= 1, got 0")
    assert "(conf.yaml: balance.threshold)" in said
    assert "(conf.yaml: seed)" in refusal({}, conf("seed: many\n"))


def test_an_error_of_a_flag_that_hides_the_files_value_names_the_flag(conf):
    """The value that counts is the one that is blamed."""
    assert "(flag --threshold)" in refusal({"threshold": 0}, conf("threshold: 5\n"))


def test_a_wrong_value_that_a_flag_hides_is_no_error(conf):
    """A flag repairs what is wrong in the file."""
    assert make_settings({"threshold": 5}, conf("threshold: 0\n")).threshold == 5


def test_several_errors_are_a_sentence_each(conf):
    """All that is wrong is said at once, one line each."""
    said = refusal({"seed": "x", "matcher": "regex"}, conf("threshold: 0\n")).splitlines()
    assert len(said) == 3
    assert all(line.endswith(".") for line in said)
    for word in ("seed", "matcher", "threshold"):
        assert sum(line.startswith(word) for line in said) == 1


@pytest.mark.parametrize("value", ["abc", "1.5", "", "1e3x"])
def test_t_is_a_whole_number(value):
    """The sentence shows what was typed."""
    assert f"got '{value}' (flag --threshold)." in refusal({"threshold": value})


@pytest.mark.parametrize("value", [0, 1, -0.1, 6, "nan"])
def test_tail_fraction_is_inside_of_zero_and_one(value):
    """6 is not 6%: the sentence says what the paper's sets have."""
    said = refusal({"tail_fraction": value})
    assert said.startswith("tail_fraction must be between 0 and 1, got ")
    assert "0.06" in said


@pytest.mark.parametrize(
    "flags",
    [
        {"threshold": 5, "tail_fraction": 0.1},
        {"threshold": 5, "target_size": 10},
        {"tail_fraction": 0.1, "target_size": 10},
    ],
)
def test_two_ways_to_choose_t_are_refused(flags, conf):
    """Both are named, whether flags or the file give them."""
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
        ({"id_column": "uid"}, "--id-column takes the pool's own key, which needs --no-dedup"),
        ({"languages": "en", "no_lid": True}, "--languages needs to know languages: leave --no-lid out, or give"),
        ({"input": "a", "crawl": "CC-MAIN-2024-51"}, "--input and --crawl both say what to read; give one of them"),
        ({"format": "wet", "crawl": "CC-MAIN-2024-51"}, "got 'wet' (flag --format)."),
        ({"max_files": 0}, "got 0 (flag --max-files)."),
        ({"retry": "partial,done"}, "retry must be of partial, failed, got 'done' (flag --retry)."),
        ({"opt_outs": "noia"}, "opt_outs must be of noai, noimageai, tdm, noindex, noimageindex, got 'noia'"),
        ({"text_fields": "alt,caption"}, "text_fields must be of alt, title, data-image-title, aria-label, "),
        ({"min_lang_score": 1.5}, "got 1.5 (flag --min-lang-score)."),
        ({"min_words": -1}, "got -1 (flag --min-words)."),
        ({"matcher": "regex"}, "matcher must be one of auto, phrases, ahocorasick"),
        ({"snapshot": "a b"}, "snapshot: expected letters, digits and . _ - +, got 'a b' (flag --snapshot)."),
        ({"snapshot": "../x"}, "got '../x'"),
        ({"snapshot": ""}, "got ''"),
        ({"run_id": "a b"}, "run_id: expected letters, digits and . _ - +, got 'a b' (flag --run-id)."),
        ({"pinned": "pairs="}, "pinned: expected TABLE=VERSION with commas between, got 'pairs=' (flag --pinned)."),
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
    """Each says what was got or what to give instead, on one line."""
    said = refusal(flags)
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("treshold: 5\n", "conf.yaml: unknown key treshold; expected one of input, crawl, "),
        ("balance: {treshold: 5}\n", "conf.yaml: unknown key balance.treshold; expected one of "),
        ("5: 6\n", "unknown key 5;"),
        ("- a\n- b\n", "config conf.yaml holds a list; expected keys and values."),
        ("just words\n", "config conf.yaml holds a str; expected keys and values."),
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
    """A typing mistake in a key is no silent default; the sentence names the file."""
    said = refusal({}, conf(text))
    assert words in said
    assert "\n" not in said


def test_a_configuration_that_cannot_be_read_is_refused(tmp_path):
    """A file that is not there, a folder, and one that is not UTF-8."""
    assert refusal({}, str(tmp_path / "gone.yaml")).startswith(f"config {tmp_path}/gone.yaml cannot be read: ")
    assert "cannot be read" in refusal({}, str(tmp_path))
    (tmp_path / "latin.yaml").write_bytes(b"snapshot: caf\xe9\n")
    assert "cannot be read" in refusal({}, str(tmp_path / "latin.yaml"))


def test_lists_of_names_are_split_at_commas_once_each():
    """A,B and a repeated flag are the same list, without empty names and repeats."""
    settings = make_settings({"keep_columns": "w, h,,w", "snapshots": ("a,b", "c", "a")})
    assert settings.keep_columns == ("w", "h")
    assert settings.snapshots == ("a", "b", "c")


@pytest.mark.parametrize(
    ("amount", "sources", "allowed"),
    [("0", 100, 0), ("3", 2, 3), ("2%", 100, 2), ("2%", 49, 0), ("1.5%", 200, 3), ("100%", 7, 7), (5, 9, 5)],
)
def test_allowed_incomplete_sources(amount, sources, allowed):
    """A number is a number, a percentage is of this command's sources, rounded down."""
    assert make_settings({"allow_incomplete": amount}).allowed_incomplete(sources) == allowed


def test_extraction_gets_its_part():
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
    options = settings.extract_options("lid:1", "domains", ("own:filter@1",))
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
def test_english_is_kept_unless_other_languages_are_asked_for_or_none_can_be_told(flags, wanted):
    """The default is the paper's; without identification and without a column every text stays."""
    assert make_settings(flags).extract_options().languages == wanted


def test_settings_do_not_change_once_made():
    """What was checked is what is used."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 5


def test_every_setting_says_what_it_is():
    """Its description is the help of its flag."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
