# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0

# What the hooks of this folder share: they read it, nobody runs it. What comes from the environment
# is data: it is checked, quoted, and never evaluated.
set -euf
LC_ALL=C
export LC_ALL
hook=${0##*/}

say() {
    printf '%s: %s\n' "$hook" "$*"
}

fail() {
    printf '%s: %s\n' "$hook" "$*" >&2
    exit 1
}

# For what may be over in a second. A promotion is never tried again, whatever it says.
try_again() {
    printf '%s: %s\n' "$hook" "$*" >&2
    exit 75
}

# Settings are shell assignments, so the file must be in nobody else's hands.
read_settings() {
    settings=${DBVITALS_HOOKS_CONF:-/etc/dbvitals/hooks.conf}
    [ -e "$settings" ] || return 0
    unsafe=$(find -L "$settings" -maxdepth 0 \
        \( -perm /022 -o ! \( -uid 0 -o -uid "$(id -u)" \) \)) ||
        fail "'$settings' cannot be looked at"
    [ -z "$unsafe" ] || fail "'$settings' must be root's or ours, and nobody else may write to it"
    # shellcheck source=/dev/null
    . "$settings"
}

# begin EVENT...: the first step of each hook, with the events that it is for.
begin() {
    case ${DBVITALS_DRY_RUN-} in
    0 | 1) ;;
    *) fail "DBVITALS_DRY_RUN must be 0 or 1" ;;
    esac
    case " $* " in
    *" ${DBVITALS_EVENT:-?} "*) ;;
    *) fail "this is no hook for '${DBVITALS_EVENT-}', but for: $*" ;;
    esac
    read_settings
}

need_variables() {
    for name; do
        [ -n "$(printenv "$name" || :)" ] || fail "$name is not set"
    done
}

is_dry_run() {
    [ "$DBVITALS_DRY_RUN" != 0 ]
}

is_host() {
    case $1 in
    '' | -* | *[!A-Za-z0-9._:-]*) return 1 ;;
    esac
}

is_port() {
    case $1 in
    '' | 0* | *[!0-9]* | ??????*) return 1 ;;
    esac
    [ "$1" -le 65535 ]
}

is_name() {
    case $1 in
    '' | -* | *[!A-Za-z0-9_.-]*) return 1 ;;
    esac
}

is_number() {
    case $1 in
    '' | *[!0-9]* | ???????*) return 1 ;;
    esac
}

# split_address ADDRESS: sets host and port from HOST:PORT or [HOST]:PORT.
split_address() {
    case $1 in
    /*) fail "'$1' is a socket: this hook needs an address" ;;
    \[*\]:*)
        host=${1#\[}
        host=${host%\]:*}
        ;;
    *:*:*) fail "'$1' is no HOST:PORT (IPv6: [HOST]:PORT)" ;;
    *) host=${1%:*} ;;
    esac
    port=${1##*:}
    { is_host "$host" && is_port "$port"; } || fail "'$1' is no HOST:PORT"
}

# value_of LIST NAME: what a list of NAME=VALUE, with spaces between, has for a name, or nothing.
value_of() {
    for item in $1; do
        case $item in
        "$2="*)
            printf '%s\n' "${item#*=}"
            return 0
            ;;
        esac
    done
}

# Each word in quotes, as a shell would read it back.
quote() {
    separator=
    for word; do
        printf "%s'%s'" "$separator" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")"
        separator=' '
    done
}

# Runs a command, or says that it would.
run() {
    if is_dry_run; then
        say "would run: $(quote "$@")"
    else
        "$@"
    fi
}

# ssh_to USER HOST COMMAND: one text that the shell of the other side reads. Never asks, never
# learns a host key, and gives up soon. SSH_KEY, SSH_KNOWN_HOSTS, SSH_PORT and SSH_CONNECT_SECONDS
# are settings.
ssh_to() {
    : "${SSH_KEY:=/etc/dbvitals/ssh/id}" "${SSH_KNOWN_HOSTS:=/etc/dbvitals/ssh/known_hosts}"
    : "${SSH_PORT:=22}" "${SSH_CONNECT_SECONDS:=5}"
    { is_name "$1" && is_host "$2"; } || fail "'$1@$2' cannot be an SSH destination"
    run ssh -F /dev/null -n -T -p "$SSH_PORT" -i "$SSH_KEY" \
        -o BatchMode=yes -o ConnectTimeout="$SSH_CONNECT_SECONDS" -o ConnectionAttempts=1 \
        -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$SSH_KNOWN_HOSTS" \
        -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o ClearAllForwardings=yes \
        -o ServerAliveInterval=2 -o ServerAliveCountMax=3 -- "$1@$2" "$3"
}

# wait_until SECONDS COMMAND...: asks four times a second; false when the time is over.
wait_until() {
    wait_left=$(($1 * 4))
    shift
    until "$@"; do
        wait_left=$((wait_left - 1))
        [ "$wait_left" -gt 0 ] || return 1
        sleep 0.25
    done
}
