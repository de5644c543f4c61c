# SPDX-License-Identifier: Apache-2.0
"""Python's events and extensions to those of the library, and back."""

import ctypes
import struct
from ctypes import c_void_p

from . import _native, events
from ._native import Bytes, Field, borrow, exclusive, library, locked
from .frame_protocol import CloseReason, NoData, Opcode, RsvBits


def close_reason(code):
    try:
        return CloseReason(code)
    except ValueError:
        return code


def array(kind, values):
    return (kind * len(values))(*values) if values else None


def ascii_bytes(value):
    return value.encode("ascii") if isinstance(value, str) else _native.as_bytes(value)


def fields(headers, keep):
    """The fields as an array, and their number."""
    made = []
    for name, value in headers:
        name, value = ascii_bytes(name), ascii_bytes(value)
        keep += (name, value)
        made.append(Field(borrow(name), borrow(value)))
    made, count = array(Field, made), len(made)
    keep.append(made)
    return made, count


def headers(event, hint):
    """Received names in lower case, as h11 gives them to wsproto."""
    found = []
    for index in range(event.field_count):
        name, value = event.fields[index].name.value(), event.fields[index].value.value()
        found.append((name if hint else name.lower(), value))
    return found


class Extensions:
    """Extensions on their way to the library: their addresses, and which Python object each stands for.

    Anything false stands for none, as in wsproto."""

    def __init__(self, given, checked=False):
        from .extensions import Extension

        self.given = list(given or ())
        assert not checked or all(isinstance(one, Extension) for one in self.given)
        self.handles = [handle(one) for one in self.given]
        self.array = array(c_void_p, [one.address for one in self.handles])
        self.count = len(self.handles)
        self.objects = {one.address: object for one, object in zip(self.handles, self.given)}


# -- Extensions written in Python


class Proto:
    """What a hook gets to know of the connection."""

    def __init__(self, role):
        self.client = role == 1


def handle(extension):
    from .extensions import PerMessageDeflate

    if isinstance(extension, PerMessageDeflate) and all(
        getattr(type(extension), name) is getattr(PerMessageDeflate, name) for name in _HOOKS
    ):
        return extension._handle
    name, context = extension.name.encode("ascii"), [extension]
    _native.contexts[id(context)] = context
    table = _native.Callbacks(id(context), *_CALLBACKS)
    return _native.Handle(library.wsproto_callback_extension_new(borrow(name), table), "extension")


def _append(output, data):
    if data:
        data = _native.as_bytes(data)
        library.wsproto_output_append(output, data, len(data))


def _guarded(kind, failure):
    """A callback; what it raises is kept for the caller of the library, which is told `failure`."""
    def wrap(function):
        def run(context, *arguments):
            try:
                return function(_native.contexts[context][0], *arguments)
            except BaseException as exception:
                _native.note(exception)
                return failure
        return kind(run)
    return wrap


@_native.RELEASE
def _release(context):
    _native.contexts.pop(context, None)


@_guarded(_native.ENABLED, False)
def _enabled(extension):
    return bool(extension.enabled())


def _parameters(answer, output):
    """wsproto's True, False, None or text."""
    if isinstance(answer, (str, bytes)):
        _append(output, ascii_bytes(answer))
        return True
    return bool(answer)


@_guarded(_native.OFFER, False)
def _offer(extension, output):
    return _parameters(extension.offer(), output)


@_guarded(_native.NEGOTIATE, False)
def _accept(extension, data, count, output):
    return _parameters(extension.accept(_native.bytes_at(data, count).decode("ascii")), output)


@_guarded(_native.NEGOTIATE, False)
def _finalize(extension, data, count, output):
    extension.finalize(_native.bytes_at(data, count).decode("ascii"))
    return True


#: Internal error: for hooks that have raised.
_FAILED = 1011


def rsv_of(bits):
    return RsvBits(bool(bits & 4), bool(bits & 2), bool(bits & 1))


def rsv_bits(rsv):
    return rsv[0] << 2 | rsv[1] << 1 | int(rsv[2])


