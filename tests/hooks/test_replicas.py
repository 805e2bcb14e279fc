#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""follow-new-primary and rejoin-pg-rewind with three real servers: after the primary was killed and a
replica promoted, the other follows it, and so does the old one."""
import atexit
import os
import shutil
import subprocess

from hook import HOOKS, Hook, as_server_user, sandbox_about
from harness import Sandbox, eventually, run_tests

sandbox = Sandbox(only="primary,replica")
about = sandbox_about(sandbox)
BIN = os.path.dirname(sandbox.servers["primary"]["program"])
OLD, NEW, THIRD = (*(str(sandbox.servers[name]["port"]) for name in ("primary", "replica")),
                   str(sandbox.spare_ports[0]))
DATA = {"old": sandbox.servers["primary"]["data"], "third": os.path.join(about["run"], "third")}
PORTS = {"old": OLD, "new": NEW, "third": THIRD}
PASSWORD = "it's a \"secret\""
passfile = os.path.join(sandbox.dir, "passfile")


def as_server(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd="/",
                          **as_server_user(about), **more)
    return done.returncode, done.stdout + done.stderr


def pg_ctl(name, *words):
    return as_server(f"{BIN}/pg_ctl", "-D", DATA[name], "-w", *words)


def sql(name, statement):
    return sandbox.sql(statement, dsn=f"host={sandbox.run} port={PORTS[name]} user=postgres "
                                      "dbname=postgres")


def add_third():
    code, output = as_server(f"{BIN}/pg_basebackup", "-D", DATA["third"], "-h", sandbox.run, "-p", OLD,
                             "-U", "postgres", "-X", "stream", "-c", "fast", "--no-sync", "-C", "-S",
                             "third")
    assert code == 0, output
    with open(f"{DATA['third']}/postgresql.conf", "a", encoding="utf-8") as file:
        file.write(f"port = {THIRD}\nprimary_conninfo = 'host=127.0.0.1 port={OLD} user=replicator "
                   f"password={sandbox.passwords['replicator']} sslmode=prefer'\n"
                   "primary_slot_name = 'third'\n")
    code, output = as_server("touch", f"{DATA['third']}/standby.signal")
    assert code == 0, output
    atexit.register(pg_ctl, "third", "-m", "immediate", "stop")
    code, output = pg_ctl("third", "-l", f"{DATA['third']}/log", "start")
    assert code == 0, output


sql("old", "ALTER ROLE postgres PASSWORD 'it''s a \"secret\"'")
sql("old", "ALTER SYSTEM SET full_page_writes = on")
sql("old", "SELECT pg_reload_conf()")
sql("old", "CREATE TABLE kept (n int)")
sql("new", "ALTER SYSTEM SET full_page_writes = on")
sql("new", "SELECT pg_reload_conf()")
add_third()
with open(passfile, "w", encoding="utf-8") as secret:
    secret.write(f"*:*:*:postgres:{PASSWORD}\n")
os.chmod(passfile, 0o600)
hook = Hook("follow-new-primary", "post")
SETTINGS = (f"FOLLOW_REPLICAS='orders-1=127.0.0.1:{OLD} orders-2=127.0.0.1:{NEW} "
            f"orders-3=127.0.0.1:{THIRD}'\nFOLLOW_PASSFILE={passfile}\n")
hook.set(SETTINGS)


def run(**changes):
    return hook.run(new_primary_addr=f"127.0.0.1:{NEW}", **changes)


def receives(name):
    return sql(name, "SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'") \
        == [[NEW]]


def has_the_newest_row(name):
    newest = sql("new", "INSERT INTO kept SELECT count(*) + 1 FROM kept RETURNING n")
    return eventually(lambda: sql(name, "SELECT max(n) FROM kept") == newest,
                      what=f"{name} has what was written to the new primary")


def the_primary_dies_and_a_replica_is_promoted():
    eventually(lambda: sql("third", "SELECT status FROM pg_stat_wal_receiver") == [["streaming"]])
    sql("old", "INSERT INTO kept VALUES (1)")
    eventually(lambda: sql("new", "SELECT count(*) FROM kept") == [["1"]])
    eventually(lambda: sql("third", "SELECT count(*) FROM kept") == [["1"]])
    sandbox.control("stop", "primary", "kill")
    sql("new", "SELECT pg_promote()")


def a_dry_run_leaves_it_where_it_is():
    before = sql("third", "SHOW primary_conninfo")
    _, output = run(dry_run="1", expect=0)
    assert f"would point 'orders-3' (127.0.0.1:{THIRD}) to 127.0.0.1:{NEW}" in output, output
    assert sql("third", "SHOW primary_conninfo") == before
    assert sql("new", "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'third'") == [["0"]]
    hook.refuses_other_events()


def the_other_replica_follows():
    _, output = run(expect=0)
    assert f"'orders-3' follows 127.0.0.1:{NEW}" in output, output
    assert sandbox.passwords["replicator"] not in output and PASSWORD not in output
    assert receives("third")
    has_the_newest_row("third")


def a_second_time_nothing_grows():
    before = sql("third", "SHOW primary_conninfo")
    run(expect=0)
    assert sql("third", "SHOW primary_conninfo") == before
    assert before[0][0].count("host=") == 2, before


def who_is_no_replica_of_this_system_is_left_alone():
    hook.set(SETTINGS + f"FOLLOW_REPLICAS='orders-9=127.0.0.1:{NEW} orders-8=127.0.0.1:1 "
             f"orders-3=127.0.0.1:{THIRD}'\n")
    _, output = run(expect=1)
    assert "'orders-9' is no replica" in output, output
    assert "these do not follow: orders-9 orders-8\n" in output, output
    hook.set(SETTINGS)


def a_new_primary_that_does_not_answer_is_worth_another_attempt():
    hook.run(new_primary_addr="127.0.0.1:1", expect=75)


def strange_names_are_data():
    hook.takes_names_as_data("new_primary_addr")
    assert receives("third")


def rejoin(*words, data=None, source=None):
    copies = os.path.join(sandbox.dir, "hooks")
    if not os.path.isdir(copies):
        os.mkdir(copies, 0o755)
        os.chmod(copies, 0o755)
        for name in ("rejoin-pg-rewind", "common.sh"):
            shutil.copy(os.path.join(HOOKS, name), copies)
            os.chmod(os.path.join(copies, name), 0o755)
    return as_server(f"{copies}/rejoin-pg-rewind", "--bin", BIN, "--data", data or DATA["old"],
                     "--source", source or f"host={sandbox.run} port={NEW} user=postgres "
                     "dbname=postgres", *words,
                     env={"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"})


def rejoining_refuses_what_would_break():
    for words, part in (({"data": DATA["third"]}, "the server runs"),
                        ({"data": "/nonexistent"}, "is no data folder"),
                        ({"source": f"host={sandbox.run} port={THIRD} user=postgres dbname=postgres"},
                         "the source is no primary")):
        code, output = rejoin(**words)
        assert code == 1 and part in output, (code, output)
    for words in (("--slot", "a'b"), ("--slot",), ("--what", "1")):
        code, output = rejoin(*words)
        assert code == 1, (words, output)


def a_dry_run_of_rejoining_changes_nothing():
    before = sorted(os.listdir(DATA["old"]))
    # The server was killed, so the real run ends its recovery first; a dry one must not.
    code, output = rejoin("--dry-run")
    assert "without a change" in output, output
    assert code == 0 or "cleanly" in output, output
    assert "standby.signal" not in os.listdir(DATA["old"])
    assert sorted(os.listdir(DATA["old"])) == before


def the_old_primary_comes_back_as_a_replica():
    """It had written something that nobody got."""
    code, output = pg_ctl("old", "-l", f"{DATA['third']}/old.log", "start")
    assert code == 0, output
    sql("old", "INSERT INTO kept VALUES (4711)")
    sql("old", "CHECKPOINT")
    code, output = pg_ctl("old", "-m", "immediate", "stop")
    assert code == 0, output
    atexit.register(pg_ctl, "old", "-m", "immediate", "stop")
    code, output = rejoin("--slot", "primary_again", "--replication",
                          f"host=127.0.0.1 port={NEW} user=replicator password="
                          f"{sandbox.passwords['replicator']}")
    assert code == 0, output
    assert sql("old", "SELECT pg_is_in_recovery()") == [["t"]]
    assert sql("old", "SHOW port") == [[OLD]]
    eventually(lambda: receives("old"), what="the old primary streams")
    has_the_newest_row("old")
    assert sql("old", "SELECT count(*) FROM kept WHERE n = 4711") == [["0"]]
    assert sql("new", "SELECT active FROM pg_replication_slots WHERE slot_name = 'primary_again'") \
        == [["t"]]


run_tests([
    the_primary_dies_and_a_replica_is_promoted,
    a_dry_run_leaves_it_where_it_is,
    the_other_replica_follows,
    a_second_time_nothing_grows,
    who_is_no_replica_of_this_system_is_left_alone,
    a_new_primary_that_does_not_answer_is_worth_another_attempt,
    strange_names_are_data,
    rejoining_refuses_what_would_break,
    a_dry_run_of_rejoining_changes_nothing,
    the_old_primary_comes_back_as_a_replica,
])
