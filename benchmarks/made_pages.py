"""Parts of pages that scripts make: each between two marks, the first of which names the script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"
_END = "<!-- end of what is made -->"


@dataclass(frozen=True)
class MadePart:
    """The part of a page of docs/ that a script of benchmarks/ makes."""

    page: str
    script: str

    @property
    def path(self) -> Path:
        """Where the page is."""
        return _DOCS / self.page

    def replaced(self, text: str, made: str) -> str:
        """The page `text` with what is made in its place."""
        begin = f"<!-- made by benchmarks/{self.script} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(_END), re.DOTALL)
        return pattern.sub(lambda _: f"{begin}\n\n{made}\n\n{_END}", text)

    def write(self, made: str) -> None:
        """Put it there."""
        self.path.write_text(self.replaced(self.path.read_text("utf-8"), made), "utf-8")

    def holds(self, made: str) -> bool:
        """Whether it is there as it is made now."""
        text = self.path.read_text("utf-8")
        return made in text and self.replaced(text, made) == text
