#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Failovers of Redis on real servers.  Rows of the fault matrix print their number, what is expected
and what was seen."""
import os
import re
import subprocess
import time

from failover_fixture import Actor, Hooks, run_rows, show, stays
from harness import SANDBOX, Sandbox, eventually

sandbox = Sandbox(only="redis,redis-replica,sentinel")
hooks = Hooks()
HOOKS = hooks.option("pre", "post", "failed")
AUTOMATIC = f"mode: automatic, unfenced: accept_split_brain, {HOOKS}"
SHORT = f"{AUTOMATIC}, restart_grace: 2s"
THIRD = sandbox.spare_ports[0]


def without_sentinel(text):
    return re.sub(r"  - name: cache-sentinel\n(    .*\n)+", "", text)


def with_third(text):
    return without_sentinel(text) + (f"  - {{name: cache-3, type: redis, cluster: cache, "
                                     f"url: \"redis://127.0.0.1:{THIRD}\"}}\n")


def role(server="redis-replica"):
    return sandbox.redis("ROLE", server=server).split("\n")[0]


def promotions():
    """Of the replica: its replication id is a new one after each."""
    return 1 if role() == "master" else 0


def info(server, field):
    match = re.search(rf"^{field}:(.*?)\r?$", sandbox.redis("INFO", "replication", server=server),
                      re.M)
    return match and match.group(1)


def kill():
    sandbox.control("stop", "redis", "kill")


def start():
    sandbox.control("start", "redis")


def whole_again():
    """The sandbox's own order of things."""
    start()
    sandbox.redis("REPLICAOF", "NO", "ONE")
    sandbox.redis("REPLICAOF", "127.0.0.1", str(sandbox.servers["redis"]["port"]),
                  server="redis-replica")
    linked()


def linked():
    eventually(lambda: info("redis-replica", "master_link_status") == "up", what="linked")


def none_was_promoted(actor, row, expected="0 promotions"):
    show(row, expected, f"{promotions()}, verdicts {' '.join(actor.seen())}")
    assert promotions() == 0 and hooks.runs() == [] and "dead" not in actor.seen()
    assert actor.plans("done") == []
    actor.end(0)


def row_36_what_sentinel_does_is_adopted():
    actor = Actor(sandbox, SHORT, cluster="cache")
    actor.whole(but=("manager",))
    sandbox.redis("SENTINEL", "SET", "cache", "down-after-milliseconds", "5000", server="sentinel")
    kill()
    stays(promotions, 0, 3.5, "before Sentinel acts")
    eventually(lambda: promotions() == 1, 60, "Sentinel has promoted")
    eventually(lambda: actor.state()["primary"] == "cache-2", 60, "adopted")
    show(36, "0 of ours, Sentinel's adopted",
         f"{len(actor.plans('done'))} of ours, the primary is {actor.state()['primary']}, "
         f"verdicts {' '.join(actor.seen())}")
    assert hooks.runs() == [] and actor.plans("done") == [] and actor.plans("failed") == []
    actor.end(0)
    sandbox.control("stop", "sentinel", "kill")
    whole_again()


def row_37_a_restart_within_its_grace_is_no_death():
    actor = Actor(sandbox, f"{AUTOMATIC}, restart_grace: 4s", cluster="cache",
                  edit=without_sentinel)
    actor.whole()
    for _ in range(2):
        kill()
        stays(promotions, 0, 2, "promotions")
        start()
        actor.whole()
    linked()
    none_was_promoted(actor, "37 (restart)")


def row_37_a_server_that_loads_is_no_death():
    """It loads for longer than its grace."""
    actor = Actor(sandbox, SHORT, cluster="cache", edit=without_sentinel)
    actor.whole()
    sandbox.redis("EVAL", "for i = 1, 1000 do redis.call('SET', 'key' .. i, string.rep('x', 200)) "
                  "end", "0")
    assert sandbox.redis("SAVE") == "OK"
    path = os.path.join(sandbox.dir, "redis", "redis.conf")
    with open(path, "a", encoding="utf-8") as file:
        file.write("key-load-delay 6000\nloading-process-events-interval-bytes 1024\n")
    kill()
    starting = subprocess.Popen([SANDBOX, "start", "redis", "--dir", sandbox.dir],
                                stdout=subprocess.DEVNULL)
    began = time.monotonic()
    eventually(lambda: "LOADING" in sandbox.redis("GET", "key1"), what="it loads")
    while starting.poll() is None:
        assert promotions() == 0
        time.sleep(0.1)
    took = time.monotonic() - began
    assert took > 3, f"it loaded for {took:.1f} s"
    linked()
    actor.whole()
    none_was_promoted(actor, "37 (loading)", f"0 promotions in {took:.1f} s of loading")
    sandbox.redis("CONFIG", "SET", "key-load-delay", "0")
    with open(path, "a", encoding="utf-8") as file:
        file.write("key-load-delay 0\n")
    os.unlink(os.path.join(sandbox.dir, "redis", "dump.rdb"))


