"""Where the documentation is, and how its pages are read."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(markdown: str, language: str) -> list[str]:
    """Return what stands in the fenced blocks of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", markdown, re.DOTALL | re.MULTILINE)
