// SPDX-License-Identifier: MIT
#include "models/stream/word_times.h"

#include "frontend/features/logmel.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of the median filter, which removes outliers of the attention. */
#define MEDIAN_WIDTH 7

/*
 * Frames that belong to speech, even soft ones; and where it begins and ends: the probability rises
 * at once and falls late (docs/accuracy.md).
 */
#define VOICE_THRESHOLD  0.3f
#define ONSET_THRESHOLD  0.5f
#define OFFSET_THRESHOLD 0.7f

/* A shorter gap in the speech is no pause: the closure of a stop consonant, a soft sound. */
#define MIN_PAUSE_SECONDS 0.16

/* So much speech between a pause and a word is the end of that word, or its beginning. */
#define SNAP_SECONDS 0.2

/* The longest a word takes: a share for itself, and one for each of its bytes. */
#define WORD_SECONDS 0.6
#define BYTE_SECONDS 0.1

/* to[t] = median of from[t - 3 .. t + 3], the ends repeated */
static void smooth(const float *from, float *to, uint32_t steps)
{
    for (int64_t t = 0; t < steps; t++) {
        float sorted[MEDIAN_WIDTH];
        for (int64_t i = 0; i < MEDIAN_WIDTH; i++) {
            int64_t at = t + i - MEDIAN_WIDTH / 2, place = i;
            float value = from[at < 0 ? 0 : at >= steps ? steps - 1 : at];
            for (; place > 0 && sorted[place - 1] > value; place--)
                sorted[place] = sorted[place - 1];
            sorted[place] = value;
        }
        to[t] = sorted[MEDIAN_WIDTH / 2];
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
enum step { DIAGONAL, NEXT_ROW, NEXT_STEP, BEGINNING };

/*
 * Dynamic time warping from the first row to the last row and step, along the path of the smallest
 * sum of -weight. The path may begin at any step: noise before the first word is no word. `score`
 * [rows, steps] is overwritten; `from` [rows, steps] gets the predecessors.
 */
static void warp(float *score, uint8_t *from, uint32_t rows, uint32_t steps)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t t = 0; t < steps; t++) {
            size_t at = (size_t)r * steps + t;
            float diagonal = r && t ? score[at - steps - 1] : INFINITY;
            float above = r ? score[at - steps] : INFINITY;
            float left = t ? score[at - 1] : INFINITY;
            float best = r ? INFINITY : 0;
            from[at] = BEGINNING;
            if (diagonal < best) {
                best = diagonal;
                from[at] = DIAGONAL;
            }
            if (above < best) {
                best = above;
                from[at] = NEXT_ROW;
            }
            if (left < best || (r == 0 && left <= best)) {
                best = left;
                from[at] = NEXT_STEP;
            }
            score[at] = best - score[at];
        }
}

