// SPDX-License-Identifier: MIT
#include "models/search/beam_result.h"

#include <stdlib.h>

void beam_result_finish(struct beam_result *result)
{
    free(result->tokens);
    free(result->log_probabilities);
    free(result->alignment);
    *result = (struct beam_result){0};
}
