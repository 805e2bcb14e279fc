/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/database_options.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void patterns_deinit(struct database_patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++) {
        free(patterns->list[i]);
    }
    *patterns = (struct database_patterns){0};
}

static void patterns_copy(const struct database_patterns *from, struct database_patterns *ret) {
    *ret = (struct database_patterns){.count = from->count};
    for (size_t i = 0; i < from->count; i++) {
        ret->list[i] = mem_strdup(from->list[i]);
    }
}

static bool patterns_equal(const struct database_patterns *a, const struct database_patterns *b) {
    for (size_t i = 0; i < a->count && a->count == b->count; i++) {
        if (strcmp(a->list[i], b->list[i]) != 0) {
            return false;
        }
    }
    return a->count == b->count;
}

static bool any_fits(const struct database_patterns *patterns, const char *name) {
    for (size_t i = 0; i < patterns->count; i++) {
        if (fnmatch(patterns->list[i], name, 0) == 0) {
            return true;
        }
    }
    return false;
}

void database_options_deinit(struct database_options *options) {
    patterns_deinit(&options->include);
    patterns_deinit(&options->exclude);
    options->given = false;
}

void database_options_copy(const struct database_options *from, struct database_options *ret) {
    ret->given = from->given;
    patterns_copy(&from->include, &ret->include);
    patterns_copy(&from->exclude, &ret->exclude);
}

bool database_options_equal(const struct database_options *a, const struct database_options *b) {
    return a->given == b->given && patterns_equal(&a->include, &b->include) &&
           patterns_equal(&a->exclude, &b->exclude);
}

bool database_options_select(const struct database_options *options, const char *name) {
    return any_fits(&options->include, name) && !any_fits(&options->exclude, name);
}
