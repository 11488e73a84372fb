"""Create the store: every table, and the triggers that keep the log and the ledger append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create tables, then triggers."""
    _create_active_versions()
    _create_api_keys()
    _create_consent_events()
    _create_consent_states()
    _create_customers()
    _create_decision_bodies()
    _create_decision_subjects()
    _create_decisions()
    _create_items()
    _create_models()
    _create_mutes()
    _create_notices()
    _create_placements()
    _create_policies()
    _create_subject_keys()
    _create_exposures()
    _create_feedback()
    _create_interactions()
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for statement in _POSTGRESQL_GUARDS if on_postgresql else _SQLITE_GUARDS:
        op.execute(statement)


def downgrade() -> None:
    """Drop everything: tables take their triggers along."""
    for table in _IN_ORDER_OF_REMOVAL:
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


_IN_ORDER_OF_REMOVAL = (
    "interactions",
    "feedback",
    "exposures",
    "subject_keys",
    "policies",
    "placements",
    "notices",
    "mutes",
    "models",
    "items",
    "decisions",
    "decision_subjects",
    "decision_bodies",
    "customers",
    "consent_states",
    "consent_events",
    "api_keys",
    "active_versions",
)


def _row_number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


_SQLITE_GUARDS = (
    """
    CREATE TRIGGER decisions_refuse_update BEFORE UPDATE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
    """,
    """
    CREATE TRIGGER decisions_refuse_delete BEFORE DELETE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
    """,
    """
    CREATE TRIGGER decisions_refuse_replace BEFORE INSERT ON decisions
    WHEN EXISTS (SELECT 1 FROM decisions WHERE decision_id = NEW.decision_id OR seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
    """,
    """
    CREATE TRIGGER consent_events_refuse_update BEFORE UPDATE ON consent_events
    BEGIN SELECT RAISE(ABORT, 'consent_events is append-only'); END
    """,
    """
    CREATE TRIGGER consent_events_refuse_replace BEFORE INSERT ON consent_events
    WHEN EXISTS (SELECT 1 FROM consent_events WHERE record_id = NEW.record_id OR event_no = NEW.event_no)
    BEGIN SELECT RAISE(ABORT, 'consent_events is append-only'); END
    """,
)
"""``INSERT OR REPLACE`` deletes without asking the triggers for DELETE, so it is refused by itself."""

_POSTGRESQL_GUARDS = (
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END
    $$
    """,
    """
    CREATE TRIGGER decisions_refuse_change BEFORE UPDATE OR DELETE ON decisions
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER decisions_refuse_truncate BEFORE TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER consent_events_refuse_update BEFORE UPDATE ON consent_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
)


def _create_active_versions() -> None:
    op.create_table(
        "active_versions",
        sa.Column("name", sa.Text(), nullable=False, comment="model, policy or catalogue"),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_active_versions")),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_api_keys_secret_sha256")),
    )


