# SPDX-License-Identifier: Apache-2.0
"""The zoo's hypercorn behind TLS, so that it speaks HTTP/2: http2_hypercorn.py PORT CERTIFICATE KEY"""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "zoo", "peers"))
import asgi
from hypercorn.asyncio import serve
from hypercorn.config import Config

config = Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
config.certfile, config.keyfile = sys.argv[2:4]
config.loglevel = "WARNING"
asyncio.run(serve(asgi.application, config))
