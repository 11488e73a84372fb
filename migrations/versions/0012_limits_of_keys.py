"""How much a key may ask for, and how much it has asked for on a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_LIMITS = {
    "n_per_second": "requests on average; null for what the shop has set for all",
    "n_at_once": "requests without a pause; null likewise",
    "n_per_day": "requests on a day of UTC; null likewise",
}


def upgrade() -> None:
    """Create what is new; keys that are there keep to what the shop has set for all."""
    for name, told in _LIMITS.items():
        op.add_column("api_keys", sa.Column(name, sa.BigInteger(), comment=told))
    op.create_table(
        "key_days",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False, comment="of UTC, days since the epoch"),
        sa.Column("n_taken", sa.BigInteger(), nullable=False, comment="requests, taken in steps"),
        sa.PrimaryKeyConstraint("key_id", "day", name=op.f("pk_key_days")),
        comment="requests that keys with a limit for the day have taken",
    )


def downgrade() -> None:
    """Drop what is new."""
    op.drop_table("key_days")
    for name in _LIMITS:
        op.drop_column("api_keys", name)
