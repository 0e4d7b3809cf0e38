"""The consoles that commands print on: texts of others are shown, and cannot steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from metaclip_spark.core.wording import visible_lines


class PlainConsole(Console):
    """A console that shows the invisible characters of texts by name: a caption can neither colour nor clear it."""

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print objects; rich itself would drop some characters of texts, such as a carriage return."""
        super().print(*[visible_lines(each) if isinstance(each, str) else each for each in objects], **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed."""
        for segment in super().render(renderable, options):
            # rich's own segments have no invisible characters but the ends of lines.
            shown = segment.control is not None or segment.text.isprintable()
            yield segment if shown else segment._replace(text=visible_lines(segment.text))


def console() -> Console:
    """Return a console on stdout that never wraps a path."""
    return PlainConsole(highlight=False, soft_wrap=True, emoji=False)
