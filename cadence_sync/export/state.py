"""The state at a time as JSON, YAML or CSV: one row a cadence, the same columns in each."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

import yaml

from cadence_sync.core.labels import render_json, replace_controls
from cadence_sync.core.spreadsheet import SpreadsheetWriter

COLUMNS: Final = (
    *("org_id", "cadence_id", "name", "description", "type", "status", "active", "published"),
    *("module_id", "module_api_name", "custom_view_id", "custom_view_name"),
    *("created_time", "created_by_id", "created_by_name", "modified_time", "modified_by_id", "modified_by_name"),
    *("email_follow_up_count", "task_follow_up_count", "call_follow_up_count", "whatsapp_follow_up_count"),
    *("follow_up_count", "execution_type", "execution_end_date", "automatic_unenroll"),
    *("execute_every_unit", "execute_every_period", "execution_interval", "unenroll_type", "unenroll_end_date"),
    *("unenroll_properties", "version", "first_seen_at", "last_changed_at"),
)
StateFormat = Literal["json", "yaml", "csv"]
_SEPARATOR: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


class _Dumper(yaml.SafeDumper):
    """Writes every value out, repeated ones too.

    In Python: the C writer, where there is one, escapes other characters, and commits would differ.
    """

    def ignore_aliases(self, _data: object) -> bool:
        return True

    def represent_text(self, value: str) -> yaml.ScalarNode:
        # In its other styles PyYAML writes some line separators so that it reads another character back.
        style = '"' if _SEPARATOR.search(value) else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def render_state(rows: Iterable[object], form: StateFormat, *, raw: bool = False, for_terminal: bool = False) -> str:
    """Renders rows that have `COLUMNS` as attributes, as `json`, `yaml` or `csv`.

    `raw` keeps the values of the CSV as they are stored; a terminal gets no control characters in any form.
    """
    plain = [{name: _plain(getattr(row, name)) for name in COLUMNS} for row in rows]
    if form == "csv":
        text = render_csv(plain, raw=raw)
        return replace_controls(text) if for_terminal else text
    if form == "yaml":  # one row after the other: the writer keeps a tree of all that it writes at once
        return "".join(render_yaml([row], ascii_only=for_terminal) for row in plain) or render_yaml([])
    return render_json(plain, for_terminal=for_terminal)


def render_yaml(value: object, *, ascii_only: bool = False) -> str:
    """Renders a YAML document that says the same as the JSON: a time is text in both."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=not ascii_only, sort_keys=False, width=10**6)


def render_csv(rows: Sequence[Mapping[str, Any]], *, raw: bool) -> str:
    """Renders lines by RFC 4180, for a spreadsheet unless `raw`; null is empty, since no stored text is."""
    out = io.StringIO(newline="")
    write_row = csv.writer(out).writerow if raw else SpreadsheetWriter(out).write_row
    write_row(COLUMNS)
    for row in rows:
        write_row([_cell(row[name]) for name in COLUMNS])
    return out.getvalue()


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else value
