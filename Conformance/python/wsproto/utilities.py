# SPDX-License-Identifier: Apache-2.0
"""Errors and helpers of wsproto."""

import ctypes
from typing import Dict, List, Optional

from . import _convert, _native
from ._native import borrow, library
from .events import Event
from .typing import Headers


class ProtocolError(Exception):
    pass


class LocalProtocolError(ProtocolError):
    """The caller asked for something that isn't legal."""


class _LocalTypeError(LocalProtocolError, TypeError):
    """wsproto raises TypeError for these."""


class _LocalValueError(LocalProtocolError, ValueError):
    """wsproto raises ValueError for these."""


#: By the library's violation: close code, length of a control frame, type of a message.
LOCAL_ERRORS = {2: _LocalTypeError, 3: _LocalValueError, 4: _LocalTypeError}


class RemoteProtocolError(ProtocolError):
    """The peer did something in the handshake that isn't legal."""

    def __init__(self, message: str, event_hint: Optional[Event] = None) -> None:
        self.event_hint = event_hint
        #: More about it, beyond wsproto's wording.
        self.detail: Optional[str] = None
        #: `event_hint` as the fields of a response of HTTP/2 and HTTP/3, for a server's negotiation.
        self.response: Optional[Headers] = None
        super().__init__(message)


def normed_header_dict(h11_headers: Headers) -> Dict[bytes, bytes]:
    found, keep = {}, []
    made, count = _convert.fields(h11_headers, keep)

    @_native.PAIR
    def field(_, name, name_count, value, value_count):
        found[ctypes.string_at(name, name_count)] = ctypes.string_at(value, value_count)

    library.wsproto_normed_header_dict(made, count, None, field)
    return found


def split_comma_header(value: bytes) -> List[str]:
    found = []

    @_native.ELEMENT
    def element(_, data, count):
        found.append(ctypes.string_at(data, count).decode("ascii"))

    library.wsproto_split_comma_header(borrow(_native.as_bytes(value)), None, element)
    return found


def generate_nonce() -> bytes:
    nonce = ctypes.create_string_buffer(24)
    library.wsproto_generate_nonce(nonce)
    return nonce.raw


def generate_accept_token(token: bytes) -> bytes:
    answer = ctypes.create_string_buffer(28)
    library.wsproto_generate_accept_token(borrow(_native.as_bytes(token)), answer)
    return answer.raw
