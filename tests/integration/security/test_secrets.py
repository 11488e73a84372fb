"""No secret is told: not on standard output or error, in no log line, no figure, no problem and no page."""

from __future__ import annotations

import base64
import json
import re
import secrets

import httpx
import pytest
from click.testing import CliRunner
from support.http import BUYER, fill
from support.one_worker import environ_of, log_of, one_worker
from support.pages import SIGN_IN

from api.cli import main
from api.console.passwords import hash_password
from api.storage.accounts import create_account
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.wiring import now_ms

PASSWORD = "planted password of the console 4711"
GUESSED_PASSWORD, GUESSED_KEY = "planted guess of a password", "tactful_site_plantedguessofakey"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def planted(name):
    return f"planted{name}{secrets.token_hex(8)}"


def forms_of(key):
    """A key of 32 bytes in every way in which it could be written down."""
    return {base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode(), key.hex(), str(key)}


@pytest.fixture
def run(capfd):
    """Run a command; return its exit code and all that it has written, wherever to."""

    def invoke(environ, *arguments, stdin=""):
        done = CliRunner().invoke(main, arguments, env=environ, input=stdin)
        return done.exit_code, done.output + "".join(capfd.readouterr())

    return invoke


def tells_none(text, some):
    found = sorted(each for each in some if each in text)
    assert not found, text[:2000]
    return True


