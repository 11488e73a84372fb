"""One resource a file; every operation says who may call it."""

from __future__ import annotations

from api.routes.consents import consents
from api.routes.decisions import decisions
from api.routes.documentation import documentation
from api.routes.events import events
from api.routes.feedback import feedback
from api.routes.items import items
from api.routes.models import models
from api.routes.preferences import preferences
from api.routes.probes import probes
from api.routes.recommendations import recommendations
from api.routes.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    recommendations,
    events,
    items,
    consents,
    preferences,
    feedback,
    decisions,
    models,
    probes,
    documentation,
)
"""Every resource, in the order of the documentation."""