def row_48_a_primary_that_is_back_empty_is_not_replaced():
    actor = Actor(sandbox, SHORT, cluster="cache", edit=without_sentinel)
    sandbox.redis("SET", "key", "value")
    actor.whole()
    kill()
    start()
    assert sandbox.redis("DBSIZE") == "0"
    stays(promotions, 0, 4, "promotions")
    actor.whole()
    none_was_promoted(actor, 48)


class Third:
    """One more replica, which may be kept in the middle of a full synchronisation."""

    def __init__(self):
        self.folder = os.path.join(sandbox.dir, "third")
        owner = os.stat(os.path.join(sandbox.dir, "redis"))
        os.mkdir(self.folder, 0o700)
        os.chown(self.folder, owner.st_uid, owner.st_gid)
        program = os.path.join(sandbox.dir, "bin", "redis-server")
        port = sandbox.servers["redis"]["port"]
        identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} \
            if os.geteuid() == 0 else {}
        with open(os.path.join(sandbox.dir, "third.log"), "ab") as log:
            self.process = subprocess.Popen(
                [program, "--port", str(THIRD), "--bind", "127.0.0.1", "--dir", self.folder,
                 "--save", "", "--masteruser", "link", "--masterauth", "link",
                 "--repl-diskless-load", "swapdb", "--replicaof", f"127.0.0.1 {port}"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **identity)

    def ask(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(THIRD), *words], capture_output=True,
                              text=True, timeout=30, check=False)
        return done.stdout.strip()

    def end(self):
        self.process.kill()
        self.process.wait()


def row_47_a_replica_in_the_middle_of_a_sync_is_not_promoted():
    third = Third()
    try:
        eventually(lambda: "master_link_status:up" in third.ask("INFO", "replication"),
                   what="the third is linked")
        # It hears of more later than the other, so it would not be chosen for its position.
        actor = Actor(sandbox, f"{SHORT}, quorum: 1", cluster="cache", edit=with_third)
        actor.whole()
        sandbox.redis("EVAL", "for i = 1, 2000 do redis.call('SET', 'key' .. i, 'x') end", "0")
        sandbox.redis("CONFIG", "SET", "rdb-key-save-delay", "20000")
        third.ask("REPLICAOF", "NO", "ONE")
        third.ask("SET", "mine", "so that nothing but all of it will do")
        third.ask("REPLICAOF", "127.0.0.1", str(sandbox.servers["redis"]["port"]))
        eventually(lambda: "master_sync_in_progress:1" in third.ask("INFO", "replication"),
                   what="it is in the middle")
        stays(lambda: "master_sync_in_progress:1" in third.ask("INFO", "replication"), True, 1.5,
              "in the middle")
        actor.wait("healthy")
        began = time.monotonic()
        kill()
        plan = actor.wait_plan("done", 60)
        show(47, "0 or the other",
             f"{promotions()}: '{plan['new_primary']}', the one in the middle is "
             f"{third.ask('ROLE').split()[0]}", began)
        assert plan["new_primary"] == "cache-2" and promotions() == 1
        assert third.ask("ROLE").startswith("slave")
        assert hooks.events() == ["pre", "post"], hooks.runs()
        assert {run[3] for run in hooks.runs()} == {"cache-2"}
        eventually(lambda: f"master_port:{sandbox.servers['redis-replica']['port']}" in
                   third.ask("INFO", "replication"), what="it follows the new primary")
        actor.end(0)
    finally:
        third.end()
    os.unlink(hooks.lines)
    whole_again()


def row_35_a_killed_primary_is_replaced_after_its_grace():
    actor = Actor(sandbox, AUTOMATIC, cluster="cache", edit=without_sentinel)
    actor.whole()
    sandbox.redis("SET", "kept", "yes")
    eventually(lambda: sandbox.redis("GET", "kept", server="redis-replica") == "yes", what="kept")
    began = time.monotonic()
    kill()
    eventually(lambda: promotions() == 1, 40, "promoted")
    took = time.monotonic() - began
    plan = actor.wait_plan("done")
    show(35, "1 promotion, at 10 s + 0.5 s", f"{promotions()}, {took:.2f} s after the kill")
    assert 10 <= took < 11.5, took
    assert hooks.events() == ["pre", "post"] and plan["new_primary"] == "cache-2"
    assert sandbox.redis("SET", "more", "yes", server="redis-replica") == "OK"
    assert sandbox.redis("GET", "kept", server="redis-replica") == "yes"
    assert actor.state()["primary"] == "cache-2"
    # It is latched: nothing follows from the old one's return but an alert.
    start()
    actor.wait("split_brain")
    stays(lambda: hooks.events(), ["pre", "post"], 2, "hooks")
    actor.end(0)


run_rows([
    row_36_what_sentinel_does_is_adopted,
    row_37_a_restart_within_its_grace_is_no_death,
    row_37_a_server_that_loads_is_no_death,
    row_48_a_primary_that_is_back_empty_is_not_replaced,
    row_47_a_replica_in_the_middle_of_a_sync_is_not_promoted,
    row_35_a_killed_primary_is_replaced_after_its_grace,
])
