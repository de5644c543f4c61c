# SPDX-License-Identifier: Apache-2.0
"""wsproto's interface on the Swift library WSProto, through its C interface.

Converts arguments and results; the protocol is in the library (see `_native`). As with wsproto, threads may share a
connection; `limits` are what wsproto has not.
"""

from typing import Generator, Optional, Union

from . import _convert
from ._native import library
from .connection import Connection, ConnectionState, ConnectionType
from .events import Event
from .handshake import H11Handshake
from .limits import Limits, configuration
from .typing import Headers

#: The version of wsproto whose interface this is.
__version__ = "1.2.0"


class WSConnection:
    def __init__(self, connection_type: ConnectionType, *, limits: Optional[Limits] = None) -> None:
        self.client = connection_type is ConnectionType.CLIENT
        self._endpoint = _convert.Endpoint(
            library.wsproto_connection_new(connection_type.value, configuration(limits)))
        self.handshake = H11Handshake(
            connection_type, _endpoint=self._endpoint.part(library.wsproto_endpoint_handshake))

    @property
    def connection(self) -> Optional[Connection]:
        return self.handshake.connection

    @property
    def state(self) -> ConnectionState:
        return ConnectionState(self._endpoint.state)

    def initiate_upgrade_connection(self, headers: Headers, path: Union[bytes, str]) -> None:
        self._endpoint.initiate(headers, path)

    def send(self, event: Event) -> bytes:
        return self._endpoint.send(event)

    def receive_data(self, data: Optional[bytes]) -> None:
        connection = self.connection
        if connection is None:
            # As in H11Handshake.
            self._endpoint.receive(data or None)
        else:
            connection.receive_data(data)

    def events(self) -> Generator[Event, None, None]:
        yield from self._endpoint.events()


__all__ = ("ConnectionType", "WSConnection")
