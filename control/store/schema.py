"""The tables, as the code of this version reads and writes them. `migrations` brings a database here.

Times are seconds since the Unix epoch by the control service's clock, unless a column says otherwise.
Messages are kept serialized, beside the columns that are searched by.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("name", Text, primary_key=True),
    Column("base", LargeBinary, nullable=False),  # Service as applied, without a rollout's changes
    Column("in_force", LargeBinary, nullable=False),  # Service as pushed
    Column("version", Integer, nullable=False),  # of the snapshot that carries it; grows for ever
    Column("rollout", Text, nullable=False),  # that made it, or empty
    Column("latency_bounds", JSON, nullable=False),  # seconds
    Column("updated_at", Float, nullable=False),
)

slots = Table(
    "slots",
    metadata,
    Column("service", Text, ForeignKey("services.name"), primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("deployed_at", Float, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("service", Text, ForeignKey("services.name"), primary_key=True),
    Column("previous", Text, nullable=False),  # the variant that had the traffic before
    Column("switched_at", Float, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("service", Text, ForeignKey("services.name"), nullable=False),
    Column("message", LargeBinary, nullable=False),  # Rollout as started, defaults filled in
    Column("base", LargeBinary, nullable=False),  # Service before it
    Column("phase", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("state", JSON, nullable=False),
    Column("version", Integer, nullable=False),  # grows at every transition: what compare-and-set compares
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("retire_at", Float),  # when the old variant leaves the configuration; null: it does not
    Column("evidence_after", Integer),  # the newest row of evidence when it was started
    Column("evidence_gone", Boolean, nullable=False, server_default=text("0")),  # kept no longer
    Index("one_active_rollout", "service", unique=True, sqlite_where=text("active")),
    sqlite_autoincrement=True,
)

stages = Table(
    "stages",
    metadata,
    Column("rollout", Text, ForeignKey("rollouts.name"), primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),  # of the first snapshot that carried it
    Column("version", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("status", LargeBinary),  # StageStatus as of its end
)

transitions = Table(
    "transitions",
    metadata,
    Column("rollout", Text, ForeignKey("rollouts.name"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("time", Float, nullable=False),
    Column("arrival", Integer, nullable=False),  # the newest evidence that it was decided on
    Column("message", LargeBinary, nullable=False),  # Transition
    UniqueConstraint("rollout", "sequence"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("rollout", Text, ForeignKey("rollouts.name"), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("inputs", JSON, nullable=False),  # control.rollout.inputs
    Column("base", LargeBinary, nullable=False),  # Service that the next decision is compiled against
)

reports = Table(
    "reports",
    metadata,
    Column("node", Text, primary_key=True),
    Column("boot_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("received_at", Float, nullable=False),
    Index("reports_by_age", "received_at"),
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    Column("arrival", Integer, primary_key=True, autoincrement=True),
    Column("service", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("mirrored", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("window_start", Float, nullable=False),  # by the sidecar's clock
    Column("window_end", Float, nullable=False),
    Column("codes", JSON, nullable=False),
    Column("message", LargeBinary, nullable=False),  # Evidence
    Column("received_at", Float),
    Index("evidence_by_route", "service", "route", "arrival"),
    sqlite_autoincrement=True,
)

exemplars = Table(
    "exemplars",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("message", LargeBinary, nullable=False),  # Exemplar
    Index("exemplars_by_service", "service", "kind", "id"),
    sqlite_autoincrement=True,
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("timestamp", Float, nullable=False),  # by the sidecar's clock
    Column("primary_version", Text, nullable=False),  # version label, or the variant's name without one
    Column("shadow_version", Text, nullable=False),
    Column("primary_prediction", Text),  # JSON, where the route lets values be recorded; else null
    Column("shadow_prediction", Text),
    Column("primary_latency_ms", Float, nullable=False),
    Column("shadow_latency_ms", Float, nullable=False),
    Column("match", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    sqlite_autoincrement=True,
)

comparison_details = Table(
    "comparison_details",
    metadata,
    Column(
        "comparison",
        Integer,
        ForeignKey("comparisons.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("service", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("message", LargeBinary, nullable=False),  # ComparisonRecord
    Index("comparison_details_by_service", "service", "outcome", "comparison"),
)

comparison_totals = Table(
    "comparison_totals",
    metadata,
    Column("service", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("label", Text, primary_key=True),  # the variant's version
    Column("noise", Boolean, primary_key=True),
    Column("matched", Integer, nullable=False),
    Column("mismatched", Integer, nullable=False),
    Column("max_absolute", Float, nullable=False),
    Column("max_relative", Float, nullable=False),
    Column("outcomes", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("url", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("error", Text, nullable=False),
    Column("delivered_at", Float),
    Index("outbox_due", "due_at", sqlite_where=text("delivered_at IS NULL")),
)
