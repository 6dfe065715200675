// SPDX-License-Identifier: MIT
/* The journal of attempts at a recording of a batch. */
#include "daemon/client/batch/attempts.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void add_attempts_tests(void);

static char folder[] = "/tmp/hearken-attempts-XXXXXX";
static struct result_store store;

static void open_store(void)
{
    struct hearken_error error;
    snprintf(folder, sizeof(folder), "/tmp/hearken-attempts-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    EXPECT_EQUAL_FATAL(result_store_open(&store, folder, true, &error), 0);
}

static void close_store(void)
{
    static const char *const names[] = {"failed", "attempts", "partial", "progress"};
    attempts_forget(&store, "a");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        EXPECT_EQUAL(unlinkat(store.folders[STORE_RESULTS], names[i], AT_REMOVEDIR), 0);
    result_store_close(&store);
    EXPECT_EQUAL(rmdir(folder), 0);
}

/* Lines, `times` times, as of processes of another machine. */
static void add(const char *lines, unsigned times)
{
    int file = openat(store.folders[STORE_ATTEMPTS], "a", O_WRONLY | O_CREAT | O_APPEND, 0600);
    FILE *journal = fdopen(file, "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(journal);
    while (times-- > 0)
        fputs(lines, journal);
    EXPECT_EQUAL(fclose(journal), 0);
}

static void expect_attempts(unsigned unended, unsigned faults)
{
    const struct attempts found = attempts_read(&store, "a");
    EXPECT_EQUAL(found.unended, unended);
    EXPECT_EQUAL(found.faults, faults);
}

static void test_starts_and_ends(void)
{
    struct hearken_error error;
    open_store();
    expect_attempts(0, 0);
    EXPECT_EQUAL(attempts_begin(&store, "a", &error), 0);
    expect_attempts(1, 0);
    attempts_end(&store, "a", "io");
    expect_attempts(0, 1);
    EXPECT_EQUAL(attempts_begin(&store, "a", &error), 0);
    attempts_end(&store, "a", NULL);
    expect_attempts(0, 1);
    add("start another-host 12\n", 2);
    expect_attempts(2, 1);
    close_store();
}

/* A recording that was stopped a thousand times, before it killed what worked on it. */
static void test_long_journal(void)
{
    open_store();
    add("start another-host-with-a-long-name.example.org 4194303\nend stopped\n", 1000);
    expect_attempts(0, 0);
    add("start another-host 12\nend io\n", 2);
    add("start another-host 12\n", 3);
    expect_attempts(3, 2);
    add("start another-host", 1); /* it died within the line */
    expect_attempts(3, 2);
    close_store();
}

void add_attempts_tests(void)
{
    CU_pSuite suite = CU_add_suite("attempts", NULL, NULL);
    CU_add_test(suite, "starts and ends", test_starts_and_ends);
    CU_add_test(suite, "a long journal", test_long_journal);
}
