// SPDX-License-Identifier: MIT
#include "models/search/timestamp_rules.h"

#include "models/search/token_scores.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_timestamp(const struct timestamp_rules *t, uint32_t token)
{
    return token >= t->first && token - t->first < t->count;
}

int timestamp_rules_create(const struct network *network, const char *suppress,
                           struct timestamp_rules **timestamps, struct hearken_error *error)
{
    uint32_t vocabulary = network->vocabulary.count;
    struct timestamp_rules *t = calloc(1, sizeof(*t));
    uint8_t *listed = calloc(vocabulary, sizeof(*listed));
    int result = -ENOMEM;
    bool own;
    if (!t || !listed || !(t->mask = calloc(vocabulary, sizeof(*t->mask)))) {
        hearken_fail(error, result, "out of memory");
        goto failed;
    }
    t->first = network->control.first_timestamp;
    t->count = network->control.timestamps;
    t->end = network->parameters.speller.end;
    t->vocabulary = vocabulary;
    if ((result = token_masks_read_list(suppress, vocabulary, listed, &own, error)) < 0 ||
        (result = network_fill_mask(network, WITHIN_TEXT, own, false, listed, t->mask, error)) < 0)
        goto failed;
    memset(t->mask + t->first, 0, t->count * sizeof(*t->mask));
    free(listed);
    *timestamps = t;
    return 0;
failed:
    free(listed);
    timestamp_rules_destroy(t);
    return result;
}

void timestamp_rules_destroy(struct timestamp_rules *timestamps)
{
    if (!timestamps)
        return;
    free(timestamps->mask);
    free(timestamps);
}

/* ---- Rules ---- */

/* Forbids all tokens but timestamps; the end only with `end`. */
static void forbid_text(const struct timestamp_rules *t, float *row, bool end)
{
    for (uint32_t i = 0; i < t->vocabulary; i++)
        if (!is_timestamp(t, i) && (i != t->end || end))
            row[i] = -INFINITY;
}

/* Forbids timestamps with an index below `until`, and from `from` on. */
static void forbid_times(const struct timestamp_rules *t, float *row, uint32_t until, uint32_t from)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (i < until || i >= from)
            row[t->first + i] = -INFINITY;
}

/* Index of the last timestamp in the text; NO_TOKEN: there is none. */
static uint32_t last_timestamp(const struct timestamp_rules *t, const uint32_t *tokens,
                               uint32_t count)
{
    while (count-- > 0)
        if (is_timestamp(t, tokens[count]))
            return tokens[count] - t->first;
    return NO_TOKEN;
}

/*
 * Whether all timestamps together are likelier than the best text token: then the next token is a
 * timestamp.
 */
static bool timestamps_are_likelier(const struct timestamp_rules *t, const float *row)
{
    float text = -INFINITY;
    for (uint32_t i = 0; i < t->vocabulary; i++)
        if (!is_timestamp(t, i) && row[i] > text)
            text = row[i];
    return token_scores_log_sum(row, t->first, t->first + t->count) > text;
}

void timestamp_rules_apply(const struct timestamp_rules *timestamps, const uint32_t *tokens,
                           uint32_t count, float *row)
{
    const struct timestamp_rules *t = timestamps;
    for (uint32_t i = 0; i < t->vocabulary; i++)
        row[i] += t->mask[i];
    if (count == 0) {
        forbid_text(t, row, true);
        forbid_times(t, row, 0,
                     (uint32_t)lround(TIMESTAMP_INITIAL_SECONDS / TIMESTAMP_SECONDS) + 1);
    } else {
        bool last = is_timestamp(t, tokens[count - 1]);
        bool one_before = count < 2 || is_timestamp(t, tokens[count - 2]);
        if (last && one_before)
            forbid_times(t, row, t->count, 0);
        else if (last)
            forbid_text(t, row, false);
        uint32_t time = last_timestamp(t, tokens, count);
        /* The next span may start when the last one ended, but it must end later than it starts. */
        if (time != NO_TOKEN)
            forbid_times(t, row, last && !one_before ? time : time + 1, UINT32_MAX);
    }
    if (timestamps_are_likelier(t, row))
        forbid_text(t, row, true);
    token_scores_log_softmax(row, t->vocabulary);
}

/* ---- From tokens to spans ---- */

static double time_of(const struct timestamp_rules *t, uint32_t token, double seconds)
{
    double time = (token - t->first) * TIMESTAMP_SECONDS;
    return time < seconds ? time : seconds;
}

/* Adds the span of tokens first..end - 1, unless it is empty. */
static void end_span(struct timestamp_span_list *list, const struct beam_result *result,
                     uint32_t first, uint32_t end, double from, double to)
{
    float sum = 0;
    if (first == end)
        return;
    for (uint32_t i = first; i < end; i++)
        sum += result->log_probabilities[i];
    list->spans[list->count++] = (struct timestamp_span){
        .start = from,
        .end = to > from ? to : from,
        .tokens_end = end,
        .log_probability = sum / (float)(end - first),
    };
}

static void move_token(struct beam_result *result, uint32_t to, uint32_t from)
{
    result->tokens[to] = result->tokens[from];
    result->log_probabilities[to] = result->log_probabilities[from];
}

static void move_row(struct beam_result *result, uint32_t to, uint32_t from)
{
    memmove(result->alignment + (size_t)to * result->steps,
            result->alignment + (size_t)from * result->steps,
            result->steps * sizeof(*result->alignment));
}

int timestamp_rules_extract(const struct timestamp_rules *timestamps, double seconds,
                            struct beam_result *result, struct timestamp_span_list *spans)
{
    uint32_t kept = 0, first = 0;
    double from = 0;
    *spans = (struct timestamp_span_list){0};
    if (result->count == 0)
        return 0;
    spans->spans = calloc(result->count, sizeof(*spans->spans));
    if (!spans->spans)
        return -ENOMEM;
    for (uint32_t i = 0; i < result->count; i++) {
        if (is_timestamp(timestamps, result->tokens[i])) {
            double time = time_of(timestamps, result->tokens[i], seconds);
            end_span(spans, result, first, kept, from, time);
            first = kept;
            from = time;
        } else {
            move_token(result, kept, i);
            move_row(result, kept++, i);
        }
    }
    end_span(spans, result, first, kept, from, seconds);
    move_row(result, kept, result->count);
    result->count = kept;
    return 0;
}
