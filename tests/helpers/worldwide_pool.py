"""Texts and lists of several languages, for the tests of worldwide curation."""

from __future__ import annotations

import json
import random

LISTS = {
    "de": ["ein", "Hund", "ein Hund", "Katze", "und", "Straße"],
    "en": ["a", "dog", "cat", "a dog", "photo of", "purple", "St. John", "!"],
    "ja": ["犬", "猫", "いぬ", "の", "写真", "黒猫"],
    "other": ["dog", "cat", "photo", "und"],
    "th": ["แมว", "สุนัข", "ภาพ"],
    "zh": ["狗", "一只猫", "猫", "照片", "的照片", "“", "A4"],
}
CODES = {**{name: name for name in LISTS if name != "other"}, "yue": "zh", "fr": "other"}
WORDS = {
    "de": ["ein", "Hund", "Katze", "und", "Straße", "ein Hund", "Haus."],
    "en": ["a", "dog", "cat", "photo of", "purple", "St. John", "Hi!", "a dog"],
    "fr": ["un", "dog", "photo", "chat"],
    "ja": ["犬の写真", "黒猫", "いぬ", "ネコ と 猫", "の"],
    "th": ["ภาพแมว", "สุนัข", "แมวดำ"],
    "yue": ["一只猫的照片", "狗", "“猫”"],
    "zh": ["一只猫", "狗的照片", "猫，狗", "A4纸"],
    "tlh": ["Qapla"],
    "und": ["dog", "und", "1234"],
}
WEIGHTS = {"en": 60, "zh": 20, "ja": 12, "de": 10, "th": 6, "yue": 4, "fr": 4, "und": 4, "tlh": 1}


def rows_for(name: str, number: int, seed: int) -> list[tuple[str, str, str]]:
    """Return (url, text, language) of a pool; some images have several texts."""
    draw = random.Random(seed)
    codes = draw.choices(list(WEIGHTS), list(WEIGHTS.values()), k=number)
    return [
        (
            f"https://example.org/{name}/{at // 2 if at % 7 == 0 else at}.jpg",
            " ".join(draw.choices(WORDS[code], k=draw.randint(1, 4))) + ("" if draw.random() < 0.7 else f" {at}"),
            code,
        )
        for at, code in enumerate(codes)
    ]


def write_lists(folder, lists=LISTS, switches=None):
    """Write a folder of lists with its languages.yaml."""
    folder.mkdir()
    for name, entries in lists.items():
        (folder / f"{name}.json").write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    lines = ["format: 1", "codes:"]
    lines += [f"  {code}: {{list: {name}, by: ours, reason: A test.}}" for code, name in CODES.items()]
    on = {name: f", switches: [{', '.join(names)}]" for name, names in (switches or {}).items()}
    lines += ["lists:", *[f"  {name}: {{file: {name}.json{on.get(name, '')}}}" for name in lists]]
    (folder / "languages.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
