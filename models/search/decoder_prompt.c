// SPDX-License-Identifier: MIT
#include "models/search/decoder_prompt.h"

#include "models/text/bpe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct decoder_prompt {
    const struct network *network;
    uint32_t language; /* index, or NO_TOKEN */
    bool asks;
    bool follows; /* what was said before counts */
    uint32_t task;
    uint32_t most;                  /* tokens before the start, their mark included */
    uint32_t *before, before_count; /* [most]: the text given */
    uint32_t *said, said_count;     /* [most]: what was said last, behind it */
    uint32_t *tokens;               /* [most + MAX_START_TOKENS] */
};

/* ---- What is asked for ---- */

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

/* A model of one language needs no token for it and has nothing to look for. */
static int choose_language(struct decoder_prompt *o, const char *code, struct hearken_error *error)
{
    const struct control_tokens *control = &o->network->control;
    o->language = control->language;
    if (!*code)
        return 0;
    if (strcmp(code, "auto") == 0) {
        o->asks = control->supported_count > 1 && control->language_count > 1;
        return 0;
    }
    if (!control_tokens_supports(control, code))
        return refuse_language(control, code, error);
    uint32_t found = control_tokens_language(control, code);
    o->language = found;
    return 0;
}

static int choose_task(struct decoder_prompt *o, const struct hearken_stream_options *options,
                       struct hearken_error *error)
{
    const struct control_tokens *control = &o->network->control;
    bool translate = options->task == HEARKEN_TRANSLATE;
    if (options->timestamps && (control->timestamps == 0 || control->no_timestamps == NO_TOKEN))
        return hearken_fail(error, -EINVAL,
                            "timestamps: this model has no tokens for them; the times of its words "
                            "are there without");
    if (translate && (control->translate == NO_TOKEN || control->transcribe == NO_TOKEN))
        return hearken_fail(error, -EINVAL,
                            "task is translate, this model has no token for it, only transcribe");
    o->task = translate ? control->translate : control->transcribe;
    return 0;
}

/* Half of the positions, but what is written behind the start needs one at least. */
static uint32_t room_before(const struct speller_parameters *speller)
{
    uint32_t half = speller->positions / 2, taken = speller->start_count + 1;
    uint32_t left = speller->positions > taken ? speller->positions - taken : 0;
    return half < left ? half : left;
}

static int take_prompt(struct decoder_prompt *o, const struct hearken_stream_options *options,
                       struct hearken_error *error)
{
    const struct network *n = o->network;
    char text[HEARKEN_PROMPT_SIZE + 1];
    const char *prompt = options->prompt + strspn(options->prompt, " \t\n");
    o->follows = options->previous_text;
    if (!*prompt && !o->follows)
        return 0;
    if (n->control.previous == NO_TOKEN || n->parameters.speller.kind != SPELLER_TRANSFORMER)
        return hearken_fail(error, -EINVAL,
                            "%s: this model takes no text before what is said: it has no token "
                            "<|startofprev|>",
                            *prompt ? "prompt" : "previous_text");
    o->most = room_before(&n->parameters.speller);
    if (o->most < 2)
        return hearken_fail(error, -EINVAL,
                            "%s: this model has no room for text before what is said: "
                            "hearken.speller.positions is %u, and texts start with %u tokens",
                            *prompt ? "prompt" : "previous_text", n->parameters.speller.positions,
                            n->parameters.speller.start_count);
    o->said = calloc(o->most, sizeof(*o->said));
    if (!o->said)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (!*prompt)
        return 0;
    snprintf(text, sizeof(text), " %s", prompt);
    if (bpe_encode(&n->vocabulary, text, o->most - 1, &o->before, &o->before_count) < 0)
        return hearken_fail(error, -ENOMEM, "out of memory");
    return 0;
}

int decoder_prompt_create(const struct network *network,
                          const struct hearken_stream_options *options,
                          struct decoder_prompt **prompt, struct hearken_error *error)
{
    struct decoder_prompt *o = calloc(1, sizeof(*o));
    if (!o)
        return hearken_fail(error, -ENOMEM, "out of memory");
    o->network = network;
    int result = choose_language(o, options->language, error);
    if (result == 0)
        result = choose_task(o, options, error);
    if (result == 0)
        result = take_prompt(o, options, error);
    if (result == 0 && !(o->tokens = calloc(o->most + MAX_START_TOKENS, sizeof(*o->tokens))))
        result = hearken_fail(error, -ENOMEM, "out of memory");
    if (result < 0)
        decoder_prompt_destroy(o);
    else
        *prompt = o;
    return result;
}

void decoder_prompt_destroy(struct decoder_prompt *prompt)
{
    if (!prompt)
        return;
    free(prompt->before);
    free(prompt->said);
    free(prompt->tokens);
    free(prompt);
}

/* ---- Languages ---- */

bool decoder_prompt_needs_language(const struct decoder_prompt *prompt)
{
    return prompt->asks;
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

/* ---- What was said ---- */

void decoder_prompt_set_previous(struct decoder_prompt *prompt, const uint32_t *tokens,
                                 uint32_t count)
{
    struct decoder_prompt *o = prompt;
    if (!o->follows || count == 0) {
        o->said_count = 0;
        return;
    }
    uint32_t most = o->most - 1;
    uint32_t fresh = count < most ? count : most;
    uint32_t old = o->said_count < most - fresh ? o->said_count : most - fresh;
    memmove(o->said, o->said + (o->said_count - old), old * sizeof(*o->said));
    memcpy(o->said + old, tokens + (count - fresh), fresh * sizeof(*o->said));
    o->said_count = old + fresh;
}

/* ---- Tokens ---- */

/* The end of the text given, and of what was said behind it, as far as there is room. */
static uint32_t put_before(struct decoder_prompt *o)
{
    if (o->before_count + o->said_count == 0)
        return 0;
    uint32_t room = o->most - 1;
    uint32_t said = o->said_count < room ? o->said_count : room;
    uint32_t before = o->before_count < room - said ? o->before_count : room - said;
    uint32_t count = 0;
    o->tokens[count++] = o->network->control.previous;
    for (uint32_t i = o->before_count - before; i < o->before_count; i++)
        o->tokens[count++] = o->before[i];
    for (uint32_t i = o->said_count - said; i < o->said_count; i++)
        o->tokens[count++] = o->said[i];
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
    struct decoder_prompt *o = prompt;
    const struct speller_parameters *p = &o->network->parameters.speller;
    const struct control_tokens *control = &o->network->control;
    uint32_t first = put_before(o), count = first;
    for (uint32_t i = 0; i < p->start_count; i++) {
        uint32_t token = p->start[i];
        if (timestamps && token == control->no_timestamps)
            continue;
        if (o->language != NO_TOKEN && is_language(control, token))
            token = control->languages[o->language].token;
        else if (o->task != NO_TOKEN &&
                 (token == control->transcribe || token == control->translate))
            token = o->task;
        o->tokens[count++] = token;
    }
    return (struct speller_start){o->tokens, count, first};
}
