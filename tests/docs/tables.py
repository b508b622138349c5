"""The tables: columns and types as the code has them, meanings as the page says them."""

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.postgresql.base import PGDialect

from cadence_sync.db.tables import metadata
from tests.docs.markdown import table

if TYPE_CHECKING:
    from sqlalchemy import Column

ROWS: Final = re.compile(r"^\| column \| type \| meaning \|\n(?:\|.*\n)+", re.MULTILINE)
ROW: Final = re.compile(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", re.MULTILINE)


def with_columns(page: str) -> str:
    """Return the page with the columns of each table; one that is new has no meaning until somebody writes it."""
    for one in metadata.sorted_tables:
        heading = f"\n## {one.name}\n"
        if heading not in page:
            page = f"{page}{heading}\n\n| column | type | meaning |\n| --- | --- | --- |\n"
        before, _, rest = page.partition(heading)
        section, border, after = rest.partition("\n## ")
        reported = dict(ROW.findall(section))
        rows = [[f"`{column.name}`", _type(column), reported.get(column.name, "")] for column in one.columns]
        written = table(("column", "type", "meaning"), rows)
        page = f"{before}{heading}{ROWS.sub(lambda _, new=written: new, section)}{border}{after}"  # type: ignore[misc]
    return page


def _type(column: "Column[object]") -> str:
    name = column.type.compile(dialect=PGDialect()).lower()  # type: ignore[no-untyped-call]
    return name.replace("timestamp with time zone", "timestamptz").replace("float(53)", "double precision")
