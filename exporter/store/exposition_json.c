/* SPDX-License-Identifier: Apache-2.0 */

/* The samples of a source as JSON: the same families and series as on its page. */

#include <stdio.h>

#include "store/exposition.h"
#include "store/private.h"

/* Takes the value in quotes off an exposition's label list, without the quotes. */
static struct str cut_quoted(struct str *rest) {
    size_t end = 1;
    while (end < rest->len && rest->data[end] != '"') {
        end += rest->data[end] == '\\' ? 2 : 1;
    }
    struct str value = {rest->data + 1, end - 1};
    size_t taken = end + 1 < rest->len && rest->data[end + 1] == ',' ? end + 2 : end + 1;
    *rest = (struct str){rest->data + taken, rest->len - taken};
    return value;
}

/* Undoes \\, \" and \n. scratch holds what had to change. */
static struct str unescape(struct str text, struct strbuf *scratch) {
    if (memchr(text.data, '\\', text.len) == NULL) {
        return text;
    }
    strbuf_clear(scratch);
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.data[i] == '\\' && i + 1 < text.len;
        char c = text.data[escaped ? ++i : i];
        strbuf_add_char(scratch, escaped && c == 'n' ? '\n' : c);
    }
    return strbuf_view(scratch);
}

static void add_labels(struct json_writer *json, struct str text, struct strbuf *scratch) {
    json_object_begin(json, "labels");
    while (text.len > 0) {
        json_key(json, str_cut(&text, '='));
        json_str(json, NULL, unescape(cut_quoted(&text), scratch));
    }
    json_object_end(json);
}

static void add_sample(struct json_writer *json, const struct series *series,
                       struct strbuf *scratch) {
    json_object_begin(json, NULL);
    if (series->suffix != SUFFIX_NONE) {
        char name[512];
        snprintf(name, sizeof(name), "%s%s", series->family->name,
                 metric_suffix_names[series->suffix]);
        json_text(json, "name", name);
    }
    add_labels(json, (struct str){series->own_text, series->own_text_len}, scratch);
    json_double(json, "value", series->hot->value);
    json_object_end(json);
}

static void add_family(struct json_writer *json, const struct source_family *group,
                       struct strbuf *scratch) {
    json_object_begin(json, NULL);
    json_text(json, "name", group->family->name);
    json_text(json, "type", metric_type_names[group->family->type]);
    json_list_begin(json, "samples");
    for (const struct series *series = group->first; series != NULL; series = series->next) {
        add_sample(json, series, scratch);
    }
    json_list_end(json);
    json_object_end(json);
}

void exposition_json(struct store_source *source, struct json_writer *json, const char *key) {
    struct source_family **groups = source_sorted_families(source);
    struct strbuf scratch = {0};
    json_list_begin(json, key);
    for (size_t i = 0; i < source->families.n_entries; i++) {
        if (groups[i]->first != NULL) {
            add_family(json, groups[i], &scratch);
        }
    }
    json_list_end(json);
    strbuf_deinit(&scratch);
}
