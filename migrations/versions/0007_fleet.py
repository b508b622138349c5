"""Many organisations: their schedules, their credentials (encrypted), and what stays of runs that are pruned."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SINCE_THEN = """
UPDATE cadence_sync.orgs AS o SET last_run_at = r.last, failures = r.failed
FROM (
    SELECT org_id, max(started_at) AS last, count(*) FILTER (WHERE outcome = 'failed' AND run_id > good) AS failed
    FROM (
        SELECT *, coalesce(max(run_id) FILTER (WHERE outcome <> 'failed') OVER (PARTITION BY org_id), 0) AS good
        FROM cadence_sync.sync_runs WHERE outcome IS NOT NULL
    ) AS runs
    GROUP BY org_id
) AS r
WHERE o.org_id = r.org_id
"""
LOST = "SELECT EXISTS (SELECT FROM cadence_sync.{})"


def upgrade() -> None:
    for column in (
        sa.Column("sync_seconds", sa.Float(precision=53), nullable=True),
        sa.Column("sync_cron", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("orgs", column, schema="cadence_sync")
    op.execute(SINCE_THEN)
    op.create_table(
        "org_credentials",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_org_credentials_org")),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_org_credentials")),
        schema="cadence_sync",
        if_not_exists=True,  # a downgrade leaves a table that holds rows
    )
    op.create_table(
        "daily_runs",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("api_calls", sa.BigInteger(), nullable=False),
        sa.Column("first_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_daily_runs_org")),
        sa.PrimaryKeyConstraint("org_id", "day", name=op.f("pk_daily_runs")),
        schema="cadence_sync",
        if_not_exists=True,
    )


def downgrade() -> None:
    for table in ("daily_runs", "org_credentials"):
        if not op.get_bind().scalar(sa.text(LOST.format(table))):
            op.drop_table(table, schema="cadence_sync")
    for column in ("removed_at", "last_run_at", "failures", "time_zone", "sync_cron", "sync_seconds"):
        op.drop_column("orgs", column, schema="cadence_sync")
