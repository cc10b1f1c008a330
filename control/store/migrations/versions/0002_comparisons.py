"""Comparisons of shadows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("timestamp", sa.Float, nullable=False),
        sa.Column("primary_version", sa.Text, nullable=False),
        sa.Column("shadow_version", sa.Text, nullable=False),
        sa.Column("primary_prediction", sa.Text),
        sa.Column("shadow_prediction", sa.Text),
        sa.Column("primary_latency_ms", sa.Float, nullable=False),
        sa.Column("shadow_latency_ms", sa.Float, nullable=False),
        sa.Column("match", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "comparison_details",
        sa.Column(
            "comparison",
            sa.Integer,
            sa.ForeignKey("comparisons.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "comparison_details_by_service", "comparison_details", ["service", "outcome", "comparison"]
    )
    op.create_table(
        "comparison_totals",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("variant", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("noise", sa.Boolean, primary_key=True),
        sa.Column("matched", sa.Integer, nullable=False),
        sa.Column("mismatched", sa.Integer, nullable=False),
        sa.Column("max_absolute", sa.Float, nullable=False),
        sa.Column("max_relative", sa.Float, nullable=False),
        sa.Column("outcomes", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
