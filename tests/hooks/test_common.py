#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What all hooks share: quoting, addresses, and whose settings are read."""
import os
import re
import subprocess

from hook import HOOKS, Hook, folder
from harness import run_tests


def shell(script, *words):
    done = subprocess.run(["/bin/sh", "-c", f'. "{HOOKS}/common.sh"\n{script}', "test", *words],
                          capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stdout


def a_quoted_word_comes_back_as_it_was():
    for words in (["a"], ["a b", "c"], ["it's", "$(id)", "`id`"], ["", "'"], ["\\", "a\nb", "*"]):
        code, quoted = shell('quote "$@"', *words)
        assert code == 0
        done = subprocess.run(["/bin/sh", "-c", f"printf '%s|' {quoted}"], capture_output=True,
                              text=True, check=True)
        assert done.stdout == "".join(w + "|" for w in words), (words, quoted)


def addresses_are_split():
    for address, expected in (("10.0.0.1:5432", "10.0.0.1 5432"), ("db.example:1", "db.example 1"),
                              ("[::1]:65535", "::1 65535")):
        assert shell('split_address "$1"; echo "$host $port"', address) == (0, expected + "\n")
    for address in ("", "a", "a:", ":1", "a:0", "a:65536", "a:01", "a:1x", "::1:5432", "/run/x:5432",
                    "-a:1", "a b:1", "a;b:1", "[::1]", "[a b]:1", "a:1\n"):
        code, output = shell('split_address "$1"; echo "$host $port"', address)
        # A shell drops the newline at the end of what it expands nowhere here: it must be refused.
        assert code == 1 and output == "", (address, output)


def lists_are_read_by_name():
    for name, expected in (("a", "1"), ("b", "x=y"), ("c", ""), ("*", ""), ("", "")):
        assert shell('value_of "$1" "$2"', "a=1 b=x=y\n aa=2", name)[1].strip() == expected


def waiting_ends():
    assert shell("wait_until 1 false")[0] == 1
    assert shell("wait_until 1 true")[0] == 0
    done = os.path.join(folder(), "done")
    code, _ = shell(f"(sleep 0.3; : >'{done}') & wait_until 10 test -e '{done}'")
    assert code == 0


def settings_that_others_may_write_are_refused():
    hook = Hook("page", "post", "PAGE_URL=http://127.0.0.1:1/\n")
    hook.run(dry_run="1", expect=0)
    for mode in (0o666, 0o620):
        os.chmod(hook.conf, mode)
        _, output = hook.run(dry_run="1", expect=1)
        assert "nobody else may write" in output, output
    os.chmod(hook.conf, 0o600)
    if os.geteuid() == 0:
        os.chown(hook.conf, 65534, -1)
        hook.run(dry_run="1", expect=1)


def a_link_to_a_hook_finds_what_it_needs():
    hook = Hook("page", "post", "PAGE_URL=http://127.0.0.1:1/\n")
    link = os.path.join(hook.dir, "link")
    os.symlink(os.path.join(HOOKS, "page"), link)
    hook.name = link
    hook.run(dry_run="1", expect=0)


def every_hook_is_a_program_that_is_described_and_installed():
    with open(f"{HOOKS}/README.md", encoding="utf-8") as file:
        readme = file.read()
    with open(f"{HOOKS}/meson.build", encoding="utf-8") as file:
        installed = file.read()
    names = set(os.listdir(HOOKS)) - {"README.md", "meson.build", "common.sh", "hooks.conf.example"}
    assert len(names) > 8
    for name in names:
        assert os.access(f"{HOOKS}/{name}", os.X_OK), name
        assert f"`{name}`" in readme and f"'{name}'" in installed, name


def every_setting_is_in_the_example():
    """And what stands there is what counts without it."""
    with open(f"{HOOKS}/hooks.conf.example", encoding="utf-8") as file:
        example = file.read()
    assert subprocess.run(["sh", "-n", f"{HOOKS}/hooks.conf.example"], check=False).returncode == 0
    found = set()
    for name in os.listdir(HOOKS):
        with open(f"{HOOKS}/{name}", encoding="utf-8") as file:
            found.update(re.findall(r'"\$\{([A-Z_]+):=([^}]*)\}"', file.read()))
    assert len(found) > 25
    for name, fallback in found:
        values = re.findall(rf"^#{name}=(.*)$", example, re.M)
        assert len(values) == 1, name
        if fallback and "$" not in fallback:
            assert values[0].strip("'") == fallback, (name, values, fallback)


run_tests([
    every_hook_is_a_program_that_is_described_and_installed,
    every_setting_is_in_the_example,
    a_quoted_word_comes_back_as_it_was,
    addresses_are_split,
    lists_are_read_by_name,
    waiting_ends,
    settings_that_others_may_write_are_refused,
    a_link_to_a_hook_finds_what_it_needs,
])
