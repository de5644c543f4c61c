# SPDX-License-Identifier: Apache-2.0
"""Connections of wsproto, on the library."""

from enum import Enum
from typing import Generator, List, Optional

from . import _convert
from ._native import as_bytes, borrow, library
from .events import Event
from .extensions import Extension


class ConnectionState(Enum):
    CONNECTING = 0
    OPEN = 1
    REMOTE_CLOSING = 2
    LOCAL_CLOSING = 3
    CLOSED = 4
    REJECTING = 5


class ConnectionType(Enum):
    CLIENT = 1
    SERVER = 2


CLIENT = ConnectionType.CLIENT
SERVER = ConnectionType.SERVER


class Connection:
    def __init__(
        self,
        connection_type: ConnectionType,
        extensions: Optional[List[Extension]] = None,
        trailing_data: bytes = b"",
        *,
        _endpoint: Optional["_convert.Endpoint"] = None,
    ) -> None:
        self.client = connection_type is ConnectionType.CLIENT
        if _endpoint is None:
            given, trailing = _convert.Extensions(extensions or []), as_bytes(trailing_data)
            _endpoint = _convert.Endpoint(
                library.wsproto_open_connection_new(
                    connection_type.value, given.array, given.count, borrow(trailing), None))
        self._endpoint = _endpoint

    @property
    def state(self) -> ConnectionState:
        return ConnectionState(self._endpoint.state)

    def send(self, event: Event) -> bytes:
        return self._endpoint.send(event)

    def receive_data(self, data: Optional[bytes]) -> None:
        self._endpoint.receive(data)

    def events(self) -> Generator[Event, None, None]:
        yield from self._endpoint.events()
