"""A small OpenID provider that is really served: discovery, consent, tokens and keys."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from support.http import _Silent
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "tactful-console", "a secret that both know"


@cache
def a_key(number: int = 0) -> RSAKey:
    """Return a key, made once: it takes its time. All are called the same."""
    del number
    return RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Provider:
    """What the provider does, which a test may spoil.

    Attributes:
        url: where it listens: its issuer.
        claims: what it says of whoever signs in next, beside what every token says.
        key: what it says that it signs with.
        signs_with: what it signs with instead; ``None`` for that one.
        header: of its tokens.
        named: the issuer that it says it is, when asked.
        asked: what it was asked at its door, as often as that was.
        without_token: whether it gives none out.
        codes: what was asked for by codes that nobody has used yet.
    """

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "groups": ["shop-auditors"]})
    key: RSAKey = field(default_factory=a_key)
    signs_with: Any = None
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    named: str = ""
    without_token: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def id_token(self, nonce: str) -> str:
        """Return the token of whoever has just signed in."""
        now_s = int(time.time())
        usual = {"iss": self.url, "aud": CLIENT_ID, "iat": now_s, "exp": now_s + 300, "nonce": nonce}
        claims = {name: each for name, each in {**usual, **self.claims}.items() if each is not None}
        return jwt.encode(self.header, claims, self.signs_with or self.key, algorithms=[self.header["alg"]])


@contextmanager
def a_provider() -> Iterator[Provider]:
    """Serve a provider."""
    provider = Provider()
    server = make_server("127.0.0.1", 0, _app(provider), threaded=True, request_handler=_Silent)
    provider.url = provider.named = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _app(provider: Provider) -> Flask:
    app = Flask("provider")

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return jsonify(
            issuer=provider.named,
            authorization_endpoint=f"{provider.url}/authorize",
            token_endpoint=f"{provider.url}/token",
            jwks_uri=f"{provider.url}/keys",
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256", "HS256", "none"],
        )

    @app.get("/keys")
    def keys() -> Response:
        return jsonify(KeySet([provider.key]).as_dict(private=False))

    @app.get("/authorize")
    def authorize() -> Any:
        asked = request.args.to_dict()
        provider.asked.append(asked)
        code = secrets.token_urlsafe()
        provider.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": provider.url, "session_state": "theirs"}
        return redirect(f"{asked['redirect_uri']}?{urlencode(back)}")

    @app.post("/token")
    def token() -> Any:
        asked = provider.codes.pop(request.form["code"], None)
        authorization = request.authorization
        verifier = hashlib.sha256(request.form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        proven = authorization is not None and (authorization.username, authorization.password) == (
            CLIENT_ID,
            CLIENT_SECRET,
        )
        if (
            asked is None
            or not proven
            or asked["code_challenge_method"] != "S256"
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != request.form["redirect_uri"]
        ):
            return jsonify(error="invalid_grant"), 400
        token = {} if provider.without_token else {"id_token": provider.id_token(asked["nonce"])}
        return jsonify(access_token=secrets.token_urlsafe(), token_type="Bearer", expires_in=300, **token)

    return app
