/* SPDX-License-Identifier: Apache-2.0 */

#include "web/auth.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/worker.h"
#include "web/auth_cache.h"
#include "web/password.h"
#include "web/server.h"

#define MOST_CHECKS         32
#define MOST_CHECKS_OF_PEER 8
#define MOST_CREDENTIAL     ((size_t)512) /* bytes of name, colon and password */
#define CHECK_USEC          (10 * USEC_PER_SEC)
#define COMPLAINT_USEC      (60 * USEC_PER_SEC)

/* Somebody who waits for a check. */
struct waiter {
    struct waiter *next;
    struct web_later *later;
    struct web_request *request; /* as long as the answer is wanted */
    char *user;
};

/* One password that is being hashed, for all who sent the same. */
struct check {
    struct check *next;
    struct auth *auth;
    struct auth_key key;
    uint64_t peer;
    bool known; /* there is such a user */
    char *password, *hash;
    struct waiter *waiters;
};

struct auth {
    struct loop *loop;
    struct worker_pool *pool;
    struct auth_cache cache;
    struct web_user *users; /* ours */
    size_t n_users;
    struct check *checks;
    unsigned n_checks;
    uint64_t complaint_usec; /* when a wrong password was last said aloud */
    struct auth_numbers numbers;
};

/* ---- users ---- */

static void free_users(struct auth *auth) {
    for (size_t i = 0; i < auth->n_users; i++) {
        free(auth->users[i].name);
        mem_free_secret(auth->users[i].hash);
    }
    free(auth->users);
    auth->users = NULL;
    auth->n_users = 0;
}

void auth_set_users(struct auth *auth, const struct web_user *users, size_t n_users) {
    free_users(auth);
    auth->users = mem_array(n_users, sizeof(*auth->users));
    for (size_t i = 0; i < n_users; i++) {
        auth->users[auth->n_users++] =
            (struct web_user){mem_strdup(users[i].name), mem_strdup(users[i].hash)};
    }
}

static const struct web_user *find_user(const struct auth *auth, struct str name) {
    const struct web_user *found = NULL;
    for (size_t i = 0; i < auth->n_users; i++) {
        found = str_is(name, auth->users[i].name) ? &auth->users[i] : found;
    }
    return found;
}

bool auth_has_user(const struct auth *auth, const char *name) {
    return find_user(auth, str_of(name)) != NULL;
}

/* ---- credentials ---- */

/* "Basic dXNlcjpwYXNz". A password with a zero byte is none: crypt(3) would see its beginning. */
static bool read_credentials(const struct web_request *request, struct str *ret_user,
                             struct str *ret_password) {
    static const char scheme[] = "Basic ";
    struct str header = web_request_header(request, "Authorization"), text;
    const size_t len = sizeof(scheme) - 1;
    if (header.len <= len || strncasecmp(header.data, scheme, len) != 0) {
        return false;
    }
    struct str encoded = str_trim((struct str){header.data + len, header.len - len});
    if (encoded.len > 2 * MOST_CREDENTIAL || !base64_decode(request->arena, encoded, &text) ||
        memchr(text.data, ':', text.len) == NULL || memchr(text.data, '\0', text.len) != NULL ||
        text.len > MOST_CREDENTIAL) {
        return false;
    }
    *ret_user = str_cut(&text, ':');
    *ret_password = text;
    return true;
}

/* ---- answers ---- */

static void answer_unknown(struct auth *auth, struct web_answer *ret) {
    auth->numbers.refused++;
    web_answer_error(ret, 401, "a user and a password are needed");
    web_answer_header(ret, "WWW-Authenticate", "Basic");
}

static void answer_busy(struct auth *auth, struct web_answer *ret) {
    auth->numbers.busy++;
    web_answer_error(ret, 503, "too many passwords are being checked");
    ret->retry_after = 1;
}

/* ---- checks ---- */

static int hash_in_worker(const void *input, int fd) {
    const struct check *check = input;
    char fits = password_fits(check->password, check->hash) ? 'y' : 'n';
    return worker_write(fd, &fits, 1) < 0 ? 1 : 0;
}

static void take_out(struct check *check) {
    struct check **at = &check->auth->checks;
    while (*at != check) {
        at = &(*at)->next;
    }
    *at = check->next;
    check->auth->n_checks--;
}

static void complain(struct auth *auth, const struct waiter *waiter) {
    uint64_t now = loop_now_usec(auth->loop);
    bool loud = auth->complaint_usec == 0 || now - auth->complaint_usec > COMPLAINT_USEC;
    struct str shown = web_request_show(waiter->request, str_of(waiter->user));
    log_line(loud ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG,
             "web: wrong password or unknown user '%.*s' (%" PRIu64 " refused so far)",
             (int)shown.len, shown.data, auth->numbers.refused);
    auth->complaint_usec = loud ? now : auth->complaint_usec;
}

