"""After an erasure or a withdrawal, the model is the one of a shop that never had the customer."""

import multiprocessing
import threading
from functools import partial

import pytest
from support.forgetting import begin, forgetting
from support.learning import LATER_MS, TRAINED_MS, another_store, open_shop, takes_back, unseen
from support.stores import Clock
from support.waiting import until

from api.forgetting.begin import begin_withdrawal
from api.forgetting.models import forget_customers, without_beside, without_here
from api.storage.cascades import Mode, StepStatus, claim, get_cascade
from api.storage.connection import reading, writing
from api.storage.versions import MODEL, active
from api.training import train

N_CUSTOMERS = 16
HOUR_MS = 3_600_000


def in_force(store):
    with reading(store.engine) as conn:
        return active(conn)[MODEL]


def trained(store, at_ms=TRAINED_MS):
    return train(store.engine, store.settings, at_ms, unseen).version


def model_without(tmp_path, customer_id):
    with another_store(tmp_path / "never") as never:
        open_shop(never, N_CUSTOMERS, but=(customer_id,))
        return trained(never)


def finish(store, cascade_id, learn_without=without_here):
    forget_in_models = partial(forget_customers, learn_without=learn_without)
    work = forgetting(store, Clock(LATER_MS + HOUR_MS), forget_in_models=forget_in_models)
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


def test_a_process_of_its_own_makes_the_same_model(store, tmp_path):
    open_shop(store, N_CUSTOMERS)
    before = trained(store)
    finish(store, begin(store, "c03", now_ms=LATER_MS), without_beside)
    assert in_force(store) == model_without(tmp_path, "c03") != before
    assert multiprocessing.active_children() == []


class Beside:
    """Somebody works on an erasure, and the model without the customer is made beside them."""

    def __init__(self, store):
        open_shop(store, N_CUSTOMERS)
        self.before = trained(store)
        self.store, self.closed = store, threading.Event()
        self.cascade_id = begin(store, "c03", now_ms=LATER_MS)
        forget_in_models = partial(forget_customers, learn_without=without_beside)
        self.work = forgetting(store, Clock(LATER_MS), forget_in_models=forget_in_models)
        self.thread = threading.Thread(target=self.work.work_on_due, args=(lambda: not self.closed.is_set(),))
        self.thread.start()
        (self.process,) = until(multiprocessing.active_children)

    def cascade(self):
        with reading(self.store.engine) as conn:
            return get_cascade(conn, self.cascade_id)

    def ends(self):
        self.thread.join(30)
        assert not self.thread.is_alive()
        assert multiprocessing.active_children() == []
        assert in_force(self.store) == self.before


def test_a_process_that_is_killed_leaves_the_step_to_be_tried_again(store):
    at_work = Beside(store)
    at_work.process.kill()
    at_work.ends()
    (step,) = (step for step in at_work.cascade().steps if step.downstream == "model")
    assert (step.status, step.detail) == (StepStatus.ERROR, "WorkLostError")
    assert finish(store, at_work.cascade_id, without_beside)
    assert in_force(store) != at_work.before


def test_whoever_stops_hands_the_cascade_back_at_once(store):
    at_work = Beside(store)
    at_work.closed.set()
    at_work.ends()
    assert at_work.cascade().status_of("model") is StepStatus.PENDING
    assert at_work.cascade().claimed_until_ms == LATER_MS
    assert finish(store, at_work.cascade_id)


def test_who_has_lost_the_cascade_stops_making_the_model(store):
    at_work = Beside(store)
    clock = at_work.work._clock
    with writing(store.engine) as conn:
        assert claim(conn, at_work.cascade_id, at_work.cascade().claimed_until_ms, LATER_MS + 10**9)
    clock.advance(10**6)
    at_work.ends()
    assert at_work.cascade().status_of("model") is StepStatus.PENDING
