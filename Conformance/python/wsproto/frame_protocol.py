# SPDX-License-Identifier: Apache-2.0
"""Frames of wsproto, on the library."""

import ctypes
from enum import IntEnum
from typing import TYPE_CHECKING, Generator, List, NamedTuple, Optional, Tuple, Union

from . import _native
from ._native import borrow, exclusive, library

if TYPE_CHECKING:
    from .extensions import Extension
    from .limits import Limits

PAYLOAD_LENGTH_TWO_BYTE = 126
PAYLOAD_LENGTH_EIGHT_BYTE = 127
MAX_PAYLOAD_NORMAL = 125
MAX_PAYLOAD_TWO_BYTE = 2**16 - 1
MAX_PAYLOAD_EIGHT_BYTE = 2**64 - 1
MAX_FRAME_PAYLOAD = MAX_PAYLOAD_EIGHT_BYTE


class Opcode(IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    def iscontrol(self) -> bool:
        return bool(self & 0x08)


class CloseReason(IntEnum):
    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RCVD = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_FRAME_PAYLOAD_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXT = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    TLS_HANDSHAKE_FAILED = 1015


LOCAL_ONLY_CLOSE_REASONS = (
    CloseReason.NO_STATUS_RCVD, CloseReason.ABNORMAL_CLOSURE, CloseReason.TLS_HANDSHAKE_FAILED,
)
MIN_CLOSE_REASON = MIN_PROTOCOL_CLOSE_REASON = 1000
MAX_PROTOCOL_CLOSE_REASON = 2999
MIN_LIBRARY_CLOSE_REASON, MAX_LIBRARY_CLOSE_REASON = 3000, 3999
MIN_PRIVATE_CLOSE_REASON, MAX_PRIVATE_CLOSE_REASON = 4000, 4999
MAX_CLOSE_REASON = 4999


class ParseFailed(Exception):
    def __init__(self, msg: str, code: CloseReason = CloseReason.PROTOCOL_ERROR) -> None:
        super().__init__(msg)
        self.code = code


class NoData(TypeError, ValueError):
    """ValueError in wsproto 1.2, TypeError from 1.3 on."""


class RsvBits(NamedTuple):
    rsv1: bool
    rsv2: bool
    rsv3: bool


class Header(NamedTuple):
    fin: bool
    rsv: RsvBits
    opcode: Opcode
    payload_len: int
    masking_key: Optional[bytes]


class Frame(NamedTuple):
    opcode: Opcode
    payload: Union[bytes, str, Tuple[int, str]]
    frame_finished: bool
    message_finished: bool


class XorMaskerSimple:
    def __init__(self, masking_key: bytes) -> None:
        self._masking_key = bytes(masking_key)

    def process(self, data: bytes) -> bytes:
        buffer = ctypes.create_string_buffer(bytes(data), len(data)) if data else None
        library.wsproto_mask(buffer, len(data), self._masking_key)
        turn = len(data) % 4
        self._masking_key = self._masking_key[turn:] + self._masking_key[:turn]
        return buffer.raw if data else b""


class XorMaskerNull:
    def process(self, data: bytes) -> bytes:
        return data


def _role(client):
    return 1 if client else 2


def _framing(kind, client, extensions, limits):
    """A frame protocol or a frame decoder of the library."""
    from ._convert import Extensions
    from .limits import configuration

    given = Extensions(extensions)
    address = _native.run(
        getattr(library, f"wsproto_{kind}_new"), _role(client), given.array, given.count, configuration(limits))
    return _native.Handle(address, kind)


def _frame(given, text=False):
    """wsproto's frame. `text`: the payload of a text frame was decoded."""
    from ._convert import close_reason

    opcode = Opcode(given.opcode)
    if given.code:
        payload = (close_reason(given.code), given.data.text())
    elif text and opcode is Opcode.TEXT:
        payload = given.data.text()
    else:
        payload = given.data.value()
    return Frame(opcode, payload, given.frame_finished, given.message_finished)


def _next(function, *arguments):
    """The result of a function whose last two parameters are a frame and an error."""
    frame = ctypes.POINTER(_native.Frame)()
    _native.call(function, *arguments, ctypes.byref(frame))
    return frame[0] if frame else None


class MessageDecoder:
    def __init__(self) -> None:
        self._guard = _native.Guard()
        self._handle = _native.Handle(library.wsproto_message_decoder_new(), "message_decoder")

    @property
    @exclusive
    def opcode(self) -> Optional[Opcode]:
        opcode = library.wsproto_message_decoder_opcode(self._handle.address)
        return Opcode(opcode) if opcode else None

    @opcode.setter
    def opcode(self, value: Opcode) -> None:
        """Puts a message under way: an empty first frame of this type."""
        self.process_frame(Frame(value, b"", True, False))

    @exclusive
    def process_frame(self, frame: Frame) -> Frame:
        payload = _native.as_bytes(frame.payload)
        given = _native.Frame(frame.opcode, frame.frame_finished, frame.message_finished, 0, borrow(payload))
        return _frame(_next(library.wsproto_message_decoder_process, self._handle.address, given), text=True)


class FrameDecoder:
    def __init__(
        self,
        client: bool,
        extensions: Optional[List["Extension"]] = None,
        *,
        limits: Optional["Limits"] = None,
    ) -> None:
        self.client = client
        self.extensions = extensions or []
        self._guard = _native.Guard()
        self._handle = _framing("frame_decoder", client, self.extensions, limits)
        self._ahead = None

    @exclusive
    def receive_bytes(self, data: bytes) -> None:
        data = _native.received(data)
        library.wsproto_frame_decoder_receive(self._handle.address, data, len(data))

    @exclusive
    def process_buffer(self) -> Optional[Frame]:
        frame, self._ahead = self._ahead or self._take(), None
        if frame is not None and not frame.frame_finished:
            # The library gives out what came before an extension's failure. wsproto raises at once.
            self._ahead = self._take()
        return frame

    def _take(self):
        frame = _next(library.wsproto_frame_decoder_next_frame, self._handle.address)
        return None if frame is None else _frame(frame)


class FrameProtocol:
    def __init__(
        self, client: bool, extensions: List["Extension"], *, limits: Optional["Limits"] = None
    ) -> None:
        self.client = client
        self.extensions = [one for one in extensions if one.enabled()]
        self._guard = _native.Guard()
        self._handle = _framing("frame_protocol", client, self.extensions, limits)

    @exclusive
    def receive_bytes(self, data: bytes) -> None:
        data = _native.received(data)
        library.wsproto_frame_protocol_receive(self._handle.address, data, len(data))

    def received_frames(self) -> Generator[Frame, None, None]:
        # Nothing is held while the caller has a frame.
        while (frame := self._next_frame()) is not None:
            yield frame

    @exclusive
    def _next_frame(self):
        frame = _next(library.wsproto_frame_protocol_next_frame, self._handle.address)
        return None if frame is None else _frame(frame, text=True)

    @exclusive
    def close(self, code: Optional[int] = None, reason: Optional[str] = None) -> bytes:
        from ._convert import close_code

        encoded = None if reason is None else reason.encode("utf-8")
        return _native.output_of(
            library.wsproto_frame_protocol_close, self._handle.address, 0 if code is None else close_code(code),
            borrow(encoded))

    def ping(self, payload: bytes = b"") -> bytes:
        return self._send(Opcode.PING, payload, True)

    def pong(self, payload: bytes = b"") -> bytes:
        return self._send(Opcode.PONG, payload, True)

    def send_data(self, payload: Union[bytes, bytearray, str] = b"", fin: bool = True) -> bytes:
        if isinstance(payload, str):
            return self._send(Opcode.TEXT, payload.encode("utf-8"), fin)
        if isinstance(payload, (bytes, bytearray, memoryview)):
            return self._send(Opcode.BINARY, payload, fin)
        raise NoData("Must provide bytes or text")

    @exclusive
    def _send(self, opcode, payload, fin):
        payload = _native.as_bytes(payload)
        output = _native.output_of(
            library.wsproto_frame_protocol_send, self._handle.address, opcode, borrow(payload), fin)
        if len(output) > _native.KEPT_BYTES:
            library.wsproto_frame_protocol_receive(self._handle.address, None, 0)
        return output
