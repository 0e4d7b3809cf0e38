"""Charsets: a page's charset is determined in the order that browsers use."""

from __future__ import annotations

import pytest

from metaclip_spark.extract.warc.charset import charset_of, utf8_of

EUC_JP = "画像の説明文がここにあります。日本語のページです。ひらがなとカタカナ".encode("euc_jp") * 20


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        (b"\xef\xbb\xbf<meta charset=latin-1>", "text/html; charset=koi8-r", ("utf-8", 3)),
        (b"\xff\xfe<\x00", "", ("utf-16-le", 2)),
        (b"\xfe\xff\x00<", "", ("utf-16-be", 2)),
        (b"<meta charset=utf-8>", "text/html;charset=ISO-8859-2", ("iso8859-2", 0)),
        (b"<meta charset=utf-8>", 'text/html; charset="windows-1251"', ("cp1251", 0)),
        (b"<meta charset=utf-8>", "text/html; charset=no-such", ("utf-8", 0)),
        (b"<META CHARSET='ISO-8859-1'>\xe9", "text/html", ("cp1252", 0)),
        (b'<meta http-equiv=Content-Type content="text/html; charset=gb2312">\xc4', "", ("gb18030", 0)),
        (b'<?xml version="1.0" encoding="Shift_JIS"?>', "", ("cp932", 0)),
        (b" " * 3000 + b"<meta charset=euc-kr>", "", ("cp949", 0)),
        (b"<meta charset=utf-16>", "", ("utf-8", 0)),
        (b"<meta charset=x-sjis>", "", ("cp932", 0)),
        (b"<meta charset=base64>plain", "", ("utf-8", 0)),
        (b"<meta charset=unicode_escape>plain", "", ("utf-8", 0)),
        ("<p>größer".encode(), "", ("utf-8", 0)),
        ("<p>größer".encode()[:7], "", ("utf-8", 0)),
        (EUC_JP, "", ("euc_jp", 0)),
        (b"", "", ("utf-8", 0)),
    ],
    ids=[
        "mark",
        "UTF-16",
        "UTF-16 BE",
        "header before meta",
        "header in quotes",
        "header not known",
        "meta",
        "meta http-equiv",
        "XML",
        "late",
        "UTF-16 by meta",
        "legacy label",
        "no charset",
        "no charset of the web",
        "bytes",
        "cut in a character",
        "detector",
        "empty",
    ],
)
def test_the_charset_is_the_one_that_browsers_use(body, header, expected):
    """The order is: a mark, the header, the page's declaration, the bytes. A label that is not known is ignored."""
    assert charset_of(body, header) == expected


def test_the_page_is_converted_to_utf8():
    """Each page is decoded once; a mark is not part of the text."""
    assert utf8_of("ž".encode("iso8859-2"), "text/html; charset=iso-8859-2").decode() == "ž"
    assert utf8_of(b"\xff\xfe" + "<é>".encode("utf-16-le")).decode() == "<é>"
    assert utf8_of(b"\xef\xbb\xbfa") == b"a"


def test_bytes_that_a_charset_does_not_have_become_the_replacement_character():
    """Invalid bytes are no error: the rest of the page is read."""
    assert utf8_of(b"a\x81b", "text/html; charset=windows-1252").decode() == "a\ufffdb"
    assert utf8_of(b"a\xff\xffb", "text/html; charset=euc-jp").decode() == "a\ufffd\ufffdb"
    assert utf8_of(b"a\xffb", "text/html; charset=utf-8").decode("utf-8", "replace") == "a\ufffdb"
