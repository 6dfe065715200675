// SPDX-License-Identifier: MIT
#include "models/stream/event_emitter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The text of each token, made with malloc. NULL: out of memory. */
static char **token_texts(const struct event_emitter *e, const struct beam_result *result)
{
    char **texts = calloc((size_t)result->count + 1, sizeof(*texts));
    for (uint32_t i = 0; texts && i < result->count; i++) {
        texts[i] = vocabulary_text(e->vocabulary, &result->tokens[i], 1);
        if (texts[i])
            continue;
        while (i-- > 0)
            free(texts[i]);
        free(texts);
        return NULL;
    }
    return texts;
}

/* `segment_start`: of the weights' first step, in seconds. */
static int emit_with_alignment(struct event_emitter *e, struct hearken_event *event,
                               const struct beam_result *result, double segment_start)
{
    char **texts = token_texts(e, result);
    if (!texts)
        return -ENOMEM;
    const struct hearken_alignment alignment = {
        .tokens = result->count,
        .steps = result->steps,
        .start = segment_start,
        .step_seconds = e->step_seconds,
        .texts = (const char *const *)texts,
        .weights = result->alignment,
    };
    event->alignment = &alignment;
    e->callback(e->context, event);
    for (uint32_t i = 0; i < result->count; i++)
        free(texts[i]);
    free(texts);
    return 0;
}

/* The text of a segment from `segment_start` on, or of a part of it. */
static int emit_text(struct event_emitter *e, enum hearken_event_type type,
                     const struct transcript *transcript, double segment_start, double start,
                     double end)
{
    bool empty = !*transcript->text;
    if (empty && !e->shown)
        return 0;
    struct hearken_event event = {
        .type = empty ? HEARKEN_EVENT_PARTIAL : type,
        .start = start,
        .end = end,
        .text = transcript->text,
        .confidence = transcript->confidence,
        .committed = transcript->committed,
        .word_count = transcript->words.count,
        .words = transcript->words.words,
        .committed_words = transcript->committed_words,
        .language = transcript->language,
        .language_probability = transcript->language_probability,
        .channel = e->channel,
        .no_speech_probability = transcript->no_speech,
    };
    e->shown = !empty && type == HEARKEN_EVENT_PARTIAL;
    if (e->alignment && transcript->search.count > 0)
        return emit_with_alignment(e, &event, &transcript->search, segment_start);
    e->callback(e->context, &event);
    return 0;
}

int event_emitter_text(struct event_emitter *e, enum hearken_event_type type,
                       const struct transcript *transcript, double start, double end)
{
    return emit_text(e, type, transcript, start, start, end);
}

void event_emitter_voice(struct event_emitter *e, enum hearken_event_type type, uint64_t sample)
{
    double time = (double)sample / HEARKEN_RATE;
    const struct hearken_event event = {.type = type,
                                        .start = time,
                                        .end = time,
                                        .text = "",
                                        .language = "",
                                        .channel = e->channel};
    e->callback(e->context, &event);
}

/* ---- Timestamp spans ---- */

/* Tokens first..end - 1 of a result, borrowed. */
static struct beam_result slice_tokens(const struct beam_result *all, uint32_t first, uint32_t end)
{
    struct beam_result part = *all;
    part.tokens += first;
    part.log_probabilities += first;
    part.alignment += (size_t)first * all->steps;
    part.count = end - first;
    return part;
}

/* The words that begin within a span, borrowed. */
static void slice_words(const struct transcript *transcript, uint32_t first, uint32_t end,
                        struct transcript *part)
{
    const struct word_times *all = &transcript->words;
    size_t from = 0, to = 0;
    while (from < all->count && (from > 0 ? all->ends[from - 1] : 0) < first)
        from++;
    for (to = from; to < all->count && (to > 0 ? all->ends[to - 1] : 0) < end;)
        to++;
    part->words = (struct word_times){
        .words = all->words + from, .ends = all->ends + from, .count = to - from};
}

static int emit_span(struct event_emitter *e, const struct transcript *transcript,
                     const struct timestamp_span *span, uint32_t first, double start)
{
    struct transcript part = *transcript;
    part.search = slice_tokens(&transcript->search, first, span->tokens_end);
    part.text = vocabulary_text(e->vocabulary, part.search.tokens, part.search.count);
    if (!part.text)
        return -ENOMEM;
    slice_words(transcript, first, span->tokens_end, &part);
    part.confidence = expf(span->log_probability);
    part.committed = strlen(part.text);
    part.committed_words = part.words.count;
    int result = *part.text ? emit_text(e, HEARKEN_EVENT_FINAL, &part, start, start + span->start,
                                        start + span->end)
                            : 0;
    free(part.text);
    return result;
}

int event_emitter_final(struct event_emitter *e, const struct transcript *transcript, double start,
                        double end)
{
    const struct timestamp_span_list *spans = &transcript->spans;
    int result = 0;
    if (spans->count == 0 || transcript->dropped)
        return event_emitter_text(e, HEARKEN_EVENT_FINAL, transcript, start, end);
    for (size_t i = 0; result == 0 && i < spans->count; i++)
        result = emit_span(e, transcript, &spans->spans[i],
                           i > 0 ? spans->spans[i - 1].tokens_end : 0, start);
    return result;
}
