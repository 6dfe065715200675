// SPDX-License-Identifier: MIT
/* Numbers that a server tells, whatever they are. */
#include "daemon/client/program/peer_json.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stddef.h>

void add_peer_json_tests(void);

static void test_numbers(void)
{
    EXPECT_EQUAL(number_within(0.5, 0, 1), 0.5);
    EXPECT_EQUAL(number_within(-1e300, -2, 1), -2);
    EXPECT_EQUAL(number_within(1e300, -2, 1), 1);
    EXPECT_EQUAL(number_within((double)INFINITY, -2, 1), 1);
    EXPECT_EQUAL(number_within(-(double)INFINITY, -2, 1), -2);
    EXPECT_EQUAL(number_within((double)NAN, -2, 1), -2);
}

static void test_counts(void)
{
    EXPECT_EQUAL(count_within(0, 10), 0);
    EXPECT_EQUAL(count_within(0.9, 10), 0);
    EXPECT_EQUAL(count_within(7.9, 10), 7);
    EXPECT_EQUAL(count_within(11, 10), 10);
    EXPECT_EQUAL(count_within(-1, 10), 0);
    EXPECT_EQUAL(count_within(-1e300, 10), 0);
    EXPECT_EQUAL(count_within(1e300, 10), 10);
    EXPECT_EQUAL(count_within((double)INFINITY, 10), 10);
    EXPECT_EQUAL(count_within((double)NAN, 10), 0);
    EXPECT_EQUAL(count_within(4294967296.0, UINT32_MAX), UINT32_MAX);
    EXPECT_EQUAL(count_within(0x1p63, UINT64_MAX), UINT64_C(1) << 63);
    EXPECT_EQUAL(count_within(0x1p64, UINT64_MAX), UINT64_MAX);
    EXPECT_EQUAL(count_within(0x1p64, INT64_MAX), INT64_MAX);
}

static void test_members(void)
{
    json_t *object = json_pack("{s:f, s:i, s:f, s:s, s:n}", "huge", 1e300, "three", 3, "minus",
                               -1e300, "text", "a", "null");
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    EXPECT_EQUAL(peer_seconds(object, "huge"), PEER_SECONDS_MAX);
    EXPECT_EQUAL(peer_seconds(object, "minus"), -PEER_SECONDS_MAX);
    EXPECT_EQUAL(peer_seconds(object, "three"), 3);
    EXPECT_EQUAL(peer_seconds(object, "absent"), 0);
    EXPECT_EQUAL(peer_seconds(object, "text"), 0);
    EXPECT_EQUAL(peer_number(object, "huge", 0, 2), 2);
    EXPECT_EQUAL(peer_count(object, "three", 10), 3);
    EXPECT_EQUAL(peer_count(object, "huge", UINT32_MAX), UINT32_MAX);
    EXPECT_EQUAL(peer_count(object, "minus", 10), 0);
    EXPECT_EQUAL(peer_count(object, "null", 10), 0);
    EXPECT_EQUAL_STRING(peer_string(object, "text"), "a");
    EXPECT_EQUAL_STRING(peer_string(object, "three"), "");
    EXPECT_EQUAL_STRING(peer_string(NULL, "text"), "");
    json_decref(object);
}

void add_peer_json_tests(void)
{
    CU_pSuite suite = CU_add_suite("what a peer tells", NULL, NULL);
    CU_add_test(suite, "numbers", test_numbers);
    CU_add_test(suite, "counts", test_counts);
    CU_add_test(suite, "members", test_members);
}
