#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What people order about failovers, on real servers: approvals, maintenance, rehearsals, and a
switchover that clients of a PgBouncer only notice as a wait.  Also a replaced primary that comes
back."""
import datetime
import glob
import os
import pwd
import re
import subprocess
import time

from failover_fixture import Actor, Hooks, Preloaded, promotions, run_rows, show, stays
from harness import ROOT, Sandbox, eventually, folder, run

REPOINT = os.path.join(ROOT, "packaging", "hooks", "repoint-pgbouncer")
sandbox = Sandbox(only="postgres,pgbouncer")
hooks = Hooks()
disk = Preloaded("fsync_shim", "FSYNC_SHIM_FILE")
HOOKS = hooks.option("pre", "fence", "post", "failed")


def kill_primary():
    sandbox.control("stop", "primary", "kill")


def start_primary():
    sandbox.control("start", "primary")


def command(actor, *words):
    """As an operator gives it."""
    return run("failover", *words, "--storage.path", os.path.join(actor.folder, "storage"),
               timeout=60)


def forbidden_by_maintenance(actor, what):
    kill_primary()
    actor.wait("dead")
    plan = actor.wait_plan("would_have")
    assert "not ready (maintenance)" in plan["notes"][-1]["text"], plan
    stays(lambda: promotions(sandbox), 0, 2, "promotions")
    show(f"maintenance, {what}", "0 promotions",
         f"{promotions(sandbox)}: {plan['notes'][-1]['text']}")
    assert hooks.runs() == []
    start_primary()
    actor.whole(but=("maintenance",))


def a_window_of_maintenance_forbids_it():
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    window = f"{now - hour:%H:%M}-{now + hour:%H:%M}"
    actor = Actor(sandbox, f"mode: automatic, {HOOKS}, maintenance: ['{window}']")
    actor.whole(but=("maintenance",))
    forbidden_by_maintenance(actor, "window")
    actor.end(0)


def announced_maintenance_forbids_it_also_after_a_restart():
    global manual  # pylint: disable=global-statement
    manual = Actor(sandbox, f"mode: manual, {HOOKS}", environment=disk.environment)
    manual.whole()
    done = command(manual, "maintenance", "orders", "--for", "10m")
    assert done.returncode == 0, done.stderr
    manual.whole(but=("maintenance",))
    forbidden_by_maintenance(manual, "announced")
    manual.end(0)
    manual.start()
    manual.whole(but=("maintenance",))
    manual.order(order="maintenance", cluster="orders", seconds=0)
    manual.whole()


def a_reload_neither_ends_nor_invents_maintenance():
    """Whatever has become of the file meanwhile."""
    path = os.path.join(manual.folder, "storage", "failover-orders.maintenance")
    with open(manual.config_file, encoding="utf-8") as file:
        text = file.read()

    def reload(failures):
        manual.write_config(text.replace("mode: manual,", f"mode: manual, failures: {failures},"))
        manual.reload()

    def written(line):
        with open(path, encoding="ascii") as file:
            return file.read().startswith(line)
    manual.order(order="maintenance", cluster="orders", seconds=600)
    eventually(lambda: not written("0 "), what="it is on the disk")
    os.unlink(path)
    reload(4)
    manual.whole(but=("maintenance",))
    manual.order(order="maintenance", cluster="orders", seconds=0)
    eventually(lambda: os.path.exists(path) and written("0 "), what="its end is on the disk")
    with open(path, "w", encoding="ascii") as file:
        file.write("nobody can read this")
    reload(5)
    manual.whole()
    manual.write_config(text)
    manual.reload()
    manual.whole()


def a_rehearsal_runs_all_hooks_and_touches_nothing():
    done = command(manual, "test", "orders")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(run[0], run[4]) for run in hooks.runs()] == \
        [(event, True) for event in ("pre", "fence", "post", "failed")], hooks.runs()
    stays(lambda: promotions(sandbox), 0, 1, "promotions")
    assert manual.verdict() == "healthy"
    show("test", "each hook once, all dry, 0 promotions",
         f"{' '.join(hooks.events())}, {promotions(sandbox)}")


def a_rehearsal_asks_poolers_whether_we_may():
    """The target's user is one that may only look."""
    with open(manual.config_file, encoding="utf-8") as file:
        text = file.read()
    may = text.replace(
        "mode: manual,", "mode: manual, pgbouncer: {targets: [orders-pool], databases: [shop]},")
    for config, code, said in ((may, 1, "FAILED: RELOAD: admin access needed"),
                               (as_administrator(may), 0, "good: we may switch it")):
        manual.write_config(config)
        manual.reload()
        manual.whole()
        done = command(manual, "test", "orders")
        assert done.returncode == code, done.stdout + done.stderr
        assert re.search(f"^pooler orders-pool: {said}.*; 'shop' leads to ", done.stdout, re.M), \
            done.stdout
    manual.write_config(text)
    manual.reload()
    manual.whole()


