# SPDX-License-Identifier: Apache-2.0
"""Captures rewritten: packets that come twice, in another order, or not at all, and bytes that are changed."""

import random
import struct


class Capture:
    """A pcap file of the loopback interface: Ethernet, IPv4 or IPv6, TCP."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.header = file.read(24)
            self.packets = []
            while head := file.read(16):
                length = struct.unpack("<8xII", head)[0]
                self.packets.append((head, file.read(length)))

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.header)
            for head, data in self.packets:
                file.write(head + data)

    @staticmethod
    def tcp(data):
        """(source port, sequence number, where the payload begins, its length)"""
        if data[12:14] == b"\x08\x00":
            start = 14 + (data[14] & 15) * 4
            end = 14 + struct.unpack("!H", data[16:18])[0]
        else:
            start = 54
            end = 54 + struct.unpack("!H", data[18:20])[0]
        source, sequence = struct.unpack("!H2xI", data[start:start + 8])
        payload = start + (data[start + 12] >> 4) * 4
        return source, sequence, payload, end - payload

    def has_data(self, index):
        return self.tcp(self.packets[index][1])[3] > 0


def repeated(capture):
    """Each packet with data comes twice, the second time a little later."""
    packets = []
    for index, packet in enumerate(capture.packets):
        packets.append(packet)
        if capture.has_data(index) and index > 2:
            packets.append(capture.packets[index - 2])
            packets.append(packet)
    capture.packets = packets


def reordered(capture):
    """Packets after the handshake's three change places with one of the next four."""
    chance = random.Random(1)
    order = capture.packets
    for index in range(3, len(order) - 8):
        other = index + chance.randrange(5)
        order[index], order[other] = order[other], order[index]


def lost(capture):
    """A packet of the middle of a large message is gone."""
    large = [i for i in range(len(capture.packets)) if capture.tcp(capture.packets[i][1])[3] > 20000]
    del capture.packets[large[len(large) // 2]]


def begun(capture):
    """The capture begins in the middle of the connection, with a segment that has data."""
    middle = len(capture.packets) // 3
    while not capture.has_data(middle):
        middle += 1
    del capture.packets[:middle]


def patch(capture, server_port, offset, change):
    """Changes the byte at an offset of the server's stream, wherever it was sent."""
    first = None
    for index, (head, data) in enumerate(capture.packets):
        source, sequence, payload, length = capture.tcp(data)
        if source != server_port or length == 0:
            continue
        first = sequence if first is None else first
        at = offset - ((sequence - first) & 0xFFFFFFFF)
        if 0 <= at < length:
            changed = bytearray(data)
            changed[payload + at] = change(changed[payload + at])
            capture.packets[index] = (head, bytes(changed))


def large(path, size):
    """A capture of `size` bytes: one connection without a handshake, the server's messages of 1 KiB and of 1 MiB.

    Returns its size, and how many messages it has at least.
    """
    text = bytes(32 + i % 90 for i in range(1024))
    frames = (b"\x81\x7e\x04\x00" + text) * 1000 + b"\x82\x7f" + struct.pack("!Q", 1 << 20) + b"\x07" * (1 << 20)
    segment = 32768
    ethernet = b"\x00" * 12 + b"\x08\x00"
    written = 24
    sequence = position = number = total = 0
    with open(path, "wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        while written < size:
            payload = frames[position:position + segment]
            position = (position + len(payload)) % len(frames)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\2")
            tcp = struct.pack("!HHIIBBHHH", 80, 50000, sequence, 1, 0x50, 0x10, 65535, 0, 0)
            packet = ethernet + ip + tcp + payload
            file.write(struct.pack("<IIII", 1700000000 + number // 1000000, number % 1000000, len(packet), len(packet)) + packet)
            sequence = (sequence + len(payload)) & 0xFFFFFFFF
            written += 16 + len(packet)
            number += 10
            total += len(payload)
    return written, total // len(frames) * 1001
