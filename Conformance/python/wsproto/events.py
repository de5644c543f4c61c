# SPDX-License-Identifier: Apache-2.0
"""The events of wsproto, as plain values."""

from abc import ABC
from dataclasses import dataclass, field
from typing import Generic, List, Optional, Sequence, TypeVar, Union

from .extensions import Extension
from .typing import Headers


class Event(ABC):
    """What has happened on a connection, or what shall happen."""


@dataclass(frozen=True)
class Request(Event):
    host: str
    target: str
    extensions: Union[Sequence[Extension], Sequence[str]] = field(default_factory=list)
    extra_headers: Headers = field(default_factory=list)
    subprotocols: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class AcceptConnection(Event):
    subprotocol: Optional[str] = None
    extensions: List[Extension] = field(default_factory=list)
    extra_headers: Headers = field(default_factory=list)


@dataclass(frozen=True)
class RejectConnection(Event):
    status_code: int = 400
    headers: Headers = field(default_factory=list)
    has_body: bool = False


@dataclass(frozen=True)
class RejectData(Event):
    data: bytes
    body_finished: bool = True


@dataclass(frozen=True)
class CloseConnection(Event):
    code: int
    reason: Optional[str] = None

    def response(self) -> "CloseConnection":
        return CloseConnection(code=self.code, reason=self.reason)


T = TypeVar("T", bytes, str)


@dataclass(frozen=True)
class Message(Event, Generic[T]):
    data: T
    frame_finished: bool = True
    message_finished: bool = True


@dataclass(frozen=True)
class TextMessage(Message[str]):
    data: str


@dataclass(frozen=True)
class BytesMessage(Message[bytes]):
    data: bytes


@dataclass(frozen=True)
class Ping(Event):
    payload: bytes = b""

    def response(self) -> "Pong":
        return Pong(payload=self.payload)


@dataclass(frozen=True)
class Pong(Event):
    payload: bytes = b""
