"""Consent in full and the customer's rights: notices served, devices, requests, cascades, suppression."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns to what is there, then create what is new."""
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    _say_what_has_a_version("model, policy, catalogue or notices")
    _complete_states()
    _create_notices_served()
    _create_device_accounts()
    _create_signals_seen()
    _create_corrections()
    _create_requests()
    _create_cascades()
    _create_cascade_steps()
    _create_suppressions()


def downgrade() -> None:
    """Drop what is new, then the added columns."""
    _say_what_has_a_version("model, policy or catalogue")
    for table in _NEW_TABLES:
        op.drop_table(table)
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)


_NEW_TABLES = (
    "suppressions",
    "cascade_steps",
    "cascades",
    "requests",
    "corrections",
    "signals_seen",
    "device_accounts",
    "notices_served",
)


def _added() -> dict[str, tuple[sa.Column[object], ...]]:
    return {
        "customers": (
            sa.Column("age_band", sa.Text(), comment="of a minor, as far as it is known"),
            sa.Column("jurisdiction", sa.Text(), comment="where the customer lives; null when not known"),
            sa.Column("limit_sensitive", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column(
                "history_from_ms",
                sa.BigInteger(),
                nullable=False,
                server_default="0",
                comment="what was collected for a profile before was withdrawn",
            ),
        ),
        "notices": (
            sa.Column("data_categories", sa.Text(), nullable=False, server_default="[]", comment="JSON list"),
            sa.Column("controllers", sa.Text(), nullable=False, server_default="[]", comment="JSON list"),
            sa.Column("recipients", sa.Text(), nullable=False, server_default="[]", comment="JSON list"),
            sa.Column("retention", sa.Text(), comment="ISO 8601 duration"),
            sa.Column("withdrawal_url", sa.Text()),
        ),
        "consent_events": (
            sa.Column("notice_sha256", sa.Text(), comment="of the text that was shown"),
            sa.Column("language", sa.Text(), comment="BCP 47"),
            sa.Column("jurisdiction", sa.Text(), comment="whose rules it was given under"),
            sa.Column("served_id", sa.Text(), comment="when and how the notice was shown"),
            sa.Column("signal_sha256", sa.Text(), comment="digest of the outside signal it was read from"),
            sa.Column(
                "gpc",
                sa.Text(),
                nullable=False,
                server_default="none",
                comment="none, applied or overridden",
            ),
            sa.Column("parent", sa.Text(), comment="JSON: relation, verification method and time"),
            sa.Column("item_categories", sa.Text(), comment="JSON list: the goods that a soft opt-in is for"),
        ),
        "consent_states": (
            sa.Column("notice_id", sa.Text()),
            sa.Column("actor", sa.Text(), nullable=False, server_default="data_subject"),
            sa.Column("item_categories", sa.Text()),
        ),
        "models": (
            sa.Column(
                "erased_at_ms",
                sa.BigInteger(),
                comment="when its arrays were removed to forget somebody",
            ),
        ),
    }


def _say_what_has_a_version(comment: str) -> None:
    if op.get_context().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("active_versions", "name", comment=comment)


def _complete_states() -> None:
    """Take over from the events what their projection did not hold so far."""
    for name in ("notice_id", "actor"):
        op.execute(
            f"UPDATE consent_states SET {name} = (SELECT e.{name} FROM consent_events e"  # noqa: S608  two names of our own
            " WHERE e.record_id = consent_states.record_id)"
            " WHERE record_id IN (SELECT record_id FROM consent_events)"
        )


def _create_notices_served() -> None:
    op.create_table(
        "notices_served",
        sa.Column("served_id", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("notice_version", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False, comment="BCP 47"),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("experience_sha256", sa.Text(), nullable=False, comment="layout and labels of the buttons"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("served_id", name=op.f("pk_notices_served")),
    )
    op.create_index("ix_notices_served_subject_key", "notices_served", ["subject_key"])


def _create_device_accounts() -> None:
    op.create_table(
        "device_accounts",
        sa.Column("device_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_key", "subject_key", name=op.f("pk_device_accounts")),
        comment="who logged in where: two accounts on a device make it a shared one",
    )
    op.create_index("ix_device_accounts_subject_key", "device_accounts", ["subject_key"])


def _create_signals_seen() -> None:
    op.create_table(
        "signals_seen",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("signal", sa.Text(), nullable=False, comment="gpc"),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_key", "signal", name=op.f("pk_signals_seen")),
        comment="that a privacy signal was seen; not a refusal, and not each time",
    )


def _create_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("correction_no", _row_number(), autoincrement=True, nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="item, brand or category"),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="drop or relabel"),
        sa.Column("n_interactions", sa.BigInteger(), nullable=False, comment="changed or removed"),
        sa.PrimaryKeyConstraint("correction_no", name=op.f("pk_corrections")),
        comment="what a customer set right (GDPR 16)",
    )
    op.create_index("ix_corrections_subject_key", "corrections", ["subject_key"])


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), comment="null once the customer is erased"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="open, done or refused"),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("extended_because", sa.Text()),
        sa.Column("closed_at_ms", sa.BigInteger()),
        sa.Column("outcome", sa.Text(), comment="what was done, or why not"),
        sa.Column("decision_id", sa.Text(), comment="the decision that is contested"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_requests")),
        comment="what customers asked for under GDPR 15 to 22, with its clock (GDPR 12(3))",
    )
    op.create_index("ix_requests_subject_key", "requests", ["subject_key"])
    op.create_index("ix_requests_state_due_at_ms", "requests", ["state", "due_at_ms"])


def _create_cascades() -> None:
    op.create_table(
        "cascades",
        sa.Column("cascade_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="erasure or withdrawal"),
        sa.Column("mode", sa.Text(), comment="of an erasure: anonymize or delete"),
        sa.Column("subject_key", sa.LargeBinary(length=16), comment="null once it is finished"),
        sa.Column("customer_no", sa.BigInteger(), comment="null once it is finished, or without an account"),
        sa.Column("request_id", sa.Text()),
        sa.Column("requested_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("n_attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("finished_at_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("cascade_id", name=op.f("pk_cascades")),
        comment="an erasure or a withdrawal on its way through everything that holds data",
    )
    op.create_index("ix_cascades_finished_at_ms", "cascades", ["finished_at_ms", "requested_at_ms"])
    op.create_index("ix_cascades_subject_key", "cascades", ["subject_key"])


def _create_cascade_steps() -> None:
    op.create_table(
        "cascade_steps",
        sa.Column("cascade_id", sa.Text(), nullable=False),
        sa.Column("downstream", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, complete, error or skipped"),
        sa.Column("n_affected", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), comment="plain words, nothing personal"),
        sa.PrimaryKeyConstraint("cascade_id", "downstream", name=op.f("pk_cascade_steps")),
    )


def _create_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column(
            "suppression_key", sa.LargeBinary(length=16), nullable=False, comment="keyed digest of its own"
        ),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("suppression_key", name=op.f("pk_suppressions")),
        comment="who was erased: so that no import brings them back",
    )


def _row_number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
