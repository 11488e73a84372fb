"""Every setting of the service: read once at start, frozen, passed on as an argument."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.cores import n_cores
from api.errors import SettingsError
from api.limits.settings import LimitSettings
from guardrails.consent.jurisdictions import jurisdictions
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings, GpcScope
from guardrails.consent.signals.reading import SignalSettings
from guardrails.errors import PolicyError

PREFIX = "TACTFUL_"
"""What the name of every variable starts with."""

API_KEY = "TACTFUL_KEY"
"""The variable that commands take the key from with which they act: no setting of the shop."""

KEY_BYTES = 32
"""Length of the pseudonym key."""


class Witness(NamedTuple):
    """Somebody outside who is asked to witness the log.

    Attributes:
        url: where they take checkpoints, without ``/add-checkpoint``.
        vkey: their public key, as they have given it.
    """

    url: str
    vkey: str


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Where people of the shop can sign in instead of here (OpenID Connect Core 1.0).

    Attributes:
        issuer: of the provider, letter by letter as it names itself.
        client_id: what we are called there.
        client_secret: what we prove that with.
        roles: what a value of the claim stands for; of several the first that somebody has counts.
        claim: what the claim is called; a dot leads into a claim, as in ``realm_access.roles``.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    roles: tuple[tuple[str, str], ...]
    claim: str = "groups"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, each as ``TACTFUL_`` and its name in capitals.

    Attributes:
        database_url: SQLAlchemy URL, ``sqlite:///<file>`` or ``postgresql+psycopg://…``.
        data_dir: folder of everything that is kept in files.
        artefacts_url: where models and states of the catalogue are kept instead, so that several hosts have
            the same: a store or a mounted folder, as in ``s3://bucket/tactful`` or ``file:///mnt/shared``;
            empty for the data folder. It may not keep versions of what is removed.
        model_copies_mb: what copies of such models may take on this host, in millions of bytes.
        host: address to listen on.
        port: port to listen on, 1 to 65,535.
        workers: processes that answer requests, at least 1; as many as this one may use cores.
        drain_s: how long the service answers on once SIGTERM told it to stop, while it says that it is not
            ready, in seconds: as long as a load balancer takes to notice.
        max_body_bytes: largest request body, in bytes.
        max_event_future_s: how far ahead of this clock an event may be, in seconds.
        max_event_age_days: how old an event may be, in days.
        metrics_public: whether metrics may be read without a key.
        parameters_url: page that says in plain words what suggestions are based on.
        contact: whom a customer can turn to instead; empty when nobody is named.
        controller: who runs the shop and answers for the data; empty when nobody is named.
        consent_url: page where customers choose; empty when there is none.
        signals: what the shop says about the signals of other consent tools, each as
            ``TACTFUL_SIGNALS_`` and its name in capitals.
        recipients: who is handed data and must be told of an erasure (GDPR 19).
        attribution_hours: how long after a suggestion was made a purchase of it, or an addition to the
            cart, is owed to it, where that is measured at all.
        too_personal_ceiling_micro: share of the suggestions seen that may be found too personal, in
            millionths; what is measured is held against it.
        time_zone: whose clock is taken for the customer's where a request does not tell the time, by
            its name at IANA; ``None`` where nothing is to be taken for it.
        purges_daily: whether the server removes, once a day, what is kept no longer than it serves.
        pseudonym_key: 32 bytes that subject keys derive from, base64 in the variable; ``None``
            keeps them in a file.
        keys_url: SQLAlchemy URL of the store of the keys that records are sealed with; empty keeps it
            in a file. Hosts that share a database share this as well.
        key_encryption_key: 32 bytes that those keys are wrapped with, base64 in the variable; ``None``
            keeps them in a file.
        checkpoints_url: SQLAlchemy URL of the store that remembers what the log has signed; empty keeps
            it in a file. Never restore it together with the database.
        log_origin: what the log is called in its checkpoints, as in ``shop.example/decisions``; it is
            never to change.
        log_key: 32 bytes that the log signs with, base64 in the variable; ``None`` keeps them in a file.
        log_post_quantum: whether checkpoints are signed with ML-DSA-44 as well.
        log_heartbeat_minutes: after how many quiet minutes the log says that it is there.
        log_keep_days: after how many days the daily purge prunes the log of entries that nobody needs; 0
            keeps them all. The tree over them stays.
        log_witnesses: who is asked to witness the log, each as ``<url>|<vkey>``.
        model_update_s: how often it is looked whether there is something new that the model in force can
            learn from at once, in seconds; 0 never looks.
        model_keep_days: after how many days the daily purge removes a model that nothing needs: it is not
            served, not watched, and no record names it that is kept; 0 keeps them all.
        training_memory_mb: how much memory a training or an update of the model may take beside what its
            process begins with, in millions of bytes; 0 for as much as there is. Where there is none left
            it fails.
        lineage_file: file that OpenLineage events of trainings are appended to, one JSON object a line;
            ``None`` for none.
        lineage_url: address that they are posted to, as in ``https://lineage.example/api/v1/lineage``; empty
            for none.
        lineage_key: bearer token that is sent there; empty for none.
        lineage_namespace: what the shop's jobs and data sets are called in them.
        otel_endpoint: address that traces are sent to (OTLP over HTTP), as in ``http://collector:4318``;
            empty for nowhere. Where it is not set, what everything that sends traces is told:
            ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``, or ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        public_url: where people reach the pages, as in ``https://suggestions.shop.example``; empty for where
            the service listens. Cookies are for TLS alone where this says so.
        demo: whether the demo shop is open to anybody.
        origins: whose pages may ask with a customer's token, each exactly as browsers send it, as in
            ``https://shop.example``.
        proxies: how many proxies of the shop's own a request comes through, and are believed about where it
            comes from. Attempts to sign in are counted by that address.
        oidc: where people of the shop can sign in instead of here, each as ``TACTFUL_OIDC_`` and its name
            in capitals; ``None`` for here alone.
        limit: how much is worked on at once, and how much each caller may ask for, each as
            ``TACTFUL_LIMIT_`` and its name in capitals.
        consent: how long consent lasts and how far signals reach, each as ``TACTFUL_CONSENT_`` and
            its name in capitals.
    """

    database_url: str = field(repr=False)
    data_dir: Path = Path("var")
    artefacts_url: str = ""
    model_copies_mb: int = 16_384
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = field(default_factory=n_cores)
    drain_s: int = 0
    max_body_bytes: int = 2_000_000
    max_event_future_s: int = 300
    max_event_age_days: int = 3650
    metrics_public: bool = False
    parameters_url: str = "/transparency"
    contact: str = ""
    controller: str = ""
    consent_url: str = ""
    recipients: tuple[str, ...] = ()
    attribution_hours: int = 24
    too_personal_ceiling_micro: int = 5_000
    time_zone: ZoneInfo | None = None
    purges_daily: bool = True
    pseudonym_key: bytes | None = field(default=None, repr=False)
    keys_url: str = field(default="", repr=False)
    key_encryption_key: bytes | None = field(default=None, repr=False)
    checkpoints_url: str = field(default="", repr=False)
    log_origin: str = "localhost/tactful"
    log_key: bytes | None = field(default=None, repr=False)
    log_post_quantum: bool = False
    log_heartbeat_minutes: int = 10
    log_keep_days: int = 0
    log_witnesses: tuple[Witness, ...] = ()
    model_update_s: int = 30
    model_keep_days: int = 30
    training_memory_mb: int = 0
    lineage_file: Path | None = None
    lineage_url: str = field(default="", repr=False)
    lineage_key: str = field(default="", repr=False)
    lineage_namespace: str = "tactful"
    otel_endpoint: str = field(default="", repr=False)
    public_url: str = ""
    demo: bool = False
    proxies: int = 0
    oidc: OidcSettings | None = None
    origins: tuple[str, ...] = ()
    limit: LimitSettings = field(default_factory=LimitSettings)
    consent: ConsentSettings = field(default_factory=ConsentSettings)
    signals: SignalSettings = field(default_factory=SignalSettings)

    @property
    def artefacts_dir(self) -> Path:
        """Folder of the trained models on this machine, and of what keeps trainings apart."""
        return self.data_dir / "models"

    @property
    def models_root(self) -> str | Path:
        """Where trained models are kept."""
        return f"{self.artefacts_url}/models" if self.artefacts_url else self.artefacts_dir.resolve()

    @property
    def model_copies_dir(self) -> Path:
        """Folder of copies of the models that are kept elsewhere."""
        return self.data_dir / "model-copies"

    @property
    def catalogues_root(self) -> str | Path:
        """Where the states of the catalogue that decisions were made from are kept."""
        return f"{self.artefacts_url}/catalogues" if self.artefacts_url else self.catalogues_dir

    @property
    def catalogues_dir(self) -> Path:
        """Folder of those states on this machine."""
        return self.data_dir / "catalogues"

    @property
    def pseudonym_key_file(self) -> Path:
        """File of the pseudonym key, used when no key is set."""
        return self.data_dir / "pseudonym.key"

    @property
    def key_encryption_key_file(self) -> Path:
        """File of the key-encryption key, used when none is set."""
        return self.data_dir / "key-encryption.key"

    @property
    def log_key_file(self) -> Path:
        """File of the key that the log signs with, used when none is set."""
        return self.data_dir / "log.key"

    @property
    def next_log_key_file(self) -> Path:
        """File of the key that takes the place of that one, while it does."""
        return self.data_dir / "log.key.next"

    @property
    def spool_dir(self) -> Path:
        """Folder of what waits for the log."""
        return self.data_dir / "spool"

    @property
    def address(self) -> str:
        """Where people reach the pages, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def keys_location(self) -> str:
        """URL of the store of sealing keys."""
        return self.keys_url or f"sqlite:///{self.data_dir / 'keys.db'}"

    @property
    def checkpoints_location(self) -> str:
        """URL of the store of checkpoints."""
        return self.checkpoints_url or f"sqlite:///{self.data_dir / 'checkpoints.db'}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables; what is not set keeps its default.

        A name with ``_FILE`` behind it says which file the value is in, as for secrets that are not to be
        in an environment, and for what is to change while the service runs.

        Raises:
            SettingsError: a variable is unknown or its value cannot be used. The message names the
                variable and never its value, which may be a secret.
        """
        given = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name != API_KEY}
        given = _with_files(given)
        unknown = sorted(given.keys() - _KNOWN)
        if unknown:
            raise SettingsError(f"unknown setting `{unknown[0]}`")
        values: dict[str, Any] = {"data_dir": Path("var"), **_read(given, _READERS, PREFIX)}
        if "otel_endpoint" not in values:
            values["otel_endpoint"] = _collector_for_all(environ)
        values.setdefault("database_url", f"sqlite:///{values['data_dir'] / 'tactful.db'}")
        consent = _group(ConsentSettings, given, _CONSENT_READERS, _CONSENT_PREFIX)
        signals = _group(SignalSettings, given, _SIGNAL_READERS, _SIGNAL_PREFIX)
        limit = _group(LimitSettings, given, _LIMIT_READERS, _LIMIT_PREFIX)
        return cls(**values, limit=limit, consent=consent, signals=signals, oidc=_oidc(given))


