/* SPDX-License-Identifier: Apache-2.0 */

#include "web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "web/port_owner.h"
#include "web/web.h"

#define BACKLOG 1024

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un unix_path;
};

static socklen_t address_size(const union address *address) {
    return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

/* Return: a descriptor or negative errno. */
static int listen_on(const union address *address, bool dual_stack) {
    int fd =
        socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
        return -errno;
    }
    const int on = 1;
    const int v6_only = !dual_stack;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (address->any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0) ||
        bind(fd, &address->any, address_size(address)) < 0 || listen(fd, BACKLOG) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

/* Every IPv6 and IPv4 address, or only IPv4 where the kernel has no IPv6. */
static int listen_everywhere(uint16_t port) {
    union address all = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    int fd = listen_on(&all, true);
    if (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL && fd != -EINVAL) {
        return fd;
    }
    all = (union address){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    return listen_on(&all, false);
}

/* Looks the host up (at start only, so it may wait) and takes its first IPv4 address, or else its
 * first one: "localhost" means 127.0.0.1, as with the other exporters. */
static int look_up(const char *host, uint16_t port, union address *ret, struct error *err) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(host, NULL, &hints, &found);
    if (r != 0) {
        return error_say(err, -EADDRNOTAVAIL, "cannot listen on host '%.100s': %s", host,
                         gai_strerror(r));
    }
    const struct addrinfo *chosen = found;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            chosen = one;
            break;
        }
    }
    *ret = (union address){0};
    memcpy(ret, chosen->ai_addr, chosen->ai_addrlen);
    freeaddrinfo(found);
    if (ret->any.sa_family == AF_INET) {
        ret->v4.sin_port = htons(port);
    } else {
        ret->v6.sin6_port = htons(port);
    }
    return 0;
}

static char *bound_address(int fd) {
    union address bound = {0};
    socklen_t size = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "";
    getsockname(fd, &bound.any, &size);
    if (bound.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &bound.v4.sin_addr, host, sizeof(host));
        return mem_printf("%s:%u", host, ntohs(bound.v4.sin_port));
    }
    inet_ntop(AF_INET6, &bound.v6.sin6_addr, host, sizeof(host));
    return mem_printf("[%s]:%u", host, ntohs(bound.v6.sin6_port));
}

/* What to do differs from cause to cause. Return: r. */
static int say_why_not(int r, const char *address, uint16_t port, struct error *err) {
    char owner[128] = "another process";
    switch (r) {
    case -EADDRINUSE:
        port_owner(port, owner, sizeof(owner));
        return error_say(err, r,
                         "cannot listen on '%.100s': the port is used by %s (choose another with "
                         "--web.listen-address)",
                         address, owner);
    case -EADDRNOTAVAIL:
        return error_say(err, r, "cannot listen on '%.100s': this machine has no such address",
                         address);
    case -EACCES:
        return error_say(err, r,
                         "cannot listen on '%.100s': this user may not use the port (those below "
                         "1024 need CAP_NET_BIND_SERVICE)",
                         address);
    default:
        return error_say(err, r, "cannot listen on '%.100s': %s", address, strerrordesc_np(-r));
    }
}

static int tcp_open(const char *address, struct listener *ret, struct error *err) {
    char host[256];
    uint16_t port;
    int r = web_address_parse(address, host, &port, err);
    if (r < 0) {
        return r;
    }
    int fd;
    if (host[0] == '\0') {
        fd = listen_everywhere(port);
    } else {
        union address wanted;
        r = look_up(host, port, &wanted, err);
        if (r < 0) {
            return r;
        }
        fd = listen_on(&wanted, false);
    }
    if (fd < 0) {
        return say_why_not(fd, address, port, err);
    }
    *ret = (struct listener){.fd = fd, .text = bound_address(fd)};
    return 0;
}

/* A socket file that nobody listens on is left over from a process that was killed. */
static bool remove_stale_socket(const struct sockaddr_un *address) {
    struct stat file;
    if (lstat(address->sun_path, &file) < 0 || !S_ISSOCK(file.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale && unlink(address->sun_path) == 0;
}

static int bind_unix(int fd, const struct sockaddr_un *address, mode_t mode) {
    /* Made without rights for others, so that there is no moment in which anybody may connect. */
    mode_t before = umask(~mode & 0777);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    umask(before);
    return r;
}

static int unix_open(const char *path, mode_t mode, struct listener *ret, struct error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_say(err, -ENAMETOOLONG, "'unix:%.120s': a socket's path has at most %zu bytes",
                         path, sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_say(err, -errno, "cannot listen on 'unix:%s': %s", path,
                         strerrordesc_np(errno));
    }
    int r = bind_unix(fd, &address, mode);
    if (r == -EADDRINUSE && remove_stale_socket(&address)) {
        r = bind_unix(fd, &address, mode);
    }
    if (r == 0 && listen(fd, BACKLOG) < 0) {
        r = -errno;
    }
    struct stat file = {0};
    if (r == 0 && lstat(path, &file) < 0) {
        r = -errno;
    }
    if (r < 0) {
        close(fd);
        return error_say(err, r, "cannot listen on 'unix:%s': %s", path,
                         r == -EADDRINUSE ? "the file exists and is in use" : strerrordesc_np(-r));
    }
    *ret = (struct listener){.fd = fd,
                             .text = mem_printf("unix:%s", path),
                             .unix_path = mem_strdup(path),
                             .unix_device = file.st_dev,
                             .unix_inode = file.st_ino};
    return 0;
}

int listener_open(const char *address, struct listener *ret, struct error *err) {
    if (!str_starts_with(str_of(address), "unix:")) {
        return tcp_open(address, ret, err);
    }
    const char *path = address + strlen("unix:");
    if (path[0] != '/') {
        return error_say(err, -EINVAL, "'%.100s': the path must be absolute", address);
    }
    return unix_open(path, 0660, ret, err);
}

int listener_open_control(const char *path, struct listener *ret, struct error *err) {
    return unix_open(path, 0600, ret, err);
}

void listener_close(struct listener *listener) {
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    struct stat file;
    if (listener->unix_path != NULL && lstat(listener->unix_path, &file) == 0 &&
        file.st_dev == listener->unix_device && file.st_ino == listener->unix_inode) {
        unlink(listener->unix_path);
    }
    free(listener->unix_path);
    free(listener->text);
    *listener = (struct listener){.fd = -1};
}