@_guarded(_native.INBOUND_HEADER, _FAILED)
def _frame_inbound_header(extension, role, opcode, rsv, length):
    result = extension.frame_inbound_header(Proto(role), Opcode(opcode), rsv_of(rsv[0]), length)
    if isinstance(result, CloseReason):
        return result
    rsv[0] = rsv_bits(result)
    return 0


def _data(result, output):
    if isinstance(result, CloseReason):
        return result
    _append(output, result)
    return 0


@_guarded(_native.INBOUND_PAYLOAD, _FAILED)
def _frame_inbound_payload_data(extension, role, data, count, output):
    return _data(extension.frame_inbound_payload_data(Proto(role), _native.bytes_at(data, count)), output)


@_guarded(_native.INBOUND_COMPLETE, _FAILED)
def _frame_inbound_complete(extension, role, fin, output):
    return _data(extension.frame_inbound_complete(Proto(role), fin), output)


@_guarded(_native.OUTBOUND, _FAILED)
def _frame_outbound(extension, role, opcode, rsv, data, count, fin, output):
    bits, data = extension.frame_outbound(
        Proto(role), Opcode(opcode), rsv_of(rsv[0]), _native.bytes_at(data, count), fin)
    rsv[0] = rsv_bits(bits)
    _append(output, data)
    return 0


_HOOKS = (
    "enabled", "offer", "accept", "finalize", "frame_inbound_header", "frame_inbound_payload_data",
    "frame_inbound_complete", "frame_outbound",
)
_CALLBACKS = (_release, *(globals()["_" + name] for name in _HOOKS))


# -- Events


def native(event):
    """The library's event, what must be kept for it, and its extensions."""
    made, keep = _native.Event(), []

    def lend(value):
        keep.append(value)
        return borrow(value)

    extensions = None
    if isinstance(event, (events.Request, events.AcceptConnection)):
        extensions = Extensions(event.extensions, checked=isinstance(event, events.Request))
        made.extensions, made.extension_count = extensions.array, extensions.count
    if isinstance(event, events.Request):
        made.kind = 1
        # The library takes A-labels.
        made.host = lend(event.host.encode("idna"))
        made.target = lend(event.target.encode("ascii"))
        subprotocols = [lend(one.encode("ascii")) for one in text_list(event.subprotocols)]
        made.subprotocols, made.subprotocol_count = keep_array(keep, Bytes, subprotocols), len(subprotocols)
        made.fields, made.field_count = fields(event.extra_headers, keep)
    elif isinstance(event, events.AcceptConnection):
        made.kind = 2
        if event.subprotocol is not None:
            if not isinstance(event.subprotocol, str):
                raise _native.local_error(f"unexpected subprotocol {event.subprotocol}")
            made.subprotocol = lend(event.subprotocol.encode("ascii"))
        made.fields, made.field_count = fields(event.extra_headers, keep)
    elif isinstance(event, events.RejectConnection):
        if not isinstance(event.status_code, int):
            raise _native.local_error(f"the status {event.status_code!r} is no number")
        # ctypes would cut a larger one.
        made.kind, made.code, made.has_body = 3, max(0, min(event.status_code, 1000)), event.has_body
        made.fields, made.field_count = fields(event.headers, keep)
    elif isinstance(event, events.RejectData):
        made.kind, made.data, made.message_finished = 4, lend(_native.as_bytes(event.data)), event.body_finished
    elif isinstance(event, events.Message):
        made.kind, data = payload(event.data)
        made.data, made.message_finished = lend(data), bool(int(event.message_finished))
    elif isinstance(event, events.CloseConnection):
        made.kind = 7
        made.code = close_code(event.code)
        if event.reason is not None:
            made.data = lend(event.reason.encode("utf-8"))
    elif isinstance(event, events.Ping):
        made.kind, made.data = 8, lend(_native.as_bytes(event.payload))
    elif isinstance(event, events.Pong):
        made.kind, made.data = 9, lend(_native.as_bytes(event.payload))
    return made, keep, extensions


def close_code(code):
    """A code that fits into a frame, as wsproto packs it; its range is the library's matter."""
    if code is None:
        return 1005
    struct.pack("!H", code)
    return code


