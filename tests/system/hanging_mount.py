# SPDX-License-Identifier: Apache-2.0
"""A file system that hangs on command: a real one, by FUSE, in a mount namespace of our own.

Whoever asks it how full it is while it hangs waits in the kernel, and once its question has been read
here not even SIGKILL ends it, just as with a dead NFS server.
"""
import ctypes
import os
import select
import signal
import struct

from harness import Skip

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 0x4000, 1 << 18
INIT, STATFS, FORGET, INTERRUPT, BATCH_FORGET = 26, 17, 2, 36, 42
HEADER = struct.Struct("<IIQQIIII")
ENOSYS = 38


def own_namespace():
    """From here on this process and its children see mounts of their own."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if uid else 0)) < 0:
        raise Skip(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                           ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    if libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) < 0:
        raise Skip(f"no mounts of our own: {os.strerror(ctypes.get_errno())}")


class HangingMount:
    """Mounted at path; hang() and answer() switch it. Ends with us."""

    def __init__(self, path):
        self.path = path
        ours, theirs = os.pipe()
        commands, self.commands = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            signal.alarm(170)
            os.close(ours)
            os.close(self.commands)
            try:
                self._serve(commands, theirs)
            finally:
                os._exit(0)
        os.close(theirs)
        os.close(commands)
        said = os.read(ours, 200).decode()
        os.close(ours)
        if said != "mounted":
            os.waitpid(self.pid, 0)
            raise Skip(f"FUSE cannot be used: {said or 'its server died'}")

    def hang(self):
        os.write(self.commands, b"h")

    def answer(self):
        os.write(self.commands, b"a")

    def end(self):
        """All who wait get an error."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            libc.umount2(self.path.encode(), 2)
            self.pid = 0

    def _serve(self, commands, ready):
        try:
            device = os.open("/dev/fuse", os.O_RDWR)
            options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
            if libc.mount(b"hangs", self.path.encode(), b"fuse", MS_NOSUID | MS_NODEV,
                          options.encode()) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        except OSError as problem:
            os.write(ready, str(problem).encode())
            return
        os.write(ready, b"mounted")
        waiting, hangs = [], False
        while True:
            readable, _, _ = select.select([device, commands], [], [])
            if commands in readable:
                word = os.read(commands, 1)
                if not word:
                    return  # our owner is gone
                hangs = word == b"h"
            if device in readable:
                waiting.append(os.read(device, 1 << 17))
            left = []
            for request in waiting:
                if hangs and HEADER.unpack_from(request)[1] == STATFS:
                    left.append(request)
                else:
                    self._answer(device, request)
            waiting = left

    @staticmethod
    def _answer(device, request):
        _, opcode, unique = HEADER.unpack_from(request)[:3]
        if opcode in (FORGET, INTERRUPT, BATCH_FORGET):
            return
        error, body = 0, b""
        if opcode == INIT:
            body = struct.pack("<IIIIHHIIHH8I", 7, 31, 65536, 0, 12, 9, 4096, 1, *[0] * 10)
        elif opcode == STATFS:
            body = struct.pack("<QQQQQIIII6I", 1000, 600, 500, 70, 60, 4096, 255, 4096, *[0] * 7)
        else:
            error = -ENOSYS
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
        except OSError:
            pass  # who asked is gone
