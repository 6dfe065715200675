// SPDX-License-Identifier: MIT
/*
 * What uses libcurl and cairo, which take 8 MiB of memory with all that they need. Few commands
 * need either, so it is in shared objects, lib/hearken/client/NAME.so, that are loaded at the first
 * call (NAME_calls.c). Each exports a table, NAME_module, of functions that are described where
 * they are declared. It contains what it needs of the client: it only links with libraries.
 */
#ifndef HEARKEN_DAEMON_CLIENT_MODULES_MODULES_H
#define HEARKEN_DAEMON_CLIENT_MODULES_MODULES_H

#include "daemon/client/models/model_download.h"
#include "daemon/client/picture/picture_render.h"
#include "daemon/client/recognition/http_recognition.h"

struct curl_module {
    int (*recognise)(const struct address *address, const struct stream_settings *settings,
                     struct recognition *recognition, struct hearken_error *error);
    int (*download)(struct download *download, struct hearken_error *error);
    int (*download_text)(const char *address, size_t limit, char **text,
                         struct hearken_error *error);
};

struct cairo_module {
    int (*render)(const struct picture *picture, const char *title, bool svg,
                  struct picture_document *rendered, struct hearken_error *error);
};

#endif
