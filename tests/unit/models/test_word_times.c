// SPDX-License-Identifier: MIT
/* Words with their times, from alignments made by hand. */
#include "models/stream/word_times.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_word_times_tests(void);

#define MAX_ROWS 16u
#define STEP     0.04

/* ---- Alignments ---- */

/* Row r looks at steps from[r] <= t < to[r] alone; elsewhere all rows are equal. */
static float *blocks(uint32_t rows, uint32_t steps, const uint32_t *from, const uint32_t *to)
{
    float *weights = malloc((size_t)rows * steps * sizeof(*weights));
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t t = 0; t < steps; t++)
            weights[r * steps + t] = t >= from[r] && t < to[r] ? 0.9f : 0.01f;
    float *copy = exact_copy(weights, (size_t)rows * steps * sizeof(*weights));
    free(weights);
    return copy;
}

static void test_diagonal(void)
{
    enum { ROWS = 8, LENGTH = 15, STEPS = ROWS * LENGTH };
    uint32_t from[ROWS], to[ROWS], begins[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) {
        from[r] = r * LENGTH;
        to[r] = from[r] + LENGTH;
    }
    float *weights = blocks(ROWS, STEPS, from, to);
    EXPECT_EQUAL_FATAL(word_times_align(weights, ROWS, STEPS, STEPS, begins), 0);
    for (uint32_t r = 0; r < ROWS; r++)
        EXPECT_EQUAL(begins[r], from[r]);
    free(weights);
}

/* Of different lengths, down to those that the smoothing leaves. */
static void test_uneven(void)
{
    static const uint32_t from[] = {0, 5, 45, 49, 60}, to[] = {5, 45, 49, 60, 90};
    uint32_t begins[5];
    float *weights = blocks(5, 90, from, to);
    EXPECT_EQUAL_FATAL(word_times_align(weights, 5, 90, 90, begins), 0);
    for (uint32_t r = 0; r < 5; r++)
        EXPECT_EQUAL(begins[r], from[r]);
    free(weights);
}

/* In a pause no row is better than another: a row may begin anywhere in it, but not outside. */
static void test_pauses(void)
{
    static const uint32_t from[] = {10, 60, 75, 150}, to[] = {30, 75, 100, 180};
    uint32_t begins[4];
    float *weights = blocks(4, 200, from, to);
    EXPECT_EQUAL_FATAL(word_times_align(weights, 4, 200, 200, begins), 0);
    CU_ASSERT(begins[0] <= from[0]);
    for (uint32_t r = 1; r < 4; r++)
        CU_ASSERT(begins[r] >= to[r - 1] && begins[r] <= from[r]);
    free(weights);
}

/* What all rows look at tells nothing, however much they do. */
static void test_what_all_look_at(void)
{
    static const uint32_t from[] = {0, 20, 40}, to[] = {20, 40, 60};
    uint32_t begins[3];
    float *weights = blocks(3, 60, from, to);
    for (uint32_t r = 0; r < 3; r++)
        for (uint32_t t = 50; t < 60; t++)
            weights[r * 60 + t] += 100;
    EXPECT_EQUAL_FATAL(word_times_align(weights, 3, 60, 60, begins), 0);
    CU_ASSERT(begins[1] == 20 && begins[2] == 40);
    free(weights);
}

/* Single steps at which a row looks elsewhere are smoothed away. */
static void test_outliers(void)
{
    static const uint32_t from[] = {0, 20, 40, 60}, to[] = {20, 40, 60, 80};
    uint32_t begins[4];
    float *weights = blocks(4, 80, from, to);
    for (uint32_t t = 10; t < 80; t += 20)
        for (uint32_t r = 0; r < 4; r++)
            weights[r * 80 + t] = r == 3 - t / 20 ? 1 : 0;
    EXPECT_EQUAL_FATAL(word_times_align(weights, 4, 80, 80, begins), 0);
    for (uint32_t r = 0; r < 4; r++)
        EXPECT_EQUAL(begins[r], from[r]);
    free(weights);
}

/* Rows are longer than the part that is looked at; what is behind it must not count. */
static void test_stride(void)
{
    static const uint32_t from[] = {0, 20, 40}, to[] = {20, 40, 60};
    uint32_t begins[3];
    float *weights = blocks(3, 75, from, to);
    for (uint32_t r = 0; r < 3; r++)
        for (uint32_t t = 60; t < 75; t++)
            weights[r * 75 + t] = 1e30f * (float)(r + 1);
    EXPECT_EQUAL_FATAL(word_times_align(weights, 3, 60, 75, begins), 0);
    CU_ASSERT(begins[0] == 0 && begins[1] == 20 && begins[2] == 40);
    free(weights);
}

