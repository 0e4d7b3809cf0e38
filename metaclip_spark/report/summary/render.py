"""Write the filled template as Markdown and as plain values for JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from metaclip_spark.core.wording import one_line
from metaclip_spark.report.summary.facts import Facts
from metaclip_spark.report.summary.template import BASIS, TITLE, Section

BLANK = "[to be provided by the provider]"
_ACTIVE = re.compile(r"([\\`*_\[\]<>|#~])")


def as_markdown(sections: Sequence[Section], facts: Facts) -> str:
    """Return the summary as Markdown. A field without an answer has BLANK, with what the tables say below it."""
    lines = [
        f"# {TITLE}",
        "",
        f"{BASIS}.",
        "",
        _escaped(f"This is a draft from the tables of run {facts.run_id}, by metaclip-spark {facts.software}."),
        "What the tables cannot know is marked. The provider of the model answers for all of it.",
    ]
    for section in sections:
        depth = 2 + (section.number.count(".") if section.number else 0)
        lines += ["", f"{'#' * depth} {f'{section.number}. ' if section.number else ''}{section.title}"]
        for field in section.fields:
            answer = f"`{BLANK}`" if field.value is None else _escaped(field.value)
            colon = "" if field.label.endswith("?") else ":"
            lines += ["", f"**{field.label}{colon}** {answer}"]
            lines += ["", *(f"- {_escaped(fact)}" for fact in field.facts)] if field.facts else []
    return "\n".join(lines) + "\n"


def as_plain(sections: Sequence[Section], facts: Facts) -> dict[str, Any]:
    """Return the summary for JSON: the template's fields, and the numbers that they are made of."""
    return {
        "title": TITLE,
        "basis": BASIS,
        "sections": [
            {
                "number": section.number,
                "title": section.title,
                "fields": [
                    {
                        "label": field.label,
                        "value": field.value,
                        "to_be_provided": field.value is None,
                        "facts": list(field.facts),
                    }
                    for field in section.fields
                ],
            }
            for section in sections
        ],
        "numbers": asdict(facts),
    }


def _escaped(text: str) -> str:
    """Return a text for one line of Markdown: names of languages and of entries of a list are someone else's."""
    return _ACTIVE.sub(r"\\\1", one_line(" ".join(text.split())))
