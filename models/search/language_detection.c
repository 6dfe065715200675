// SPDX-License-Identifier: MIT
#include "models/search/language_detection.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static uint32_t choose(const struct control_tokens *control, const float *logits,
                       float *probability)
{
    uint32_t best = NO_TOKEN;
    for (uint32_t i = 0; i < control->supported_count; i++) {
        uint32_t language = control_tokens_language(control, control->supported[i]);
        if (language != NO_TOKEN &&
            (best == NO_TOKEN ||
             logits[control->languages[language].token] > logits[control->languages[best].token]))
            best = language;
    }
    double sum = 0;
    *probability = 0;
    if (best == NO_TOKEN)
        return best;
    for (uint32_t i = 0; i < control->supported_count; i++) {
        uint32_t language = control_tokens_language(control, control->supported[i]);
        if (language != NO_TOKEN)
            sum += exp((double)logits[control->languages[language].token] -
                       (double)logits[control->languages[best].token]);
    }
    *probability = (float)(1 / sum);
    return best;
}

uint32_t language_detect(const struct network *network, struct speller *speller, struct pass *pass,
                         float *probability)
{
    const struct control_tokens *control = &network->control;
    const struct speller_start start = {&control->start, 1, 0};
    float *row = malloc(network->vocabulary.count * sizeof(*row));
    if (!row && pass->error == 0)
        pass->error = -ENOMEM;
    const struct speller_start before = speller_set_start(speller, start);
    struct hearken_matrix logits = speller_start(speller, pass);
    speller_set_start(speller, before);
    pass_read(pass, logits, row);
    uint32_t found = pass->error < 0 ? NO_TOKEN : choose(control, row, probability);
    free(row);
    return found;
}
