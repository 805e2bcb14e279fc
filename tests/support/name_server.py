# SPDX-License-Identifier: Apache-2.0
"""A name server on loopback that answers or keeps silent, and a program that asks only it.

The C library asks at port 53 of the addresses in /etc/resolv.conf and nowhere else, so the server
has an address of its own in 127.0.0.0/8, and the program runs in a mount namespace in which that
file is another one.  Both need root (or the capabilities); Unavailable says what is missing.
"""
import os
import random
import shutil
import socket
import struct
import subprocess
import threading

SO_RCVBUFFORCE = 33  # for all questions of a fleet at once
TYPE_A = 1
NAME_UNKNOWN = 3
ETC = {
    "resolv.conf": "nameserver {address}\nsearch .\n",
    # Nothing that answers beside the name server: no systemd-resolved, no multicast.
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n{hosts}",
}


class Unavailable(Exception):
    """It cannot be done here; the text says why."""


class NameServer:
    """Receives all questions, and answers while `answers` is true: names below a known zone are
    127.0.0.1, others do not exist."""

    def __init__(self, *zones):
        self.zones = tuple("." + zone for zone in zones)
        self.answers = False
        self.questions = 0
        self.address = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
            self.socket.bind((self.address, 53))
        except OSError as e:
            self.socket.close()
            raise Unavailable(f"no name server at {self.address}:53: {e.strerror}") from e
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(1500)
            except OSError:
                return  # closed
            self.questions += 1
            if self.answers:
                self.socket.sendto(self.answer(question), client)

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("latin-1").lower())
            at += 1 + question[at]
        kind = struct.unpack_from(">H", question, at + 1)[0]
        known = ("." + ".".join(labels)).endswith(self.zones)
        records = known and kind == TYPE_A
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else NAME_UNKNOWN),
                                          1, int(records), 0, 0)
        body = question[12:at + 5]
        if records:
            body += struct.pack(">HHHIH4s", 0xc00c, TYPE_A, 1, 60, 4,
                                socket.inet_aton("127.0.0.1"))
        return head + body

    def end(self):
        self.socket.close()


def wrapper(folder, server, hosts=()):
    """The words to put before a command, so that it asks this server, and knows these hosts as
    127.0.0.1 from its file; the process stays the same one."""
    if not shutil.which("unshare"):
        raise Unavailable("unshare is not installed (package util-linux)")
    script = []
    for name, text in ETC.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.format(address=server.address,
                                hosts="".join(f"127.0.0.1 {host}\n" for host in hosts)))
        script.append(f"mount --bind '{path}' /etc/{name}")
    words = ["unshare", "--mount", "sh", "-c", " && ".join([*script, 'exec "$@"']), "sh"]
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no files of its own for a program: {done.stderr.strip()}")
    return words
