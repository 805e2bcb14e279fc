/* SPDX-License-Identifier: Apache-2.0 */

/* Listen addresses: how they are written, and what opening them says when it fails. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "web/listen.h"
#include "web/port_owner.h"
#include "web/web.h"

static void reads_addresses(void **state) {
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        {":9719", "", 9719},
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"[::1]:65535", "::1", 65535},
        {"db-1.example.org:80", "db-1.example.org", 80},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        char host[256];
        uint16_t port = 1;
        assert_int_equal(web_address_parse(cases[i].text, host, &port, &error), 0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void knows_where_others_reach_us(void **state) {
    static const struct {
        const char *listen, *external, *prefix, *url, *host;
    } cases[] = {
        {":9719", NULL, NULL, "http://db-1:9719", "db-1:9719"},
        {"[::1]:9720", "", "db/", "http://db-1:9720/db", "db-1:9720"},
        {"127.0.0.1:0", NULL, "/", "http://db-1", "db-1"},
        {"unix:/run/dbvitals.sock", NULL, "/db", "http://db-1/db", "db-1"},
        {":9719", "https://mon.example:443/db/", "/x", "https://mon.example:443/db",
         "mon.example:443"},
        {":9719", "http://mon.example", NULL, "http://mon.example", "mon.example"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct web_options options = {
            .listen_addresses = &cases[i].listen,
            .n_listen_addresses = 1,
            .external_url = cases[i].external,
            .route_prefix = cases[i].prefix,
        };
        char *url = web_own_url(&options, "db-1");
        struct str host = web_url_host(url);
        assert_string_equal(url, cases[i].url);
        assert_true(str_is(host, cases[i].host));
        free(url);
    }
    (void)state;
}

static void says_https_when_it_serves_tls(void **state) {
    static const char *const address = ":9719";
    const struct web_security_options security = {.tls = {.enabled = true}};
    struct web_options options = {
        .listen_addresses = &address, .n_listen_addresses = 1, .security = &security};
    char *url = web_own_url(&options, "db-1");
    assert_string_equal(url, "https://db-1:9719");
    free(url);
    options.external_url = "http://proxy.example";
    url = web_own_url(&options, "db-1");
    assert_string_equal(url, "http://proxy.example");
    free(url);
    (void)state;
}

static void refuses_what_is_no_address(void **state) {
    static const char *const cases[] = {
        "",          "9719",    "host",        ":",       "host:",   ":65536",
        ":-1",       ":http",   "::1:9719",    "[::1]",   "[]:9719", "[::1:9719",
        "[::1]9719", "a:9719 ", "http://a:80", ":000080", "/run:1",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        char host[256] = "untouched";
        uint16_t port = 7;
        assert_true(web_address_parse(cases[i], host, &port, &error) < 0);
        assert_true(error_is_set(&error));
        assert_string_equal(host, "untouched");
        assert_int_equal(port, 7);
    }
}

static void refuses_a_host_longer_than_any(void **state) {
    char address[400];
    memset(address, 'a', sizeof(address));
    memcpy(address + 300, ":80", 4);
    struct error error = {0};
    char host[256];
    uint16_t port;
    assert_true(web_address_parse(address, host, &port, &error) < 0);
}

static uint16_t port_of(const struct listener *listener) {
    return (uint16_t)atoi(strrchr(listener->text, ':') + 1);
}

static void a_port_in_use_names_the_process(void **state) {
    struct error error = {0};
    struct listener first, second;
    assert_int_equal(listener_open("127.0.0.1:0", &first, &error), 0);
    assert_int_equal(listener_open(first.text, &second, &error), -EADDRINUSE);
    char pid[32];
    snprintf(pid, sizeof(pid), "process %d (test_web_addres)", getpid());
    assert_non_null(strstr(error.text, first.text));
    assert_non_null(strstr(error.text, pid));
    listener_close(&first);
}

static void the_owner_of_a_free_port_is_unknown(void **state) {
    struct error error = {0};
    struct listener listener;
    char owner[128];
    assert_int_equal(listener_open("127.0.0.1:0", &listener, &error), 0);
    uint16_t port = port_of(&listener);
    assert_int_equal(port_owner(port, owner, sizeof(owner)), 0);
    listener_close(&listener);
    assert_int_equal(port_owner(port, owner, sizeof(owner)), -ENOENT);
}

static void an_empty_host_means_every_address(void **state) {
    struct error error = {0};
    struct listener listener;
    assert_int_equal(listener_open(":0", &listener, &error), 0);
    assert_true(strncmp(listener.text, "[::]:", 5) == 0 ||
                strncmp(listener.text, "0.0.0.0:", 8) == 0);
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons(port_of(&listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&v4, sizeof(v4)), 0);
    close(fd);
    listener_close(&listener);
}

static void listens_on_ipv6_alone(void **state) {
    struct error error = {0};
    struct listener listener;
    int r = listener_open("[::1]:0", &listener, &error);
    if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) {
        skip(); /* this machine has no IPv6 */
    }
    assert_int_equal(r, 0);
    assert_int_equal(strncmp(listener.text, "[::1]:", 6), 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons(port_of(&listener)),
                                   .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    listener_close(&listener);
}

