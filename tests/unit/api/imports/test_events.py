import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from api.errors import InvalidRequestError
from api.imports import ga4_events, segment_events
from api.imports.events import guess, parse_events
from api.imports.new_interactions import BadEvent, IgnoredEvent
from api.settings import Settings
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind

CASES = Path(__file__).parents[3] / "cases" / "imports"
SETTINGS = Settings(database_url="sqlite:///unused")
NOW_MS = 1_728_040_000_000
NATIVE = {
    "event_id": "e1",
    "customer_id": "anna",
    "session_id": "visit",
    "item_id": "i1",
    "kind": "view",
    "at_ms": NOW_MS - 1_000,
}


def parse(payload, shape=None, now_ms=NOW_MS):
    return parse_events(payload, shape, SETTINGS, now_ms)


def native(**changes):
    return parse({"events": [{**NATIVE, **changes}]})


def case(name):
    return json.loads((CASES / name).read_text())


def only_bad(parsed):
    (bad,) = parsed.bad
    assert not parsed.good
    return bad.pointer, bad.reason


def test_a_native_event_is_one_interaction():
    (found,) = native(kind="purchase", quantity=2, value="12.50", is_gift=True, channel="app").good
    assert (found.event_id, found.customer_id, found.session_id, found.item_id) == (
        "e1",
        "anna",
        "visit",
        "i1",
    )
    assert (found.kind, found.channel, found.is_gift) == (Kind.PURCHASE, Channel.APP, True)
    assert (found.quantity, found.value_minor, found.at_ms) == (2, 1250, NOW_MS - 1_000)
    assert found.item_pointer == "/events/0/item_id"


@pytest.mark.parametrize(
    ("changes", "pointer", "reason"),
    [
        ({"event_id": None}, "/events/0/event_id", "is missing"),
        ({"event_id": ""}, "/events/0/event_id", "is missing"),
        ({"item_id": 7}, "/events/0/item_id", "is not text"),
        ({"kind": "bought"}, "/events/0/kind", "is none of view"),
        ({"quantity": -1}, "/events/0/quantity", "is not between 1 and 1000000"),
        ({"quantity": "2"}, "/events/0/quantity", "is not a whole number"),
        ({"quantity": True}, "/events/0/quantity", "is not a whole number"),
        ({"is_gift": "yes"}, "/events/0/is_gift", "is neither true nor false"),
        ({"value": True}, "/events/0/value", "is not an amount of money"),
        ({"purpose": "essential.service"}, "/events/0/purpose", "is unknown"),
        ({"a/b~c": 1}, "/events/0/a~1b~0c", "is unknown"),
        ({"customer_id": None, "session_id": None}, "/events/0/customer_id", "is missing"),
        ({"at_ms": NOW_MS + 300_001}, "/events/0/at_ms", "lies in the future"),
        ({"at_ms": NOW_MS - 3_650 * DAY_MS - 1}, "/events/0/at_ms", "is too long ago"),
        ({"at_ms": None}, "/events/0/at", "is missing"),
    ],
)
def test_a_bad_native_event_is_named_by_a_pointer_to_the_field(changes, pointer, reason):
    found_pointer, found_reason = only_bad(native(**changes))
    assert found_pointer == pointer
    assert found_reason.startswith(reason)


def test_a_clock_that_runs_ahead_a_little_is_forgiven():
    assert native(at_ms=NOW_MS + 300_000).good


def test_one_bad_event_does_not_spoil_the_others():
    parsed = parse({"events": [NATIVE, 5, {**NATIVE, "event_id": "e2"}]})
    assert [event.index for event in parsed.good] == [0, 2]
    assert parsed.bad == [BadEvent(1, "/events/1", "is not an object")]


@pytest.mark.parametrize(
    ("params", "pointer", "reason"),
    [
        (5, "/events/0/params", "is not an object"),
        (None, "/events/0/params/items", "is missing"),
        ({"items": {}}, "/events/0/params/items", "is not a list"),
        ({"items": []}, "/events/0/params/items", "is empty"),
        ({"items": [7]}, "/events/0/params/items/0", "is not an object"),
    ],
)
def test_parameters_of_another_type_are_named(params, pointer, reason):
    body = {"client_id": "1.2", "events": [{"name": "purchase", "params": params}]}
    assert only_bad(parse(body)) == (pointer, reason)


