#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A host beside a database that hangs: its numbers are those of the kernel, and a file system that
hangs (a real one, by FUSE) holds up nobody and gathers no processes."""
import json
import os
import signal
import socket
import time

from harness import Daemon, FakeServer, Skip, eventually, folder, run, run_tests
from hanging_mount import HangingMount, own_namespace

try:
    own_namespace()
    NAMESPACE = ""
except Skip as reason:
    NAMESPACE = str(reason)

# The first process lives among other mounts than we do: without it the daemon takes its own.
PROC = os.path.join(folder(), "proc")
os.mkdir(PROC)
for entry in os.listdir("/proc"):
    if not entry.isdigit():
        os.symlink(f"/proc/{entry}", f"{PROC}/{entry}")

silent = FakeServer(lambda peer: time.sleep(100))
CONFIG = f"""global: {{interval: 300ms, timeout: 2s}}
targets:
  - {{name: host-1, type: host, procfs: {PROC}, collectors: {{filesystem: {{interval: 0s}}}}}}
  - {{name: orders-1, type: postgres, dsn: "postgresql://x@127.0.0.1:{silent.port}/x"}}
"""
daemon = Daemon(CONFIG)
MOUNT = os.path.join(folder(), "a mount")
ERROR = "node_filesystem_device_error"


def host():
    return daemon.page("host-1")


def proc(name):
    with open(f"/proc/{name}", encoding="utf-8") as file:
        return file.read()


def fields(name):
    """The lines of a file as {first word: other words}."""
    return {line.split()[0]: line.split()[1:] for line in proc(name).splitlines() if line.strip()}


def between(look, sample, *labels):
    """A counter of the kernel lies between what it was before the page's round and after it."""
    before = look()
    rounds = host().value("dbvitals_rounds_total")
    page = eventually(lambda: (p := host()).value("dbvitals_rounds_total") > rounds + 1 and p,
                      what="two more rounds")
    after = look()
    for key, low in before.items():
        value = page.value(sample, **dict(zip(labels, key)))
        assert value is not None and low <= value <= after[key], (sample, key, low, value, after[key])


def it_is_up_and_the_database_is_not():
    daemon.wait_up("host-1")
    daemon.wait_down("orders-1")
    assert daemon.up("host-1") == 1
    page = host()
    bad = [p for p, v in page.find("dbvitals_collector_success") if v != 1]
    assert not bad and len(page.find("dbvitals_collector_success")) == 13, bad
    skipped = [p for p, v in page.find("dbvitals_collector_skipped_cells_total") if v]
    assert not skipped, skipped
    assert page.value("dbvitals_duplicate_samples_total") == 0


def what_does_not_change_equals_the_kernel():
    page = host()
    memory = fields("meminfo")
    for name in ("MemTotal", "SwapTotal", "VmallocTotal"):
        assert page.value(f"node_memory_{name}_bytes") == int(memory[name + ":"][0]) * 1024, name
    assert page.value("node_memory_HugePages_Total") == int(memory["HugePages_Total:"][0])
    assert {n for n in page.names() if n.startswith("node_memory_")} == \
        {"node_memory_" + n.rstrip(":").replace("(", "_").replace(")", "") +
         ("_bytes" if words[1:] == ["kB"] else "") for n, words in memory.items()}
    assert page.value("node_boot_time_seconds") == int(fields("stat")["btime"][0])
    assert page.value("node_filefd_maximum") == float(proc("sys/fs/file-nr").split()[2])
    info = page.find("node_uname_info")[0][0]
    name = os.uname()
    assert (info["nodename"], info["release"], info["machine"]) == \
        (name.nodename, name.release, name.machine), info
    root = os.statvfs("/")
    found = page.find("node_filesystem_size_bytes", mountpoint="/")
    if found:  # in a container the root may be of a type that is not shown
        assert found[0][1] == root.f_blocks * root.f_frsize
        assert page.value("node_filesystem_files", mountpoint="/") == root.f_files
    assert abs(page.value("node_time_seconds") - time.time()) < 5


def counters_lie_between_what_the_kernel_says_before_and_after():
    between(lambda: {(): int(fields("stat")["ctxt"][0])}, "node_context_switches_total")
    between(lambda: {(): int(fields("stat")["processes"][0])}, "node_forks_total")
    between(lambda: {(): int(fields("vmstat")["pgfault"][0])}, "node_vmstat_pgfault")
    between(lambda: {(name[3:], "user"): int(words[0]) / 100 for name, words in
                     fields("stat").items() if name.startswith("cpu") and name != "cpu"},
            "node_cpu_seconds_total", "cpu", "mode")
    between(lambda: {(name[:-1],): int(words[0]) for name, words in fields("net/dev").items()
                     if name.endswith(":")}, "node_network_receive_bytes_total", "device")


def network_devices_are_those_of_sysfs():
    page = host()
    devices = [n for n in os.listdir("/sys/class/net") if os.path.isdir(f"/sys/class/net/{n}")]
    assert devices
    for device in devices:
        with open(f"/sys/class/net/{device}/mtu", encoding="ascii") as file:
            assert page.value("node_network_mtu_bytes", device=device) == int(file.read())
        with open(f"/sys/class/net/{device}/operstate", encoding="ascii") as file:
            up = file.read().strip() == "up"
        assert page.value("node_network_up", device=device) == up, device


