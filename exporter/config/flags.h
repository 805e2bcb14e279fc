/* SPDX-License-Identifier: Apache-2.0 */

/* The command line of `dbvitals run`, after the exporters' custom: --name=value or --name value;
 * each flag has an environment variable (--web.listen-address: DBVITALS_WEB_LISTEN_ADDRESS), and
 * the flag wins. Flags are rows of a const table, which also prints --help. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#define FLAGS_MOST_ADDRESSES 8

struct flags {
    const char *config_file; /* NULL: the default file if it exists, else guesses */
    const char *listen_addresses[FLAGS_MOST_ADDRESSES];
    size_t n_listen_addresses;
    const char *agent_addresses[FLAGS_MOST_ADDRESSES];
    size_t n_agent_addresses;
    const char *telemetry_path, *external_url, *route_prefix;
    const char *web_config_file; /* NULL: none */
    bool enable_lifecycle;
    const char *storage_path; /* NULL: the default; ":memory:" */
    enum log_level log_level;
    enum log_format log_format;
    const char *log_file, *log_error_file; /* NULL: none */
    uint64_t log_max_bytes;
    unsigned log_keep;
    bool no_service_names;
    bool help, version;
};

#define FLAGS_MOST_LOG_FILES 1000

/* Reads argv[1...] (options only; the sub-command was taken off) and the environment. Strings are
 * borrowed from both. Return: 0 or -EINVAL with a sentence that names the flag and, for a misspelt
 * one, suggests another. */
int flags_parse(int argc, char **argv, struct flags *ret, struct error *err);

/* Adds one line per flag for --help. */
void flags_help(struct strbuf *out);
