"""The life of models: trainings, which model came before which, shadows, and what records still need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ADDED = ("preceded_by", "in_force_until_ms", "retired_at_ms")


def upgrade() -> None:
    """Add columns to models, then create what is new."""
    op.add_column("models", sa.Column("preceded_by", sa.Text(), comment="version that it took the place of"))
    op.add_column(
        "models",
        sa.Column(
            "in_force_until_ms", sa.BigInteger(), comment="when another took its place; null before that"
        ),
    )
    op.add_column(
        "models",
        sa.Column(
            "retired_at_ms", sa.BigInteger(), comment="when its arrays were removed, needed by nothing"
        ),
    )
    op.create_table(
        "training_runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="queued, running, succeeded, failed, ..."),
        sa.Column("under_way", sa.SmallInteger(), comment="1 until it has ended, then null: one at a time"),
        sa.Column("stage", sa.Text(), nullable=False, comment="what it is at"),
        sa.Column("n_done", sa.BigInteger(), nullable=False),
        sa.Column("n_total", sa.BigInteger(), comment="null while it is not known"),
        sa.Column("budget_s", sa.Integer(), nullable=False, comment="time for learning"),
        sa.Column("may_activate", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="id of a key"),
        sa.Column("requested_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger()),
        sa.Column(
            "claimed_until_ms",
            sa.BigInteger(),
            nullable=False,
            comment="whoever runs it says so again by then",
        ),
        sa.Column("finished_at_ms", sa.BigInteger()),
        sa.Column("version", sa.Text(), comment="of the model that came of it"),
        sa.Column("activated", sa.Boolean(), comment="whether that was put in force"),
        sa.Column("because", sa.Text(), comment="why it was or was not, or what went wrong"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_training_runs")),
        sa.UniqueConstraint("under_way", name=op.f("uq_training_runs_under_way")),
        comment="trainings that were asked for, under way or ended",
    )
    op.create_table(
        "model_shadows",
        sa.Column("version", sa.Text(), nullable=False, comment="the model that is watched"),
        sa.Column("against", sa.Text(), nullable=False, comment="the model that is served meanwhile"),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("share_micro", sa.Integer(), nullable=False, comment="of decisions, in millionths"),
        sa.Column(
            "next_index", sa.BigInteger(), nullable=False, comment="where in the log it is gone on with"
        ),
        sa.Column("claimed_until_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("counts", sa.Text(), nullable=False, comment="JSON: sums over many decisions"),
        sa.PrimaryKeyConstraint("version", "against", name=op.f("pk_model_shadows")),
        comment="what a model would have shown, counted over many decisions; nothing of any one of them",
    )
    op.create_table(
        "artefacts_used",
        sa.Column("kind", sa.Text(), nullable=False, comment="model or catalogue"),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("last_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("pk_artefacts_used")),
        comment="between which places in the log are the decisions that were made from it",
    )


def downgrade() -> None:
    """Drop what is new, then the added columns."""
    for table in ("artefacts_used", "model_shadows", "training_runs"):
        op.drop_table(table)
    for column in _ADDED:
        op.drop_column("models", column)
