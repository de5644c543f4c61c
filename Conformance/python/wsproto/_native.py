# SPDX-License-Identifier: Apache-2.0
"""The shared library behind this package: Sources/CWSProto/wsproto.h for ctypes. Nothing here knows the protocol."""

import ctypes
import functools
import os
import sys
import threading
from ctypes import CFUNCTYPE, POINTER, byref, c_bool, c_char_p, c_int32, c_size_t, c_ssize_t, c_uint8, c_uint64, c_void_p

# ctypes.string_at has a C int for the size.
bytes_at = ctypes.pythonapi.PyBytes_FromStringAndSize
bytes_at.restype, bytes_at.argtypes = ctypes.py_object, [c_void_p, c_ssize_t]


class Bytes(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("count", c_size_t)]

    def value(self):
        return bytes_at(self.data, self.count) if self.data else b""

    def text(self):
        return self.value().decode("utf-8")

    def optional_text(self):
        return self.text() if self.data else None


class Field(ctypes.Structure):
    _fields_ = [("name", Bytes), ("value", Bytes)]


class Event(ctypes.Structure):
    _fields_ = [
        ("kind", c_int32), ("code", c_int32),
        ("frame_finished", c_bool), ("message_finished", c_bool), ("uncompressed", c_bool), ("has_body", c_bool),
        ("data", Bytes), ("host", Bytes), ("target", Bytes), ("subprotocol", Bytes),
        ("subprotocols", POINTER(Bytes)), ("subprotocol_count", c_size_t),
        ("fields", POINTER(Field)), ("field_count", c_size_t),
        ("extensions", POINTER(c_void_p)), ("extension_count", c_size_t),
    ]


class Head(ctypes.Structure):
    _fields_ = [("status", c_int32), ("fields", POINTER(Field)), ("field_count", c_size_t)]

    def value(self):
        return [(one.name.value(), one.value.value()) for one in self.fields[:self.field_count]]


class Frame(ctypes.Structure):
    _fields_ = [
        ("opcode", c_uint8), ("frame_finished", c_bool), ("message_finished", c_bool), ("code", c_int32), ("data", Bytes),
    ]


class Configuration(ctypes.Structure):
    _fields_ = [
        ("max_head_bytes", c_size_t), ("max_head_fields", c_size_t), ("max_early_bytes", c_size_t),
        ("max_frame_payload", c_size_t), ("max_message_wire_bytes", c_size_t), ("max_message_bytes", c_size_t),
        ("max_message_fragments", c_size_t), ("max_part_bytes", c_size_t), ("whole_messages", c_bool),
        ("automatic_pongs", c_bool), ("automatic_closes", c_bool), ("automatic_rejections", c_bool),
        ("max_untaken_bytes", c_size_t), ("deflate_pool", ctypes.c_void_p),
    ]


class DeflateParameters(ctypes.Structure):
    _fields_ = [
        ("client_no_context_takeover", c_bool), ("server_no_context_takeover", c_bool),
        ("client_max_window_bits", c_int32), ("server_max_window_bits", c_int32),
    ]


RELEASE = CFUNCTYPE(None, c_void_p)
ENABLED = CFUNCTYPE(c_bool, c_void_p)
OFFER = CFUNCTYPE(c_bool, c_void_p, c_void_p)
NEGOTIATE = CFUNCTYPE(c_bool, c_void_p, c_void_p, c_size_t, c_void_p)
INBOUND_HEADER = CFUNCTYPE(c_int32, c_void_p, c_int32, c_uint8, POINTER(c_uint8), c_uint64)
INBOUND_PAYLOAD = CFUNCTYPE(c_int32, c_void_p, c_int32, c_void_p, c_size_t, c_void_p)
INBOUND_COMPLETE = CFUNCTYPE(c_int32, c_void_p, c_int32, c_bool, c_void_p)
OUTBOUND = CFUNCTYPE(
    c_int32, c_void_p, c_int32, c_uint8, POINTER(c_uint8), c_void_p, c_size_t, c_bool, c_void_p)
