/* SPDX-License-Identifier: Apache-2.0 */

/* Flags as rows of a const table. */
#include "config/flag_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "config/quote.h"

#define HELP_COLUMNS 80

const char *flag_variable(const struct flag *flag, char out[FLAG_VARIABLE_SIZE]) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "DBVITALS_");
    for (const char *c = flag->name + strspn(flag->name, "-"); *c != '\0'; c++) {
        strbuf_add_char(&text, isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_');
    }
    size_t length = text.len < FLAG_VARIABLE_SIZE ? text.len : FLAG_VARIABLE_SIZE - 1;
    memcpy(out, text.data, length);
    out[length] = '\0';
    strbuf_deinit(&text);
    return out;
}

static size_t count_flags(const struct flag *flags) {
    size_t count = 0;
    while (flags[count].name != NULL) {
        count++;
    }
    return count;
}

static const struct flag *find_flag(const struct flag *flags, struct str name) {
    for (const struct flag *flag = flags; flag->name != NULL; flag++) {
        if (str_is(name, flag->name)) {
            return flag;
        }
    }
    return NULL;
}

/* --no-<name> of a bool. */
static const struct flag *find_negated(const struct flag *flags, struct str name) {
    for (const struct flag *flag = flags; flag->name != NULL; flag++) {
        if (flag->type == FLAG_BOOL && !flag->no_environment && str_starts_with(name, "--no-") &&
            str_is((struct str){name.data + 5, name.len - 5}, flag->name + 2)) {
            return flag;
        }
    }
    return NULL;
}

static bool parse_bool(const char *text, bool *ret) {
    static const char *const words[] = {"true", "1", "yes", "on", "false", "0", "no", "off"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *ret = i < ARRAY_LEN(words) / 2;
            return true;
        }
    }
    return false;
}

static int set_choice(const struct flag *flag, const char *origin, const char *value, int *field,
                      struct error *err) {
    size_t count = 0;
    struct strbuf names = {0};
    for (; flag->choices[count] != NULL; count++) {
        if (strcmp(value, flag->choices[count]) == 0) {
            *field = (int)count;
            strbuf_deinit(&names);
            return 0;
        }
        strbuf_printf(&names, "%s%s", count != 0 ? ", " : "", flag->choices[count]);
    }
    char quoted[QUOTE_SIZE];
    error_say(err, -EINVAL, "%s must be one of %s, not %s", origin, names.data,
              quote(str_of(value), quoted));
    strbuf_deinit(&names);
    return -EINVAL;
}

/* One pass over one source of values: fallbacks, environment or command line. */
struct reader {
    const struct flag *flags;
    char *base;         /* of the struct that is filled */
    bool only_operands; /* "--" was there */
    uint64_t seen;      /* flags of this pass, by index: the first entry of a list replaces the list
                           of the pass before */
    struct error *err;
};

static int set_list(struct reader *reader, const struct flag *flag, const char *origin,
                    const char *value) {
    const char **list = (const char **)(void *)(reader->base + flag->offset);
    size_t *count = (size_t *)(void *)(reader->base + flag->count_offset);
    uint64_t bit = (uint64_t)1 << (flag - reader->flags);
    if ((reader->seen & bit) == 0) {
        reader->seen |= bit;
        *count = 0;
    }
    if (*count >= flag->most) {
        return error_say(reader->err, -EINVAL, "%s was given more than %zu times", origin,
                         flag->most);
    }
    list[(*count)++] = value;
    return 0;
}

static int set_bytes(const char *origin, const char *value, uint64_t *field, struct error *err) {
    struct error why = {0};
    char quoted[QUOTE_SIZE];
    if (bytes_parse(str_of(value), field, &why) < 0) {
        return error_say(err, -EINVAL, "%s: %s %s", origin, quote(str_of(value), quoted), why.text);
    }
    return 0;
}

static int set_count(const struct flag *flag, const char *origin, const char *value,
                     unsigned *field, struct error *err) {
    uint64_t number;
    char quoted[QUOTE_SIZE];
    if (!str_to_uint64(str_of(value), &number) || number > flag->most) {
        return error_say(err, -EINVAL, "%s must be a number from 0 to %zu, not %s", origin,
                         flag->most, quote(str_of(value), quoted));
    }
    *field = (unsigned)number;
    return 0;
}

/* origin is what a message calls the source: the flag or its environment variable. */
static int set_value(struct reader *reader, const struct flag *flag, const char *origin,
                     const char *value) {
    char *field = reader->base + flag->offset;
    char quoted[QUOTE_SIZE];
    if (value[0] == '\0') {
        return error_say(reader->err, -EINVAL, "%s is empty: give it a value or leave it out",
                         origin);
    }
    const char *wrong = flag->check != NULL ? flag->check(value) : NULL;
    if (wrong != NULL) {
        /* Without the value: a URL may hold a password. */
        return error_say(reader->err, -EINVAL, "%s %s", origin, wrong);
    }
    switch (flag->type) {
    case FLAG_TEXT:
        *(const char **)(void *)field = value;
        return 0;
    case FLAG_LIST:
    case FLAG_OPERANDS:
        return set_list(reader, flag, origin, value);
    case FLAG_CHOICE:
        return set_choice(flag, origin, value, (int *)(void *)field, reader->err);
    case FLAG_BYTES:
        return set_bytes(origin, value, (uint64_t *)(void *)field, reader->err);
    case FLAG_COUNT:
        return set_count(flag, origin, value, (unsigned *)(void *)field, reader->err);
    case FLAG_BOOL:
        if (!parse_bool(value, (bool *)(void *)field)) {
            return error_say(reader->err, -EINVAL, "%s must be true or false, not %s", origin,
                             quote(str_of(value), quoted));
        }
        return 0;
    }
    return -EINVAL;
}

