"""What people of the shop say of a change on its way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what is new; nobody has said anything yet."""
    op.create_table(
        "policy_comments",
        sa.Column("comment_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False, comment="of the policy that it is about"),
        sa.Column("actor", sa.Text(), nullable=False, comment="id of an account"),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("comment_id", name=op.f("pk_policy_comments")),
        comment="what people of the shop say between the steps of a change",
    )
    op.create_index(op.f("ix_policy_comments_version"), "policy_comments", ["version"])


def downgrade() -> None:
    """Drop what is new."""
    op.drop_table("policy_comments")
