# SPDX-License-Identifier: Apache-2.0
"""Processes, ports and locks of a sandbox.

A process belongs to a server of the sandbox when the server's own pid file names it with the
same start time, or when it runs as the sandbox's user, in the server's folder, from the server's
program or its bindir.  Nothing is ever identified by a process name.  Signals go through a pidfd,
and the check is made again after the pidfd is open, so that a reused pid is never hit.
"""
import fcntl
import os
import random
import signal
import socket
import time

PORT_FIRST, PORT_LAST = 20000, 32000  # below the range that the kernel hands out


class Failure(Exception):
    """An error with a sentence for the user and an exit code."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


def wait_for(what, test, seconds, alive=None):
    """Polls test() until it is true; fails early when alive() says that the server has ended."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        value = test()
        if value:
            return value
        if alive and not alive():
            raise Failure(f"{what}: the server has ended")
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def proc_stat(pid):
    """(state, start time) of a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[19])
    except (OSError, IndexError):
        return None


def read_pid_file(path):
    """The pid from one of our pid files when that very process still lives, or None."""
    try:
        with open(path, encoding="ascii") as f:
            pid, start = (int(word) for word in f.read().split())
    except (OSError, ValueError):
        return None
    stat = proc_stat(pid)
    return pid if stat and stat[0] != "Z" and stat[1] == start else None


def write_pid_file(path, pid):
    """Names a process in a pid file; a later exec changes neither pid nor start time."""
    found = proc_stat(pid)
    with open(path, "w", encoding="ascii") as f:
        f.write(f"{pid} {found[1] if found else 0}\n")


def readlink(path):
    try:
        return os.readlink(path).removesuffix(" (deleted)")
    except OSError:
        return ""


class Family:
    """All processes of one server."""

    def __init__(self, pid_file, uid, folder, program):
        self.pid_file = pid_file
        self.uid = uid
        self.folder = os.path.realpath(folder)
        self.program = os.path.realpath(program)

    def owns(self, pid, main):
        if pid == main:
            return True
        try:
            if os.stat(f"/proc/{pid}").st_uid != self.uid:
                return False
        except OSError:
            return False
        cwd = readlink(f"/proc/{pid}/cwd")
        if cwd != self.folder and not cwd.startswith(self.folder + "/"):
            return False
        exe = readlink(f"/proc/{pid}/exe")
        if exe == self.program:
            return True
        # initdb and pg_basebackup lie beside the server; the system's own folders hold everything.
        own_bindir = os.path.dirname(self.program)
        return own_bindir not in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin") \
            and os.path.dirname(exe) == own_bindir

    def main(self):
        return read_pid_file(self.pid_file)

    def pids(self):
        """Living processes, the main one first."""
        main = self.main()
        found = [main] if main else []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != main and int(entry) != os.getpid() \
                    and self.owns(int(entry), main):
                found.append(int(entry))
        return found

    def signal(self, pid, number):
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            if self.owns(pid, self.main()):
                signal.pidfd_send_signal(fd, number)
        except OSError:
            pass
        finally:
            os.close(fd)

    def signal_all(self, number):
        """The main process first, then the others, until no process is left that was not told."""
        told = set()
        for _ in range(20):
            new = [pid for pid in self.pids() if pid not in told]
            if not new:
                return
            for pid in new:
                self.signal(pid, number)
                told.add(pid)

    def states(self):
        return [stat[0] for stat in map(proc_stat, self.pids()) if stat]

    def resume(self):
        """Wakes the children before the main process, which else counts them as lost."""
        for pid in reversed(self.pids()):
            self.signal(pid, signal.SIGCONT)

    def pause(self):
        # A process that is being forked while its parent is stopped shows up in the next look.
        def all_stopped():
            self.signal_all(signal.SIGSTOP)
            return all(state in "TtZ" for state in self.states())
        wait_for("pause", all_stopped, 5)

    def end(self, number, seconds):
        """Sends number to the main process and kills what is left when time is up."""
        if number != signal.SIGKILL:
            main = self.main()
            self.resume()
            if main:
                self.signal(main, number)
                try:
                    wait_for("stop", lambda: not self.pids(), seconds)
                except Failure:
                    pass
        self.signal_all(signal.SIGKILL)
        wait_for("kill", lambda: not self.pids(), 10)


class Ports:
    """Ports that belong to this sandbox for its whole life, also while a server is down.

    A port is reserved by an abstract socket of its number: it needs no file, works between
    users, and goes away with the last process that holds it."""

    def __init__(self):
        self.locks = []

    def take(self):
        for port in random.sample(range(PORT_FIRST, PORT_LAST), 2000):
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                lock.bind(f"\0dbvitals-sandbox-port-{port}")
            except OSError:
                lock.close()
                continue
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
            finally:
                probe.close()
            self.locks.append(lock)
            return port
        raise Failure("no free port between 20000 and 32000")


def lock_folder(path):
    """Takes the lock of a folder: a descriptor, or None when the folder is gone."""
    while True:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as e:
            raise Failure(f"{path}: {e.strerror}") from e
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(fd), os.lstat(path)):
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)  # another process removed the folder while we waited