ELEMENT = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
PAIR = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)


class Callbacks(ctypes.Structure):
    _fields_ = [
        ("context", c_void_p), ("release", RELEASE), ("enabled", ENABLED), ("offer", OFFER), ("accept", NEGOTIATE),
        ("finalize", NEGOTIATE), ("frame_inbound_header", INBOUND_HEADER),
        ("frame_inbound_payload_data", INBOUND_PAYLOAD), ("frame_inbound_complete", INBOUND_COMPLETE),
        ("frame_outbound", OUTBOUND),
    ]


def _path():
    given = os.environ.get("WSPROTO_LIBRARY")
    if given:
        return given
    name = "libWSProtoC.dylib" if sys.platform == "darwin" else "libWSProtoC.so"
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    for kind in ("release", "debug"):
        path = os.path.join(root, ".build", kind, name)
        if os.path.exists(path):
            return path
    raise ImportError(f"{name} is not built: swift build -c release --product WSProtoC, or set WSPROTO_LIBRARY")


library = ctypes.CDLL(_path())

_ERROR, _EXTENSIONS, _CONFIGURATION = POINTER(c_void_p), POINTER(c_void_p), POINTER(Configuration)
_BYTES, _U8 = POINTER(Bytes), POINTER(c_uint8)
for _name, _result, _arguments in [
    ("configuration_init", None, [_CONFIGURATION]),
    ("connection_new", c_void_p, [c_int32, _CONFIGURATION]),
    ("handshake_new", c_void_p, [c_int32, _CONFIGURATION]),
    ("open_connection_new", c_void_p, [c_int32, _EXTENSIONS, c_size_t, Bytes, _CONFIGURATION]),
    ("endpoint_handshake", c_void_p, [c_void_p]),
    ("endpoint_connection", c_void_p, [c_void_p]),
    ("endpoint_free", None, [c_void_p]),
    ("endpoint_state", c_int32, [c_void_p]),
    ("endpoint_failure", c_int32, [c_void_p]),
    ("endpoint_initiate_upgrade", c_bool, [c_void_p, POINTER(Field), c_size_t, Bytes, _ERROR]),
    ("endpoint_receive", c_bool, [c_void_p, c_void_p, c_size_t, _ERROR]),
    ("endpoint_receive_end_of_stream", c_bool, [c_void_p, _ERROR]),
    ("endpoint_next_event", POINTER(Event), [c_void_p]),
    ("endpoint_send", c_bool, [c_void_p, POINTER(Event), _BYTES, _ERROR]),
    ("server_negotiation_new", c_void_p, [POINTER(Field), c_size_t, c_bool, _CONFIGURATION, _ERROR]),
    ("client_negotiation_new", c_void_p, [POINTER(Event), c_bool, c_bool, _CONFIGURATION, _ERROR]),
    ("negotiation_free", None, [c_void_p]),
    ("negotiation_request", POINTER(Event), [c_void_p]),
    ("negotiation_request_head", Head, [c_void_p]),
    ("negotiation_send", c_bool, [c_void_p, POINTER(Event), POINTER(Head), _ERROR]),
    ("negotiation_receive", c_bool, [c_void_p, POINTER(Field), c_size_t, POINTER(POINTER(Event)), _ERROR]),
    ("negotiation_connection", c_void_p, [c_void_p]),
    ("error_kind", c_int32, [c_void_p]),
    ("error_violation", c_int32, [c_void_p]),
    ("error_code", c_int32, [c_void_p]),
    ("error_message", Bytes, [c_void_p]),
    ("error_detail", Bytes, [c_void_p]),
    ("error_event_hint", POINTER(Event), [c_void_p]),
    ("error_response", c_bool, [c_void_p, POINTER(Head)]),
    ("error_free", None, [c_void_p]),
    ("output_append", None, [c_void_p, c_void_p, c_size_t]),
    ("deflate_new", c_void_p, [POINTER(DeflateParameters), _ERROR]),
    ("deflate_get_parameters", c_bool, [c_void_p, POINTER(DeflateParameters)]),
    ("callback_extension_new", c_void_p, [Bytes, POINTER(Callbacks)]),
    ("extension_retain", c_void_p, [c_void_p]),
    ("extension_free", None, [c_void_p]),
    ("extension_name", Bytes, [c_void_p]),
    ("extension_description", Bytes, [c_void_p]),
    ("extension_enabled", c_bool, [c_void_p]),
    ("extension_offer", c_bool, [c_void_p, _BYTES]),
    ("extension_accept", c_bool, [c_void_p, Bytes, _BYTES]),
    ("extension_finalize", c_bool, [c_void_p, Bytes, _ERROR]),
    ("extension_frame_inbound_header", c_bool, [c_void_p, c_int32, c_uint8, _U8, c_uint64, _ERROR]),
    ("extension_frame_inbound_payload_data", c_bool, [c_void_p, c_int32, Bytes, _BYTES, _ERROR]),
    ("extension_frame_inbound_complete", c_bool, [c_void_p, c_int32, c_bool, _BYTES, _ERROR]),
    ("extension_frame_outbound", c_bool, [c_void_p, c_int32, c_uint8, _U8, Bytes, c_bool, _BYTES, _ERROR]),
    ("server_extensions_handshake", c_bool, [Bytes, _EXTENSIONS, c_size_t, _BYTES, _ERROR]),
    ("client_extensions_handshake", c_bool,
     [Bytes, _EXTENSIONS, c_size_t, POINTER(c_size_t), POINTER(c_size_t), _ERROR]),
    ("frame_protocol_new", c_void_p, [c_int32, _EXTENSIONS, c_size_t, _CONFIGURATION]),
    ("frame_protocol_free", None, [c_void_p]),
    ("frame_protocol_receive", c_bool, [c_void_p, c_void_p, c_size_t]),
    ("frame_protocol_next_frame", c_bool, [c_void_p, POINTER(POINTER(Frame)), _ERROR]),
    ("frame_protocol_send", c_bool, [c_void_p, c_uint8, Bytes, c_bool, _BYTES, _ERROR]),
    ("frame_protocol_close", c_bool, [c_void_p, c_int32, Bytes, _BYTES, _ERROR]),
    ("frame_decoder_new", c_void_p, [c_int32, _EXTENSIONS, c_size_t, _CONFIGURATION]),
    ("frame_decoder_free", None, [c_void_p]),
    ("frame_decoder_receive", c_bool, [c_void_p, c_void_p, c_size_t]),
    ("frame_decoder_next_frame", c_bool, [c_void_p, POINTER(POINTER(Frame)), _ERROR]),
    ("message_decoder_new", c_void_p, []),
    ("message_decoder_free", None, [c_void_p]),
    ("message_decoder_process", c_bool, [c_void_p, POINTER(Frame), POINTER(POINTER(Frame)), _ERROR]),
    ("message_decoder_opcode", c_uint8, [c_void_p]),
    ("mask", None, [c_void_p, c_size_t, c_void_p]),
    ("generate_accept_token", None, [Bytes, c_void_p]),
    ("generate_nonce", None, [c_void_p]),
    ("split_comma_header", None, [Bytes, c_void_p, ELEMENT]),
    ("normed_header_dict", None, [POINTER(Field), c_size_t, c_void_p, PAIR]),
]:
    _function = getattr(library, "wsproto_" + _name)
    _function.restype, _function.argtypes = _result, _arguments


