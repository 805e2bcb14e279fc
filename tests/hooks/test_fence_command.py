#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fence-command-template with a stand-in for the tool of the cloud: off is what the cloud says is off."""
from hook import Hook
from harness import run_tests

SETTINGS = "FENCE_INSTANCES='orders-1=i-1 orders-2=i-2'\nFENCE_REGION=eu-1\nFENCE_WAIT_SECONDS=2\n"


def fence(body, settings=SETTINGS):
    hook = Hook("fence-command-template", "fence", settings)
    hook.stand_in("aws", body.replace("@", hook.dir))
    return hook


def it_waits_until_the_machine_is_off():
    hook = fence("[ $2 = stop-instances ] && exit; echo x >>@/n; "
                 "[ $(wc -l <@/n) -gt 2 ] && echo stopped || echo stopping")
    hook.run(expect=0)
    calls = hook.calls()
    assert calls[0] == ("aws <ec2> <stop-instances> <--force> <--region> <eu-1> <--instance-ids> <i-1>"
                        " <--output> <text>"), calls
    assert len(calls) == 4


def one_that_is_off_already_is_fenced():
    fence("[ $2 = stop-instances ] || echo terminated").run(expect=0)


def all_else_is_a_failure():
    for body in ("[ $2 = stop-instances ] || echo stopping", "exit 1", "[ $2 = stop-instances ]",
                 "[ $2 = stop-instances ] || echo not stopped"):
        _, output = fence(body).run(expect=1)
        assert "is stopped" not in output


def a_machine_must_be_known():
    hook = fence("echo stopped", "FENCE_INSTANCES='orders-9=i-1'\nFENCE_REGION=eu-1\n")
    hook.run(expect=1)
    assert hook.calls() == []


def a_dry_run_and_strange_names():
    hook = fence("echo stopped")
    hook.touches_nothing_in_a_dry_run("would run: 'aws' 'ec2' 'stop-instances'")
    hook.refuses_other_events()
    hook.takes_names_as_data("old_primary")


run_tests([
    it_waits_until_the_machine_is_off,
    one_that_is_off_already_is_fenced,
    all_else_is_a_failure,
    a_machine_must_be_known,
    a_dry_run_and_strange_names,
])
