/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/places.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>

void place_read(const char *instance, struct cluster_addresses *ret) {
    struct str text = str_of(instance);
    const char *colon = strrchr(instance, ':');
    uint64_t port = 0;
    *ret = (struct cluster_addresses){0};
    if (colon != NULL && str_to_uint64(str_of(colon + 1), &port) && port <= UINT16_MAX) {
        text.len = (size_t)(colon - instance);
        ret->port = (uint16_t)port;
    }
    if (text.len > 1 && text.data[0] == '[' && text.data[text.len - 1] == ']') {
        text = (struct str){text.data + 1, text.len - 2};
    }
    snprintf(ret->host, sizeof(ret->host), "%.*s", (int)text.len, text.data);
}

static bool is_loopback(const char *host) {
    return host[0] == '\0' || host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0 ||
           strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static bool is_on_interface(const struct ifaddrs *one, const char *address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (one->ifa_addr == NULL) {
        return false;
    }
    if (one->ifa_addr->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)one->ifa_addr;
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    } else if (one->ifa_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)one->ifa_addr;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    }
    return text[0] != '\0' && strcmp(text, address) == 0;
}

static bool is_ours(const char *address) {
    struct ifaddrs *all;
    bool found = is_loopback(address);
    if (found || getifaddrs(&all) < 0) {
        return found;
    }
    for (const struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next) {
        found = is_on_interface(one, address);
    }
    freeifaddrs(all);
    return found;
}

bool place_is_local(const struct cluster_addresses *place) {
    for (size_t i = 0; i < place->n_texts; i++) {
        if (is_ours(place->texts[i])) {
            return true;
        }
    }
    return is_ours(place->host);
}

bool place_is_name(const struct cluster_addresses *place) {
    struct resolve_address address;
    return !is_loopback(place->host) && !resolve_literal(place->host, 0, &address);
}

void place_take(struct cluster_addresses *place, const struct resolve_answer *answer) {
    place->n_texts = 0;
    for (size_t i = 0; i < answer->n_addresses && i < CLUSTER_MOST_ADDRESSES; i++) {
        snprintf(place->texts[place->n_texts++], sizeof(place->texts[0]), "%s",
                 answer->addresses[i].text);
    }
}
