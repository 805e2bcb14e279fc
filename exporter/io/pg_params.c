/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void pg_conninfo_wipe(PQconninfoOption *list) {
    for (PQconninfoOption *option = list; option != NULL && option->keyword != NULL; option++) {
        if (option->val != NULL) {
            explicit_bzero(option->val, strlen(option->val));
        }
    }
    PQconninfoFree(list);
}

static char **find(const struct pg_params *params, const char *keyword) {
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->keywords[i], keyword) == 0) {
            return &params->values[i];
        }
    }
    return NULL;
}

const char *pg_params_get(const struct pg_params *params, const char *keyword) {
    char **value = find(params, keyword);
    return value != NULL && **value != '\0' ? *value : NULL;
}

void pg_params_set(struct pg_params *params, const char *keyword, const char *value) {
    char **present = find(params, keyword);
    if (present != NULL) {
        char *old = *present; /* value may lie in it */
        *present = mem_strdup(value);
        mem_free_secret(old);
        return;
    }
    params->keywords = mem_grow(params->keywords, params->count + 1, &params->keywords_capacity,
                                sizeof(*params->keywords));
    params->values = mem_grow(params->values, params->count + 1, &params->values_capacity,
                              sizeof(*params->values));
    params->keywords[params->count] = mem_strdup(keyword);
    params->values[params->count] = mem_strdup(value);
    params->count++;
    params->keywords[params->count] = NULL;
    params->values[params->count] = NULL;
}

void pg_params_default(struct pg_params *params, const char *keyword, const char *value) {
    if (pg_params_get(params, keyword) == NULL) {
        pg_params_set(params, keyword, value);
    }
}

void pg_params_deinit(struct pg_params *params) {
    for (size_t i = 0; i < params->count; i++) {
        mem_free_secret(params->values[i]);
        free(params->keywords[i]);
    }
    free(params->keywords);
    free(params->values);
    *params = (struct pg_params){0};
}

/* What libpq uses where a connection string is silent, under a service of the string's choice: the
 * service of PQconndefaults() can only be named by the environment. */
static PQconninfoOption *defaults_with_service(const char *service) {
    const char *before = getenv("PGSERVICE");
    CLEANUP(mem_freep)
    char *saved = before != NULL ? mem_strdup(before) : NULL;
    if (service != NULL) {
        setenv("PGSERVICE", service, 1);
    }
    PQconninfoOption *list = PQconndefaults();
    if (service != NULL && saved != NULL) {
        setenv("PGSERVICE", saved, 1);
    } else if (service != NULL) {
        unsetenv("PGSERVICE");
    }
    return list;
}

static void take_list(struct pg_params *params, const PQconninfoOption *list) {
    for (const PQconninfoOption *option = list; option->keyword != NULL; option++) {
        if (option->val != NULL && option->val[0] != '\0') {
            pg_params_set(params, option->keyword, option->val);
        }
    }
}

/* A preference of libpq for Kerberos costs a round trip and memory: only who asks gets it. */
static void disable_kerberos_encryption(struct pg_params *params, const PQconninfoOption *given) {
    const char *mode = pg_params_get(params, "gssencmode");
    for (const PQconninfoOption *option = given; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, "gssencmode") == 0 && option->val != NULL) {
            return;
        }
    }
    if (getenv("PGGSSENCMODE") == NULL && (mode == NULL || strcmp(mode, "prefer") == 0)) {
        pg_params_set(params, "gssencmode", "disable");
    }
}

/* A service that is not defined is ignored here; libpq complains when it connects. */
static int load(const struct pg_options *options, const PQconninfoOption *given,
                struct pg_params *ret, struct error *err) {
    const char *service = NULL;
    for (const PQconninfoOption *option = given; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, "service") == 0) {
            service = option->val;
        }
    }
    PQconninfoOption *defaults = defaults_with_service(service);
    if (defaults == NULL) {
        return error_say(err, -EINVAL, "libpq has no parameters for a connection");
    }
    take_list(ret, defaults);
    take_list(ret, given);
    pg_conninfo_wipe(defaults);
    disable_kerberos_encryption(ret, given);
    if (options->password != NULL) {
        pg_params_set(ret, "password", options->password);
    }
    if (options->key_password != NULL) {
        pg_params_set(ret, "sslpassword", options->key_password);
    }
    if (options->database != NULL) {
        pg_params_set(ret, "dbname", options->database);
    }
    return 0;
}

int pg_params_load(const struct pg_options *options, struct pg_params *ret, struct error *err) {
    PQconninfoOption *given = PQconninfoParse(options->dsn != NULL ? options->dsn : "", NULL);
    if (given == NULL) {
        return error_say(err, -EINVAL, "the connection string cannot be read");
    }
    struct pg_params params = {0};
    int r = load(options, given, &params, err);
    pg_conninfo_wipe(given);
    if (r < 0) {
        pg_params_deinit(&params);
        return r;
    }
    *ret = params;
    return 0;
}
