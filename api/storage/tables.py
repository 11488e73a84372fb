"""Every table of the store, in one place.

Times are milliseconds since the epoch (``_at_ms``), money is in minor units (``_minor``), short
enumerations are the numbers of ``engine.vocabulary``, and ``subject_key`` is a keyed pseudonym
(HMAC-SHA-256, 16 bytes) of a customer or a session, so that no table but ``customers`` holds the
shop's own customer id.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A rowid on SQLite, a sequence on PostgreSQL."""

items = Table(
    "items",
    metadata,
    Column("item_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("item_id", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("category", Text, nullable=False, comment="path, parts joined by ' > '; empty when unknown"),
    Column("brand", Text, nullable=False, comment="empty when unknown"),
    Column("price_minor", BigInteger, comment="null when unknown"),
    Column("currency", Text, comment="ISO 4217"),
    Column("available", Boolean, nullable=False, comment="in stock and not withdrawn from sale"),
    Column("link", Text),
    Column("image_link", Text),
    Column("google_category_id", Integer, comment="Google product taxonomy"),
    Column("size_type", Text),
    Column("age_group", Text),
    Column("adult", Boolean),
    Column("shop_class", Text, comment="sensitive class the shop marked"),
    Column("shop_tier", SmallInteger, comment="tier the shop marked; can only raise"),
    Column("sensitive_class", Text, comment="decided when stored; null for none"),
    Column("tier", SmallInteger, nullable=False, comment="decided when stored, 0 to 3"),
    Column("deciding_layer", Text, nullable=False, comment="google, attribute, keyword, shop or none"),
    Column("age_restricted", Boolean, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("shop_occasions", Integer, nullable=False, server_default="0", comment="bit mask the shop named"),
    Column("occasions", Integer, nullable=False, server_default="0", comment="decided when stored, bit mask"),
    Column("unclassified", Boolean, nullable=False, server_default=false(), comment="only a title to go by"),
    Column("sponsored", Boolean, nullable=False, server_default=false(), comment="somebody pays for it"),
    Column("pressing", Boolean, nullable=False, server_default=false(), comment="its title presses to buy"),
)

category_marks = Table(
    "category_marks",
    metadata,
    Column("category", Text, primary_key=True, comment="path; covers everything below it"),
    Column("sensitive_class", Text, comment="null: whatever class else was found"),
    Column("tier", SmallInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    comment="what the shop itself calls sensitive; can only raise",
)

customers = Table(
    "customers",
    metadata,
    Column("customer_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("customer_id", Text, nullable=False, unique=True, comment="the shop's key"),
    Column("subject_key", LargeBinary(16), nullable=False, unique=True),
    Column("age_assurance", Text, nullable=False, server_default="unknown"),
    Column("non_profiled", Boolean, nullable=False, server_default=false()),
    Column("shared_device", Boolean, nullable=False, server_default=false()),
    Column("age_band", Text, comment="of a minor, as far as it is known"),
    Column("jurisdiction", Text, comment="where the customer lives; null when not known"),
    Column("limit_sensitive", Boolean, nullable=False, server_default=false()),
    Column(
        "history_from_ms",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="what was collected for a profile before was withdrawn",
    ),
    Column("created_at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # a number that was erased is never given out again
)

mutes = Table(
    "mutes",
    metadata,
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("scope", Text, primary_key=True, comment="item, brand, category or sensitive_class"),
    Column("value", Text, primary_key=True),
    Column("until_ms", BigInteger, comment="null until lifted"),
    Column("created_at_ms", BigInteger, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("kind", Text, primary_key=True, comment="what is held back for"),
    Column("reference", Text, primary_key=True, comment="digest of a case or an order, or a class; empty"),
    Column("since_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, comment="null until it is lifted"),
    comment="reasons to hold back; of a life event nothing is kept but when the hold ends",
)

interactions = Table(
    "interactions",
    metadata,
    Column("interaction_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("event_key", LargeBinary(16), nullable=False, unique=True, comment="digest of the event id"),
    Column("customer_no", BigInteger, ForeignKey("customers.customer_no"), comment="null for a visit only"),
    Column("session_key", LargeBinary(16), comment="null outside a visit"),
    Column("item_no", BigInteger, ForeignKey("items.item_no"), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("purpose", SmallInteger, nullable=False, comment="purpose it was collected under"),
    Column("is_gift", Boolean, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("value_minor", BigInteger, comment="what was paid for all of the quantity"),
    Column(
        "provenance", SmallInteger, nullable=False, server_default="0", comment="whose data it was before"
    ),
    Index(
        "ix_interactions_customer_no_at_ms",  # holds all that a history needs, so reading one stays here
        "customer_no",
        "at_ms",
        "item_no",
        "kind",
        "channel",
        "purpose",
        "is_gift",
        "provenance",
    ),
)

_visits = interactions.c.session_key.is_not(None)
Index(
    "ix_interactions_session_key_at_ms",
    interactions.c.session_key,
    interactions.c.at_ms,
    sqlite_where=_visits,
    postgresql_where=_visits,
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("language", Text, primary_key=True, comment="BCP 47"),
    Column("jurisdiction", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("text_sha256", Text, nullable=False),
    Column("purposes", Text, nullable=False, comment="JSON list of purpose keys"),
    Column("material_change", Boolean, nullable=False),
    Column("effective_from_ms", BigInteger, nullable=False),
    Column("data_categories", Text, nullable=False, server_default="[]", comment="JSON list"),
    Column("controllers", Text, nullable=False, server_default="[]", comment="JSON list"),
    Column("recipients", Text, nullable=False, server_default="[]", comment="JSON list"),
    Column("retention", Text, comment="ISO 8601 duration"),
    Column("withdrawal_url", Text),
)

notices_served = Table(
    "notices_served",
    metadata,
    Column("served_id", Text, primary_key=True),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("notice_id", Text, nullable=False),
    Column("notice_version", Text, nullable=False),
    Column("language", Text, nullable=False, comment="BCP 47"),
    Column("surface", Text, nullable=False),
    Column("experience_sha256", Text, nullable=False, comment="layout and labels of the buttons"),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_notices_served_subject_key", "subject_key"),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("event_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("record_id", Text, nullable=False, unique=True),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("subject_kind", Text, nullable=False, comment="account or session"),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False, comment="DPV consent status"),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("valid_until_ms", BigInteger),
    Column("channels", Text, comment="JSON list of channel numbers; null when not bound to channels"),
    Column("data_categories", Text, comment="JSON list; null when not bound to categories"),
    Column("notice_id", Text),
    Column("notice_version", Text),
    Column("method", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("explicit", Boolean, nullable=False),
    Column("confirmed_override", Boolean, nullable=False),
    Column("notice_sha256", Text, comment="of the text that was shown"),
    Column("language", Text, comment="BCP 47"),
    Column("jurisdiction", Text, comment="whose rules it was given under"),
    Column("served_id", Text, comment="when and how the notice was shown"),
    Column("signal_sha256", Text, comment="digest of the outside signal it was read from"),
    Column("gpc", Text, nullable=False, server_default="none", comment="none, applied or overridden"),
    Column("parent", Text, comment="JSON: relation, verification method and time"),
    Column("item_categories", Text, comment="JSON list: the goods that a soft opt-in is for"),
    Index("ix_consent_events_subject_key", "subject_key"),
    comment="append-only: UPDATE is refused by trigger; DELETE is how a customer is forgotten",
)

consent_states = Table(
    "consent_states",
    metadata,
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("valid_until_ms", BigInteger),
    Column("channels", Text),
    Column("data_categories", Text),
    Column("notice_version", Text),
    Column("explicit", Boolean, nullable=False),
    Column("confirmed_override", Boolean, nullable=False),
    Column("notice_id", Text),
    Column("actor", Text, nullable=False, server_default="data_subject"),
    Column("item_categories", Text),
    comment="projection of consent_events: can be rebuilt from them at any time",
)

device_accounts = Table(
    "device_accounts",
    metadata,
    Column("device_key", LargeBinary(16), primary_key=True),
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("last_seen_ms", BigInteger, nullable=False),
    Index("ix_device_accounts_subject_key", "subject_key"),
    comment="who logged in where: two accounts on a device make it a shared one",
)

signals_seen = Table(
    "signals_seen",
    metadata,
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("signal", Text, primary_key=True, comment="gpc"),
    Column("value", Text, nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    comment="that a privacy signal was seen; not a refusal, and not each time",
)

corrections = Table(
    "corrections",
    metadata,
    Column("correction_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("scope", Text, nullable=False, comment="item, brand or category"),
    Column("value", Text, nullable=False),
    Column("action", Text, nullable=False, comment="drop or relabel"),
    Column("n_interactions", BigInteger, nullable=False, comment="changed or removed"),
    Index("ix_corrections_subject_key", "subject_key"),
    comment="what a customer set right (GDPR 16)",
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("subject_key", LargeBinary(16), comment="null once the customer is erased"),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, done or refused"),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("extended_because", Text),
    Column("closed_at_ms", BigInteger),
    Column("outcome", Text, comment="what was done, or why not"),
    Column("decision_id", Text, comment="the decision that is contested"),
    Index("ix_requests_subject_key", "subject_key"),
    Index("ix_requests_state_due_at_ms", "state", "due_at_ms"),
    comment="what customers asked for under GDPR 15 to 22, with its clock (GDPR 12(3))",
)

cascades = Table(
    "cascades",
    metadata,
    Column("cascade_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="erasure or withdrawal"),
    Column("mode", Text, comment="of an erasure: anonymize or delete"),
    Column("subject_key", LargeBinary(16), comment="null once it is finished"),
    Column("customer_no", BigInteger, comment="null once it is finished, or without an account"),
    Column("request_id", Text),
    Column("requested_at_ms", BigInteger, nullable=False),
    Column("claimed_until_ms", BigInteger, nullable=False, server_default="0"),
    Column("n_attempts", Integer, nullable=False, server_default="0"),
    Column("finished_at_ms", BigInteger),
    Column("log_index", BigInteger, comment="of an erasure: where the log tells of it"),
    Index("ix_cascades_finished_at_ms", "finished_at_ms", "requested_at_ms"),
    Index("ix_cascades_subject_key", "subject_key"),
    comment="an erasure or a withdrawal on its way through everything that holds data",
)

cascade_steps = Table(
    "cascade_steps",
    metadata,
    Column("cascade_id", Text, primary_key=True),
    Column("downstream", Text, primary_key=True),
    Column("status", Text, nullable=False, comment="pending, complete, error or skipped"),
    Column("n_affected", BigInteger, nullable=False, server_default="0"),
    Column("at_ms", BigInteger, nullable=False),
    Column("detail", Text, comment="plain words, nothing personal"),
)

cascade_subjects = Table(
    "cascade_subjects",
    metadata,
    Column("cascade_id", Text, primary_key=True),
    Column("subject_key", LargeBinary(16), primary_key=True),
    Index("ix_cascade_subjects_subject_key", "subject_key"),
    comment="visits of a customer who is being erased; empty once that is finished",
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("suppression_key", LargeBinary(16), primary_key=True, comment="keyed digest of its own"),
    Column("since_ms", BigInteger, nullable=False),
    comment="who was erased: so that no import brings them back",
)

placements = Table(
    "placements",
    metadata,
    Column("name", Text, primary_key=True),
    Column("prominence_micro", Integer, nullable=False),
    Column("interruptive", Boolean, nullable=False),
    Column("anchored", Boolean, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("max_count", Integer, nullable=False),
    Column("intents", Text, nullable=False, comment="JSON list of intent words"),
)

exposures = Table(
    "exposures",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("customer_no", BigInteger, ForeignKey("customers.customer_no")),
    Column("session_key", LargeBinary(16)),
    Column("at_ms", BigInteger, nullable=False),
    Column("placement", Text, nullable=False),
    Column("interruptive", Boolean, nullable=False, comment="it stopped the customer"),
    Column("outbound", Boolean, nullable=False, comment="the shop spoke first"),
    Column("suggestions", Text, nullable=False, comment="JSON list of [item_no, intent]"),
    Index("ix_exposures_customer_no_at_ms", "customer_no", "at_ms"),
    Index("ix_exposures_session_key_at_ms", "session_key", "at_ms"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("item_no", BigInteger, ForeignKey("items.item_no"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)

measured_suggestions = Table(
    "measured_suggestions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("item_no", BigInteger, primary_key=True, comment="0 where a decision showed nothing"),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("at_ms", BigInteger, nullable=False, comment="of the decision"),
    Column("kind_no", BigInteger, nullable=False, comment="what the decision has in common with others"),
    Column("channel", SmallInteger, nullable=False),
    Column("intent", SmallInteger, nullable=False, comment="-1 where a decision showed nothing"),
    Column("arm", Text, nullable=False, comment="empty where nothing is compared"),
    Column("outcomes", Integer, nullable=False, server_default="0", comment="bit mask of what came of it"),
    Index("ix_measured_suggestions_subject_key_item_no", "subject_key", "item_no", "at_ms"),
    Index("ix_measured_suggestions_at_ms", "at_ms"),
    comment="what was shown to who agreed to be measured; goes when they object, or after a while",
)

measurements = Table(
    "measurements",
    metadata,
    Column("day", Integer, primary_key=True, comment="days since the epoch, of the decisions"),
    Column("kind_no", BigInteger, primary_key=True, comment="what the decisions have in common"),
    Column("channel", SmallInteger, primary_key=True),
    Column("intent", SmallInteger, primary_key=True, comment="-1 for what is counted of whole decisions"),
    Column("arm", Text, primary_key=True, comment="empty where nothing is compared"),
    Column("measure", Text, primary_key=True, comment="decision, slate, suggested, shown, clicked, ..."),
    Column("n", BigInteger, nullable=False),
    comment="sums over many people, under P7; nothing in it tells of whom",
)

tallies = Table(
    "tallies",
    metadata,
    Column("day", Integer, primary_key=True, comment="days since the epoch"),
    Column("part", Text, primary_key=True, comment="placement, basis, intent, rule, outcome, degraded"),
    Column("name", Text, primary_key=True, comment="of which one"),
    Column("n_decisions", BigInteger, nullable=False),
    Column("n_shown", BigInteger, nullable=False, comment="suggestions"),
    Column("n_withheld", BigInteger, nullable=False, comment="what would have been suggested but for a rule"),
    comment="sums over all decisions of the log, written with them; nothing in it tells of whom",
)

figures = Table(
    "figures",
    metadata,
    Column("name", Text, primary_key=True, comment="consents"),
    Column("at_ms", BigInteger, nullable=False, comment="when it was counted"),
    Column("document", Text, nullable=False, comment="JSON: counts; nothing in it tells of whom"),
    comment="what takes long to count, as it was when it was counted last",
)

policies = Table(
    "policies",
    metadata,
    Column("version", Text, primary_key=True, comment="SHA-256 of the canonical document"),
    Column("document", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("name", Text, nullable=False, server_default="house", comment="which policy it is a version of"),
    Index("ix_policies_name", "name", "created_at_ms"),
)

policy_steps = Table(
    "policy_steps",
    metadata,
    Column("step_no", BigInteger, primary_key=True, autoincrement=False, comment="from 1, without a gap"),
    Column("name", Text, nullable=False, comment="of the policy"),
    Column("version", Text, nullable=False),
    Column("base", Text, comment="version that it is to take the place of; null where there is none"),
    Column("kind", Text, nullable=False, comment="drafted, proposed, approved, activated, ..."),
    Column("actor", Text, nullable=False, comment="id of a key, or system"),
    Column("actor_role", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON: reason, time, share, hash of a report"),
    Column(
        "header", LargeBinary, nullable=False, comment="canonical bytes; names the hash of the step before"
    ),
    Index("ix_policy_steps_version", "version"),
    comment="append-only: UPDATE and DELETE are refused by trigger",
)

policy_comments = Table(
    "policy_comments",
    metadata,
    Column("comment_id", Text, primary_key=True),
    Column("version", Text, nullable=False, index=True, comment="of the policy that it is about"),
    Column("actor", Text, nullable=False, comment="id of an account"),
    Column("actor_role", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("comment", Text, nullable=False),
    comment="what people of the shop say between the steps of a change",
)

rehearsals = Table(
    "rehearsals",
    metadata,
    Column("rehearsal_id", Text, primary_key=True),
    Column("version", Text, nullable=False, comment="the draft"),
    Column("base", Text, nullable=False, comment="what it was held against"),
    Column("state", Text, nullable=False, comment="running, done or failed"),
    Column("n_done", BigInteger, nullable=False, comment="decisions"),
    Column("n_total", BigInteger, nullable=False),
    Column("report", Text, comment="JSON; examples name items and decisions, and no customer"),
    Column("report_sha256", Text, comment="of its canonical bytes"),
    Column("actor", Text, nullable=False, comment="id of a key"),
    Column("started_at_ms", BigInteger, nullable=False),
    Column(
        "claimed_until_ms", BigInteger, nullable=False, comment="whoever runs it has to say so again by then"
    ),
    Column("finished_at_ms", BigInteger),
    Index("ix_rehearsals_version", "version", "started_at_ms"),
)

models = Table(
    "models",
    metadata,
    Column("version", Text, primary_key=True, comment="content hash of the artefact"),
    Column("location", Text, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("erased_at_ms", BigInteger, comment="when its arrays were removed to forget somebody"),
    Column("preceded_by", Text, comment="version that it took the place of"),
    Column("in_force_until_ms", BigInteger, comment="when another took its place; null before that"),
    Column("retired_at_ms", BigInteger, comment="when its arrays were removed, needed by nothing"),
)

training_runs = Table(
    "training_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="queued, running, succeeded, failed, ..."),
    Column("under_way", SmallInteger, unique=True, comment="1 until it has ended, then null: one at a time"),
    Column("stage", Text, nullable=False, comment="what it is at"),
    Column("n_done", BigInteger, nullable=False),
    Column("n_total", BigInteger, comment="null while it is not known"),
    Column("budget_s", Integer, nullable=False, comment="time for learning"),
    Column("may_activate", Boolean, nullable=False),
    Column("actor", Text, nullable=False, comment="id of a key"),
    Column("requested_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("claimed_until_ms", BigInteger, nullable=False, comment="whoever runs it says so again by then"),
    Column("finished_at_ms", BigInteger),
    Column("version", Text, comment="of the model that came of it"),
    Column("activated", Boolean, comment="whether that was put in force"),
    Column("because", Text, comment="why it was or was not, or what went wrong"),
    comment="trainings that were asked for, under way or ended",
)

model_shadows = Table(
    "model_shadows",
    metadata,
    Column("version", Text, primary_key=True, comment="the model that is watched"),
    Column("against", Text, primary_key=True, comment="the model that is served meanwhile"),
    Column("since_ms", BigInteger, nullable=False),
    Column("share_micro", Integer, nullable=False, comment="of decisions, in millionths"),
    Column("next_index", BigInteger, nullable=False, comment="where in the log it is gone on with"),
    Column("claimed_until_ms", BigInteger, nullable=False, server_default="0"),
    Column("counts", Text, nullable=False, comment="JSON: sums over many decisions"),
    comment="what a model would have shown, counted over many decisions; nothing of any one of them",
)

artefacts_used = Table(
    "artefacts_used",
    metadata,
    Column("kind", Text, primary_key=True, comment="model or catalogue"),
    Column("version", Text, primary_key=True),
    Column("first_index", BigInteger, nullable=False),
    Column("last_index", BigInteger, nullable=False),
    comment="between which places in the log are the decisions that were made from it",
)

active_versions = Table(
    "active_versions",
    metadata,
    Column("name", Text, primary_key=True, comment="model, policy, catalogue or notices"),
    Column("version", Text, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
)

log_entries = Table(
    "log_entries",
    metadata,
    Column("log_index", _RowNumber, primary_key=True, autoincrement=False, comment="from 0, without a gap"),
    Column("type", Text, nullable=False, comment="decision, erasure, policy_step, ..."),
    Column("minute", BigInteger, nullable=False, comment="minutes since the epoch, coarse on purpose"),
    Column("entry", LargeBinary, nullable=False, comment="canonical bytes; holds no personal data"),
    comment="leaves of the tree: UPDATE is refused by trigger, DELETE as well but of what was pruned",
)

_not_decisions = log_entries.c.type != "decision"
Index(
    "ix_log_entries_type_log_index",
    log_entries.c.type,
    log_entries.c.log_index,
    sqlite_where=_not_decisions,
    postgresql_where=_not_decisions,
)

log_state = Table(
    "log_state",
    metadata,
    Column("one", SmallInteger, primary_key=True, autoincrement=False, comment="1: there is one tree"),
    Column("size", BigInteger, nullable=False, comment="entries; can only grow"),
    Column("root", LargeBinary(32), nullable=False, comment="RFC 6962 tree hash"),
    Column("frontier", LargeBinary, nullable=False, comment="roots of the complete subtrees, largest first"),
    Column("min_index", BigInteger, nullable=False, comment="entries before it were pruned; can only grow"),
)

log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("tile", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False, comment="up to 256 hashes of 32 bytes"),
    comment="hashes of the tree, as c2sp.org/tlog-tiles cuts it; can be computed again from the entries",
)

decision_kinds = Table(
    "decision_kinds",
    metadata,
    Column("kind_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("placement", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("model", Text, nullable=False, comment="empty without one"),
    UniqueConstraint("placement", "basis", "outcome", "policy", "model"),
    comment="what decisions have in common; a few rows for millions of decisions",
)

decisions = Table(
    "decisions",
    metadata,
    Column("log_index", _RowNumber, primary_key=True, autoincrement=False),
    Column("decision_id", Text, nullable=False),
    Column("minute", BigInteger, nullable=False, comment="minutes since the epoch"),
    Column("kind_no", BigInteger, nullable=False),
    UniqueConstraint("decision_id"),
    Index("ix_decisions_minute_log_index", "minute", "log_index"),
    Index("ix_decisions_kind_no_log_index", "kind_no", "log_index"),
    comment="where in the log a decision is; guarded like the log itself",
)

decision_hours = Table(
    "decision_hours",
    metadata,
    Column("hour", _RowNumber, primary_key=True, autoincrement=False, comment="hours since the epoch"),
    Column("first_index", BigInteger, nullable=False),
    Column("last_index", BigInteger, nullable=False),
    comment="from where to where in the log the decisions of an hour are; others may be between them",
)

decision_bodies = Table(
    "decision_bodies",
    metadata,
    Column("log_index", _RowNumber, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False, comment="salts and sections, encrypted for the subject"),
)

decision_subjects = Table(
    "decision_subjects",
    metadata,
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("log_index", _RowNumber, primary_key=True, autoincrement=False),
    Column(
        "in_visit",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="it was made for a visit, of whoever that was",
    ),
    Index("ix_decision_subjects_log_index", "log_index"),
    sqlite_with_rowid=False,
    comment="whose decision it was; outside the tree, so that erasing it breaks no proof",
)

Index(
    "ix_decision_subjects_in_visit",
    decision_subjects.c.log_index,
    sqlite_where=decision_subjects.c.in_visit,
    postgresql_where=decision_subjects.c.in_visit,
)

log_terms = Table(
    "log_terms",
    metadata,
    Column("term_no", _RowNumber, primary_key=True, autoincrement=True),
    Column("term", Text, nullable=False, unique=True, comment="rule:G17, reason:PRICE_JUMP, ..."),
)

decision_terms = Table(
    "decision_terms",
    metadata,
    Column("term_no", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", _RowNumber, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,  # the key is the whole row: half the size
    comment="which rules withheld and which reasons were given in a decision; goes with its body",
)

disclosures = Table(
    "disclosures",
    metadata,
    Column("log_index", _RowNumber, primary_key=True, autoincrement=False),
    Column("subject_key", LargeBinary(16), comment="whose records were looked at; null for nobody's"),
    Column("salt", LargeBinary(16), nullable=False),
    Column("details", Text, nullable=False, comment="canonical JSON; the entry holds its salted digest"),
    Index("ix_disclosures_subject_key", "subject_key"),
    comment="what exactly was looked at; goes when the subject is erased, the entry stays",
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("reason", Text, nullable=False, comment="the claim or the order it serves (GDPR 17(3)(e))"),
    Column("actor", Text, nullable=False, comment="id of a key"),
    Column("placed_at_ms", BigInteger, nullable=False),
    Column("lifted_at_ms", BigInteger, comment="null while it stands"),
    Index("ix_legal_holds_subject_key", "subject_key"),
    comment="records that must be kept for a legal claim, whatever is asked meanwhile",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("secret_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column(
        "n_per_second",
        BigInteger,
        comment="requests on average; null for what the shop has set for all",
    ),
    Column("n_at_once", BigInteger, comment="requests without a pause; null likewise"),
    Column("n_per_day", BigInteger, comment="requests on a day of UTC; null likewise"),
)

key_days = Table(
    "key_days",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("day", Integer, primary_key=True, comment="of UTC, days since the epoch", autoincrement=False),
    Column("n_taken", BigInteger, nullable=False, comment="requests, taken in steps"),
    comment="requests that keys with a limit for the day have taken",
)

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True, comment="names who did something, wherever that is kept"),
    Column("name", Text, nullable=False, unique=True, comment="what somebody signs in as, case folded"),
    Column("password_hash", Text, comment="argon2id; null for who signs in elsewhere only"),
    Column("identity", Text, unique=True, comment="issuer and subject at an OpenID provider"),
    Column("role", Text, nullable=False),
    Column("language", Text, comment="null for that of the browser"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("disabled_at_ms", BigInteger),
    comment="people of the shop who use the console",
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.account_id"), nullable=False, index=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("seen_at_ms", BigInteger, nullable=False, comment="to the minute"),
    comment="who is signed in; a row that is gone is a session that has ended",
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("attempt_key", LargeBinary(16), primary_key=True, comment="keyed digest of a name or an address"),
    Column("n", Integer, nullable=False),
    Column("last_at_ms", BigInteger, nullable=False, index=True),
    comment="what slows guessing down; goes after a day",
)