def _with_files(given: Mapping[str, str]) -> dict[str, str]:
    """Put what is in a file where it belongs."""
    values = dict(given)
    for name in given:
        setting = name.removesuffix(_IN_FILE)
        if name in _KNOWN or setting not in _KNOWN:
            continue
        if setting in given:
            raise SettingsError(f"setting `{setting}` is there twice, by itself and as a file")
        try:
            values[setting] = Path(values.pop(name)).read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"setting `{name}` names no file that can be read") from None
    return values


Group = TypeVar("Group")


def _group(kind: type[Group], given: Mapping[str, str], readers: Mapping[str, Reader], prefix: str) -> Group:
    try:
        return kind(**_read(given, readers, prefix))
    except PolicyError as error:
        raise SettingsError(f"settings `{prefix}*`: {error}") from None


def _oidc(given: Mapping[str, str]) -> OidcSettings | None:
    values = _read(given, _OIDC_READERS, _OIDC_PREFIX)
    if not values:
        return None
    missing = [name for name in _OIDC_READERS if name not in given and name != f"{_OIDC_PREFIX}CLAIM"]
    if missing:
        raise SettingsError(f"setting `{missing[0]}` is missing, which signing in elsewhere needs")
    if find_spec("authlib") is None:
        raise SettingsError(f"settings `{_OIDC_PREFIX}*` need the extra: pip install 'tactful[oidc]'")
    return OidcSettings(**values)


