"""What a model's card says, draws and leaves out."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import orjson
import pytest

from api.models.cards import NOT_FOR, card, chosen_row, curve_of, curve_png, sentences, with_interval
from api.models.registry import ModelState, Registration
from api.pages.rendering import rendered
from api.routes.models import on_page
from api.storage.versions import ModelRow
from engine.artefact import Manifest
from engine.errors import ArtefactError

CURVE = [
    {"min_support": 2, "ndcg": 0.2, "ndcg_low": 0.19, "ndcg_high": 0.21, "recall": 0.3, "coverage": 0.5}
    | {"n_edges": 4_000, "chosen": False},
    {"min_support": 5, "ndcg": 0.197, "ndcg_low": 0.187, "ndcg_high": 0.207, "recall": 0.29, "coverage": 0.4}
    | {"n_edges": 2_000, "chosen": True},
    {"min_support": 20, "ndcg": 0.12, "ndcg_low": 0.11, "ndcg_high": 0.13, "recall": 0.2, "coverage": 0.1}
    | {"n_edges": 100, "chosen": False},
]
MANIFEST = Manifest(
    learner="walk",
    params={"n_neighbours": 100},
    data_from_ms=1_700_000_000_000,
    data_to_ms=1_750_000_000_000,
    as_of_ms=1_750_000_000_000,
    training_digest="ab" * 16,
    n_customers=1_200,
    n_interactions=40_000,
    n_edges=2_000,
    min_support=5,
    min_support_sensitive=20,
    max_items_per_customer=100,
    validation={"kind": "time", "n_customers": 300, "k": 20},
    metrics=[
        {"learner": "walk", "ndcg": 0.197, "ndcg_low": 0.187, "ndcg_high": 0.207, "recall": 0.29}
        | {"coverage": 0.4, "answered": 0.99, "fit_s": 1.0},
        {"learner": "als", "skipped": "<no> time"},
    ],
    floor_curve=CURVE,
    segments=[{"by": "activity", "segment": "new", "learner": "walk", "n": 40, "recall": 0.1, "ndcg": 0.05}],
    trend={"half_life_days": 30},
    notes=["customers were taken out of model 0"],
    libraries={"numpy": "2.2"},
)


def registered(manifest=MANIFEST, **more):
    row = ModelRow("a" * 64, "nowhere", orjson.dumps(manifest).decode(), 1_750_000_000_000, **more)
    return Registration(row, ModelState.KEPT)


def page_of(found):
    return rendered("model_card.html", standalone=True, **on_page(found))


def test_the_card_says_the_main_things_in_words():
    said = " ".join(sentences(MANIFEST))
    assert "40,000 interactions of 1,200 customers, 2023-11-14 to 2025-06-15" in said
    assert "at least 5 customers, and 20 where an item is sensitive" in said
    assert (
        "NDCG 0.1970 (0.1870 to 0.2070) and recall 0.2900 among the first 20, measured on 300 customers"
        in said
    )
    assert "floor of 5 customers costs 1.5 % of NDCG against a floor of 2" in said
    assert "learned factors" not in said
    assert "learned factors" in " ".join(sentences(replace(MANIFEST, latent=True)))


def test_of_a_model_that_was_not_measured_nothing_is_made_up():
    bare = Manifest(learner="popular")
    assert len(sentences(bare)) == 2
    assert chosen_row(bare) is None
    assert curve_of(bare) is curve_png(bare) is None
    html = page_of(registered(bare))
    assert "was not measured" in html
    assert "too little to compare learners by" in html


def test_a_figure_has_its_interval_as_far_as_it_has_one():
    assert with_interval({"ndcg": 0.5}, "ndcg") == "0.5000"
    assert (
        with_interval({"ndcg": 0.5, "ndcg_low": 0.4, "ndcg_high": 0.6}, "ndcg") == "0.5000 (0.4000 to 0.6000)"
    )
    assert with_interval({}, "ndcg") == with_interval({"ndcg": None}, "ndcg") == ""


def test_the_card_as_data_holds_the_manifest_and_what_it_is_not_for():
    told = card(registered(preceded_by="b" * 64))
    assert orjson.loads(orjson.dumps(told))["manifest"]["floor_curve"] == CURVE
    assert told["not_for"] == list(NOT_FOR)
    assert (told["state"], told["preceded_by"]) == ("kept", "b" * 64)


def test_a_manifest_that_cannot_be_read_is_refused():
    with pytest.raises(ArtefactError):
        card(Registration(ModelRow("a" * 64, "nowhere", "{}", 1), ModelState.KEPT))


def test_the_curve_goes_down_as_the_floor_rises_and_marks_the_chosen_one():
    curve = curve_of(MANIFEST)
    assert [each.min_support for each in curve.points] == [2, 5, 20]
    assert [each.chosen for each in curve.points] == [False, True, False]
    assert [each.y for each in curve.points] == sorted(each.y for each in curve.points)
    for each in curve.points:
        assert curve.edge <= each.x <= curve.width - curve.edge
        assert curve.edge <= each.y_high < each.y < each.y_low <= curve.height - curve.edge


def test_one_floor_without_an_interval_is_drawn_in_the_middle():
    alone = replace(MANIFEST, floor_curve=[{"min_support": 2, "ndcg": 0.2, "chosen": True}])
    (point,) = curve_of(alone).points
    assert (point.x, point.y) == (240.0, 110.0)
    assert curve_png(alone).startswith(b"\x89PNG")


def test_the_picture_is_drawn_once():
    first = curve_png(MANIFEST)
    assert first.startswith(b"\x89PNG")
    assert curve_png(replace(MANIFEST, notes=[])) is first


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.labelled = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert not any(name.startswith("on") for name in attrs)
        assert tag not in {"script", "img", "link", "iframe"}
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.labelled += attrs.get("aria-labelledby", "").split()
        if tag not in {"meta", "circle", "path", "polyline", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"meta", "circle", "path", "polyline", "br"}:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_needs_no_script_and_escapes_what_it_is_told():
    html = page_of(registered(erased_at_ms=1_750_000_000_000))
    reader = _Reader()
    reader.feed(html)
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(reader.labelled) <= set(reader.ids)
    assert "&lt;no&gt; time" in html
    assert "removed to forget customers, 2025-06-15" in html
    assert "prefers-color-scheme: dark" in html
    for each in NOT_FOR:
        assert each in html


def test_the_page_of_a_retired_model_says_so():
    assert "because nothing needed them, 2025-06-15" in page_of(registered(retired_at_ms=1_750_000_000_000))


def test_it_says_how_much_what_is_bought_again_counts():
    measured = {"shift": 2, "n_customers": 1296, "ndcg": 0.28938, "ndcg_without": 0.28936}
    said = sentences(replace(MANIFEST, repeat_shift=2, repeats=measured))
    assert (
        "What a customer buys again counts 4-fold beside what is new to them: on what 1,296 customers bought "
        "next, old and new, that reaches NDCG 0.2894, and 0.2894 as it is."
    ) in said
    assert "What a customer buys again counts 4-fold beside what is new to them." in sentences(
        replace(MANIFEST, repeat_shift=2)
    )
    assert any("counts as it is" in each for each in sentences(replace(MANIFEST, repeats=measured)))
    assert not any("buys again" in each for each in sentences(MANIFEST))
