// SPDX-License-Identifier: MIT
/* Checks of `hearken doctor` that hang, die and write what they like. */
#include "daemon/client/doctor/check_process.h"
#include "include/internal/monotonic_clock.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void add_check_process_tests(void);

static const char *text_of(const json_t *list, size_t index, const char *key)
{
    const char *text = json_string_value(json_object_get(json_array_get(list, index), key));
    return text ? text : "";
}

static json_t *run(double seconds, void (*check)(const struct address *, struct findings *))
{
    const struct check one = {"one", seconds, check};
    const struct address address = {.socket = "here"};
    json_t *list = json_array();
    check_process_run(&one, &address, list);
    return list;
}

static void find(const struct address *address, struct findings *findings)
{
    findings_add(findings, VERDICT_OK, NULL, "at %s", address->socket);
    findings->name = "two";
    findings_add(findings, VERDICT_NOTE, "do", "a\nb\x1b[1m\xff\"");
}

static void test_findings(void)
{
    json_t *list = run(60, find);
    EXPECT_EQUAL_FATAL(json_array_size(list), 2);
    EXPECT_EQUAL_STRING(text_of(list, 0, "name"), "one");
    EXPECT_EQUAL_STRING(text_of(list, 0, "verdict"), "ok");
    EXPECT_EQUAL_STRING(text_of(list, 0, "message"), "at here");
    CU_ASSERT_PTR_NULL(json_object_get(json_array_get(list, 0), "advice"));
    EXPECT_EQUAL_STRING(text_of(list, 1, "name"), "two");
    EXPECT_EQUAL_STRING(text_of(list, 1, "message"), "a?b?[1m\xef\xbf\xbd\"");
    EXPECT_EQUAL_STRING(text_of(list, 1, "advice"), "do");
    json_decref(list);
}

static void hang(const struct address *address, struct findings *findings)
{
    find(address, findings);
    for (;;)
        pause();
}

static void test_hanging_check(void)
{
    double started = clock_seconds();
    json_t *list = run(0.2, hang);
    CU_ASSERT(clock_seconds() - started < 30);
    EXPECT_EQUAL_FATAL(json_array_size(list), 3);
    EXPECT_EQUAL_STRING(text_of(list, 0, "message"), "at here");
    EXPECT_EQUAL_STRING(text_of(list, 2, "name"), "one");
    EXPECT_EQUAL_STRING(text_of(list, 2, "verdict"), "problem");
    EXPECT_EQUAL_STRING(text_of(list, 2, "message"), "no answer within 0.2 s");
    json_decref(list);
}

static void die(const struct address *address, struct findings *findings)
{
    find(address, findings);
    raise(SIGKILL);
}

static void leave(const struct address *address, struct findings *findings)
{
    (void)address, (void)findings;
    _exit(7);
}

static void test_dying_check(void)
{
    json_t *list = run(60, die);
    EXPECT_EQUAL_FATAL(json_array_size(list), 3);
    EXPECT_EQUAL_STRING(text_of(list, 2, "verdict"), "problem");
    EXPECT_EQUAL_STRING(text_of(list, 2, "message"), "the check was ended by signal 9 (Killed)");
    json_decref(list);
    list = run(60, leave);
    EXPECT_EQUAL_FATAL(json_array_size(list), 1);
    EXPECT_EQUAL_STRING(text_of(list, 0, "message"), "the check ended with status 7");
    json_decref(list);
}

/* More than is taken. */
static void flood(const struct address *address, struct findings *findings)
{
    for (;;)
        find(address, findings);
}

static void test_flooding_check(void)
{
    json_t *list = run(60, flood);
    size_t count = json_array_size(list);
    CU_ASSERT(count > 1000);
    EXPECT_EQUAL_STRING(text_of(list, count - 1, "verdict"), "problem");
    json_decref(list);
}

static void chatter(const struct address *address, struct findings *findings)
{
    (void)address;
    puts("on standard output");
    fputs("on standard error", stderr);
    fflush(stdout);
    findings_add(findings, VERDICT_OK, NULL, "%s", getpid() == getpgrp() ? "own group" : "ours");
}

static void test_chattering_check(void)
{
    json_t *list = run(60, chatter);
    EXPECT_EQUAL_FATAL(json_array_size(list), 1);
    EXPECT_EQUAL_STRING(text_of(list, 0, "message"), "own group");
    json_decref(list);
}

void add_check_process_tests(void)
{
    CU_pSuite suite = CU_add_suite("checks of hearken doctor", NULL, NULL);
    CU_add_test(suite, "findings", test_findings);
    CU_add_test(suite, "a check that hangs", test_hanging_check);
    CU_add_test(suite, "a check that dies", test_dying_check);
    CU_add_test(suite, "a check that floods", test_flooding_check);
    CU_add_test(suite, "a check that chatters", test_chattering_check);
}