static void trace(const uint8_t *from, uint32_t rows, uint32_t steps, uint32_t *begins)
{
    uint32_t r = rows - 1, t = steps - 1;
    enum step step;
    begins[r] = t;
    while ((step = from[(size_t)r * steps + t]) != BEGINNING) {
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

/* ---- Speech and pauses ---- */

/* The steps of a sound that hold speech. Those on both sides of a pause are neighbours here. */
struct speech {
    uint32_t *steps;  /* [count]: their numbers, rising */
    uint32_t *pauses; /* [pause_count]: index of the first step after each pause, rising */
    uint32_t count, pause_count;
    bool known; /* by the voice network; else these are all steps */
};

static void speech_finish(struct speech *speech)
{
    free(speech->steps);
    free(speech->pauses);
}

/* Whether a step of the memory has a frame of at least this probability. */
static bool is_voiced(const struct word_times_sound *sound, uint32_t step, float threshold)
{
    const double frames = sound->step_seconds * HEARKEN_RATE / LOGMEL_HOP;
    size_t count = (size_t)(sound->seconds * HEARKEN_RATE / LOGMEL_HOP);
    size_t to = (size_t)lround((step + 1) * frames);
    for (size_t i = (size_t)lround(step * frames); i < to && i < count; i++)
        if (sound->voice[i] >= threshold)
            return true;
    return false;
}

/*
 * Ends a run of speech: drops its steps in which the probability still rises, or falls; all of them
 * if it never gets high.
 */
static void trim_run(const struct word_times_sound *sound, struct speech *speech)
{
    uint32_t begin = speech->pause_count > 0 ? speech->pauses[speech->pause_count - 1] : 0;
    uint32_t from = begin, to = speech->count;
    while (from < to && !is_voiced(sound, speech->steps[from], ONSET_THRESHOLD))
        from++;
    while (to > from && !is_voiced(sound, speech->steps[to - 1], OFFSET_THRESHOLD))
        to--;
    memmove(speech->steps + begin, speech->steps + from, (to - from) * sizeof(*speech->steps));
    speech->count = begin + to - from;
    if (speech->count == begin && speech->pause_count > 0)
        speech->pause_count--;
}

/* All steps without a voice network, or where that heard nothing. Errors: -ENOMEM. */
static int find_speech(const struct word_times_sound *sound, uint32_t steps, struct speech *speech)
{
    const uint32_t min_pause = (uint32_t)lround(MIN_PAUSE_SECONDS / sound->step_seconds);
    *speech = (struct speech){
        .steps = calloc((size_t)steps + 1, sizeof(*speech->steps)),
        .pauses = calloc((size_t)steps + 1, sizeof(*speech->pauses)),
    };
    if (!speech->steps || !speech->pauses) {
        speech_finish(speech);
        return -ENOMEM;
    }
    for (uint32_t t = 0; sound->voice && t < steps; t++) {
        if (!is_voiced(sound, t, VOICE_THRESHOLD))
            continue;
        uint32_t last = speech->count > 0 ? speech->steps[speech->count - 1] : t - 1;
        if (t - last > min_pause) {
            trim_run(sound, speech);
            if (speech->count > 0)
                speech->pauses[speech->pause_count++] = speech->count;
        } else {
            while (++last < t) /* the gap is no pause */
                speech->steps[speech->count++] = last;
        }
        speech->steps[speech->count++] = t;
    }
    if (speech->count > 0)
        trim_run(sound, speech);
    speech->known = speech->count > 0;
    while (!speech->known && speech->count < steps) {
        speech->steps[speech->count] = speech->count;
        speech->count++;
    }
    return 0;
}

/* The weights of the steps of speech: [rows, speech->count]. Made with malloc. */
static float *take_speech(const struct beam_result *result, const struct speech *speech)
{
    uint32_t rows = result->count + 1;
    float *weights = malloc((size_t)rows * speech->count * sizeof(*weights));
    for (uint32_t r = 0; weights && r < rows; r++)
        for (uint32_t t = 0; t < speech->count; t++)
            weights[(size_t)r * speech->count + t] =
                result->alignment[(size_t)r * result->steps + speech->steps[t]];
    return weights;
}

/* ---- Words ---- */

/* Tokens first..end - 1, said in the steps of speech from <= t < to. */
struct placed_word {
    uint32_t first, end, from, to;
};

/* The sum of the word's weights in steps from <= t < to. */
static double weigh(const float *weights, uint32_t stride, const struct placed_word *word,
                    uint32_t from, uint32_t to)
{
    double sum = 0;
    for (uint32_t r = word->first; r < word->end; r++)
        for (uint32_t t = from; t < to; t++)
            sum += (double)weights[(size_t)r * stride + t];
    return sum;
}

/* A word that spans pauses was said on one side of them: where its tokens attend to most. */
static void keep_best_side(const struct speech *speech, const float *weights,
                           struct placed_word *word)
{
    struct placed_word best = *word;
    double most = -1;
    uint32_t from = word->from;
    for (uint32_t i = 0; i <= speech->pause_count; i++) {
        uint32_t to = i < speech->pause_count ? speech->pauses[i] : word->to;
        if (to > word->to)
            to = word->to;
        if (to <= from)
            continue;
        double weight = weigh(weights, speech->count, word, from, to);
        if (weight > most) {
            most = weight;
            best.from = from;
            best.to = to;
        }
        from = to;
    }
    *word = best;
}

/* No word takes more than `limit` steps: keeps those that its tokens attend to most. */
static void shorten(const struct speech *speech, const float *weights, uint32_t limit,
                    struct placed_word *word)
{
    double most = -1;
    uint32_t from = word->from;
    if (word->to - word->from <= limit)
        return;
    for (uint32_t t = word->from; t + limit <= word->to; t++) {
        double weight = weigh(weights, speech->count, word, t, t + limit);
        if (weight > most) {
            most = weight;
            from = t;
        }
    }
    word->from = from;
    word->to = from + limit;
}

/*
 * The boundary of a word in steps of speech: the pause within `limit` steps of it that is nearest,
 * or the end of the speech; else where the alignment found it.
 */
static uint32_t snap(const struct speech *speech, uint32_t boundary, uint32_t limit)
{
    uint32_t best = boundary, distance = limit + 1;
    for (uint32_t i = 0; i < speech->pause_count + speech->known; i++) {
        uint32_t pause = i < speech->pause_count ? speech->pauses[i] : speech->count;
        uint32_t away = pause > boundary ? pause - boundary : boundary - pause;
        if (away < distance) {
            distance = away;
            best = pause;
        }
    }
    return best;
}

/* Divides the tokens into words and places these; returns their number. */
static uint32_t place_words(const struct beam_result *result, const struct vocabulary *vocabulary,
                            const struct speech *speech, const float *weights,
                            const uint32_t *begins, uint32_t limit, struct placed_word *words)
{
    uint32_t count = 0, first = 0;
    while (first < result->count) {
        uint32_t end = first + 1, before = count > 0 ? words[count - 1].to : 0;
        while (end < result->count && !vocabulary_starts_word(vocabulary, result->tokens[end]))
            end++;
        uint32_t from = snap(speech, begins[first], limit), to = snap(speech, begins[end], limit);
        if (from == to) /* one pause cannot be both ends of a word: it is the start */
            to = begins[end];
        if (from < before) /* as the word before ends after it */
            from = before;
        words[count] = (struct placed_word){first, end, from, to > from ? to : from};
        keep_best_side(speech, weights, &words[count]);
        count++;
        first = end;
    }
    return count;
}

static float mean_probability(const float *log_probabilities, uint32_t count)
{
    float sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += log_probabilities[i];
    return expf(sum / (float)count);
}

/* Adds a word, if its tokens have text. */
static int add_word(struct word_times *list, const struct beam_result *result,
                    const struct vocabulary *vocabulary, const struct word_times_sound *sound,
                    const struct speech *speech, const float *weights, struct placed_word word)
{
    uint32_t count = word.end - word.first;
    char *text = vocabulary_text(vocabulary, result->tokens + word.first, count);
    if (!text)
        return -ENOMEM;
    if (!*text) {
        free(text);
        return 0;
    }
    double longest = WORD_SECONDS + BYTE_SECONDS * (double)strlen(text);
    shorten(speech, weights, (uint32_t)ceil(longest / sound->step_seconds), &word);
    uint32_t from =
        word.from < speech->count ? speech->steps[word.from] : speech->steps[speech->count - 1] + 1;
    uint32_t to = word.to > word.from ? speech->steps[word.to - 1] + 1 : from;
    list->ends[list->count] = word.end;
    list->words[list->count++] = (struct hearken_word){
        .text = text,
        .start = sound->start + from * sound->step_seconds,
        .end = sound->start + to * sound->step_seconds,
        .confidence = mean_probability(result->log_probabilities + word.first, count),
    };
    return 0;
}

/*
 * Sets the longest stretch of speech that no word covers, and the pause next to it: the one before
 * it, else the one after it.
 */
static void find_lost_speech(struct word_times *list, const struct word_times_sound *sound,
                             const struct speech *speech)
{
    uint32_t word = 0, run = 0, lost = 0, most = 0, most_end = 0;
    for (uint32_t i = 0; i < speech->count; i++) {
        double time = sound->start + (speech->steps[i] + 0.5) * sound->step_seconds;
        while (word < list->count && list->words[word].end < time)
            word++;
        bool covered = word < list->count && list->words[word].start <= time;
        if (run < speech->pause_count && speech->pauses[run] == i) {
            run++;
            lost = 0;
        }
        lost = covered ? 0 : lost + 1;
        if (lost > most) {
            most = lost;
            most_end = i + 1;
        }
    }
    list->lost_seconds = most * sound->step_seconds;
    for (uint32_t i = 0; i < speech->pause_count && list->lost_pause <= 0; i++) {
        uint32_t pause = speech->pauses[i];
        bool beside = pause > 0 && (pause + most == most_end || pause == most_end);
        if (beside) /* the middle of the pause */
            list->lost_pause =
                sound->start +
                (speech->steps[pause - 1] + 1 + speech->steps[pause]) / 2.0 * sound->step_seconds;
    }
}

/* Places the words of a text that is not empty. */
static int make_words(struct word_times *list, const struct beam_result *result,
                      const struct vocabulary *vocabulary, const struct word_times_sound *sound,
                      const struct speech *speech)
{
    float *weights = take_speech(result, speech);
    struct placed_word *words = calloc(result->count, sizeof(*words));
    /* The row of the end token gives the end of the last word. */
    uint32_t *begins = calloc((size_t)result->count + 1, sizeof(*begins));
    list->words = calloc(result->count, sizeof(*list->words));
    list->ends = calloc(result->count, sizeof(*list->ends));
    int error = weights && words && begins && list->words && list->ends ? 0 : -ENOMEM;
    if (error == 0)
        error = word_times_align(weights, result->count + 1, speech->count, speech->count, begins);
    if (error == 0) {
        uint32_t limit = (uint32_t)lround(SNAP_SECONDS / sound->step_seconds);
        uint32_t count = place_words(result, vocabulary, speech, weights, begins, limit, words);
        for (uint32_t i = 0; error == 0 && i < count; i++)
            error = add_word(list, result, vocabulary, sound, speech, weights, words[i]);
    }
    free(weights);
    free(words);
    free(begins);
    return error;
}

int word_times_make(struct word_times *list, const struct beam_result *result,
                    const struct vocabulary *vocabulary, const struct word_times_sound *sound)
{
    uint32_t steps = (uint32_t)ceil(sound->seconds / sound->step_seconds);
    steps = steps > result->steps ? result->steps : steps < 1 ? 1 : steps;
    struct speech speech;
    *list = (struct word_times){0};
    int error = find_speech(sound, steps, &speech);
    if (error < 0)
        return error;
    if (result->count > 0)
        error = make_words(list, result, vocabulary, sound, &speech);
    if (error == 0 && speech.known)
        find_lost_speech(list, sound, &speech);
    speech_finish(&speech);
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
