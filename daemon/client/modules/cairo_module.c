// SPDX-License-Identifier: MIT
#include "daemon/client/modules/modules.h"

__attribute__((visibility("default"))) const struct cairo_module cairo_module = {
    .render = picture_render,
};