class Handle:
    """An object of the library, freed with this one."""

    def __init__(self, address, kind):
        self.address = address
        self._free = getattr(library, f"wsproto_{kind}_free")

    def __del__(self, is_finalizing=sys.is_finalizing):
        # When the interpreter ends, what the library calls back may be gone already, and the memory goes anyway.
        if self.address and not is_finalizing():
            self._free(self.address)


class Guard:
    """One call of an object of the library at a time, together with the conversion of what it returns.

    ctypes lets other threads run during a call, and what a call returns lives until the next one.
    """

    def __init__(self):
        # Of the same thread come hooks, signal handlers and finalizers: these must not wait for their own caller.
        self.lock = threading.RLock()
        self.is_busy = False


def exclusive(method):
    """A method that calls the library on the object of `self._guard`: other threads wait, a call inside of a call
    fails."""
    @functools.wraps(method)
    def run(self, *arguments, **options):
        guard = self._guard
        with guard.lock:
            if guard.is_busy:
                raise reentrance(method)
            guard.is_busy = True
            try:
                return method(self, *arguments, **options)
            finally:
                guard.is_busy = False
    return run


def locked(method):
    """A method that asks the object of `self._guard` for something that calls inside of calls may ask too."""
    @functools.wraps(method)
    def run(self, *arguments, **options):
        with self._guard.lock:
            return method(self, *arguments, **options)
    return run