static void release(struct auth *auth, struct waiter *waiter, enum worker_status status,
                    bool good) {
    struct web_answer answer = {0};
    bool wanted = web_later_is_wanted(waiter->later);
    if (status == WORKER_OK && good) {
        if (wanted) {
            waiter->request->user = arena_dup(waiter->request->arena, str_of(waiter->user)).data;
        }
        web_later_admit(waiter->later);
    } else {
        if (status == WORKER_OK) {
            answer_unknown(auth, &answer);
        } else {
            answer_busy(auth, &answer);
        }
        if (wanted && status == WORKER_OK) {
            complain(auth, waiter);
        }
        web_later_end(waiter->later, &answer);
    }
    free(waiter->user);
    free(waiter);
}

static void hashed(void *userdata, const struct worker_result *result) {
    struct check *check = userdata;
    struct auth *auth = check->auth;
    bool good = check->known && str_is(result->answer, "y");
    bool told = result->status == WORKER_OK && result->answer.len == 1;
    take_out(check);
    if (told) {
        auth->numbers.hashed++;
        auth_cache_put(&auth->cache, &check->key, good, loop_now_usec(auth->loop));
    }
    while (check->waiters != NULL) {
        struct waiter *waiter = check->waiters;
        check->waiters = waiter->next;
        release(auth, waiter, told ? WORKER_OK : WORKER_FAILED, good);
    }
    mem_free_secret(check->password);
    mem_free_secret(check->hash);
    free(check);
}

static struct check *find_check(const struct auth *auth, const struct auth_key *key) {
    struct check *check = auth->checks;
    while (check != NULL && !auth_key_equal(&check->key, key)) {
        check = check->next;
    }
    return check;
}

static bool has_room(const struct auth *auth, uint64_t peer) {
    unsigned of_peer = 0;
    for (const struct check *check = auth->checks; check != NULL; check = check->next) {
        of_peer += check->peer == peer;
    }
    return auth->n_checks < MOST_CHECKS && of_peer < MOST_CHECKS_OF_PEER;
}

static struct check *begin_check(struct auth *auth, const struct auth_key *key, uint64_t peer,
                                 bool known, const char *hash, struct str password) {
    struct check *check = mem_alloc(sizeof(*check));
    *check = (struct check){
        .next = auth->checks,
        .auth = auth,
        .key = *key,
        .peer = peer,
        .known = known,
        .password = mem_strndup(password.data, password.len),
        .hash = mem_strdup(hash),
    };
    auth->checks = check;
    auth->n_checks++;
    worker_submit(auth->pool, &(struct worker_request){
                                  .work = hash_in_worker,
                                  .input = check,
                                  .deadline_usec = loop_now_usec(auth->loop) + CHECK_USEC,
                                  .run_usec = CHECK_USEC,
                                  .done = hashed,
                                  .userdata = check,
                              });
    return check;
}

static void wait_for(struct check *check, struct web_request *request, struct str user,
                     struct web_answer *ret) {
    struct waiter *waiter = mem_alloc(sizeof(*waiter));
    ret->later = true;
    *waiter = (struct waiter){
        .next = check->waiters,
        .later = web_later_new(request),
        .request = request,
        .user = mem_strndup(user.data, user.len),
    };
    check->waiters = waiter;
}

bool auth_admit(struct auth *auth, struct web_request *request, struct web_answer *ret) {
    struct str user, password;
    struct auth_key key;
    if (auth->n_users == 0) {
        return true;
    }
    if (!read_credentials(request, &user, &password)) {
        answer_unknown(auth, ret);
        return false;
    }
    const struct web_user *known = find_user(auth, user);
    /* Always the same one for the same name. */
    const char *hash = known != NULL
                           ? known->hash
                           : auth->users[hash_bytes(user.data, user.len) % auth->n_users].hash;
    auth_cache_key(&auth->cache, user, str_of(hash), password, &key);
    enum auth_known found = auth_cache_get(&auth->cache, &key, loop_now_usec(auth->loop));
    if (found == AUTH_GOOD && known != NULL) {
        request->user = arena_dup(request->arena, user).data;
        return true;
    }
    struct check *check = found == AUTH_UNKNOWN ? find_check(auth, &key) : NULL;
    if (found != AUTH_UNKNOWN) {
        answer_unknown(auth, ret);
    } else if (check == NULL && !has_room(auth, request->peer)) {
        answer_busy(auth, ret);
    } else {
        check = check != NULL
                    ? check
                    : begin_check(auth, &key, request->peer, known != NULL, hash, password);
        wait_for(check, request, user, ret);
    }
    return false;
}

struct auth_numbers auth_numbers(const struct auth *auth) {
    return auth->numbers;
}

/* ---- life ---- */

int auth_new(struct loop *loop, struct auth **ret, struct error *err) {
    struct auth *auth = mem_alloc(sizeof(*auth));
    auth->loop = loop;
    int r = auth_cache_init(&auth->cache);
    if (r < 0) {
        free(auth);
        return error_say(err, r, "there is no randomness to be had");
    }
    auth->pool = worker_pool_new(loop, &(struct worker_options){.max_running = 1,
                                                                .max_queued = MOST_CHECKS,
                                                                .max_answer_bytes = 16});
    *ret = auth;
    return 0;
}

struct auth *auth_free(struct auth *auth) {
    if (auth == NULL) {
        return NULL;
    }
    worker_pool_free(auth->pool);
    free_users(auth);
    explicit_bzero(&auth->cache, sizeof(auth->cache));
    free(auth);
    return NULL;
}
