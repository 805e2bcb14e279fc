/* SPDX-License-Identifier: Apache-2.0 */

/* Reads the text files of cases. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/table.h"

#define MARK ">>> "

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The cell without its escapes; \N alone is NULL. */
static struct str unescape(struct arena *arena, struct str cell) {
    static const char names[] = "tnrbfv\\", bytes[] = "\t\n\r\b\f\v\\";
    char *out = arena_alloc(arena, cell.len + 1);
    size_t len = 0;
    if (str_is(cell, "\\N")) {
        return (struct str){0};
    }
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.data[i] != '\\' || i + 1 == cell.len) {
            out[len++] = cell.data[i];
            continue;
        }
        char kind = cell.data[++i];
        const char *found = memchr(names, kind, sizeof(names) - 1);
        if (kind == 'x' && i + 2 < cell.len) {
            int high = hex_digit(cell.data[i + 1]), low = hex_digit(cell.data[i + 2]);
            out[len++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[len++] = found != NULL ? bytes[found - names] : kind;
        }
    }
    return (struct str){out, len};
}

static int read_rows(struct fixture *fixture, struct str text, struct error *err) {
    struct table_builder builder = {
        .arena = &fixture->arena,
        .limits = {CLIENT_MOST_ROWS, CLIENT_MOST_COLUMNS, CLIENT_MOST_BYTES},
    };
    bool head = true;
    int r = 0;
    while (r == 0 && text.len > 0) {
        struct str line = str_cut(&text, '\n');
        size_t count = 0;
        do {
            struct str cell = unescape(&fixture->arena, str_cut(&line, '\t'));
            r = head ? table_builder_column(&builder, cell, err)
                     : table_builder_cell(&builder, cell, err);
            count++;
        } while (r == 0 && line.data != NULL && line.len > 0);
        /* A last cell without text leaves nothing behind its tab. */
        if (r == 0 && !head && count + 1 == builder.n_columns) {
            r = table_builder_cell(&builder, str_of(""), err);
            count++;
        }
        if (r == 0 && !head && count != builder.n_columns) {
            r = error_say(err, -EINVAL, "a row has %zu cells, not %zu", count, builder.n_columns);
        }
        head = false;
    }
    if (r == 0) {
        fixture->reply.table = table_builder_end(&builder);
    }
    table_builder_deinit(&builder);
    return r;
}

/* INFO ends its lines with CR LF, a file of the kernel with LF. */
static void read_lines(struct fixture *fixture, struct str text, const char *end_of_line) {
    struct strbuf info = {0};
    while (text.len > 0) {
        strbuf_add_str(&info, str_cut(&text, '\n'));
        strbuf_add_text(&info, end_of_line);
    }
    struct tree *tree = arena_alloc(&fixture->arena, sizeof(*tree));
    *tree =
        (struct tree){.type = TREE_TEXT, .text = arena_dup(&fixture->arena, strbuf_view(&info))};
    strbuf_deinit(&info);
    fixture->reply.tree = tree;
}

static size_t indent_of(struct str line) {
    size_t count = 0;
    while (count < line.len && line.data[count] == ' ') {
        count++;
    }
    return count;
}

/* Cuts one item and what is deeper than it off *text. */
static struct tree read_tree(struct fixture *fixture, struct str *text) {
    struct str line = str_cut(text, '\n');
    size_t indent = indent_of(line);
    struct str rest = {line.data + indent, line.len - indent};
    struct tree tree = {.type = TREE_NIL};
    char kind = rest.len > 0 ? rest.data[0] : '~';
    if (kind == '"' || kind == '!' || kind == ':') {
        tree.type = kind == '"' ? TREE_TEXT : kind == '!' ? TREE_ERROR : TREE_INTEGER;
        tree.text = unescape(&fixture->arena, (struct str){rest.data + 1, rest.len - 1});
        str_to_int64(tree.text, &tree.integer);
    } else if (kind == '*') {
        struct tree *items = arena_array(&fixture->arena, 256, sizeof(*items));
        tree.type = TREE_LIST;
        tree.items = items;
        while (text->len > 0 && indent_of(*text) > indent && tree.n_items < 256) {
            items[tree.n_items++] = read_tree(fixture, text);
        }
    }
    return tree;
}

static int read_section(struct fixture *fixture, struct str name, struct str body,
                        struct error *err) {
    if (str_is(name, "rows")) {
        return read_rows(fixture, body, err);
    }
    if (str_is(name, "info")) {
        read_lines(fixture, body, "\r\n");
    } else if (str_is(name, "file")) {
        read_lines(fixture, body, "\n");
    } else if (str_is(name, "tree")) {
        struct tree *tree = arena_alloc(&fixture->arena, sizeof(*tree));
        *tree = read_tree(fixture, &body);
        fixture->reply.tree = tree;
    } else if (str_starts_with(name, "follow-up ") && fixture->n_follow_ups < FIXTURE_FOLLOW_UPS) {
        size_t prefix = strlen("follow-up ");
        fixture->commands[fixture->n_follow_ups] =
            (struct str){name.data + prefix, name.len - prefix};
        fixture->follow_ups[fixture->n_follow_ups++] = read_tree(fixture, &body);
    } else {
        return error_say(err, -EINVAL, "unknown section '%.*s'", (int)name.len, name.data);
    }
    return 0;
}

