# SPDX-License-Identifier: Apache-2.0
"""The opening handshake of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220), as lists of fields. Not of wsproto, whose handshake is
that of HTTP/1.1.

An HTTP library such as aioquic reads and writes the lists, pseudo-header fields first, and carries the bytes of the
`connection` in the stream's DATA frames. The end of the stream, or its reset, is `connection.receive_data(None)`.
"""

import ctypes
from typing import Optional, Union

from . import _convert, _native
from ._native import exclusive, library
from .connection import Connection, ConnectionType
from .events import AcceptConnection, Event, RejectConnection, Request
from .limits import Limits, configuration
from .typing import Headers


class _Negotiation:
    _type: ConnectionType

    def __init__(self, address):
        self._guard = _native.Guard()
        self._handle = _native.Handle(address, "negotiation")
        self._objects = {}
        self._connection = None

    @property
    @exclusive
    def connection(self) -> Optional[Connection]:
        """The connection that the negotiation has led to; None until it has."""
        if self._connection is None:
            address = library.wsproto_negotiation_connection(self._handle.address)
            if address:
                self._connection = Connection(self._type, _endpoint=_convert.Endpoint(address, objects=self._objects))
        return self._connection


class ServerNegotiation(_Negotiation):
    """A server's half, made of the request's fields.

    Raises RemoteProtocolError with the response to send in `response`; the stream ends with it.
    `enable_connect_protocol`: whether this end has sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1."""

    _type = ConnectionType.SERVER

    def __init__(
        self, headers: Headers, *, enable_connect_protocol: bool, limits: Optional[Limits] = None
    ) -> None:
        keep = []
        made, count = _convert.fields(headers, keep)
        super().__init__(
            _native.made_by(
                library.wsproto_server_negotiation_new, made, count, enable_connect_protocol, configuration(limits)))

    @property
    @exclusive
    def request(self) -> Request:
        """What is asked for, to decide on."""
        return _convert.event(_native.run(library.wsproto_negotiation_request, self._handle.address)[0])

    @exclusive
    def send(self, event: Union[AcceptConnection, RejectConnection]) -> Headers:
        """The fields of the response. The body of a refusal is for the HTTP library."""
        made, keep, extensions = _convert.native(event)
        head = _native.Head()
        _native.call(library.wsproto_negotiation_send, self._handle.address, made, ctypes.byref(head))
        if extensions is not None:
            self._objects.update(extensions.objects, handles=extensions.handles)
        del keep
        return head.value()


class ClientNegotiation(_Negotiation):
    """A client's half, made of a Request.

    `secure`: for a URL with wss. `enable_connect_protocol`: whether the server has sent SETTINGS_ENABLE_CONNECT_PROTOCOL
    with the value 1; without it there must be no such request, which is a LocalProtocolError."""

    _type = ConnectionType.CLIENT

    def __init__(
        self, request: Request, *, secure: bool = True, enable_connect_protocol: bool, limits: Optional[Limits] = None
    ) -> None:
        made, keep, extensions = _convert.native(request)
        super().__init__(
            _native.made_by(
                library.wsproto_client_negotiation_new, made, secure, enable_connect_protocol, configuration(limits)))
        self._objects.update(extensions.objects, handles=extensions.handles)
        del keep

    @property
    @exclusive
    def headers(self) -> Headers:
        """The fields of the request to send."""
        return _native.run(library.wsproto_negotiation_request_head, self._handle.address).value()

    @exclusive
    def receive(self, headers: Headers) -> Optional[Event]:
        """Takes the fields of a response: AcceptConnection, RejectConnection, or None if another one follows.

        Raises RemoteProtocolError: reset the stream."""
        keep = []
        made, count = _convert.fields(headers, keep)
        event = ctypes.POINTER(_native.Event)()
        _native.call(library.wsproto_negotiation_receive, self._handle.address, made, count, ctypes.byref(event))
        return _convert.event(event[0], self._objects) if event else None
