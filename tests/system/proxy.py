# SPDX-License-Identifier: Apache-2.0
"""A network that a test can cut."""
import select
import socket
import threading
import time

from harness import eventually


class Proxy:
    """TCP in front of a server: passes, is closed (refuses), drops (accepts nothing, passes nothing
    on, keeps everything open), or is slow (for connections made since: at most 800 KB a second)."""

    def __init__(self, port):
        self.upstream = port
        self.mode = "pass"
        self.listener = socket.create_server(("127.0.0.1", 0), reuse_port=True)
        self.port = self.listener.getsockname()[1]
        self.pairs = {}
        self.wake, self.woken = socket.socketpair()
        threading.Thread(target=self._run, daemon=True).start()

    def set(self, mode):
        self.mode = mode
        self.wake.send(b"x")
        eventually(lambda: self.applied == mode, what=f"proxy is '{mode}'")

    applied = "pass"

    def _apply(self):
        if self.mode == "closed":
            # Nobody listens, and the port stays ours: somebody's connection would take it.
            self.kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                self.kept.setsockopt(socket.SOL_SOCKET, option, 1)
            self.kept.bind(("127.0.0.1", self.port))
            self.listener.close()
            for one in list(self.pairs):
                one.close()
            self.pairs = {}
        elif self.applied == "closed":
            self.listener = self.kept
            self.listener.listen()
        self.applied = self.mode

    def _forget(self, one):
        other = self.pairs.pop(one, None)
        one.close()
        if other is not None:
            self.pairs.pop(other, None)
            other.close()

    def _connect(self):
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if self.applied == "slow":  # what lies in buffers comes after the sender's end
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        far.connect(("127.0.0.1", self.upstream))
        return far

    def _turn(self, ready):
        if ready is self.woken:
            ready.recv(100)
        elif ready is self.listener:
            near = ready.accept()[0]
            try:
                far = self._connect()
            except OSError:
                near.close()
                return
            self.pairs[near], self.pairs[far] = far, near
        elif ready in self.pairs:
            try:
                data = ready.recv(16384 if self.applied == "slow" else 65536)
                if data:
                    self.pairs[ready].sendall(data)
                    if self.applied == "slow":
                        time.sleep(0.02)
                    return
            except OSError:
                pass
            self._forget(ready)

    def _run(self):
        while True:
            if self.applied != self.mode:
                self._apply()
            watched = [self.woken]
            if self.applied in ("pass", "slow"):
                watched += [self.listener, *self.pairs]
            for ready in select.select(watched, [], [])[0]:
                self._turn(ready)
