"""Tallies of what was shown and withheld, and figures that take long to count.

They begin now: to count what stands in the log already, every record would have to be opened, and those
that were erased would be missing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what is new; nothing is counted yet."""
    op.create_table(
        "tallies",
        sa.Column("day", sa.Integer(), nullable=False, autoincrement=False, comment="days since the epoch"),
        sa.Column(
            "part", sa.Text(), nullable=False, comment="placement, basis, intent, rule, outcome, degraded"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="of which one"),
        sa.Column("n_decisions", sa.BigInteger(), nullable=False),
        sa.Column("n_shown", sa.BigInteger(), nullable=False, comment="suggestions"),
        sa.Column(
            "n_withheld",
            sa.BigInteger(),
            nullable=False,
            comment="what would have been suggested but for a rule",
        ),
        sa.PrimaryKeyConstraint("day", "part", "name", name=op.f("pk_tallies")),
        comment="sums over all decisions of the log, written with them; nothing in it tells of whom",
    )
    op.create_table(
        "figures",
        sa.Column("name", sa.Text(), nullable=False, comment="consents"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False, comment="when it was counted"),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON: counts; nothing in it tells of whom"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_figures")),
        comment="what takes long to count, as it was when it was counted last",
    )


def downgrade() -> None:
    """Drop what is new."""
    op.drop_table("figures")
    op.drop_table("tallies")
