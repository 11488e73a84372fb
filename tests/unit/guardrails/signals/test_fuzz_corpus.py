"""Every input that the fuzzer keeps, replayed."""

from __future__ import annotations

import pytest
from fuzz.fuzz_signals import corpus, mutate_blindly, try_one


@pytest.mark.parametrize("data", corpus(), ids=lambda data: data[:12].hex())
def test_a_kept_input_is_refused_or_keeps_every_promise(data):
    try_one(data)


def test_blind_mutations_find_nothing():
    assert mutate_blindly(seconds=0.5) > 0
