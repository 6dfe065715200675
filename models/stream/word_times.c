// SPDX-License-Identifier: MIT
#include "models/stream/word_times.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of the median filter, which removes outliers of the attention. */
#define MEDIAN_WIDTH 7

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* to[t] = median of from[t - 3 .. t + 3], the ends repeated */
static void smooth(const float *from, float *to, uint32_t steps)
{
    for (int64_t t = 0; t < steps; t++) {
        float window[MEDIAN_WIDTH];
        for (int64_t i = 0; i < MEDIAN_WIDTH; i++) {
            int64_t at = t + i - MEDIAN_WIDTH / 2;
            window[i] = from[at < 0 ? 0 : at >= steps ? steps - 1 : at];
        }
        qsort(window, MEDIAN_WIDTH, sizeof(*window), compare_floats);
        to[t] = window[MEDIAN_WIDTH / 2];
    }
}

/*
 * Standardises each step over the rows: subtracts the mean, divides by the standard deviation.
 * Steps that all tokens attend to (silence, the start) lose their weight.
 */
static void standardise(const float *weights, uint32_t rows, uint32_t steps, uint32_t stride,
                        float *out)
{
    for (uint32_t t = 0; t < steps; t++) {
        double sum = 0, squares = 0;
        for (uint32_t r = 0; r < rows; r++)
            sum += (double)weights[(size_t)r * stride + t];
        double mean = sum / rows;
        for (uint32_t r = 0; r < rows; r++) {
            double difference = (double)weights[(size_t)r * stride + t] - mean;
            squares += difference * difference;
        }
        double deviation = sqrt(squares / rows);
        for (uint32_t r = 0; r < rows; r++)
            out[(size_t)r * steps + t] =
                deviation > 0
                    ? (float)(((double)weights[(size_t)r * stride + t] - mean) / deviation)
                    : 0;
    }
}

/* Predecessors of a point on the path. */
enum step { DIAGONAL, NEXT_ROW, NEXT_STEP };

/*
 * Dynamic time warping from (0, 0) to the last row and step, along the path of the smallest sum of
 * -weight. `score` [rows, steps] is overwritten; `from` [rows, steps] gets the predecessors.
 */
static void warp(float *score, uint8_t *from, uint32_t rows, uint32_t steps)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t t = 0; t < steps; t++) {
            size_t at = (size_t)r * steps + t;
            float diagonal = r && t ? score[at - steps - 1] : INFINITY;
            float above = r ? score[at - steps] : INFINITY;
            float left = t ? score[at - 1] : INFINITY;
            float best = r || t ? INFINITY : 0;
            if (diagonal < best) {
                best = diagonal;
                from[at] = DIAGONAL;
            }
            if (above < best) {
                best = above;
                from[at] = NEXT_ROW;
            }
            if (left < best) {
                best = left;
                from[at] = NEXT_STEP;
            }
            score[at] = best - score[at];
        }
}

static void trace(const uint8_t *from, uint32_t rows, uint32_t steps, uint32_t *begins)
{
    uint32_t r = rows - 1, t = steps - 1;
    begins[r] = t;
    while (r > 0 || t > 0) {
        enum step step = from[(size_t)r * steps + t];
        if (step != NEXT_ROW)
            t--;
        if (step != NEXT_STEP)
            r--;
        begins[r] = t;
    }
}

int word_times_align(const float *weights, uint32_t rows, uint32_t steps, uint32_t stride,
                     uint32_t *begins)
{
    size_t size = (size_t)rows * steps;
    float *standard = malloc(size * sizeof(*standard) + 1);
    float *smoothed = malloc(size * sizeof(*smoothed) + 1);
    uint8_t *from = malloc(size + 1);
    int result = standard && smoothed && from ? 0 : -ENOMEM;
    if (result == 0) {
        standardise(weights, rows, steps, stride, standard);
        for (uint32_t r = 0; r < rows; r++)
            smooth(standard + (size_t)r * steps, smoothed + (size_t)r * steps, steps);
        warp(smoothed, from, rows, steps);
        trace(from, rows, steps, begins);
    }
    free(standard);
    free(smoothed);
    free(from);
    return result;
}

static float mean_probability(const float *log_probabilities, uint32_t count)
{
    float sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += log_probabilities[i];
    return expf(sum / (float)count);
}

/* Adds tokens first..end - 1 as a word, if they have text. */
static int add_word(struct word_times *list, const struct beam_result *result,
                    const struct vocabulary *vocabulary, uint32_t first, uint32_t end, double from,
                    double to)
{
    char *text = vocabulary_text(vocabulary, result->tokens + first, end - first);
    if (!text)
        return -ENOMEM;
    if (!*text) {
        free(text);
        return 0;
    }
    list->ends[list->count] = end;
    list->words[list->count++] = (struct hearken_word){
        .text = text,
        .start = from,
        .end = to > from ? to : from,
        .confidence = mean_probability(result->log_probabilities + first, end - first),
    };
    return 0;
}

static int group_tokens(struct word_times *list, const struct beam_result *result,
                        const struct vocabulary *vocabulary, const uint32_t *begins, double start,
                        double step_seconds)
{
    for (uint32_t first = 0; first < result->count;) {
        uint32_t end = first + 1;
        while (end < result->count && !vocabulary_starts_word(vocabulary, result->tokens[end]))
            end++;
        int error =
            add_word(list, result, vocabulary, first, end, start + begins[first] * step_seconds,
                     start + begins[end] * step_seconds);
        if (error < 0)
            return error;
        first = end;
    }
    return 0;
}

int word_times_make(struct word_times *list, const struct beam_result *result,
                    const struct vocabulary *vocabulary, double start, double seconds,
                    double step_seconds)
{
    *list = (struct word_times){0};
    if (result->count == 0)
        return 0;
    uint32_t steps = (uint32_t)ceil(seconds / step_seconds);
    steps = steps > result->steps ? result->steps : steps < 1 ? 1 : steps;
    /* The row of the end token gives the end of the last word. */
    uint32_t rows = result->count + 1;
    uint32_t *begins = calloc(rows, sizeof(*begins));
    list->words = calloc(result->count, sizeof(*list->words));
    list->ends = calloc(result->count, sizeof(*list->ends));
    int error = begins && list->words && list->ends ? 0 : -ENOMEM;
    if (error == 0)
        error = word_times_align(result->alignment, rows, steps, result->steps, begins);
    if (error == 0)
        error = group_tokens(list, result, vocabulary, begins, start, step_seconds);
    free(begins);
    if (error < 0)
        word_times_finish(list);
    return error;
}

void word_times_finish(struct word_times *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->words[i].text);
    free(list->words);
    free(list->ends);
    *list = (struct word_times){0};
}
