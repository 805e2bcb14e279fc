/* SPDX-License-Identifier: Apache-2.0 */

/* The journal on a real disk against a naive model, a list of every plan that was ever made: some
 * thousand random plans, and whoever shortens the journal is killed, or fails, at each thing that
 * it does to the disk, with the monitor or without it. Nothing that anything depends on is lost,
 * and no count falls.
 *
 * The functions below take the place of the C library's in this program: in a worker they count
 * what is done to the new file, and end it there. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "failover/journal.h"
#include "io/durable.h"

#define PATIENCE   (20 * USEC_PER_SEC)
#define BATCH      40
#define ABOVE      ((uint64_t)160 * 1024)
#define MOST_PLANS 20000
#define N_CLUSTERS 4

/* ---- the disk ---- */

enum moment { MOMENT_NONE, MOMENT_BEFORE, MOMENT_TORN, MOMENT_AFTER, MOMENT_ERROR, MOMENTS };

/* What workers and we know of it. */
struct disk {
    volatile int at, moment; /* at which call, 1 is the first, and what happens there */
    volatile int code;       /* of MOMENT_ERROR */
    volatile int fills;      /* from then on it is full */
    volatile int full;       /* the journal takes nothing either */
    volatile int stays;      /* the worker stops there for good, until the monitor's end kills it */
    volatile int hit;        /* it has happened */
    volatile int calls;
    char order[64]; /* u(nlink), w(rite), s(ync), r(ename), f(older) */
};

static struct disk *disk;
static pid_t parent;

static bool is_new(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".new") == 0;
}

