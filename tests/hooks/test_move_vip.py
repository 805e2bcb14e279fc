#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""move-vip with the real ip in network namespaces of its own, where those may be made; what is said to
the neighbours and over SSH goes to stand-ins."""
import json
import os
import shutil
import subprocess

from hook import Hook
from harness import Skip, run_tests

SETTINGS = ("VIP_ADDRESS=10.99.0.100/24\nVIP_INTERFACE=vip0\n"
            "VIP_PLACES='orders-1=10.0.0.1 orders-2=10.0.0.2 orders-3=local'\n")


def vip(settings=SETTINGS):
    hook = Hook("move-vip", "post", settings)
    for name in ("ip", "arping", "ssh"):
        hook.stand_in(name)
    return hook


def both_sides_are_told_over_ssh():
    hook = vip()
    hook.run(expect=0)
    old, new, told = hook.calls()
    assert old.endswith("<root@10.0.0.1> <'ip' 'address' 'del' '10.99.0.100/24' 'dev' 'vip0'>"), old
    assert new.endswith("<root@10.0.0.2> <'ip' 'address' 'replace' '10.99.0.100/24' 'dev' 'vip0'>")
    assert told.endswith("<'arping' '-q' '-U' '-c' '3' '-I' 'vip0' '10.99.0.100'>"), told


def a_side_may_be_here():
    hook = vip()
    hook.run(old_primary="orders-1", new_primary="orders-3", expect=0)
    calls = hook.calls()
    assert calls[0].startswith("ssh ") and calls[1:] == [
        "ip <address> <replace> <10.99.0.100/24> <dev> <vip0>",
        "arping <-q> <-U> <-c> <3> <-I> <vip0> <10.99.0.100>"]


def an_old_host_that_is_gone_hinders_nobody():
    hook = vip()
    hook.stand_in("ssh", "case $* in *\"'del'\"*) exit 255;; esac")
    _, output = hook.run(expect=0)
    assert "was not taken away from '10.0.0.1'" in output, output
    hook.run(old_primary="", expect=0)
    hook.run(old_primary="orders-9", expect=0)


def a_new_host_that_fails_is_a_failure():
    for what in ("replace", "arping"):
        hook = vip()
        hook.stand_in("ssh", f"case $* in *\"'{what}'\"*) exit 1;; esac")
        hook.run(expect=1)
    vip().run(new_primary="orders-9", expect=1)


def ipv6_needs_no_arping():
    hook = vip(SETTINGS.replace("10.99.0.100/24", "fd00::1/64"))
    hook.run(expect=0)
    assert len(hook.calls()) == 2


def settings_are_checked():
    for bad in ("VIP_ADDRESS=10.0.0.1", "VIP_ADDRESS='a b/24'", "VIP_ADDRESS=", "VIP_ADDRESS=1/2/3",
                "VIP_INTERFACE='a b'", "VIP_INTERFACE=", "VIP_ARPINGS=x"):
        hook = vip(SETTINGS + bad + "\n")
        hook.run(expect=1)
        assert hook.calls() == [], bad


def a_dry_run_and_strange_names():
    hook = vip()
    hook.touches_nothing_in_a_dry_run("would run: 'ssh'")
    hook.refuses_other_events()
    hook.takes_names_as_data("old_primary", "new_primary")


def the_real_ip_moves_it_and_may_do_so_twice():
    """Two namespaces are the hosts; ssh enters them."""
    if shutil.which("ip", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        raise Skip("ip is not installed")

    def unshared():
        process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        if process.stdout.readline() != b"\n":
            raise Skip("no network namespace may be made here")
        return process

    def inside(process, *words):
        return subprocess.run(["nsenter", "-t", str(process.pid), "-n", *words], check=False,
                              capture_output=True, text=True)

    def has_it(process):
        shown = json.loads(inside(process, "ip", "-json", "address", "show", "dev", "lo").stdout)
        return "10.99.0.100" in [a["local"] for a in shown[0]["addr_info"]]

    hosts = [unshared(), unshared()]
    try:
        done = inside(hosts[0], "ip", "address", "add", "10.99.0.100/24", "dev", "lo")
        assert done.returncode == 0, done.stderr
        assert has_it(hosts[0]) and not has_it(hosts[1])
        hook = vip(SETTINGS.replace("vip0", "lo"))
        os.unlink(f"{hook.bin}/ip")
        hook.stand_in("ssh", f"""for command; do :; done
            case $* in *root@10.0.0.1*) pid={hosts[0].pid} ;; *) pid={hosts[1].pid} ;; esac
            exec nsenter -t $pid -n sh -c "$command" """)
        for _ in range(2):
            hook.run(expect=0)
            assert not has_it(hosts[0]) and has_it(hosts[1])
    finally:
        for host in hosts:
            host.stdin.close()
            host.wait(10)


run_tests([
    both_sides_are_told_over_ssh,
    a_side_may_be_here,
    an_old_host_that_is_gone_hinders_nobody,
    a_new_host_that_fails_is_a_failure,
    ipv6_needs_no_arping,
    settings_are_checked,
    a_dry_run_and_strange_names,
    the_real_ip_moves_it_and_may_do_so_twice,
])
