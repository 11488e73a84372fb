"""After an erasure or a withdrawal, the model is the one of a shop that never had the customer."""

import pytest
from support.forgetting import begin, forgetting
from support.learning import LATER_MS, TRAINED_MS, another_store, open_shop, takes_back, unseen
from support.stores import Clock

from api.forgetting.begin import begin_withdrawal
from api.forgetting.worker import forget_in_models
from api.storage.cascades import Mode, StepStatus
from api.storage.connection import reading, writing
from api.storage.versions import MODEL, active
from api.training import train

N_CUSTOMERS = 16


def in_force(store):
    with reading(store.engine) as conn:
        return active(conn)[MODEL]


def trained(store, at_ms=TRAINED_MS):
    return train(store.engine, store.settings, at_ms, unseen).version


def model_without(tmp_path, customer_id):
    with another_store(tmp_path / "never") as never:
        open_shop(never, N_CUSTOMERS, but=(customer_id,))
        return trained(never)


def finish(store, cascade_id):
    work = forgetting(store, Clock(LATER_MS), forget_in_models=forget_in_models)
    cascade = work.finish_now(cascade_id)
    assert cascade.finished_at_ms is not None
    assert cascade.status_of("model") is StepStatus.COMPLETE
    return cascade


@pytest.mark.parametrize("mode", list(Mode))
def test_erasure_leaves_the_model_and_any_training_as_if_the_customer_had_never_been(store, tmp_path, mode):
    open_shop(store, N_CUSTOMERS)
    before = trained(store)
    finish(store, begin(store, "c03", mode, now_ms=LATER_MS))
    without = model_without(tmp_path, "c03")
    assert in_force(store) == without != before
    assert trained(store) == without
    folders = {each.name for each in store.settings.artefacts_dir.iterdir() if each.is_dir()}
    assert before not in folders


def test_withdrawal_leaves_the_model_as_if_the_customer_had_never_been(store, tmp_path):
    open_shop(store, N_CUSTOMERS)
    trained(store)
    takes_back(store, "c03", LATER_MS)
    with writing(store.engine) as conn:
        begin_withdrawal(conn, "withdrawal", store.subjects.account("c03"), [], LATER_MS)
    finish(store, "withdrawal")
    without = model_without(tmp_path, "c03")
    assert in_force(store) == without == trained(store)
