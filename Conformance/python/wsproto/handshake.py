# SPDX-License-Identifier: Apache-2.0
"""Handshakes of wsproto, on the library."""

import ctypes
from typing import Generator, Iterable, List, Optional, Sequence, Union

from . import _convert, _native
from ._native import borrow, library, locked
from .connection import Connection, ConnectionState, ConnectionType
from .events import Event
from .extensions import Extension
from .limits import Limits, configuration
from .typing import Headers

WEBSOCKET_VERSION = b"13"


class H11Handshake:
    def __init__(
        self,
        connection_type: ConnectionType,
        *,
        limits: Optional[Limits] = None,
        _endpoint: Optional["_convert.Endpoint"] = None,
    ) -> None:
        self.client = connection_type is ConnectionType.CLIENT
        if _endpoint is None:
            _endpoint = _convert.Endpoint(
                library.wsproto_handshake_new(connection_type.value, configuration(limits)))
        self._endpoint = _endpoint
        self._guard = _endpoint._guard
        self._type = connection_type
        self._connection = None

    @property
    def state(self) -> ConnectionState:
        return ConnectionState(self._endpoint.state)

    @property
    @locked
    def connection(self) -> Optional[Connection]:
        if self._connection is None:
            endpoint = self._endpoint.part(library.wsproto_endpoint_connection)
            if endpoint is not None:
                self._connection = Connection(self._type, _endpoint=endpoint)
        return self._connection

    def initiate_upgrade_connection(self, headers: Headers, path: Union[bytes, str]) -> None:
        self._endpoint.initiate(headers, path)

    def send(self, event: Event) -> bytes:
        return self._endpoint.send(event)

    def receive_data(self, data: Optional[bytes]) -> None:
        # h11's convention, which wsproto has in its handshake: no bytes are the end of the stream.
        self._endpoint.receive(data or None)

    def events(self) -> Generator[Event, None, None]:
        yield from self._endpoint.events()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(client={self.client}, state={self.state})"


def server_extensions_handshake(requested: Iterable[str], supported: List[Extension]) -> Optional[bytes]:
    given, offers = _convert.Extensions(supported), ", ".join(requested).encode("ascii")
    return _native.output_of(
        library.wsproto_server_extensions_handshake, borrow(offers), given.array, given.count)


def client_extensions_handshake(accepted: Iterable[str], supported: Sequence[Extension]) -> List[Extension]:
    given, answer = _convert.Extensions(supported), ", ".join(accepted).encode("ascii")
    indices, count = (ctypes.c_size_t * max(1, given.count))(), ctypes.c_size_t()
    _native.call(
        library.wsproto_client_extensions_handshake, borrow(answer), given.array, given.count, indices,
        ctypes.byref(count))
    return [given.given[indices[index]] for index in range(count.value)]
