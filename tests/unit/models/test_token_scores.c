// SPDX-License-Identifier: MIT
/* Scores of tokens on the host: log-probabilities, and what the rules for times leave of them. */
#include "models/search/timestamp_rules.h"
#include "models/search/token_scores.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_token_scores_tests(void);

/* ---- Log-probabilities ---- */

static void test_log_softmax(void)
{
    float row[] = {1, 2, 3, -INFINITY, 500};
    token_scores_log_softmax(row, 4);
    double sum = exp((double)row[0]) + exp((double)row[1]) + exp((double)row[2]);
    CU_ASSERT(fabs(sum - 1) < 1e-6 && fabs((double)(row[2] - row[1]) - 1) < 1e-6);
    CU_ASSERT(!(row[3] > -INFINITY) && row[4] == 500);
    float none[] = {-INFINITY, -INFINITY};
    token_scores_log_softmax(none, 2);
    CU_ASSERT(!(none[0] > -INFINITY) && !isnan(none[1]));
    CU_ASSERT(fabs((double)token_scores_log_sum((const float[]){9, 0, 0, 9}, 1, 3) - log(2)) <
              1e-6);
}

static void test_top(void)
{
    const float row[] = {1, 7, -INFINITY, 7, NAN, 3};
    float values[5];
    uint32_t columns[5];
    token_scores_top(row, 6, 5, values, columns);
    CU_ASSERT(columns[0] == 1 && columns[1] == 3 && columns[2] == 5 && columns[3] == 0);
    CU_ASSERT(values[0] == 7 && values[2] == 3 && !(values[4] > -INFINITY));
}

/* As often as exp(row / temperature) says; what is barred never. */
static void test_draw(void)
{
    const float row[] = {0, logf(2), -INFINITY, logf(5)};
    for (int i = 0; i < 2; i++) {
        float temperature = i ? 0.5f : 1;
        unsigned counts[4] = {0};
        uint64_t random = 7;
        for (unsigned n = 0; n < 40000; n++)
            counts[token_scores_sample(row, 4, temperature, &random)]++;
        double share = i ? 1 + 4 + 25 : 1 + 2 + 5;
        CU_ASSERT(fabs(counts[0] / 40000.0 - 1 / share) < 0.01);
        CU_ASSERT(fabs(counts[3] / 40000.0 - (i ? 25 : 5) / share) < 0.01);
        EXPECT_EQUAL(counts[2], 0);
    }
}

static void test_draw_again(void)
{
    const float row[] = {0, 0, 0, 0, 0, 0, 0, 0};
    uint64_t one = 3, two = 3, other = 4;
    unsigned differ = 0;
    for (int i = 0; i < 50; i++) {
        uint32_t first = token_scores_sample(row, 8, 1, &one);
        EXPECT_EQUAL(first, token_scores_sample(row, 8, 1, &two));
        differ += first != token_scores_sample(row, 8, 1, &other);
    }
    CU_ASSERT(differ > 20);
}

/* ---- Times between the words: what may follow what, and what becomes of them ---- */

#define TIMES   101u
#define TIME(n) (W_TIMES + (n))

static struct network *open_whisper(void)
{
    struct made_file file = make_whisper(4);
    struct network *network = open_network(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network);
    return network;
}

static struct timestamp_rules *times_of(const struct network *network, const char *suppress)
{
    struct timestamp_rules *t = NULL;
    struct hearken_error error;
    EXPECT_EQUAL_FATAL(timestamp_rules_create(network, suppress, &t, &error), 0);
    return t;
}

/* What may follow `tokens`, where text is far likelier than any time: 'x' for text, '.' for the
 * end, and the first and last time. */
struct followers {
    bool text, end;
    uint32_t first, last; /* NO_TOKEN: none */
};

static struct followers follow(const struct timestamp_rules *t, const uint32_t *tokens,
                               uint32_t count)
{
    struct followers f = {.first = NO_TOKEN, .last = NO_TOKEN};
    float *row = calloc(t->vocabulary, sizeof(*row));
    for (uint32_t i = W_TEXT; i < t->vocabulary; i++)
        row[i] = 20;
    row[W_END] = 20;
    timestamp_rules_apply(t, tokens, count, row);
    double sum = 0;
    for (uint32_t i = 0; i < t->vocabulary; i++) {
        bool may = row[i] > -INFINITY;
        sum += exp((double)row[i]);
        f.text |= may && i >= W_TEXT;
        f.end |= may && i == W_END;
        CU_ASSERT(!may || i == W_END || i >= W_TIMES); /* no other control token */
        if (may && i >= W_TIMES && i < W_TEXT) {
            f.first = f.first == NO_TOKEN ? i - W_TIMES : f.first;
            f.last = i - W_TIMES;
        }
    }
    CU_ASSERT(fabs(sum - 1) < 1e-4);
    free(row);
    return f;
}

