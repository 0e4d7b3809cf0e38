"""Determine the charset of a page, and convert the page to UTF-8.

The order is that of the HTML Standard: a byte-order mark, the HTTP header, the page's own declaration, and then the
bytes themselves. A label has the meaning that browsers give it (iso-8859-1 is windows-1252); an unknown one is ignored.
"""

from __future__ import annotations

import codecs
import re

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_MARK_STARTS = (b"\xef", b"\xfe", b"\xff")
_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE | re.ASCII)
_IN_PAGE = re.compile(
    rb"<meta[^>]{0,500}?\bcharset\s*=\s*[\"']?\s*([\w.:-]{1,40})|<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})"
)
_DECLARED_WITHIN = 4096
"""Number of bytes that are searched for a declaration; the Standard requires 1024, but real pages may declare later."""
_DETECTED_FROM = 1 << 16

# Python's name of a label's charset -> Python's name of the charset that browsers use. Any other is no web charset.
_READ_AS = {
    **{name: "cp1252" for name in ("ascii", "iso8859-1", "cp1252")},
    **{name: "gb18030" for name in ("gb2312", "gbk", "gb18030", "hz")},
    **{name: "cp932" for name in ("shift_jis", "cp932")},
    **{name: "cp949" for name in ("euc_kr", "cp949")},
    **{name: "big5hkscs" for name in ("big5", "big5hkscs", "cp950")},
    **{name: "cp874" for name in ("iso8859-11", "tis-620", "cp874")},
    # A page whose declaration was read as ASCII is not in UTF-16, whatever it declares.
    **{name: "utf-8" for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")},
    **{f"iso8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"cp{page}": f"cp{page}" for page in (866, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)},
    **{name: name for name in ("euc_jp", "iso2022_jp", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic")},
    "iso8859-9": "cp1254",
}


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
    return body[mark:].decode(charset, "replace").encode("utf-8", "replace")


def charset_of(body: bytes, content_type: str = "") -> tuple[str, int]:
    """Return Python's name of a page's charset, and the number of bytes of its byte-order mark."""
    if body[:1] in _MARK_STARTS:
        for mark, charset in _MARKS:
            if body.startswith(mark):
                return charset, len(mark)
    label = _IN_HEADER.search(content_type)
    charset = _by_label(label.group(1)) if label else ""
    if not charset:
        start = body[:_DECLARED_WITHIN].lower()
        declared = _IN_PAGE.search(start) if b"charset" in start or b"encoding" in start else None
        charset = _by_label((declared.group(1) or declared.group(2)).decode("ascii", "replace")) if declared else ""
    return charset or _detect(body), 0


def _by_label(label: str) -> str:
    """Return Python's name of the charset that browsers use for a label, "" if the label is not known."""
    try:
        return _READ_AS.get(codecs.lookup(label).name, "")
    except (LookupError, ValueError):
        return {"x-sjis": "cp932", "x-gbk": "gb18030", "x-euc-jp": "euc_jp"}.get(label.lower(), "")


def _detect(body: bytes) -> str:
    """Return the charset of undeclared bytes: UTF-8 if they are valid, else a detector's guess, or windows-1252."""
    try:
        body.decode()
        return "utf-8"
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # the page was cut inside a character
            return "utf-8"
    from resiliparse.parse.encoding import detect_encoding

    return _by_label(detect_encoding(body, max_len=_DETECTED_FROM) or "") or "cp1252"