def payload(data):
    """The kind of a message, and its bytes."""
    if isinstance(data, str):
        return 5, data.encode("utf-8")
    if isinstance(data, (bytes, bytearray, memoryview)):
        return 6, _native.as_bytes(data)
    raise NoData("Must provide bytes or text")


def text_list(values):
    """wsproto joins them, which fails for anything but text."""
    values = list(values or ())
    "".join(values)
    return values


def keep_array(keep, kind, values):
    made = array(kind, values)
    keep += (made, values)
    return made


def event(given, objects=None, hint=False):
    """wsproto's event. `objects`: the Python extensions by their addresses."""
    kind = given.kind
    if kind == 5:
        return events.TextMessage(given.data.text(), given.frame_finished, given.message_finished)
    if kind == 6:
        return events.BytesMessage(given.data.value(), given.frame_finished, given.message_finished)
    if kind == 1:
        return events.Request(
            host=given.host.text(),
            target=given.target.text(),
            extensions=[
                library.wsproto_extension_description(given.extensions[index]).text()
                for index in range(given.extension_count)
            ],
            extra_headers=headers(given, hint),
            subprotocols=[given.subprotocols[index].text() for index in range(given.subprotocol_count)],
        )
    if kind == 2:
        return events.AcceptConnection(
            subprotocol=given.subprotocol.optional_text(),
            extensions=[objects[given.extensions[index]] for index in range(given.extension_count)],
            extra_headers=headers(given, hint),
        )
    if kind == 3:
        return events.RejectConnection(given.code, headers(given, hint), given.has_body)
    if kind == 4:
        return events.RejectData(given.data.value(), given.message_finished)
    if kind == 7:
        return events.CloseConnection(close_reason(given.code), given.data.optional_text())
    if kind == 8:
        return events.Ping(given.data.value())
    return events.Pong(given.data.value())


class Endpoint:
    """A connection or a handshake of the library."""

    def __init__(self, address, whole=None, objects=None):
        self.handle = _native.Handle(address, "endpoint")
        # A connection and its handshake are one object to threads.
        self._guard = _native.Guard() if whole is None else whole._guard
        if whole is not None:
            objects = whole.objects
        self.objects = {} if objects is None else objects

    @property
    @locked
    def state(self):
        return library.wsproto_endpoint_state(self.handle.address)

    @property
    @locked
    def failure(self):
        """Code of the violation that ended the connection, or 0. Not of wsproto: for the differential test."""
        return library.wsproto_endpoint_failure(self.handle.address)

    @locked
    def part(self, function):
        address = function(self.handle.address)
        return Endpoint(address, self) if address else None

    @exclusive
    def send(self, given):
        made, keep, extensions = native(given)
        if made.kind == 0:
            raise _native.local_error(f"{given!r} is no event that can be sent")
        output = _native.output_of(library.wsproto_endpoint_send, self.handle.address, made)
        if extensions is not None:
            # The library keeps the extensions of the last event; so do we.
            self.objects.clear()
            self.objects.update(extensions.objects)
            self.objects["handles"] = extensions.handles
        if len(output) > _native.KEPT_BYTES:
            library.wsproto_endpoint_receive(self.handle.address, None, 0, None)
        return output

    @exclusive
    def receive(self, data):
        if data is None:
            _native.call(library.wsproto_endpoint_receive_end_of_stream, self.handle.address)
        else:
            data = _native.received(data)
            _native.call(library.wsproto_endpoint_receive, self.handle.address, data, len(data))

    @exclusive
    def initiate(self, given, path):
        keep = []
        made, count = fields(given, keep)
        path = ascii_bytes(path)
        _native.call(library.wsproto_endpoint_initiate_upgrade, self.handle.address, made, count, borrow(path))

    @exclusive
    def next_event(self):
        given = _native.run(library.wsproto_endpoint_next_event, self.handle.address)
        return event(given[0], self.objects) if given else None

    def events(self):
        # Nothing is held while the caller has an event.
        while (given := self.next_event()) is not None:
            yield given
