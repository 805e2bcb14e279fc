/* SPDX-License-Identifier: Apache-2.0 */

/* Finds the sub-command and runs it. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/quote.h"
#include "config/read_file.h"

#define MOST_FILE_BYTES ((size_t)16 * 1024 * 1024)

static const char default_command[] = "run";

const struct cli_command *cli_find(struct str name) {
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (str_is(name, command->name)) {
            return command;
        }
    }
    return NULL;
}

int cli_unknown(struct str name) {
    size_t count = 0;
    while (cli_commands[count].name != NULL) {
        count++;
    }
    char quoted[QUOTE_SIZE], text[256];
    const char *meant = str_suggest(name, &cli_commands[0].name, count, sizeof(cli_commands[0]));
    quote(name, quoted);
    if (meant != NULL) {
        snprintf(text, sizeof(text), "unknown command %s (did you mean '%s'?)", quoted, meant);
    } else {
        snprintf(text, sizeof(text), "unknown command %s ('dbvitals help' lists all)", quoted);
    }
    return cli_fail(text);
}

int cli_main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    struct str first = str_of(argc > 1 ? argv[1] : "");
    if (str_is(first, "--help") || str_is(first, "-h")) {
        return cli_help(argc - 1, argv + 1);
    }
    if (str_is(first, "--version") || str_is(first, "-V")) {
        return cli_version(1, argv + 1);
    }
    bool named = first.len != 0 && first.data[0] != '-';
    const struct cli_command *command = cli_find(named ? first : str_of(default_command));
    if (command == NULL) {
        return cli_unknown(named ? first : str_of(default_command));
    }
    return named ? command->run(argc - 1, argv + 1) : command->run(argc, argv);
}

int cli_print(struct str text) {
    size_t done = 0;
    while (done < text.len) {
        ssize_t n = write(STDOUT_FILENO, text.data + done, text.len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EPIPE) {
            return 0;
        }
        if (n <= 0) {
            char message[160];
            snprintf(message, sizeof(message), "cannot write to standard output: %s",
                     strerror(n < 0 ? errno : EIO));
            return cli_fail(message);
        }
        done += (size_t)n;
    }
    return 0;
}

int cli_fail(const char *text) {
    fprintf(stderr, "dbvitals: %s\n", text);
    return 1;
}

char *cli_read_file(const char *name, size_t *ret_length) {
    struct error err = {0};
    char *text = NULL;
    if (read_file(name, MOST_FILE_BYTES, &text, ret_length, &err) < 0) {
        fprintf(stderr, "dbvitals: file '%s' %s\n", name, err.text);
        return NULL;
    }
    return text;
}

bool cli_flags(const struct flag *flags, const char *usage, size_t help_offset, int argc,
               char **argv, void *ret, int *ret_status) {
    struct error err = {0};
    if (flag_table_parse(flags, argc, argv, ret, &err) < 0) {
        *ret_status = cli_fail(err.text);
        return false;
    }
    if (!*(const bool *)((const char *)ret + help_offset)) {
        return true;
    }
    struct strbuf text = {0};
    strbuf_printf(&text, "%s\n\nFlags:\n", usage);
    flag_table_help(flags, &text);
    *ret_status = cli_print(strbuf_view(&text));
    strbuf_deinit(&text);
    return false;
}
