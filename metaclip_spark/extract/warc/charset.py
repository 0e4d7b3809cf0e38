"""Determine the charset of a page, and convert the page to UTF-8.

The order is that of the HTML Standard: a byte-order mark, the HTTP header, the page's own declaration, and then the
bytes themselves. A label has the meaning that browsers give it, by the Encoding Standard: iso-8859-1 is windows-1252. A
label that is in neither the Standard nor Python's aliases of web charsets is ignored.
"""

from __future__ import annotations

import codecs
import re

import webencodings

from metaclip_spark.errors import BrokenResponseError

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_MARK_STARTS = (b"\xef", b"\xfe", b"\xff")
_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE | re.ASCII)
_IN_PAGE = re.compile(
    rb"<meta[^>]{0,500}?\bcharset\s*=\s*[\"']?\s*([\w.:-]{1,40})|<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})"
)
_DECLARED_WITHIN = 4096
"""Number of bytes that are searched for a declaration; the Standard requires 1024, but real pages may declare later."""
_DETECTED_FROM = 1 << 16

REPLACEMENT = "replacement"
"""The encoding of charsets that browsers refuse to decode, iso-2022-kr say: they show one U+FFFD for the page."""
USER_DEFINED = "x-user-defined"

_PYTHON_NAMES = {
    "big5": "big5hkscs",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "ibm866": "cp866",
    "iso-2022-jp": "iso2022_jp",
    "iso-8859-8-i": "iso8859-8",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "macintosh": "mac-roman",
    "shift_jis": "cp932",
    "utf-8": "utf-8",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
    REPLACEMENT: REPLACEMENT,
    USER_DEFINED: USER_DEFINED,
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"windows-125{part}": f"cp125{part}" for part in range(9)},
}
"""The Encoding Standard's name of an encoding -> Python's name of a codec for it."""
_STANDARD_NAMES = {
    **{codec: name for name, codec in _PYTHON_NAMES.items()},
    **{"ascii": "windows-1252", "iso8859-1": "windows-1252", "iso8859-9": "windows-1254", "iso8859-11": "windows-874"},
    **{"gb2312": "gbk", "gbk": "gbk", "big5": "big5", "cp950": "big5", "shift_jis": "shift_jis", "euc_kr": "euc-kr"},
    **{"tis-620": "windows-874", "utf-8-sig": "utf-8", "iso8859-8": "iso-8859-8"},
}
"""Python's name of a codec -> the Standard's name of its encoding, for labels that only Python knows: cp949, latin2."""
_UTF16 = ("utf-16-le", "utf-16-be")


def utf8_of(body: bytes, content_type: str = "") -> bytes:
    """Convert a page to UTF-8.

    Bytes that cannot be decoded become U+FFFD; in a page that is in UTF-8 already, only when its strings are read.

    Args:
        body: the page's bytes.
        content_type: the value of the page's HTTP header Content-Type, or "".

    >>> utf8_of("<p>Größe".encode("latin-1"), "text/html; charset=ISO-8859-1").decode()
    '<p>Größe'
    """
    charset, mark = charset_of(body, content_type)
    if charset == "utf-8":
        return body[mark:] if mark else body
    if charset == REPLACEMENT:
        raise BrokenResponseError("the page declares a charset that browsers do not decode, such as iso-2022-kr")
    if charset == USER_DEFINED:
        text: str = webencodings.decode(body, USER_DEFINED)[0]
        return text.encode("utf-8", "replace")
    return body[mark:].decode(charset, "replace").encode("utf-8", "replace")


def charset_of(body: bytes, content_type: str = "") -> tuple[str, int]:
    """Return the name of a page's charset, and the number of bytes of its byte-order mark.

    The name is Python's name of a codec, or `REPLACEMENT` or `USER_DEFINED`.
    """
    if body[:1] in _MARK_STARTS:
        for mark, charset in _MARKS:
            if body.startswith(mark):
                return charset, len(mark)
    label = _IN_HEADER.search(content_type)
    charset = codec_of(label.group(1)) if label else ""
    if charset in _UTF16 and b"\0" not in body[:_DECLARED_WITHIN]:
        charset = "utf-8"  # the header is wrong: any markup in UTF-16 has zeros
    if not charset:
        start = body[:_DECLARED_WITHIN].lower()
        declared = _IN_PAGE.search(start) if b"charset" in start or b"encoding" in start else None
        charset = codec_of((declared.group(1) or declared.group(2)).decode("ascii", "replace")) if declared else ""
        if charset in _UTF16:  # a page whose declaration was read as ASCII is not in UTF-16
            charset = "utf-8"
        if charset == USER_DEFINED:  # so says the HTML Standard for declarations in the page
            charset = "cp1252"
    return charset or _detect(body), 0


def codec_of(label: str) -> str:
    """Return Python's name of the codec for a label of the web, "" if the label is not known.

    >>> codec_of("ks_c_5601-1989"), codec_of("Latin1"), codec_of("no-such")
    ('cp949', 'cp1252', '')
    """
    encoding = webencodings.lookup(label)
    if encoding is not None:
        return _PYTHON_NAMES[encoding.name]
    try:
        return _PYTHON_NAMES.get(_STANDARD_NAMES.get(codecs.lookup(label).name, ""), "")
    except (LookupError, ValueError):
        return ""


def _detect(body: bytes) -> str:
    """Return the charset of undeclared bytes: UTF-8 if they are valid, else a detector's guess, or windows-1252."""
    try:
        body.decode()
        return "utf-8"
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # the page was cut inside a character
            return "utf-8"
    from resiliparse.parse.encoding import detect_encoding

    return codec_of(detect_encoding(body, max_len=_DETECTED_FROM) or "") or "cp1252"
