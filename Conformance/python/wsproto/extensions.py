# SPDX-License-Identifier: Apache-2.0
"""Extensions of wsproto: the base class for those written in Python, and the library's permessage-deflate."""

import ctypes
from typing import Optional, Tuple, Union

from . import _native
from ._native import borrow, exclusive, library
from .frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, ParseFailed, RsvBits

Proto = Union[FrameDecoder, FrameProtocol]


class Extension:
    name: str

    def enabled(self) -> bool:
        return False

    def offer(self) -> Union[bool, str]:
        pass

    def accept(self, offer: str) -> Optional[Union[bool, str]]:
        pass

    def finalize(self, offer: str) -> None:
        pass

    def frame_inbound_header(
        self, proto: Proto, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> Union[CloseReason, RsvBits]:
        return RsvBits(False, False, False)

    def frame_inbound_payload_data(self, proto: Proto, data: bytes) -> Union[bytes, CloseReason]:
        return data

    def frame_inbound_complete(self, proto: Proto, fin: bool) -> Union[bytes, CloseReason, None]:
        pass

    def frame_outbound(
        self, proto: Proto, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> Tuple[RsvBits, bytes]:
        return (rsv, data)


def _role(proto):
    return 1 if proto.client else 2


class PerMessageDeflate(Extension):
    name = "permessage-deflate"

    DEFAULT_CLIENT_MAX_WINDOW_BITS = 15
    DEFAULT_SERVER_MAX_WINDOW_BITS = 15

    def __init__(
        self,
        client_no_context_takeover: bool = False,
        client_max_window_bits: Optional[int] = None,
        server_no_context_takeover: bool = False,
        server_max_window_bits: Optional[int] = None,
    ) -> None:
        self._guard = _native.Guard()
        self._make(
            _native.DeflateParameters(
                client_no_context_takeover, server_no_context_takeover,
                15 if client_max_window_bits is None else client_max_window_bits,
                15 if server_max_window_bits is None else server_max_window_bits,
            )
        )

    def _make(self, parameters):
        # Less means other things to the library.
        if min(parameters.client_max_window_bits, parameters.server_max_window_bits) < 9:
            raise ValueError("Window size must be between 9 and 15 inclusive")
        error = ctypes.c_void_p()
        address = library.wsproto_deflate_new(parameters, error)
        if not address:
            raise ValueError(str(_native.exception_of(error)))
        self._handle = _native.Handle(address, "extension")

    def _parameters(self):
        parameters = _native.DeflateParameters()
        library.wsproto_deflate_get_parameters(self._handle.address, parameters)
        return parameters

    @exclusive
    def _setting(self, name):
        return getattr(self._parameters(), name)

    @exclusive
    def _change(self, name, value):
        """A setting of wsproto is an attribute; the library's are fixed, so another one takes its place."""
        parameters, enabled = self._parameters(), self._is_enabled()
        setattr(parameters, name, value)
        self._make(parameters)
        if enabled:
            self._enable()

    @property
    def _enabled(self):
        return self.enabled()

    @_enabled.setter
    @exclusive
    def _enabled(self, value):
        if value and not self._is_enabled():
            self._enable()

    def _enable(self):
        """As if the peer had answered with the very parameters."""
        self._finalize(f"{self.name}; {self._offer()}")

    def _is_enabled(self):
        return library.wsproto_extension_enabled(self._handle.address)

    @exclusive
    def enabled(self) -> bool:
        return self._is_enabled()

    def _offer(self):
        parameters = _native.Bytes()
        if not library.wsproto_extension_offer(self._handle.address, parameters):
            return False
        return parameters.text()

    @exclusive
    def offer(self) -> Union[bool, str]:
        return self._offer()

    @exclusive
    def accept(self, offer: str) -> Union[bool, None, str]:
        parameters, offer = _native.Bytes(), offer.encode("ascii")
        if not library.wsproto_extension_accept(self._handle.address, borrow(offer), parameters):
            return None
        return parameters.text()

    def _finalize(self, offer):
        offer = offer.encode("ascii")
        _native.call(library.wsproto_extension_finalize, self._handle.address, borrow(offer))

    @exclusive
    def finalize(self, offer: str) -> None:
        self._finalize(offer)

    @exclusive
    def frame_inbound_header(
        self, proto: Proto, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> Union[CloseReason, RsvBits]:
        from ._convert import rsv_bits, rsv_of

        bits = ctypes.c_uint8(rsv_bits(rsv))
        try:
            _native.call(
                library.wsproto_extension_frame_inbound_header, self._handle.address, _role(proto), opcode, bits,
                payload_length)
        except ParseFailed as failure:
            return failure.code
        return rsv_of(bits.value)

    @exclusive
    def frame_inbound_payload_data(self, proto: Proto, data: bytes) -> Union[bytes, CloseReason]:
        data = _native.as_bytes(data)
        try:
            return _native.output_of(
                library.wsproto_extension_frame_inbound_payload_data, self._handle.address, _role(proto), borrow(data))
        except ParseFailed as failure:
            return failure.code

    @exclusive
    def frame_inbound_complete(self, proto: Proto, fin: bool) -> Union[bytes, CloseReason, None]:
        try:
            return _native.output_of(
                library.wsproto_extension_frame_inbound_complete, self._handle.address, _role(proto), fin)
        except ParseFailed as failure:
            return failure.code

    @exclusive
    def frame_outbound(
        self, proto: Proto, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> Tuple[RsvBits, bytes]:
        from ._convert import rsv_bits, rsv_of

        data, bits = _native.as_bytes(data), ctypes.c_uint8(rsv_bits(rsv))
        output = _native.output_of(
            library.wsproto_extension_frame_outbound, self._handle.address, _role(proto), opcode, bits, borrow(data), fin)
        return rsv_of(bits.value), output

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.offer()}>"


def _setting(name):
    return property(
        lambda self: self._setting(name), lambda self, value: self._change(name, value))


for _name, _ in _native.DeflateParameters._fields_:
    setattr(PerMessageDeflate, _name, _setting(_name))

SUPPORTED_EXTENSIONS = {PerMessageDeflate.name: PerMessageDeflate}
