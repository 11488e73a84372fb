"""The figures of the service, where no other test looks at them."""

from api.storage.api_keys import Role


def test_figures_tell_how_many_rules_are_past_their_review(shop_on_sqlite):
    figures = shop_on_sqlite.ask("GET", "/metrics", Role.AUDITOR).text
    assert 'tactful_rules_overdue{state="overdue"} ' in figures
    assert 'tactful_rules_overdue{state="blocks_approval"} ' in figures
