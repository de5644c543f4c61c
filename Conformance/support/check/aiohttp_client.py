# SPDX-License-Identifier: Apache-2.0
# zoo-name: aiohttp
# zoo-roles: client
# zoo-pip: aiohttp==3.14.5
# zoo-run: {python} {file}
"""Connects again and again, and echoes, until nobody listens any more."""

import asyncio
import sys

import aiohttp


async def main(url):
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.ws_connect(url, max_msg_size=16 << 20, compress=15) as socket:
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            await socket.send_str(message.data)
                        elif message.type == aiohttp.WSMsgType.BINARY:
                            await socket.send_bytes(message.data)
            except aiohttp.ClientConnectorError:
                return
            except Exception as error:
                # A connection that `check` has made fail; the next one has another case.
                print(type(error).__name__, file=sys.stderr)


if sys.argv[1] == "version":
    print(aiohttp.__version__)
else:
    asyncio.run(main(sys.argv[2]))
