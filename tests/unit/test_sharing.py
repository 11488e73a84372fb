"""Tests are shared out so that the demo shop is built by one process."""

from support.sharing import JOURNEY
from support.texts import ROOT


def test_every_file_that_asks_for_the_demo_shop_goes_to_one_process():
    asking = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "tests").rglob("test_*.py")
        if "journey_shop" in file.read_text("utf-8")
    }
    assert asking - {"tests/unit/test_sharing.py"} == JOURNEY
