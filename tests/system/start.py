#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starting, without and with a configuration, and every way in which it should refuse to."""
import json
import os
import re
import socket
import time

from harness import DBVITALS, Daemon, Sandbox, eventually, folder, run, run_tests

sandbox = Sandbox()
NOWHERE = {"PGHOST": "/nowhere", "REDIS_URL": "redis://127.0.0.1:1"}


def run_with(text, **keywords):
    path = os.path.join(folder(), "dbvitals.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return run("run", "--config.file", path, "--web.listen-address=127.0.0.1:0",
               "--storage.path=:memory:", **keywords)


def without_a_configuration_it_finds_what_is_local():
    servers = sandbox.servers
    daemon = Daemon(environment={
        "PGHOST": "127.0.0.1", "PGPORT": str(servers["primary"]["port"]), "PGUSER": "monitor",
        "PGPASSWORD": sandbox.passwords["monitor"], "PGDATABASE": "postgres",
        "REDIS_URL": servers["redis"]["dsn"]})
    daemon.wait_up("postgres", "redis")
    assert not daemon.page().find("pgbouncer_up"), "what is absent stays hidden"
    assert "pgbouncer" not in daemon.get("/sd").text
    assert daemon.get("/health").status == 200
    daemon.end(0)


def with_nothing_around_it_runs_and_is_ready():
    daemon = Daemon(environment=NOWHERE)
    daemon.wait_ready()
    assert daemon.get("/metrics").status == 200
    assert daemon.get("/health").status == 200
    daemon.end(0)


def the_first_scrape_is_answered_at_once():
    config = ("targets: [{name: far, type: postgres, dsn: "
              '"postgresql://m@127.0.0.1:1/x"}, {name: lost, type: redis, '
              'url: "redis://no-such-host.invalid:6379"}]\n')
    daemon = Daemon(config)
    assert daemon.get("/metrics").status == 200
    took = time.monotonic() - daemon.started
    assert took < (0.5 if "asan" not in DBVITALS else 5), took
    daemon.wait_ready()
    daemon.wait_down("far", "lost")
    eventually(lambda: daemon.page("lost").find("dbvitals_target_errors_total", reason="dns"))
    daemon.end(0)


def a_bad_configuration_is_one_line_and_exit_1():
    cases = {
        "targets: [{nmae: x, type: redis}]\n": r"dbvitals\.yml:1:\d+: .*nmae.*'name'",
        "globl: {interval: 5s}\n": r"dbvitals\.yml:1:1: .*globl.*'global'",
        "global: {interval: fast}\n": r"dbvitals\.yml:1:\d+: .*fast",
        "targets: {}\n": r"dbvitals\.yml:1:\d+: ",
        "a: &a [1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n" + "".join(
            f"c{i}: &c{i} [{','.join(['*b' if i == 0 else f'*c{i-1}'] * 9)}]\n"
            for i in range(12)): r"dbvitals\.yml:\d+",
        "[" * 200: r"dbvitals\.yml:1:\d+: ",
    }
    for text, wanted in cases.items():
        done = run_with(text)
        assert done.returncode == 1, (text[:80], done)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert re.search(wanted, done.stderr), (text[:80], done.stderr)


