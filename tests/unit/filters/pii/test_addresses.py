"""E-mail and IP addresses, and what only looks like one."""

from __future__ import annotations

import pytest

from metaclip_spark.filters.pii.addresses import emails, ip_addresses


def found_by(finder, text: str) -> list[str]:
    return [text[start:end] for start, end in finder(text)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("write to jane.doe@example.org.", "jane.doe@example.org"),
        ("mailto:a+b@mail.example.co.uk?subject=x", "a+b@mail.example.co.uk"),
        ("<o'neil@example.com>", "o'neil@example.com"),
        ("x@b\u00fccher.example", "x@b\u00fccher.example"),
        ("\u7528\u6237@example.org", "\u7528\u6237@example.org"),
        ("\u90ae\u7bb1info@example.org", "info@example.org"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("..a@example.org", "a@example.org"),
        ("jane@example.org\u8054\u7cfb", "jane@example.org"),
        ("x@\u4f8b\u3048.\u30c6\u30b9\u30c81", "x@\u4f8b\u3048.\u30c6\u30b9\u30c8"),
        (f"{'x' * 64}@example.org", f"{'x' * 64}@example.org"),
    ],
)
def test_an_email_address_is_found_without_the_marks_around_it(text, address):
    """In any script, and as part of a link."""
    assert found_by(emails, text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "kite @ the harbour",
        "via @paper_kawaii, @kazuho.",
        "icon@2x.png, retina@1.5x.jpg",
        "logo@large.webp",
        "@name@mastodon.example",
        "12345678@N02/1",
        "a@b",
        "a@b.c",
        "a@.example.org",
        "@example.org",
        f"{'x' * 65}@example.org",
        "deals@ shop.example",
        "a@1.2.3.4",
    ],
)
def test_what_is_no_email_address_is_not_found(text):
    """Places, handles, names of files, and what has no domain."""
    assert found_by(emails, text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("IP: 8.8.4.4", "8.8.4.4"),
        ("the server at 45.1.2.3 is down", "45.1.2.3"),
        ("http://45.1.2.3/a.jpg", "45.1.2.3"),
        ("45.1.2.3:8080", "45.1.2.3"),
        ("from 104.18.203.114, today", "104.18.203.114"),
        ("2a00:1450:4001:81b::200e", "2a00:1450:4001:81b::200e"),
        ("see 2607:f8b0:4005:805:0:0:0:200e.", "2607:f8b0:4005:805:0:0:0:200e"),
    ],
)
def test_a_public_ip_address_is_found(text, address):
    """With a scheme, a port or a word, or two numbers of three digits; IPv6 by its form."""
    assert found_by(ip_addresses, text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "91.23.18.1",
        "(en suite with 95.106.1.27)",
        "v1.2.3.4",
        "version 104.18.203.114",
        "firmware: 104.118.203.114",
        "server build 45.1.2.3",
        "IP 192.168.1.1, 10.0.0.1, 127.0.0.1, 203.0.113.7",
        "IP 300.1.2.3",
        "IP 045.1.2.3",
        "IP 45.1.2.3.4",
        "IP a45.1.2.3",
        "example.org/45.1.2.3",
        "[IP] 45.1.2.3",
        "fe80::1, ::1, 2001:db8::1",
        "2012:10:05 12:30:45",
        "2012:10:05:12:30:45",
        "std::vector",
        "00:1A:2B:3C:4D:5E",
    ],
)
def test_versions_numbers_of_objects_and_private_addresses_are_not_found(text):
    """Four numbers with dots alone are no address: captions of museums have many."""
    assert found_by(ip_addresses, text) == []