def mistaken_orders_are_refused():
    for expected, body in ((404, {"order": "approve", "id": "none"}),
                           (404, {"order": "ack", "id": "none"}),
                           (404, {"order": "test", "cluster": "none"}),
                           (404, {"order": "switchover", "cluster": "orders", "to": "none"})):
        manual.order(expected, **body)
    answer = manual.order(422, order="switchover", cluster="orders", to="orders-1")
    assert "is the primary already" in answer["error"], answer
    stays(lambda: promotions(sandbox), 0, 0.5, "promotions")


def a_plan_that_waits_is_withdrawn_when_the_primary_is_back():
    before = len(hooks.runs())
    kill_primary()
    plan = manual.wait_plan("waiting")
    stays(lambda: promotions(sandbox), 0, 3, "promotions")
    start_primary()
    after = manual.wait_plan("withdrawn")
    assert after["id"] == plan["id"]
    show("manual, returned", "waiting, withdrawn, 0 promotions",
         f"waiting, {after['state']}, {promotions(sandbox)}")
    assert len(hooks.runs()) == before
    done = command(manual, "approve", plan["id"])
    assert done.returncode != 0 and "waits for no approval" in done.stderr, done.stderr
    manual.whole()


def refused_by_the_disk(plan, order):
    """What could not be written has not happened, and whoever ordered it hears that."""
    disk.set(1)
    try:
        done = command(manual, order, plan["id"])
    finally:
        disk.set(0)
    show(f"{order} on a stalled disk", "status 503, nothing happens", done.stderr.strip())
    assert done.returncode == 1 and "could not be written" in done.stderr, done
    assert "503" in done.stderr, done.stderr
    assert manual.plans()[0]["state"] == plan["state"], manual.plans()
    eventually(lambda: manual.state()["ready"]["journal"], what="the disk is back")


def a_plan_that_waits_goes_on_when_it_is_approved():
    before = len(hooks.runs())
    kill_primary()
    plan = manual.wait_plan("waiting")
    stays(lambda: promotions(sandbox), 0, 2, "promotions")
    assert len(hooks.runs()) == before
    shown = command(manual, "show", plan["id"]).stdout
    assert re.search(r"^loss +the last position is [0-9.]+ s old; [0-9.]+ k?M?B/s were written, so "
                     r"about [0-9.]+ k?M?B more may be lost$", shown, re.M), shown
    refused_by_the_disk(plan, "approve")
    assert len(hooks.runs()) == before
    start = time.monotonic()
    done = command(manual, "approve", plan["id"])
    assert done.returncode == 0, done.stdout + done.stderr
    after = manual.wait_plan("done")
    show("manual, approved", "1 promotion", f"{promotions(sandbox)}, {hooks.events()[before:]}",
         start)
    assert after["id"] == plan["id"] and promotions(sandbox) == 1
    assert hooks.events()[before:] == ["pre", "fence", "post"]
    assert any("approved by" in note["text"] for note in after["notes"]), after
    refused_by_the_disk(after, "ack")
    disk.set(1500)
    start = time.monotonic()
    manual.order(order="ack", id=plan["id"])
    took = time.monotonic() - start
    show("ack on a slow disk", "answered when it is written, after 1.5 s", f"{took:.2f} s")
    assert took >= 1.5 and manual.plans()[0]["state"] == "closed", (took, manual.plans())
    disk.set(0)
    manual.end(0)


# ---- switchover ----

def as_server(program):
    """The words that run it as the servers' user."""
    user = os.stat(os.path.join(sandbox.dir, "primary", "data"))
    if os.geteuid() != 0:
        return program
    name = pwd.getpwuid(user.st_uid).pw_name
    return f"setpriv --reuid={name} --regid={user.st_gid} --clear-groups {program}"


def databases_of_their_own():
    """What PgBouncer leads to stands in a file that the hook writes."""
    path = os.path.join(sandbox.dir, "pgbouncer", "pgbouncer.ini")
    include = os.path.join(sandbox.dir, "pgbouncer", "databases.ini")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    shop = re.search(r"^shop = .*\n", text, re.M).group(0)
    with open(path, "r+", encoding="utf-8") as file:
        file.truncate()
        file.write(f"%include {include}\n" + text.replace(shop, ""))
    with open(include, "w", encoding="utf-8") as file:
        file.write(f"[databases]\n{shop}")
    for one in (path, include):
        owner = os.stat(os.path.dirname(path))
        os.chown(one, owner.st_uid, owner.st_gid)
    sandbox.control("stop", "pgbouncer")
    sandbox.control("start", "pgbouncer")
    return include


