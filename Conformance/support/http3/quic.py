# SPDX-License-Identifier: Apache-2.0
"""WebSocket over HTTP/3 on aioquic: QUIC and HTTP/3 are aioquic's, the handshake and the frames are the Swift library's."""

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StopSendingReceived, StreamReset
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping


def configuration(**options):
    return QuicConfiguration(alpn_protocols=H3_ALPN, **options)


class Http3(QuicConnectionProtocol):
    """HTTP/3 with what an extended CONNECT needs; the subclass knows what a stream is."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = None
        self.streams = {}

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if isinstance(event, (StreamReset, StopSendingReceived)) and event.stream_id in self.streams:
            self.streams[event.stream_id].ended()
        if isinstance(event, ConnectionTerminated):
            for stream in list(self.streams.values()):
                stream.ended()
        if self.http is not None:
            for one in self.http.handle_event(event):
                self.http_event_received(one)
        self.settings_changed()
        self.transmit()

    def http_event_received(self, event):
        if isinstance(event, HeadersReceived):
            self.headers_received(event)
        stream = self.streams.get(getattr(event, "stream_id", None))
        if stream is None:
            return
        if isinstance(event, DataReceived):
            stream.received(event.data)
        if event.stream_ended:
            stream.ended()

    def headers_received(self, event):
        raise NotImplementedError

    def settings_changed(self):
        pass

    def setting(self, settings):
        return (settings or {}).get(Setting.ENABLE_CONNECT_PROTOCOL) == 1

    def send_headers(self, stream_id, headers, end_stream=False):
        self.http.send_headers(stream_id, headers, end_stream)
        self.transmit()

    def reset(self, stream_id):
        self._quic.reset_stream(stream_id, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()


class WebSocket:
    """An open stream."""

    def __init__(self, protocol, stream_id, connection):
        self.protocol, self.stream_id, self.connection = protocol, stream_id, connection
        #: What went over the wire in DATA frames.
        self.bytes_sent = self.bytes_received = 0
        self.first_bytes = []
        self.is_over = False

    def send(self, event):
        data = bytes(self.connection.send(event))
        self.first_bytes.append(data[0])
        self.bytes_sent += len(data)
        # A stream ends where over HTTP/1.1 the transport is closed.
        last = self.connection.state is ConnectionState.CLOSED
        self.protocol.http.send_data(self.stream_id, data, last)
        self.is_over = self.is_over or last
        self.protocol.transmit()

    def received(self, data):
        if self.connection.state is ConnectionState.CLOSED:
            return
        self.bytes_received += len(data)
        self.connection.receive_data(data)
        self.take()

    def ended(self):
        """The end of the stream, or its reset, is the end of the transport (RFC 8441 §5)."""
        if self.connection.state is not ConnectionState.CLOSED:
            self.connection.receive_data(None)
            self.take()
        self.end()

    def take(self):
        for event in self.connection.events():
            if isinstance(event, Ping):
                self.send(event.response())
            elif isinstance(event, CloseConnection):
                if self.connection.state is ConnectionState.REMOTE_CLOSING:
                    self.send(event.response())
                self.closed(event)
                if self.connection.state is ConnectionState.CLOSED:
                    self.end()
            elif isinstance(event, Message):
                self.message(event)
            else:
                self.event(event)

    def end(self):
        if not self.is_over:
            self.is_over = True
            self.protocol.http.send_data(self.stream_id, b"", True)

    def message(self, event):
        raise NotImplementedError

    def event(self, event):
        pass

    def closed(self, event):
        pass
