/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/sync_names.h"

#include <errno.h>
#include <stdint.h>
#include <strings.h>

#include "base/macros.h"

enum token { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_ANY, TOKEN_FIRST, TOKEN_SIGN, TOKEN_BAD };

struct scanner {
    struct str rest;
    enum token token; /* the newest */
    char sign;        /* of TOKEN_SIGN */
    char text[SYNC_NAME_SIZE];
    bool cut; /* the text is longer */
};

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 128;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char first(const struct scanner *in) {
    return in->rest.len > 0 ? in->rest.data[0] : '\0';
}

static char take(struct scanner *in) {
    char c = first(in);
    in->rest = (struct str){in->rest.data + 1, in->rest.len - 1};
    return c;
}

static void add(struct scanner *in, size_t *len, char c) {
    if (*len + 1 < sizeof(in->text)) {
        in->text[(*len)++] = c;
    } else {
        in->cut = true;
    }
}

static enum token scan_quoted(struct scanner *in) {
    size_t len = 0;
    take(in);
    while (in->rest.len > 0) {
        char c = take(in);
        if (c == '"' && first(in) != '"') {
            in->text[len] = '\0';
            return TOKEN_NAME;
        }
        if (c == '"') {
            take(in);
        }
        if (c == '\0') {
            return TOKEN_BAD;
        }
        add(in, &len, c);
    }
    return TOKEN_BAD; /* not closed */
}

static enum token scan_word(struct scanner *in) {
    size_t len = 0;
    while (in->rest.len > 0 && (is_letter(first(in)) || is_digit(first(in)) || first(in) == '$')) {
        add(in, &len, take(in));
    }
    in->text[len] = '\0';
    return strcasecmp(in->text, "any") == 0     ? TOKEN_ANY
           : strcasecmp(in->text, "first") == 0 ? TOKEN_FIRST
                                                : TOKEN_NAME;
}

static enum token scan_number(struct scanner *in) {
    size_t len = 0;
    while (in->rest.len > 0 && is_digit(first(in))) {
        add(in, &len, take(in));
    }
    in->text[len] = '\0';
    return TOKEN_NUMBER;
}

static void next(struct scanner *in) {
    while (in->rest.len > 0 && is_space(first(in))) {
        take(in);
    }
    char c = first(in);
    if (in->rest.len == 0) {
        in->token = TOKEN_END;
    } else if (c == '"') {
        in->token = scan_quoted(in);
    } else if (is_letter(c)) {
        in->token = scan_word(in);
    } else if (is_digit(c)) {
        in->token = scan_number(in);
    } else if (c == '*') {
        in->text[0] = take(in);
        in->text[1] = '\0';
        in->token = TOKEN_NAME;
    } else {
        in->sign = c;
        in->token = c == ',' || c == '(' || c == ')' ? TOKEN_SIGN : TOKEN_BAD;
        take(in);
    }
}

static bool is_sign(const struct scanner *in, char sign) {
    return in->token == TOKEN_SIGN && in->sign == sign;
}

static int misspelt(struct error *err) {
    return error_say(err, -EINVAL, "synchronous_standby_names is not as PostgreSQL writes it");
}

static int add_name(struct sync_names *names, const char *text, bool cut, struct error *err) {
    if (cut || names->n_names == ARRAY_LEN(names->names)) {
        return error_say(err, -E2BIG,
                         "synchronous_standby_names has a name of more than %d bytes "
                         "or more than %d names",
                         SYNC_NAME_SIZE - 1, SYNC_MOST_NAMES);
    }
    memcpy(names->names[names->n_names++], text, SYNC_NAME_SIZE);
    return 0;
}

/* The newest token is what follows the first name or the first '('. */
static int read_rest(struct scanner *in, struct sync_names *names, struct error *err) {
    while (is_sign(in, ',')) {
        next(in);
        if (in->token != TOKEN_NAME && in->token != TOKEN_NUMBER) {
            return misspelt(err);
        }
        int r = add_name(names, in->text, in->cut, err);
        if (r < 0) {
            return r;
        }
        next(in);
    }
    return 0;
}

static int read_list(struct scanner *in, struct sync_names *names, struct error *err) {
    if (in->token != TOKEN_NAME && in->token != TOKEN_NUMBER) {
        return misspelt(err);
    }
    int r = add_name(names, in->text, in->cut, err);
    next(in);
    return r == 0 ? read_rest(in, names, err) : r;
}

static int read_quorum(struct scanner *in, struct sync_names *names, struct error *err) {
    uint64_t number;
    if (in->token != TOKEN_NUMBER || in->cut || !str_to_uint64(str_of(in->text), &number) ||
        number == 0 || number > INT32_MAX) {
        return misspelt(err);
    }
    names->quorum = (size_t)number;
    return 0;
}

/* After the number: "( list )". */
static int read_in_parentheses(struct scanner *in, struct sync_names *names, struct error *err) {
    if (!is_sign(in, '(')) {
        return misspelt(err);
    }
    next(in);
    int r = read_list(in, names, err);
    if (r == 0 && !is_sign(in, ')')) {
        return misspelt(err);
    }
    next(in);
    return r;
}

static int read_counted(struct scanner *in, struct sync_names *names, struct error *err) {
    next(in);
    int r = read_quorum(in, names, err);
    next(in);
    return r == 0 ? read_in_parentheses(in, names, err) : r;
}

/* A number at the beginning counts when a list follows, else it is a name. */
static int read_plain(struct scanner *in, struct sync_names *names, struct error *err) {
    struct scanner before = *in;
    next(in);
    if (before.token == TOKEN_NUMBER && is_sign(in, '(')) {
        int r = read_quorum(&before, names, err);
        return r == 0 ? read_in_parentheses(in, names, err) : r;
    }
    *in = before;
    return read_list(in, names, err);
}

int sync_names_read(struct str text, struct sync_names *ret, struct error *err) {
    struct sync_names names = {.rule = SYNC_FIRST, .quorum = 1};
    struct scanner in = {.rest = text};
    next(&in);
    if (in.token == TOKEN_END) {
        *ret = (struct sync_names){.rule = SYNC_OFF};
        return 0;
    }
    names.rule = in.token == TOKEN_ANY ? SYNC_ANY : SYNC_FIRST;
    int r = in.token == TOKEN_ANY || in.token == TOKEN_FIRST ? read_counted(&in, &names, err)
                                                             : read_plain(&in, &names, err);
    if (r == 0 && in.token != TOKEN_END) {
        r = misspelt(err);
    }
    if (r == 0) {
        *ret = names;
    }
    return r;
}

bool sync_name_is_any(const char *name) {
    return strcmp(name, "*") == 0;
}

size_t sync_names_place(const struct sync_names *names, const char *application_name) {
    for (size_t i = 0; i < names->n_names; i++) {
        if (sync_name_is_any(names->names[i]) ||
            strcasecmp(names->names[i], application_name) == 0) {
            return i + 1;
        }
    }
    return 0;
}
