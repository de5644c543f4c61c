# SPDX-License-Identifier: Apache-2.0
# zoo-name: uvicorn
# zoo-roles: server
# zoo-pip: uvicorn==0.54.0 websockets==17.4
# zoo-run: {python} {file}
# zoo-cannot: server fragments-in ping-in: ASGI has whole messages alone
# zoo-cannot: server reset-in: ASGI has no way to drop the connection
"""uvicorn with its websockets protocol."""

import asgi
import uvicorn
import zoo


def server(port):
    uvicorn.run(asgi.application, host="127.0.0.1", port=port, ws="websockets", log_level="warning")


zoo.main(f"uvicorn {uvicorn.__version__}", server=server)