static void an_address_of_another_machine_is_said(void **state) {
    struct error error = {0};
    struct listener listener;
    assert_int_equal(listener_open("192.0.2.1:0", &listener, &error), -EADDRNOTAVAIL);
    assert_string_equal(error.text,
                        "cannot listen on '192.0.2.1:0': this machine has no such address");
}

static void a_busy_port_comes_with_the_way_out(void **state) {
    struct error error = {0};
    struct listener first, second;
    assert_int_equal(listener_open("127.0.0.1:0", &first, &error), 0);
    assert_int_equal(listener_open(first.text, &second, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "(choose another with --web.listen-address)"));
    listener_close(&first);
}

static void a_socket_in_a_missing_folder_is_said(void **state) {
    struct error error = {0};
    struct listener listener;
    assert_int_equal(listener_open("unix:/nowhere/web.sock", &listener, &error), -ENOENT);
    assert_string_equal(error.text,
                        "cannot listen on 'unix:/nowhere/web.sock': No such file or directory");
}

static void an_unknown_host_is_said(void **state) {
    struct error error = {0};
    struct listener listener;
    assert_true(listener_open("no-such-host.invalid:9719", &listener, &error) < 0);
    assert_non_null(strstr(error.text, "no-such-host.invalid"));
}

struct folder {
    char path[64];
    char address[128]; /* unix:PATH/web.sock */
    char file[100];
};

static struct folder make_folder(void) {
    struct folder folder = {.path = "/tmp/test_web_address.XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    snprintf(folder.file, sizeof(folder.file), "%s/web.sock", folder.path);
    snprintf(folder.address, sizeof(folder.address), "unix:%s", folder.file);
    return folder;
}

static void a_unix_socket_is_private_and_removed_at_the_end(void **state) {
    struct folder folder = make_folder();
    struct error error = {0};
    struct listener listener;
    struct stat file;
    assert_int_equal(listener_open(folder.address, &listener, &error), 0);
    assert_string_equal(listener.text, folder.address);
    assert_int_equal(stat(folder.file, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0660);
    listener_close(&listener);
    assert_int_equal(stat(folder.file, &file), -1);
    assert_int_equal(rmdir(folder.path), 0);
}

static void a_stale_socket_file_is_replaced_and_a_living_one_is_not(void **state) {
    struct folder folder = make_folder();
    struct error error = {0};
    struct listener listener, second;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", folder.file);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(listener_open(folder.address, &listener, &error), 0);
    assert_int_equal(listener_open(folder.address, &second, &error), -EADDRINUSE);
    listener_close(&listener);
    assert_int_equal(rmdir(folder.path), 0);
}

static void another_file_in_the_place_of_a_socket_is_left_alone(void **state) {
    struct folder folder = make_folder();
    struct error error = {0};
    struct listener listener;
    FILE *file = fopen(folder.file, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listener_open(folder.address, &listener, &error), -EADDRINUSE);
    assert_int_equal(unlink(folder.file), 0);
    assert_int_equal(rmdir(folder.path), 0);
}

static void refuses_socket_paths_that_cannot_be(void **state) {
    struct error error = {0};
    struct listener listener;
    char path[200] = "unix:/";
    assert_true(listener_open("unix:relative", &listener, &error) < 0);
    memset(path + 6, 'x', sizeof(path) - 7);
    path[sizeof(path) - 1] = '\0';
    assert_true(listener_open(path, &listener, &(struct error){0}) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test(knows_where_others_reach_us),
        cmocka_unit_test(says_https_when_it_serves_tls),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(refuses_a_host_longer_than_any),
        cmocka_unit_test(a_port_in_use_names_the_process),
        cmocka_unit_test(the_owner_of_a_free_port_is_unknown),
        cmocka_unit_test(an_empty_host_means_every_address),
        cmocka_unit_test(listens_on_ipv6_alone),
        cmocka_unit_test(an_address_of_another_machine_is_said),
        cmocka_unit_test(a_busy_port_comes_with_the_way_out),
        cmocka_unit_test(a_socket_in_a_missing_folder_is_said),
        cmocka_unit_test(an_unknown_host_is_said),
        cmocka_unit_test(a_unix_socket_is_private_and_removed_at_the_end),
        cmocka_unit_test(a_stale_socket_file_is_replaced_and_a_living_one_is_not),
        cmocka_unit_test(another_file_in_the_place_of_a_socket_is_left_alone),
        cmocka_unit_test(refuses_socket_paths_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
