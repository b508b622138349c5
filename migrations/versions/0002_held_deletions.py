"""Deletions that wait for a person's decision, and what a run may and did spend of the API credits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deletion_decisions",
        sa.Column("decision_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("cadences", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_deletion_decisions_org")),
        sa.PrimaryKeyConstraint("org_id", "decision_id", name=op.f("pk_deletion_decisions")),
        schema="cadence_sync",
    )
    op.create_table(
        "held_deletions",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("cadence_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decision IN ('approved', 'rejected')", name=op.f("ck_held_deletions_decision")),
        sa.ForeignKeyConstraint(
            ["org_id", "cadence_id"],
            ["cadence_sync.cadences.org_id", "cadence_sync.cadences.cadence_id"],
            name=op.f("fk_held_deletions_cadence"),
        ),
        sa.PrimaryKeyConstraint("org_id", "cadence_id", name=op.f("pk_held_deletions")),
        schema="cadence_sync",
    )
    op.add_column(
        "sync_runs",
        sa.Column("deleted_unasked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        schema="cadence_sync",
    )
    op.add_column("sync_runs", sa.Column("held_case", sa.BigInteger(), nullable=True), schema="cadence_sync")
    op.add_column("sync_runs", sa.Column("reserved_calls", sa.Integer(), nullable=True), schema="cadence_sync")
    op.add_column("sync_runs", sa.Column("credits_left", sa.Integer(), nullable=True), schema="cadence_sync")
    op.create_index(
        op.f("ix_sync_runs_org_id_started_at"),
        "sync_runs",
        ["org_id", "started_at"],
        unique=False,
        schema="cadence_sync",
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_sync_runs_org_id_started_at"), table_name="sync_runs", schema="cadence_sync")
    op.drop_column("sync_runs", "credits_left", schema="cadence_sync")
    op.drop_column("sync_runs", "reserved_calls", schema="cadence_sync")
    op.drop_column("sync_runs", "held_case", schema="cadence_sync")
    op.drop_column("sync_runs", "deleted_unasked", schema="cadence_sync")
    op.drop_table("held_deletions", schema="cadence_sync")
    op.drop_table("deletion_decisions", schema="cadence_sync")
