// SPDX-License-Identifier: MIT
#include "plugins/cpu/cpu.h"

#include <stdlib.h>

enum { CACHE_LINE = 64 };

void *workspace_reserve(struct workspace *workspace, size_t size)
{
    if (size > workspace->size) {
        if (size > SIZE_MAX - CACHE_LINE)
            return NULL;
        size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        unsigned char *data = aligned_alloc(CACHE_LINE, size);
        if (!data)
            return NULL;
        free(workspace->data);
        *workspace = (struct workspace){data, size};
    }
    return workspace->data;
}

void workspace_finish(struct workspace *workspace)
{
    free(workspace->data);
    *workspace = (struct workspace){0};
}
