#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Row 5 of the fault matrix: the host of the primary vanishes.  Primary and replica run in network
namespaces of their own, and this test with the daemon in a third, whose links are cut."""
import ctypes
import os
import subprocess
import sys
import time

from failover_fixture import Actor, Hooks, promotions, run_rows, show, stays
from harness import Sandbox, eventually

CLONE_NEWNET = 0x40000000
NET = "10.213.57"


def give_up(why):
    print(f"1..0 # SKIP no network namespaces of its own: {why}")
    sys.exit(0)


if os.geteuid() != 0:
    give_up("not root")
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(CLONE_NEWNET) != 0:
    give_up(os.strerror(ctypes.get_errno()))


def ip(*words, pid=None):
    command = ["nsenter", f"--net=/proc/{pid}/ns/net"] if pid else []
    return subprocess.run([*command, "ip", *words], capture_output=True, text=True, check=False)


def must(*words, pid=None):
    done = ip(*words, pid=pid)
    if done.returncode != 0:
        give_up(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Host:
    """A namespace with one address, which lives as long as a process in it."""

    def __init__(self, name, number):
        self.link, self.address = f"to-{name}", f"{NET}.{number}"
        self.process = subprocess.Popen(
            ["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sleep", "600"],
            stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        own = os.readlink("/proc/self/ns/net")
        eventually(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != own, what="a namespace")
        must("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns",
             str(self.pid))
        must("link", "set", self.link, "master", "bridge", "up")
        must("address", "add", f"{self.address}/24", "dev", "eth0", pid=self.pid)
        must("link", "set", "eth0", "up", pid=self.pid)
        must("link", "set", "lo", "up", pid=self.pid)

    def cut(self):
        must("link", "set", self.link, "down")

    def mend(self):
        must("link", "set", self.link, "up")


must("link", "set", "lo", "up")
must("link", "add", "bridge", "type", "bridge")
must("address", "add", f"{NET}.1/24", "dev", "bridge")
must("link", "set", "bridge", "up")
hosts = {"primary": Host("primary", 2), "replica": Host("replica", 3)}
sandbox = Sandbox(only="postgres")


def start_there(name, *options):
    """The sandbox's server again, in its own namespace; the sandbox still finds and ends it."""
    server, data = sandbox.servers[name], os.path.join(sandbox.dir, name, "data")
    owner = os.stat(data)
    with open(server["log"], "ab") as log:
        subprocess.Popen(
            ["nsenter", f"--net=/proc/{hosts[name].pid}/ns/net", "setpriv",
             f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups",
             server["program"], "-D", data, "-c", "listen_addresses=*", *options],
            cwd=os.path.join(sandbox.dir, name), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True)
    eventually(lambda: _answers(name), 30, f"{name} answers")


def _answers(name):
    try:
        return sandbox.sql("SELECT 1", server=name)
    except AssertionError:
        return False


def move_to_their_hosts():
    """The sockets stay where they are: files know no namespaces."""
    conninfo = sandbox.sql("SHOW primary_conninfo", server="replica")[0][0]
    for name in ("replica", "primary"):
        sandbox.control("stop", name, "fast")
        with open(os.path.join(sandbox.dir, name, "data", "pg_hba.conf"), "a",
                  encoding="utf-8") as file:
            file.write(f"host all all {NET}.0/24 scram-sha-256\n"
                       f"host replication replicator {NET}.0/24 scram-sha-256\n")
    start_there("primary")
    start_there("replica", "-c", "primary_conninfo="
                + conninfo.replace("127.0.0.1", hosts["primary"].address))


def their_addresses(text):
    for name, host in hosts.items():
        port = sandbox.servers[name]["port"]
        text = text.replace(f"127.0.0.1:{port}/", f"{host.address}:{port}/")
    return text


hooks = Hooks()


def row_5_without_a_fence_a_host_that_vanished_is_not_replaced():
    move_to_their_hosts()
    actor = Actor(sandbox, "mode: automatic, unfenced: accept_split_brain, "
                  + hooks.option("pre", "post", "failed"), edit=their_addresses)
    actor.whole()
    began = time.monotonic()
    hosts["primary"].cut()
    actor.wait("silent", 60)
    took = time.monotonic() - began
    plan = actor.wait_plan("would_have")
    stays(lambda: promotions(sandbox), 0, 5, "promotions")
    show("5 (no fence)", "0 promotions, an alert",
         f"{promotions(sandbox)}, silent {took:.1f} s after the cut, "
         f"'{plan['notes'][-1]['text']}', verdicts {' '.join(actor.seen())}")
    assert "only behind a fence" in plan["notes"][-1]["text"], plan
    assert hooks.runs() == [] and "dead" not in actor.seen()
    hosts["primary"].mend()
    actor.whole(90)
    actor.end(0)


def row_5_behind_a_fence_a_host_that_vanished_is_replaced():
    # What a management board would do: it ends the server, without the network.
    fence = Hooks(f"""
[ $DBVITALS_EVENT = fence ] || exit 0
kill -9 $(head -n 1 {sandbox.dir}/primary/data/postmaster.pid)""")
    actor = Actor(sandbox, "mode: automatic, " + fence.option("pre", "fence", "post", "failed"),
                  edit=their_addresses)
    actor.whole()
    began = time.monotonic()
    hosts["primary"].cut()
    plan = actor.wait_plan("done", 90)
    show("5 (fence)", "1 promotion, fence first",
         f"{promotions(sandbox)}, hooks {' '.join(fence.events())}, steps "
         f"{' '.join(actor.steps(plan))}, verdicts {' '.join(actor.seen())}", began)
    assert promotions(sandbox) == 1 and fence.events() == ["pre", "fence", "post"]
    steps = actor.steps(plan)
    assert steps.index("fence") < steps.index("promote"), steps
    assert plan["reason"] == "silent" and "dead" not in actor.seen(), plan
    assert actor.state()["primary"] == "orders-2"
    actor.end(0)


run_rows([
    row_5_without_a_fence_a_host_that_vanished_is_not_replaced,
    row_5_behind_a_fence_a_host_that_vanished_is_replaced,
])
