"""The whole catalogue of guardrails: holds, marks of categories, occasions, provenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HISTORY_INDEX = "ix_interactions_customer_no_at_ms"
_HISTORY_COLUMNS = ["customer_no", "at_ms", "item_no", "kind", "channel", "purpose", "is_gift"]


def upgrade() -> None:
    """Add columns to what is there, then create what is new."""
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    _index_histories([*_HISTORY_COLUMNS, "provenance"])
    op.create_table(
        "holds",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what is held back for"),
        sa.Column(
            "reference", sa.Text(), nullable=False, comment="digest of a case or an order, or a class; empty"
        ),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), comment="null until it is lifted"),
        sa.PrimaryKeyConstraint("subject_key", "kind", "reference", name=op.f("pk_holds")),
        comment="reasons to hold back; of a life event nothing is kept but when the hold ends",
    )
    op.create_table(
        "category_marks",
        sa.Column("category", sa.Text(), nullable=False, comment="path; covers everything below it"),
        sa.Column("sensitive_class", sa.Text(), comment="null: whatever class else was found"),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("category", name=op.f("pk_category_marks")),
        comment="what the shop itself calls sensitive; can only raise",
    )


def downgrade() -> None:
    """Drop what is new, then the added columns."""
    op.drop_table("category_marks")
    op.drop_table("holds")
    _index_histories(_HISTORY_COLUMNS)
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)


def _index_histories(columns: list[str]) -> None:
    """Make the index hold all that reading a history needs, so that it stays there."""
    op.drop_index(_HISTORY_INDEX, "interactions")
    op.create_index(_HISTORY_INDEX, "interactions", columns)


def _added() -> dict[str, tuple[sa.Column[object], ...]]:
    return {
        "items": (
            sa.Column(
                "shop_occasions",
                sa.Integer(),
                nullable=False,
                server_default="0",
                comment="bit mask the shop named",
            ),
            sa.Column(
                "occasions",
                sa.Integer(),
                nullable=False,
                server_default="0",
                comment="decided when stored, bit mask",
            ),
            sa.Column(
                "unclassified",
                sa.Boolean(),
                nullable=False,
                server_default=sa.false(),
                comment="only a title to go by",
            ),
            sa.Column(
                "sponsored",
                sa.Boolean(),
                nullable=False,
                server_default=sa.false(),
                comment="somebody pays for it",
            ),
            sa.Column(
                "pressing",
                sa.Boolean(),
                nullable=False,
                server_default=sa.false(),
                comment="its title presses to buy",
            ),
        ),
        "interactions": (
            sa.Column(
                "provenance",
                sa.SmallInteger(),
                nullable=False,
                server_default="0",
                comment="whose data it was before",
            ),
        ),
    }
