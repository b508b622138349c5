"""What all tables have in common: their schema, how constraints are named, and two kinds of column."""

from typing import Final

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    MetaData,
    text,
)

SCHEMA: Final = "cadence_sync"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(constraint_name)s",
    },
)


def instant(name: str, *, nullable: bool = True, server_default: str | None = None) -> Column[object]:
    """Return a column of an instant; times are stored with their zone."""
    default = text(server_default) if server_default else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def count(name: str, *, start: int = 0) -> Column[int]:
    """Return a column that counts from `start` on."""
    return Column(name, Integer, nullable=False, server_default=text(str(start)))
