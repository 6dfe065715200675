// SPDX-License-Identifier: MIT
#include "models/search/decoder_prompt.h"

#include "models/text/bpe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct decoder_prompt {
    const struct network *network;
    uint32_t language; /* index in control_tokens.languages, or NO_TOKEN */
    bool detects_language;
    bool uses_previous; /* previous text is context */
    uint32_t task;
    uint32_t max_prefix;                /* most tokens before the start, <|startofprev|> included */
    uint32_t *initial, initial_count;   /* [max_prefix]: the initial prompt */
    uint32_t *previous, previous_count; /* [max_prefix]: previous text, after it */
    uint32_t *tokens;                   /* [max_prefix + MAX_START_TOKENS] */
};

/* ---- Options ---- */

static int refuse_language(const struct control_tokens *control, const char *code,
                           struct hearken_error *error)
{
    char known[400] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < control->supported_count && length < sizeof(known); i++)
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s", i ? ", " : "",
                                   control->supported[i]);
    if (length >= sizeof(known))
        strcpy(known + sizeof(known) - 4, "...");
    return hearken_fail(error, -EINVAL, "language is %.40s, this model knows: %s", code, known);
}

/* A model of one language needs no language token and no detection. */
static int choose_language(struct decoder_prompt *p, const char *code, struct hearken_error *error)
{
    const struct control_tokens *control = &p->network->control;
    p->language = control->language;
    if (!*code)
        return 0;
    if (strcmp(code, "auto") == 0) {
        p->detects_language = control->supported_count > 1 && control->language_count > 1;
        return 0;
    }
    if (!control_tokens_supports(control, code))
        return refuse_language(control, code, error);
    uint32_t found = control_tokens_language(control, code);
    p->language = found;
    return 0;
}

static int choose_task(struct decoder_prompt *p, const struct hearken_stream_options *options,
                       struct hearken_error *error)
{
    const struct control_tokens *control = &p->network->control;
    bool translate = options->task == HEARKEN_TRANSLATE;
    if (options->timestamps && (control->timestamps == 0 || control->no_timestamps == NO_TOKEN))
        return hearken_fail(
            error, -EINVAL,
            "timestamps: this model has no tokens for them; word times do not need them");
    if (translate && (control->translate == NO_TOKEN || control->transcribe == NO_TOKEN))
        return hearken_fail(error, -EINVAL,
                            "task is translate, this model has no token for it, only transcribe");
    p->task = translate ? control->translate : control->transcribe;
    return 0;
}

/* At most half of the positions; at least one must be left for the text. */
static uint32_t max_prefix_tokens(const struct speller_parameters *speller)
{
    uint32_t half = speller->positions / 2, taken = speller->start_count + 1;
    uint32_t left = speller->positions > taken ? speller->positions - taken : 0;
    return half < left ? half : left;
}

static int read_prompt(struct decoder_prompt *p, const struct hearken_stream_options *options,
                       struct hearken_error *error)
{
    const struct network *n = p->network;
    char text[HEARKEN_PROMPT_SIZE + 1];
    const char *prompt = options->prompt + strspn(options->prompt, " \t\n");
    p->uses_previous = options->previous_text;
    if (!*prompt && !p->uses_previous)
        return 0;
    if (n->control.previous == NO_TOKEN || n->parameters.speller.kind != SPELLER_TRANSFORMER)
        return hearken_fail(error, -EINVAL,
                            "%s: this model takes no previous text: it has no token "
                            "<|startofprev|>",
                            *prompt ? "prompt" : "previous_text");
    p->max_prefix = max_prefix_tokens(&n->parameters.speller);
    if (p->max_prefix < 2)
        return hearken_fail(error, -EINVAL,
                            "%s: this model has no room for text before what is said: "
                            "hearken.speller.positions is %u, and texts start with %u tokens",
                            *prompt ? "prompt" : "previous_text", n->parameters.speller.positions,
                            n->parameters.speller.start_count);
    p->previous = calloc(p->max_prefix, sizeof(*p->previous));
    if (!p->previous)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (!*prompt)
        return 0;
    snprintf(text, sizeof(text), " %s", prompt);
    if (bpe_encode(&n->vocabulary, text, p->max_prefix - 1, &p->initial, &p->initial_count) < 0)
        return hearken_fail(error, -ENOMEM, "out of memory");
    return 0;
}

