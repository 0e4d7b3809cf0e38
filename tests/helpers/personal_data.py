"""Generated texts with personal data of no one, and texts with numbers that only look like it."""

from __future__ import annotations

import random
from importlib import import_module

WORDS = ("red", "kite", "over", "the", "harbour", "photo", "sale", "new", "model", "garden", "view", "by", "large")


def luhn(digits: str) -> str:
    """Return digits with Luhn's check digit behind them."""
    return digits + import_module("stdnum.luhn").calc_check_digit(digits)


def digits(draw: random.Random, number: int) -> str:
    """Return random digits."""
    return "".join(draw.choice("0123456789") for _ in range(number))


def grouped(text: str, sizes: tuple[int, ...], sign: str) -> str:
    """Return a text cut into groups with a sign between them."""
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return sign.join(parts)


def valid(module: str, make: object) -> str:
    """Return the first number that a maker makes and a module of python-stdnum accepts."""
    check = import_module(f"stdnum.{module}").is_valid
    return next(number for number in iter(make, None) if check(number))  # type: ignore[arg-type, call-overload]


def an_email(draw: random.Random) -> str:
    """Return an address in a domain that nobody can own."""
    name = draw.choice(("jane.doe", "info", "j_smith+photos", "o'neil", "m-87", "\u00fcser", "\u7528\u6237"))
    host = draw.choice(
        ("example.org", "mail.example.co.uk", "b\u00fccher.example", "xn--bcher-kva.example", "EXAMPLE.COM")
    )
    return f"{name}@{host}"


