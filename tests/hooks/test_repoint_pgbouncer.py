#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""repoint-pgbouncer with a real PgBouncer and two real servers: clients end up where writes are taken."""
import atexit
import os
import shutil
import socket
import struct
import subprocess
import threading

from hook import Hook, as_server_user, sandbox_about
from harness import Sandbox, eventually, folder, run_tests

sandbox = Sandbox(only="primary,replica")
about = sandbox_about(sandbox)
PORT = sandbox.spare_ports[0]
OLD, NEW = (str(sandbox.servers[name]["port"]) for name in ("primary", "replica"))
PGBOUNCER = os.environ.get("DBVITALS_PGBOUNCER") or \
    shutil.which("pgbouncer", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
if PGBOUNCER is None:
    print("1..0 # SKIP pgbouncer is not installed")
    raise SystemExit(0)

home = folder()
if os.geteuid() == 0:
    os.chown(home, about["uid"], about["gid"])
INCLUDE, CONSOLE = f"{home}/databases.ini", f"host=127.0.0.1 port={PORT} user=pooladmin dbname=pgbouncer"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, about["uid"], about["gid"])


write(f"{home}/users", f'"app" "{sandbox.passwords["app"]}"\n"pooladmin" "x"\n')
write(INCLUDE, f"[databases]\nshop = host=127.0.0.1 port={OLD} dbname=shop\n"
               f"other = host=127.0.0.1 port={OLD} dbname=shop\n")
write(f"{home}/ini", f"%include {INCLUDE}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {PORT}\n"
                     f"unix_socket_dir =\nauth_type = trust\nauth_file = {home}/users\n"
                     "admin_users = pooladmin\nserver_login_retry = 1\n")
