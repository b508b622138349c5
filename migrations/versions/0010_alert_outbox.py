"""Messages that are to be sent, entered in the transaction of what they tell of."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_outbox",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cadence_id", sa.Text()),
        sa.Column("version", sa.Integer()),
        sa.Column("run_id", sa.BigInteger()),
        sa.Column("message_id", sa.Text()),
        sa.Column("leads", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("dead_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("sent_at IS NULL OR dead_at IS NULL", name=op.f("ck_alert_outbox_sent_or_dead")),
        sa.CheckConstraint("message_id IS NOT NULL OR NOT leads", name=op.f("ck_alert_outbox_leads_a_message")),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_alert_outbox_org")),
        sa.PrimaryKeyConstraint("org_id", "channel", "event_key", name=op.f("pk_alert_outbox")),
        schema="cadence_sync",
    )
    op.create_index(
        "ix_alert_outbox_open",
        "alert_outbox",
        ["org_id", "channel", "next_attempt_at"],
        schema="cadence_sync",
        postgresql_where=sa.text("sent_at IS NULL AND dead_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("alert_outbox", schema="cadence_sync")
