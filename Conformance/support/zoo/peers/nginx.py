# SPDX-License-Identifier: Apache-2.0
# zoo-roles: proxy
# zoo-apt: nginx-light
# zoo-run: {python} {file}
"""nginx, as its documentation on WebSocket proxying has it."""

import os

import proxy


def configuration(port, upstream, folder):
    temporary = "\n".join(f"  {name}_temp_path {folder}/{name};"
                          for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
{temporary}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


proxy.main("nginx", ["-v"], configuration, lambda program, file: [program, "-e", "stderr", "-c", file])
