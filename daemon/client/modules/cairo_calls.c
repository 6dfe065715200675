// SPDX-License-Identifier: MIT
/* What the client calls of the module: the same functions, which load it and call it. */
#include "daemon/client/modules/module_load.h"
#include "daemon/client/modules/modules.h"

#include <errno.h>

int picture_render(const struct picture *picture, const char *title, bool svg,
                   struct picture_document *rendered, struct hearken_error *error)
{
    const struct cairo_module *cairo = module_load("cairo", "cairo", error);
    return cairo ? cairo->render(picture, title, svg, rendered, error) : -ENOSYS;
}
