#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two monitors of one cluster that agree by a real etcd.  Rows of the fault matrix print their number,
what is expected and what was seen."""
import os
import signal
import sys
import time

from etcd_servers import PROGRAM, Etcd
from failover_fixture import Actor, Hooks, promotions, run_rows, show, stays
from harness import Sandbox, eventually, folder, throughout

if not os.access(PROGRAM, os.X_OK):
    print("1..0 # SKIP no etcd here (package etcd-server)")
    sys.exit(0)
TTL = 0  # seconds


class Monitor(Actor):
    def __init__(self, number, hooks, more=""):
        self.number = number
        super().__init__(sandbox, f"mode: automatic, {hooks}{more}, "
                         f"lock: {{{etcd.options()}, ttl: {TTL}s}}")

    def holds(self):
        return self.state()["ready"]["lock"]


def set_up(body="", members=1, user=None, ttl=2):
    """New servers, an etcd, and two monitors. The hooks wait for a file where they are told to."""
    global sandbox, etcd, hooks, monitors, TTL  # pylint: disable=global-statement
    sandbox = Sandbox(only="postgres")
    etcd, TTL = Etcd(sandbox.spare_ports[:2 * members], user), ttl
    hooks = Hooks(body)
    option = hooks.option("pre", "fence", *(["promote"] if "promote)" in body else []), "post",
                          "failed")
    monitors = [Monitor(number, option) for number in (1, 2)]
    one_holds()


def tear_down():
    for monitor in monitors:
        if monitor.process.poll() is None:
            monitor.signal(signal.SIGCONT)
            monitor.end(0)
    etcd.end()
    sandbox.down()


def one_holds():
    """Both see the cluster whole, and exactly one has the lock. Return: it, and the other one."""
    holder = eventually(lambda: [m for m in monitors if m.holds()], 30, "one holds the lock")
    assert len(holder) == 1, "two hold it"
    other = [m for m in monitors if m is not holder[0]][0]
    holder[0].whole()
    other.whole(but=("lock",))
    return holder[0], other


def kill_primary():
    sandbox.control("stop", "primary", "kill")


def start_primary():
    sandbox.control("start", "primary")


def real_plans(monitor):
    return [plan for plan in monitor.plans() if plan["mode"] != "observe"]


def the_lock_outlives_a_member_of_etcd():
    # An election of etcd takes a second or two, so the time to live is what it is by default.
    set_up(members=3, user=("monitor", "s3cret \N{SNOWMAN}"), ttl=5)
    holder, other = one_holds()
    name = etcd.key("holder")
    etcd.members[0].end()  # the one that both ask, with the token that they show
    throughout(lambda: not (holder.holds() and other.holds()), TTL + 1, "never two hold it")
    eventually(holder.holds, 30, "it still holds it")
    assert etcd.key("holder") == name
    assert "s3cret" not in holder.log() + other.log()
    etcd.start()


def row_32_without_a_majority_of_etcd_nobody_acts():
    for member in etcd.members[1:]:
        member.end()
    for monitor in monitors:
        eventually(lambda m=monitor: not m.holds(), what="it knows that it does not hold it")
    answer = monitors[0].order(expected=503, order="maintenance", cluster="orders", seconds=600)
    assert "announce it again" in str(answer), answer
    kill_primary()
    for monitor in monitors:
        monitor.wait("dead")
        plan = monitor.wait_plan("would_have")
        assert "not ready (lock)" in plan["notes"][-1]["text"], plan
    stays(lambda: promotions(sandbox), 0, 3, "promotions")
    for monitor in monitors:
        eventually(lambda m=monitor: m.page().value("dbvitals_failover_ready", cluster="orders",
                                                    reason="lock") == 0, what="the metric")
    show(32, "0 promotions, the lock is an obstacle",
         f"{promotions(sandbox)}; {plan['notes'][-1]['text']}")
    etcd.members[0].end()
    stays(lambda: promotions(sandbox), 0, 1, "promotions")
    assert hooks.runs() == []
    start_primary()
    etcd.start()
    one_holds()


def row_50_maintenance_through_one_holds_for_both():
    holder, other = one_holds()
    other.order(order="maintenance", cluster="orders", seconds=600)
    holder.whole(but=("maintenance",))
    other.whole(but=("maintenance", "lock"))
    kill_primary()
    for monitor in monitors:
        monitor.wait("dead")
        monitor.wait_plan("would_have")
    stays(lambda: promotions(sandbox), 0, 4, "promotions")
    show(50, "0 promotions from both", f"{promotions(sandbox)}, {len(hooks.runs())} hooks")
    assert hooks.runs() == []
    start_primary()
    holder.whole(but=("maintenance",))
    holder.order(order="maintenance", cluster="orders", seconds=0)
    one_holds()


def maintenance_of_before_the_lock_can_be_ended():
    """What stands in a monitor's own file counts with a lock as well, and more so what cannot be read."""
    other = one_holds()[1]
    other.end(0)
    path = os.path.join(other.folder, "storage", "failover-orders.maintenance")
    with open(path, "w", encoding="ascii") as file:
        file.write("nobody can read this")
    other.start()
    other.whole(but=("maintenance", "lock"))
    other.order(order="maintenance", cluster="orders", seconds=0)
    one_holds()


