"""Packing: the text of a record in few bytes, and back again to the byte.

    packed = codec (1 byte) ‖ what the codec makes of the text

The one codec so far is Zstandard (RFC 8878) with a dictionary: a text that packing and unpacking both
know beforehand, so that only what differs from it is written. All records have the same keys, the same
lists of rules and the same columns that are nearly always constant; with such a text to refer to these
cost next to nothing.

* Against what else: without a dictionary any compressor leaves about twice as much, or takes many times
  as long; zlib with this dictionary leaves a quarter more and takes three times as long (``python -m
  tests.bench packing`` measures them). To take the columns of numbers out of the JSON first, as
  differences in binary, was tried: it saved a tenth at most and took six times as long.
* The dictionary is three records of a shop that does not exist. It is never learned from what was
  recorded: whatever is in it outlives every erasure.
* It is the text itself, not a trained one: that packs as well, anybody can read it, and any Zstandard
  can be given it.
* What was packed must open for as long as it is kept. So a dictionary never changes once it is released;
  another one is another codec beside it.

Packed bytes need not be the same with every version of the library; what is unpacked always is.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib.resources import files

from zstandard import (
    DICT_TYPE_RAWCONTENT,
    ZstdCompressionDict,
    ZstdCompressionParameters,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
    frame_content_size,
)

from guardrails.errors import RecordError

MAX_TEXT_BYTES = 2**24
"""The longest text there can be: some hundred times a long record, and little enough to make in memory."""

DICTIONARY = "packing_1.txt"
"""Name of the dictionary's file, of codec 1."""

_CODEC = b"\x01"

# Level 2 takes the first place where a repeat may be: a record is 7 % longer than with level 5, which tries
# several, and is packed in two fifths of the time. Repeats of fewer than seven bytes are rare in columns of
# digits, and not to look for them saves both.
_LEVEL = 2
_SHORTEST_REPEAT = 7
_USUAL_TEXT_BYTES = 2**16


class _Codec(threading.local):
    """Compressor and decompressor, which only one thread at a time may use: each has its own."""

    def __init__(self) -> None:
        parameters, dictionary = _prepared()
        self.compress = ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress
        self.decompress = ZstdDecompressor(dict_data=dictionary).decompress


def pack(text: bytes) -> bytes:
    """Return ``text`` in fewer bytes.

    Raises:
        RecordError: the text is empty, or longer than ``MAX_TEXT_BYTES``.
    """
    if not 0 < len(text) <= MAX_TEXT_BYTES:
        raise RecordError("a record is empty or too long to be packed")
    return _CODEC + _codec().compress(text)


def unpack(packed: bytes) -> bytes:
    """Return the text that was packed.

    The size that it announces is looked at before anything is made of that size.

    Raises:
        RecordError: these are not the bytes of a packed text, or it is longer than ``MAX_TEXT_BYTES``.
    """
    try:
        if packed[:1] != _CODEC or not 0 < frame_content_size(packed[1:]) <= MAX_TEXT_BYTES:
            raise RecordError("the body of a record cannot be opened")
        return _codec().decompress(packed[1:], allow_extra_data=False)
    except ZstdError as error:
        raise RecordError("the body of a record cannot be opened") from error


@cache
def _codec() -> _Codec:
    return _Codec()


@cache
def _prepared() -> tuple[ZstdCompressionParameters, ZstdCompressionDict]:
    """Read the dictionary and lay it out for searching, once for all threads."""
    text = files(__package__).joinpath(DICTIONARY).read_bytes()
    parameters = ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=_USUAL_TEXT_BYTES,
        dict_size=len(text),
        min_match=_SHORTEST_REPEAT,
        write_content_size=True,
        write_dict_id=False,
    )
    dictionary = ZstdCompressionDict(text, dict_type=DICT_TYPE_RAWCONTENT)
    dictionary.precompute_compress(compression_params=parameters)
    return parameters, dictionary
