"""The tables of outcomes, beside those of `schema`.

What was predicted is kept until its label may come no more, or until there are too many; outcomes for as long
as one could come twice.
"""

from sqlalchemy import Boolean, Column, Float, Integer, Table, Text, UniqueConstraint

from control.store.schema import metadata

outcomes = Table(
    "outcomes",
    metadata,
    Column("time_ms", Integer, primary_key=True, autoincrement=False),  # of the call, by the sidecar's clock
    Column("nonce", Text, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # verdict | score
    Column("label", Text),  # null: said right or wrong, or a score
    Column("output", Text, nullable=False),
    Column("settled", Boolean, nullable=False),  # the primary's prediction has been counted
    Column("received_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time_ms", Integer, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("primary_variant", Text, nullable=False),
    Column("shadow_variant", Text, nullable=False),
    Column("primary_label", Text, nullable=False),  # version labels
    Column("shadow_label", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("bucket", Integer),  # of the user; null: drawn at random
    Column("primary_prediction", Text, nullable=False),  # JSON
    Column("shadow_prediction", Text, nullable=False),
    UniqueConstraint("time_ms", "nonce", "service", "shadow_variant"),
    sqlite_autoincrement=True,
)

outcome_totals = Table(
    "outcome_totals",
    metadata,
    Column("service", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("label", Text, primary_key=True),  # the variant's version
    Column("mirrored", Boolean, primary_key=True),
    Column("right", Integer, nullable=False),
    Column("labelled", Integer, nullable=False),
    Column("scored", Integer, nullable=False),
    Column("score_sum", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)
