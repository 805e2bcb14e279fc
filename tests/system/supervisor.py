#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a service manager hears: ready, reloading, stopping, and that the loop still turns."""
import os
import signal
import socket

from harness import Daemon, eventually, folder, run_tests

path = os.path.join(folder(), "notify")
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(path)
os.chmod(path, 0o777)
listener.setblocking(False)
heard = []


def hears(word):
    """Takes what has come; has this word been said since the last clear()?"""
    try:
        while True:
            heard.extend(listener.recv(4096).decode().splitlines())
    except BlockingIOError:
        return word in heard


daemon = Daemon('targets: [{name: x, type: redis, url: "redis://127.0.0.1:1"}]\n',
                environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})


def it_says_when_it_is_ready():
    eventually(lambda: hears("READY=1"), what="READY=1")


def it_feeds_the_watchdog():
    heard.clear()
    eventually(lambda: hears("WATCHDOG=1"), what="WATCHDOG=1")
    heard.clear()
    eventually(lambda: hears("WATCHDOG=1"), what="another WATCHDOG=1")


def a_stopped_loop_does_not_feed_it():
    daemon.signal(signal.SIGSTOP)
    eventually(lambda: open(f"/proc/{daemon.process.pid}/stat", encoding="ascii").read()
               .rpartition(")")[2].split()[0] == "T", what="stopped")
    hears("")
    heard.clear()
    try:
        eventually(lambda: hears("WATCHDOG=1"), 1.2, "silence")
        raise RuntimeError("a stopped process has fed the watchdog")
    except AssertionError:
        pass
    daemon.signal(signal.SIGCONT)
    eventually(lambda: hears("WATCHDOG=1"), what="WATCHDOG=1 again")


def it_says_that_it_reloads_and_is_ready_again():
    heard.clear()
    daemon.reload()
    eventually(lambda: hears("RELOADING=1") and "READY=1" in heard, what="RELOADING=1, READY=1")
    assert heard.index("RELOADING=1") < heard.index("READY=1")


def it_says_that_it_stops():
    heard.clear()
    daemon.end(0)
    assert hears("STOPPING=1"), heard


run_tests([
    it_says_when_it_is_ready,
    it_feeds_the_watchdog,
    a_stopped_loop_does_not_feed_it,
    it_says_that_it_reloads_and_is_ready_again,
    it_says_that_it_stops,
])