def _read(given: Mapping[str, str], readers: Mapping[str, Reader], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix).lower(): _value(name, text, readers[name])
        for name, text in given.items()
        if name in readers
    }


def _value(name: str, text: str, reader: Reader) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise SettingsError(f"setting `{name}` {error}") from None


Reader = Callable[[str], Any]
"""Turns the text of a variable into a value, or raises ``ValueError`` saying what it should be."""


def _whole_number(least: int, most: int) -> Reader:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"is not a whole number from {least} to {most}")
        return int(text)

    return read


def _one_of(values: Mapping[str, Any]) -> Reader:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(f"is none of {', '.join(values)}")
        return values[text]

    return read


def _text(text: str) -> str:
    return text.strip()


def _names(text: str) -> tuple[str, ...]:
    """Return names set apart by commas, each once, in the order given."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _pairs(text: str) -> dict[str, str]:
    """Return pairs of words, written ``a=b`` and set apart by commas."""
    pairs = [pair.partition("=") for pair in _names(text)]
    if not all(left.strip() and right.strip() for left, _, right in pairs):
        raise ValueError("is not a list of pairs as in a=b,c=d")
    return {left.strip(): right.strip() for left, _, right in pairs}


def _purposes(text: str) -> frozenset[Purpose]:
    """Return purposes by their short form, such as ``P7``."""
    known = {f"P{purpose.value}": purpose for purpose in Purpose}
    names = _names(text)
    if not set(names) <= known.keys():
        raise ValueError("is not a list of purposes as in P7")
    return frozenset(known[name] for name in names)


def _place(text: str) -> str:
    if text not in jurisdictions():
        raise ValueError("is no place that the table of jurisdictions holds, such as EU, DK or US-CA")
    return text


def _time_zone(text: str) -> ZoneInfo | None:
    """Return a time zone by its name; none for an empty text."""
    try:
        return ZoneInfo(text.strip()) if text.strip() else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone of IANA that this machine knows, as in Europe/Oslo") from None


def _folder(text: str) -> Path:
    if not text.strip():
        raise ValueError("names no folder")
    return Path(text)


def _address(text: str) -> str:
    if not text.strip():
        raise ValueError("names no address")
    return text.strip()


def _store(text: str) -> str:
    """Return the address of a store of files, without a slash at its end."""
    from fsspec import available_protocols  # noqa: PLC0415  slow to import, and seldom needed

    parts = urlsplit(text.strip())
    if not parts.scheme or not (parts.netloc or parts.path.strip("/")):
        raise ValueError("is not the address of a store as in s3://bucket/tactful or file:///mnt/shared")
    if "@" in parts.netloc or parts.query:
        raise ValueError("holds what proves who asks: that belongs where the store's own tools look for it")
    if parts.scheme == "s3" and find_spec("s3fs") is None:
        raise ValueError("needs the extra: pip install 'tactful[s3]'")
    if parts.scheme not in available_protocols():
        raise ValueError("is of a kind of store that is not known here")
    return text.strip().rstrip("/")


def _url_of_database(text: str) -> str:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("is not a database URL") from None
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError("starts with neither sqlite:/// nor postgresql+psycopg://")
    if url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("names no file: what is kept in memory is not kept")
    return text


def _origin(text: str) -> str:
    if not text or any(letter.isspace() or letter == "+" or not letter.isprintable() for letter in text):
        raise ValueError("is not a name without blanks and `+`, as in shop.example/decisions")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text.strip()


def _issuer(text: str) -> str:
    """Return the address of a provider; whoever listens on the way to it could sign in as anybody."""
    parts = urlsplit(_http_url(text.strip()))
    if parts.scheme == "http" and parts.hostname not in _THIS_MACHINE:
        raise ValueError("does not start with https://")
    if parts.query or parts.fragment:
        raise ValueError("is not the address of a provider as in https://login.shop.example")
    return text.strip()


def _roles(text: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of a claim's value and a role, in the order given."""
    pairs = tuple(_pairs(text).items())
    if not pairs or not {role for _, role in pairs} <= set(_STAFF):
        raise ValueError(f"is not a list of pairs as in shop-admins=admin, of the roles {', '.join(_STAFF)}")
    return pairs


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an address as in https://lineage.example/api/v1/lineage")
    return text