/* Whether a worker of ours does it to the new file or its folder. */
static bool counts(int fd, char *ret_what) {
    char link[64], target[PATH_MAX];
    struct stat info;
    if (parent == 0 || getpid() == parent || fstat(fd, &info) < 0) {
        return false;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    *ret_what = S_ISDIR(info.st_mode) ? 'f' : *ret_what;
    return S_ISDIR(info.st_mode) ? disk->calls > 0 : is_new(target);
}

_Noreturn static void end_here(void) {
    disk->hit = 1;
    while (disk->stays) {
        (void)pause();
    }
    (void)kill(getpid(), SIGKILL);
    _exit(1);
}

/* Return: whether this is the call at which it happens. */
static bool begins(char what) {
    if (disk->calls + 1 < (int)sizeof(disk->order)) {
        disk->order[disk->calls] = what;
    }
    bool here = ++disk->calls == disk->at;
    if (here && disk->moment == MOMENT_BEFORE) {
        end_here();
    }
    return here;
}

static int ends(bool here, int r) {
    if (here && disk->moment == MOMENT_AFTER) {
        end_here();
    }
    return r;
}

static bool fails(bool here) {
    if (here && disk->moment == MOMENT_ERROR) {
        disk->full = disk->fills;
        disk->hit = 1;
        errno = disk->code;
        return true;
    }
    return false;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    char what = 'w';
    bool here = counts(fd, &what) && begins(what);
    if (here && (disk->moment == MOMENT_TORN || disk->moment == MOMENT_ERROR)) {
        (void)syscall(SYS_write, fd, bytes, size / 2);
        if (disk->moment == MOMENT_TORN) {
            end_here();
        }
    }
    return fails(here) ? -1 : ends(here, 0) + syscall(SYS_write, fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    if (disk != NULL && disk->full) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, size, offset);
}

int fsync(int fd) {
    char what = 's';
    bool here = counts(fd, &what) && begins(what);
    return fails(here) ? -1 : ends(here, (int)syscall(SYS_fsync, fd));
}

int rename(const char *from, const char *to) {
    bool here = parent != 0 && getpid() != parent && is_new(from) && begins('r');
    return fails(here) ? -1 : ends(here, (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

int unlink(const char *path) {
    bool here = parent != 0 && getpid() != parent && is_new(path) && begins('u');
    return fails(here) ? -1 : ends(here, (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

/* ---- the journal and its model ---- */

struct model_plan {
    char id[24];
    unsigned cluster;
    enum step step;
};

static const char *const clusters[N_CLUSTERS] = {"orders", "users", "cache", "quiet"};
static struct model_plan *plans; /* all that were ever made */
static size_t n_plans;
static char folder[64], path[96];
static struct loop *loop;
static struct worker_pool *pool;
static struct journal *journal;
static int n_written, n_refused;
static uint64_t seed = 7;

static unsigned pick(unsigned below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

static void written(void *userdata, struct plan *plan, const struct error *err) {
    n_written++;
    n_refused += plan == NULL;
}

static const struct journal_waiter waiter = {written, &plans};

static void open_all(void) {
    static const struct journal_room room = {
        .shorten_above = ABOVE, .least_gain = 1024, .kept = {30, (uint64_t)16 * 1024}};
    pool = worker_pool_new(loop, &(struct worker_options){.max_running = 2});
    journal = journal_open(
        &(struct journal_options){.loop = loop, .pool = pool, .path = path, .room = &room});
    assert_non_null(journal);
}

static void close_all(void) {
    journal = journal_free(journal);
    pool = worker_pool_free(pool);
}

static int set_up(void **state) {
    log_set_level(LOG_LEVEL_ERROR + 1);
    disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(disk != MAP_FAILED);
    parent = getpid();
    plans = mem_array(MOST_PLANS, sizeof(*plans));
    n_plans = 0;
    snprintf(folder, sizeof(folder), "/tmp/dbvitals-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/journal", folder);
    assert_int_equal(loop_new(&loop), 0);
    open_all();
    return 0;
}

static int tear_down(void **state) {
    close_all();
    loop = loop_free(loop);
    durable_clear(path); /* an opening may have begun to shorten it */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* and nothing else lies beside it */
    free(plans);
    munmap(disk, sizeof(*disk));
    return 0;
}

static void turn_until_written(int n) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (n_written < n && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_int_equal(n_written, n);
}

static struct plan *find(const struct model_plan *plan) {
    return book_find(journal_book(journal), str_of(plan->id));
}

/* As the journal's own record says it: what the model takes over when it is on the disk. */
static void happen(struct model_plan *plan, enum step_event event) {
    assert_int_equal(
        journal_event(journal, find(plan), event, str_of("somebody has said so"), &waiter, NULL),
        0);
    plan->step = step_next(plan->step, event);
}

static void write_draft(unsigned cluster, enum plan_mode mode) {
    char evidence[1500];
    struct model_plan *plan = &plans[n_plans];
    memset(evidence, 'e', sizeof(evidence));
    *plan = (struct model_plan){.cluster = cluster, .step = STEP_DRAFTED};
    snprintf(plan->id, sizeof(plan->id), "p%zu", n_plans++);
    assert_true(n_plans < MOST_PLANS);
    assert_int_equal(
        journal_draft(journal,
                      &(struct plan_draft){.id = str_of(plan->id),
                                           .cluster = str_of(clusters[cluster]),
                                           .evidence = {evidence, pick(sizeof(evidence))},
                                           .mode = mode},
                      &waiter, NULL),
        0);
}

/* Those of a batch go their ways together, and all come to an end. */
static void make_batch(void) {
    static const enum step_event events[] = {STEP_GO,        STEP_ASK,       STEP_SUCCEEDED,
                                             STEP_FAILURE,   STEP_RETURNED,  STEP_LOST,
                                             STEP_SUCCEEDED, STEP_SUCCEEDED, STEP_OBSERVE};
    size_t first = n_plans;
    bool open = true;
    n_written = n_refused = 0;
    for (size_t i = 0; i < BATCH; i++) {
        write_draft(pick(pick(4) == 0 ? N_CLUSTERS : N_CLUSTERS - 1), (enum plan_mode)pick(3));
    }
    turn_until_written(BATCH);
    while (open) {
        int asked = 0;
        open = false;
        n_written = 0;
        for (size_t i = first; i < n_plans; i++) {
            if (!step_is_end(plans[i].step)) {
                happen(&plans[i], events[pick(ARRAY_LEN(events))]);
                asked++;
                open = true;
            }
        }
        turn_until_written(asked);
    }
    assert_int_equal(n_refused, 0);
}

/* All but a few: what is needed must not fill it. */
static void acknowledge_most(void) {
    int asked = 0;
    n_written = n_refused = 0;
    for (size_t i = 0; i < n_plans; i++) {
        if (step_is_latched(plans[i].step) && pick(20) != 0) {
            happen(&plans[i], STEP_ACKNOWLEDGED);
            asked++;
        }
    }
    turn_until_written(asked);
    assert_int_equal(n_refused, 0);
}

/* Whoever waits for a record waits for what is before it as well. */
static void write_something(void) {
    for (int i = 0; i < 10; i++) {
        n_written = n_refused = 0;
        write_draft(0, PLAN_AUTOMATIC);
        turn_until_written(1);
        if (n_refused == 0) {
            n_written = 0;
            happen(&plans[n_plans - 1], STEP_OBSERVE);
            turn_until_written(1);
            assert_int_equal(n_refused, 0);
            return;
        }
        n_plans--; /* it is in no journal */
    }
    fail_msg("the journal does not take a record any more");
}

static void check_needed(const struct model_plan *plan) {
    const struct plan *told = find(plan);
    assert_non_null(told);
    assert_int_equal(told->step, plan->step);
    assert_true(str_is(told->draft.cluster, clusters[plan->cluster]));
}

static void check(void) {
    const struct book *book = journal_book(journal);
    uint64_t expected[N_CLUSTERS][STEPS] = {0}, told[N_CLUSTERS][STEPS] = {0};
    bool newer[N_CLUSTERS] = {0}, latched[N_CLUSTERS] = {0};
    for (size_t i = n_plans; i > 0; i--) {
        const struct model_plan *plan = &plans[i - 1];
        expected[plan->cluster][plan->step]++;
        if (!newer[plan->cluster] || step_is_latched(plan->step)) {
            check_needed(plan);
        }
        newer[plan->cluster] = true;
        latched[plan->cluster] |= step_is_latched(plan->step);
    }
    for (size_t i = 0; i < book->n_plans; i++) {
        const struct plan *plan = book->plans[i];
        for (size_t j = 0; j < N_CLUSTERS; j++) {
            told[j][plan->step] += str_is(plan->draft.cluster, clusters[j]);
        }
    }
    for (size_t j = 0; j < N_CLUSTERS; j++) {
        assert_int_equal(book_blocking(book, str_of(clusters[j])) != NULL, latched[j]);
        for (int step = 0; step < STEPS; step++) {
            told[j][step] += book_gone(book, str_of(clusters[j]), (enum step)step);
            assert_int_equal(told[j][step], expected[j][step]);
        }
    }
}

static uint64_t size_of_file(void) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    return (uint64_t)info.st_size;
}

static ino_t inode_of_file(void) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

static void nothing_lies_beside_it(void) {
    DIR *dir = opendir(folder);
    size_t n = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 3); /* ".", "..", the journal */
}

static void arm(int at, enum moment moment, bool stays, int code) {
    memset(disk, 0, sizeof(*disk));
    disk->at = at;
    disk->moment = (int)moment;
    disk->stays = stays;
    disk->code = code;
}

static bool a_worker_is_there(void) {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* A shortening begins with the last record of a batch, or not. */
static bool turn_until_reached(const volatile int *reached, int least) {
    uint64_t until = loop_clock_usec() + 50 * USEC_PER_MSEC, deadline = until + PATIENCE;
    while (*reached < least &&
           loop_clock_usec() < (disk->calls > 0 || a_worker_is_there() ? deadline : until)) {
        (void)loop_run_once(loop, 5 * USEC_PER_MSEC);
    }
    return *reached >= least;
}

/* The new file may stand already. */
static bool has_grown(void) {
    return size_of_file() > ABOVE || disk->calls > 0;
}

/* Makes plans until the shortening has come to where it is hit, or to its end. */
static void grow_until(const volatile int *reached, int least) {
    for (int i = 0; i < 20; i++) {
        make_batch();
        if (has_grown() && turn_until_reached(reached, least)) {
            return;
        }
        acknowledge_most();
        if (has_grown() && turn_until_reached(reached, least)) {
            return;
        }
    }
    fail_msg("it is not shortened");
}

static void a_shortening_keeps_what_is_needed_and_does_things_in_their_order(void **state) {
    for (int round = 0; round < 4; round++) {
        arm(0, MOMENT_NONE, false, 0);
        grow_until(&disk->calls, 5);
        write_something();
        assert_string_equal(disk->order, "uwsrf");
        assert_true(size_of_file() < ABOVE);
        assert_true(journal_works(journal));
        check();
        if (round % 3 == 0) {
            close_all();
            open_all();
            check();
        }
        nothing_lies_beside_it();
    }
    assert_true(n_plans > 300);
    assert_true(journal_book(journal)->n_plans < n_plans / 3);
}

/* After one thing is before the next; the second one is a write. */
static bool is_a_moment(int at, enum moment moment) {
    return moment == MOMENT_BEFORE || (moment == MOMENT_TORN && at == 2) ||
           (moment == MOMENT_AFTER && at == 5);
}

/* The worker alone, by kill -9: which of the two files stands is found out before anything else is
 * written. */
static void the_death_of_the_worker_anywhere_costs_nothing(void **state) {
    for (int at = 1; at <= 5; at++) {
        for (int moment = MOMENT_BEFORE; moment <= MOMENT_AFTER; moment++) {
            if (!is_a_moment(at, (enum moment)moment)) {
                continue;
            }
            arm(at, (enum moment)moment, false, 0);
            grow_until(&disk->hit, 1);
            disk->at = 0;
            write_something();
            assert_true(journal_works(journal));
            assert_true(size_of_file() < ABOVE); /* it was done in the end */
            check();
            nothing_lies_beside_it();
            close_all();
            open_all();
            check();
        }
    }
}

/* The worker stops there, and the monitor ends: what the next one finds is the old journal or the
 * new one. */
static void the_death_of_the_monitor_anywhere_leaves_one_of_the_two(void **state) {
    unsigned old = 0, new = 0;
    write_something(); /* there is a file */
    for (int at = 1; at <= 5; at++) {
        for (int moment = MOMENT_BEFORE; moment <= MOMENT_AFTER; moment++) {
            if (!is_a_moment(at, (enum moment)moment)) {
                continue;
            }
            arm(at, (enum moment)moment, true, 0);
            ino_t before = inode_of_file();
            grow_until(&disk->hit, 1);
            close_all();
            bool is_old = inode_of_file() == before;
            old += is_old;
            new += !is_old;
            assert_int_equal(is_old, at < 4 || (at == 4 && moment == MOMENT_BEFORE));
            arm(0, MOMENT_NONE, false, 0);
            open_all();
            check();
            write_something(); /* behind the shortening that begins at the opening */
            check();
            assert_true(size_of_file() < ABOVE);
            nothing_lies_beside_it();
        }
    }
    assert_int_equal(old, 5);
    assert_int_equal(new, 2);
}

static void a_disk_that_refuses_leaves_the_old_one_and_is_told(void **state) {
    static const struct { int at, code; } errors[] = {{2, ENOSPC}, {3, EIO}, {4, EIO}};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        arm(errors[i].at, MOMENT_ERROR, false, errors[i].code);
        grow_until(&disk->hit, 1);
        disk->at = 0;
        write_something();
        assert_true(size_of_file() > ABOVE);
        assert_true(journal_works(journal)); /* it takes records, and has room for more */
        check();
        nothing_lies_beside_it();
        int calls = disk->calls;
        make_batch();
        assert_int_equal(disk->calls, calls); /* not again so soon */
        check();
        close_all();
        open_all(); /* which shortens it */
        write_something();
        assert_true(size_of_file() < ABOVE);
        check();
    }
}

static void turn_until_it(bool works) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (journal_works(journal) != works && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 5 * USEC_PER_MSEC);
    }
    assert_int_equal(journal_works(journal), works);
}

static void a_full_disk_forbids_everything_until_it_is_not(void **state) {
    arm(2, MOMENT_ERROR, false, ENOSPC);
    disk->fills = 1;
    grow_until(&disk->hit, 1);
    turn_until_it(false);
    nothing_lies_beside_it();
    disk->full = 0;
    turn_until_it(true);
    write_something();
    check();
    close_all();
    open_all();
    check();
}

/* The new one stands, and may not after a power failure. */
static void a_folder_that_cannot_be_synced_stops_everything_until_it_can(void **state) {
    arm(5, MOMENT_ERROR, false, EIO);
    grow_until(&disk->hit, 1);
    turn_until_it(false);
    disk->at = disk->calls + 5;
    n_written = n_refused = 0;
    write_draft(0, PLAN_AUTOMATIC);
    turn_until_written(1);
    assert_int_equal(n_refused, 1);
    n_plans--;
    assert_false(journal_works(journal));
    disk->at = 0;
    turn_until_it(true); /* by itself */
    assert_true(size_of_file() < ABOVE);
    check();
    close_all();
    open_all();
    check();
}

static void no_shortening_while_a_plan_is_open(void **state) {
    n_written = n_refused = 0;
    arm(0, MOMENT_NONE, false, 0);
    write_draft(3, PLAN_MANUAL);
    turn_until_written(1);
    happen(&plans[0], STEP_ASK);
    turn_until_written(2);
    for (int i = 0; i < 5; i++) {
        make_batch();
        acknowledge_most();
    }
    assert_true(size_of_file() > ABOVE);
    assert_int_equal(disk->calls, 0);
    n_written = 0;
    happen(&plans[0], STEP_RETURNED);
    turn_until_written(1);
    write_something();
    assert_true(size_of_file() < ABOVE);
    check();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_shortening_keeps_what_is_needed_and_does_things_in_their_order),
        TEST(the_death_of_the_worker_anywhere_costs_nothing),
        TEST(the_death_of_the_monitor_anywhere_leaves_one_of_the_two),
        TEST(a_disk_that_refuses_leaves_the_old_one_and_is_told),
        TEST(a_full_disk_forbids_everything_until_it_is_not),
        TEST(a_folder_that_cannot_be_synced_stops_everything_until_it_can),
        TEST(no_shortening_while_a_plan_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
