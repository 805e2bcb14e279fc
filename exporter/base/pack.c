/* SPDX-License-Identifier: Apache-2.0 */

#include "base/pack.h"

void pack_u64(struct strbuf *out, uint64_t value) {
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(value >> 8 * i);
    }
    strbuf_add(out, bytes, sizeof(bytes));
}

void pack_i64(struct strbuf *out, int64_t value) {
    pack_u64(out, (uint64_t)value);
}

void pack_double(struct strbuf *out, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    pack_u64(out, bits);
}

void pack_str(struct strbuf *out, struct str text) {
    pack_u64(out, text.len);
    strbuf_add_str(out, text);
}

uint64_t unpack_u64(struct unpacker *in) {
    uint64_t value = 0;
    if (in->bad || in->rest.len < 8) {
        in->bad = true;
        return 0;
    }
    for (size_t i = 0; i < 8; i++) {
        value |= (uint64_t)(unsigned char)in->rest.data[i] << 8 * i;
    }
    in->rest.data += 8;
    in->rest.len -= 8;
    return value;
}

int64_t unpack_i64(struct unpacker *in) {
    return (int64_t)unpack_u64(in);
}

double unpack_double(struct unpacker *in) {
    uint64_t bits = unpack_u64(in);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct str unpack_str(struct unpacker *in) {
    uint64_t len = unpack_u64(in);
    if (in->bad || len > in->rest.len) {
        in->bad = true;
        return str_of("");
    }
    struct str text = {in->rest.data, (size_t)len};
    in->rest.data += len;
    in->rest.len -= (size_t)len;
    return text;
}

size_t unpack_count(struct unpacker *in, size_t least_bytes) {
    uint64_t count = unpack_u64(in);
    if (in->bad || count > in->rest.len / least_bytes) {
        in->bad = true;
        return 0;
    }
    return (size_t)count;
}

/* What each half byte comes to: 64 bytes of table instead of eight steps for every byte. */
static const uint32_t half_bytes[16] = {
    0x00000000U, 0x105ec76fU, 0x20bd8edeU, 0x30e349b1U, 0x417b1dbcU, 0x5125dad3U,
    0x61c69362U, 0x7198540dU, 0x82f63b78U, 0x92a8fc17U, 0xa24bb5a6U, 0xb21572c9U,
    0xc38d26c4U, 0xd3d3e1abU, 0xe330a81aU, 0xf36e6f75U,
};

uint32_t crc32c(const void *data, size_t len) {
    const unsigned char *bytes = data;
    uint32_t crc = ~0U;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ half_bytes[crc & 15];
        crc = crc >> 4 ^ half_bytes[crc & 15];
    }
    return ~crc;
}