def _traces_url(text: str) -> str:
    """Return where traces are posted to, as it is; nowhere for an empty text."""
    return _http_url(text.strip()) if text.strip() else ""


def _collector(text: str) -> str:
    """Return where a collector takes traces: below its own address, as the protocol has it."""
    address = _traces_url(text)
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces").geturl() if address else ""


def _own_collector(text: str) -> str:
    """Return where traces are posted to; a path that is named is where its collector takes them."""
    address = _traces_url(text)
    return address if urlsplit(address).path.strip("/") else _collector(address)


def _collector_for_all(environ: Mapping[str, str]) -> str:
    """Return where everything that runs here is to send traces; an empty variable says nothing."""
    told = (_value(name, environ.get(name, ""), read) for name, read in _OTEL_READERS.items())
    return next(filter(None, told), "")


def _origins_of_pages(text: str) -> tuple[str, ...]:
    """Return origins as browsers write them (RFC 6454, 6.2); one that none would send opens nothing."""
    found = _names(text)
    if not all(_ORIGIN.fullmatch(each) and not each.endswith(_USUAL_PORT[each[:5]]) for each in found):
        raise ValueError("is not a list of origins as in https://shop.example, without a path")
    return found


def _witnesses(text: str) -> tuple[Witness, ...]:
    found = [Witness(*each.partition("|")[::2]) for each in _names(text)]
    if not all(each.url.startswith(("https://", "http://")) and each.vkey for each in found):
        raise ValueError("is not a list of witnesses as in https://witness.example|<vkey>")
    return tuple(found)


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"does not hold {KEY_BYTES} bytes")
    return key


