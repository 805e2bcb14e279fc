/* SPDX-License-Identifier: Apache-2.0 */

/* The yardstick for scrapes: libmicrohttpd with one body of a given size and nothing behind it,
 * on one thread and one epoll descriptor, as the daemon's server is built. Ends by itself. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

static enum MHD_Result answer(void *userdata, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **request) {
    static int seen;
    struct MHD_Response *response = userdata;

    (void)url;
    (void)method;
    (void)version;
    (void)upload;
    (void)upload_size;
    /* The first call announces the headers only; an answer here would close the connection. */
    if (*request == NULL) {
        *request = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: static_body PORT BYTES SECONDS\n");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t size = (size_t)atol(argv[2]);
    time_t end = time(NULL) + atol(argv[3]);

    char *body = malloc(size);
    if (body == NULL) {
        return 1;
    }
    memset(body, 'x', size);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, response, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&address, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "static_body: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    int fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event);

    while (time(NULL) < end) {
        MHD_UNSIGNED_LONG_LONG timeout = 1000;
        if (MHD_get_timeout(daemon, &timeout) == MHD_NO || timeout > 1000) {
            timeout = 1000;
        }
        epoll_wait(outer, &event, 1, (int)timeout);
        MHD_run(daemon);
    }
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    free(body);
    return 0;
}
