/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/net/dev: what network devices have carried. Two lines of headings, then "eth0: 1 2 ...". */
#include "collectors/collector.h"
#include "collectors/support.h"

static const struct query queries[] = {
    {0, 0, "/proc/net/dev", SHAPE_WORDS,
     "device rx_bytes rx_packets rx_errs rx_drop rx_fifo rx_frame rx_compressed rx_multicast "
     "tx_bytes tx_packets tx_errs tx_drop tx_fifo tx_colls tx_carrier tx_compressed"},
    {0},
};

static const struct column columns[] = {
    {"device", LABEL, "device"},
    {"rx_bytes", COUNTER, "node_network_receive_bytes_total", "Bytes received."},
    {"rx_compressed", COUNTER, "node_network_receive_compressed_total",
     "Compressed packets received."},
    {"rx_drop", COUNTER, "node_network_receive_drop_total",
     "Packets received that were thrown away."},
    {"rx_errs", COUNTER, "node_network_receive_errs_total", "Packets received that were bad."},
    {"rx_fifo", COUNTER, "node_network_receive_fifo_total",
     "Packets received that the buffer had no room for."},
    {"rx_frame", COUNTER, "node_network_receive_frame_total",
     "Packets received that were bad by length, checksum or framing."},
    {"rx_multicast", COUNTER, "node_network_receive_multicast_total",
     "Multicast packets received."},
    {"rx_packets", COUNTER, "node_network_receive_packets_total", "Packets received."},
    {"tx_bytes", COUNTER, "node_network_transmit_bytes_total", "Bytes sent."},
    {"tx_carrier", COUNTER, "node_network_transmit_carrier_total",
     "Packets not sent because the link was lost or at fault."},
    {"tx_colls", COUNTER, "node_network_transmit_colls_total", "Collisions while sending."},
    {"tx_compressed", COUNTER, "node_network_transmit_compressed_total",
     "Compressed packets sent."},
    {"tx_drop", COUNTER, "node_network_transmit_drop_total",
     "Packets to send that were thrown away."},
    {"tx_errs", COUNTER, "node_network_transmit_errs_total", "Packets that could not be sent."},
    {"tx_fifo", COUNTER, "node_network_transmit_fifo_total",
     "Packets to send that the buffer failed to deliver."},
    {"tx_packets", COUNTER, "node_network_transmit_packets_total", "Packets sent."},
    {0},
};

static bool edit(const struct sample_context *context, const struct table *table,
                 struct str *cells) {
    if (cells[0].len < 2 || cells[0].data[cells[0].len - 1] != ':') {
        return false;
    }
    cells[0].len--;
    return true;
}

extern const struct collector collector_host_netdev;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_edited_rows(&collector_host_netdev, context, answer, NULL, edit, batch, err);
}

const struct collector collector_host_netdev = {
    .name = "netdev",
    .help = "What network devices carry.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