static bool in_order(const uint32_t *begins, uint32_t rows, uint32_t steps)
{
    bool good = true;
    for (uint32_t r = 0; r < rows; r++)
        good &= begins[r] < steps && (r == 0 || begins[r] >= begins[r - 1]);
    return good;
}

/* Of any shape and any numbers, those that are none among them: the order holds. */
static void test_any_numbers(void)
{
    static const float odd[] = {0, -1, 1e38f, -1e38f, INFINITY, -INFINITY, NAN, 1e-42f};
    printf("(seed 3) ");
    srand(3);
    for (uint32_t round = 0; round < 600; round++) {
        uint32_t rows = 1 + (uint32_t)rand() % MAX_ROWS, steps = 1 + (uint32_t)rand() % 24;
        uint32_t begins[MAX_ROWS];
        float weights[MAX_ROWS * 24];
        for (uint32_t i = 0; i < rows * steps; i++)
            weights[i] = round % 3 == 0 ? odd[rand() % 8] : (float)rand() / (float)RAND_MAX;
        float *copy = exact_copy(weights, rows * steps * sizeof(*weights));
        EXPECT_EQUAL_FATAL(word_times_align(copy, rows, steps, steps, begins), 0);
        CU_ASSERT(in_order(begins, rows, steps));
        free(copy);
    }
}

/* One row takes all; more rows than steps share them. */
static void test_narrow(void)
{
    uint32_t begins[MAX_ROWS];
    float weights[MAX_ROWS] = {0.5f, 0.25f, 0.25f};
    EXPECT_EQUAL(word_times_align(weights, 1, 3, 3, begins), 0);
    EXPECT_EQUAL(begins[0], 0);
    EXPECT_EQUAL(word_times_align(weights, 1, 1, 1, begins), 0);
    EXPECT_EQUAL(begins[0], 0);
    EXPECT_EQUAL(word_times_align(weights, MAX_ROWS, 1, 1, begins), 0);
    CU_ASSERT(begins[0] == 0 && begins[MAX_ROWS - 1] == 0);
}

/* ---- All paths ---- */

enum { FEW_ROWS = 4, FEW_STEPS = 10 };

struct paths {
    double weights[FEW_ROWS][FEW_STEPS];
    uint32_t rows, steps;
    double best;
};

/* Every way from (row, step) to the last of both: one row, one step or both on. */
static void follow(struct paths *p, uint32_t row, uint32_t step, double sum)
{
    sum += p->weights[row][step];
    if (row + 1 == p->rows && step + 1 == p->steps)
        p->best = fmax(p->best, sum);
    if (step + 1 < p->steps)
        follow(p, row, step + 1, sum);
    if (row + 1 == p->rows)
        return;
    follow(p, row + 1, step, sum);
    if (step + 1 < p->steps)
        follow(p, row + 1, step + 1, sum);
}

/* Each step less its mean, over its deviation; then in each row the fourth largest of seven. */
static void prepare(struct paths *p, const float *weights)
{
    double standard[FEW_ROWS][FEW_STEPS];
    for (uint32_t t = 0; t < p->steps; t++) {
        double mean = 0, variance = 0;
        for (uint32_t r = 0; r < p->rows; r++)
            mean += (double)weights[r * p->steps + t] / p->rows;
        for (uint32_t r = 0; r < p->rows; r++)
            variance += pow((double)weights[r * p->steps + t] - mean, 2) / p->rows;
        for (uint32_t r = 0; r < p->rows; r++)
            standard[r][t] = ((double)weights[r * p->steps + t] - mean) / sqrt(variance);
    }
    for (uint32_t r = 0; r < p->rows; r++)
        for (int t = 0; t < (int)p->steps; t++)
            for (int middle = t - 3; middle <= t + 3; middle++) {
                int larger = 0, last = (int)p->steps - 1;
                double value = standard[r][middle < 0 ? 0 : middle > last ? last : middle];
                int equal = 0;
                for (int i = t - 3; i <= t + 3; i++) {
                    double other = standard[r][i < 0 ? 0 : i > last ? last : i];
                    larger += other > value;
                    equal += other == value;
                }
                if (larger <= 3 && larger + equal > 3)
                    p->weights[r][t] = value;
            }
}

