"""Every page of the console."""

from __future__ import annotations

from api.console import accounts, catalogue, entrance, log, measurements, models, overview, requests
from api.console.decisions import exporting, proving, search, story
from api.console.policies import editor, life, life_rehearsals, life_steps, listing, looks
from api.pages.blueprint import Pages

PAGES: tuple[Pages, ...] = (
    entrance.blueprint,
    accounts.blueprint,
    overview.blueprint,
    catalogue.blueprint,
    models.blueprint,
    measurements.blueprint,
    listing.blueprint,
    editor.blueprint,
    looks.blueprint,
    life.blueprint,
    life_rehearsals.blueprint,
    life_steps.blueprint,
    search.blueprint,
    story.blueprint,
    proving.blueprint,
    exporting.blueprint,
    log.blueprint,
    requests.blueprint,
)
