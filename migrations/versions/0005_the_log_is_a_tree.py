"""The log becomes a Merkle tree with sealed bodies.

Headers that were written before become the first entries of the tree, in their order. Bodies of before
were not sealed and cannot be by a migration, which has no keys: they are removed, as by the end of their
retention, and with them whose they were.
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from guardrails.log.merkle import Frontier, leaf_hash
from guardrails.log.tiles import TILE_WIDTH, grown_tiles

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PRUNED = "OLD.log_index < (SELECT min_index FROM log_state)"
_ENTRIES = ("log_entries", "decisions")

_SQLITE_GUARDS = (
    *(
        statement
        for table in _ENTRIES
        for statement in (
            f"""
            CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
            """,
            f"""
            CREATE TRIGGER {table}_refuse_delete BEFORE DELETE ON {table} WHEN NOT ({_PRUNED})
            BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
            """,
            f"""
            CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table}
            WHEN EXISTS (SELECT 1 FROM {table} WHERE log_index = NEW.log_index)
            BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
            """,  # noqa: S608  two known names
        )
    ),
    """
    CREATE TRIGGER decisions_refuse_replace_of_id BEFORE INSERT ON decisions
    WHEN EXISTS (SELECT 1 FROM decisions WHERE decision_id = NEW.decision_id)
    BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END
    """,
    """
    CREATE TRIGGER log_state_refuse_shrinking BEFORE UPDATE ON log_state
    WHEN NEW.size < OLD.size OR NEW.min_index < OLD.min_index OR NEW.min_index > NEW.size
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END
    """,
    """
    CREATE TRIGGER log_state_refuse_delete BEFORE DELETE ON log_state
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END
    """,
    """
    CREATE TRIGGER log_state_refuse_replace BEFORE INSERT ON log_state
    WHEN EXISTS (SELECT 1 FROM log_state)
    BEGIN SELECT RAISE(ABORT, 'the log only grows'); END
    """,
)
"""``INSERT OR REPLACE`` deletes without asking the triggers for DELETE, so it is refused by itself."""

_POSTGRESQL_GUARDS = (
    """
    CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.log_index < (SELECT min_index FROM log_state) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE FUNCTION refuse_shrinking_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF NEW.size >= OLD.size AND NEW.min_index >= OLD.min_index AND NEW.min_index <= NEW.size THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'the log only grows';
    END $$
    """,
    *(
        statement
        for table in _ENTRIES
        for statement in (
            f"""
            CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change_of_log()
            """,
            f"""
            CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
            """,
        )
    ),
    """
    CREATE TRIGGER log_state_refuse_shrinking BEFORE UPDATE OR DELETE ON log_state
    FOR EACH ROW EXECUTE FUNCTION refuse_shrinking_of_log()
    """,
    """
    CREATE TRIGGER log_state_refuse_truncate BEFORE TRUNCATE ON log_state
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    """Put the headers aside, make the tree, put them into it, and guard it."""
    op.execute(
        "CREATE TABLE headers_before AS SELECT row_number() OVER (ORDER BY seq) - 1 AS log_index, "
        "decision_id, minute, placement, basis, outcome, policy, coalesce(model, '') AS model, header "
        "FROM decisions"
    )
    for table in ("decisions", "decision_bodies", "decision_subjects", "subject_keys"):
        op.drop_table(table)
    _create_log()
    _create_decisions()
    _create_what_belongs_to_decisions()
    _create_disclosures_and_holds()
    _move_headers()
    op.drop_table("headers_before")
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for statement in _POSTGRESQL_GUARDS if on_postgresql else _SQLITE_GUARDS:
        op.execute(statement)


def downgrade() -> None:
    """Go back to an empty log.

    Raises:
        RuntimeError: there is something in the log, and taking it apart would lose its proofs.
    """
    if op.get_bind().scalar(sa.text("SELECT size FROM log_state")):
        raise RuntimeError("a log that has entries is not taken back")
    for table in reversed(_NEW_TABLES):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change_of_log()")
        op.execute("DROP FUNCTION refuse_shrinking_of_log()")
    _create_what_was_before()