static void test_what_may_follow(void)
{
    struct network *network = open_whisper();
    struct timestamp_rules *t = times_of(network, "-1");
    /* At first a time, not beyond one second. */
    struct followers f = follow(t, NULL, 0);
    CU_ASSERT(!f.text && !f.end && f.first == 0 && f.last == 50);
    /* Behind the first, text or the end. */
    f = follow(t, (const uint32_t[]){TIME(10)}, 1);
    CU_ASSERT(f.text && f.end && f.first == NO_TOKEN);
    /* Behind text, more of it, the end, or a time behind the last one. */
    f = follow(t, (const uint32_t[]){TIME(10), W_TEXT}, 2);
    CU_ASSERT(f.text && f.end && f.first == 11 && f.last == TIMES - 1);
    /* Behind an end, a start no earlier, or the end of all. */
    f = follow(t, (const uint32_t[]){TIME(10), W_TEXT, TIME(30)}, 3);
    CU_ASSERT(!f.text && f.end && f.first == 30 && f.last == TIMES - 1);
    /* Behind the pair, text. */
    f = follow(t, (const uint32_t[]){TIME(10), W_TEXT, TIME(30), TIME(30)}, 4);
    CU_ASSERT(f.text && f.end && f.first == NO_TOKEN);
    f = follow(t, (const uint32_t[]){TIME(10), W_TEXT, TIME(30), TIME(30), W_TEXT}, 5);
    CU_ASSERT(f.text && f.end && f.first == 31);
    timestamp_rules_destroy(t);
    network_destroy(network);
}

/* Many times that are a little likely each are together likelier than one text. */
static void test_mass(void)
{
    struct network *network = open_whisper();
    struct timestamp_rules *t = times_of(network, "-1");
    const uint32_t tokens[] = {TIME(0), W_TEXT};
    for (int i = 0; i < 2; i++) {
        float *row = calloc(t->vocabulary, sizeof(*row));
        row[W_TEXT + 3] = i ? logf(TIMES - 1) + 0.1f : logf(TIMES - 1) - 0.1f;
        timestamp_rules_apply(t, tokens, 2, row);
        EXPECT_EQUAL(row[W_TEXT + 3] > -INFINITY, i == 1);
        EXPECT_EQUAL(row[W_END] > -INFINITY, i == 1);
        CU_ASSERT(row[TIME(50)] > -INFINITY);
        free(row);
    }
    timestamp_rules_destroy(t);
    network_destroy(network);
}

static void test_suppressed(void)
{
    struct network *network = open_whisper();
    char list[32];
    snprintf(list, sizeof(list), "-1, %d", W_TEXT + 2);
    struct timestamp_rules *t = times_of(network, list);
    float *row = calloc(t->vocabulary, sizeof(*row));
    row[W_TEXT + 2] = row[W_TEXT + 1] = 30;
    timestamp_rules_apply(t, (const uint32_t[]){TIME(0)}, 1, row);
    CU_ASSERT(!(row[W_TEXT + 2] > -INFINITY) && row[W_TEXT + 1] > -INFINITY);
    free(row);
    timestamp_rules_destroy(t);
    network_destroy(network);
}

/* ---- Out of a result ---- */

static struct beam_result result_of(const uint32_t *tokens, uint32_t count)
{
    struct beam_result r = {.count = count, .steps = 2};
    r.tokens = calloc(count + 1, sizeof(*r.tokens));
    r.log_probabilities = calloc(count + 1, sizeof(float));
    r.alignment = calloc(2 * (size_t)(count + 1), sizeof(float));
    for (uint32_t i = 0; i <= count; i++) {
        r.tokens[i] = i < count ? tokens[i] : 0;
        r.log_probabilities[i] = -(float)i;
        r.alignment[2 * i] = (float)i;
    }
    return r;
}

