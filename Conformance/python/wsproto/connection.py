# SPDX-License-Identifier: Apache-2.0
"""Connections of wsproto, on the library."""

from enum import Enum
from typing import Generator, List, Optional

from . import _convert, _native
from ._native import borrow, library
from .events import Event
from .extensions import Extension
from .limits import Limits, configuration


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
        limits: Optional[Limits] = None,
        _endpoint: Optional["_convert.Endpoint"] = None,
    ) -> None:
        self.client = connection_type is ConnectionType.CLIENT
        if _endpoint is None:
            given, trailing = _convert.Extensions(extensions), _native.received(trailing_data)
            _endpoint = _convert.Endpoint(
                _native.run(
                    library.wsproto_open_connection_new, connection_type.value, given.array, given.count,
                    borrow(trailing), configuration(limits)))
        self._endpoint = _endpoint

    @property
    def state(self) -> ConnectionState:
        return ConnectionState(self._endpoint.state)

    def send(self, event: Event) -> bytes:
        return self._endpoint.send(event)

    def receive_data(self, data: Optional[bytes]) -> None:
        # The library ignores what comes after the closing handshake (RFC 6455 §1.4).
        if data is not None and self.state is ConnectionState.CLOSED:
            raise _native.local_error("Connection already closed.")
        self._endpoint.receive(data)

    def events(self) -> Generator[Event, None, None]:
        yield from self._endpoint.events()