def switchover_hooks(include):
    """fence stops the old primary in good order, post is the hook of the package."""
    settings = folder()
    port = sandbox.servers["pgbouncer"]["port"]
    with open(f"{settings}/pgpass", "w", encoding="utf-8") as file:
        file.write(f"127.0.0.1:{port}:*:pooladmin:{sandbox.passwords['pooladmin']}\n")
    os.chmod(f"{settings}/pgpass", 0o600)
    with open(f"{settings}/hooks.conf", "w", encoding="utf-8") as file:
        file.write(f"PGBOUNCER_INCLUDE={include}\nPGBOUNCER_DATABASES=shop=shop\n"
                   "PGBOUNCER_PARAMETERS=pool_size=8\n"
                   f"PGBOUNCER_CONSOLE='host=127.0.0.1 port={port} user=pooladmin "
                   f"dbname=pgbouncer'\nPGBOUNCER_PASSFILE={settings}/pgpass\n")
    pg_ctl = os.path.join(os.path.dirname(sandbox.servers["primary"]["program"]), "pg_ctl")
    data = os.path.join(sandbox.dir, "primary", "data")
    return Hooks(f"""
case $DBVITALS_EVENT in
fence) {as_server(pg_ctl)} stop -D {data} -m fast -w ;;
post) DBVITALS_HOOKS_CONF={settings}/hooks.conf exec {REPOINT} ;;
esac""")


def as_administrator(text):
    return text.replace("//stats@", "//pooladmin@").replace("secrets/stats", "secrets/pooladmin")


def traffic(seconds):
    """Clients of PgBouncer that insert without pause; one that gets an error ends."""
    logs = folder()
    script = os.path.join(logs, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write("INSERT INTO orders (customer, item, quantity) VALUES (1, 1, 77);\n")
    program = os.path.join(os.path.dirname(sandbox.servers["primary"]["program"]), "pgbench")
    process = subprocess.Popen(
        [program, "-n", "-c", "4", "-T", str(seconds), "-M", "simple", "-f", script, "-l",
         "--log-prefix", os.path.join(logs, "log"), sandbox.servers["pgbouncer"]["dsn_app"]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return process, logs


def longest_wait(logs):
    return max(int(line.split()[2]) for path in glob.glob(f"{logs}/log.*")
               for line in open(path, encoding="ascii")) / 1e6


def inserted(server):
    return int(sandbox.sql("SELECT count(*) FROM orders WHERE quantity = 77", server=server,
                           database="shop")[0][0])


def a_switchover_costs_clients_a_wait_and_no_error():
    global sandbox, actor, hooks  # pylint: disable=global-statement
    sandbox.down()
    sandbox = Sandbox(only="postgres,pgbouncer")
    hooks = switchover_hooks(databases_of_their_own())
    actor = Actor(sandbox, "mode: automatic, pgbouncer: {targets: [orders-pool], databases: [shop]}"
                  f", {hooks.option('pre', 'fence', 'post', 'failed')}", edit=as_administrator)
    actor.whole()
    clients, logs = traffic(10)
    eventually(lambda: inserted("primary") > 50, what="clients insert")
    start = time.monotonic()
    done = command(actor, "switchover", "orders", "--to", "orders-2")
    took = time.monotonic() - start
    assert done.returncode == 0, (done.stdout, done.stderr, actor.plans())
    plan = actor.wait_plan("done")
    said = clients.communicate(timeout=60)[0]
    count = int(re.search(r"transactions actually processed: (\d+)", said).group(1))
    show("switchover", "1 promotion, no error, nothing lost",
         f"{promotions(sandbox)}; {count} transactions, {inserted('replica')} rows, the longest "
         f"took {longest_wait(logs):.2f} s; the order took {took:.2f} s")
    assert clients.returncode == 0 and "aborted" not in said, said
    assert inserted("replica") == count, said
    assert promotions(sandbox) == 1 and hooks.events() == ["pre", "fence", "post"]
    assert plan["new_primary"] == "orders-2" and plan["mode"] == "switchover", plan
    assert actor.state()["primary"] == "orders-2"


def a_replaced_primary_that_comes_back_is_fenced_again():
    start_primary()
    start = time.monotonic()
    eventually(lambda: hooks.events().count("fence") == 2, 30, "fenced again")
    again = hooks.runs()[-1]
    assert again[2:4] == ("orders-1", "orders-2"), again

    def refuses():
        try:
            sandbox.sql("SELECT 1")
            return False
        except AssertionError:
            return True
    eventually(refuses, 30, "it is stopped again")
    show("returned", "fenced once more, 1 promotion",
         f"{' '.join(hooks.events())}, {promotions(sandbox)}", start)
    stays(lambda: hooks.events().count("fence"), 2, 2, "fences")
    assert promotions(sandbox) == 1
    actor.end(0)


run_rows([
    a_window_of_maintenance_forbids_it,
    announced_maintenance_forbids_it_also_after_a_restart,
    a_reload_neither_ends_nor_invents_maintenance,
    a_rehearsal_runs_all_hooks_and_touches_nothing,
    a_rehearsal_asks_poolers_whether_we_may,
    mistaken_orders_are_refused,
    a_plan_that_waits_is_withdrawn_when_the_primary_is_back,
    a_plan_that_waits_goes_on_when_it_is_approved,
    a_switchover_costs_clients_a_wait_and_no_error,
    a_replaced_primary_that_comes_back_is_fenced_again,
])
