#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fence-ssh and its other side: a stand-in for ssh runs the forced command, one for systemctl is the
unit. Only what was seen to be stopped is fenced."""
import os

from hook import HOOKS, Hook
from harness import run_tests

SYSTEMCTL = """
d='{dir}'
case $1 in
show)
    case $2 in
    *ControlGroup) [ "$(cat $d/state)" = active ] && echo /unit || : ;;
    *LoadState) cat $d/load ;;
    *ActiveState) cat $d/state ;;
    esac ;;
stop) [ ! -e $d/stuck ] || exit 1; echo inactive >$d/state ;;
kill) [ -e $d/immortal ] || rm -f $d/stuck ;;
mask) [ ! -e $d/unmaskable ] ;;
esac
"""
# As sshd would: the last word is the request, what runs is the forced command.
SSH = """
for request; do :; done
{lost}
SSH_ORIGINAL_COMMAND=$request exec '{dir}/other-side' orders.service 5432
"""


class Fence(Hook):
    def __init__(self, settings="", lost=""):
        super().__init__("fence-ssh", "fence", settings)
        self.stand_in("systemctl", SYSTEMCTL.format(dir=self.dir))
        self.stand_in("ssh", SSH.format(dir=self.dir, lost=lost))
        self.stand_in("ss", f"cat '{self.dir}/listening'")
        with open(f"{HOOKS}/fence-ssh-command", encoding="utf-8") as file:
            text = file.read()
        for ours, stand_in in (("\nPATH=", f"\nPATH={self.bin}:"),
                               ("\nCGROUPS=/sys/fs/cgroup\n", f"\nCGROUPS={self.dir}\n")):
            assert text.count(ours) == 1, ours
            text = text.replace(ours, stand_in)
        self.note("other-side", text)
        os.chmod(f"{self.dir}/other-side", 0o755)
        os.makedirs(f"{self.dir}/systemd/unit/child")
        self.note("systemd/unit/cgroup.procs", "")
        self.note("listening", "")
        self.note("state", "active\n")
        self.note("load", "loaded\n")

    def note(self, name, text=""):
        with open(f"{self.dir}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def a_unit_that_stops_is_fenced():
    fence = Fence()
    _, output = fence.run(expect=0)
    assert "'orders-1' is fenced" in output, output
    calls = fence.calls()
    assert calls[0].startswith("ssh <-F> </dev/null>") and " <--> <root@10.0.0.1> <fence " in calls[0]
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=5",
                   "IdentitiesOnly=yes"):
        assert f"<-o> <{option}>" in calls[0], calls[0]
    assert "systemctl <mask> <--runtime> <--quiet> <--> <orders.service>" in calls
    assert not [c for c in calls if "poweroff" in c]


def a_second_time_it_is_fenced_still():
    fence = Fence()
    fence.run(expect=0)
    fence.note("load", "masked\n")
    fence.run(expect=0)


def one_that_does_not_listen_is_killed():
    fence = Fence()
    fence.note("stuck")
    fence.run(expect=0)
    assert "systemctl <kill> <--signal=KILL> <--> <orders.service>" in fence.calls()


def what_is_not_certain_is_a_failure():
    for what, part in (("immortal", "does not stop"), ("left", "are left: 4711"),
                       ("listening", "listens on port 5432"), ("unknown", "is 'not-found'"),
                       ("active", "is still 'active'")):
        fence = Fence()
        if what == "immortal":
            fence.note("stuck")
            fence.note("immortal")
        elif what == "left":
            fence.note("systemd/unit/child/cgroup.procs", "4711\n")
        elif what == "listening":
            fence.note("listening", "LISTEN 0 200 *:5432\n")
        elif what == "unknown":
            fence.note("load", "not-found\n")
        else:
            fence.stand_in("systemctl", SYSTEMCTL.format(dir=fence.dir).replace(
                "echo inactive", "echo active"))
        _, output = fence.run(expect=1)
        assert "is fenced" not in output and part in output, (what, output)


def an_answer_must_be_of_this_call():
    for lost in ("exit 255", "echo fenced; exit 0", "echo fenced 0123; exit 0", "exit 0",
                 'echo "fenced ${request#* }"; exit 1', 'echo "not fenced ${request#* }"; exit 0'):
        _, output = Fence(lost=lost).run(expect=1)
        assert "'orders-1' is fenced" not in output, (lost, output)
    Fence(lost='echo welcome; echo "fenced ${request#* }"; exit 0').run(expect=0)


def a_unit_that_cannot_be_masked_is_told():
    fence = Fence()
    fence.note("unmaskable")
    _, output = fence.run(expect=0)
    assert "may be started again" in output, output


def the_host_may_be_elsewhere_and_is_switched_off_when_asked():
    fence = Fence("FENCE_SSH_HOSTS='orders-1=pg-1.example'\nFENCE_SSH_POWEROFF=yes\n"
                  "FENCE_SSH_USER=fence\n")
    fence.run(expect=0)
    calls = fence.calls()
    assert "<fence@pg-1.example> <fence-poweroff " in calls[0], calls
    assert calls[-1] == "systemctl <poweroff> <--no-block>"


def the_other_side_takes_nothing_else():
    fence = Fence()
    for request in ("", "id", "fence", "fence ", "fence $(id)", "fence a b", "fence 12;id",
                    "fence " + "0" * 33):
        fence.stand_in("ssh", SSH.format(dir=fence.dir, lost=f"request='{request}'"))
        fence.calls()
        fence.run(expect=1)
        assert len(fence.calls()) == 1, request


def a_dry_run_and_strange_names():
    fence = Fence()
    fence.touches_nothing_in_a_dry_run("would run: 'ssh'")
    fence.refuses_other_events()
    fence.takes_names_as_data("old_primary", "old_primary_addr")
    fence.run(old_primary_addr="/var/run/postgresql:5432", expect=1)


run_tests([
    a_unit_that_stops_is_fenced,
    a_second_time_it_is_fenced_still,
    one_that_does_not_listen_is_killed,
    what_is_not_certain_is_a_failure,
    an_answer_must_be_of_this_call,
    a_unit_that_cannot_be_masked_is_told,
    the_host_may_be_elsewhere_and_is_switched_off_when_asked,
    the_other_side_takes_nothing_else,
    a_dry_run_and_strange_names,
])