def discovery_health_and_the_page_of_all_know_it():
    entry = next(e for e in daemon.get("/sd").json if e["labels"]["target"] == "host-1")
    assert entry["labels"]["instance"] == socket.gethostname(), entry
    assert entry["labels"]["job"] == "host", entry
    assert "host-1" in daemon.get("/").text
    page = daemon.page()
    assert page.find("node_load1", target="host-1")
    assert not [n for n in page.names() if n == "host_up"]
    done = run("check", "--config.file", daemon.config_file, "--format", "json")
    states = {t["name"]: t for t in json.loads(done.stdout)}
    assert done.returncode == 2 and states["host-1"]["type"] == "host", done.stdout


def a_kernel_without_files_is_down_and_says_what_is_missing():
    empty = folder()
    other = Daemon(f"targets: [{{name: h, type: host, procfs: {empty}}}]\n")
    other.wait_down("h")
    assert "'/proc/stat': No such file or directory" in other.get("/health/detailed").text
    other.end(0)


def children(of=None):
    """The daemon's processes below it."""
    found = []
    pid = (of or daemon).process.pid
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                status = fields(f"{name}/status")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(status["PPid:"][0]) == pid:
                found.append(int(name))
    return found


def error_of_mount():
    """(value, label) of the mount's device_error."""
    found = host().find(ERROR, mountpoint=MOUNT)
    assert len(found) < 2, found
    return (found[0][1], found[0][0].get("device_error")) if found else None


def rounds():
    return host().value("dbvitals_rounds_total")


def wait_rounds(count):
    before = rounds()
    eventually(lambda: rounds() >= before + count, what=f"{count} rounds")


mounts = []


def a_file_system_that_answers_is_shown():
    if NAMESPACE:
        raise Skip(NAMESPACE)
    os.mkdir(MOUNT)
    mounts.append(HangingMount(MOUNT))
    eventually(lambda: error_of_mount() == (0, None), what="the mount is shown")
    page = host()
    assert page.value("node_filesystem_size_bytes", mountpoint=MOUNT) == 1000 * 4096
    assert page.value("node_filesystem_avail_bytes", mountpoint=MOUNT) == 500 * 4096
    assert page.value("node_filesystem_files_free", mountpoint=MOUNT) == 60
    assert page.value("node_filesystem_readonly", mountpoint=MOUNT) == 0


def one_that_hangs_is_shown_so_and_holds_up_nobody():
    if not mounts:
        raise Skip("no mount")
    shown = {p["mountpoint"] for p, _ in host().find("node_filesystem_size_bytes")}
    mounts[0].hang()
    eventually(lambda: error_of_mount() == (1, "mountpoint timeout"), what="it hangs")
    page = host()
    assert page.value("node_filesystem_size_bytes", mountpoint=MOUNT) is None
    left = {p["mountpoint"] for p, _ in page.find("node_filesystem_size_bytes")}
    assert left == shown - {MOUNT}, (left, shown)
    assert page.value("dbvitals_collector_success", collector="filesystem") == 1
    # The rounds are as short again as they were: nobody waits for it any more.
    wait_rounds(3)
    limit = 0.5 if "asan" not in os.environ.get("DBVITALS", "") else 2
    eventually(lambda: host().value("dbvitals_round_duration_seconds") < limit, what="short rounds")
    limit = 0.010 if "asan" not in os.environ.get("DBVITALS", "") else 0.100
    eventually(lambda: max(daemon.get("/metrics").own for _ in range(30)) < limit, 30,
               f"/metrics within {limit} s")


def it_keeps_one_process_that_nobody_can_kill():
    if not mounts:
        raise Skip("no mount")

    # Workers of other questions come and go; what stays stays in every look.
    def staying():
        stay = set(children())
        for _ in range(20):
            stay &= set(children())
            time.sleep(0.02)
        return stay

    before = staying()
    assert len(before) == 1, before
    pid = before.pop()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: fields(f"{pid}/status")["State:"][0] == "D", what="it waits in the kernel")
    wait_rounds(10)
    assert staying() == {pid}
    assert len(children()) <= 4
    # Neither a new connection nor a reload makes a second one.
    daemon.write_config(CONFIG.replace("timeout: 2s", "timeout: 1500ms"))
    daemon.reload()
    wait_rounds(5)
    assert staying() == {pid}
    assert error_of_mount() == (1, "mountpoint timeout")


def it_is_asked_again_when_it_answers():
    if not mounts:
        raise Skip("no mount")
    mounts[0].answer()
    eventually(lambda: error_of_mount() == (0, None), what="it is well")
    mounts[0].hang()
    eventually(lambda: error_of_mount() == (1, "mountpoint timeout"), what="it hangs again")


def the_daemon_ends_while_a_worker_is_at_it():
    if not mounts:
        raise Skip("no mount")
    for _ in range(3):
        other = Daemon(f"targets: [{{name: h, type: host, procfs: {PROC}, timeout: 1m}}]\n")
        eventually(lambda o=other: children(o), what="a worker")
        begin = time.monotonic()
        other.end(0)
        assert time.monotonic() - begin < 5


def the_daemon_ends_beside_one_that_hangs():
    begin = time.monotonic()
    daemon.end(0)
    assert time.monotonic() - begin < 5
    for mount in mounts:
        mount.end()
    silent.end()


run_tests([
    it_is_up_and_the_database_is_not,
    what_does_not_change_equals_the_kernel,
    counters_lie_between_what_the_kernel_says_before_and_after,
    network_devices_are_those_of_sysfs,
    discovery_health_and_the_page_of_all_know_it,
    a_kernel_without_files_is_down_and_says_what_is_missing,
    a_file_system_that_answers_is_shown,
    one_that_hangs_is_shown_so_and_holds_up_nobody,
    it_keeps_one_process_that_nobody_can_kill,
    it_is_asked_again_when_it_answers,
    the_daemon_ends_while_a_worker_is_at_it,
    the_daemon_ends_beside_one_that_hangs,
])
