"""The rules by what they are for, so that what each promise costs can be said promise by promise."""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, ...]] = {
    "consent": ("G01", "G02", "G03", "G04", "G09", "G18", "G29"),
    "sensitive": ("G05", "G06", "G07", "G08", "G10", "G11", "G27"),
    "wishes": ("G12", "G13", "G36"),
    "moment": ("G14", "G15", "G16", "G26", "G28", "G32"),
    "pressure": ("G17", "G19", "G20", "G22", "G23", "G30"),
    "grounds": ("G21", "G24", "G25", "G33"),
    "closeness": ("G31",),
    "variety": ("G37", "G38"),
}
"""Rule ids of each group.

What was agreed to; what is sensitive; what the customer asked for; a bad moment; pressing and chasing;
saying only what stands on good grounds; coming too close; more than one thing, and more than selling.
"""

NEVER_OFF = "consent"
"""The group that not even a measurement switches off: it would need what nobody agreed to."""
