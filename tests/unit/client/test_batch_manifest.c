// SPDX-License-Identifier: MIT
/* Manifests, ids, and which recording is whose. */
#include "daemon/client/batch/shard.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void add_batch_manifest_tests(void);

/* ---- Lines ---- */

static int parse(const char *line, struct manifest_item *item, struct hearken_error *error)
{
    return manifest_parse(line, strlen(line), item, error);
}

static void test_whole_line(void)
{
    const char sum[] = "032f0ed84812c4367d0329a2882e8b06e8b1ea40608c86c0fca39b85f0d706b7";
    struct manifest_item item;
    char line[400];
    snprintf(
        line, sizeof(line),
        "{\"id\": \"a.B-1_\", \"url\": \"s3:x/\xc3\xa4 y\", \"bytes\": 12, \"sha256\": \"%s\", "
        "\"options\": {\"beam_width\": 2}}",
        sum);
    EXPECT_EQUAL_FATAL(parse(line, &item, NULL), 0);
    EXPECT_EQUAL_STRING(item.id, "a.B-1_");
    EXPECT_EQUAL_STRING(item.url, "s3:x/\xc3\xa4 y");
    EXPECT_EQUAL_STRING(item.sha256, sum);
    EXPECT_EQUAL(item.bytes, 12);
    EXPECT_EQUAL(json_object_size(item.options), 1);
    manifest_item_finish(&item);
    CU_ASSERT_PTR_NULL(item.url);
}

static void test_refused_lines(void)
{
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"", "expected a JSON object"},
        {"null", "is null, expected a JSON object"},
        {"{\"url\": \"a\"} x", "expected a JSON object"},
        {"{\"url\": null}", "url is null, expected the address"},
        {"{\"url\": \"\xff\"}", "expected a JSON object"},
        {"{\"url\": \"a\", \"id\": \"\"}", "id is \"\", expected 1 to 128"},
        {"{\"url\": \"a\", \"id\": \"-a\"}", "a letter or digit first"},
        {"{\"url\": \"a\", \"bytes\": 99999999999999999999}", "expected a JSON object"},
        {"{\"url\": \"a\", \"sha256\": 5}", "sha256 is a number"},
        {"{\"url\": \"a\", \"\": 5}", "unknown member \"\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct manifest_item item;
        struct hearken_error error = {""};
        EXPECT_EQUAL(parse(cases[i].line, &item, &error), -EINVAL);
        EXPECT_CONTAINS(error.message, cases[i].said);
        CU_ASSERT(!item.id && !item.url && !item.options);
    }
}