def an_iban(draw: random.Random) -> str:
    """Return an IBAN of a bank code that is made up, in groups or at once."""
    iban = import_module("stdnum.iban")
    country, body = draw.choice((("DE", 18), ("NL", 0), ("AT", 16), ("PL", 24), ("PT", 0), ("CH", 17)))
    if country == "NL":
        rest = "ABNA" + digits(draw, 10)
    elif country == "PT":
        return "PT50 0002 0123 1234 5678 9015 4"
    else:
        rest = digits(draw, body)
    plain = f"{country}{iban.calc_check_digits(country + '00' + rest)}{rest}"
    return plain if draw.random() < 0.5 else " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def a_card(draw: random.Random) -> str:
    """Return a card number in the range of an issuer, with its check digit."""
    head, size = draw.choice((("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14)))
    number = luhn(head + digits(draw, size - 1 - len(head)))
    sign = draw.choice(" -")
    if size == 16:
        return draw.choice((number, grouped(number, (4, 4, 4, 4), sign)))
    return grouped(number, (4, 6, size - 10), sign)


def an_ip(draw: random.Random) -> str:
    """Return a public address, with a sign that it is one, or an IPv6 address."""
    if draw.random() < 0.3:
        groups = ":".join(f"{draw.randrange(1, 1 << 16):x}" for _ in range(5))
        return draw.choice((f"2a00:{groups}::1", f"2607:f8b0:{groups}:{draw.randrange(1 << 16):x}"))
    octets = ".".join(str(draw.randrange(1, 255)) for _ in range(3))
    address = f"{draw.choice((8, 45, 81, 151, 203))}.{octets}"
    if address.startswith("203.0.113"):
        address = "45.1.2.3"
    return draw.choice((f"IP {address}", f"server: {address}", f"http://{address}/", f"{address}:8080"))


def a_phone(draw: random.Random) -> str:
    """Return a number that a country gives out, in a form in which texts have them."""
    import phonenumbers

    region = draw.choice(("US", "GB", "DE", "FR", "IN", "BR", "JP", "AU"))
    form = draw.choice((phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164))
    example = phonenumbers.example_number(region)
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    if draw.random() < 0.5:
        return phonenumbers.format_number(example, form)
    return national if region == "US" else f"{draw.choice(('Tel.', 'phone:', 'Call', 'WhatsApp'))} {national}"


def an_id(draw: random.Random, kind: str) -> str:
    """Return a number with the form and the check digits of a country's id."""
    if kind == "id_it":
        code = import_module("stdnum.it.codicefiscale")
        body = f"RSSMRA{digits(draw, 2)}{draw.choice('ABCDEHLMPRST')}{draw.randrange(1, 29):02}H501"
        return body + code.calc_check_digit(body)
    if kind == "id_cn":
        ric = import_module("stdnum.cn.ric")
        body = (
            f"110105{draw.randrange(1940, 2015)}{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}{digits(draw, 3)}"
        )
        return body + ric.calc_check_digit(body + "0")
    if kind == "id_fr":
        nir = import_module("stdnum.fr.nir")
        body = f"{draw.choice('12')}{digits(draw, 2)}{draw.randrange(1, 13):02}75{digits(draw, 6)}"
        whole = body + nir.calc_check_digits(body + "00")
        return draw.choice((whole, grouped(whole, (1, 2, 2, 2, 3, 3, 2), " ")))
    if kind == "id_br":
        number = valid("br.cpf", lambda: digits(draw, 11))
        whole = f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"
        return draw.choice((whole, f"CPF: {number}"))
    if kind == "id_es":
        dni = import_module("stdnum.es.dni")
        number = digits(draw, 8)
        letter = dni.calc_check_digit(number)
        return draw.choice((f"DNI {number}{letter}", f"{number[:2]}.{number[2:5]}.{number[5:]}-{letter}"))
    if kind == "id_us":
        return f"SSN {draw.randrange(1, 665):03}-{draw.randrange(1, 99):02}-{draw.randrange(1, 9999):04}"
    if kind == "id_nl":
        return "BSN " + valid("nl.bsn", lambda: digits(draw, 9))
    if kind == "id_pl":
        return "PESEL " + valid("pl.pesel", lambda: f"8{digits(draw, 1)}0{draw.randrange(1, 9)}1{digits(draw, 6)}")
    assert kind == "id_in"
    number = valid("in_.aadhaar", lambda: draw.choice("23456789") + digits(draw, 11))
    return "Aadhaar " + draw.choice((number, grouped(number, (4, 4, 4), " ")))


MAKERS = {"email": an_email, "iban": an_iban, "card": a_card, "ip": an_ip, "phone": a_phone}


def personal(draw: random.Random, kind: str) -> str:
    """Return personal data of a kind, which names no one."""
    return MAKERS[kind](draw) if kind in MAKERS else an_id(draw, kind)


def text_around(draw: random.Random, middle: str) -> str:
    """Return a caption that has something in its middle."""
    before, after = (" ".join(draw.choices(WORDS, k=draw.randrange(4))) for _ in range(2))
    return " ".join(part for part in (before, middle, after) if part)


def look_alike(draw: random.Random) -> str:
    """Return a number or name that captions have, and that is no personal data."""
    n = draw.randrange
    return draw.choice(
        (
            f"ISBN 978-{n(10)}-{digits(draw, 4)}-{digits(draw, 4)}-{n(10)}",
            f"ISBN {digits(draw, 9)}X",
            f"EAN 4{digits(draw, 12)}",
            f"{n(1, 13):02}/{n(1, 29):02}/{n(1900, 2030)}",
            f"{n(1900, 2030)}-{n(1, 13):02}-{n(1, 29):02} {n(24):02}:{n(60):02}:{n(60):02}",
            f"{n(1900, 2030)}:{n(1, 13):02}:{n(1, 29):02} {n(24):02}:{n(60):02}:{n(60):02}",
            f"({n(1500, 1800)}-{n(1800, 1950)})",
            f"Projects {n(1900, 1999)}-{n(2000, 2030)}",
            f"v{n(20)}.{n(20)}.{n(30)}.{n(4000)}",
            f"version {n(20)}.{n(20)}.{n(200)}.{n(200)}",
            f"{n(20)}.{n(20)}.{n(20)}.{n(20)}",
            f"{n(80, 99)}.{n(10, 99)}.{n(1, 30)}.{n(1, 20)}",
            f"{n(1, 13)}.{n(1, 29)}.{n(1900, 2030)}",
            f"{n(100, 4000)}x{n(100, 4000)}x{n(100, 400)} mm",
            f"{n(10, 99)} x {n(10, 99)} x {n(10, 99)} cm",
            f"{n(90)}.{digits(draw, 6)}, -{n(180)}.{digits(draw, 6)}",
            f"{n(90)}\u00b0{n(60)}'{n(60)}\"N {n(180)}\u00b0{n(60)}'{n(60)}\"E",
            f"IMG_{n(1900, 2030)}{n(1, 13):02}{n(1, 29):02}_{digits(draw, 6)}",
            f"{digits(draw, 8)}_{digits(draw, 16)}_n.jpg",
            f"photo-{digits(draw, 12)}",
            f"{draw.choice('ABCDEFG')}{digits(draw, 8)}",
            f"{digits(draw, 8)}{draw.choice('BCDFGH')}",
            f"{draw.choice(('SKU', 'Art.-Nr.', 'Ref', 'No.', 'Model', 'Part'))} {digits(draw, draw.randrange(5, 13))}",
            f"{digits(draw, 3)}-{digits(draw, 2)}-{digits(draw, 4)}",
            f"${n(1, 999)},{digits(draw, 3)},{digits(draw, 3)}.{digits(draw, 2)}",
            f"{n(1, 999)} {digits(draw, 3)} {digits(draw, 3)} people",
            f"icon@{n(2, 4)}x.png",
            f"DJ @{draw.choice(WORDS)}_{n(99)}, @{draw.choice(WORDS)}",
            f"Live @ Pub {n(1, 29)}.{n(1, 13)}.{n(2000, 2030)}",
            f"@{draw.choice(WORDS)}@mastodon.example",
            f"{digits(draw, 9)}@N0{n(9)}",
            f"std::vector<int> {n(10)}::{n(10)}",
            f"aspect {n(1, 30)}:{n(1, 30)}:{n(1, 30)}",
            f"00:{n(10, 99)}:AB:CD:{n(10, 99)}:EF",
            f"10.0.0.{n(1, 255)} and 192.168.{n(255)}.{n(1, 255)}",
            f"hymns {n(100, 999)}, {n(100, 999)}, {n(100, 999)} and {n(10, 99)}",
            f"numbers {n(10, 99)}, {n(10, 99)}, {n(10, 99)}, {n(10, 99)}, {n(10, 99)}",
            f"{n(2000, 2999)} - {n(2000, 2999)} Centre Avenue",
            f"US{digits(draw, 7)}B2",
            f"DE{digits(draw, 9)}",
            f"WB{digits(draw, 2)}K{digits(draw, 5)} PLUS {digits(draw, 4)}",
            f"1-{digits(draw, 3)} of {digits(draw, 5)} results",
            f"H{digits(draw, 4)} {digits(draw, 4)} {digits(draw, 4)}",
        )
    )
