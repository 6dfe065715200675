// SPDX-License-Identifier: MIT
/* The parts of a form in multipart/form-data (RFC 7578), read as its bytes come. */
#ifndef HEARKEN_DAEMON_HTTP_MULTIPART_H
#define HEARKEN_DAEMON_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 2046 allows 70 characters. */
#define MULTIPART_BOUNDARY_MAX 200u

/* Of one header of a part. */
#define MULTIPART_HEADER_MAX 8192u

#define MULTIPART_NAME_MAX 256u

struct multipart_listener {
    /* A part begins: the name of its field, or "" if it has none, or one that is too long. */
    void (*part)(void *context, const char *name);
    /* Bytes of it. */
    void (*content)(void *context, const char *bytes, size_t size);
};

enum multipart_state {
    MULTIPART_CONTENT, /* of a part, or what stands in front of the first */
    MULTIPART_LINE,    /* the rest of the line of a boundary */
    MULTIPART_HEADERS,
    MULTIPART_EPILOGUE, /* behind the last boundary */
    MULTIPART_BROKEN,
};

struct multipart {
    const struct multipart_listener *listener;
    void *context;
    enum multipart_state state;
    bool inside; /* a part, whose content is told */

    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* "\r\n--" and the boundary */
    size_t length;                              /* of it */
    size_t matched;                             /* bytes of it that came last */
    size_t assumed; /* of those, bytes that did not come: a line began anyway */

    char header[MULTIPART_HEADER_MAX]; /* with those that continue it; terminated at its end */
    size_t header_length;
    bool line_begins; /* the next byte is the first of a line */
    char name[MULTIPART_NAME_MAX];
};

/* `content_type`: the header's value. False: it is another type, or has no usable boundary. */
bool multipart_init(struct multipart *multipart, const char *content_type,
                    const struct multipart_listener *listener, void *context);

/* Errors: -EBADMSG, from then on. */
int multipart_feed(struct multipart *multipart, const char *bytes, size_t size);

/* Whether the last boundary has come. */
bool multipart_is_complete(const struct multipart *multipart);

#endif
