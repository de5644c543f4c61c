# SPDX-License-Identifier: Apache-2.0
# zoo-name: Apache
# zoo-roles: proxy
# zoo-apt: apache2-bin
# zoo-run: {python} {file}
"""Apache's mod_proxy_http with upgrade=websocket."""

import os

import proxy

MODULES = ("mpm_event", "authz_core", "proxy", "proxy_http")


def configuration(port, upstream, folder):
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
    return f"""
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog /dev/stderr
{modules}
{"User www-data" if os.geteuid() == 0 else ""}
{"Group www-data" if os.geteuid() == 0 else ""}
Listen 127.0.0.1:{port}
ProxyPass / http://127.0.0.1:{upstream}/ upgrade=websocket
"""


proxy.main("apache2", ["-v"], configuration, lambda program, file: [program, "-f", file, "-DFOREGROUND"])
