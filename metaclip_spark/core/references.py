"""Decode the character references of HTML attributes: `&amp;`, `&eacute`, `&#233;`.

Source: the HTML standard, section 13.2.5.72 and following (character reference state, named character reference state
in an attribute, numeric character reference end state). `html.unescape` of the standard library follows the rules of
text between tags. In an attribute they would turn `?a=1&copy=2` into `?a=1\u00a9=2`.
"""

from __future__ import annotations

import re
from html.entities import html5

REPLACEMENT = "\ufffd"

# One alternative per form. A name is taken with all letters and digits that follow it: a shorter name inside them
# would be followed by a letter or digit, and then an attribute keeps it as it is.
_REFERENCE = re.compile(r"&(?:#(?:[xX]([0-9A-Fa-f]+)|([0-9]+));?|([A-Za-z][A-Za-z0-9]*)(;?))(?=(=?))")
_MAX_DIGITS = 7  # of a number up to 0x10FFFF, without leading zeros
_C1 = {
    number: bytes([number]).decode("windows-1252")
    for number in range(0x80, 0xA0)
    if number not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
"""Numbers of C1 controls -> the character that they have in windows-1252; the other five mean themselves."""


def decode_references(value: str) -> str:
    r"""Return an attribute's value with its character references decoded, once.

    A name without `;` is decoded only if it is one of the 106 old names, and if neither `=`, a letter nor a digit
    follows. A number outside Unicode, a surrogate or zero becomes U+FFFD.

    >>> decode_references("?a=1&amp;b=2&#038;c=3&copy=4")
    '?a=1&b=2&c=3&copy=4'
    >>> decode_references("Caf&eacute; &amp;lt; &regional &#8364")
    'Caf\xe9 &lt; &regional \u20ac'
    """
    return _REFERENCE.sub(_decoded, value) if "&" in value else value


def _decoded(found: re.Match[str]) -> str:
    hexadecimal, decimal, name, semicolon, equals = found.groups()
    if name is None:
        return _numbered(hexadecimal or decimal, 16 if hexadecimal else 10)
    if not semicolon and equals:
        return found[0]
    return html5.get(name + semicolon, found[0])


def _numbered(digits: str, radix: int) -> str:
    digits = digits.lstrip("0")
    if not digits or len(digits) > _MAX_DIGITS:
        return REPLACEMENT
    number = int(digits, radix)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        return REPLACEMENT
    return _C1.get(number) or chr(number)
