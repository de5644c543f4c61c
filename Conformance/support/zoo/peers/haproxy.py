# SPDX-License-Identifier: Apache-2.0
# zoo-name: HAProxy
# zoo-roles: proxy
# zoo-apt: haproxy
# zoo-run: {python} {file}
"""HAProxy, which switches to a tunnel by itself."""

import proxy


def configuration(port, upstream, folder):
    return f"""
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 60s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server ours 127.0.0.1:{upstream}
"""


proxy.main("haproxy", ["-v"], configuration, lambda program, file: [program, "-db", "-f", file])
