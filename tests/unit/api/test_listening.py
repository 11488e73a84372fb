"""Connections are taken as answers need them."""

from __future__ import annotations

import socket

from api.cli.server import listen


def test_what_is_sent_on_a_connection_waits_for_nothing():
    (listening,) = listen("127.0.0.1", 0, 1)
    with listening, socket.create_connection(listening.getsockname()) as client:
        client.sendall(b"G")  # a connection is taken when its first byte is there
        listening.settimeout(10)
        taken, _ = listening.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
