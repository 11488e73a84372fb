"""A checkpoint is written in one way, and read in that way only."""

from __future__ import annotations

from base64 import b64decode

import pytest

from guardrails.errors import LogError
from guardrails.log.checkpoint import MAX_SIZE, Checkpoint

WRITTEN = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
READ = Checkpoint(
    "example.com/behind-the-sofa", 20_852_163, b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
)
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_the_example_of_the_specification_is_written_and_read():
    assert READ.text() == WRITTEN
    assert Checkpoint.parse(WRITTEN) == READ


@pytest.mark.parametrize("size", [0, 1, MAX_SIZE])
def test_sizes_from_nothing_to_the_largest_are_read(size):
    checkpoint = Checkpoint("log", size, bytes(32))
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


def test_extension_lines_of_others_are_passed_over():
    assert Checkpoint.parse(WRITTEN + "what only they know\nand more\n") == READ


@pytest.mark.parametrize(
    "written",
    [
        "",
        "\n",
        WRITTEN[:-1],
        WRITTEN + "\n",
        "\n" + WRITTEN,
        f"log\n5\n\n{ROOT}\n",
        "log\n5\n",
        f"lo\tg\n5\n{ROOT}\n",
        f"lo\rg\n5\n{ROOT}\n",
        f"log\n05\n{ROOT}\n",
        f"log\n-5\n{ROOT}\n",
        f"log\n+5\n{ROOT}\n",
        f"log\n5 \n{ROOT}\n",
        f"log\n0x5\n{ROOT}\n",
        f"log\n\u0665\n{ROOT}\n",
        f"log\n{MAX_SIZE + 1}\n{ROOT}\n",
        f"log\n5\n{ROOT[:-1]}\n",
        f"log\n5\n{ROOT[:-2]}J=\n",
        f"log\n5\n {ROOT}\n",
        f"log\n5\n{ROOT.replace('/', '_')}\n",
        "log\n5\nAAAA\n",
        "log\n5\n====\n",
    ],
)
def test_anything_else_is_refused(written):
    with pytest.raises(LogError):
        Checkpoint.parse(written)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 0, bytes(32)), ("a\nb", 0, bytes(32)), ("log", -1, bytes(32)), ("log", 0, bytes(31))],
)
def test_a_checkpoint_that_could_not_be_written_is_refused(origin, size, root):
    with pytest.raises(LogError):
        Checkpoint(origin, size, root)
