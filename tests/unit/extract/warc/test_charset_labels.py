"""Labels of charsets: all of the Encoding Standard mean what browsers make of them."""

from __future__ import annotations

import codecs

import pytest

from metaclip_spark.errors import BrokenResponseError
from metaclip_spark.extract.warc.charset import REPLACEMENT, USER_DEFINED, charset_of, codec_of, utf8_of

# Source: https://encoding.spec.whatwg.org/#names-and-labels
LABELS = {
    "big5": ("big5 big5-hkscs cn-big5 csbig5 x-x-big5 "),
    "euc-jp": ("cseucpkdfmtjapanese euc-jp x-euc-jp "),
    "euc-kr": (
        "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 "
    ),
    "gb18030": ("gb18030 "),
    "gbk": ("chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk "),
    "ibm866": ("866 cp866 csibm866 ibm866 "),
    "iso-2022-jp": ("csiso2022jp iso-2022-jp "),
    "iso-8859-10": ("csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6 "),
    "iso-8859-13": ("iso-8859-13 iso8859-13 iso885913 "),
    "iso-8859-14": ("iso-8859-14 iso8859-14 iso885914 "),
    "iso-8859-15": ("csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 "),
    "iso-8859-16": ("iso-8859-16 "),
    "iso-8859-2": ("csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 "),
    "iso-8859-3": ("csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3 "),
    "iso-8859-4": ("csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4 "),
    "iso-8859-5": ("csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988 "),
    "iso-8859-6": (
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
        "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 "
    ),
    "iso-8859-7": (
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 "
        "iso_8859-7:1987 sun_eu_greek "
    ),
    "iso-8859-8": (
        "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 "
        "iso_8859-8:1988 visual "
    ),
    "iso-8859-8-i": ("csiso88598i iso-8859-8-i logical "),
    "koi8-r": ("cskoi8r koi koi8 koi8-r koi8_r "),
    "koi8-u": ("koi8-ru koi8-u "),
    "macintosh": ("csmacintosh mac macintosh x-mac-roman "),
    "replacement": ("csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement "),
    "shift_jis": ("csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis "),
    "utf-16be": ("unicodefffe utf-16be "),
    "utf-16le": ("csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le "),
    "utf-8": ("unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 "),
    "windows-1250": ("cp1250 windows-1250 x-cp1250 "),
    "windows-1251": ("cp1251 windows-1251 x-cp1251 "),
    "windows-1252": (
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 "
        "iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 "
    ),
    "windows-1253": ("cp1253 windows-1253 x-cp1253 "),
    "windows-1254": (
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 "
        "windows-1254 x-cp1254 "
    ),
    "windows-1255": ("cp1255 windows-1255 x-cp1255 "),
    "windows-1256": ("cp1256 windows-1256 x-cp1256 "),
    "windows-1257": ("cp1257 windows-1257 x-cp1257 "),
    "windows-1258": ("cp1258 windows-1258 x-cp1258 "),
    "windows-874": ("dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 "),
    "x-mac-cyrillic": ("x-mac-cyrillic x-mac-ukrainian "),
    "x-user-defined": ("x-user-defined "),
}
SAMPLES = {
    "big5": "一隻棕色的小狗在公園裡奔跑",
    "euc-jp": "茶色い小さな犬",
    "euc-kr": "작은 갈색 개가 뛰고 있습니다",
    "gb18030": "一只棕色的小狗𠀀",
    "gbk": "一只棕色的小狗",
    "ibm866": "собака",
    "iso-2022-jp": "茶色い小さな犬",
    "iso-8859-2": "žlutý kůň",
    "iso-8859-3": "ħaġa",
    "iso-8859-4": "ķīļģ",
    "iso-8859-5": "собака",
    "iso-8859-6": "كلب",
    "iso-8859-7": "σκύλος",
    "iso-8859-8": "כלב",
    "iso-8859-8-i": "כלב",
    "iso-8859-10": "đŋ",
    "iso-8859-13": "šuo ģ",
    "iso-8859-14": "ŵŷ",
    "iso-8859-15": "Orléans œ €",
    "iso-8859-16": "câine ș",
    "koi8-r": "собака",
    "koi8-u": "їжак",
    "macintosh": "un café noir",
    "shift_jis": "茶色い小さな犬①",
    "utf-8": "größer 犬",
    "windows-874": "สุนัขสีน้ำตาล",
    "windows-1250": "žlutý kůň",
    "windows-1251": "собака",
    "windows-1252": "größer “€”",
    "windows-1253": "σκύλος",
    "windows-1254": "köpeğin ışığı",
    "windows-1255": "כלב",
    "windows-1256": "كلب",
    "windows-1257": "šuo ģ",
    "windows-1258": "chó ơ",
    "x-mac-cyrillic": "собака",
}