int decoder_prompt_create(const struct network *network,
                          const struct hearken_stream_options *options,
                          struct decoder_prompt **prompt, struct hearken_error *error)
{
    struct decoder_prompt *p = calloc(1, sizeof(*p));
    if (!p)
        return hearken_fail(error, -ENOMEM, "out of memory");
    p->network = network;
    int result = choose_language(p, options->language, error);
    if (result == 0)
        result = choose_task(p, options, error);
    if (result == 0)
        result = read_prompt(p, options, error);
    if (result == 0 && !(p->tokens = calloc(p->max_prefix + MAX_START_TOKENS, sizeof(*p->tokens))))
        result = hearken_fail(error, -ENOMEM, "out of memory");
    if (result < 0)
        decoder_prompt_destroy(p);
    else
        *prompt = p;
    return result;
}

void decoder_prompt_destroy(struct decoder_prompt *prompt)
{
    if (!prompt)
        return;
    free(prompt->initial);
    free(prompt->previous);
    free(prompt->tokens);
    free(prompt);
}

/* ---- Languages ---- */

bool decoder_prompt_needs_language(const struct decoder_prompt *prompt)
{
    return prompt->detects_language;
}

void decoder_prompt_set_language(struct decoder_prompt *prompt, uint32_t language)
{
    prompt->language = language;
}

const char *decoder_prompt_language(const struct decoder_prompt *prompt)
{
    const struct control_tokens *control = &prompt->network->control;
    if (prompt->language != NO_TOKEN)
        return control->languages[prompt->language].code;
    return control->supported_count == 1 ? control->supported[0] : "";
}

/* The likeliest supported language by the logits, and its share. */
static uint32_t likeliest_language(const struct control_tokens *control, const float *logits,
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
    uint32_t found = pass->error < 0 ? NO_TOKEN : likeliest_language(control, row, probability);
    free(row);
    return found;
}

/* ---- Previous text ---- */

void decoder_prompt_set_previous(struct decoder_prompt *prompt, const uint32_t *tokens,
                                 uint32_t count)
{
    struct decoder_prompt *p = prompt;
    if (!p->uses_previous || count == 0) {
        p->previous_count = 0;
        return;
    }
    uint32_t most = p->max_prefix - 1;
    uint32_t added = count < most ? count : most;
    uint32_t kept = p->previous_count < most - added ? p->previous_count : most - added;
    memmove(p->previous, p->previous + (p->previous_count - kept), kept * sizeof(*p->previous));
    memcpy(p->previous + kept, tokens + (count - added), added * sizeof(*p->previous));
    p->previous_count = kept + added;
}

/* ---- Tokens ---- */

/*
 * Puts the context before the start: as much of the end of the previous text as fits, before it as
 * much of the end of the initial prompt.
 */
static uint32_t add_prefix(struct decoder_prompt *p)
{
    if (p->initial_count + p->previous_count == 0)
        return 0;
    uint32_t room = p->max_prefix - 1;
    uint32_t previous_kept = p->previous_count < room ? p->previous_count : room;
    uint32_t initial_kept =
        p->initial_count < room - previous_kept ? p->initial_count : room - previous_kept;
    uint32_t count = 0;
    p->tokens[count++] = p->network->control.previous;
    for (uint32_t i = p->initial_count - initial_kept; i < p->initial_count; i++)
        p->tokens[count++] = p->initial[i];
    for (uint32_t i = p->previous_count - previous_kept; i < p->previous_count; i++)
        p->tokens[count++] = p->previous[i];
    return count;
}

static bool is_language(const struct control_tokens *control, uint32_t token)
{
    for (uint32_t i = 0; i < control->language_count; i++)
        if (control->languages[i].token == token)
            return true;
    return false;
}

struct speller_start decoder_prompt_tokens(struct decoder_prompt *prompt, bool timestamps)
{
    struct decoder_prompt *p = prompt;
    const struct speller_parameters *speller = &p->network->parameters.speller;
    const struct control_tokens *control = &p->network->control;
    uint32_t first = add_prefix(p), count = first;
    for (uint32_t i = 0; i < speller->start_count; i++) {
        uint32_t token = speller->start[i];
        if (timestamps && token == control->no_timestamps)
            continue;
        if (p->language != NO_TOKEN && is_language(control, token))
            token = control->languages[p->language].token;
        else if (p->task != NO_TOKEN &&
                 (token == control->transcribe || token == control->translate))
            token = p->task;
        p->tokens[count++] = token;
    }
    return (struct speller_start){p->tokens, count, first};
}
