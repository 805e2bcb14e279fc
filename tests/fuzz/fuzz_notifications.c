/* SPDX-License-Identifier: Apache-2.0 */

/* The state file of notifications: any bytes are refused with a sentence, or give groups and queues
 * that can be run, and written and read again. The input is what stands behind version and
 * checksum. */

#include "actions/private_receivers.h"
#include "base/mem.h"
#include "fuzz.h"

static struct loop *loop;
static char *by_cluster[] = {(char[]){"cluster"}};
static struct receiver_options receiver = {.name = (char[]){"ops"}};
static struct route_options route = {
    .group_by = by_cluster, .n_group_by = 1, .group_interval_usec = 60000000};
static const struct notify_options options = {
    .receivers = &receiver, .n_receivers = 1, .routes = &route, .n_routes = 1};
static const struct groups_channel known[] = {{"ops/email", "ops", 0, true},
                                              {"ops/exec", "ops", 0, false}};

struct side {
    struct groups *groups;
    struct receiver_channel channels[2];
    struct receiver_channel *pointers[2];
    struct groups_time time;
};

static void put(void *userdata, const char *channel, struct notification *notification) {
    struct side *side = userdata;
    must(notification->n_alerts > 0);
    outbox_put(side->channels[strcmp(channel, known[0].name) != 0].outbox, notification, true);
}

static void cancel(void *userdata, const char *channel, struct str group_key) {
    struct side *side = userdata;
    outbox_cancel(side->channels[strcmp(channel, known[0].name) != 0].outbox, group_key);
}

static void side_init(struct side *side) {
    *side = (struct side){.time = {1000, 1767323045000}};
    side->groups =
        groups_new(&(struct groups_options){.put = put, .cancel = cancel, .userdata = side});
    for (size_t i = 0; i < 2; i++) {
        side->channels[i].name = (char *)(uintptr_t)known[i].name;
        side->channels[i].outbox =
            outbox_new(&(struct outbox_options){.loop = loop, .receiver = "", .channel = ""});
        side->pointers[i] = &side->channels[i];
    }
}

static void side_deinit(struct side *side) {
    (void)groups_free(side->groups);
    for (size_t i = 0; i < 2; i++) {
        (void)outbox_free(side->channels[i].outbox);
    }
}

static int load(struct side *side, struct str file) {
    struct error err = {0};
    size_t dropped = 0;
    int r =
        receivers_unpack(file, side->time, side->groups, side->pointers, 2, loop, &dropped, &err);
    must((r == 0) == !error_is_set(&err));
    must(r == 0 || groups_stats(side->groups).groups == 0);
    return r;
}

static void check_again(const struct side *side) {
    struct strbuf file = {0};
    struct side second;
    receivers_pack(side->groups, side->pointers, 2, side->time, &file);
    side_init(&second);
    second.time = side->time;
    must(load(&second, strbuf_view(&file)) == 0);
    side_deinit(&second);
    strbuf_deinit(&file);
}

static void run(struct side *side) {
    struct router *router = router_new(&options);
    groups_apply(side->groups, router, known, 2);
    for (int i = 0; i < 3; i++) {
        groups_run(side->groups, side->time);
        check_again(side);
        side->time.now_ms += 600000;
        side->time.wall_ms += 600000;
    }
    (void)router_free(router);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct strbuf file = {0};
    struct side side;
    if (loop == NULL) {
        must(loop_new(&loop) == 0);
    }
    side_init(&side);
    must(load(&side, fuzz_input(data, size)) < 0 || size > 0);
    strbuf_add_text(&file, "dbvitals notifications 1\n");
    pack_u64(&file, crc32c(data, size));
    strbuf_add(&file, data, size);
    if (load(&side, strbuf_view(&file)) == 0) {
        check_again(&side);
        run(&side);
    }
    side_deinit(&side);
    strbuf_deinit(&file);
    return 0;
}
