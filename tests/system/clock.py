#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps back and forth: sampling goes on, nothing is lost, times increase."""
import mmap
import os
import struct
import time

from harness import DBVITALS, Daemon, Sandbox, eventually, folder, run_tests

HOUR = 3600
SHIM = os.path.join(os.path.dirname(DBVITALS), "tests", "system", "libclock_shim.so")
assert os.path.exists(SHIM), SHIM
sandbox = Sandbox(only="redis")
STEP_FILE = os.path.join(folder(), "ahead")
with open(STEP_FILE, "wb") as file:
    file.write(bytes(8))
with open(STEP_FILE, "r+b") as file:
    ahead = mmap.mmap(file.fileno(), 8)

daemon = Daemon(
    "global: {interval: 300ms, timeout: 250ms}\n"
    f"targets: [{{name: cache, type: redis, url: 'redis://127.0.0.1:"
    f"{sandbox.servers['redis']['port']}'}}]\n",
    environment={"LD_PRELOAD": SHIM, "CLOCK_SHIM_FILE": STEP_FILE,
                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})


def rounds(page):
    return page.value("dbvitals_rounds_total", target="cache")


def last_round(page):
    return page.value("dbvitals_last_round_timestamp_seconds", target="cache")


def jump(seconds):
    """Looks at several rounds after a jump."""
    before = daemon.page()
    names, time_before = before.names(), last_round(before)
    ahead[:8] = struct.pack("q", seconds)

    def some_rounds_later():
        nonlocal time_before
        page = daemon.page()
        assert names <= page.names(), f"lost: {sorted(names - page.names())[:10]}"
        assert page.value("dbvitals_target_up", target="cache") == 1
        assert last_round(page) >= time_before, f"{last_round(page)} after {time_before}"
        time_before = last_round(page)
        return rounds(page) >= rounds(before) + 4
    eventually(some_rounds_later, what="rounds go on")


def the_clock_is_ours():
    """Otherwise the other cases show nothing."""
    daemon.wait_up("cache")
    eventually(lambda: daemon.page().find("redis_config_maxclients"))
    ahead[:8] = struct.pack("q", 10)
    eventually(lambda: last_round(daemon.page()) > time.time() + 5, what="a time to come")


def an_hour_forward_loses_nothing():
    jump(HOUR)


def an_hour_back_loses_nothing():
    jump(0)


def back_and_forth_loses_nothing():
    for hours in (-1, 1, -2, 2, 0):
        jump(hours * HOUR)


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    the_clock_is_ours,
    an_hour_forward_loses_nothing,
    an_hour_back_loses_nothing,
    back_and_forth_loses_nothing,
    it_stops_cleanly,
])
