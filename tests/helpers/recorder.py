"""A reporter that keeps what a command says."""

from __future__ import annotations


class Recorder:
    """A reporter that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(("say", text))

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.lines.append(("warn", text))
