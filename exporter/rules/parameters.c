/* SPDX-License-Identifier: Apache-2.0 */

#include "rules/parameters.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/pack.h"

#define MAGIC               "dbvitals parameters 1\n"
#define LEAST_SETTING_BYTES 32 /* two lengths, a value and a time */

/* Sorted by name and target, all targets first. */
struct setting_list {
    struct parameter_setting *settings;
    size_t n, capacity;
};

struct parameters {
    struct setting_list configured, changed;
    struct parameter_name *names; /* those of settings are borrowed from them */
    size_t n_names, names_capacity;
};

/* ---- lists ---- */

static int compare(const struct parameter_setting *setting, struct str name, const char *target) {
    int order = str_compare(str_of(setting->name), name);
    return order != 0 ? order
                      : strcmp(setting->target != NULL ? setting->target : "",
                               target != NULL ? target : "");
}

static int by_name(const void *a, const void *b) {
    const struct parameter_setting *right = b;
    return compare(a, str_of(right->name), right->target);
}

/* The first that does not stand before this one. */
static size_t place_of(const struct setting_list *list, struct str name, const char *target) {
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&list->settings[middle], name, target) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct parameter_setting *find(const struct setting_list *list, struct str name,
                                      const char *target) {
    size_t at = place_of(list, name, target);
    return at < list->n && compare(&list->settings[at], name, target) == 0 ? &list->settings[at]
                                                                           : NULL;
}

static void setting_deinit(struct parameter_setting *setting) {
    free(setting->name);
    free(setting->target);
}

static void list_deinit(struct setting_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        setting_deinit(&list->settings[i]);
    }
    free(list->settings);
    *list = (struct setting_list){0};
}

static void list_append(struct setting_list *list, struct str name, struct str target, double value,
                        int64_t changed_ms) {
    list->settings = mem_grow(list->settings, list->n, &list->capacity, sizeof(*list->settings));
    list->settings[list->n++] = (struct parameter_setting){
        .name = mem_strndup(name.data, name.len),
        .target = target.len > 0 ? mem_strndup(target.data, target.len) : NULL,
        .value = value,
        .changed_ms = changed_ms,
    };
}

static void list_sort(struct setting_list *list) {
    if (list->n > 0) {
        qsort(list->settings, list->n, sizeof(*list->settings), by_name);
    }
}

/* ---- names ---- */

static void add_name(struct parameters *parameters, const char *name, const struct parameter *row) {
    parameters->names = mem_grow(parameters->names, parameters->n_names,
                                 &parameters->names_capacity, sizeof(*parameters->names));
    parameters->names[parameters->n_names++] = (struct parameter_name){name, row};
}

static int by_text(const void *a, const void *b) {
    const struct parameter_name *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void add_foreign_names(struct parameters *parameters, const struct setting_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        struct str name = str_of(list->settings[i].name);
        bool first = i == 0 || !str_is(name, list->settings[i - 1].name);
        if (first && parameter_find(name) == NULL) {
            add_name(parameters, list->settings[i].name, NULL);
        }
    }
}

/* After every change: the tables are short and change rarely, and are read at every round. */
static void renew_names(struct parameters *parameters) {
    size_t kept = 0;
    parameters->n_names = 0;
    for (const struct parameter *row = parameter_table; row->name != NULL; row++) {
        add_name(parameters, row->name, row);
    }
    add_foreign_names(parameters, &parameters->configured);
    add_foreign_names(parameters, &parameters->changed);
    qsort(parameters->names, parameters->n_names, sizeof(*parameters->names), by_text);
    for (size_t i = 0; i < parameters->n_names; i++) {
        if (kept == 0 || strcmp(parameters->names[kept - 1].name, parameters->names[i].name) != 0) {
            parameters->names[kept++] = parameters->names[i];
        }
    }
    parameters->n_names = kept;
}

size_t parameters_names(const struct parameters *parameters) {
    return parameters->n_names;
}

struct parameter_name parameters_name(const struct parameters *parameters, size_t index) {
    return parameters->names[index];
}

/* ---- life ---- */

struct parameters *parameters_new(void) {
    struct parameters *parameters = mem_alloc(sizeof(*parameters));
    renew_names(parameters);
    return parameters;
}

struct parameters *parameters_free(struct parameters *parameters) {
    if (parameters != NULL) {
        list_deinit(&parameters->configured);
        list_deinit(&parameters->changed);
        free(parameters->names);
        free(parameters);
    }
    return NULL;
}

void parameters_configure(struct parameters *parameters, const struct parameter_setting *settings,
                          size_t count) {
    list_deinit(&parameters->configured);
    for (size_t i = 0; i < count; i++) {
        const struct parameter_setting *one = &settings[i];
        list_append(&parameters->configured, str_of(one->name),
                    str_of(one->target != NULL ? one->target : ""), one->value, 0);
    }
    list_sort(&parameters->configured);
    renew_names(parameters);
}

static void forget(struct setting_list *list, struct parameter_setting *setting) {
    size_t at = (size_t)(setting - list->settings);
    setting_deinit(setting);
    memmove(setting, setting + 1, (list->n - at - 1) * sizeof(*setting));
    list->n--;
}