def _create_what_was_before() -> None:
    """Make the tables that the first migration made, with their triggers."""
    first = import_module("migrations.versions.0001_create_the_store").__dict__
    for name in ("decision_bodies", "decision_subjects", "decisions", "subject_keys"):
        first[f"_create_{name}"]()
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for statement in first["_POSTGRESQL_GUARDS" if on_postgresql else "_SQLITE_GUARDS"]:
        if " ON decisions" in statement:
            op.execute(statement)


_NEW_TABLES = (
    "log_entries",
    "log_state",
    "log_tiles",
    "decision_kinds",
    "decisions",
    "decision_hours",
    "decision_bodies",
    "decision_subjects",
    "log_terms",
    "decision_terms",
    "disclosures",
    "legal_holds",
)


def _row_number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _index_column(comment: str | None = None) -> sa.Column[int]:
    return sa.Column("log_index", _row_number(), autoincrement=False, nullable=False, comment=comment)


def _create_log() -> None:
    op.create_table(
        "log_entries",
        _index_column("from 0, without a gap"),
        sa.Column("type", sa.Text(), nullable=False, comment="decision, erasure, policy_step, ..."),
        sa.Column(
            "minute", sa.BigInteger(), nullable=False, comment="minutes since the epoch, coarse on purpose"
        ),
        sa.Column(
            "entry", sa.LargeBinary(), nullable=False, comment="canonical bytes; holds no personal data"
        ),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_log_entries")),
        comment="leaves of the tree: UPDATE is refused by trigger, DELETE as well but of what was pruned",
    )
    op.create_index(
        "ix_log_entries_type_log_index",
        "log_entries",
        ["type", "log_index"],
        sqlite_where=sa.text("type != 'decision'"),
        postgresql_where=sa.text("type != 'decision'"),
    )
    op.create_table(
        "log_state",
        sa.Column(
            "one", sa.SmallInteger(), autoincrement=False, nullable=False, comment="1: there is one tree"
        ),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="entries; can only grow"),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False, comment="RFC 6962 tree hash"),
        sa.Column(
            "frontier",
            sa.LargeBinary(),
            nullable=False,
            comment="roots of the complete subtrees, largest first",
        ),
        sa.Column(
            "min_index",
            sa.BigInteger(),
            nullable=False,
            comment="entries before it were pruned; can only grow",
        ),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_log_state")),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tile", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False, comment="up to 256 hashes of 32 bytes"),
        sa.PrimaryKeyConstraint("level", "tile", name=op.f("pk_log_tiles")),
        comment="hashes of the tree, as c2sp.org/tlog-tiles cuts it; can be computed again from the entries",
    )


def _create_decisions() -> None:
    words = ("placement", "basis", "outcome", "policy")
    op.create_table(
        "decision_kinds",
        sa.Column("kind_no", _row_number(), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in words),
        sa.Column("model", sa.Text(), nullable=False, comment="empty without one"),
        sa.PrimaryKeyConstraint("kind_no", name=op.f("pk_decision_kinds")),
        sa.UniqueConstraint(
            *words, "model", name=op.f("uq_decision_kinds_placement_basis_outcome_policy_model")
        ),
        comment="what decisions have in common; a few rows for millions of decisions",
    )
    op.create_table(
        "decisions",
        _index_column(),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False, comment="minutes since the epoch"),
        sa.Column("kind_no", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_decisions")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_decisions_decision_id")),
        comment="where in the log a decision is; guarded like the log itself",
    )
    op.create_index("ix_decisions_minute_log_index", "decisions", ["minute", "log_index"])
    op.create_index("ix_decisions_kind_no_log_index", "decisions", ["kind_no", "log_index"])
    op.create_table(
        "decision_hours",
        sa.Column(
            "hour", _row_number(), autoincrement=False, nullable=False, comment="hours since the epoch"
        ),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("last_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_decision_hours")),
        comment="from where to where in the log the decisions of an hour are; others may be between them",
    )


