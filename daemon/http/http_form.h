// SPDX-License-Identifier: MIT
/* The fields of a form in multipart/form-data, and its file piece by piece. */
#ifndef HEARKEN_DAEMON_HTTP_HTTP_FORM_H
#define HEARKEN_DAEMON_HTTP_HTTP_FORM_H

#include "daemon/http/multipart.h"

#include <stdbool.h>
#include <stddef.h>

/* Names and values of all fields together, in bytes. */
#define HTTP_FORM_BYTES ((size_t)256 * 1024)

struct http_field {
    char *name;
    char *value; /* [length + 1], ends with 0 */
    size_t length;
};

struct http_form {
    struct multipart multipart;
    void (*file)(void *context, const char *bytes, size_t size); /* a piece; may have no bytes */
    void *context;
    struct http_field *fields; /* in their order */
    size_t count;
    size_t bytes;
    bool has_file;
    bool in_file, in_field; /* what the present part is */
    int failure;            /* -E2BIG, -EEXIST: two files, -ENOMEM, -EBADMSG: not a form */
};

/* `content_type` of the request, or NULL. False: it has no form. */
bool http_form_init(struct http_form *form, const char *content_type,
                    void (*file)(void *context, const char *bytes, size_t size), void *context);

/* Adds a field to one that is all zeros, or was read: of a query. Errors: -E2BIG, -ENOMEM. */
int http_form_add(struct http_form *form, const char *name, const char *value);

/* Accepts one that is all zeros. */
void http_form_finish(struct http_form *form);

/* Takes a piece of the body. Errors: those of `failure`, which stay. */
int http_form_feed(struct http_form *form, const char *bytes, size_t size);

/* The body is complete. Errors: -EBADMSG if the form is not. */
int http_form_end(struct http_form *form);

/* The last value of `name` or of `name[]`; NULL: there is none. */
const char *http_form_value(const struct http_form *form, const char *name);

/* Whether a field has this name, or the same with [] behind it. */
bool http_field_is(const struct http_field *field, const char *name);

#endif
