# SPDX-License-Identifier: Apache-2.0
# zoo-name: hypercorn
# zoo-roles: server
# zoo-pip: hypercorn==0.18.0
# zoo-run: {python} {file}
# zoo-cannot: server fragments-in ping-in: ASGI has whole messages alone
# zoo-cannot: server reset-in: ASGI has no way to drop the connection
"""hypercorn, which stands on wsproto."""

import importlib.metadata

import asgi
import zoo
from hypercorn.asyncio import serve
from hypercorn.config import Config


async def server(port):
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "WARNING"
    await serve(asgi.application, config)


versions = [f"{name} {importlib.metadata.version(name)}" for name in ("hypercorn", "wsproto")]
zoo.main(", ".join(versions), server=server)
