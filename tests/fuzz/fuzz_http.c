// SPDX-License-Identifier: MIT
/*
 * Any bytes from an HTTP client. The first byte selects the sizes of the pieces in which the rest
 * is sent: the status of each answer, and the text of each error, must be those of the whole.
 */
#include "tests/fuzz/http_daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The next answer behind `at`, or NULL; `next`: where it ends. An error may quote the client, also
 * where that wrote "HTTP/1.1", so its length counts. */
static const char *next_answer(const char *at, const char **next)
{
    static const char length_name[] = "\r\nContent-Length: ";
    const char *answer = strstr(at, "HTTP/1.");
    const char *body = answer ? strstr(answer, "\r\n\r\n") : NULL;
    if (!body) {
        *next = at + strlen(at);
        return answer;
    }
    const char *length = strstr(answer, length_name);
    size_t size = length && length < body ? strtoul(length + sizeof(length_name) - 1, NULL, 10) : 0;
    size_t rest = strlen(body + 4);
    *next = body + 4 + (size < rest ? size : rest);
    return answer;
}

/* Sound is decoded beside the parsing of the form, and the first error counts. */
static bool is_about_sound(const char *body, const char *end)
{
    static const char code[] = "\"code\":\"invalid_audio\"";
    return memmem(body, (size_t)(end - body), code, sizeof(code) - 1) != NULL;
}

/* The same status, and the same body of an error. */
static bool is_same(const char *a, const char *a_end, const char *b, const char *b_end)
{
    /* It is a matter of chance whether an upload fails first for want of a model. */
    if (strncmp(a + 9, "500", 3) == 0 || strncmp(b + 9, "500", 3) == 0)
        return true;
    const char *a_body = strstr(a, "\r\n\r\n"), *b_body = strstr(b, "\r\n\r\n");
    bool are_errors = a[9] == '4' && b[9] == '4' && a_body && b_body;
    if (are_errors && is_about_sound(a_body, a_end) != is_about_sound(b_body, b_end))
        return true;
    if (strncmp(a, b, strlen("HTTP/1.1 200")) != 0)
        return false;
    return !are_errors || (a_end - a_body == b_end - b_body &&
                           memcmp(a_body, b_body, (size_t)(a_end - a_body)) == 0);
}

static bool are_same(const char *a, const char *b)
{
    const char *a_next, *b_next;
    for (;;) {
        a = next_answer(a, &a_next);
        b = next_answer(b, &b_next);
        if (!a || !b)
            return !a && !b;
        if (!is_same(a, a_next, b, b_next))
            return false;
        a = a_next;
        b = b_next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct text whole = {0}, cut = {0};
    if (size == 0)
        return 0;
    text_append(&whole, "", 0);
    text_append(&cut, "", 0);
    http_daemon_converse(bytes + 1, size - 1, 0, &whole);
    http_daemon_converse(bytes + 1, size - 1, 1u + bytes[0], &cut);
    if (!are_same(whole.bytes, cut.bytes)) {
        fprintf(stderr, "whole: %s\ncut: %s\n", whole.bytes, cut.bytes);
        abort();
    }
    free(whole.bytes);
    free(cut.bytes);
    return 0;
}