static bool option_number(const struct option *option, struct str text, uint64_t *ret) {
    return option->type == OPTION_DURATION ? duration_parse(text, ret, NULL) == 0
                                           : str_to_uint64(text, ret);
}

static int read_option(struct fixture *fixture, struct str text, const struct collector *collector,
                       struct error *err) {
    struct str name = str_cut(&text, ' ');
    for (size_t i = 0; collector->options != NULL && collector->options[i].name != NULL; i++) {
        if (str_is(name, collector->options[i].name)) {
            return option_number(&collector->options[i], text, &fixture->options[i].number)
                       ? 0
                       : error_say(err, -EINVAL, "an option is no number");
        }
    }
    return error_say(err, -EINVAL, "no option '%.*s'", (int)name.len, name.data);
}

static int read_setting(struct fixture *fixture, struct str line, const struct collector *collector,
                        struct error *err) {
    struct str name = str_cut(&line, ' ');
    struct sample_context *context = &fixture->context;
    int64_t number = 0;
    bool is_number = str_to_int64(line, &number);
    if (name.len == 0 || name.data[0] == '#') {
        return 0;
    }
    if (str_is(name, "server")) {
        context->server = line;
    } else if (str_is(name, "role")) {
        for (int role = ROLE_UNKNOWN; role <= ROLE_REPLICA; role++) {
            context->role =
                str_is(line, server_role_names[role]) ? (enum server_role)role : context->role;
        }
    } else if (str_is(name, "version") && is_number) {
        context->version = (int)number;
    } else if (str_is(name, "now") && is_number) {
        context->now_ms = number;
    } else if (str_is(name, "databases") && is_number) {
        facts_set(&fixture->known, FACT_DATABASES, number);
    } else if (str_is(name, "many-databases")) {
        context->many_databases = str_is(line, "yes");
    } else if (str_is(name, "option")) {
        return read_option(fixture, line, collector, err);
    } else {
        return error_say(err, -EINVAL, "unknown line '%.*s'", (int)name.len, name.data);
    }
    return 0;
}

static int read_file(const char *path, char **ret) {
    FILE *file = fopen(path, "re");
    struct strbuf text = {0};
    if (file == NULL) {
        return -errno;
    }
    for (size_t got = 1; got > 0;) {
        char *end = strbuf_reserve(&text, 4096);
        got = fread(end, 1, 4096, file);
        text.len += got;
    }
    fclose(file);
    strbuf_add_char(&text, '\0');
    *ret = strbuf_take(&text);
    return 0;
}

int fixture_load(struct fixture *fixture, const char *path, const struct collector *collector,
                 struct error *err) {
    *fixture = (struct fixture){0};
    int r = read_file(path, &fixture->text);
    if (r < 0) {
        return error_say(err, r, "cannot read '%s'", path);
    }
    struct str rest = str_of(fixture->text);
    for (size_t i = 0; collector->options != NULL && collector->options[i].name != NULL; i++) {
        const struct option *option = &collector->options[i];
        option_number(option, str_of(option->fallback), &fixture->options[i].number);
    }
    fixture->context = (struct sample_context){
        .server = str_of("db.example:5432"),
        .options = fixture->options,
        .now_ms = 1795254644000,
        .known = &fixture->known,
        .facts = &fixture->facts,
        .arena = &fixture->arena,
    };
    while (r == 0 && rest.len > 0 && !str_starts_with(rest, MARK)) {
        r = read_setting(fixture, str_cut(&rest, '\n'), collector, err);
    }
    while (r == 0 && rest.len > 0) {
        struct str name = str_cut(&rest, '\n');
        const char *end = memmem(rest.data, rest.len, "\n" MARK, strlen("\n" MARK));
        struct str body = {rest.data, rest.len};
        if (str_starts_with(rest, MARK)) {
            body.len = 0;
        } else if (end != NULL) {
            body.len = (size_t)(end - rest.data) + 1;
        }
        rest = (struct str){rest.data + body.len, rest.len - body.len};
        name = (struct str){name.data + strlen(MARK), name.len - strlen(MARK)};
        if (str_is(name, "expect")) {
            fixture->expect = body;
            fixture->head = (struct str){fixture->text, (size_t)(body.data - fixture->text)};
            break;
        }
        r = read_section(fixture, name, body, err);
    }
    if (r == 0 && fixture->head.len == 0) {
        return error_say(err, -EINVAL, "no section 'expect'");
    }
    return r;
}

void fixture_deinit(struct fixture *fixture) {
    arena_deinit(&fixture->arena);
    free(fixture->text);
    *fixture = (struct fixture){0};
}