def row_31_two_monitors_promote_once():
    holder, other = one_holds()
    began = time.monotonic()
    etcd.leader().end()  # as if it were on the primary's host
    kill_primary()
    plan = holder.wait_plan("done")
    stays(lambda: promotions(sandbox), 1, 3, "promotions")
    eventually(lambda: other.state()["primary"] == "orders-2", 30, "the other adopts it")
    show(31, "1 promotion",
         f"{promotions(sandbox)}, hooks {' '.join(hooks.events())}, plans "
         f"{len(real_plans(holder))} and {len(real_plans(other))}", began)
    assert hooks.events() == ["pre", "fence", "post"], hooks.runs()
    assert len(real_plans(holder)) == 1 and real_plans(other) == []
    assert plan["id"] in etcd.key("plan")
    # Until people have looked, for both of them.
    for monitor in monitors:
        eventually(lambda m=monitor: not m.holds(), what="the plan stands where all look")
    other.order(order="ack", id=plan["id"])
    holder.order(order="ack", id=plan["id"])
    eventually(lambda: [m for m in monitors if m.holds()], 30, "one may act again")
    assert etcd.key("plan") is None
    # Who is stopped properly lets the next one in at once, and not when the lease ends.
    holder = [m for m in monitors if m.holds()][0]
    other = [m for m in monitors if m is not holder][0]
    name = etcd.key("holder")
    holder.end(0)
    assert etcd.key("holder") != name
    eventually(other.holds, 30, "the other one holds it")
    tear_down()


def waits_for(event, then="true"):
    """A hook that stays in this event until a file is there, at most for half a minute."""
    return f"""
case $DBVITALS_EVENT in
{event})
    n=0
    while [ ! -e {GATE}/open ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
    {then} ;;
esac"""


def stopped_past_its_time(event):
    """The holder, stopped in the middle of this hook until the other one has taken the lock over."""
    holder, other = one_holds()
    kill_primary()
    eventually(lambda: event in hooks.events(), 30, f"the {event} hook runs")
    name = etcd.key("holder")
    holder.signal(signal.SIGSTOP)
    eventually(lambda: etcd.key("holder") not in (None, name), 30, "the other one takes over")
    assert "orders-2" in etcd.key("plan")
    assert not other.holds(), "the plan forbids it all the same"
    return holder, other


def open_gate():
    with open(f"{GATE}/open", "w", encoding="ascii"):
        pass


def row_33_a_holder_stopped_before_the_promotion_promotes_nobody():
    global GATE  # pylint: disable=global-statement
    GATE = folder()
    set_up(waits_for("fence"))
    holder, other = stopped_past_its_time("fence")
    stays(lambda: promotions(sandbox), 0, TTL + 2, "promotions")
    open_gate()
    holder.signal(signal.SIGCONT)
    plan = holder.wait_plan("failed")
    stays(lambda: promotions(sandbox), 0, 3, "promotions")
    show("33 (before)", "0 promotions, an alert, the old holder's plan failed",
         f"{promotions(sandbox)}, {plan['state']}: {plan['notes'][-2]['text'][:31]}, the key is "
         f"{etcd.key('plan')}")
    assert plan["id"] in etcd.key("plan")
    assert hooks.events() == ["pre", "fence", "failed"], hooks.runs()
    assert real_plans(other) == [] and not other.holds() and not holder.holds()
    eventually(lambda: other.page().value("dbvitals_failover_ready", cluster="orders",
                                          reason="lock") == 0, what="the metric")
    tear_down()


def row_33_a_holder_stopped_in_the_promotion_promotes_once():
    global GATE  # pylint: disable=global-statement
    GATE = folder()
    # The promotion goes on while its monitor does not.
    set_up(waits_for("promote", "psql -XAtq -d \"$(cat {}/dsn)\" -c 'SELECT pg_promote()'"
                     .format(GATE)))
    with open(f"{GATE}/dsn", "w", encoding="utf-8") as file:
        file.write(sandbox.servers["replica"]["dsn_super"])
    holder, other = stopped_past_its_time("promote")
    stays(lambda: promotions(sandbox), 0, 2, "promotions")
    open_gate()
    eventually(lambda: promotions(sandbox) == 1, 30, "the hook promotes")
    stays(lambda: promotions(sandbox), 1, 2, "promotions")
    holder.signal(signal.SIGCONT)
    plan = eventually(lambda: [p for p in holder.plans() if p["state"] in ("done", "unknown")
                               or p["state"] == "failed"], 30, "the plan ends")[0]
    stays(lambda: promotions(sandbox), 1, 2, "promotions")
    show("33 (after)", "1 promotion", f"{promotions(sandbox)}, the plan is {plan['state']}")
    assert hooks.events().count("promote") == 1, hooks.runs()
    assert real_plans(other) == []
    tear_down()


GATE = ""
run_rows([
    the_lock_outlives_a_member_of_etcd,
    row_32_without_a_majority_of_etcd_nobody_acts,
    row_50_maintenance_through_one_holds_for_both,
    maintenance_of_before_the_lock_can_be_ended,
    row_31_two_monitors_promote_once,
    row_33_a_holder_stopped_before_the_promotion_promotes_nobody,
    row_33_a_holder_stopped_in_the_promotion_promotes_once,
])