def _create_what_belongs_to_decisions() -> None:
    op.create_table(
        "decision_bodies",
        _index_column(),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment="salts and sections, encrypted for the subject",
        ),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_decision_bodies")),
    )
    op.create_table(
        "decision_subjects",
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        _index_column(),
        sa.PrimaryKeyConstraint("subject_key", "log_index", name=op.f("pk_decision_subjects")),
        comment="whose decision it was; outside the tree, so that erasing it breaks no proof",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_decision_subjects_log_index", "decision_subjects", ["log_index"])
    op.create_table(
        "log_terms",
        sa.Column("term_no", _row_number(), autoincrement=True, nullable=False),
        sa.Column("term", sa.Text(), nullable=False, comment="rule:G17, reason:PRICE_JUMP, ..."),
        sa.PrimaryKeyConstraint("term_no", name=op.f("pk_log_terms")),
        sa.UniqueConstraint("term", name=op.f("uq_log_terms_term")),
    )
    op.create_table(
        "decision_terms",
        sa.Column("term_no", sa.BigInteger(), autoincrement=False, nullable=False),
        _index_column(),
        sa.PrimaryKeyConstraint("term_no", "log_index", name=op.f("pk_decision_terms")),
        comment="which rules withheld and which reasons were given in a decision; goes with its body",
        sqlite_with_rowid=False,
    )


def _create_disclosures_and_holds() -> None:
    op.create_table(
        "disclosures",
        _index_column(),
        sa.Column(
            "subject_key",
            sa.LargeBinary(length=16),
            comment="whose records were looked at; null for nobody's",
        ),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column(
            "details",
            sa.Text(),
            nullable=False,
            comment="canonical JSON; the entry holds its salted digest",
        ),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_disclosures")),
        comment="what exactly was looked at; goes when the subject is erased, the entry stays",
    )
    op.create_index("ix_disclosures_subject_key", "disclosures", ["subject_key"])
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="the claim or the order it serves (GDPR 17(3)(e))"
        ),
        sa.Column("actor", sa.Text(), nullable=False, comment="id of a key"),
        sa.Column("placed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at_ms", sa.BigInteger(), comment="null while it stands"),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_legal_holds")),
        comment="records that must be kept for a legal claim, whatever is asked meanwhile",
    )
    op.create_index("ix_legal_holds_subject_key", "legal_holds", ["subject_key"])


def _move_headers() -> None:
    conn = op.get_bind()
    for statement in (_KINDS, _ENTRIES_OF_HEADERS, _DECISIONS_OF_HEADERS, _HOURS):
        conn.execute(sa.text(statement))
    frontier, tiles = Frontier.empty(), dict[tuple[int, int], bytes]()

    def read_tile(level: int, tile: int) -> bytes:
        return tiles[level, tile]

    entries = conn.execute(sa.text("SELECT entry FROM log_entries ORDER BY log_index"))
    for batch in entries.partitions(TILE_WIDTH):
        leaves = [leaf_hash(bytes(row.entry)) for row in batch]
        tiles |= grown_tiles(frontier.size, leaves, read_tile)
        frontier = frontier.with_leaves(leaves)
    conn.execute(
        sa.text("INSERT INTO log_state VALUES (1, :size, :root, :frontier, 0)"),
        {"size": frontier.size, "root": frontier.root(), "frontier": frontier.to_bytes()},
    )
    for (level, tile), hashes in tiles.items():
        conn.execute(
            sa.text("INSERT INTO log_tiles VALUES (:level, :tile, :hashes)"),
            {"level": level, "tile": tile, "hashes": hashes},
        )


_KINDS = (
    "INSERT INTO decision_kinds (placement, basis, outcome, policy, model) "
    "SELECT DISTINCT placement, basis, outcome, policy, model FROM headers_before"
)
_ENTRIES_OF_HEADERS = (
    "INSERT INTO log_entries SELECT log_index, 'decision', minute, header FROM headers_before"
)
_DECISIONS_OF_HEADERS = (
    "INSERT INTO decisions SELECT log_index, decision_id, minute, kind_no FROM headers_before "
    "JOIN decision_kinds USING (placement, basis, outcome, policy, model)"
)
_HOURS = (
    "INSERT INTO decision_hours "
    "SELECT minute / 60, min(log_index), max(log_index) FROM decisions GROUP BY minute / 60"
)
