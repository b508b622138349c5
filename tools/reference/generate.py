"""`make docs-generate`: writes settings, commands, HTTP, metrics, tables, hosts and layers into the pages.

Text outside a page's two marks stays. The meanings of columns and requests are read from the page itself, their only
source.
"""

from collections.abc import Callable
from typing import Final

from tools.paths import DOCS
from tools.reference.commands import command_sections
from tools.reference.data_centers import hosts_table
from tools.reference.layers import layer_block
from tools.reference.metrics import metric_table
from tools.reference.routes import with_routes
from tools.reference.settings import setting_sections
from tools.reference.tables import with_columns

BEGIN: Final = "<!-- From the code: `make docs-generate` writes this. -->\n"
END: Final = "<!-- By hand from here. -->\n"


def between_marks(write: Callable[[], str]) -> Callable[[str], str]:
    """Returns a function that replaces the text between a page's marks; it raises `ValueError` if one is missing."""

    def renewed(page: str) -> str:
        before, begin, rest = page.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError("the page lacks its marks")
        return f"{before}{begin}\n{write()}\n{end}{after}"

    return renewed


PAGES: Final[dict[str, Callable[[str], str]]] = {
    "explanation/architecture.md": between_marks(layer_block),
    "how-to/zoho-self-client.md": between_marks(hosts_table),
    "reference/settings.md": between_marks(setting_sections),
    "reference/commands.md": between_marks(command_sections),
    "reference/http.md": with_routes,
    "reference/metrics.md": between_marks(metric_table),
    "reference/tables.md": with_columns,
}


def main() -> None:
    for name, renewed in PAGES.items():
        page = DOCS / name
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
