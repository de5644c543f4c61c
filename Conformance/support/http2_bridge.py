# SPDX-License-Identifier: Apache-2.0
"""Lets a WebSocket client that knows HTTP/1.1 only talk to a server over HTTP/2 (RFC 8441).

    http2_bridge.py UPSTREAM-PORT CERTIFICATE

Prints `listening PORT`. Each connection from the client becomes a stream on one connection to the server, which is opened
anew where it has ended. Bytes are copied as they are: frames are the two ends' own business. The end of one direction is
passed on as such, a reset as a reset. What has not been written to the client is not acknowledged to the server.
"""

import asyncio
import base64
import hashlib
import socket
import ssl
import struct
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Fields of the client's that the server gets; those of the connection are HTTP/1.1's own.
PASSED_ON = ("sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol", "origin", "user-agent")
WINDOW = 1 << 20


class Stream:
    def __init__(self):
        self.response = asyncio.get_running_loop().create_future()
        #: Chunks with the bytes to acknowledge; None at the end, an error where the stream was reset.
        self.inbound = asyncio.Queue()


class Upstream:
    """One connection of HTTP/2 to the server."""

    def __init__(self):
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.streams = {}
        self.settled = asyncio.get_running_loop().create_future()
        self.room = asyncio.Condition()
        self.over = False

    async def open(self, port, certificate):
        context = ssl.create_default_context(cafile=certificate)
        context.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        chosen = self.writer.get_extra_info("ssl_object").selected_alpn_protocol()
        if chosen != "h2":
            raise SystemExit(f"the server has chosen {chosen}")
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        self.h2.increment_flow_control_window(16 * WINDOW)
        self.flush()
        asyncio.create_task(self.read())
        await self.settled
        if self.h2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) != 1:
            raise SystemExit("the server has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)")

    def flush(self):
        data = self.h2.data_to_send()
        if data and not self.over:
            self.writer.write(data)

    async def read(self):
        error = None
        try:
            while data := await self.reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    await self.take(event)
                self.flush()
        except (OSError, ssl.SSLError, h2.exceptions.ProtocolError) as failure:
            error = failure
            print(f"the connection has failed: {failure}", file=sys.stderr, flush=True)
        self.over = True
        self.writer.close()
        for stream in self.streams.values():
            self.end(stream, error or ConnectionError("the connection of HTTP/2 has ended"))
        if not self.settled.done():
            self.settled.set_exception(ConnectionError("the connection has ended before the settings"))
        async with self.room:
            self.room.notify_all()

    @staticmethod
    def end(stream, error):
        stream.inbound.put_nowait(error)
        if not stream.response.done():
            stream.response.set_exception(error or ConnectionError("the stream has ended"))

    async def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RemoteSettingsChanged):
            if not self.settled.done():
                self.settled.set_result(None)
        elif isinstance(event, h2.events.ResponseReceived):
            stream.response.set_result(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream.inbound.put_nowait((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.StreamEnded):
            self.end(stream, None)
        elif isinstance(event, h2.events.StreamReset):
            self.end(stream, ConnectionResetError(f"the server has reset the stream: {event.error_code!r}"))
        if isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged, h2.events.StreamReset,
                              h2.events.StreamEnded)):
            async with self.room:
                self.room.notify_all()

    def request(self, headers):
        number = self.h2.get_next_available_stream_id()
        stream = self.streams[number] = Stream()
        self.h2.send_headers(number, headers)
        self.flush()
        return number, stream

    async def send(self, number, data):
        view = memoryview(data)
        while view:
            size = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, len(view))
            if size == 0:
                async with self.room:
                    await self.room.wait()
                if self.over:
                    raise ConnectionError("the connection of HTTP/2 has ended")
                continue
            self.h2.send_data(number, bytes(view[:size]))
            view = view[size:]
            self.flush()
            await self.writer.drain()

    def acknowledge(self, number, count):
        if count and not self.over:
            try:
                self.h2.acknowledge_received_data(count, number)
            except h2.exceptions.StreamClosedError:
                pass
            self.flush()


class Bridge:
    def __init__(self, port, certificate):
        self.port, self.certificate = port, certificate
        self.upstream = None
        self.opening = asyncio.Lock()

    async def connected(self):
        async with self.opening:
            if self.upstream is None or self.upstream.over:
                self.upstream = Upstream()
                await self.upstream.open(self.port, self.certificate)
            return self.upstream

    async def serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self.talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, h2.exceptions.ProtocolError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            writer.transport.abort()
        finally:
            writer.close()

    async def talk(self, reader, writer):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = lines[0].split()[1]
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        known = dict(fields)
        upstream = await self.connected()
        number, stream = upstream.request([
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", path),
            (":authority", known["host"]), *(field for field in fields if field[0] in PASSED_ON),
        ])
        response = dict(await stream.response)
        if response[":status"] != "200":
            writer.write(f"HTTP/1.1 {response[':status']} Refused\r\nContent-Length: 0\r\n\r\n".encode())
            return await writer.drain()
        accept = base64.b64encode(hashlib.sha1(known["sec-websocket-key"].encode() + GUID).digest()).decode()
        head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
        head += [f"{name}: {value}" for name, value in response.items() if name.startswith("sec-websocket")]
        writer.write("\r\n".join([*head, "", ""]).encode())
        sending = asyncio.create_task(self.send(reader, upstream, number))
        try:
            await self.receive(writer, upstream, number, stream)
            # As over TCP, the client ends its direction in answer to the server's end.
            await asyncio.wait_for(sending, 10)
        except asyncio.TimeoutError:
            pass
        finally:
            sending.cancel()
            upstream.streams.pop(number, None)

    @staticmethod
    async def send(reader, upstream, number):
        try:
            while data := await reader.read(1 << 16):
                await upstream.send(number, data)
            upstream.h2.end_stream(number)
        except OSError:
            upstream.h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        except h2.exceptions.ProtocolError:
            return  # The server has ended the stream: nothing goes there any more.
        upstream.flush()

    @staticmethod
    async def receive(writer, upstream, number, stream):
        while (item := await stream.inbound.get()) is not None:
            if isinstance(item, Exception):
                # A reset.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise item
            data, count = item
            writer.write(data)
            await writer.drain()
            upstream.acknowledge(number, count)
        writer.write_eof()


async def main():
    bridge = Bridge(int(sys.argv[1]), sys.argv[2])
    server = await asyncio.start_server(bridge.serve, "127.0.0.1", 0, limit=1 << 16)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
