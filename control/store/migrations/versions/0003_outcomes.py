"""Outcomes of past predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "outcomes",
        sa.Column("time_ms", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("label", sa.Text),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "predictions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("time_ms", sa.Integer, nullable=False),
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("primary_variant", sa.Text, nullable=False),
        sa.Column("shadow_variant", sa.Text, nullable=False),
        sa.Column("primary_label", sa.Text, nullable=False),
        sa.Column("shadow_label", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("bucket", sa.Integer),
        sa.Column("primary_prediction", sa.Text, nullable=False),
        sa.Column("shadow_prediction", sa.Text, nullable=False),
        sa.UniqueConstraint("time_ms", "nonce", "service", "shadow_variant"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outcome_totals",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("variant", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("mirrored", sa.Boolean, primary_key=True),
        sa.Column("right", sa.Integer, nullable=False),
        sa.Column("labelled", sa.Integer, nullable=False),
        sa.Column("scored", sa.Integer, nullable=False),
        sa.Column("score_sum", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
