"""`make docs-generate`: what the pages say of settings, commands, HTTP, metrics, tables and hosts, from the code.

A page holds the rest around what stands between its two marks. Only the meanings of tables' columns and of requests
are kept from the page itself: nothing else says them.
"""

from collections.abc import Callable
from typing import Final

from tests.docs.centers import hosts_table
from tests.docs.commands import command_sections
from tests.docs.metrics import metric_table
from tests.docs.places import DOCS
from tests.docs.routes import with_routes
from tests.docs.settings import setting_sections
from tests.docs.tables import with_columns

BEGIN: Final = "<!-- From the code: `make docs-generate` writes this. -->\n"
END: Final = "<!-- By hand from here. -->\n"


def between_marks(write: Callable[[], str]) -> Callable[[str], str]:
    """Return what writes a page anew: all but what stands between the marks stays."""

    def renewed(page: str) -> str:
        before, begin, rest = page.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError("the page lacks its marks")
        return f"{before}{begin}\n{write()}\n{end}{after}"

    return renewed


PAGES: Final[dict[str, Callable[[str], str]]] = {
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
