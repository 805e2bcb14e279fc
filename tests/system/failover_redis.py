#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Failovers of Redis on real servers.  Rows of the fault matrix print their number, what is expected
and what was seen."""
import os
import re
import subprocess
import time

from failover_fixture import Actor, Hooks, run_rows, show, stays
from harness import SANDBOX, Sandbox, eventually, run

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


MANUAL = f"mode: manual, restart_grace: 2s, {HOOKS}"
NAMES = {"cache-1": "redis", "cache-2": "redis-replica"}


def told(plan, step):
    return "\n".join(note["text"] for note in plan["notes"] if note["step"] == step)


def follows(replica, primary):
    return info(replica, "master_port") == str(sandbox.servers[primary]["port"]) and \
        info(replica, "master_link_status") == "up"


def sentinel_sees(priority, of):
    """What it knows of a replica comes with its INFO, every ten seconds."""
    lines = sandbox.redis("SENTINEL", "REPLICAS", "cache", server="sentinel").split("\n")
    found = dict(zip(lines[::2], lines[1::2]))
    return found.get("port") == str(sandbox.servers[of]["port"]) and \
        found.get("slave-priority") == str(priority) and "down" not in found["flags"] and \
        found.get("master-link-status") == "ok"


def moved(actor, before, plan, what, start):
    """A Sentinel has done it, and nobody else: the journal tells each of its steps."""
    new, old = NAMES[plan["new_primary"]], NAMES[plan["old_primary"]]
    assert role(new) == "master"
    eventually(lambda: follows(old, new), 60, f"{old} follows")
    show(what, "1 by Sentinel, 0 of ours", f"'{plan['new_primary']}' is the primary; "
         f"{told(plan, 'promote')}; {told(plan, 'confirm')}", start)
    assert told(plan, "promote") == "SENTINEL FAILOVER cache: OK, says 'cache-sentinel'", plan
    assert f"names 127.0.0.1:{sandbox.servers[new]['port']} after" in told(plan, "confirm"), plan
    assert hooks.events()[before:] == ["pre", "post"], hooks.runs()[before:]
    assert {run[3] for run in hooks.runs()[before:]} == {plan["new_primary"]}
    actor.acknowledge()
    eventually(lambda: actor.state()["primary"] == plan["new_primary"], what="the new primary")


def a_switchover_is_asked_of_sentinel():
    alone = Actor(sandbox, MANUAL, cluster="cache", edit=without_sentinel)
    alone.whole(but=("manager",))
    answer = alone.order(422, order="switchover", cluster="cache")
    assert "not ready: manager" in answer["error"], answer
    alone.end(0)
    actor = Actor(sandbox, MANUAL, cluster="cache")
    actor.whole(but=("manager",))
    answer = actor.order(422, order="switchover", cluster="cache", to="cache-2")
    assert "chooses who follows" in answer["error"], answer
    assert actor.plans() == [] and hooks.runs() == []
    start = time.monotonic()
    done = run("failover", "switchover", "cache", "--storage.path",
               os.path.join(actor.folder, "storage"), timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    plan = actor.wait_plan("done", 60)
    assert plan["mode"] == "switchover" and plan["new_primary"] == "cache-2", plan
    assert plan["lost_bytes"] < 4096, plan
    moved(actor, 0, plan, "Sentinel, switchover", start)
    actor.end(0)


def what_sentinel_refuses_is_told_in_its_words():
    """The primary is cache-2 now, and Sentinel believes for a while that cache-1 may not follow."""
    actor = Actor(sandbox, MANUAL, cluster="cache")
    eventually(lambda: sentinel_sees(100, "redis"), 60, "Sentinel knows the replica")
    sandbox.redis("CONFIG", "SET", "replica-priority", "0")
    eventually(lambda: sentinel_sees(0, "redis"), 60, "Sentinel knows the priority")
    sandbox.redis("CONFIG", "SET", "replica-priority", "100")
    actor.whole(but=("manager",))
    before = len(hooks.runs())
    actor.order(order="switchover", cluster="cache")
    plan = actor.wait_plan("failed", 60)
    show("Sentinel, no good replica", "failed, 0 promotions", told(plan, "promote"))
    assert re.match("SENTINEL FAILOVER cache: 'cache-sentinel' says: NOGOODSLAVE",
                    told(plan, "promote")), plan
    assert hooks.events()[before:] == ["pre", "failed"], hooks.runs()[before:]
    assert promotions() == 1 and role("redis") == "slave"
    actor.acknowledge()
    actor.end(0)


def a_dead_primary_is_left_to_sentinel_when_that_is_approved():
    eventually(lambda: sentinel_sees(100, "redis"), 60, "Sentinel knows the replica")
    sandbox.redis("SENTINEL", "SET", "cache", "down-after-milliseconds", "120000",
                  server="sentinel")
    actor = Actor(sandbox, MANUAL, cluster="cache")
    actor.whole(but=("manager",))
    before = len(hooks.runs())
    sandbox.control("stop", "redis-replica", "kill")
    plan = actor.wait_plan("waiting", 60)
    stays(lambda: role("redis"), "slave", 2, "nobody acts before it is approved")
    start = time.monotonic()
    actor.order(order="approve", id=plan["id"])
    plan = actor.wait_plan("done", 120)
    assert plan["old_primary"] == "cache-2" and plan["new_primary"] == "cache-1", plan
    sandbox.control("start", "redis-replica")
    moved(actor, before, plan, "Sentinel, approved", start)
    actor.end(0)
    sandbox.redis("SENTINEL", "SET", "cache", "down-after-milliseconds", "30000", server="sentinel")
    os.unlink(hooks.lines)


def without_any_sentinel_nothing_is_done():
    """It is configured, and not there."""
    actor = Actor(sandbox, MANUAL, cluster="cache")
    actor.whole(but=("manager",))
    start = time.monotonic()
    actor.order(order="switchover", cluster="cache")
    plan = actor.wait_plan("failed", 60)
    show("Sentinel, not there", "failed, 0 promotions", f"{promotions()}: {told(plan, 'promote')}",
         start)
    assert re.match("nothing was asked: no Sentinel has answered within 10s: .*refused",
                    told(plan, "promote")), plan
    assert promotions() == 0 and hooks.events() == ["pre", "failed"], hooks.runs()
    actor.end(0)
    os.unlink(hooks.lines)


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
    killed = time.monotonic()
    eventually(lambda: promotions() == 1, 40, "promoted")
    end = time.monotonic()
    plan = actor.wait_plan("done")
    show(35, "1 promotion, at 10 s + 0.5 s", f"{promotions()}, {end - began:.2f} s after the kill was "
         f"asked for, {killed - began:.2f} s of them the kill itself")
    assert end - began >= 10 and end - killed < 11.5, (began, killed, end)
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
    a_switchover_is_asked_of_sentinel,
    what_sentinel_refuses_is_told_in_its_words,
    a_dead_primary_is_left_to_sentinel_when_that_is_approved,
    row_36_what_sentinel_does_is_adopted,
    without_any_sentinel_nothing_is_done,
    row_37_a_restart_within_its_grace_is_no_death,
    row_37_a_server_that_loads_is_no_death,
    row_48_a_primary_that_is_back_empty_is_not_replaced,
    row_47_a_replica_in_the_middle_of_a_sync_is_not_promoted,
    row_35_a_killed_primary_is_replaced_after_its_grace,
])