_MANY = 2**31 - 1
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_STAFF = ("marketer", "approver", "auditor", "admin")
_ORIGIN = re.compile(r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?")
_USUAL_PORT = {"https": ":443", "http:": ":80"}
"""Ports that browsers leave out, by how an origin begins."""

_IN_FILE = "_FILE"
_YES_OR_NO = {"1": True, "true": True, "0": False, "false": False}
_CONSENT_PREFIX = f"{PREFIX}CONSENT_"

_READERS: Mapping[str, Reader] = {
    f"{PREFIX}DATABASE_URL": _url_of_database,
    f"{PREFIX}DATA_DIR": _folder,
    f"{PREFIX}ARTEFACTS_URL": _store,
    f"{PREFIX}MODEL_COPIES_MB": _whole_number(1, _MANY),
    f"{PREFIX}HOST": _address,
    f"{PREFIX}PORT": _whole_number(1, 65_535),
    f"{PREFIX}WORKERS": _whole_number(1, 1024),
    f"{PREFIX}DRAIN_S": _whole_number(0, 600),
    f"{PREFIX}MAX_BODY_BYTES": _whole_number(1024, _MANY),
    f"{PREFIX}MAX_EVENT_FUTURE_S": _whole_number(0, _MANY),
    f"{PREFIX}MAX_EVENT_AGE_DAYS": _whole_number(1, 36_500),
    f"{PREFIX}METRICS_PUBLIC": _one_of(_YES_OR_NO),
    f"{PREFIX}PARAMETERS_URL": _text,
    f"{PREFIX}CONTACT": _text,
    f"{PREFIX}CONTROLLER": _text,
    f"{PREFIX}CONSENT_URL": _text,
    f"{PREFIX}RECIPIENTS": _names,
    f"{PREFIX}ATTRIBUTION_HOURS": _whole_number(1, 720),
    f"{PREFIX}TOO_PERSONAL_CEILING_MICRO": _whole_number(1, 1_000_000),
    f"{PREFIX}TIME_ZONE": _time_zone,
    f"{PREFIX}PURGES_DAILY": _one_of(_YES_OR_NO),
    f"{PREFIX}PSEUDONYM_KEY": _key,
    f"{PREFIX}KEYS_URL": _url_of_database,
    f"{PREFIX}KEY_ENCRYPTION_KEY": _key,
    f"{PREFIX}CHECKPOINTS_URL": _url_of_database,
    f"{PREFIX}LOG_ORIGIN": _origin,
    f"{PREFIX}LOG_KEY": _key,
    f"{PREFIX}LOG_POST_QUANTUM": _one_of(_YES_OR_NO),
    f"{PREFIX}LOG_HEARTBEAT_MINUTES": _whole_number(1, 1440),
    f"{PREFIX}LOG_KEEP_DAYS": _whole_number(0, 36_500),
    f"{PREFIX}LOG_WITNESSES": _witnesses,
    f"{PREFIX}MODEL_UPDATE_S": _whole_number(0, 86_400),
    f"{PREFIX}MODEL_KEEP_DAYS": _whole_number(0, 36_500),
    f"{PREFIX}TRAINING_MEMORY_MB": _whole_number(0, _MANY),
    f"{PREFIX}LINEAGE_FILE": _folder,
    f"{PREFIX}LINEAGE_URL": _http_url,
    f"{PREFIX}LINEAGE_KEY": _text,
    f"{PREFIX}LINEAGE_NAMESPACE": _address,
    f"{PREFIX}OTEL_ENDPOINT": _own_collector,
    f"{PREFIX}PUBLIC_URL": _http_url,
    f"{PREFIX}DEMO": _one_of(_YES_OR_NO),
    f"{PREFIX}PROXIES": _whole_number(0, 16),
    f"{PREFIX}ORIGINS": _origins_of_pages,
}
_SIGNAL_PREFIX, _OIDC_PREFIX, _LIMIT_PREFIX = f"{PREFIX}SIGNALS_", f"{PREFIX}OIDC_", f"{PREFIX}LIMIT_"
_CONSENT_READERS: Mapping[str, Reader] = {
    f"{_CONSENT_PREFIX}VALID_FOR_DAYS": _whole_number(1, 36_500),
    f"{_CONSENT_PREFIX}MAX_VALID_FOR_DAYS": _whole_number(1, 36_500),
    f"{_CONSENT_PREFIX}GPC_SCOPE": _one_of({scope: scope for scope in get_args(GpcScope)}),
    f"{_CONSENT_PREFIX}GPC_OVERRIDE_ALLOWED": _one_of(_YES_OR_NO),
    f"{_CONSENT_PREFIX}JURISDICTION": _place,
    f"{_CONSENT_PREFIX}LEGITIMATE_INTEREST": _purposes,
    f"{_CONSENT_PREFIX}LIA_DOCUMENT_ID": _text,
}
_LIMIT_READERS: Mapping[str, Reader] = {
    f"{_LIMIT_PREFIX}FULL_AT_ONCE": _whole_number(1, 1024),
    f"{_LIMIT_PREFIX}LEAST_AT_ONCE": _whole_number(1, 1024),
    f"{_LIMIT_PREFIX}OTHER_AT_ONCE": _whole_number(1, 1024),
    f"{_LIMIT_PREFIX}KEY_PER_SECOND": _whole_number(0, 1_000_000),
    f"{_LIMIT_PREFIX}KEY_AT_ONCE": _whole_number(1, 1_000_000),
    f"{_LIMIT_PREFIX}KEY_PER_DAY": _whole_number(0, _MANY),
    f"{_LIMIT_PREFIX}CUSTOMER_PER_SECOND": _whole_number(0, 1_000_000),
    f"{_LIMIT_PREFIX}CUSTOMER_AT_ONCE": _whole_number(1, 1_000_000),
    f"{_LIMIT_PREFIX}ADDRESS_PER_SECOND": _whole_number(0, 1_000_000),
    f"{_LIMIT_PREFIX}ADDRESS_AT_ONCE": _whole_number(1, 1_000_000),
}
_SIGNAL_READERS: Mapping[str, Reader] = {
    f"{_SIGNAL_PREFIX}PROFILING_DECLARATION": _text,
    f"{_SIGNAL_PREFIX}ACCEPT_TCF_2_2_WITHOUT_DISCLOSED_VENDORS": _one_of(_YES_OR_NO),
    f"{_SIGNAL_PREFIX}KETCH_PURPOSES": _pairs,
}
_OIDC_READERS: Mapping[str, Reader] = {
    f"{_OIDC_PREFIX}ISSUER": _issuer,
    f"{_OIDC_PREFIX}CLIENT_ID": _filled,
    f"{_OIDC_PREFIX}CLIENT_SECRET": _filled,
    f"{_OIDC_PREFIX}ROLES": _roles,
    f"{_OIDC_PREFIX}CLAIM": _filled,
}
_OTEL_READERS: Mapping[str, Reader] = {
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": _traces_url,
    "OTEL_EXPORTER_OTLP_ENDPOINT": _collector,
}
"""The variables that everything that sends traces goes by (OTLP); the first that says something counts."""

_KNOWN = frozenset().union(_READERS, _LIMIT_READERS, _CONSENT_READERS, _SIGNAL_READERS, _OIDC_READERS)
