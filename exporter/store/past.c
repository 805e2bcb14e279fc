/* SPDX-License-Identifier: Apache-2.0 */

/* Which metrics have a longer past than others: a rule that looks six hours back at one metric must
 * not make all others six times as large. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/history.h"
#include "store/private.h"

/* Whether a series of the family can have this name. */
static bool is_series_of(const char *name, const char *family) {
    const size_t len = strlen(family);
    if (strncmp(name, family, len) != 0) {
        return false;
    }
    for (size_t i = 0; i < N_METRIC_SUFFIXES; i++) {
        if (strcmp(name + len, metric_suffix_names[i]) == 0) {
            return true;
        }
    }
    return false;
}

enum past past_of_family(const struct store *store, const char *name) {
    const struct history *history = &store->history;
    for (size_t i = 0; i < history->n_long_names; i++) {
        if (is_series_of(history->long_names[i], name)) {
            return PAST_LONG;
        }
    }
    return PAST_USUAL;
}

int64_t past_of_source_ms(const struct store_source *source) {
    const struct history *history = &source->store->history;
    return source->has_long && history->long_ms > history->retention_ms ? history->long_ms
                                                                        : history->retention_ms;
}

void past_free_names(struct history *history) {
    for (size_t i = 0; i < history->n_long_names; i++) {
        free(history->long_names[i]);
    }
    free(history->long_names);
    history->long_names = NULL;
    history->n_long_names = 0;
}

static void look_for_long(struct store_source *source) {
    const struct source_family *group;
    source->has_long = false;
    for (size_t cursor = 0; (group = hash_map_next(&source->families, &cursor)) != NULL;) {
        source->has_long |= group->family->past == PAST_LONG;
    }
}

void store_keep_longer(struct store *store, const struct str *names, size_t n_names,
                       int64_t retention_ms) {
    struct history *history = &store->history;
    struct store_source *source;
    past_free_names(history);
    history->long_ms = retention_ms;
    history->long_names = mem_array(n_names, sizeof(*history->long_names));
    for (size_t i = 0; i < n_names; i++) {
        history->long_names[history->n_long_names++] = mem_strndup(names[i].data, names[i].len);
    }
    for (size_t i = 0; i < store->n_families; i++) {
        store->families[i]->past = past_of_family(store, store->families[i]->name);
    }
    for (size_t i = 0; (source = store_nth_source(store, i)) != NULL; i++) {
        look_for_long(source);
    }
}
