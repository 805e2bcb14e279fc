#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A name server that receives questions and does not answer holds up nobody but its own names."""
import os
import sys

from harness import ROOT, Daemon, Sandbox, eventually, folder, run_tests

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from name_server import NameServer, Unavailable, wrapper  # noqa: E402

try:
    names = NameServer("orders.test")
    alone = wrapper(folder(), names, ["known.example"])
except Unavailable as reason:
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)

sandbox = Sandbox(only="redis")
PORT = sandbox.servers["redis"]["port"]
SECRET = os.path.join(sandbox.dir, "secrets", "redis_monitor")


def target(name, host):
    return (f"  - {{name: {name}, type: redis, url: \"redis://monitor@{host}:{PORT}\", "
            f"password_file: {SECRET}}}\n")


CONFIG = ("global: {interval: 500ms, timeout: 400ms}\ntargets:\n" + target("address", "127.0.0.1")
          + target("hosts-file", "known.example")
          + "".join(target(f"silent-{i}", f"cache-{i}.orders.test") for i in range(5)))
daemon = Daemon(CONFIG, wrapper=alone)


def addresses_and_names_of_the_hosts_file_do_not_wait():
    daemon.wait_up("address", "hosts-file", seconds=5)
    eventually(lambda: names.questions > 0, what="the name server was asked")
    before = daemon.page()
    assert before.value("dbvitals_target_up", target="silent-0") in (None, 0)
    eventually(lambda: all(daemon.page().value("dbvitals_rounds_total", target=name)
                           >= before.value("dbvitals_rounds_total", target=name) + 4
                           for name in ("address", "hosts-file")), what="four more rounds")
    page = daemon.page()
    for name in ("address", "hosts-file"):
        assert page.value("dbvitals_target_up", target=name) == 1
        assert page.value("dbvitals_target_errors_total", target=name, reason="timeout") in (None, 0)


def targets_behind_it_are_down_and_say_why():
    daemon.wait_down(*[f"silent-{i}" for i in range(5)])


def pages_are_answered_at_once():
    for path in ("/metrics", "/healthz"):
        assert min(daemon.get(path).seconds for _ in range(5)) < 0.2


def they_are_up_soon_after_it_answers():
    names.answers = True
    daemon.wait_up(*[f"silent-{i}" for i in range(5)], seconds=20)


def the_daemon_ends_cleanly_while_a_question_is_open():
    names.answers = False
    other = Daemon(CONFIG, wrapper=alone)
    before = names.questions
    eventually(lambda: names.questions > before, what="the name server was asked")
    other.end(0)
    daemon.end(0)


run_tests([
    addresses_and_names_of_the_hosts_file_do_not_wait,
    targets_behind_it_are_down_and_say_why,
    pages_are_answered_at_once,
    they_are_up_soon_after_it_answers,
    the_daemon_ends_cleanly_while_a_question_is_open,
])