@pytest.mark.parametrize(
    ("payload", "shape", "pointer"),
    [
        ([], None, ""),
        (None, None, ""),
        ({}, None, "/events"),
        ({"events": {}}, None, "/events"),
        ({"events": [], "evnts": []}, None, "/evnts"),
        ({"client_id": "x"}, None, "/events"),
        ({"events": [{"name": "view_item"}]}, None, "/client_id"),
        ({"client_id": 1.5, "events": []}, None, "/client_id"),
        ({"batch": 1}, None, "/batch"),
        ({"events": []}, "other", ""),
    ],
)
def test_a_batch_that_is_wrong_as_a_whole_is_refused_with_a_pointer(payload, shape, pointer):
    with pytest.raises(InvalidRequestError) as caught:
        parse(payload, shape)
    assert [finding.pointer for finding in caught.value.findings] == [pointer]


def test_the_shape_is_known_by_names_that_only_one_of_them_has():
    assert guess(case("ga4.json")) == "ga4"
    assert guess(case("segment.json")) == "segment"
    assert guess({"user_id": "anna", "events": [{"name": "purchase", "params": {}}]}) == "ga4"
    assert guess({"type": "track", "event": "Product Viewed"}) == "segment"
    assert guess({"events": [NATIVE]}) == "native"


def test_a_body_of_the_measurement_protocol_gives_an_interaction_an_item():
    parsed = parse(case("ga4.json"))
    assert [(e.index, e.kind, e.item_id, e.quantity, e.value_minor) for e in parsed.good] == [
        (0, Kind.VIEW, "SKU_1", 3, None),
        (2, Kind.PURCHASE, "SKU_1", 3, 3003),
        (2, Kind.PURCHASE, "SKU_2", 1, 2101),
        (5, Kind.CART, "SKU_2", 1, None),
    ]
    assert {(e.customer_id, e.session_id) for e in parsed.good} == {("anna", "555.777")}
    assert [e.at_ms for e in parsed.good] == [1727999000000] * 3 + [1727999100000]
    assert parsed.ignored == [IgnoredEvent(1, "view_item_list"), IgnoredEvent(4, "page_view")]
    assert parsed.bad == [
        BadEvent(2, "/events/2/params/items/1/item_id", "is missing"),
        BadEvent(3, "/events/3/params/items", "is missing"),
    ]


def test_a_ga4_event_has_the_same_id_whenever_the_body_is_sent_again():
    ids = [event.event_id for event in parse(case("ga4.json")).good]
    assert ids == [event.event_id for event in parse(case("ga4.json"), now_ms=NOW_MS + 3 * DAY_MS).good]
    assert len(set(ids)) == len(ids)
    assert not any("anna" in event_id or "555" in event_id for event_id in ids)


def test_equal_ga4_events_of_one_body_are_two_and_stay_two():
    event = {"name": "add_to_cart", "params": {"items": [{"item_id": "a"}]}}
    body = {"client_id": "1.2", "timestamp_micros": (NOW_MS - 5) * 1000, "events": [event, event]}
    ids = [found.event_id for found in parse(body).good]
    assert len(set(ids)) == 2
    assert ids == [found.event_id for found in parse(body).good]


def test_a_ga4_event_without_a_time_happened_now_and_an_order_is_known_by_its_transaction():
    view = {"client_id": "1.2", "events": [{"name": "view_item", "params": {"items": [{"item_id": "a"}]}}]}
    order = {
        "client_id": "1.2",
        "events": [{"name": "purchase", "params": {"transaction_id": "T", "items": [{"item_id": "a"}]}}],
    }

    def first(body, now_ms):
        return parse(body, now_ms=now_ms).good[0]

    minute_ms = NOW_MS // 60_000 * 60_000
    assert first(view, minute_ms).at_ms == minute_ms
    assert first(view, minute_ms).event_id == first(view, minute_ms + 59_999).event_id
    assert first(view, minute_ms).event_id != first(view, minute_ms + 60_000).event_id
    assert first(order, minute_ms).event_id == first(order, minute_ms + DAY_MS).event_id


