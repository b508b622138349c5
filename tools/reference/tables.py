"""The tables: columns and types from the code, meanings from the reference page."""

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.postgresql.base import PGDialect

from cadence_sync.db.tables import metadata
from tools.reference.markdown import table

if TYPE_CHECKING:
    from sqlalchemy import Column

ROWS: Final = re.compile(r"^\| column \| type \| meaning \|\n(?:\|.*\n)+", re.MULTILINE)
ROW: Final = re.compile(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", re.MULTILINE)


def with_columns(page: str) -> str:
    """Returns the page with the columns of each table; a new one has an empty meaning."""
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
