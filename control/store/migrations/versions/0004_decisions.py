"""What each decision was made on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("rollout", sa.Text, sa.ForeignKey("rollouts.name"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("base", sa.LargeBinary, nullable=False),
    )