def a_bad_rule_file_is_told_by_both():
    place = folder()
    rules = os.path.join(place, "rules.yml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write("groups: [{name: g, rules: [{alert: A, expr: up ==}, {alert: B, expr: up + }]}]\n")
    config = os.path.join(place, "dbvitals.yml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"targets: []\nrules: {{files: [{rules}]}}\n")
    checked = run("check-config", f"--config.file={config}")
    assert checked.returncode == 1 and checked.stdout == "", checked
    assert len(re.findall(r"rules\.yml:1:\d+: ", checked.stderr)) == 2, checked.stderr
    done = run("run", f"--config.file={config}", "--storage.path=:memory:")
    assert done.returncode == 1 and "rules.yml:1:" in done.stderr, done


def a_missing_file_says_so():
    done = run("run", "--config.file=/nowhere/dbvitals.yml")
    assert done.returncode == 1 and "/nowhere/dbvitals.yml" in done.stderr, done


def a_file_of_100_megabytes_is_refused_quickly():
    path = os.path.join(folder(), "big.yml")
    with open(path, "wb") as file:
        file.truncate(100 * 1024 * 1024)
    started = time.monotonic()
    done = run("run", f"--config.file={path}")
    assert done.returncode == 1 and "big.yml" in done.stderr, done
    assert time.monotonic() - started < 5


def a_port_in_use_says_so_and_by_whom():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("run", f"--web.listen-address=127.0.0.1:{port}", "--storage.path=:memory:",
                   environment=NOWHERE)
        assert done.returncode == 1, done
        assert f"127.0.0.1:{port}" in done.stderr and str(os.getpid()) in done.stderr, done.stderr


def a_given_storage_folder_must_work():
    target = os.path.join(folder(), "file")
    open(target, "w", encoding="utf-8").close()
    done = run("run", f"--storage.path={target}", "--web.listen-address=127.0.0.1:0",
               environment=NOWHERE)
    assert done.returncode == 1 and target in done.stderr, done


def a_missing_storage_folder_is_made_for_us_alone():
    daemon = Daemon(environment=NOWHERE)
    made = os.stat(os.path.join(daemon.folder, "storage"))
    assert made.st_mode & 0o777 == 0o700, oct(made.st_mode)
    daemon.end(0)


def a_state_that_cannot_be_written_is_told_once():
    rules = os.path.join(folder(), "rules.yml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write("groups:\n- name: g\n  interval: 1s\n  rules:\n"
                   "  - {alert: Blinks, expr: vector(time()) % 2 >= 1}\n")
    daemon = Daemon("targets: [{name: a, type: redis, url: 'redis://127.0.0.1:1'}]\n"
                    f"rules: {{files: ['{rules}']}}\n")
    storage = os.path.join(daemon.folder, "storage")
    eventually(lambda: os.path.exists(os.path.join(storage, "alerts.state")))
    os.rename(storage, storage + ".away")
    eventually(lambda: daemon.logged("alert state: cannot write"))
    before = len(daemon.logged("alert 'Blinks' fires"))
    eventually(lambda: len(daemon.logged("alert 'Blinks' fires")) > before + 1)
    assert len(daemon.logged("alert state: cannot write")) == 1, daemon.log()
    os.rename(storage + ".away", storage)
    eventually(lambda: daemon.logged("alert state: it is written again"))
    daemon.end(0)


def a_misspelt_flag_gets_a_suggestion():
    done = run("run", "--web.listen-adress=:1")
    assert done.returncode == 1 and "--web.listen-address" in done.stderr, done


def every_command_has_help():
    for command in ("run", "check", "check-config", "metrics", "version"):
        done = run(command, "--help")
        assert done.returncode == 0 and len(done.stdout) > 50, (command, done)
    assert run("--help").returncode == 0
    assert run("--version").stdout.startswith("dbvitals ")
    assert run("chekc").returncode == 1 and "'check'" in run("chekc").stderr


def check_prints_a_table_and_its_exit_code_tells():
    done = run("check", f"--config.file={sandbox.config}")
    assert done.returncode == 0, done
    for name in ("orders-1", "orders-2", "orders-pool", "cache-1", "cache-2", "cache-sentinel"):
        assert re.search(rf"^{name} .* up ", done.stdout, re.M), done.stdout
    sandbox.control("stop", "redis-replica")
    done = run("check", f"--config.file={sandbox.config}")
    assert done.returncode == 2 and re.search(r"^cache-2 .* down ", done.stdout, re.M), done
    assert run("check", f"--config.file={sandbox.config}", "--target=cache-1").returncode == 0
    done = run("check", f"--config.file={sandbox.config}", "--target=x")
    assert done.returncode == 3 and "no target 'x'" in done.stderr, done
    sandbox.control("start", "redis-replica")


def check_without_a_configuration_counts_what_is_there():
    found = {**NOWHERE, "REDIS_URL": f"redis://127.0.0.1:{sandbox.servers['redis']['port']}"}
    done = run("check", environment=found)
    assert done.returncode == 0, done
    assert re.search(r"^redis .* up ", done.stdout, re.M), done.stdout
    assert re.search(r"^postgres .* not found  refused: ", done.stdout, re.M), done.stdout
    done = run("check", environment=NOWHERE)
    assert done.returncode == 3 and "no server was found" in done.stderr, done
    assert done.stdout.count(" not found ") == 3, done.stdout
    done = run("check", "--format=nagios", environment=NOWHERE)
    assert done.returncode == 3, done
    assert done.stdout.startswith("DBVITALS UNKNOWN - no server was found"), done.stdout


def check_speaks_nagios_and_json():
    command = ("check", f"--config.file={sandbox.config}")
    done = run(*command, "--format=nagios")
    assert done.returncode == 0, done
    first, *details = done.stdout.splitlines()
    status, performance = first.split(" | ")
    assert status == "DBVITALS OK - 6 of 6 targets are up", status
    assert len(details) == 6 and all(": up, " in line for line in details), details
    for item in performance.split(" "):
        assert re.fullmatch(r"'[\w.-]+_(up|time|samples|failed|pool)'=\d+(\.\d+)?(s|%)?"
                            r"(;[\d:]*){0,4}", item), item
    assert "'orders-1_up'=1;;1:;0;1" in performance
    sandbox.control("stop", "redis-replica")
    done = run(*command, "--format", "nagios")
    assert done.returncode == 2, done
    assert done.stdout.startswith("DBVITALS CRITICAL - cache-2: down; "), done.stdout
    done = run(*command, "--format=json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 2 and rows["cache-2"]["failure"]["reason"] == "refused", rows
    assert rows["orders-1"]["role"] == "primary" and rows["orders-1"]["samples"] > 100, rows
    assert rows["orders-1"]["failed_collectors"] == [], rows
    sandbox.control("start", "redis-replica")
    for broken in (("--target=x",), ("--config.file=/nowhere.yml",)):
        done = run(*command, "--format=nagios", *broken)
        assert done.returncode == 3 and re.fullmatch("DBVITALS UNKNOWN - .*\n", done.stdout), done
    assert run(*command, "--format=xml").returncode == 3


def check_config_prints_what_it_means():
    done = run("check-config", f"--config.file={sandbox.config}")
    assert done.returncode == 0 and "orders-pool" in done.stdout, done


def no_secret_is_ever_shown():
    secrets = [sandbox.passwords[k] for k in ("monitor", "stats", "redis_monitor",
                                              "redis_replica")]
    with open(sandbox.config, encoding="utf-8") as file:
        text = file.read()
    # Right and wrong passwords, in files, inline and in addresses; servers that refuse them.
    text += (f"  - {{name: wrong, type: postgres, dsn: \"postgresql://monitor:s3cr3t-dsn@127.0.0.1:"
             f"{sandbox.servers['primary']['port']}/postgres\"}}\n"
             f"  - {{name: worse, type: redis, password: s3cr3t-inline, url: \"redis://127.0.0.1:"
             f"{sandbox.servers['redis-replica']['port']}\"}}\n")
    secrets += ["s3cr3t-dsn", "s3cr3t-inline"]
    daemon = Daemon(text, flags=["--web.enable-lifecycle"])
    daemon.wait_ready()
    daemon.wait_down("wrong", "worse")
    daemon.reload()
    with open(f"/proc/{daemon.process.pid}/cmdline", "rb") as file:
        shown = file.read().decode()
    for path in ("/metrics", "/health/detailed", "/sd", "/", "/metrics?target=wrong"):
        shown += daemon.get(path).text
    shown += run("check-config", "--config.file", daemon.config_file).stdout
    checked = run("check", "--config.file", daemon.config_file)
    shown += checked.stdout + checked.stderr
    daemon.end(0)
    shown += daemon.log()
    for secret in secrets:
        assert secret not in shown, f"{secret!r} is shown"


def one_collector_can_be_switched_off():
    with open(sandbox.config, encoding="utf-8") as file:
        text = file.read().replace("    type: postgres\n",
                                   "    type: postgres\n    collectors: {settings: false}\n")
    daemon = Daemon(text)
    daemon.wait_up("orders-1")
    assert not [n for n in daemon.page("orders-1").names() if n.startswith("pg_settings_")]
    daemon.end(0)


run_tests([
    without_a_configuration_it_finds_what_is_local,
    with_nothing_around_it_runs_and_is_ready,
    the_first_scrape_is_answered_at_once,
    a_bad_configuration_is_one_line_and_exit_1,
    a_bad_rule_file_is_told_by_both,
    a_missing_file_says_so,
    a_file_of_100_megabytes_is_refused_quickly,
    a_port_in_use_says_so_and_by_whom,
    a_given_storage_folder_must_work,
    a_missing_storage_folder_is_made_for_us_alone,
    a_state_that_cannot_be_written_is_told_once,
    a_misspelt_flag_gets_a_suggestion,
    every_command_has_help,
    check_prints_a_table_and_its_exit_code_tells,
    check_without_a_configuration_counts_what_is_there,
    check_speaks_nagios_and_json,
    check_config_prints_what_it_means,
    no_secret_is_ever_shown,
    one_collector_can_be_switched_off,
])