static void test_ids(void)
{
    static const char *const good[] = {"a", "0", "A-b_c.d", "1.json.tmp"};
    static const char *const bad[] = {"",   ".",   "..",  ".a",  "-a",
                                      "_a", "a/b", "a b", "a\n", "\xc3\xa4"};
    char longest[MANIFEST_ID_MAX + 2];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT(manifest_is_id(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT(!manifest_is_id(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[MANIFEST_ID_MAX + 1] = '\0';
    CU_ASSERT(!manifest_is_id(longest));
    longest[MANIFEST_ID_MAX] = '\0';
    CU_ASSERT(manifest_is_id(longest));
}

static void test_paths(void)
{
    static const struct {
        const char *url, *path; /* NULL: it is none */
    } cases[] = {
        {"a.wav", "a.wav"},
        {"/a/b c%20.wav", "/a/b c%20.wav"},
        {"file:///a%20b%Ff", "/a b\xff"},
        {"file:///", "/"},
        {"a:b", "a:b"},
        {"://x", "://x"},
        {"file://host/a", NULL},
        {"file:///%", NULL},
        {"file:///%4", NULL},
        {"file:///%zz", NULL},
        {"file:///%00", NULL},
        {"https://x/a", NULL},
        {"s3://b/a", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *url = strdup(cases[i].url);
        bool is_path = manifest_url_to_path(url);
        CU_ASSERT_EQUAL(is_path, cases[i].path != NULL);
        if (is_path && cases[i].path)
            EXPECT_EQUAL_STRING(url, cases[i].path);
        free(url);
    }
}

/* ---- Manifests ---- */

/* `count` items with the given bytes, named a0, a1 ... */
static struct manifest manifest_of(const uint64_t *bytes, size_t count)
{
    struct manifest manifest = {.path = "test"};
    for (size_t i = 0; i < count; i++) {
        struct manifest_item item = {.line = i + 1, .bytes = bytes[i]};
        CU_ASSERT_FATAL(asprintf(&item.id, "a%zu", i) > 0 && asprintf(&item.url, "u%zu", i) > 0);
        EXPECT_EQUAL_FATAL(manifest_add(&manifest, &item), 0);
    }
    return manifest;
}

static void test_same_ids(void)
{
    const uint64_t bytes[] = {1, 2, 3, 4};
    struct hearken_error error;
    struct manifest manifest = manifest_of(bytes, 4);
    for (size_t i = 1; i < 4; i++) { /* the same three times */
        strcpy(manifest.items[i].id, "a0");
        strcpy(manifest.items[i].url, "u0");
    }
    EXPECT_EQUAL(manifest_join_same(&manifest, &error), 0);
    EXPECT_EQUAL(manifest.count, 1);
    EXPECT_EQUAL(manifest.bytes, 1);
    manifest_finish(&manifest);
    manifest = manifest_of(bytes, 4);
    strcpy(manifest.items[3].id, "a1");
    EXPECT_EQUAL(manifest_join_same(&manifest, &error), -EEXIST);
    EXPECT_CONTAINS(error.message, "line 4: the id a1 is also that of line 2");
    manifest_finish(&manifest);
    manifest_finish(&manifest);
}

static void test_reading(void)
{
    char path[] = "/tmp/manifest-XXXXXX";
    int file = mkstemp(path);
    static const char text[] = "{\"url\": \"a\", \"bytes\": 5}\r\n\n \t\n{\"url\": \"b\"}";
    struct manifest manifest;
    struct hearken_error error;
    CU_ASSERT_FATAL(file >= 0 && write(file, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    EXPECT_EQUAL_FATAL(manifest_read(&manifest, path, &error), 0);
    EXPECT_EQUAL_FATAL(manifest.count, 2);
    EXPECT_EQUAL(manifest.items[1].line, 4);
    EXPECT_EQUAL(manifest.bytes, 5);
    manifest_finish(&manifest);
    CU_ASSERT_FATAL(write(file, "\n{\"url\": \"\0\"}\n", 15) == 15);
    EXPECT_EQUAL(manifest_read(&manifest, path, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "line 5: ");
    manifest_finish(&manifest);
    close(file);
    unlink(path);
}

/* ---- Shards ---- */

static void test_shard_numbers(void)
{
    static const char *const bad[] = {"",    "1",    "/",    "0/2",  "3/2",       "1/2/3",
                                      "a/2", "1/2 ", " 1/2", "-1/2", "1/1000000", "+1/2"};
    struct shard shard;
    EXPECT_EQUAL(shard_parse("3/40", &shard, NULL), 0);
    CU_ASSERT(shard.number == 3 && shard.count == 40);
    EXPECT_EQUAL(shard_parse("1/1", &shard, NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT_EQUAL(shard_parse(bad[i], &shard, NULL), -EINVAL);
}

/* Each item has one owner, the loads are what was dealt, and no shard has more than another one by
 * more than the longest item. */
static void check_dealing(const uint64_t *bytes, size_t count, unsigned shards)
{
    struct manifest manifest = manifest_of(bytes, count);
    unsigned *owners = calloc(count + 1, sizeof(*owners)),
             *again = calloc(count + 1, sizeof(*again));
    size_t *order = calloc(count + 1, sizeof(*order));
    struct shard_load *loads = calloc(shards, sizeof(*loads));
    uint64_t longest = 0, least = UINT64_MAX, most = 0;
    size_t items = 0;
    EXPECT_EQUAL_FATAL(shard_deal(&manifest, shards, owners, order, loads), 0);
    EXPECT_EQUAL_FATAL(shard_deal(&manifest, shards, again, order, NULL), 0);
    CU_ASSERT(memcmp(owners, again, count * sizeof(*owners)) == 0);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT(owners[i] >= 1 && owners[i] <= shards);
        CU_ASSERT(i == 0 || bytes[order[i]] <= bytes[order[i - 1]] || bytes[order[i - 1]] == 0);
        longest = bytes[i] > longest ? bytes[i] : longest;
    }
    for (unsigned i = 0; i < shards; i++) {
        items += loads[i].items;
        least = loads[i].bytes < least ? loads[i].bytes : least;
        most = loads[i].bytes > most ? loads[i].bytes : most;
    }
    EXPECT_EQUAL(items, count);
    CU_ASSERT(most - least <= (longest > 0 ? longest : 1));
    free(loads);
    free(order);
    free(again);
    free(owners);
    manifest_finish(&manifest);
}

static void test_dealing(void)
{
    uint64_t bytes[200];
    const uint64_t unknown[10] = {0};
    srand(1);
    for (size_t i = 0; i < 200; i++)
        bytes[i] = (uint64_t)(rand() % 1000 + 1) * (uint64_t)(i % 7 == 0 ? 100 : 1);
    for (unsigned shards = 1; shards <= 300; shards += 13)
        check_dealing(bytes, 200, shards);
    check_dealing(bytes, 0, 3);
    check_dealing(unknown, 10, 4);
}

/* Those of unknown length count as an average one, so that they are not all one shard's. */
static void test_unknown_lengths(void)
{
    const uint64_t bytes[] = {1000, 0, 0, 0, 1000, 0};
    struct manifest manifest = manifest_of(bytes, 6);
    unsigned owners[6];
    size_t order[6];
    struct shard_load loads[2];
    EXPECT_EQUAL_FATAL(shard_deal(&manifest, 2, owners, order, loads), 0);
    CU_ASSERT(loads[0].items == 3 && loads[1].items == 3);
    manifest_finish(&manifest);
}

void add_batch_manifest_tests(void)
{
    CU_pSuite suite = CU_add_suite("manifests", NULL, NULL);
    CU_ADD_TEST(suite, test_whole_line);
    CU_ADD_TEST(suite, test_refused_lines);
    CU_ADD_TEST(suite, test_ids);
    CU_ADD_TEST(suite, test_paths);
    CU_ADD_TEST(suite, test_same_ids);
    CU_ADD_TEST(suite, test_reading);
    CU_ADD_TEST(suite, test_shard_numbers);
    CU_ADD_TEST(suite, test_dealing);
    CU_ADD_TEST(suite, test_unknown_lengths);
}
