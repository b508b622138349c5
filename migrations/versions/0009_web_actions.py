"""What people did on the page: who, what, when, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "web_actions",
        sa.Column("action_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["cadence_sync.orgs.org_id"], name=op.f("fk_web_actions_org")),
        sa.PrimaryKeyConstraint("org_id", "action_id", name=op.f("pk_web_actions")),
        schema="cadence_sync",
        if_not_exists=True,  # a downgrade leaves a table that holds rows
    )
    op.execute(
        "CREATE OR REPLACE TRIGGER keep_web_actions BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.web_actions"
        " FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite()"
    )


def downgrade() -> None:
    if not op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM cadence_sync.web_actions)")):
        op.drop_table("web_actions", schema="cadence_sync")