def test_a_time_that_cannot_be_is_named_where_it_stands_in_the_body():
    late = (NOW_MS + 301_000) * 1000
    params = {"items": [{"item_id": "a"}]}
    for body, pointer in (
        (
            {"timestamp_micros": late, "events": [{"name": "view_item", "params": params}]},
            "/timestamp_micros",
        ),
        (
            {"events": [{"name": "view_item", "timestamp_micros": late, "params": params}]},
            "/events/0/timestamp_micros",
        ),
        (
            {"events": [{"name": "view_item", "params": {**params, "timestamp_micros": late}}]},
            "/events/0/params/timestamp_micros",
        ),
    ):
        assert only_bad(parse({"client_id": "1.2", **body})) == (pointer, "lies in the future")


def test_segment_messages_give_an_interaction_a_product():
    parsed = parse(case("segment.json"))
    assert [(e.index, e.event_id, e.kind, e.item_id, e.quantity, e.value_minor) for e in parsed.good] == [
        (1, "m-1#1", Kind.VIEW, "507f", 1, None),
        (2, "m-2#1", Kind.PURCHASE, "507f", 1, 1900),
        (2, "m-2#2", Kind.PURCHASE, "G-33", 2, 600),
    ]
    assert [(e.customer_id, e.session_id) for e in parsed.good] == [
        (None, "an-1"),
        ("anna", None),
        ("anna", None),
    ]
    assert parsed.good[0].at_ms == 1728036000500
    assert parsed.ignored == [IgnoredEvent(0, "identify"), IgnoredEvent(3, "Coupon Entered")]
    assert [(bad.index, bad.pointer) for bad in parsed.bad] == [
        (2, "/batch/2/properties/products/2/product_id"),
        (4, "/batch/4/messageId"),
        (5, "/batch/5/userId"),
        (6, "/batch/6/properties/products"),
    ]


def test_a_single_segment_message_is_a_batch_of_one():
    message = case("segment.json")["batch"][1]
    (found,) = parse(message).good
    assert (found.index, found.item_pointer) == (0, "/properties/product_id")
    assert only_bad(parse({**message, "timestamp": "2099-01-01T00:00:00Z"})) == (
        "/timestamp",
        "lies in the future",
    )


def test_every_name_we_know_leads_to_a_kind():
    item = {"item_id": "a", "product_id": "a"}
    for name, kind in ga4_events.KIND_OF_NAME.items():
        (found,) = parse({"client_id": "1", "events": [{"name": name, "params": {"items": [item]}}]}).good
        assert found.kind is kind
    for name, kind in segment_events.KIND_OF_NAME.items():
        properties = {**item, "products": [item]}
        message = {"type": "track", "event": name, "userId": "a", "messageId": "m", "properties": properties}
        (found,) = parse(message).good
        assert found.kind is kind


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(
        ["view_item", "purchase", "track", "Order Completed", "Product Viewed", "view", "\ud800"]
    ),
)
names = st.sampled_from(
    """
    events batch client_id user_id timestamp_micros name params items item_id price quantity currency
    transaction_id type event userId anonymousId messageId timestamp properties products product_id
    event_id customer_id session_id kind at at_ms channel is_gift value value_minor
    """.split()  # noqa: SIM905  a list of names reads best as one
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)
bodies = (
    anything
    | st.fixed_dictionaries(
        {"events": st.lists(st.dictionaries(names, anything, max_size=8), max_size=3)},
        optional={"client_id": st.just("1.2"), "timestamp_micros": scalars},
    )
    | st.fixed_dictionaries(
        {"batch": st.lists(st.dictionaries(names, anything, max_size=8), max_size=3)},
    )
)


@tries(120)
@given(bodies, st.sampled_from([None, "native", "ga4", "segment"]))
def test_whatever_is_sent_is_understood_or_refused_and_every_bad_event_is_inside_the_batch(payload, shape):
    try:
        parsed = parse(payload, shape)
    except InvalidRequestError:
        return
    for bad in parsed.bad:
        assert bad.pointer == "" or bad.pointer.startswith("/")
        assert bad.reason
    for good in parsed.good:
        assert good.event_id.encode()
        assert good.item_id.encode()
        assert good.customer_id or good.session_id
        assert NOW_MS - 3_650 * DAY_MS <= good.at_ms <= NOW_MS + 300_000


@given(bodies)
def test_sending_a_batch_again_gives_the_same_ids(payload):
    try:
        ids = [event.event_id for event in parse(payload).good]
    except InvalidRequestError:
        return
    assert ids == [event.event_id for event in parse(payload).good]
