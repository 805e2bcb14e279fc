#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""patroni-handover and repmgr-handover with stand-ins for patronictl and ssh: success is that the
candidate leads."""
from hook import Hook
from harness import run_tests

PATRONI = """
[ "$3" = list ] || exit {code}
printf 'Cluster\\tMember\\tHost\\tRole\\tState\\tTL\\tLag in MB\\n'
printf 'orders\\torders-1\\t10.0.0.1\\t{old}\\trunning\\t3\\t\\n'
printf 'orders\\torders-2\\t10.0.0.2\\t{new}\\trunning\\t3\\t0\\n'
"""
SSH = """for command; do :; done
case $command in *pg_is_in_recovery*) echo {recovery} ;; *) exit {code} ;; esac
"""


def patroni(code=0, old="Replica", new="Leader", settings=""):
    hook = Hook("patroni-handover", "promote", "PATRONI_WAIT_SECONDS=1\n" + settings)
    hook.stand_in("patronictl", PATRONI.format(code=code, old=old, new=new))
    return hook


def repmgr(code=0, recovery="f", settings=""):
    hook = Hook("repmgr-handover", "promote", settings)
    hook.stand_in("ssh", SSH.format(code=code, recovery=recovery))
    return hook


def patroni_is_asked_and_its_leader_is_looked_at():
    hook = patroni()
    hook.run(expect=0)
    calls = hook.calls()
    assert calls[0] == ("patronictl <-c> </etc/patroni/patroni.yml> <failover> <orders> <--candidate> "
                        "<orders-2> <--force>"), calls
    assert calls[1].endswith("<list> <-f> <tsv> <orders>")


def names_and_a_switchover_are_settings():
    hook = patroni(settings="PATRONI_ACTION=switchover\nPATRONI_SCOPE=main\n"
                            "PATRONI_MEMBERS='orders-2=orders-2 orders-1=pg-a'\n")
    hook.run(expect=0)
    assert "<switchover> <main> <--leader> <pg-a> <--candidate> <orders-2> <--force>" in hook.calls()[0]


def what_patroni_does_not_do_is_a_failure():
    for hook in (patroni(code=1), patroni(old="Leader", new="Replica"),
                 patroni(new="Standby Leader"), patroni(settings="PATRONI_ACTION=reinit\n")):
        hook.run(expect=1)


def repmgr_is_asked_and_the_server_is_looked_at():
    hook = repmgr()
    hook.run(expect=0)
    calls = hook.calls()
    assert calls[0].endswith("<--> <postgres@10.0.0.2> <'repmgr' '-f' '/etc/repmgr.conf' 'standby' "
                             "'promote' '--siblings-follow'>"), calls
    assert calls[1].endswith("<psql -XAtw -d postgres -c 'SELECT pg_is_in_recovery()'>"), calls


def what_repmgr_does_not_do_is_a_failure():
    for hook in (repmgr(code=1), repmgr(recovery="t"), repmgr(recovery="")):
        hook.run(expect=1)


def never_is_it_worth_another_attempt():
    for hook in (patroni(code=75), repmgr(code=75)):
        hook.run(expect=1)


def dry_runs_and_strange_names():
    for hook in (patroni(), repmgr()):
        hook.touches_nothing_in_a_dry_run("would run: ")
        hook.refuses_other_events()
        hook.takes_names_as_data("cluster", "old_primary", "new_primary", "new_primary_addr")


run_tests([
    patroni_is_asked_and_its_leader_is_looked_at,
    names_and_a_switchover_are_settings,
    what_patroni_does_not_do_is_a_failure,
    repmgr_is_asked_and_the_server_is_looked_at,
    what_repmgr_does_not_do_is_a_failure,
    never_is_it_worth_another_attempt,
    dry_runs_and_strange_names,
])