def labels() -> list[tuple[str, str]]:
    return [(label, name) for name, listed in LABELS.items() for label in listed.split()]


def test_the_table_has_every_label_of_the_standard():
    """The Standard has 228 labels of 40 encodings; utf-16 is declared, but never meant, in ASCII."""
    assert (len(labels()), len(LABELS)) == (228, 40)
    assert set(LABELS) - set(SAMPLES) == {"utf-16be", "utf-16le", "replacement", "x-user-defined"}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_is_decoded_whatever_label_names_its_charset(name):
    """In the header and in the page, in upper case and in quotes, the text is the same."""
    text = f"<p>{SAMPLES[name]}</p>"
    raw = text.encode(codec_of(name))
    for label in LABELS[name].split():
        for header in (
            f"text/html; charset={label}",
            f'text/html;CHARSET="{label.upper()}"',
            f"text/html; charset='{label}'",
        ):
            assert utf8_of(raw, header).decode() == text, label
        declared = f"<meta charset={label}>".encode() + raw
        assert utf8_of(declared).decode().endswith(text), label


def test_every_label_has_a_codec():
    """A codec of Python, or one of the two that Python lacks."""
    for label, _ in labels():
        codec = codec_of(label)
        assert codec in (REPLACEMENT, USER_DEFINED) or codecs.lookup(codec), label


@pytest.mark.parametrize("label", ["iso-2022-kr", "hz-gb-2312", "iso-2022-cn", "csiso2022kr"])
def test_a_charset_that_browsers_do_not_decode_is_an_error(label):
    """They show one U+FFFD: the page has no texts, and that is counted."""
    with pytest.raises(BrokenResponseError, match="a charset that browsers do not decode"):
        utf8_of(b"<p>", f"text/html; charset={label}")


def test_user_defined_bytes():
    """By the header, they are characters for private use; by the page's own declaration, windows-1252."""
    assert utf8_of(b"a\xe9", "text/html; charset=x-user-defined").decode() == "a\uf7e9"
    assert utf8_of(b"<meta charset=x-user-defined>\xe9").decode().endswith("é")


@pytest.mark.parametrize("label", LABELS["utf-16le"].split() + LABELS["utf-16be"].split())
def test_utf_16_is_believed_only_where_it_can_be(label):
    """A declaration that was read as ASCII is not in UTF-16; a header may be right or wrong."""
    assert charset_of(f"<meta charset={label}>é".encode())[0] == "utf-8"
    assert charset_of("<p>größer</p>".encode(), f"text/html; charset={label}")[0] == "utf-8"
    raw = "<p>größer 犬</p>".encode(codec_of(label))
    assert utf8_of(raw, f"text/html; charset={label}").decode() == "<p>größer 犬</p>"


@pytest.mark.parametrize(
    ("label", "codec"), [("cp949", "cp949"), ("utf_8", "utf-8"), ("euc_kr", "cp949"), ("hz", ""), ("base64", "")]
)
def test_labels_that_only_python_knows(label, codec):
    """Names of web charsets that servers send are understood; other codecs are not charsets."""
    assert codec_of(label) == codec