def _create_consent_events() -> None:
    op.create_table(
        "consent_events",
        sa.Column("event_no", _row_number(), autoincrement=True, nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False, comment="account or session"),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="DPV consent status"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=True),
        sa.Column(
            "channels",
            sa.Text(),
            nullable=True,
            comment="JSON list of channel numbers; null when not bound to channels",
        ),
        sa.Column(
            "data_categories",
            sa.Text(),
            nullable=True,
            comment="JSON list; null when not bound to categories",
        ),
        sa.Column("notice_id", sa.Text(), nullable=True),
        sa.Column("notice_version", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("explicit", sa.Boolean(), nullable=False),
        sa.Column("confirmed_override", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("event_no", name=op.f("pk_consent_events")),
        sa.UniqueConstraint("record_id", name=op.f("uq_consent_events_record_id")),
        comment="append-only: UPDATE is refused by trigger; DELETE is how a customer is forgotten",
    )
    op.create_index("ix_consent_events_subject_key", "consent_events", ["subject_key"], unique=False)


def _create_consent_states() -> None:
    op.create_table(
        "consent_states",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("channels", sa.Text(), nullable=True),
        sa.Column("data_categories", sa.Text(), nullable=True),
        sa.Column("notice_version", sa.Text(), nullable=True),
        sa.Column("explicit", sa.Boolean(), nullable=False),
        sa.Column("confirmed_override", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subject_key", "purpose", name=op.f("pk_consent_states")),
        comment="projection of consent_events: can be rebuilt from them at any time",
    )


def _create_customers() -> None:
    op.create_table(
        "customers",
        sa.Column("customer_no", _row_number(), autoincrement=True, nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False, comment="the shop's key"),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("age_assurance", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("non_profiled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("shared_device", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_no", name=op.f("pk_customers")),
        sa.UniqueConstraint("customer_id", name=op.f("uq_customers_customer_id")),
        sa.UniqueConstraint("subject_key", name=op.f("uq_customers_subject_key")),
        sqlite_autoincrement=True,
    )


def _create_decision_bodies() -> None:
    op.create_table(
        "decision_bodies",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="the five sections and their salts"),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decision_bodies")),
    )


def _create_decision_subjects() -> None:
    op.create_table(
        "decision_subjects",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject_key", "decision_id", name=op.f("pk_decision_subjects")),
        comment="whose decision it was; outside the record, so that erasing it breaks no proof",
    )
    op.create_index("ix_decision_subjects_decision_id", "decision_subjects", ["decision_id"], unique=False)


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("seq", _row_number(), autoincrement=True, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column(
            "minute", sa.BigInteger(), nullable=False, comment="minutes since the epoch, coarse on purpose"
        ),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column(
            "header", sa.LargeBinary(), nullable=False, comment="canonical bytes; holds no personal data"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_decisions")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_decisions_decision_id")),
        comment="append-only: UPDATE and DELETE are refused by trigger",
    )
    op.create_index("ix_decisions_minute", "decisions", ["minute", "seq"], unique=False)


def _create_items() -> None:
    op.create_table(
        "items",
        sa.Column("item_no", _row_number(), autoincrement=True, nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "category", sa.Text(), nullable=False, comment="path, parts joined by ' > '; empty when unknown"
        ),
        sa.Column("brand", sa.Text(), nullable=False, comment="empty when unknown"),
        sa.Column("price_minor", sa.BigInteger(), nullable=True, comment="null when unknown"),
        sa.Column("currency", sa.Text(), nullable=True, comment="ISO 4217"),
        sa.Column("available", sa.Boolean(), nullable=False, comment="in stock and not withdrawn from sale"),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("image_link", sa.Text(), nullable=True),
        sa.Column("google_category_id", sa.Integer(), nullable=True, comment="Google product taxonomy"),
        sa.Column("size_type", sa.Text(), nullable=True),
        sa.Column("age_group", sa.Text(), nullable=True),
        sa.Column("adult", sa.Boolean(), nullable=True),
        sa.Column("shop_class", sa.Text(), nullable=True, comment="sensitive class the shop marked"),
        sa.Column(
            "shop_tier", sa.SmallInteger(), nullable=True, comment="tier the shop marked; can only raise"
        ),
        sa.Column("sensitive_class", sa.Text(), nullable=True, comment="decided when stored; null for none"),
        sa.Column("tier", sa.SmallInteger(), nullable=False, comment="decided when stored, 0 to 3"),
        sa.Column(
            "deciding_layer", sa.Text(), nullable=False, comment="google, attribute, keyword, shop or none"
        ),
        sa.Column("age_restricted", sa.Boolean(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item_no", name=op.f("pk_items")),
        sa.UniqueConstraint("item_id", name=op.f("uq_items_item_id")),
    )


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("version", sa.Text(), nullable=False, comment="content hash of the artefact"),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_models")),
    )


def _create_mutes() -> None:
    op.create_table(
        "mutes",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="item, brand, category or sensitive_class"),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True, comment="null until lifted"),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_key", "scope", "value", name=op.f("pk_mutes")),
    )


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False, comment="BCP 47"),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False, comment="JSON list of purpose keys"),
        sa.Column("material_change", sa.Boolean(), nullable=False),
        sa.Column("effective_from_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "version", "language", name=op.f("pk_notices")),
    )


