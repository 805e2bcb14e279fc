/* SPDX-License-Identifier: Apache-2.0 */

/* What to watch when nobody said: the servers that libpq's and Redis' environment variables name,
 * or those at the usual addresses of this machine. Nothing is contacted here. */
#include "config/private.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define SOCKET_FOLDER  "/var/run/postgresql"
#define REDIS_PORT     6379
#define REDIS_URL      "redis://localhost:6379"
#define PGBOUNCER_PORT "6432"

static bool is_set(const char *variable) {
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

/* Adds the host unless the environment names one. */
static void add_host(struct strbuf *dsn) {
    if (is_set("PGHOST") || is_set("PGHOSTADDR") || is_set("PGSERVICE")) {
        return;
    }
    strbuf_printf(dsn, "host=%s", access(SOCKET_FOLDER, X_OK) == 0 ? SOCKET_FOLDER : "localhost");
}

static struct target_options *add_target(struct config *config, const char *name,
                                         enum target_kind kind) {
    struct target_options *target = &config->targets[config->n_targets++];
    target_options_init(target, kind);
    target->name = mem_strdup(name);
    target->guessed = true;
    target->required = false;
    return target;
}

/* What cannot be read (REDIS_URL is foreign text) is no target. */
static void keep_if(struct config *config, bool good) {
    if (!good) {
        target_options_deinit(&config->targets[--config->n_targets]);
    }
}

static void guess_pg(struct config *config, const char *name, enum target_kind kind,
                     const char *parameters) {
    struct target_options *target = add_target(config, name, kind);
    struct strbuf dsn = {0};
    add_host(&dsn);
    if (parameters[0] != '\0') {
        strbuf_printf(&dsn, "%s%s", dsn.len != 0 ? " " : "", parameters);
    }
    int r = pg_options_parse(dsn.data != NULL ? dsn.data : "", &target->pg, NULL);
    target->pg.guard_timeout_usec = target->timeout_usec;
    keep_if(config, r == 0);
    strbuf_deinit(&dsn);
}

static void guess_redis(struct config *config) {
    struct target_options *target = add_target(config, "redis", KIND_REDIS);
    const char *url = is_set("REDIS_URL") ? getenv("REDIS_URL") : REDIS_URL;
    keep_if(config, redis_options_parse(url, REDIS_PORT, &target->redis, NULL) == 0);
}

void config_guess(struct config *ret) {
    config_init(ret);
    config_default_rules(ret);
    ret->targets = mem_array(KIND_COUNT, sizeof(struct target_options));
    /* libpq would take the user's name for the database. */
    bool database_known = is_set("PGDATABASE") || is_set("PGSERVICE");
    guess_pg(ret, "postgres", KIND_POSTGRES, database_known ? "" : "dbname=postgres");
    guess_pg(ret, "pgbouncer", KIND_PGBOUNCER, "port=" PGBOUNCER_PORT " dbname=pgbouncer");
    guess_redis(ret);
}
