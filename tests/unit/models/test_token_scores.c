// SPDX-License-Identifier: MIT
/* Log-probabilities on the host. */
#include "models/search/token_scores.h"

#include <CUnit/Basic.h>
#include <math.h>

void add_token_scores_tests(void);

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
        CU_ASSERT_EQUAL(counts[2], 0);
    }
}

static void test_draw_again(void)
{
    const float row[] = {0, 0, 0, 0, 0, 0, 0, 0};
    uint64_t one = 3, two = 3, other = 4;
    unsigned differ = 0;
    for (int i = 0; i < 50; i++) {
        uint32_t first = token_scores_sample(row, 8, 1, &one);
        CU_ASSERT_EQUAL(first, token_scores_sample(row, 8, 1, &two));
        differ += first != token_scores_sample(row, 8, 1, &other);
    }
    CU_ASSERT(differ > 20);
}

void add_token_scores_tests(void)
{
    CU_pSuite suite = CU_add_suite("scores", NULL, NULL);
    CU_add_test(suite, "log softmax", test_log_softmax);
    CU_add_test(suite, "the highest", test_top);
    CU_add_test(suite, "by chance", test_draw);
    CU_add_test(suite, "the same chance again", test_draw_again);
}
