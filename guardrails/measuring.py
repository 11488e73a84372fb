"""Whether a customer may be measured (P7): what was shown to them counted, and they be in an experiment.

Off until they agree; where the shop rests it on legitimate interest, on until they object
(``ConsentSettings.legitimate_interest``). Where it does not stand nothing is counted of them, and they have
what everybody else has.
"""

from __future__ import annotations

from engine.vocabulary import Channel
from guardrails.consent.check import Question, check
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.request import Choices


def may_be_measured(
    choices: Choices, settings: ConsentSettings, at_ms: int, channel: Channel, *, gpc: bool = False
) -> bool:
    """Tell whether a customer may be measured at a time.

    Args:
        choices: the customer's instructions; with a ledger that could not be read nothing is permitted.
        settings: validity, signals, and what the shop rests on its own interest.
        at_ms: the time asked about, milliseconds since the epoch, UTC.
        channel: where it was shown.
        gpc: the request carries ``Sec-GPC: 1``.
    """
    if choices.ledger is None:
        return False
    question = Question(
        purpose=KEY_OF[Purpose.PERFORMANCE],
        at_ms=at_ms,
        channel=channel,
        gpc=gpc,
        minor=choices.minor,
        age_band=choices.age_band,
        jurisdiction=choices.jurisdiction,
    )
    return check(choices.ledger, question, settings).permitted
