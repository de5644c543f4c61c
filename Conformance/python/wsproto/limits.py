# SPDX-License-Identifier: Apache-2.0
"""What a peer may make a connection hold or do. Not of wsproto, which knows no limits.

There are three ways to set them:

- `WSConnection(type, limits=Limits(max_message_bytes=100_000_000))`, and so for the other classes;
- `wsproto.limits.default = Limits(...)`, for everything that is made from then on;
- the environment, for programs that know nothing of this module: `WSPROTO_MAX_MESSAGE_BYTES=100000000 uvicorn ...`.
  Each limit has a variable, its name in capitals behind `WSPROTO_`; `none` is no limit.
"""

import os
from dataclasses import dataclass, fields
from typing import Mapping, Optional

from . import _native

_defaults = _native.Configuration()
_native.library.wsproto_configuration_init(_defaults)

#: For limits that follow from `max_message_bytes`.
FOLLOWS = -1
#: What the headers of a message's frames may add to it.
_HEADERS = _defaults.max_message_wire_bytes - _defaults.max_message_bytes or 1 << 16
_NO_LIMIT = _native.c_size_t(-1).value
# wsproto takes whatever it is given, whether events are taken or not.
_defaults.max_untaken_bytes = _NO_LIMIT


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes; None is no limit. What is too large ends the connection with 1009, too many frames with 1008, a
    head with status 431, too much before the decision with 400."""

    #: A message, after inflation.
    max_message_bytes: Optional[int] = _defaults.max_message_bytes
    #: A frame, by its header. Follows `max_message_bytes`: as in wsproto a frame is handed on as it arrives, so its
    #: length is nothing to be afraid of.
    max_frame_payload: Optional[int] = FOLLOWS
    #: A message on the wire, before inflation, with the headers of its frames. Follows `max_message_bytes`.
    max_message_wire_bytes: Optional[int] = FOLLOWS
    #: Frames of a message.
    max_message_fragments: Optional[int] = _defaults.max_message_fragments
    #: A part of a compressed message, which is inflated part by part as events are taken.
    max_part_bytes: Optional[int] = _defaults.max_part_bytes
    #: The head of a request or a response.
    max_head_bytes: Optional[int] = _defaults.max_head_bytes
    #: Fields of a head.
    max_head_fields: Optional[int] = _defaults.max_head_fields
    #: What comes behind a request before it is decided on; held against what had come before a read.
    max_early_bytes: Optional[int] = _defaults.max_early_bytes

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or value == FOLLOWS == field.default:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{field.name} is a number or None, not {value!r}")
            if value < 0:
                raise ValueError(f"{field.name} cannot be {value}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Limits":
        given = {}
        for field in fields(cls):
            name = "WSPROTO_" + field.name.upper()
            value = environment.get(name, "")
            if value.isascii() and value.isdigit():
                given[field.name] = int(value)
            elif value.lower() == "none":
                given[field.name] = None
            elif value:
                raise ValueError(f"{name} is a number or 'none', not {value!r}")
        return cls(**given)

    def _native(self) -> _native.Configuration:
        made = _native.Configuration.from_buffer_copy(_defaults)
        for field in fields(self):
            value = getattr(self, field.name)
            if value == FOLLOWS == field.default:
                value = self.max_message_bytes
                if value is not None and field.name == "max_message_wire_bytes":
                    value += _HEADERS
            setattr(made, field.name, _NO_LIMIT if value is None else min(value, _NO_LIMIT))
        return made


#: Of connections that are made without limits of their own.
default = Limits.from_environment(os.environ)


def configuration(limits: Optional[Limits]) -> _native.Configuration:
    return (default if limits is None else limits)._native()
