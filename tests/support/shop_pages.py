"""Pages of a shop on an origin of their own, with a strict policy, that show the widget."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from support.http import BUYER, Served, _Silent, fill, serving
from werkzeug.serving import make_server

from api.settings import Settings
from api.storage.api_keys import Role

README = Path(__file__).parents[2] / "api/storefront/README.md"


@dataclass
class Shelf:
    """What the page of the shop holds, and where it is.

    Attributes:
        url: where it is.
        served: Tactful.
        widget: attributes of the element.
        script: what the page's own script does beside.
        bodies: what the relay was sent.
        news: told when it is sent something.
    """

    url: str = ""
    served: Any = None
    widget: str = 'endpoint="/suggestions" placement="home" count="4" item-link="/item/{}"'
    script: str = ""
    bodies: list[Any] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def said(self) -> list[tuple[str, str]]:
        """What customers said or did: kind and item id."""
        return [(each["kind"], each["item_id"]) for body in self.bodies for each in body.get("items", ())]

    def heard(self, kind: str) -> list[str]:
        """Wait until something of a kind was said; return of which items."""
        with self.news:
            found = self.news.wait_for(lambda: [item for said, item in self.said if said == kind], timeout=15)
        assert found, f"nothing was said to be {kind}"
        return found

    @property
    def tactful(self) -> Served:
        """Tactful, once it is there."""
        found: Served = self.served
        return found


_HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A shop</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page.css"><script src="/page.js"></script>
<script type="module" src="{tactful}/widget/tactful-suggestions.js"></script></head>
<body><main><h1>A shop</h1><p id="before">Bread today.</p>
<tactful-suggestions {widget}></tactful-suggestions>
<p><a href="/item/other">Elsewhere</a></p></main></body></html>"""
_STYLE = """:root { color-scheme: light dark } a { color: inherit }
tactful-suggestions { --tactful-gap: 2rem } body { background: #fff; color: #111 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }"""


def _page(shelf: Shelf) -> Response:
    tactful = shelf.tactful.url
    policy = (
        f"default-src 'none'; script-src 'self' {tactful}; img-src 'self'; style-src 'self'; "
        f"connect-src 'self' {tactful}; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    html = _HTML.format(tactful=tactful, widget=shelf.widget)
    return Response(html, headers={"Content-Security-Policy": policy})


def _script(shelf: Shelf) -> Response:
    told = """
window.told = [];
for (const name of ["rendered", "empty", "error", "shown", "clicked", "feedback", "undone"]) {
  document.addEventListener("tactful:" + name, (event) => window.told.push([name, event.detail]));
}
document.addEventListener("DOMContentLoaded", () => {
  const widget = document.querySelector("tactful-suggestions");
"""
    return Response(f"{told}{shelf.script}\n}});", content_type="text/javascript")


def _item(item_id: str) -> str:
    return f"<!doctype html><title>An item ({len(item_id)})</title><h1>An item</h1>"


def _site(shelf: Shelf) -> Flask:
    """The backend of the shop: the relay as it is documented, and pages around it."""
    code = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert code is not None
    known: dict[str, Any] = {"__name__": "a shop"}
    exec(compile(code[1], str(README), "exec"), known)  # noqa: S102  it is what is documented that is tried
    site: Flask = known["app"]
    known["session"] = {"customer_id": BUYER}
    site.add_url_rule("/", "page", lambda: _page(shelf))
    site.add_url_rule("/page.css", "style", lambda: Response(_STYLE, content_type="text/css"))
    site.add_url_rule("/page.js", "script", lambda: _script(shelf))
    site.add_url_rule(
        "/item/<item_id>", "item", lambda item_id: f"<title>{len(item_id)}</title><h1>An item</h1>"
    )
    picture = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"/>'
    site.add_url_rule("/icon.svg", "icon", lambda: Response(picture, content_type="image/svg+xml"))

    def listen(answer: Response) -> Response:
        if request.is_json:
            with shelf.news:
                shelf.bodies.append(request.get_json())
                shelf.news.notify_all()
        return answer

    site.after_request(listen)

    def token() -> str:
        answer = shelf.tactful.ask("POST", f"/v1/customers/{BUYER}/tokens", json={})
        return str(answer.json()["token"])

    site.add_url_rule("/my/token", "token", token, methods=["POST"])
    return site


@contextmanager
def a_site(settings: Settings, environ: Any) -> Iterator[Shelf]:
    """Serve Tactful, and a shop that uses it, on two origins.

    Args:
        settings: of Tactful.
        environ: sets a variable of the environment: that of the shop.
    """
    shelf = Shelf()
    server = make_server("127.0.0.1", 0, Flask("no shop yet"), threaded=True, request_handler=_Silent)
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    own = replace(settings, origins=(shelf.url,))
    keys = fill(own)
    with serving(own, keys) as served:
        shelf.served = served
        environ("TACTFUL_URL", served.url)
        environ("TACTFUL_SITE_KEY", keys[Role.SITE])
        server.app = _site(shelf)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
