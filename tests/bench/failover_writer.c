/* SPDX-License-Identifier: Apache-2.0 */

/* Writers of the failover benchmark: each inserts increasing numbers, a transaction each, and
 * connects again after any error. For each commit that was acknowledged a line goes to the standard
 * output: writer, number, when (microseconds of CLOCK_MONOTONIC), and the port of the server that
 * took it. A number whose commit is in doubt is never used again.
 *
 *     failover_writer CONNINFO WRITERS SECONDS */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_USEC 1000 /* between two commits, and before another connection */

static const char insert[] = "INSERT INTO numbers VALUES ($1::int, $2::bigint) "
                             "RETURNING inet_server_port()";

static long long now_usec(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Return: whether the connection is of further use. */
static int write_one(PGconn *connection, int writer, long long number) {
    char first[16], second[24], line[96];
    snprintf(first, sizeof(first), "%d", writer);
    snprintf(second, sizeof(second), "%lld", number);
    const char *const values[] = {first, second};
    PGresult *result = PQexecParams(connection, insert, 2, NULL, values, NULL, NULL, 0);
    int good = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (good) {
        int n = snprintf(line, sizeof(line), "%d %lld %lld %s\n", writer, number, now_usec(),
                         PQgetvalue(result, 0, 0));
        good = write(STDOUT_FILENO, line, (size_t)n) == n; /* one piece: all share the file */
    }
    PQclear(result);
    return good;
}

/* Servers that die say so on many connections. */
static void hear_nothing(void *userdata, const char *text) {
    (void)userdata;
    (void)text;
}

static void run_writer(const char *conninfo, int writer, unsigned seconds) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(seconds);
    for (long long number = 1;;) {
        PGconn *connection = PQconnectdb(conninfo);
        int good = PQstatus(connection) == CONNECTION_OK;
        PQsetNoticeProcessor(connection, hear_nothing, NULL);
        while (good) {
            good = write_one(connection, writer, number++);
            usleep(PAUSE_USEC);
        }
        PQfinish(connection);
        usleep(PAUSE_USEC);
    }
}

int main(int argc, char **argv) {
    int writers = argc == 4 ? atoi(argv[2]) : 0;
    int seconds = argc == 4 ? atoi(argv[3]) : 0;
    if (writers < 1 || seconds < 1) {
        fprintf(stderr, "usage: failover_writer CONNINFO WRITERS SECONDS\n");
        return 2;
    }
    for (int i = 0; i < writers; i++) {
        if (fork() == 0) {
            run_writer(argv[1], i, (unsigned)seconds);
        }
    }
    while (wait(NULL) > 0) {}
    return 0;
}
