# SPDX-License-Identifier: Apache-2.0
# zoo-name: websockets
# zoo-roles: client
# zoo-pip: websockets==17.4
# zoo-run: {python} {file}
"""Connects again and again, and echoes, until nobody listens any more."""

import asyncio
import sys

import websockets
from websockets.asyncio.client import connect


async def main(url):
    while True:
        try:
            async with connect(url, max_size=16 << 20, open_timeout=5, proxy=None) as socket:
                async for message in socket:
                    await socket.send(message)
        except ConnectionRefusedError:
            return
        except Exception as error:
            # A connection that `check` has made fail; the next one has another case.
            print(type(error).__name__, file=sys.stderr)


if sys.argv[1] == "version":
    print(websockets.__version__)
else:
    asyncio.run(main(sys.argv[2]))
