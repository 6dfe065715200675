// SPDX-License-Identifier: MIT
/* reorder: row r becomes what row parents[r] was */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int reorder(const struct matrix *state, const uint32_t *parents, uint32_t count)
{
    return subject()->kernels->reorder(subject()->queue, &state->view, parents, count);
}

/* Expects the rows that the parents had, bit for bit. */
static void check(struct matrix *state, const uint32_t *parents)
{
    const size_t rows = state->view.rows, columns = state->view.columns;
    float *expected = allocate(rows * columns, sizeof(float));
    uint32_t *lent = allocate(rows, sizeof(uint32_t));

    memcpy(lent, parents, rows * sizeof(uint32_t));
    for (size_t row = 0; row < rows; row++)
        memcpy(expected + row * columns, matrix_at(state, parents[row], 0),
               columns * sizeof(float));
    expect_done(reorder(state, lent, (uint32_t)rows));
    memset(lent, 0xff, rows * sizeof(uint32_t)); /* the caller's again */
    matrix_read(state);
    for (size_t row = 0; row < rows; row++)
        expect(memcmp(matrix_at(state, row, 0), expected + row * columns,
                      columns * sizeof(float)) == 0,
               "row %zu of %zu is not what row %u was", row, rows, parents[row]);
    free(lent);
    free(expected);
}

static void check_random(void)
{
    for (int i = 0; i < cases(100); i++) {
        uint32_t parents[16];
        struct matrix state = matrix_create(1 + random_below(16), random_size(700),
                                            random_below(LAYOUT_COUNT), FILL_NORMAL);
        for (size_t row = 0; row < state.view.rows; row++)
            parents[row] = random_below(state.view.rows);
        check(&state, parents);
        matrix_destroy(&state);
    }
}

static void check_patterns(void)
{
    static const uint32_t patterns[][5] = {
        {0, 1, 2, 3, 4}, /* nothing moves */
        {4, 4, 4, 4, 4}, /* all from the last */
        {0, 0, 0, 0, 0}, {1, 2, 3, 4, 0}, {4, 0, 1, 2, 3}, {4, 3, 2, 1, 0}, {1, 1, 3, 3, 2},
    };

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct matrix state = matrix_create(5, 333, LAYOUT_STRIDED, FILL_NORMAL);
        check(&state, patterns[i]);
        matrix_destroy(&state);
    }
}

static void check_refused(void)
{
    struct matrix state = matrix_create(4, 10, LAYOUT_PACKED, FILL_NORMAL), bad;
    const uint32_t good[5] = {3, 2, 1, 0, 0}, beyond[4] = {0, 1, 2, 4};

    expect_refused(reorder(&state, good, 3));
    expect_refused(reorder(&state, good, 5));
    expect_refused(reorder(&state, good, 0));
    expect_refused(reorder(&state, beyond, 4));
    bad = state;
    bad.view.columns = 11;
    expect_refused(reorder(&bad, good, 4));
    bad = state;
    bad.view.rows = 5;
    expect_refused(reorder(&bad, good, 5));
    matrix_expect_unchanged(&state, "reorder: state of refused calls");
    check(&state, good);
    matrix_destroy(&state);
}

static int run(const void *state)
{
    static const uint32_t parents[] = {1, 2, 3, 0};

    return reorder(state, parents, 4);
}

static void bench(void)
{
    static const uint32_t columns[] = {512, 448 * 512};

    for (size_t i = 0; i < 2; i++) {
        struct matrix state = matrix_create(4, columns[i], LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "4 x %u, all move", columns[i]);
        bench_report("reorder", what, 4.0 * columns[i] * sizeof(float), "B",
                     bench_seconds(run, &state, &state.view));
        matrix_destroy(&state);
    }
}

static const struct check checks[] = {
    {"random parents", check_random},
    {"patterns", check_patterns},
    {"refused arguments", check_refused},
};

const struct check_group reorder_group = GROUP("reorder", checks, bench);
