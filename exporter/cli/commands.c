/* SPDX-License-Identifier: Apache-2.0 */

/* The table of sub-commands, and the two that say what this program is. */
#include "cli/cli.h"

#include "config/flags.h"
#include "version.h"

const struct cli_command cli_commands[] = {
    {"run", "watch the configured servers and answer Prometheus", cli_run},
    {"check", "sample every target once and show what came of it", cli_check},
    {"check-config", "check the configuration and print it with all defaults", cli_check_config},
    {"check-rules", "check files of alerting and recording rules", cli_check_rules},
    {"query", "ask a running daemon in PromQL", cli_query},
    {"breaker", "show the breakers of a running daemon, or order one", cli_breaker},
    {"failover", "show failovers of a running daemon, and order them", cli_failover},
    {"set", "change a threshold of a running daemon, or list them", cli_set},
    {"test-promql", "run files of PromQL test cases", cli_test_promql},
    {"metrics", "print the reference of all metrics", cli_metrics},
    {"test-rules", "run unit tests of alerting and recording rules", cli_test_rules},
    {"version", "print the version", cli_version},
    {"help", "print this text", cli_help},
    {NULL},
};

struct no_flags {
    bool help;
};

static const struct flag no_flag_rows[] = {
    {"--help", FLAG_BOOL, offsetof(struct no_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

int cli_version(int argc, char **argv) {
    struct no_flags flags = {0};
    int status = 0;
    if (!cli_flags(no_flag_rows, "Usage: dbvitals version\n\nPrints the version.",
                   offsetof(struct no_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    struct strbuf text = {0};
    strbuf_printf(&text, "dbvitals %s (revision %s; %s; built with %s)\n", DBVITALS_VERSION,
                  DBVITALS_REVISION, DBVITALS_BUILD_TYPE, DBVITALS_LIBRARIES);
    status = cli_print(strbuf_view(&text));
    strbuf_deinit(&text);
    return status;
}

/* "help check" is "check --help". */
static int help_of_command(char *name) {
    const struct cli_command *command = cli_find(str_of(name));
    char flag[] = "--help";
    char *argv[] = {name, flag, NULL};
    return command != NULL ? command->run(2, argv) : cli_unknown(str_of(name));
}

int cli_help(int argc, char **argv) {
    if (argc > 1 && argv[1][0] != '-') {
        return help_of_command(argv[1]);
    }
    struct strbuf text = {0};
    strbuf_add_text(&text, "Usage: dbvitals [COMMAND] [FLAGS]\n\n"
                           "Watches PostgreSQL, PgBouncer, Redis and Sentinel servers and tells "
                           "Prometheus.\n\nCommands ('run' when none is given):\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        strbuf_printf(&text, "  %-14s %s\n", command->name, command->help);
    }
    strbuf_add_text(&text, "\n'dbvitals COMMAND --help' tells the flags of a command. Flags of "
                           "'run', each\nwith its environment variable:\n");
    flags_help(&text);
    int status = cli_print(strbuf_view(&text));
    strbuf_deinit(&text);
    return status;
}
