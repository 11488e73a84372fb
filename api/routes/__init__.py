"""One resource a file; every operation says who may call it."""

from __future__ import annotations

from api.routes import (
    batch,
    cascades,
    consents,
    decisions,
    documentation,
    events,
    feedback,
    items,
    log,
    measurements,
    models,
    notices,
    policies,
    preferences,
    probes,
    recommendations,
    requests,
    rights,
    tokens,
    transparency,
)
from api.routes.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    recommendations.blueprint,
    batch.blueprint,
    events.blueprint,
    items.blueprint,
    consents.blueprint,
    notices.blueprint,
    preferences.blueprint,
    feedback.blueprint,
    tokens.blueprint,
    rights.blueprint,
    requests.blueprint,
    cascades.blueprint,
    decisions.blueprint,
    log.blueprint,
    models.blueprint,
    measurements.blueprint,
    policies.blueprint,
    transparency.blueprint,
    probes.blueprint,
    documentation.blueprint,
)
"""Every resource, in the order of the documentation."""
