// SPDX-License-Identifier: MIT
/*
 * Any bytes as Wyoming events. The first byte selects the sizes of the pieces in which the rest is
 * fed. The events must equal those of the whole, and sending and parsing them again must not change
 * them.
 */
#include "daemon/common/wyoming.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Small, so that the fuzzer meets them. */
static const struct wyoming_limits limits = {
    .header = 4096,
    .data = 4096,
    .payload = 4096,
    .depth = 8,
};

static void must(bool condition)
{
    if (!condition)
        abort();
}

static bool equal(const struct wyoming_buffer *a, const struct wyoming_buffer *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* Sends the events again into `again`. `choice` 0: fed whole, otherwise the seed of the pieces. */
static int read_all(const uint8_t *bytes, size_t size, unsigned choice, bool *idle,
                    struct wyoming_buffer *again)
{
    struct wyoming_parser parser;
    struct wyoming_event event;
    struct hearken_error error = {""};
    int status = 0;
    wyoming_parser_init(&parser, &limits);
    for (size_t offset = 0; offset < size && status == 0;) {
        size_t piece = choice == 0 ? size : 1 + (choice = choice * 1103515245 + 12345) / 65536 % 64;
        if (piece > size - offset)
            piece = size - offset;
        must(wyoming_parser_feed(&parser, bytes + offset, piece, &error) == 0);
        while ((status = wyoming_parser_next(&parser, &event, &error)) == 1) {
            must(event.type[0] != '\0' && json_is_object(event.data));
            must(event.payload_length <= limits.payload);
            must(wyoming_serialise(event.type, event.data, event.payload, event.payload_length,
                                   again) == 0);
        }
        offset += piece;
    }
    must(status == 0 || error.message[0] != '\0');
    *idle = wyoming_parser_idle(&parser);
    wyoming_parser_finish(&parser);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct wyoming_buffer whole = {0}, cut = {0};
    bool whole_idle, cut_idle;
    if (size == 0)
        return 0;
    int whole_status = read_all(bytes + 1, size - 1, 0, &whole_idle, &whole);
    int cut_status = read_all(bytes + 1, size - 1, 1u + bytes[0], &cut_idle, &cut);
    must(whole_status == cut_status && whole_idle == cut_idle && equal(&whole, &cut));
    wyoming_buffer_finish(&whole);
    wyoming_buffer_finish(&cut);
    return 0;
}
