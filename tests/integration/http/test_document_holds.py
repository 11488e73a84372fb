"""What the OpenAPI document says of every operation is asked of a running application, and holds.

Schemathesis makes requests from the document: its examples, the bounds of every schema, what a schema does
not allow, and some at random. Each answer is held against all of its checks: no 5xx, no status, media type,
body or header that is not documented, nothing accepted that a schema forbids, no method that is not declared.
"""

from __future__ import annotations

import shutil

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from support.http import fill, serving

from api.settings import Settings
from api.storage.api_keys import Role

_CONFIG = {
    "checks": {
        "positive_data_acceptance": {
            # 422 also says what no schema can: an item that is not in the catalogue, a version that is not
            # the draft's, a purpose that goes with another field.
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "422", "429"],
        },
    },
    "generation": {"max-examples": 3, "deterministic": True},
    "phases": {"stateful": {"enabled": False}},
}


@pytest.fixture(scope="module")
def shop(sqlite_template, tmp_path_factory):
    """One shop for all operations: what one of them leaves behind is there for the next."""
    folder = tmp_path_factory.mktemp("document")
    shutil.copyfile(sqlite_template, folder / "tactful.db")
    own = Settings.from_env({"TACTFUL_DATA_DIR": str(folder)})
    with serving(own, fill(own)) as served:
        yield served


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # examples of policies are long
def test_every_operation_answers_as_documented(shop):
    config = SchemathesisConfig.from_dict(_CONFIG | {"headers": shop.auth(Role.ADMIN)})
    document = schemathesis.openapi.from_url(f"{shop.url}/openapi.json", config=config)
    found, asked = [], set()
    for event in from_schema(document).execute():
        if isinstance(event, ScenarioFinished):
            found += _found_in(event)
            asked.add(event.recorder.label)
        elif isinstance(event, NonFatalError | FatalError):
            found.append(repr(getattr(event, "value", event)))
    assert not found, "\n".join(found)
    assert len(asked) == document.statistic.operations.total


def _found_in(scenario):
    """Yield what is not as documented, each thing with the request that shows it."""
    for checks in scenario.recorder.checks.values():
        for each in checks:
            if each.failure_info is not None:
                failure = each.failure_info.failure
                told = f"{failure.title}: {failure.message}"
                yield f"{scenario.recorder.label}: {told}\n  {each.failure_info.code_sample}"
