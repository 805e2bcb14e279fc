#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Log files: rotation, being renamed, disks that are full or stall, and their writer's life."""
import http.client
import os
import re
import signal
import stat
import time

from harness import Daemon, Sandbox, Skip, eventually, folder, run, run_tests

NOWHERE = {"PGHOST": "/nowhere", "REDIS_URL": "redis://127.0.0.1:1"}


def start(path, *flags, level="info"):
    """A daemon whose log is read from the file."""
    daemon = Daemon(flags=["--log.file", path, "--web.enable-lifecycle", *flags],
                    environment=NOWHERE, wait=False, level=level)
    daemon.stderr_path, daemon.log_path = daemon.log_path, path
    daemon.address = eventually(lambda: listens(daemon)).group(1)
    return daemon


def listens(daemon):
    assert daemon.process.poll() is None, read(daemon.stderr_path)
    return os.path.exists(daemon.log_path) and re.search(r"listens on (\S+) and", daemon.log())


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def writer_of(daemon):
    pid = daemon.process.pid
    try:
        children = read(f"/proc/{pid}/task/{pid}/children").split()
    except OSError as error:
        raise Skip("the kernel does not tell children") from error
    for child in children:
        if read(f"/proc/{child}/comm").strip() == "dbvitals-log":
            return int(child)
    return None


def chatter(daemon, lines):
    """Makes the daemon log so many lines; returns the slowest answer in seconds."""
    host, port = daemon.address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    slowest = 0
    for _ in range(lines):
        before = time.monotonic()
        connection.request("POST", "/-/log-level?level=info")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        slowest = max(slowest, time.monotonic() - before)
    connection.close()
    return slowest


def lost(daemon):
    return daemon.page("dbvitals").value("dbvitals_log_lines_dropped_total")


def the_log_is_in_the_file_and_complete_at_the_end():
    path = os.path.join(folder(), "log")
    daemon = start(path)
    daemon.end(0)
    assert daemon.logged(r'msg="stopping"\n$'), daemon.log()
    assert read(daemon.stderr_path) == ""
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o007 == 0


def a_small_size_makes_many_files_and_keeps_some():
    path = os.path.join(folder(), "log")
    daemon = start(path, "--log.max-size=4KiB", "--log.keep=3", level="debug")

    def rotated():
        chatter(daemon, 40)
        return os.path.exists(path + ".3")
    eventually(rotated, seconds=30)
    chatter(daemon, 100)
    daemon.end(0)
    assert sorted(os.listdir(os.path.dirname(path))) == ["log", "log.1", "log.2", "log.3"]
    for number in ("", ".1", ".2", ".3"):
        text = read(path + number)
        assert 0 < len(text) <= 4096, (number, len(text))
        assert all(re.match(r"time=\S+ level=\w+ msg=\".*\"", line)
                   for line in text.splitlines()), text


def a_renamed_file_is_left_at_sigusr2():
    path = os.path.join(folder(), "log")
    daemon = start(path)
    os.rename(path, path + ".old")
    daemon.signal(signal.SIGUSR2)
    eventually(lambda: os.path.exists(path) and daemon.logged("opened anew"))
    before = read(path + ".old")
    chatter(daemon, 5)
    daemon.end(0)
    assert daemon.logged("log level is now"), daemon.log()
    assert read(path + ".old") == before and "opened anew" not in before


def sigusr2_without_log_files_is_harmless():
    daemon = Daemon(environment=NOWHERE)
    daemon.signal(signal.SIGUSR2)
    assert daemon.get("/healthz").status == 200
    daemon.end(0)


def errors_have_a_file_of_their_own():
    place = folder()
    errors = os.path.join(place, "errors")
    daemon = Daemon(flags=["--log.error-file", errors], environment=NOWHERE)
    daemon.signal(signal.SIGUSR1)  # debug is next to error
    eventually(lambda: "log level is now" in read(errors))
    daemon.end(0)
    assert all("level=error" in line for line in read(errors).splitlines())
    assert "listens on" in daemon.log(), "the rest stays on stderr"


def without_a_journal_the_log_is_logfmt_on_stderr():
    if os.path.exists("/run/systemd/journal/socket"):
        raise Skip("there is a journal here")
    daemon = Daemon(flags=["--log.format=journal"], environment=NOWHERE)
    daemon.end(0)
    assert daemon.logged(r'time=\S+ level=info msg="stopping"'), daemon.log()
    done = run("run", "--log.format=journal", "--log.file=/tmp/x", environment=NOWHERE)
    assert done.returncode == 1 and "exclude each other" in done.stderr, done