/* Of the path whose rows begin there. Where a row begins, the one before may have ended or not. */
static double sum_of_path(const struct paths *p, const uint32_t *begins)
{
    double sum = 0;
    for (uint32_t r = 0; r < p->rows; r++) {
        uint32_t end = r + 1 < p->rows ? begins[r + 1] : p->steps;
        for (uint32_t t = begins[r]; t < end; t++)
            sum += p->weights[r][t];
        if (end < p->steps && (begins[r] == end || p->weights[r][end] > 0))
            sum += p->weights[r][end];
    }
    return sum;
}

static void test_best_of_all_paths(void)
{
    printf("(seed 6) ");
    srand(6);
    for (uint32_t round = 0; round < 60; round++) {
        struct paths paths = {
            .rows = 2 + round % 3, .steps = 1 + round % FEW_STEPS, .best = -INFINITY};
        float weights[FEW_ROWS * FEW_STEPS];
        uint32_t begins[FEW_ROWS];
        for (uint32_t i = 0; i < paths.rows * paths.steps; i++)
            weights[i] = (float)rand() / (float)RAND_MAX;
        prepare(&paths, weights);
        for (uint32_t t = 0; t < paths.steps; t++) /* the path may begin at any step */
            follow(&paths, 0, t, 0);
        EXPECT_EQUAL_FATAL(word_times_align(weights, paths.rows, paths.steps, paths.steps, begins),
                           0);
        CU_ASSERT(fabs(sum_of_path(&paths, begins) - paths.best) < 1e-5);
    }
}

/* ---- Words ---- */

static struct vocabulary_token tokens[] = {
    {(char *)"", 0, true},      {(char *)" the", 4, false}, {(char *)" cat", 4, false},
    {(char *)"'s", 2, false},   {(char *)".", 1, false},    {(char *)" ", 1, false},
    {(char *)"Mio", 3, false},  {(char *)"w", 1, false},    {(char *)" caf", 4, false},
    {(char *)"\xc3", 1, false}, {(char *)"\xa9", 1, false},
};
static const struct vocabulary vocabulary = {tokens, sizeof(tokens) / sizeof(*tokens)};

/* Tokens each of which looks at `length` steps; `more` steps of padding behind. */
struct spoken {
    struct beam_result result;
    uint32_t ids[MAX_ROWS];
    float log_probabilities[MAX_ROWS];
    float *alignment;
};

static void speak(struct spoken *s, const uint32_t *ids, uint32_t count, uint32_t length,
                  uint32_t more)
{
    uint32_t from[MAX_ROWS + 1], to[MAX_ROWS + 1], steps = (count + 1) * length + more;
    for (uint32_t i = 0; i <= count; i++) {
        from[i] = i * length;
        to[i] = from[i] + length;
    }
    for (uint32_t i = 0; i < count; i++) {
        s->ids[i] = ids[i];
        s->log_probabilities[i] = logf(i < 8 ? 0.9f - 0.1f * (float)i : 0.1f);
    }
    s->alignment = blocks(count + 1, steps, from, to);
    s->result = (struct beam_result){
        .tokens = s->ids,
        .log_probabilities = s->log_probabilities,
        .alignment = s->alignment,
        .count = count,
        .steps = steps,
    };
}

static struct word_times words_of(const struct spoken *s, double start, double seconds)
{
    struct word_times list;
    const struct word_times_sound sound = {start, seconds, STEP, NULL};
    EXPECT_EQUAL_FATAL(word_times_make(&list, &s->result, &vocabulary, &sound), 0);
    return list;
}

static void is_word(const struct hearken_word *word, const char *text, double start, double end,
                    double confidence)
{
    EXPECT_EQUAL_STRING(word->text, text);
    CU_ASSERT(fabs(word->start - start) < 1e-9);
    CU_ASSERT(fabs(word->end - end) < 1e-9);
    CU_ASSERT(fabs((double)word->confidence - confidence) < 1e-6);
}

