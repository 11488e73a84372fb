"""Accounts of the people who use the console, and their sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what is new; nobody has an account yet."""
    op.create_table(
        "accounts",
        sa.Column(
            "account_id", sa.Text(), nullable=False, comment="names who did something, wherever that is kept"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="what somebody signs in as, case folded"),
        sa.Column("password_hash", sa.Text(), comment="argon2id; null for who signs in elsewhere only"),
        sa.Column("identity", sa.Text(), comment="issuer and subject at an OpenID provider"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), comment="null for that of the browser"),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
        sa.UniqueConstraint("identity", name=op.f("uq_accounts_identity")),
        comment="people of the shop who use the console",
    )
    op.create_table(
        "sign_ins",
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False, comment="to the minute"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_sign_ins_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_sign_ins")),
        comment="who is signed in; a row that is gone is a session that has ended",
    )
    op.create_index(op.f("ix_sign_ins_account_id"), "sign_ins", ["account_id"])
    op.create_table(
        "sign_in_failures",
        sa.Column(
            "attempt_key",
            sa.LargeBinary(length=16),
            nullable=False,
            comment="keyed digest of a name or an address",
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("last_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_key", name=op.f("pk_sign_in_failures")),
        comment="what slows guessing down; goes after a day",
    )
    op.create_index(op.f("ix_sign_in_failures_last_at_ms"), "sign_in_failures", ["last_at_ms"])


def downgrade() -> None:
    """Drop what is new."""
    op.drop_table("sign_in_failures")
    op.drop_table("sign_ins")
    op.drop_table("accounts")
