# SPDX-License-Identifier: Apache-2.0
"""Two ends that are connected."""

from wsproto import WSConnection
from wsproto.connection import CLIENT, SERVER
from wsproto.events import AcceptConnection, Request


def pair(client_extensions=(), server_extensions=(), **options):
    client, server = WSConnection(CLIENT, **options), WSConnection(SERVER, **options)
    server.receive_data(client.send(Request("example.com", "/", extensions=list(client_extensions))))
    list(server.events())
    client.receive_data(server.send(AcceptConnection(extensions=list(server_extensions))))
    list(client.events())
    return client, server
