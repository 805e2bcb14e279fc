/* SPDX-License-Identifier: Apache-2.0 */

/* Connection strings, checked and taken apart by libpq's own parser. Its error texts quote pieces
 * of the string, and a badly escaped password can be such a piece: so none of them is passed on,
 * and a word of the string is repeated only when the string holds no secret at all. */
#include "io/pg_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/pg_params.h"

static const char *const uri_prefixes[] = {"postgresql://", "postgres://"};

/* What follows "postgresql://", or NULL when the string is of the keyword form. */
static const char *uri_body(const char *dsn) {
    for (size_t i = 0; i < ARRAY_LEN(uri_prefixes); i++) {
        if (str_starts_with(str_of(dsn), uri_prefixes[i])) {
            return dsn + strlen(uri_prefixes[i]);
        }
    }
    return NULL;
}

/* libpq ends user and password at the first '@' or '/': with a raw one inside a password its rest
 * would become a host or database name, and stand in labels. */
static int check_uri_escapes(const char *body, struct error *err) {
    size_t authority = strcspn(body, "@/");
    const char *rest = body + authority + (body[authority] != '\0');
    if (memchr(rest, '@', strcspn(rest, "?")) == NULL) {
        return 0;
    }
    if (body[authority] == '/') {
        return error_say(err, -EINVAL,
                         "a '/' stands before '@': write '/' in a user name or password as %%2F, "
                         "and '@' in a database name as %%40");
    }
    return error_say(err, -EINVAL, "more than one '@': write those in names and passwords as %%40");
}

static bool may_hold_secret(const char *dsn) {
    const char *body = uri_body(dsn);
    return strcasestr(dsn, "pass") != NULL || (body != NULL && strchr(body, '@') != NULL);
}

/* The word between the quotes in a text of libpq such as: invalid connection option "hots" */
static struct str quoted_word(const char *text) {
    const char *from = strchr(text, '"');
    const char *to = from != NULL ? strrchr(from + 1, '"') : NULL;
    return to != NULL ? (struct str){from + 1, (size_t)(to - from - 1)} : (struct str){0};
}

static int say_unknown_parameter(const char *dsn, struct str word, struct error *err) {
    PQconninfoOption *known = PQconninfoParse("", NULL);
    size_t count = 0;
    while (known != NULL && known[count].keyword != NULL) {
        count++;
    }
    const char *nearest = str_suggest(word, known, count, sizeof(*known));
    char shown[48] = "", meant[64] = "";
    if (!may_hold_secret(dsn) && word.len < sizeof(shown) - 4) {
        snprintf(shown, sizeof(shown), " '%.*s'", (int)word.len, word.data);
    }
    if (nearest != NULL) {
        snprintf(meant, sizeof(meant), " (did you mean '%s'?)", nearest);
    }
    PQconninfoFree(known);
    return error_say(err, -EINVAL, "unknown parameter%s in the connection string%s", shown, meant);
}

/* Beginnings of libpq's texts, and what is said instead. */
static const struct syntax_error {
    const char *theirs, *ours;
} syntax_errors[] = {
    {"missing \"=\"",
     "is neither a URI (postgresql://...) nor a list of name=value: a '=' is missing"},
    {"unterminated quoted string", "a quoted value has no closing quote"},
    {"invalid percent-encoded token", "a '%' is not followed by two hex digits (write '%' as %25)"},
    {"forbidden value %00", "%00 is not allowed"},
    {"end of string reached", "the ']' of an IPv6 address is missing"},
    {"IPv6 host address may not be empty", "an IPv6 address is empty"},
    {"unexpected character", "a host is followed by neither ':' nor '/'"},
    {"extra key/value separator", "a URI parameter has more than one '='"},
    {"missing key/value separator", "a URI parameter has no '='"},
};

static int say_syntax_error(const char *dsn, const char *theirs, struct error *err) {
    if (str_starts_with(str_of(theirs), "invalid connection option") ||
        str_starts_with(str_of(theirs), "invalid URI query parameter")) {
        return say_unknown_parameter(dsn, quoted_word(theirs), err);
    }
    for (size_t i = 0; i < ARRAY_LEN(syntax_errors); i++) {
        if (str_starts_with(str_of(theirs), syntax_errors[i].theirs)) {
            return error_say(err, -EINVAL, "connection string: %s", syntax_errors[i].ours);
        }
    }
    return error_say(err, -EINVAL, "not a valid connection string");
}

/* libpq looks at these only when it connects: a mistake is better found when it is read. */
static const char *const ssl_modes[] = {"disable", "allow",     "prefer",
                                        "require", "verify-ca", "verify-full"};

static int check_port_list(struct str list, struct error *err) {
    while (list.len != 0) {
        struct str port = str_trim(str_cut(&list, ','));
        uint64_t number;
        if (port.len != 0 && (!str_to_uint64(port, &number) || number < 1 || number > 65535)) {
            return error_say(err, -EINVAL, "'port' must be a number from 1 to 65535");
        }
    }
    return 0;
}

static int check_ssl_mode(const char *mode, struct error *err) {
    for (size_t i = 0; i < ARRAY_LEN(ssl_modes); i++) {
        if (strcmp(mode, ssl_modes[i]) == 0) {
            return 0;
        }
    }
    return error_say(err, -EINVAL,
                     "'sslmode' must be disable, allow, prefer, require, verify-ca or verify-full");
}

