// SPDX-License-Identifier: MIT
/* Hypotheses that the beam drops because they will hardly win. */
#include "tests/unit/common/expect.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <stdlib.h>

void add_pruning_tests(void);

/* ---- Counting the rows of steps ---- */

static const struct hearken_kernels *real_kernels;
static unsigned long rows_computed;

static int count_embedded(struct hearken_queue *queue, const struct hearken_embed *arguments)
{
    rows_computed += arguments->out.rows;
    return real_kernels->embed(queue, arguments);
}

/* Searches, and adds what the text scores and how many rows its steps had. */
static void search_counted(struct session *s, const struct beam_options *options, double *score,
                           unsigned long *rows)
{
    rows_computed = 0;
    struct beam_result result = search(s, options, false);
    *score += (double)(result.log_probability / (float)(result.count + 1));
    *rows += rows_computed;
    beam_result_finish(&result);
}

static void begin_counting(struct session *s, struct hearken_kernels *counting)
{
    *counting = *s->pass.kernels;
    real_kernels = s->pass.kernels;
    counting->embed = count_embedded;
    s->pass.kernels = counting;
}

/* Fewer rows than the whole beam, and texts that are about as likely. */
static void test_fewer_rows(void)
{
    double whole = 0, pruned = 0;
    unsigned long whole_rows = 0, pruned_rows = 0;
    for (uint32_t seed = 1; seed <= 30; seed++) {
        struct session s;
        open_speaking(&s, 1, seed);
        struct hearken_kernels counting;
        begin_counting(&s, &counting);
        struct beam_options options = options_of(4);
        options.ctc_weight = 0;
        search_counted(&s, &options, &whole, &whole_rows);
        options.prunes = true;
        search_counted(&s, &options, &pruned, &pruned_rows);
        s.pass.kernels = real_kernels;
        close_session(&s);
    }
    CU_ASSERT(pruned_rows < whole_rows);
    CU_ASSERT(pruned >= whole - 0.5);
}

/* An end that is nearly certain: no other text can be better, so no step follows the first. */
static void test_stops_early(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    struct session s;
    struct hearken_kernels counting;
    double score = 0;
    unsigned long whole_rows = 0, pruned_rows = 0;
    set_weight(&file, "speller.bias", 2, 30);
    srand(1);
    open_session(&s, open_network(&file));
    made_finish(&file);
    listen_to_noise(&s, SPOKEN_STEPS);
    begin_counting(&s, &counting);
    struct beam_options options = options_of(4);
    options.ctc_weight = 0;
    search_counted(&s, &options, &score, &whole_rows);
    options.prunes = true;
    search_counted(&s, &options, &score, &pruned_rows);
    s.pass.kernels = real_kernels;
    close_session(&s);
    CU_ASSERT(whole_rows > 1);
    EXPECT_EQUAL(pruned_rows, 1);
    CU_ASSERT(score > -1e-3);
}

void add_pruning_tests(void)
{
    CU_pSuite suite = CU_add_suite("pruning", NULL, NULL);
    CU_add_test(suite, "fewer rows", test_fewer_rows);
    CU_add_test(suite, "stops early", test_stops_early);
}