@pytest.mark.parametrize(
    "settings",
    [
        {"TACTFUL_DATABASE_URL": "postgresql+psycopg://shop:{}@127.0.0.1:1/shop"},
        {"TACTFUL_DATABASE_URL": "mysql://shop:{}@127.0.0.1/shop"},
        {"TACTFUL_DATABASE_URL": "postgresql+psycopg://shop:{}@[::1/shop"},
        {"TACTFUL_KEYS_URL": "mysql://shop:{}@127.0.0.1/keys"},
        {"TACTFUL_CHECKPOINTS_URL": "oracle://shop:{}@127.0.0.1/checkpoints"},
        {"TACTFUL_PSEUDONYM_KEY": "{}"},
        {"TACTFUL_KEY_ENCRYPTION_KEY": "{}"},
        {"TACTFUL_LOG_KEY": "{}"},
        {"TACTFUL_OIDC_CLIENT_SECRET": "{}"},
        {"TACTFUL_LINEAGE_URL": "ftp://shop:{}@lineage.example"},
        {"TACTFUL_LOG_WITNESSES": "shop:{}@witness.example"},
        {"TACTFUL_PUBLIC_URL": "shop:{}"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_setting_that_cannot_be_used_is_named_and_its_value_is_not(sqlite_store, run, settings):
    secret = planted("setting")
    broken = {name: value.format(secret) for name, value in settings.items()}
    code, told = run({**environ_of(sqlite_store.settings), **broken}, "keys", "list")
    assert code != 0
    assert tells_none(told, {secret})
    assert "Traceback" not in told


def test_what_a_served_shop_says_and_writes_holds_no_secret_whatever_is_done_to_it(sqlite_store):
    settings = sqlite_store.settings
    keys = fill(settings)
    with writing(sqlite_store.engine) as conn:
        create_account(conn, "planted-auditor", Role.AUDITOR, now_ms(), password_hash=hash_password(PASSWORD))
    sealing, signing = secrets.token_bytes(32), secrets.token_bytes(32)
    client_secret, lineage_key = planted("oidc"), planted("lineage")
    environ = {
        "TACTFUL_KEY_ENCRYPTION_KEY": base64.b64encode(sealing).decode(),
        "TACTFUL_LOG_KEY": base64.b64encode(signing).decode(),
        "TACTFUL_OIDC_ISSUER": "http://127.0.0.1:9",
        "TACTFUL_OIDC_CLIENT_ID": "console",
        "TACTFUL_OIDC_CLIENT_SECRET": client_secret,
        "TACTFUL_OIDC_ROLES": "auditors=auditor",
        "TACTFUL_LINEAGE_URL": "http://127.0.0.1:9/api/v1/lineage",
        "TACTFUL_LINEAGE_KEY": lineage_key,
        "TACTFUL_METRICS_PUBLIC": "1",
    }
    of_settings = {client_secret, lineage_key, *forms_of(sealing), *forms_of(signing), *forms_of(b"k" * 32)}
    typed = {PASSWORD, GUESSED_PASSWORD, GUESSED_KEY, *keys.values()}
    told, given_out = [], set()

    with one_worker(settings, environ) as (_, url), httpx.Client(base_url=url, timeout=60) as client:

        def ask(method, path, key=None, **more):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            answer = client.request(method, path, headers=headers, **more)
            told.append(f"{answer.status_code} {answer.headers} {answer.text}")
            return answer

        for key in (*keys.values(), GUESSED_KEY, None):
            ask("POST", "/v1/recommendations", key, json={"placement": "home", "customer_id": BUYER})
            ask("GET", "/v1/policies", key)
            ask("GET", "/v1/log/checkpoint", key)
            ask("GET", "/v1/items/nothing", key, params={"key": str(key)})
            ask("POST", "/v1/recommendations", key, content=f'{{"placement": "{key}", ')
            ask("GET", f"/v1/{key}")
        answer = client.post(
            f"/v1/customers/{BUYER}/tokens", json={}, headers={"Authorization": f"Bearer {keys[Role.SITE]}"}
        )
        token = answer.json()["token"]
        given_out.add(token)
        for each in (token, token[:-4] + "AAAA"):
            ask("GET", "/v1/customers/me/consents", each)
            ask("GET", "/v1/policies", each)
            ask("POST", "/privacy/enter", data={"token": each})
            ask("GET", "/privacy")
        ask("GET", f"/privacy/enter?token={GUESSED_KEY}")
        for password in (GUESSED_PASSWORD, PASSWORD):
            found = _TOKEN.search(client.get(SIGN_IN).text)
            fields = {"csrf_token": found[1], "name": "planted-auditor", "password": password}
            signed_in = ask("POST", SIGN_IN, data=fields)
            given_out.add(found[1])
        assert signed_in.headers["Location"] == "/console"
        given_out |= set(client.cookies.values())
        ask("GET", "/console")
        ask("GET", "/console/sign-in/elsewhere")
        ask("GET", "/metrics")
        file = settings.data_dir / "tactful.db"
        away = file.rename(file.with_name("away.db"))
        for key in keys.values():
            ask("POST", "/v1/recommendations", key, json={"placement": "home", "customer_id": BUYER})
            ask("GET", "/v1/policies", key)
        ask("GET", "/console")
        ask("GET", "/metrics")
        ask("GET", "/readyz")
        away.rename(file)
    log = log_of(settings).read_text()
    assert '"route":"/v1/recommendations"' in log, "there was something to search"
    assert tells_none(log, of_settings | typed | given_out)
    for each in told:
        tells_none(each, of_settings | (typed - {GUESSED_KEY}))


def test_commands_tell_a_new_key_once_and_nothing_else_that_is_secret(sqlite_store, run):
    environ = environ_of(sqlite_store.settings)
    code, made = run(environ, "keys", "create", "--role", "site", "--label", "x", "--rate", "5", "--json")
    assert code == 0
    key, key_id = (json.loads(made)[name] for name in ("key", "key_id"))
    for exit_code, stdin, *arguments in (
        (0, f"{PASSWORD}\n", "accounts", "create", "anna", "--role", "auditor", "--password-stdin"),
        (0, "", "keys", "list"),
        (0, "", "keys", "list", "--json"),
        (0, "", "accounts", "list", "--json"),
        (1, "", "keys", "revoke", key),  # pasted in the place of the id
        (0, "", "log", "keys", "--json"),
        (0, "", "keys", "revoke", key_id),
        (1, "", "keys", "revoke", key_id),
    ):
        code, told = run(environ, *arguments, stdin=stdin)
        assert code == exit_code, arguments[:2]
        assert tells_none(told, {key, PASSWORD, *forms_of(b"k" * 32)})
