/* SPDX-License-Identifier: Apache-2.0 */

#include "io/redis_info.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

/* Names seen so far and their columns; "the first of equal names counts" without a search. */
struct names {
    struct hash_map by_name;
    struct name_entry {
        struct str name; /* borrowed from the text */
        size_t column;
    } * *entries;
    size_t n_entries, capacity;
};

static bool has_name(const void *entry, const void *key) {
    const struct name_entry *name = entry;
    return str_equal(name->name, *(const struct str *)key);
}

static const struct name_entry *find_name(const struct names *names, struct str name) {
    return hash_map_get(&names->by_name, hash_bytes(name.data, name.len), has_name, &name);
}

static void add_name(struct names *names, struct str name) {
    struct name_entry *entry = mem_alloc(sizeof(*entry));
    *entry = (struct name_entry){.name = name, .column = names->n_entries};
    hash_map_add(&names->by_name, hash_bytes(name.data, name.len), entry);
    names->entries =
        mem_grow(names->entries, names->n_entries, &names->capacity, sizeof(*names->entries));
    names->entries[names->n_entries++] = entry;
}

static void names_deinit(struct names *names) {
    for (size_t i = 0; i < names->n_entries; i++) {
        free(names->entries[i]);
    }
    free(names->entries);
    hash_map_deinit(&names->by_name);
    *names = (struct names){0};
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

static int add_pairs(struct str info, const struct names *names, struct table_builder *builder,
                     struct error *err) {
    size_t column = 0;
    struct line line;
    while (column < names->n_entries && next_line(&info, &line)) {
        const struct name_entry *entry = find_name(names, line.name);
        if (entry == NULL || entry->column != column) {
            continue; /* said before */
        }
        int r = table_builder_cell(builder, line.value, err);
        if (r < 0) {
            return r;
        }
        column++;
    }
    return 0;
}

static int add_column(struct names *names, struct str name, struct table_builder *builder,
                      struct error *err) {
    if (find_name(names, name) != NULL) {
        return 0;
    }
    int r = table_builder_column(builder, name, err);
    if (r == 0) {
        add_name(names, name);
    }
    return r;
}

static int build_pairs(struct str info, struct names *names, struct table_builder *builder,
                       struct error *err) {
    struct str rest = info;
    struct line line;
    int r = 0;
    while (r == 0 && next_line(&rest, &line)) {
        r = add_column(names, line.name, builder, err);
    }
    return r < 0 ? r : add_pairs(info, names, builder, err);
}

int redis_info_pairs(struct str info, const struct table_limits *limits, struct arena *arena,
                     const struct table **ret, struct error *err) {
    struct table_builder builder = {.arena = arena, .limits = *limits};
    struct names names = {0};
    int r = build_pairs(info, &names, &builder, err);
    names_deinit(&names);
    if (r < 0) {
        table_builder_deinit(&builder);
        return r;
    }
    *ret = table_builder_end(&builder);
    return 0;
}

/* The next line that is such a record; its key in ret->name. */
static bool next_record(struct str *rest, struct str record, struct line *ret) {
    while (next_line(rest, ret)) {
        struct str fields = ret->value;
        struct line field;
        if (ret->name.len > record.len && memcmp(ret->name.data, record.data, record.len) == 0 &&
            next_field(&fields, &field)) {
            ret->name.data += record.len;
            ret->name.len -= record.len;
            return true;
        }
    }
    return false;
}

/* Cells that no byte of the text pays for: many columns times many rows. */
static int check_cells(const struct table_builder *builder, size_t more, struct error *err) {
    size_t most = builder->limits.max_bytes / sizeof(struct str);
    if (builder->n_cells > most || more > most - builder->n_cells) {
        return error_say(err, -E2BIG, "reply has more than %zu cells", most);
    }
    return 0;
}

/* A row: cells of fields that the line has; the first of equal fields counts. */
static int add_row(const struct line *line, const struct names *names, struct str *cells,
                   struct table_builder *builder, struct error *err) {
    int r = check_cells(builder, names->n_entries, err);
    if (r < 0) {
        return r;
    }
    memset(cells, 0, names->n_entries * sizeof(*cells));
    cells[0] = line->name;
    struct str rest = line->value;
    struct line field;
    while (next_field(&rest, &field)) {
        const struct name_entry *entry = find_name(names, field.name);
        if (entry != NULL && cells[entry->column].data == NULL) {
            cells[entry->column] = field.value;
        }
    }
    for (size_t i = 0; r == 0 && i < names->n_entries; i++) {
        r = table_builder_cell(builder, cells[i], err);
    }
    return r;
}

static int build_records(struct str info, struct str record, struct names *names,
                         struct table_builder *builder, struct error *err) {
    int r = add_column(names, str_of("key"), builder, err);
    struct str rest = info;
    struct line line, field;
    while (r == 0 && next_record(&rest, record, &line)) {
        struct str fields = line.value;
        while (r == 0 && next_field(&fields, &field)) {
            r = add_column(names, field.name, builder, err);
        }
    }
    if (r < 0) {
        return r;
    }
    struct str *cells = mem_array(names->n_entries, sizeof(*cells));
    while (r == 0 && next_record(&info, record, &line)) {
        r = add_row(&line, names, cells, builder, err);
    }
    free(cells);
    return r;
}

int redis_info_records(struct str info, const char *record, const struct table_limits *limits,
                       struct arena *arena, const struct table **ret, struct error *err) {
    struct table_builder builder = {.arena = arena, .limits = *limits};
    struct names names = {0};
    int r = build_records(info, str_of(record), &names, &builder, err);
    names_deinit(&names);
    if (r < 0) {
        table_builder_deinit(&builder);
        return r;
    }
    *ret = table_builder_end(&builder);
    return 0;
}
