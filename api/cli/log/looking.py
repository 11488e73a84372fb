"""What the commands share that open records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.cli.keyholder import key_of

if TYPE_CHECKING:
    from pathlib import Path

    from api.auditing import Auditor, Look, OpenedRecord
    from api.cli.shop import Shop


def auditor_of(shop: Shop, key_file: Path | None) -> Auditor:
    """Return who looks.

    Raises:
        UsageError: no key was given.
        UnauthenticatedError: the key is not known, or was revoked.
        ForbiddenError: it is not that of an auditor or an admin.
    """
    from api.auditing import Auditor  # noqa: PLC0415  storage is not needed for --help
    from api.errors import ForbiddenError  # noqa: PLC0415  as above
    from api.storage.api_keys import Role  # noqa: PLC0415  as above

    key = key_of(shop, key_file)
    if key.role not in {Role.AUDITOR, Role.ADMIN}:
        raise ForbiddenError(f"the role `{key.role.value}` may not open records")
    return Auditor(shop.logbook, shop.subjects, key.key_id, shop.now_ms)


def opened(auditor: Auditor, decision_id: str, kind: Look) -> OpenedRecord:
    """Return a decision after the look was logged.

    Raises:
        UnknownDecisionError: it is not in the log.
    """
    from api.errors import UnknownDecisionError  # noqa: PLC0415  as above

    found = auditor.read(decision_id, kind)
    if found is None:
        raise UnknownDecisionError("this decision is not in the log")
    return found
