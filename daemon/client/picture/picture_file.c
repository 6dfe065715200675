// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_file.h"

#include "daemon/client/picture/picture_render.h"
#include "daemon/client/program/atomic_file.h"
#include "include/internal/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const picture_file_endings[] = {".png", ".svg", NULL};

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcasecmp(text + length - tail, ending) == 0;
}

/* The file's name without its directory and control characters, as valid UTF-8. */
static char *title_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *name = strcmp(file, "-") == 0 ? "standard input" : slash ? slash + 1 : file;
    char *title = utf8_repair(name, strlen(name));
    for (char *at = title; at && *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return title;
}

int picture_file_write(const struct picture *picture, const char *file, const char *path,
                       double *shown, struct hearken_error *error)
{
    struct picture_document document;
    char *title = title_of(file);
    if (!title)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    int result = picture_render(picture, title, ends_with(path, ".svg"), &document, error);
    free(title);
    if (result < 0)
        return result;
    *shown = document.shown;
    result = atomic_file_write(path, document.bytes, document.length, error);
    free(document.bytes);
    return result;
}
