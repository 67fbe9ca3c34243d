"""The project's documents, read for what tests can hold to the code.

Owns finding the markdown files and taking them apart: headings, tables, links, code. Knows nothing
of what they are about. Understands the markdown that these documents use, not all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of code and the line that it begins on."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Part:
    """Some markdown: a whole document or one section of it."""

    text: str

    @cached_property
    def prose(self) -> str:
        """Everything but fenced blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def spans(self) -> list[str]:
        """Code in the running text, each on one line."""
        return [" ".join(span.split()) for span in _SPAN.findall(self.prose)]

    def blocks(self, *languages: str) -> list[Block]:
        """Fenced blocks of these languages, or all of them."""
        return [
            Block(match[2], match[3], self.text.count("\n", 0, match.start()) + 1)
            for match in _FENCE.finditer(self.text)
            if not languages or match[2] in languages
        ]

    def code(self) -> Iterator[str]:
        """Every line of code: spans, fenced and indented blocks."""
        yield from self.spans
        for block in self.blocks():
            yield from block.text.splitlines()
        yield from (line for line in self.prose.splitlines() if line.startswith("    "))

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of the table whose first column is called so, backticks taken away."""
        lines = self.text.splitlines()
        begin = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |")) + 2
        rows = []
        for line in lines[begin:]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")])
        return rows

    def sections(self, depth: int) -> dict[str, Part]:
        """Sections by their headings of this depth, each up to the next heading of no more."""
        text = _FENCE.sub(lambda match: re.sub("^#", "\0", match[0], flags=re.MULTILINE), self.text)
        heads = [head for head in _HEADING.finditer(text) if len(head[1]) <= depth]
        ends = [head.start() for head in heads[1:]] + [len(text)]
        return {
            head[2]: Part(text[head.end() : end].replace("\0", "#"))
            for head, end in zip(heads, ends, strict=True)
            if len(head[1]) == depth
        }

    @cached_property
    def anchors(self) -> set[str]:
        """What links into this document may name, as GitHub spells it."""
        titles = (head[2].lower() for head in _HEADING.finditer(self.prose))
        return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}

    @cached_property
    def links(self) -> list[str]:
        """Where links and pictures of this document point to."""
        marked = re.findall(r"\]\(([^)\s]+)\)", _SPAN.sub("``", self.prose))
        return marked + re.findall(r'(?:src|srcset|href)="([^"]+)"', self.prose)


@dataclass(frozen=True)
class Document(Part):
    """One markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


def document(name: str) -> Document:
    """One document by its path in the project."""
    return Document((ROOT / name).read_text(encoding="utf-8"), ROOT / name)


def all_documents() -> list[Document]:
    """Every document of the project."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/**/*.md")]
    return [document(path.relative_to(ROOT).as_posix()) for path in sorted(paths)]
