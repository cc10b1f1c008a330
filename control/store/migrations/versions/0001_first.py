"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )
    _create_services()
    _create_rollouts()
    _create_evidence()
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("delivered_at", sa.Float),
    )
    op.create_index("outbox_due", "outbox", ["due_at"], sqlite_where=sa.text("delivered_at IS NULL"))


def _create_services() -> None:
    op.create_table(
        "services",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("base", sa.LargeBinary, nullable=False),
        sa.Column("in_force", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("rollout", sa.Text, nullable=False),
        sa.Column("latency_bounds", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
    op.create_table(
        "slots",
        sa.Column("service", sa.Text, sa.ForeignKey("services.name"), primary_key=True),
        sa.Column("variant", sa.Text, primary_key=True),
        sa.Column("deployed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("service", sa.Text, sa.ForeignKey("services.name"), primary_key=True),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("switched_at", sa.Float, nullable=False),
    )


def _create_rollouts() -> None:
    op.create_table(
        "rollouts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("service", sa.Text, sa.ForeignKey("services.name"), nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("base", sa.LargeBinary, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("retire_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "one_active_rollout", "rollouts", ["service"], unique=True, sqlite_where=sa.text("active")
    )
    op.create_table(
        "stages",
        sa.Column("rollout", sa.Text, sa.ForeignKey("rollouts.name"), primary_key=True),
        sa.Column("stage", sa.Integer, primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("status", sa.LargeBinary),
    )
    op.create_table(
        "transitions",
        sa.Column("rollout", sa.Text, sa.ForeignKey("rollouts.name"), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("arrival", sa.Integer, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("rollout", "sequence"),
    )


def _create_evidence() -> None:
    op.create_table(
        "reports",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("boot_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("received_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence",
        sa.Column("arrival", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("mirrored", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("window_start", sa.Float, nullable=False),
        sa.Column("window_end", sa.Float, nullable=False),
        sa.Column("codes", sa.JSON, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("evidence_by_route", "evidence", ["service", "route", "arrival"])
    op.create_table(
        "exemplars",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("exemplars_by_service", "exemplars", ["service", "kind", "id"])
