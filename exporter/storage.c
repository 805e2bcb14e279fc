/* SPDX-License-Identifier: Apache-2.0 */

#include "storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/lock_file.h"
#include "web/web.h"

#define DEFAULT_STORAGE "/var/lib/dbvitals"
#define MEMORY_STORAGE  ":memory:"

static int make_usable(const char *path) {
    struct stat status;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    if (stat(path, &status) < 0) {
        return -errno;
    }
    if (!S_ISDIR(status.st_mode)) {
        return -ENOTDIR;
    }
    return access(path, W_OK | X_OK) < 0 ? -errno : 0;
}

/* Two daemons that write the same files would take each other's state away.
 * Return: 0, or -EBUSY with a sentence. */
static int lock(struct storage *storage, const char *path, struct error *err) {
    pid_t holder;
    char *name = mem_printf("%s/lock", path);
    int r = lock_file_take(name, &holder);
    if (r == -EBUSY && holder > 0) {
        error_say(err, r, "another dbvitals (process %d) uses it", (int)holder);
    } else if (r == -EBUSY) {
        error_say(err, r, "another dbvitals uses it");
    } else if (r < 0) {
        log_warn("'%s' cannot be locked: %s; nobody else may use the folder, ignoring", name,
                 strerrordesc_np(-r));
    } else {
        storage->lock = r;
    }
    free(name);
    return r == -EBUSY ? r : 0;
}

static int take(struct storage *storage, const char *path, struct error *err) {
    int r = make_usable(path);
    return r < 0 ? error_say(err, r, "%s", strerrordesc_np(-r)) : lock(storage, path, err);
}

int storage_open(struct storage *storage, const char *given, struct error *err) {
    const char *path = given != NULL ? given : DEFAULT_STORAGE;
    *storage = (struct storage){0};
    if (given != NULL && strcmp(given, MEMORY_STORAGE) == 0) {
        return 0;
    }
    struct error why = {0};
    int r = take(storage, path, &why);
    if (r < 0 && given != NULL) {
        return error_say(err, r,
                         "storage folder '%s' cannot be used: %s (choose another with "
                         "--storage.path, or ':memory:')",
                         path, why.text);
    }
    if (r < 0) {
        log_warn("storage folder '%s' cannot be used: %s; state is kept in memory only, and "
                 "nothing can be changed at run time",
                 path, why.text);
        return 0;
    }
    storage->path = mem_strdup(path);
    storage->control_path = mem_printf("%s/" WEB_CONTROL_SOCKET, path);
    return 0;
}

void storage_close(struct storage *storage) {
    free(storage->path);
    free(storage->control_path);
    if (storage->lock > 0) {
        close(storage->lock);
    }
    *storage = (struct storage){0};
}
