// SPDX-License-Identifier: MIT
/* The attention picture as the bytes of a PNG or SVG file. */
#ifndef HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_RENDER_H
#define HEARKEN_DAEMON_CLIENT_PICTURE_PICTURE_RENDER_H

#include "daemon/client/picture/picture.h"

struct picture_document {
    char *bytes; /* to be freed */
    size_t length;
    double shown; /* seconds of the recording */
};

/*
 * `title` is valid UTF-8. Errors: -EFBIG if not even one panel fits into the largest picture,
 * -ENOMEM; -ENOSYS without cairo.
 */
int picture_render(const struct picture *picture, const char *title, bool svg,
                   struct picture_document *rendered, struct hearken_error *error);

#endif
