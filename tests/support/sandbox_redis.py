# SPDX-License-Identifier: Apache-2.0
"""Just enough of a Redis client to ask a server how it is and to give it something to do."""
import socket


class RedisLink:
    def __init__(self, port, password=None, seconds=1):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.file = self.sock.makefile("rb")
        if password:
            self.ask("AUTH", password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def ask(self, *words):
        """The reply: text, None, a list, or the line of an error, a status or a number."""
        words = [w.encode() for w in words]
        self.sock.sendall(b"*%d\r\n" % len(words)
                          + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server has closed the connection")
        line = line[:-2]
        if line[:1] == b"$":
            return None if line == b"$-1" else self.file.read(int(line[1:]) + 2)[:-2].decode()
        if line[:1] == b"*":
            return [self.read() for _ in range(int(line[1:]))]
        return line.decode()
