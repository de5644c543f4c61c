# SPDX-License-Identifier: Apache-2.0
"""What an idle connection holds."""

import ctypes
import gc
import unittest

from ends import pair
from wsproto.events import BytesMessage
from wsproto.frame_protocol import FrameProtocol


class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


def held():
    """What malloc has given out, in bytes; Python's small objects have memory of their own."""
    gc.collect()
    info = mallinfo2()
    return info.uordblks + info.hblkhd


try:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo
except (AttributeError, OSError):
    mallinfo2 = None


@unittest.skipIf(mallinfo2 is None or held() == 0, "needs glibc's malloc")
class Memory(unittest.TestCase):
    # fault: M5
    def test_an_idle_connection_does_not_hold_what_it_has_sent(self):
        client, server = pair()
        protocol = FrameProtocol(False, [])
        large = bytes(8 << 20)
        for end, send in (
            (server, lambda: server.send(BytesMessage(large))), (client, lambda: client.send(BytesMessage(large))),
            (protocol, lambda: protocol.send_data(large)),
        ):
            with self.subTest(end=type(end).__name__):
                before = held()
                output = send()
                self.assertGreater(held() - before, 8 << 20)
                del output
                # The rest is the interpreter's.
                self.assertLess(held() - before, 256 << 10)

    # fault: M5
    def test_an_idle_connection_does_not_hold_what_it_has_received(self):
        client, server = pair()
        frame = client.send(BytesMessage(bytes(8 << 20)))
        before = held()
        server.receive_data(frame)
        self.assertEqual(sum(len(event.data) for event in server.events()), 8 << 20)
        self.assertLess(held() - before, 256 << 10)