static int check_value(const char *keyword, const char *value, struct error *err) {
    if (strcmp(keyword, "port") == 0) {
        return check_port_list(str_of(value), err);
    }
    if (strcmp(keyword, "sslmode") == 0) {
        return check_ssl_mode(value, err);
    }
    return 0;
}

static void add_value(struct strbuf *dsn, const char *keyword, const char *value) {
    strbuf_printf(dsn, "%s%s='", dsn->len != 0 ? " " : "", keyword);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\'' || *p == '\\') {
            strbuf_add_char(dsn, '\\');
        }
        strbuf_add_char(dsn, *p);
    }
    strbuf_add_char(dsn, '\'');
}

/* Secrets go to fields of their own, the rest into a connection string again. */
static int take_apart(const PQconninfoOption *list, struct pg_options *ret, struct error *err) {
    struct strbuf dsn = {0};
    int r = 0;
    for (const PQconninfoOption *option = list; option->keyword != NULL && r == 0; option++) {
        if (option->val == NULL) {
            continue;
        }
        if (strcmp(option->keyword, "password") == 0) {
            ret->password = mem_strdup(option->val);
        } else if (strcmp(option->keyword, "sslpassword") == 0) {
            ret->key_password = mem_strdup(option->val);
        } else {
            r = check_value(option->keyword, option->val, err);
            add_value(&dsn, option->keyword, option->val);
        }
    }
    ret->dsn = strbuf_take(&dsn);
    return r;
}

int pg_options_parse(const char *dsn, struct pg_options *ret, struct error *err) {
    const char *body = uri_body(dsn);
    int r = body != NULL ? check_uri_escapes(body, err) : 0;
    if (r < 0) {
        return r;
    }
    char *theirs = NULL;
    PQconninfoOption *list = PQconninfoParse(dsn, &theirs);
    if (list == NULL) {
        r = say_syntax_error(dsn, theirs != NULL ? theirs : "", err);
        if (theirs != NULL) {
            explicit_bzero(theirs, strlen(theirs));
        }
        PQfreemem(theirs);
        return r;
    }
    struct pg_options options = {0};
    r = take_apart(list, &options, err);
    pg_conninfo_wipe(list);
    if (r < 0) {
        pg_options_deinit(&options);
        return r;
    }
    *ret = options;
    return 0;
}

int pg_options_check_single(const struct pg_options *options, struct error *err) {
    struct pg_params params = {0};
    int r = pg_params_load(options, &params, err);
    if (r < 0) {
        return r;
    }
    const char *attributes = pg_params_get(&params, "target_session_attrs");
    const char *host = pg_params_get(&params, "host");
    const char *address = pg_params_get(&params, "hostaddr");
    if ((host != NULL && strchr(host, ',') != NULL) ||
        (address != NULL && strchr(address, ',') != NULL)) {
        r = error_say(err, -EINVAL, "it names several hosts");
    } else if (attributes != NULL && strcmp(attributes, "any") != 0) {
        r = error_say(err, -EINVAL, "target_session_attrs chooses among servers");
    }
    pg_params_deinit(&params);
    return r;
}

void pg_options_deinit(struct pg_options *options) {
    free(options->dsn);
    mem_free_secret(options->password);
    mem_free_secret(options->key_password);
    free(options->database);
    *options = (struct pg_options){0};
}

void pg_options_instance(const struct pg_options *options, char *out, size_t size) {
    struct pg_params params = {0};
    pg_params_load(options, &params, NULL);
    const char *host = pg_params_get(&params, "host"), *ports = pg_params_get(&params, "port");
    if (host == NULL) {
        host = pg_params_get(&params, "hostaddr");
    }
    /* Debian's and most others'; what is compiled into libpq cannot be asked for. */
    struct str hosts = str_of(host != NULL ? host : "/var/run/postgresql");
    struct str first = str_cut(&hosts, ',');
    struct str port_list = str_of(ports != NULL ? ports : "");
    struct str port = str_cut(&port_list, ',');
    if (port.len == 0) {
        port = str_of("5432");
    }
    bool v6 = first.len != 0 && first.data[0] != '/' && memchr(first.data, ':', first.len) != NULL;
    snprintf(out, size, v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", (int)first.len, first.data, (int)port.len,
             port.data);
    pg_params_deinit(&params);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool pg_options_equal(const struct pg_options *a, const struct pg_options *b) {
    return same_text(a->dsn, b->dsn) && same_text(a->password, b->password) &&
           same_text(a->key_password, b->key_password) && same_text(a->database, b->database) &&
           a->guard_timeout_usec == b->guard_timeout_usec &&
           a->statement_timeout_usec == b->statement_timeout_usec;
}

static char *dup_or_null(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

void pg_options_copy(const struct pg_options *from, struct pg_options *ret) {
    *ret = (struct pg_options){
        .dsn = dup_or_null(from->dsn),
        .password = dup_or_null(from->password),
        .key_password = dup_or_null(from->key_password),
        .database = dup_or_null(from->database),
        .guard_timeout_usec = from->guard_timeout_usec,
        .statement_timeout_usec = from->statement_timeout_usec,
        .sql_ascii = from->sql_ascii,
    };
}
