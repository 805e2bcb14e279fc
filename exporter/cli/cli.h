/* SPDX-License-Identifier: Apache-2.0 */

/* The command line: a table of sub-commands, and what they share. Output goes to stdout, one line
 * for an error to stderr; exit status 0 or 1 unless a command says more. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "config/flag_table.h"

struct cli_command {
    const char *name, *help;
    /* argv[0] is the command's name. Return: exit status. */
    int (*run)(int argc, char **argv);
};

/* All commands in the order of the help text, ended by a row without name. */
extern const struct cli_command cli_commands[];

/* Return: the command of that name, or NULL. */
const struct cli_command *cli_find(struct str name);

/* Says that there is no such command, and which one may be meant. Return: 1. */
int cli_unknown(struct str name);

/* The whole program: without a command, or with a flag in its place, "run" is meant. Ignores
 * SIGPIPE. Return: exit status of the process. */
int cli_main(int argc, char **argv);

/* Writes everything to stdout. A reader that went away (`| head`) is no error; anything else is
 * said on stderr. Return: exit status 0 or 1. */
int cli_print(struct str text);

/* Writes "dbvitals: <text>" as one line to stderr. Return: 1. */
int cli_fail(const char *text);

/* Reads a command's flags; with a bool at help_offset set, prints usage and the flags.
 * Return: true when the command shall go on, else *ret_status is its exit status. */
bool cli_flags(const struct flag *flags, const char *usage, size_t help_offset, int argc,
               char **argv, void *ret, int *ret_status);

/* Files that a command takes. */
#define CLI_MOST_FILES 1000
struct cli_files {
    const char *names[CLI_MOST_FILES];
    size_t count;
};

/* Reads a file for a command; says on stderr what is wrong with it. Return: NULL then, or the
 * text, owned by the caller. */
char *cli_read_file(const char *name, size_t *ret_length);

int cli_breaker(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_check_config(int argc, char **argv);
int cli_check_rules(int argc, char **argv);
int cli_test_promql(int argc, char **argv);
int cli_query(int argc, char **argv);
int cli_failover(int argc, char **argv);
int cli_set(int argc, char **argv);
int cli_metrics(int argc, char **argv);
int cli_test_rules(int argc, char **argv);
int cli_version(int argc, char **argv);
int cli_help(int argc, char **argv);

enum cli_metrics_format { CLI_METRICS_TEXT, CLI_METRICS_MARKDOWN };

/* The reference of all collectors and their metrics, from their tables. */
void cli_metrics_render(enum cli_metrics_format format, struct strbuf *out);
