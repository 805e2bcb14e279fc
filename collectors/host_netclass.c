/* SPDX-License-Identifier: Apache-2.0 */

/* /sys/class/net: what network devices are and whether they work. What a device does not tell is
 * left out. */
#include <stdio.h>

#include "collectors/collector.h"
#include "collectors/support.h"

#define MEGABIT 125000 /* bytes a second */
#define IFF_UP  1

static const struct query queries[] = {
    {0, 0,
     "/sys/class/net/* addr_assign_type address broadcast carrier carrier_changes "
     "carrier_down_count carrier_up_count dev_id dormant duplex flags ifalias ifindex iflink "
     "link_mode mtu name_assign_type netdev_group operstate speed statistics/rx_nohandler "
     "tx_queue_len type",
     SHAPE_ROWS},
    {0},
};

static const struct word operstates[] = {
    {"up", 1},      {"down", 0},    {"unknown", 0}, {"notpresent", 0}, {"lowerlayerdown", 0},
    {"testing", 0}, {"dormant", 0}, {NULL, 0},
};

/* Group 0: of the device. Group 1: what is no number. */
static const struct column columns[] = {
    {"addr_assign_type", GAUGE, "node_network_address_assign_type",
     "Where the device's address comes from, as the kernel numbers it."},
    {"address", LABEL, "address", .group = 1},
    {"adminstate", LABEL, "adminstate", .group = 1},
    {"broadcast", LABEL, "broadcast", .group = 1},
    {"carrier", GAUGE, "node_network_carrier", "Whether the device has a link."},
    {"carrier_changes", COUNTER, "node_network_carrier_changes_total",
     "How often the link came or went."},
    {"carrier_down_count", COUNTER, "node_network_carrier_down_changes_total",
     "How often the link went."},
    {"carrier_up_count", COUNTER, "node_network_carrier_up_changes_total",
     "How often the link came."},
    {"dev_id", GAUGE, "node_network_device_id", "Number of the device among those of its address."},
    {"dormant", GAUGE, "node_network_dormant", "Whether the device waits for something outside."},
    {"duplex", LABEL, "duplex", .group = 1},
    {"flags", GAUGE, "node_network_flags", "Flags of the device, as the kernel numbers them."},
    {"ifalias", LABEL, "ifalias", .group = 1},
    {"ifindex", GAUGE, "node_network_iface_id", "The kernel's number of the device."},
    {"iflink", GAUGE, "node_network_iface_link",
     "The kernel's number of the device below it, or its own."},
    {"link_mode", GAUGE, "node_network_iface_link_mode", "Link mode, as the kernel numbers it."},
    {"mtu", GAUGE, "node_network_mtu_bytes", "Bytes that a packet may have."},
    {"name", LABEL, "device"},
    {"name", LABEL, "device", .group = 1},
    {"name", INFO, "node_network_info", "What the device is, in labels.", .group = 1},
    {"name_assign_type", GAUGE, "node_network_name_assign_type",
     "Where the device's name comes from, as the kernel numbers it."},
    {"netdev_group", GAUGE, "node_network_net_dev_group", "Group of the device."},
    {"operstate", LABEL, "operstate", .group = 1},
    {"operstate", GAUGE, "node_network_up", "Whether the device is in state up.",
     .words = operstates},
    {"speed", GAUGE, "node_network_speed_bytes",
     "Bytes that the link carries in a second; below 0 where it does not know.", .scale = MEGABIT},
    {"statistics/rx_nohandler", COUNTER, "node_network_receive_nohandler_total",
     "Packets received that nobody took."},
    {"tx_queue_len", GAUGE, "node_network_transmit_queue_length",
     "Packets that may wait to be sent."},
    {"type", GAUGE, "node_network_protocol_type", "Kind of device, as the kernel numbers it."},
    {0},
};

/* "0x1003" in decimal. */
static bool from_hex(struct str text, uint64_t *ret) {
    uint64_t value = 0;
    if (!str_starts_with(text, "0x") || text.len < 3 || text.len > 2 + 15) {
        return false;
    }
    for (size_t i = 2; i < text.len; i++) {
        char c = (char)(text.data[i] | 0x20);
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return false;
        }
        value = value * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = value;
    return true;
}

static bool edit(const struct sample_context *context, const struct table *table,
                 struct str *cells) {
    static const char *const hexadecimal[] = {"dev_id", "flags"};
    const char *state = "unknown";
    for (size_t i = 0; i < ARRAY_LEN(hexadecimal); i++) {
        int place = table_column(table, hexadecimal[i]);
        uint64_t value;
        char digits[32];
        if (place >= 0 && from_hex(cells[place], &value)) {
            int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
            cells[place] = arena_dup(context->arena, (struct str){digits, (size_t)len});
            state = i == 0 ? state : (value & IFF_UP) != 0 ? "up" : "down";
        }
    }
    cells[table->n_columns] = str_of(state);
    return true;
}

extern const struct collector collector_host_netclass;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_edited_rows(&collector_host_netclass, context, answer, "adminstate", edit, batch,
                              err);
}

const struct collector collector_host_netclass = {
    .name = "netclass",
    .help = "Network devices: links, speeds, addresses.",
    .kind = KIND_HOST,
    .interval_usec = (uint64_t)30 * 1000 * 1000, /* many files, by a worker */
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