static int unknown_flag(const struct flag *flags, struct str name, struct error *err) {
    char quoted[QUOTE_SIZE];
    struct strbuf word = {0};
    size_t dashes = 0;
    while (dashes < name.len && name.data[dashes] == '-') {
        dashes++;
    }
    strbuf_add_text(&word, "--");
    strbuf_add(&word, name.data + dashes, name.len - dashes);
    const char *meant =
        str_suggest(strbuf_view(&word), &flags[0].name, count_flags(flags), sizeof(flags[0]));
    strbuf_deinit(&word);
    quote(name, quoted);
    if (meant != NULL) {
        return error_say(err, -EINVAL, "unknown flag %s (did you mean '%s'?)", quoted, meant);
    }
    return error_say(err, -EINVAL, "unknown flag %s (--help lists all)", quoted);
}

static int read_operand(struct reader *reader, const char *value) {
    char quoted[QUOTE_SIZE];
    for (const struct flag *flag = reader->flags; flag->name != NULL; flag++) {
        if (flag->type == FLAG_OPERANDS) {
            return set_value(reader, flag, flag->name, value);
        }
    }
    return error_say(reader->err, -EINVAL, "unexpected argument %s (flags begin with '--')",
                     quote(str_of(value), quoted));
}

/* Reads the flag at argv[*index] and moves *index over a value that stands apart. */
static int read_argument(struct reader *reader, int argc, char **argv, int *index) {
    struct str rest = str_of(argv[*index]);
    if (reader->only_operands || rest.len < 2 || rest.data[0] != '-') {
        return read_operand(reader, argv[*index]);
    }
    if (str_is(rest, "--")) {
        reader->only_operands = true;
        return 0;
    }
    bool has_value = memchr(rest.data, '=', rest.len) != NULL;
    struct str name = str_cut(&rest, '=');
    if (str_is(name, "-h")) {
        name = str_of("--help");
    }
    const struct flag *flag = find_flag(reader->flags, name);
    if (flag == NULL && !has_value && (flag = find_negated(reader->flags, name)) != NULL) {
        return set_value(reader, flag, flag->name, "false");
    }
    if (flag == NULL) {
        return unknown_flag(reader->flags, name, reader->err);
    }
    if (has_value) {
        return set_value(reader, flag, flag->name, rest.data);
    }
    if (flag->type == FLAG_BOOL) {
        return set_value(reader, flag, flag->name, "true");
    }
    if (*index + 1 >= argc) {
        return error_say(reader->err, -EINVAL, "%s needs a value: %s=%s", flag->name, flag->name,
                         flag->argument);
    }
    (*index)++;
    return set_value(reader, flag, flag->name, argv[*index]);
}

static int read_fallbacks(struct reader *reader) {
    for (const struct flag *flag = reader->flags; flag->name != NULL; flag++) {
        int r = flag->fallback != NULL ? set_value(reader, flag, flag->name, flag->fallback) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int read_environment(struct reader *reader) {
    for (const struct flag *flag = reader->flags; flag->name != NULL; flag++) {
        char variable[FLAG_VARIABLE_SIZE];
        const char *value = flag->no_environment ? NULL : getenv(flag_variable(flag, variable));
        int r = value != NULL && value[0] != '\0' ? set_value(reader, flag, variable, value) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int flag_table_parse(const struct flag *flags, int argc, char **argv, void *ret,
                     struct error *err) {
    struct reader reader = {.flags = flags, .base = ret, .err = err};
    int r = read_fallbacks(&reader);
    reader.seen = 0;
    if (r == 0) {
        r = read_environment(&reader);
    }
    reader.seen = 0;
    for (int i = 1; i < argc && r == 0; i++) {
        r = read_argument(&reader, argc, argv, &i);
    }
    return r;
}

/* Adds words, with a new indented line where the next one would go beyond the column. */
static void add_wrapped(struct strbuf *out, struct str words) {
    size_t column = HELP_COLUMNS; /* the first word begins a line */
    while (words.len > 0) {
        struct str word = str_cut(&words, ' ');
        if (column + 1 + word.len > HELP_COLUMNS) {
            strbuf_add_text(out, "\n      ");
            column = strlen("      ");
        } else {
            strbuf_add_char(out, ' ');
            column++;
        }
        strbuf_add_str(out, word);
        column += word.len;
    }
}

void flag_table_help(const struct flag *flags, struct strbuf *out) {
    struct strbuf text = {0};
    for (const struct flag *flag = flags; flag->name != NULL; flag++) {
        char variable[FLAG_VARIABLE_SIZE];
        strbuf_printf(out, "  %s", flag->name);
        if (flag->argument != NULL) {
            strbuf_printf(out, "=%s", flag->argument);
        }
        strbuf_clear(&text);
        strbuf_add_text(&text, flag->help);
        if (flag->fallback != NULL) {
            strbuf_printf(&text, " [default: %s]", flag->fallback);
        }
        if (!flag->no_environment) {
            strbuf_printf(&text, " [%s]", flag_variable(flag, variable));
        }
        add_wrapped(out, strbuf_view(&text));
        strbuf_add_char(out, '\n');
    }
    strbuf_deinit(&text);
}
