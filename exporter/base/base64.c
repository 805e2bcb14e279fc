/* SPDX-License-Identifier: Apache-2.0 */

#include "base/base64.h"

void base64_add(struct strbuf *out, struct str bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t bits = 0;
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        for (size_t j = 0; j < 3; j++) {
            bits = bits << 8 | (j < n ? (unsigned char)bytes.data[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            strbuf_add_char(out, j <= n ? digits[bits >> (18 - 6 * j) & 63] : '=');
        }
    }
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct arena *arena, struct str text, struct str *ret) {
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
        padding++;
    }
    if (text.len % 4 != 0) {
        return false;
    }
    char *out = arena_alloc(arena, text.len / 4 * 3 + 1);
    size_t len = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = i < text.len - padding ? value_of(text.data[i]) : 0;
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned)digit;
        if (i % 4 == 3) {
            out[len++] = (char)(bits >> 16);
            out[len++] = (char)(bits >> 8);
            out[len++] = (char)bits;
        }
    }
    out[len - padding] = '\0';
    *ret = (struct str){out, len - padding};
    return true;
}
