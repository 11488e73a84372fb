"""Every page that customers see."""

from __future__ import annotations

from api.demo import pages as demo
from api.pages.blueprint import Pages
from api.storefront import widget
from api.storefront.privacy import comparing, data, entrance, known, overview, quiet, shown

PAGES: tuple[Pages, ...] = (
    entrance.blueprint,
    overview.blueprint,
    known.blueprint,
    shown.blueprint,
    quiet.blueprint,
    data.blueprint,
    comparing.blueprint,
    widget.blueprint,
    demo.blueprint,
)
