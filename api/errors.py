"""Everything the edge can raise on purpose.

    EdgeError
    ├── SettingsError        a setting is unknown or cannot be used
    ├── StoreUnavailableError  the database is locked, gone, full or read-only
    │   └── ForkedLogError   the database does not go on from what was signed last
    ├── StoreRefusedError    the database can be used but refuses what was asked of it
    ├── WitnessError         a witness cannot be asked, or cannot look up what it has seen
    │   └── WitnessRefusedError  it does not sign; says why
    ├── ImportFileError      a whole file cannot be read (single bad rows never raise)
    ├── RunFileError         the file of a batch cannot be gone on with
    ├── DemoDataError        the demo's data is not installed or cannot be read
    ├── NothingToMeasureError  the store holds nothing to measure on
    ├── FieldError           one field of one record cannot be used; names field and reason
    ├── UnknownPlacementError, UnknownItemError, UnknownDecisionError, UnknownModelError
    ├── NotInLogError        a part of the log that is not there, not there yet, or was pruned
    ├── ClockSkewError       an event claims a time that cannot be
    ├── ErasedError          somebody who was erased does not come back this way
    ├── MalformedBodyError   a request body is not JSON
    ├── PolicyDocumentError  a policy cannot be read; names every place that is wrong
    ├── PolicyRefusedError   a step in the life of a policy may not be taken now
    ├── UnknownPolicyError   a policy, or a version of it, that is not in the store
    ├── ModelRefusedError    a step in the life of a model may not be taken now
    ├── UnknownRunError      a training that nobody asked for
    ├── UpdateLostError      the process that let the model learn from what is new is gone
    ├── AccountRefusedError  an account of the console cannot be made or changed like this
    ├── NotSignedInError, NoRoleError  somebody who signs in elsewhere does not come in here
    ├── InvalidRequestError  a request says something it must not; names every place
    ├── OverloadedError      more is asked at once than can be worked on
    ├── TooManyRequestsError  a caller asks for more than it may; says when to come again
    └── UnauthenticatedError, ForbiddenError  no key that is known, or a key of another role

The table that turns these into HTTP problems is ``api.problems``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardrails.policy.findings import Finding as PolicyFinding
from guardrails.policy.permission import Because


class EdgeError(Exception):
    """Base of every error the edge raises on purpose."""


class SettingsError(EdgeError):
    """A setting is unknown or cannot be used."""


class StoreUnavailableError(EdgeError):
    """The database is locked, gone, full or read-only."""


class StoreRefusedError(EdgeError):
    """The database can be used but refuses what was asked of it: a mistake on our side."""


class ForkedLogError(StoreUnavailableError):
    """The database does not go on from what was signed last: an older one was put in its place."""


class WitnessError(EdgeError):
    """A witness cannot be asked, or cannot look up what it has seen."""


class WitnessRefusedError(WitnessError):
    """A witness does not sign a checkpoint.

    Attributes:
        status: the HTTP status that says why (c2sp.org/tlog-witness).
        size: the size of the last tree it has signed, where it was asked to go on from another (409).
    """

    def __init__(self, status: int, reason: str, *, size: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.size = size


class ImportFileError(EdgeError):
    """A whole file cannot be read."""


class RunFileError(EdgeError):
    """The file of a batch cannot be gone on with."""


class DemoDataError(EdgeError):
    """The demo's data is not installed or cannot be read."""