pooler = subprocess.Popen([PGBOUNCER, "-q", f"{home}/ini"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
                          **as_server_user(about))
atexit.register(pooler.wait)
atexit.register(pooler.kill)


def listens():
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", PORT)) == 0


def ask(statement, database="shop", user="app"):
    """What a client of the pooler gets; None when it is not served within the time."""
    done = subprocess.run(["timeout", "5", "psql", "-XAtqw", "-d", f"host=127.0.0.1 port={PORT} "
                           f"user={user} dbname={database} connect_timeout=4", "-c", statement],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def where(database="shop"):
    return ask("SELECT current_setting('port')", database)


eventually(listens, what="PgBouncer listens")
hook = Hook("repoint-pgbouncer", "post")
SETTINGS = (f"PGBOUNCER_INCLUDE={INCLUDE}\nPGBOUNCER_CONSOLE='{CONSOLE}'\n"
            "PGBOUNCER_DATABASES='shop=shop other=shop'\nPGBOUNCER_PARAMETERS='pool_size=3'\n")
hook.set(SETTINGS)


def run(**changes):
    changes.setdefault("new_primary_addr", f"127.0.0.1:{NEW}")
    return hook.run(**changes)


def a_dry_run_says_it_and_leaves_all_as_it_is():
    before = open(INCLUDE, encoding="utf-8").read()
    _, output = run(dry_run="1", expect=0)
    assert f"port={NEW}" in output and "would send RELOAD" in output, output
    assert open(INCLUDE, encoding="utf-8").read() == before
    assert where() == OLD
    hook.refuses_other_events()


def clients_get_to_the_new_primary():
    """One holds a connection: it must lose it, or it would stay with the old server."""
    held = subprocess.Popen(["psql", "-XAtqw", "-d", f"host=127.0.0.1 port={PORT} user=app dbname=shop"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)
    held.stdin.write("SELECT current_setting('port');\n")
    held.stdin.flush()
    assert held.stdout.readline().strip() == OLD
    sandbox.control("stop", "primary", "kill")
    sandbox.sql("SELECT pg_promote()", server="replica")
    run(expect=0)
    assert where() == NEW and where("other") == NEW
    assert ask("CREATE TABLE repointed (n int); INSERT INTO repointed VALUES (1) RETURNING n") == "1"
    held.stdin.write("SELECT 1;\n")
    held.stdin.close()
    assert held.wait(10) != 0
    held.stdout.close()
    held.stderr.close()


def the_file_keeps_its_owner_and_mode():
    found = os.stat(INCLUDE)
    assert found.st_mode & 0o777 == 0o640
    assert os.geteuid() != 0 or found.st_uid == about["uid"]
    assert [f for f in os.listdir(home) if ".new." in f] == []
    text = open(INCLUDE, encoding="utf-8").read()
    assert text.endswith(f'shop = host=127.0.0.1 port={NEW} dbname=shop pool_size=3\n'
                         f'other = host=127.0.0.1 port={NEW} dbname=shop pool_size=3\n'), text


def it_may_be_run_again():
    before = os.stat(INCLUDE).st_ino
    _, output = run(expect=0)
    assert "names 127.0.0.1:" in output, output
    assert os.stat(INCLUDE).st_ino == before
    assert where() == NEW


def behind_a_switchover_nobody_loses_a_connection():
    """Clients waited in a PAUSE, which has let go of all connections to the old server."""
    held = subprocess.Popen(["psql", "-XAtqw", "-d", f"host=127.0.0.1 port={PORT} user=app dbname=shop"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for statement in ("SELECT 1;\n", "SELECT 2;\n"):
        held.stdin.write(statement)
        held.stdin.flush()
        assert held.stdout.readline().strip() == statement[7]
        run(reason="switchover", expect=0)
    held.stdin.close()
    assert held.wait(10) == 0
    held.stdout.close()
    ask('PAUSE "shop"', "pgbouncer", "pooladmin")
    run(reason="switchover", expect=0)
    assert where() == NEW


def after_it_was_cut_off_behind_the_kill_it_heals():
    ask('KILL "shop"', "pgbouncer", "pooladmin")
    assert where() is None
    run(expect=0)
    assert where() == NEW


def clients_that_come_back_at_once_are_served_at_once():
    """Of one that knocks while the pool is paused a new try is due after server_login_retry."""
    with open(f"{home}/ini", encoding="utf-8") as file:
        text = file.read()
    write(f"{home}/ini", text.replace("server_login_retry = 1\n", "server_login_retry = 30\n"))
    ask("RELOAD", "pgbouncer", "pooladmin")
    assert ask("SHOW CONFIG", "pgbouncer", "pooladmin").count("server_login_retry|30|") == 1
    stop = threading.Event()
    body = struct.pack("!i", 196608) + b"user\0app\0database\0shop\0\0"

    def knock():
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", PORT), timeout=1) as s:
                    s.sendall(struct.pack("!i", 4 + len(body)) + body)
                    while s.recv(4096) and not stop.is_set():
                        pass
            except OSError:
                pass

    knocking = [threading.Thread(target=knock) for _ in range(3)]
    for thread in knocking:
        thread.start()
    run(expect=0)
    served = where()
    stop.set()
    for thread in knocking:
        thread.join()
    assert served == NEW, served
    write(f"{home}/ini", text)
    ask("RELOAD", "pgbouncer", "pooladmin")


def one_that_is_unknown_hinders_no_other():
    """A pooler that does not read our file: what is said is not what is."""
    elsewhere = f"{home}/elsewhere.ini"
    hook.set(SETTINGS + f"PGBOUNCER_INCLUDE={elsewhere}\nPGBOUNCER_DATABASES='missing=shop shop=shop'\n")
    _, output = run(expect=1)
    assert "these do not follow" in output and ": missing\n" in output, output
    assert where() == NEW
    _, output = run(new_primary_addr="127.0.0.1:1", expect=1)
    assert ": missing shop\n" in output, output
    hook.set(SETTINGS)


def a_file_that_cannot_be_written_is_a_failure():
    hook.set(SETTINGS + f"PGBOUNCER_INCLUDE={home}/no-folder/x\n")
    run(expect=1)
    hook.set(SETTINGS)


def strange_names_are_data():
    before = open(INCLUDE, encoding="utf-8").read()
    hook.takes_names_as_data("new_primary_addr")
    assert open(INCLUDE, encoding="utf-8").read() == before
    for bad in ("PGBOUNCER_DATABASES='a;b=c'", "PGBOUNCER_DATABASES=",
                "PGBOUNCER_PARAMETERS='a=1\nb = host=x'"):
        hook.set(SETTINGS + bad + "\n")
        run(expect=1)
    hook.set(SETTINGS)
    assert open(INCLUDE, encoding="utf-8").read() == before


def a_pooler_that_is_gone_is_worth_another_attempt():
    pooler.kill()
    pooler.wait()
    run(expect=75)


run_tests([
    a_dry_run_says_it_and_leaves_all_as_it_is,
    clients_get_to_the_new_primary,
    the_file_keeps_its_owner_and_mode,
    it_may_be_run_again,
    behind_a_switchover_nobody_loses_a_connection,
    after_it_was_cut_off_behind_the_kill_it_heals,
    clients_that_come_back_at_once_are_served_at_once,
    one_that_is_unknown_hinders_no_other,
    a_file_that_cannot_be_written_is_a_failure,
    strange_names_are_data,
    a_pooler_that_is_gone_is_worth_another_attempt,
])