def what_a_round_brings_carries_its_id_and_target():
    sandbox = Sandbox(only="redis")
    daemon = Daemon(config_file=sandbox.config)
    daemon.wait_up("cache-1")
    sandbox.control("stop", "redis")
    daemon.wait_down("cache-1")
    daemon.end(0)
    for what in ("is up", "went down"):
        assert daemon.logged(rf"target 'cache-1':.* ?{what}.*\" round_id=\"[0-9a-f]{{16}}\" "
                             r"target=\"cache-1\""), (what, daemon.log())


def what_cannot_be_written_ends_the_start():
    place = folder()
    for flag in ("--log.file", "--log.error-file"):
        for path in (place, "/nowhere/log"):
            done = run("run", f"{flag}={path}", "--storage.path=:memory:",
                       "--web.listen-address=127.0.0.1:0", environment=NOWHERE)
            assert done.returncode == 1 and path in done.stderr, done
            assert len(done.stderr.splitlines()) == 1, done.stderr
    path = os.path.join(place, "log")
    done = run("run", f"--log.file={path}", "--web.listen-address=nonsense", environment=NOWHERE)
    assert done.returncode == 1 and "nonsense" in done.stderr, "a failed start is said on stderr"


def a_full_disk_loses_lines_but_not_the_daemon():
    daemon = Daemon(flags=["--log.file=/dev/full", "--log.error-file",
                           os.path.join(folder(), "errors")],
                    environment=NOWHERE, wait=False, level="debug")
    port = eventually(lambda: listening_port(daemon))
    daemon.address = f"127.0.0.1:{port}"
    eventually(lambda: lost(daemon) and lost(daemon) > 0, what="lost lines are counted")
    assert daemon.get("/healthz").status == 200
    daemon.end(0)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode), "a device is never renamed"


def listening_port(daemon):
    """Without a log: the socket that the process listens on."""
    assert daemon.process.poll() is None, daemon.log()
    place = f"/proc/{daemon.process.pid}"
    inodes = set()
    for fd in os.listdir(f"{place}/fd"):
        try:
            inodes.add(os.readlink(f"{place}/fd/{fd}"))
        except OSError:
            continue
    for line in read(f"{place}/net/tcp").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            return int(fields[1].split(":")[1], 16)
    return None


def a_disk_that_stalls_does_not_hold_the_daemon():
    path = os.path.join(folder(), "log")
    daemon = start(path, level="debug")
    writer = writer_of(daemon)
    os.kill(writer, signal.SIGSTOP)
    slowest = 0
    try:
        # More than the pipe holds: a megabyte, or less where the system allows no more.
        for _ in range(20):
            slowest = max(slowest, chatter(daemon, 1000))
            if lost(daemon):
                break
        before = len(daemon.log())
        assert lost(daemon) > 0 and slowest < 1, (lost(daemon), slowest)
    finally:
        os.kill(writer, signal.SIGCONT)
    eventually(lambda: len(daemon.log()) > before + 60000, what="what waited is written")
    daemon.end(0)
    assert all(re.match(r"time=\S+ level=\w+ msg=\".*\"", line)
               for line in daemon.log().splitlines()), "lines are whole"


def another_writer_follows_one_that_was_killed():
    path = os.path.join(folder(), "log")
    daemon = start(path)
    writer = writer_of(daemon)
    os.kill(writer, signal.SIGKILL)
    eventually(lambda: writer_of(daemon) not in (None, writer), seconds=30)
    chatter(daemon, 4)
    daemon.end(0)
    assert daemon.logged("log level is now") and daemon.logged('msg="stopping"'), daemon.log()


def the_writer_ends_with_a_daemon_that_was_killed():
    daemon = start(os.path.join(folder(), "log"))
    writer = writer_of(daemon)
    assert os.listdir(f"/proc/{daemon.process.pid}/task") == [str(daemon.process.pid)]
    fds = os.listdir(f"/proc/{writer}/fd")
    assert len(fds) <= 6, f"the writer holds {fds}"
    daemon.process.kill()
    daemon.process.wait()
    eventually(lambda: not os.path.exists(f"/proc/{writer}") or " Z " in read(f"/proc/{writer}/stat"))


run_tests([
    the_log_is_in_the_file_and_complete_at_the_end,
    a_small_size_makes_many_files_and_keeps_some,
    a_renamed_file_is_left_at_sigusr2,
    sigusr2_without_log_files_is_harmless,
    errors_have_a_file_of_their_own,
    without_a_journal_the_log_is_logfmt_on_stderr,
    what_a_round_brings_carries_its_id_and_target,
    what_cannot_be_written_ends_the_start,
    a_full_disk_loses_lines_but_not_the_daemon,
    a_disk_that_stalls_does_not_hold_the_daemon,
    another_writer_follows_one_that_was_killed,
    the_writer_ends_with_a_daemon_that_was_killed,
])
