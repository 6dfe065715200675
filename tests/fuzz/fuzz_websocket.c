// SPDX-License-Identifier: MIT
/*
 * Any bytes from the client of a WebSocket, behind its handshake. The first byte selects the
 * protocol and the sizes of the pieces in which the rest is sent: the connection must end for the
 * same reason as with the whole.
 */
#include "tests/fuzz/http_daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const paths[] = {"/v1/realtime",
                                    "/v1/listen?encoding=mulaw&interim_results=true",
                                    "/v1/listen?multichannel=true", "/vosk"};

enum { PATHS = sizeof(paths) / sizeof(paths[0]), CLOSE = 8 };

static void put_handshake(struct text *text, const char *path)
{
    char request[400];
    int length = snprintf(request, sizeof(request),
                          "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                          path);
    text_append(text, request, (size_t)length);
}

/* Reads a server's frames, which must be right. Returns the code of the one that closes: 0: it has
 * none, -1: there is no such frame. */
static int close_code(const struct text *answers)
{
    const char *behind = strstr(answers->bytes, "\r\n\r\n");
    const unsigned char *end = (const unsigned char *)answers->bytes + answers->length;
    must(strncmp(answers->bytes, "HTTP/1.1 101", 12) == 0 && behind);
    for (const unsigned char *at = (const unsigned char *)behind + 4; at < end;) {
        if (end - at < 2)
            return -1; /* cut: the client had gone */
        must((at[0] & 0xf0) == 0x80 && at[1] < 128);
        size_t size = at[1], head = size == 126 ? 4 : size == 127 ? 10 : 2;
        unsigned opcode = at[0] & 15;
        if ((size_t)(end - at) < head)
            return -1;
        if (head > 2)
            size = 0;
        for (size_t i = 2; i < head; i++)
            size = size << 8 | at[i];
        if ((size_t)(end - at) - head < size)
            return -1;
        at += head;
        if (opcode == CLOSE) {
            must(at + size == end);
            return size >= 2 ? at[0] << 8 | at[1] : 0;
        }
        at += size;
    }
    return -1;
}

static int converse(const char *path, const uint8_t *bytes, size_t size, unsigned choice)
{
    struct text request = {0}, answers = {0};
    put_handshake(&request, path);
    text_append(&request, (const char *)bytes, size);
    text_append(&answers, "", 0);
    http_daemon_converse((const uint8_t *)request.bytes, request.length, choice, &answers);
    int code = close_code(&answers);
    free(request.bytes);
    free(answers.bytes);
    return code;
}

/* For other ends it is a matter of chance when a request fails for want of a model: a session waits
 * for that before it reads on, or ends. */
static bool is_wrong_frame(int code)
{
    return code == 1002 || code == 1007 || code == 1009;
}

/* A frame that closes may be wrong in two ways, of which the first that is seen counts. */
static bool is_same(int a, int b)
{
    return (a == 1009) == (b == 1009);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    const char *path = paths[bytes[0] % PATHS];
    int whole = converse(path, bytes + 1, size - 1, 0);
    int cut = converse(path, bytes + 1, size - 1, 1u + bytes[0]);
    if (is_wrong_frame(whole) && is_wrong_frame(cut) && !is_same(whole, cut)) {
        fprintf(stderr, "%s: whole: %d, cut: %d\n", path, whole, cut);
        abort();
    }
    return 0;
}