class FieldError(EdgeError):
    """One field of one record cannot be used.

    Attributes:
        field: name of the field; empty when the record as a whole cannot be used.
        reason: what is wrong with it; with values in it a ``guardrails.messages.Phrase``. Never repeats
            the value of the field, which may be somebody's data.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"`{field}` {reason}")


class UnknownPlacementError(EdgeError):
    """A placement the shop has not set up."""


class UnknownItemError(EdgeError):
    """An item that is not in the catalogue."""


class UnknownDecisionError(EdgeError):
    """A decision that is not in the log."""


class ChangedRecordError(EdgeError):
    """A record is not the one that was sealed."""


class NotInLogError(EdgeError):
    """A part of the log that is not there, not there yet, or was pruned."""


class ClockSkewError(EdgeError):
    """An event claims a time that cannot be."""


class ErasedError(EdgeError):
    """Somebody who was erased does not come back this way."""


class NothingToMeasureError(EdgeError):
    """The store holds nothing that a measurement could be made on."""


class UnknownModelError(EdgeError):
    """A model that is not in the store."""


class ModelRefusedError(EdgeError):
    """A step in the life of a model may not be taken now; the message says why."""


class UnknownRunError(EdgeError):
    """A training that nobody asked for."""


class WorkFailedError(EdgeError):
    """Work in a process beside the requests has failed; the message is what kind of error it was."""


class WorkLostError(EdgeError):
    """A process that worked beside the requests has ended without a word."""


class AccountRefusedError(EdgeError):
    """An account of the console cannot be made or changed like this.

    Attributes:
        field: which part of what was asked is the reason; empty for all of it.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        self.field = field
        super().__init__(reason)


class NotSignedInError(EdgeError):
    """An OpenID provider, or what came back from it, does not let somebody in."""


class NoRoleError(EdgeError):
    """Somebody is known to the provider who has no role here, or whose account is out of use."""


class MalformedBodyError(EdgeError):
    """A request body is not JSON."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a request, and where.

    Attributes:
        detail: what is wrong: lower case, no full stop; with values in it a ``guardrails.messages.Phrase``.
        pointer: JSON pointer (RFC 6901) into the body; ``None`` when it is not in the body.
        parameter: name of the query parameter; ``None`` when it is not in the query.
        header: name of the request header; ``None`` when it is not in one.
        line: line of the body it stands in, from 1; ``None`` where lines mean nothing.
        column: column there, in characters, from 1.
        code: stable word for its kind; ``None`` where there is none.
    """

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
    line: int | None = None
    column: int | None = None
    code: str | None = None


class InvalidRequestError(EdgeError):
    """A request says something it must not.

    Attributes:
        findings: everything that is wrong with it, at least one thing.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("the request is not valid")

    @classmethod
    def at(cls, pointer: str, detail: str) -> InvalidRequestError:
        """Return the error for one place in the body."""
        return cls([Finding(detail, pointer=pointer)])


class PolicyDocumentError(EdgeError):
    """A policy cannot be read.

    Attributes:
        findings: everything that is wrong with it, at least one thing.
    """

    def __init__(self, findings: Iterable[PolicyFinding]) -> None:
        self.findings = tuple(findings)
        first, *more = self.findings
        besides = f" (and {len(more)} more)" if more else ""
        super().__init__(f"the policy cannot be read: `{first.pointer}`: {first.message}{besides}")


class UnknownPolicyError(EdgeError):
    """A policy, or a version of it, that is not in the store."""


class PolicyRefusedError(EdgeError):
    """A step in the life of a policy may not be taken, or not now; the message says what is missing.

    Attributes:
        because: which rule says so.
        findings: what was found in the draft, as far as that is why.
    """

    def __init__(
        self,
        message: str,
        *,
        because: Because | None = None,
        findings: Iterable[PolicyFinding] = (),
    ) -> None:
        self.because = because
        self.findings = tuple(findings)
        super().__init__(message)


class OverloadedError(EdgeError):
    """More is asked at once than can be worked on."""


class TooManyRequestsError(EdgeError):
    """A caller asks for more than it may.

    Attributes:
        wait_s: after so many seconds it may ask again.
    """

    def __init__(self, reason: str, *, wait_s: int = 1) -> None:
        self.wait_s = wait_s
        super().__init__(reason)


class UnauthenticatedError(EdgeError):
    """No key, or one that is not known or was revoked."""


class ForbiddenError(EdgeError):
    """A key whose role may not do this."""
