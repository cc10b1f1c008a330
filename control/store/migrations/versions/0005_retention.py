"""What tells how old evidence is, and which of it a rollout needs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("evidence", sa.Column("received_at", sa.Float))
    op.execute("UPDATE evidence SET received_at = window_end")
    op.add_column("rollouts", sa.Column("evidence_after", sa.Integer))
    op.add_column(
        "rollouts", sa.Column("evidence_gone", sa.Boolean, nullable=False, server_default=sa.text("0"))
    )
    op.create_index("reports_by_age", "reports", ["received_at"])