def reentrance(method):
    return local_error(
        f"{method.__name__} was called from inside of another call, by an extension, a signal handler or a finalizer")


def local_error(message):
    from .utilities import LocalProtocolError

    return LocalProtocolError(message)


def as_bytes(value):
    """The bytes of a bytes-like object. Nothing else: `bytes(3)` would be three zeros."""
    return value if type(value) is bytes else memoryview(value).tobytes()


def received(value):
    """Received bytes: what wsproto can append to its bytearray."""
    if type(value) is not bytes:
        buffer = bytearray()
        buffer += value
        value = bytes(buffer)
    return value


def borrow(value):
    """A `Bytes` on a Python bytes object, which the caller keeps; None is NULL."""
    if value is None:
        return Bytes(None, 0)
    # Refuses what is not bytes; a cast would lend the inside of a text.
    return Bytes(c_void_p.from_buffer(c_char_p(value)).value, len(value))


#: The extensions that the library has callbacks of, each in a list whose address is their context.
contexts = {}

# What Python callbacks have raised, by thread, for the call that they were made from.
_raised = threading.local()


def note(exception):
    if getattr(_raised, "list", None) is None:
        # Nobody waits for it: for ctypes to report.
        raise exception
    _raised.list.append(exception)


def run(function, *arguments):
    """Calls a function of the library; raises the first of what Python callbacks have raised meanwhile."""
    if not contexts:
        return function(*arguments)
    # The callbacks of a call may call other objects.
    outer, _raised.list = getattr(_raised, "list", None), []
    try:
        result = function(*arguments)
        raised = _raised.list
    finally:
        _raised.list = outer
    if raised:
        raise raised[0]
    return result


def made_by(function, *arguments):
    """What a function gives whose last parameter is an error."""
    error = c_void_p()
    try:
        made = run(function, *arguments, byref(error))
    except BaseException:
        library.wsproto_error_free(error)
        raise
    if not made:
        raise exception_of(error)
    return made


def call(function, *arguments):
    """Calls a function whose last parameter is an error."""
    made_by(function, *arguments)


def output_of(function, *arguments):
    """Calls a function whose last two parameters are an output and an error; None for NULL."""
    output = Bytes()
    call(function, *arguments, byref(output))
    return output.value() if output.data else None


#: Larger results are not left behind in an object that may be idle from now on.
KEPT_BYTES = 1 << 14


def exception_of(error):
    """The library's error as wsproto's exception. Frees it."""
    from . import _convert, frame_protocol, utilities

    try:
        kind = library.wsproto_error_kind(error)
        message = library.wsproto_error_message(error).text()
        if kind == 3:
            return frame_protocol.ParseFailed(message, _convert.close_reason(library.wsproto_error_code(error)))
        if kind == 2:
            hint = library.wsproto_error_event_hint(error)
            exception = utilities.RemoteProtocolError(message, _convert.event(hint[0], hint=True) if hint else None)
            exception.detail = library.wsproto_error_detail(error).optional_text()
            head = Head()
            if library.wsproto_error_response(error, byref(head)):
                exception.response = head.value()
            return exception
        return utilities.LOCAL_ERRORS.get(library.wsproto_error_violation(error), utilities.LocalProtocolError)(message)
    finally:
        library.wsproto_error_free(error)
