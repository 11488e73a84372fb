"""The life of policies: their names, every step of a change, rehearsals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQLITE_GUARDS = (
    """
    CREATE TRIGGER policy_steps_refuse_update BEFORE UPDATE ON policy_steps
    BEGIN SELECT RAISE(ABORT, 'policy_steps is append-only'); END
    """,
    """
    CREATE TRIGGER policy_steps_refuse_delete BEFORE DELETE ON policy_steps
    BEGIN SELECT RAISE(ABORT, 'policy_steps is append-only'); END
    """,
    """
    CREATE TRIGGER policy_steps_refuse_replace BEFORE INSERT ON policy_steps
    WHEN EXISTS (SELECT 1 FROM policy_steps WHERE step_no = NEW.step_no)
    BEGIN SELECT RAISE(ABORT, 'policy_steps is append-only'); END
    """,
)
"""``INSERT OR REPLACE`` deletes without asking the triggers for DELETE, so it is refused by itself."""

_POSTGRESQL_GUARDS = (
    """
    CREATE TRIGGER policy_steps_refuse_change BEFORE UPDATE OR DELETE ON policy_steps
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER policy_steps_refuse_truncate BEFORE TRUNCATE ON policy_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    """Name the policies, create what is new, then what guards it."""
    op.add_column(
        "policies",
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            server_default="house",
            comment="which policy it is a version of",
        ),
    )
    op.create_index("ix_policies_name", "policies", ["name", "created_at_ms"])
    _create_policy_steps()
    _create_rehearsals()
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for statement in _POSTGRESQL_GUARDS if on_postgresql else _SQLITE_GUARDS:
        op.execute(statement)


def downgrade() -> None:
    """Drop what is new, then the name."""
    op.drop_table("rehearsals")
    op.drop_table("policy_steps")
    op.drop_index("ix_policies_name", "policies")
    op.drop_column("policies", "name")


def _create_policy_steps() -> None:
    op.create_table(
        "policy_steps",
        sa.Column(
            "step_no", sa.BigInteger(), autoincrement=False, nullable=False, comment="from 1, without a gap"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="of the policy"),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column(
            "base", sa.Text(), comment="version that it is to take the place of; null where there is none"
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="drafted, proposed, approved, activated, ..."),
        sa.Column("actor", sa.Text(), nullable=False, comment="id of a key, or system"),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, comment="JSON: reason, time, share, hash of a report"),
        sa.Column(
            "header",
            sa.LargeBinary(),
            nullable=False,
            comment="canonical bytes; names the hash of the step before",
        ),
        sa.PrimaryKeyConstraint("step_no", name=op.f("pk_policy_steps")),
        comment="append-only: UPDATE and DELETE are refused by trigger",
    )
    op.create_index("ix_policy_steps_version", "policy_steps", ["version"])


def _create_rehearsals() -> None:
    op.create_table(
        "rehearsals",
        sa.Column("rehearsal_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False, comment="the draft"),
        sa.Column("base", sa.Text(), nullable=False, comment="what it was held against"),
        sa.Column("state", sa.Text(), nullable=False, comment="running, done or failed"),
        sa.Column("n_done", sa.BigInteger(), nullable=False, comment="decisions"),
        sa.Column("n_total", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), comment="JSON; examples name items and decisions, and no customer"),
        sa.Column("report_sha256", sa.Text(), comment="of its canonical bytes"),
        sa.Column("actor", sa.Text(), nullable=False, comment="id of a key"),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "claimed_until_ms",
            sa.BigInteger(),
            nullable=False,
            comment="whoever runs it has to say so again by then",
        ),
        sa.Column("finished_at_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("rehearsal_id", name=op.f("pk_rehearsals")),
    )
    op.create_index("ix_rehearsals_version", "rehearsals", ["version", "started_at_ms"])
