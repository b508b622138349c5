"""What all tables share: the schema, the names of constraints, and frequent columns and constraints."""

from typing import Final

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, MetaData, text

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
    default = text(server_default) if server_default else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def count(name: str, *, start: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(start)))


def references(table: str, *columns: str, name: str, deferred: bool = False) -> ForeignKeyConstraint:
    """Builds a foreign key to columns of the same names."""
    targets = [f"{SCHEMA}.{table}.{column}" for column in columns]
    when = "DEFERRED" if deferred else None
    return ForeignKeyConstraint(columns, targets, name=name, deferrable=deferred or None, initially=when)
