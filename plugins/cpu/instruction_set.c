// SPDX-License-Identifier: MIT
/*
 * The kernels of an instruction set, built from its vector functions. Compiled once for each, with
 * its flags and FOR_... defined: instruction_set_avx2.o and so on.
 */
#if defined(FOR_AVX2)
#include "plugins/cpu/vector_avx2.h"
#define TABLE instruction_set_avx2
#elif defined(FOR_AVX512)
#include "plugins/cpu/vector_avx512.h"
#define TABLE instruction_set_avx512
#elif defined(FOR_NEON)
#include "plugins/cpu/vector_neon.h"
#define TABLE instruction_set_neon
#else
#include "plugins/cpu/vector_plain.h"
#define TABLE instruction_set_plain
#endif

#include "plugins/cpu/cpu.h"

#include <errno.h>
#include <float.h>
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

const struct instruction_set TABLE = {
    .dense = &dense,
    .tile_rows = TILE_ROWS,
    .self_attend = self_attend_of_set,
    .self_attend_cached = self_attend_cached,
    .attend = attend_of_set,
    .remember_row = remember_row,
    .norm_row = norm_row,
    .lstm_row = lstm_row,
    .log_softmax_row = log_softmax_row_of_set,
    .find_above = find_above,
};
