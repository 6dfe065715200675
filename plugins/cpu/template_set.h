// SPDX-License-Identifier: MIT
/* The kernels of an instruction set, built from its vector functions. Each `set_*.c` includes this
 * once and defines the table. */
#ifndef HEARKEN_CPU_TEMPLATE_SET_H
#define HEARKEN_CPU_TEMPLATE_SET_H

#include "plugins/cpu/cpu.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "plugins/cpu/template_attend.h"
#include "plugins/cpu/template_dense.h"
#include "plugins/cpu/template_rows.h"

static const struct matrix_kernels dense = {
    .packing_of_q8 = PACKED_Q8,
    .panel = PANEL,
    .tile_rows = TILE_ROWS,
    .multiply = multiply_dense,
};

#define INSTRUCTION_SET(set_name)                                                                  \
    {                                                                                              \
        .name = (set_name), .dense = &dense, .tile_rows = TILE_ROWS,                               \
        .self_attend = self_attend_of_set, .attend = attend_of_set, .norm_row = norm_row,          \
        .lstm_row = lstm_row, .log_softmax_row = log_softmax_row_of_set, .find_above = find_above  \
    }

#endif
