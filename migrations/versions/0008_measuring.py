"""What was shown to who agreed to be measured, and sums of what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what is new; nothing of before is measured after the fact."""
    op.create_table(
        "measured_suggestions",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("item_no", sa.BigInteger(), nullable=False, comment="0 where a decision showed nothing"),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False, comment="of the decision"),
        sa.Column(
            "kind_no", sa.BigInteger(), nullable=False, comment="what the decision has in common with others"
        ),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("intent", sa.SmallInteger(), nullable=False, comment="-1 where a decision showed nothing"),
        sa.Column("arm", sa.Text(), nullable=False, comment="empty where nothing is compared"),
        sa.Column(
            "outcomes",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="bit mask of what came of it",
        ),
        sa.PrimaryKeyConstraint("decision_id", "item_no", name=op.f("pk_measured_suggestions")),
        comment="what was shown to who agreed to be measured; goes when they object, or after a while",
    )
    op.create_index(
        "ix_measured_suggestions_subject_key_item_no",
        "measured_suggestions",
        ["subject_key", "item_no", "at_ms"],
    )
    op.create_index("ix_measured_suggestions_at_ms", "measured_suggestions", ["at_ms"])
    op.create_table(
        "measurements",
        sa.Column("day", sa.Integer(), nullable=False, comment="days since the epoch, of the decisions"),
        sa.Column("kind_no", sa.BigInteger(), nullable=False, comment="what the decisions have in common"),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column(
            "intent", sa.SmallInteger(), nullable=False, comment="-1 for what is counted of whole decisions"
        ),
        sa.Column("arm", sa.Text(), nullable=False, comment="empty where nothing is compared"),
        sa.Column(
            "measure",
            sa.Text(),
            nullable=False,
            comment="decision, slate, suggested, shown, clicked, ...",
        ),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "kind_no", "channel", "intent", "arm", "measure", name=op.f("pk_measurements")
        ),
        comment="sums over many people, under P7; nothing in it tells of whom",
    )


def downgrade() -> None:
    """Drop what is new."""
    op.drop_table("measurements")
    op.drop_table("measured_suggestions")