int parameters_change(struct parameters *parameters, const struct parameter_change *change,
                      int64_t now_ms, struct error *err) {
    struct setting_list *list = &parameters->changed;
    CLEANUP(mem_freep)
    char *target =
        change->target.len > 0 ? mem_strndup(change->target.data, change->target.len) : NULL;
    struct parameter_setting *setting = find(list, change->name, target);
    if (change->reset && setting != NULL) {
        forget(list, setting);
    } else if (setting != NULL) {
        setting->value = change->value;
        setting->changed_ms = now_ms;
    } else if (!change->reset && list->n >= PARAMETERS_MOST_CHANGES) {
        return error_say(err, -E2BIG, "%d parameters are changed already: reset some of them",
                         PARAMETERS_MOST_CHANGES);
    } else if (!change->reset) {
        list_append(list, change->name, change->target, change->value, now_ms);
        list_sort(list);
    }
    renew_names(parameters);
    return 0;
}

/* ---- what is in force ---- */

bool parameters_get(const struct parameters *parameters, struct str name, const char *target,
                    double *ret) {
    const struct parameter_setting *setting = NULL;
    if (target != NULL) {
        setting = find(&parameters->changed, name, target);
        setting = setting != NULL ? setting : find(&parameters->configured, name, target);
    }
    setting = setting != NULL ? setting : find(&parameters->changed, name, NULL);
    setting = setting != NULL ? setting : find(&parameters->configured, name, NULL);
    const struct parameter *row = setting == NULL ? parameter_find(name) : NULL;
    if (setting == NULL && row == NULL) {
        return false;
    }
    *ret = setting != NULL ? setting->value : row->fallback;
    return true;
}

const struct parameter_setting *parameters_configured(const struct parameters *parameters,
                                                      struct str name, const char *target) {
    return find(&parameters->configured, name, target);
}

const struct parameter_setting *parameters_changed(const struct parameters *parameters,
                                                   struct str name, const char *target) {
    return find(&parameters->changed, name, target);
}

static const char *next_target(const struct setting_list *list, struct str name,
                               const char *before) {
    size_t at = place_of(list, name, before);
    while (at < list->n && compare(&list->settings[at], name, before) == 0) {
        at++;
    }
    return at < list->n && str_is(name, list->settings[at].name) ? list->settings[at].target : NULL;
}

const char *parameters_next_target(const struct parameters *parameters, struct str name,
                                   const char *before) {
    const char *one = next_target(&parameters->configured, name, before);
    const char *other = next_target(&parameters->changed, name, before);
    if (one == NULL || other == NULL) {
        return one != NULL ? one : other;
    }
    return strcmp(one, other) <= 0 ? one : other;
}

/* ---- over a restart ---- */

void parameters_save(const struct parameters *parameters, struct strbuf *out) {
    struct strbuf body = {0};
    pack_u64(&body, parameters->changed.n);
    for (size_t i = 0; i < parameters->changed.n; i++) {
        const struct parameter_setting *setting = &parameters->changed.settings[i];
        pack_str(&body, str_of(setting->name));
        pack_str(&body, str_of(setting->target != NULL ? setting->target : ""));
        pack_double(&body, setting->value);
        pack_i64(&body, setting->changed_ms);
    }
    strbuf_add_text(out, MAGIC);
    pack_u64(out, crc32c(body.data, body.len));
    strbuf_add_str(out, strbuf_view(&body));
    strbuf_deinit(&body);
}

/* Return: false when this is nothing that parameters_save() writes. */
static bool load_setting(struct unpacker *in, struct setting_list *list) {
    struct str name = unpack_str(in);
    struct str target = unpack_str(in);
    double value = unpack_double(in);
    int64_t changed_ms = unpack_i64(in);
    bool zero = target.len > 0 && memchr(target.data, '\0', target.len) != NULL;
    if (in->bad || zero || !parameter_is_name(name) || !isfinite(value)) {
        return false;
    }
    list_append(list, name, target, value, changed_ms);
    struct parameter_setting *last = &list->settings[list->n - 1];
    return list->n == 1 || by_name(last - 1, last) < 0;
}

int parameters_load(struct parameters *parameters, struct str state, struct error *err) {
    const size_t magic = sizeof(MAGIC) - 1;
    if (state.len < magic || memcmp(state.data, MAGIC, magic) != 0) {
        return error_say(err, -EINVAL, "it does not begin as parameters of this version");
    }
    struct unpacker in = {{state.data + magic, state.len - magic}, false};
    uint64_t sum = unpack_u64(&in);
    if (in.bad || sum != crc32c(in.rest.data, in.rest.len)) {
        return error_say(err, -EINVAL, "its checksum is wrong: it is cut short or damaged");
    }
    struct setting_list list = {0};
    size_t count = unpack_count(&in, LEAST_SETTING_BYTES);
    bool good = count <= PARAMETERS_MOST_CHANGES;
    for (size_t i = 0; good && i < count; i++) {
        good = load_setting(&in, &list);
    }
    if (!good || in.bad || in.rest.len > 0) {
        list_deinit(&list);
        return error_say(err, -EINVAL, "its contents are not what its length says");
    }
    list_deinit(&parameters->changed);
    parameters->changed = list;
    renew_names(parameters);
    return 0;
}