static void test_words(void)
{
    static const uint32_t ids[] = {1, 2, 3, 4, 1};
    struct spoken spoken;
    speak(&spoken, ids, 5, 10, 0);
    struct word_times list = words_of(&spoken, 100, 60 * STEP);
    EXPECT_EQUAL_FATAL(list.count, 3);
    is_word(&list.words[0], "the", 100, 100 + 10 * STEP, 0.9);
    is_word(&list.words[1], "cat's.", 100 + 10 * STEP, 100 + 40 * STEP, cbrt(0.8 * 0.7 * 0.6));
    /* The end token's row tells where the last word ends. */
    is_word(&list.words[2], "the", 100 + 40 * STEP, 100 + 50 * STEP, 0.5);
    word_times_finish(&list);
    CU_ASSERT(!list.words && list.count == 0);
    free(spoken.alignment);
}

static void test_first_word_needs_no_space(void)
{
    static const uint32_t ids[] = {6, 7, 2};
    struct spoken spoken;
    speak(&spoken, ids, 3, 10, 0);
    struct word_times list = words_of(&spoken, 0, 40 * STEP);
    EXPECT_EQUAL_FATAL(list.count, 2);
    is_word(&list.words[0], "Miow", 0, 20 * STEP, sqrt(0.9 * 0.8));
    is_word(&list.words[1], "cat", 20 * STEP, 30 * STEP, 0.7);
    word_times_finish(&list);
    free(spoken.alignment);
}

/* A space alone is no word, but a word may follow it; control tokens have no text. */
static void test_tokens_without_text(void)
{
    static const uint32_t ids[] = {5, 5, 7, 2, 0, 5};
    struct spoken spoken;
    speak(&spoken, ids, 6, 8, 0);
    struct word_times list = words_of(&spoken, 0, 56 * STEP);
    EXPECT_EQUAL_FATAL(list.count, 2);
    is_word(&list.words[0], "w", 8 * STEP, 24 * STEP, sqrt(0.8 * 0.7));
    EXPECT_EQUAL_STRING(list.words[1].text, "cat");
    CU_ASSERT(fabs(list.words[1].start - 24 * STEP) < 1e-9);
    word_times_finish(&list);
    static const uint32_t none[] = {5, 0, 5};
    free(spoken.alignment);
    speak(&spoken, none, 3, 10, 0);
    list = words_of(&spoken, 0, 40 * STEP);
    EXPECT_EQUAL(list.count, 0);
    word_times_finish(&list);
    free(spoken.alignment);
}

static void test_character_of_two_tokens(void)
{
    static const uint32_t ids[] = {8, 9, 10};
    struct spoken spoken;
    speak(&spoken, ids, 3, 8, 0);
    struct word_times list = words_of(&spoken, 0, 32 * STEP);
    EXPECT_EQUAL_FATAL(list.count, 1);
    is_word(&list.words[0], "caf\xc3\xa9", 0, 24 * STEP, cbrt(0.9 * 0.8 * 0.7));
    word_times_finish(&list);
    free(spoken.alignment);
}

/* Padding is no time at which anything was said. */
static void test_no_times_in_the_padding(void)
{
    static const uint32_t ids[] = {1, 2};
    struct spoken spoken;
    speak(&spoken, ids, 2, 10, 500);
    struct word_times list = words_of(&spoken, 0, 30 * STEP - 0.001);
    EXPECT_EQUAL_FATAL(list.count, 2);
    is_word(&list.words[0], "the", 0, 10 * STEP, 0.9);
    is_word(&list.words[1], "cat", 10 * STEP, 20 * STEP, 0.8);
    word_times_finish(&list);
    /* Sound that ends before the attention says so keeps the times inside. */
    list = words_of(&spoken, 0, 15 * STEP);
    for (size_t i = 0; i < list.count; i++)
        CU_ASSERT(list.words[i].end <= 15 * STEP);
    word_times_finish(&list);
    /* Nor does sound that is longer than the memory lead out of it. */
    list = words_of(&spoken, 0, 1e6);
    EXPECT_EQUAL(list.count, 2);
    word_times_finish(&list);
    list = words_of(&spoken, 0, 0);
    EXPECT_EQUAL_FATAL(list.count, 2);
    EXPECT_EQUAL(list.words[1].end, 0);
    word_times_finish(&list);
    free(spoken.alignment);
}

static void test_no_tokens(void)
{
    struct beam_result none = {.steps = 10};
    struct word_times list;
    const struct word_times_sound sound = {0, 1, STEP, NULL};
    EXPECT_EQUAL(word_times_make(&list, &none, &vocabulary, &sound), 0);
    CU_ASSERT(list.count == 0 && !list.words);
    word_times_finish(&list);
}

