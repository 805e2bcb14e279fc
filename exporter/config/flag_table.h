/* SPDX-License-Identifier: Apache-2.0 */

/* Flags as rows of a const table: parsing, defaults, environment variables and --help come from the
 * same row. Used by `dbvitals run` (flags.c) and by the other sub-commands. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

enum flag_type {
    FLAG_TEXT,     /* const char *, NULL when not given and without a fallback */
    FLAG_LIST,     /* const char *[], a count behind it says how many: may be given several times */
    FLAG_BOOL,     /* bool: --name, --name=false, --no-name */
    FLAG_CHOICE,   /* int-sized enum: index of one of the choices */
    FLAG_BYTES,    /* uint64_t: 100MiB */
    FLAG_COUNT,    /* unsigned, at most `most` */
    FLAG_OPERANDS, /* as FLAG_LIST: what stands without dashes, or behind "--"; one row at most */
};

struct flag {
    const char *name; /* with its dashes, for FLAG_OPERANDS without; NULL ends the table */
    enum flag_type type;
    size_t offset;              /* of the value in the struct that is filled */
    size_t count_offset;        /* FLAG_LIST: of its size_t */
    size_t most;                /* FLAG_LIST, FLAG_OPERANDS: entries; FLAG_COUNT: the largest */
    const char *const *choices; /* FLAG_CHOICE: NULL-terminated */
    const char *argument;       /* what --help calls the value; NULL: a bool has none */
    const char *fallback;       /* as it would be given; NULL: none */
    const char *help;
    /* NULL: any text but an empty one. Return: what is wrong with it as the end of a sentence that
     * begins with the flag's name ("must begin with '/'"), or NULL. */
    const char *(*check)(const char *value);
    bool no_environment; /* --help, --version */
};

/* Size of a buffer for the longest name of an environment variable. */
#define FLAG_VARIABLE_SIZE 64

/* Reads argv[1...]; ret must be zeroed. Fallbacks first, then the environment, then the command
 * line. An environment variable that is empty counts as unset; one for a FLAG_LIST holds one entry,
 * and entries of the command line replace it.
 * Strings are borrowed. Return: 0, or -EINVAL with a sentence. */
int flag_table_parse(const struct flag *flags, int argc, char **argv, void *ret, struct error *err);

/* One entry per flag: name, help, default, environment variable. */
void flag_table_help(const struct flag *flags, struct strbuf *out);

/* "--web.listen-address" is DBVITALS_WEB_LISTEN_ADDRESS. Return: out. */
const char *flag_variable(const struct flag *flag, char out[FLAG_VARIABLE_SIZE]);
