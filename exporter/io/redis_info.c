/* SPDX-License-Identifier: Apache-2.0 */

#include "io/redis_info.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

/* Names seen so far and their columns; "the first of equal names counts" without a search. */
struct names {
    struct arena *arena; /* borrowed */
    struct hash_map by_name;
    size_t n_names;
};

struct name_entry {
    struct str name; /* borrowed from the text */
    size_t column;
};

static bool has_name(const void *entry, const void *key) {
    const struct name_entry *name = entry;
    return str_equal(name->name, *(const struct str *)key);
}

static const struct name_entry *find_name(const struct names *names, struct str name,
                                          uint64_t hash) {
    return hash_map_get(&names->by_name, hash, has_name, &name);
}

static void add_name(struct names *names, struct str name, uint64_t hash) {
    struct name_entry *entry = arena_alloc(names->arena, sizeof(*entry));
    *entry = (struct name_entry){.name = name, .column = names->n_names++};
    hash_map_add(&names->by_name, hash, entry);
}

struct line {
    struct str name, value;
};

/* The next `name:value`. A value may hold colons; a line without one, a section head or an empty
 * name is no pair. Return: false at the end of the text. */
static bool next_line(struct str *rest, struct line *ret) {
    while (rest->len > 0) {
        struct str line = str_cut(rest, '\n');
        if (line.len > 0 && line.data[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len == 0 || line.data[0] == '#' || memchr(line.data, ':', line.len) == NULL) {
            continue;
        }
        ret->name = str_cut(&line, ':');
        ret->value = line.data != NULL ? line : (struct str){"", 0};
        if (ret->name.len > 0) {
            return true;
        }
    }
    return false;
}

/* The next `field=value` of a record's value. Return: false at its end. */
static bool next_field(struct str *rest, struct line *ret) {
    while (rest->len > 0) {
        struct str field = str_cut(rest, ',');
        if (field.len == 0 || memchr(field.data, '=', field.len) == NULL) {
            continue;
        }
        ret->name = str_cut(&field, '=');
        ret->value = field.data != NULL ? field : (struct str){"", 0};
        if (ret->name.len > 0) {
            return true;
        }
    }
    return false;
}

/* Adds a column unless there is one of this name. Return: 1 when it is new, 0, or negative errno.
 */
static int add_column(struct names *names, struct str name, struct table_builder *builder,
                      struct error *err) {
    uint64_t hash = hash_bytes(name.data, name.len);
    if (find_name(names, name, hash) != NULL) {
        return 0;
    }
    int r = table_builder_column(builder, name, err);
    if (r < 0) {
        return r;
    }
    add_name(names, name, hash);
    return 1;
}

/* The values in the order of their names; they go into the table when all columns are known. */
static int build_pairs(struct str info, struct names *names, struct table_builder *builder,
                       struct error *err) {
    struct str *values = NULL;
    size_t n_values = 0, capacity = 0;
    struct line line;
    size_t n_lines = 0;
    int r = 0;
    while (r >= 0 && next_line(&info, &line)) {
        /* Equal names do not make columns, but time. */
        if (++n_lines > builder->limits.max_columns) {
            free(values);
            return error_say(err, -E2BIG, "reply has more than %zu lines",
                             builder->limits.max_columns);
        }
        r = add_column(names, line.name, builder, err);
        if (r > 0) {
            values = mem_grow(values, n_values, &capacity, sizeof(*values));
            values[n_values++] = line.value;
        }
    }
    for (size_t i = 0; r >= 0 && i < n_values; i++) {
        r = table_builder_cell(builder, values[i], err);
    }
    free(values);
    return r < 0 ? r : 0;
}

/* The next line that is such a record; its key in ret->name. Most lines are none, and are passed
 * over without being taken apart. */
static bool next_record(struct str *rest, struct str record, struct line *ret) {
    while (rest->len > 0) {
        struct str line = *rest;
        if (rest->len <= record.len || memcmp(rest->data, record.data, record.len) != 0) {
            str_cut(rest, '\n');
            continue;
        }
        line = str_cut(rest, '\n');
        struct line found, field;
        if (!next_line(&line, &found) || found.name.len <= record.len) {
            continue;
        }
        struct str fields = found.value;
        if (next_field(&fields, &field)) {
            ret->name = (struct str){found.name.data + record.len, found.name.len - record.len};
            ret->value = found.value;
            return true;
        }
    }
    return false;
}

/* A row: cells of fields that the line has; the first of equal fields counts. */
static int add_row(const struct line *line, const struct names *names, struct str *cells,
                   struct table_builder *builder, struct error *err) {
    int r = 0;
    memset(cells, 0, names->n_names * sizeof(*cells));
    cells[0] = line->name;
    struct str rest = line->value;
    struct line field;
    while (next_field(&rest, &field)) {
        const struct name_entry *entry =
            find_name(names, field.name, hash_bytes(field.name.data, field.name.len));
        if (entry != NULL && cells[entry->column].data == NULL) {
            cells[entry->column] = field.value;
        }
    }
    for (size_t i = 0; r == 0 && i < names->n_names; i++) {
        r = table_builder_cell(builder, cells[i], err);
    }
    return r;
}

static int build_records(struct str info, struct str record, struct names *names,
                         struct table_builder *builder, struct error *err) {
    int r = add_column(names, str_of("key"), builder, err);
    struct str rest = info, span = {"", 0}; /* from the first record to the last */
    struct line line, field;
    while (r >= 0 && next_record(&rest, record, &line)) {
        struct str fields = line.value;
        if (span.len == 0) {
            span.data = line.name.data - record.len;
        }
        span.len = (size_t)(line.value.data + line.value.len - span.data);
        while (r >= 0 && next_field(&fields, &field)) {
            r = add_column(names, field.name, builder, err);
        }
    }
    if (r < 0) {
        return r;
    }
    struct str *cells = mem_array(names->n_names, sizeof(*cells));
    r = 0;
    while (r == 0 && next_record(&span, record, &line)) {
        r = add_row(&line, names, cells, builder, err);
    }
    free(cells);
    return r;
}

static int end(int r, struct names *names, struct table_builder *builder,
               const struct table **ret) {
    hash_map_deinit(&names->by_name);
    if (r < 0) {
        table_builder_deinit(builder);
        return r;
    }
    *ret = table_builder_end(builder);
    return 0;
}

int redis_info_pairs(struct str info, const struct table_limits *limits, struct arena *arena,
                     const struct table **ret, struct error *err) {
    struct table_builder builder = {.arena = arena, .limits = *limits, .borrow = true};
    struct names names = {.arena = arena};
    return end(build_pairs(info, &names, &builder, err), &names, &builder, ret);
}

int redis_info_records(struct str info, const char *record, const struct table_limits *limits,
                       struct arena *arena, const struct table **ret, struct error *err) {
    struct table_builder builder = {.arena = arena, .limits = *limits, .borrow = true};
    struct names names = {.arena = arena};
    return end(build_records(info, str_of(record), &names, &builder, err), &names, &builder, ret);
}