/* ---- Words and the voice network ---- */

enum { SOUND_STEPS = 100, FRAMES_A_STEP = 4 };

/* Words at steps from[i] <= t < to[i] of a sound of SOUND_STEPS, as the attention has them. */
static void speak_at(struct spoken *s, uint32_t count, const uint32_t *from, const uint32_t *to)
{
    uint32_t begin[MAX_ROWS] = {0}, end[MAX_ROWS] = {0};
    *s = (struct spoken){.result = {.tokens = s->ids, .count = count, .steps = SOUND_STEPS}};
    for (uint32_t i = 0; i < count; i++) {
        s->ids[i] = 1 + i % 2; /* the, cat */
        begin[i] = from[i];
        end[i] = to[i];
    }
    begin[count] = count > 0 ? to[count - 1] : 0; /* the end token looks behind the last word */
    end[count] = SOUND_STEPS;
    s->result.tokens = s->ids;
    s->result.log_probabilities = s->log_probabilities;
    s->result.alignment = s->alignment = blocks(count + 1, SOUND_STEPS, begin, end);
}

/* The words, with speech at steps from[i] <= t < to[i]. */
static struct word_times words_in_speech(const struct spoken *s, uint32_t runs,
                                         const uint32_t *from, const uint32_t *to)
{
    float voice[SOUND_STEPS * FRAMES_A_STEP] = {0};
    struct word_times list;
    for (uint32_t i = 0; i < runs; i++)
        for (uint32_t f = from[i] * FRAMES_A_STEP; f < to[i] * FRAMES_A_STEP; f++)
            voice[f] = 0.9f;
    const struct word_times_sound sound = {10, SOUND_STEPS * STEP, STEP, voice};
    EXPECT_EQUAL_FATAL(word_times_make(&list, &s->result, &vocabulary, &sound), 0);
    return list;
}

static void is_between(const struct hearken_word *word, uint32_t from, uint32_t to)
{
    CU_ASSERT(fabs(word->start - (10 + from * STEP)) < 1e-9);
    CU_ASSERT(fabs(word->end - (10 + to * STEP)) < 1e-9);
    if (fabs(word->start - (10 + from * STEP)) >= 1e-9 ||
        fabs(word->end - (10 + to * STEP)) >= 1e-9)
        printf("\n    '%s' at %.2f to %.2f, expected %.2f to %.2f ", word->text, word->start,
               word->end, 10 + from * STEP, 10 + to * STEP);
}

/* The attention fills the pause and the silence at both ends; the words do not. */
static void test_no_words_in_pauses(void)
{
    static const uint32_t looks[] = {0, 25, 35}, until[] = {25, 35, 90};
    static const uint32_t from[] = {12, 60}, to[] = {35, 80};
    struct spoken spoken;
    speak_at(&spoken, 3, looks, until);
    struct word_times list = words_in_speech(&spoken, 2, from, to);
    EXPECT_EQUAL_FATAL(list.count, 3);
    is_between(&list.words[0], 12, 25);
    is_between(&list.words[1], 25, 35);
    is_between(&list.words[2], 60, 80);
    EXPECT_EQUAL(list.lost_seconds, 0);
    word_times_finish(&list);
    free(spoken.alignment);
}

/* A word that begins in the last steps of the speech before a pause was said behind it. */
static void test_words_keep_to_pauses(void)
{
    static const uint32_t looks[] = {25, 38}, until[] = {38, 75};
    static const uint32_t from[] = {25, 60}, to[] = {40, 75};
    struct spoken spoken;
    speak_at(&spoken, 2, looks, until);
    struct word_times list = words_in_speech(&spoken, 2, from, to);
    EXPECT_EQUAL_FATAL(list.count, 2);
    CU_ASSERT(fabs(list.words[0].end - (10 + 40 * STEP)) < 1e-9);
    is_between(&list.words[1], 60, 75);
    word_times_finish(&list);
    free(spoken.alignment);
}

