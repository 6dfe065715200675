// SPDX-License-Identifier: MIT
#include "vector_avx512.h"

#include "template_set.h"

const struct instruction_set instruction_set_avx512 = INSTRUCTION_SET("AVX-512");