static void test_taking_out(void)
{
    struct network *network = open_whisper();
    struct timestamp_rules *t = times_of(network, "-1");
    const uint32_t tokens[] = {TIME(5),    W_TEXT,   W_TEXT + 1, TIME(20),  TIME(25),
                               W_TEXT + 2, TIME(90), TIME(90),   W_TEXT + 3};
    struct beam_result r = result_of(tokens, 9);
    struct timestamp_span_list list;
    EXPECT_EQUAL_FATAL(timestamp_rules_extract(t, 1.7, &r, &list), 0);
    EXPECT_EQUAL(r.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_EQUAL(r.tokens[i], W_TEXT + i);
    CU_ASSERT(r.alignment[2] == 2 && r.alignment[4] == 5 && r.alignment[8] == 9);
    EXPECT_EQUAL_FATAL(list.count, 3);
    EXPECT_CLOSE(list.spans[0].start, 0.1, 1e-9);
    EXPECT_CLOSE(list.spans[0].end, 0.4, 1e-9);
    EXPECT_CLOSE(list.spans[0].log_probability, -1.5, 1e-6);
    EXPECT_CLOSE(list.spans[1].start, 0.5, 1e-9);
    EXPECT_CLOSE(list.spans[1].end, 1.7, 1e-9); /* no later than the sound */
    EXPECT_CLOSE(list.spans[2].end, 1.7, 1e-9); /* cut off: the end of the sound */
    CU_ASSERT(list.spans[0].tokens_end == 2 && list.spans[1].tokens_end == 3);
    EXPECT_EQUAL(list.spans[2].tokens_end, 4);
    free(list.spans);
    beam_result_finish(&r);
    r = result_of(tokens, 1); /* a time and nothing else */
    EXPECT_EQUAL_FATAL(timestamp_rules_extract(t, 1.7, &r, &list), 0);
    CU_ASSERT(r.count == 0 && list.count == 0);
    free(list.spans);
    beam_result_finish(&r);
    timestamp_rules_destroy(t);
    network_destroy(network);
}

/* Whatever a random network says, its times keep the rules, in beams and by chance. */
static void test_search(void)
{
    struct session s;
    open_session(&s, open_whisper());
    struct timestamp_rules *t = times_of(s.network, "-1");
    const uint32_t start[] = {W_START, W_ENGLISH, W_TRANSCRIBE};
    uint64_t random = 1;
    size_t pairs = 0;
    srand(8);
    speller_set_start(s.speller, (struct speller_start){start, 3, 0});
    for (int round = 0; round < 12; round++) {
        struct beam_options options = options_of(1 + (uint32_t)round % 3);
        options.timestamps = t;
        options.random = &random;
        if (round >= 6) {
            options.width = 1;
            options.temperature = 0.8f;
        }
        listen_to_noise(&s, 20);
        struct beam_result r = search(&s, &options, false);
        uint32_t last = 0;
        CU_ASSERT(r.count > 0 && r.tokens[0] >= W_TIMES && r.tokens[0] <= TIME(50));
        for (uint32_t i = 0; i < r.count; i++) {
            bool is_time = r.tokens[i] >= W_TIMES && r.tokens[i] < W_TEXT;
            CU_ASSERT(r.tokens[i] >= W_TIMES);
            CU_ASSERT(!is_time || r.tokens[i] >= last);
            last = is_time ? r.tokens[i] : last;
            pairs += is_time && i > 0;
        }
        beam_result_finish(&r);
    }
    CU_ASSERT(pairs > 0);
    timestamp_rules_destroy(t);
    close_session(&s);
}

void add_token_scores_tests(void)
{
    CU_pSuite suite = CU_add_suite("scores", NULL, NULL);
    CU_add_test(suite, "log softmax", test_log_softmax);
    CU_add_test(suite, "the highest", test_top);
    CU_add_test(suite, "by chance", test_draw);
    CU_add_test(suite, "the same chance again", test_draw_again);
    suite = CU_add_suite("timestamps", NULL, NULL);
    CU_add_test(suite, "what may follow what", test_what_may_follow);
    CU_add_test(suite, "times together", test_mass);
    CU_add_test(suite, "suppressed tokens", test_suppressed);
    CU_add_test(suite, "taken out of a result", test_taking_out);
    CU_add_test(suite, "searches", test_search);
}