/* "the" takes 0.9 s at most, where its token looks, however long the music plays. */
static void test_long_words(void)
{
    static const uint32_t looks[] = {50, 60}, until[] = {60, 70};
    static const uint32_t from[] = {0}, to[] = {100};
    struct spoken spoken;
    speak_at(&spoken, 2, looks, until);
    struct word_times list = words_in_speech(&spoken, 1, from, to);
    EXPECT_EQUAL_FATAL(list.count, 2);
    for (uint32_t i = 0; i < 2; i++)
        CU_ASSERT(list.words[i].end - list.words[i].start <= 0.9 + STEP);
    CU_ASSERT(list.words[0].start > 10 + 25 * STEP);
    word_times_finish(&list);
    free(spoken.alignment);
}

/* Two words cover the first run of speech; in the second one of 1.2 s nobody wrote any. */
static void test_lost_speech(void)
{
    static const uint32_t looks[] = {0, 10}, until[] = {10, 20};
    static const uint32_t from[] = {0, 40}, to[] = {20, 70};
    struct spoken spoken;
    speak_at(&spoken, 2, looks, until);
    /* The end token looks where the speech begins again. */
    struct word_times list = words_in_speech(&spoken, 2, from, to);
    EXPECT_EQUAL_FATAL(list.count, 2);
    CU_ASSERT(fabs(list.lost_seconds - 30 * STEP) < 1e-6);
    CU_ASSERT(fabs(list.lost_pause - (10 + 30 * STEP)) < 1e-6);
    word_times_finish(&list);
    free(spoken.alignment);
    /* No text at all: all of it is lost. */
    speak_at(&spoken, 0, looks, until);
    list = words_in_speech(&spoken, 1, from + 1, to + 1);
    CU_ASSERT(fabs(list.lost_seconds - 30 * STEP) < 1e-6);
    EXPECT_EQUAL(list.lost_pause, 0);
    word_times_finish(&list);
    /* Without speech nothing is. */
    list = words_in_speech(&spoken, 0, from, to);
    EXPECT_EQUAL(list.lost_seconds, 0);
    word_times_finish(&list);
    free(spoken.alignment);
}

/* Whatever the attention does, words follow each other. */
static void test_times_are_in_order(void)
{
    printf("(seed 5) ");
    srand(5);
    for (uint32_t round = 0; round < 200; round++) {
        static uint32_t ids[12];
        struct spoken spoken;
        for (uint32_t i = 0; i < 12; i++)
            ids[i] = (uint32_t)rand() % vocabulary.count;
        speak(&spoken, ids, 12, 4, 3);
        for (uint32_t i = 0; i < 13 * spoken.result.steps; i++)
            spoken.alignment[i] = (float)rand() / (float)RAND_MAX;
        double seconds = spoken.result.steps * STEP, before = 7;
        struct word_times list = words_of(&spoken, 7, seconds);
        for (size_t i = 0; i < list.count; i++) {
            const struct hearken_word *word = &list.words[i];
            CU_ASSERT(word->start >= before && word->end >= word->start);
            CU_ASSERT(word->end <= 7 + seconds);
            CU_ASSERT(*word->text && !strchr(word->text, ' '));
            CU_ASSERT(word->confidence > 0 && word->confidence <= 1);
            before = word->end;
        }
        word_times_finish(&list);
        free(spoken.alignment);
    }
}

void add_word_times_tests(void)
{
    CU_pSuite suite = CU_add_suite("words", NULL, NULL);
    CU_ADD_TEST(suite, test_diagonal);
    CU_ADD_TEST(suite, test_uneven);
    CU_ADD_TEST(suite, test_pauses);
    CU_ADD_TEST(suite, test_what_all_look_at);
    CU_ADD_TEST(suite, test_outliers);
    CU_ADD_TEST(suite, test_stride);
    CU_ADD_TEST(suite, test_any_numbers);
    CU_ADD_TEST(suite, test_narrow);
    CU_ADD_TEST(suite, test_best_of_all_paths);
    CU_ADD_TEST(suite, test_words);
    CU_ADD_TEST(suite, test_first_word_needs_no_space);
    CU_ADD_TEST(suite, test_tokens_without_text);
    CU_ADD_TEST(suite, test_character_of_two_tokens);
    CU_ADD_TEST(suite, test_no_times_in_the_padding);
    CU_ADD_TEST(suite, test_no_tokens);
    CU_ADD_TEST(suite, test_times_are_in_order);
    CU_ADD_TEST(suite, test_no_words_in_pauses);
    CU_ADD_TEST(suite, test_words_keep_to_pauses);
    CU_ADD_TEST(suite, test_long_words);
    CU_ADD_TEST(suite, test_lost_speech);
}