def _create_placements() -> None:
    op.create_table(
        "placements",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prominence_micro", sa.Integer(), nullable=False),
        sa.Column("interruptive", sa.Boolean(), nullable=False),
        sa.Column("anchored", sa.Boolean(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("max_count", sa.Integer(), nullable=False),
        sa.Column("intents", sa.Text(), nullable=False, comment="JSON list of intent words"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_placements")),
    )


def _create_policies() -> None:
    op.create_table(
        "policies",
        sa.Column("version", sa.Text(), nullable=False, comment="SHA-256 of the canonical document"),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_policies")),
    )


def _create_subject_keys() -> None:
    op.create_table(
        "subject_keys",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_key", name=op.f("pk_subject_keys")),
    )


def _create_exposures() -> None:
    op.create_table(
        "exposures",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("customer_no", sa.BigInteger(), nullable=True),
        sa.Column("session_key", sa.LargeBinary(length=16), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("interruptive", sa.Boolean(), nullable=False, comment="it stopped the customer"),
        sa.Column("outbound", sa.Boolean(), nullable=False, comment="the shop spoke first"),
        sa.Column("suggestions", sa.Text(), nullable=False, comment="JSON list of [item_no, intent]"),
        sa.ForeignKeyConstraint(
            ["customer_no"], ["customers.customer_no"], name=op.f("fk_exposures_customer_no_customers")
        ),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_exposures")),
    )
    op.create_index("ix_exposures_customer_no_at_ms", "exposures", ["customer_no", "at_ms"], unique=False)
    op.create_index("ix_exposures_session_key_at_ms", "exposures", ["session_key", "at_ms"], unique=False)


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("item_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["item_no"], ["items.item_no"], name=op.f("fk_feedback_item_no_items")),
        sa.PrimaryKeyConstraint("decision_id", "item_no", "kind", name=op.f("pk_feedback")),
    )


def _create_interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("interaction_no", _row_number(), autoincrement=True, nullable=False),
        sa.Column("event_key", sa.LargeBinary(length=16), nullable=False, comment="digest of the event id"),
        sa.Column("customer_no", sa.BigInteger(), nullable=True, comment="null for a visit only"),
        sa.Column("session_key", sa.LargeBinary(length=16), nullable=True, comment="null outside a visit"),
        sa.Column("item_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("purpose", sa.SmallInteger(), nullable=False, comment="purpose it was collected under"),
        sa.Column("is_gift", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column(
            "value_minor", sa.BigInteger(), nullable=True, comment="what was paid for all of the quantity"
        ),
        sa.ForeignKeyConstraint(
            ["customer_no"], ["customers.customer_no"], name=op.f("fk_interactions_customer_no_customers")
        ),
        sa.ForeignKeyConstraint(["item_no"], ["items.item_no"], name=op.f("fk_interactions_item_no_items")),
        sa.PrimaryKeyConstraint("interaction_no", name=op.f("pk_interactions")),
        sa.UniqueConstraint("event_key", name=op.f("uq_interactions_event_key")),
    )
    op.create_index(
        "ix_interactions_customer_no_at_ms",
        "interactions",
        ["customer_no", "at_ms", "item_no", "kind", "channel", "purpose", "is_gift"],
        unique=False,
    )
    op.create_index(
        "ix_interactions_session_key_at_ms",
        "interactions",
        ["session_key", "at_ms"],
        unique=False,
        sqlite_where=sa.text("session_key IS NOT NULL"),
        postgresql_where=sa.text("session_key IS NOT NULL"),
    )
