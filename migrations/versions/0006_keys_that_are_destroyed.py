"""Whose an erasure is about, where in the log it is told, and which decisions were made in a visit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns to what is there, then create what is new."""
    op.add_column(
        "cascades",
        sa.Column("log_index", sa.BigInteger(), comment="of an erasure: where the log tells of it"),
    )
    op.add_column(
        "decision_subjects",
        sa.Column(
            "in_visit",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="it was made for a visit, of whoever that was",
        ),
    )
    op.create_index(
        "ix_decision_subjects_in_visit",
        "decision_subjects",
        ["log_index"],
        sqlite_where=sa.text("in_visit = 1"),  # as the queries say it
        postgresql_where=sa.text("in_visit"),
    )
    op.create_table(
        "cascade_subjects",
        sa.Column("cascade_id", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("cascade_id", "subject_key", name=op.f("pk_cascade_subjects")),
        comment="visits of a customer who is being erased; empty once that is finished",
    )
    op.create_index("ix_cascade_subjects_subject_key", "cascade_subjects", ["subject_key"])


def downgrade() -> None:
    """Drop what is new, then the added columns."""
    op.drop_table("cascade_subjects")
    op.drop_index("ix_decision_subjects_in_visit", "decision_subjects")
    op.drop_column("decision_subjects", "in_visit")
    op.drop_column("cascades", "log_index")
