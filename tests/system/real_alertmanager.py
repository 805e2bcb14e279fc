# SPDX-License-Identifier: Apache-2.0
"""A real Alertmanager on loopback."""
import os
import socket
import subprocess
import urllib.request

from harness import ROOT, eventually


def program():
    """Its path, or None when it was not fetched (tests/support/peers fetch alertmanager)."""
    found = subprocess.run([os.path.join(ROOT, "tests", "support", "peers"), "path", "alertmanager"],
                           stdout=subprocess.PIPE, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


class Alertmanager:
    """Runs until end()."""

    def __init__(self, place, config, *words):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with open(os.path.join(place, "am.yml"), "w", encoding="ascii") as f:
            f.write(config)
        path = program()
        # The unpacked program looks for its templates where its package would have put them.
        share = os.path.join(os.path.dirname(os.path.dirname(path)), "share")
        with open(os.path.join(place, "am.log"), "w", encoding="ascii") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--map-root-user", "sh", "-c",
                 'mount --bind "$0" /usr/share && exec "$@"', share, path,
                 f"--config.file={place}/am.yml", f"--storage.path={place}/am",
                 f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", *words],
                stdout=log, stderr=log)
        eventually(self.is_ready, what="Alertmanager")

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self):
        self.process.terminate()
        self.process.wait()
