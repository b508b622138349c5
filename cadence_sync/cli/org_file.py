"""The file of `org import`: TOML like that of the settings, or CSV with a line of names."""

import csv
import io
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cadence_sync.cli.new_org import FIELDS
from cadence_sync.errors import ArgumentError, docs_hint

Row = dict[str, str | None]
_PREFIX: Final = "zoho_"
"""The settings' tables have it before their names; either spelling will do."""


def read_orgs(file: Path) -> list[Row]:
    """Return one row an organization; raises `ArgumentError` where the file as a whole makes no sense."""
    readers = {".toml": _toml, ".csv": _csv}
    if file.suffix.lower() not in readers:
        raise _bad(file, "its name ends neither in .toml nor in .csv")
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = list(readers[file.suffix.lower()](text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error, ValueError) as error:
        raise _bad(file, error.strerror or "" if isinstance(error, OSError) else str(error)) from error
    if not rows:
        raise _bad(file, "it names no organization")
    return rows


def named_twice(rows: Iterable[Row]) -> set[str]:
    """Return the ids that more than one row has."""
    return {name for name, count in Counter((row["org_id"] or "").strip() for row in rows).items() if count > 1}


def _toml(text: str) -> Iterable[Row]:
    orgs = tomllib.loads(text).get("orgs", {})
    if not isinstance(orgs, dict) or not all(isinstance(table, dict) for table in orgs.values()):
        raise ValueError("expected tables [orgs.<id>]")
    for org_id, table in orgs.items():
        yield _row({"org_id": org_id} | {name.removeprefix(_PREFIX): value for name, value in table.items()})


def _csv(text: str) -> Iterable[Row]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more fields than the first")
        yield _row({name.strip().removeprefix(_PREFIX): value for name, value in row.items()})


def _row(values: dict[str, Any]) -> Row:
    """Return a row; what else a file says could be a misspelled name of something that matters."""
    strange = sorted(set(values) - set(FIELDS))
    if strange:
        raise ValueError(f"there is no field {strange[0]!r}")
    if "org_id" not in values:
        raise ValueError("it has no field 'org_id'")
    wrong = [name for name, value in values.items() if not isinstance(value, str | None)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no text")
    return dict.fromkeys(FIELDS) | values


def _bad(file: Path, reason: str) -> ArgumentError:
    return ArgumentError(
        f"{file} cannot be imported: {reason}.",
        hint=docs_hint("Add many organizations"),
        code="IMPORT_FILE",
    )
