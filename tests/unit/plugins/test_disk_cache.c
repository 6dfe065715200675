// SPDX-License-Identifier: MIT
/* What is kept on disk: what is believed of it, and what is not. */
#include "plugins/common/disk_cache.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_disk_cache_tests(void);

static const char key[] = "a device\na driver\noptions\n";
static const char data[] = "a program, with \0 in it";

/* ---- A folder for one test ---- */

struct cache {
    char outer[64], folder[96], file[512];
};

static struct cache cache_create(void)
{
    struct cache cache = {.outer = "/tmp/hearken-cache-XXXXXX"};

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(cache.outer));
    snprintf(cache.folder, sizeof(cache.folder), "%s/cache/hearken", cache.outer);
    return cache;
}

/* The one file in the folder; how many there are. */
static size_t find_file(struct cache *cache)
{
    DIR *folder = opendir(cache->folder);
    size_t count = 0;

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            snprintf(cache->file, sizeof(cache->file), "%s/%s", cache->folder, entry->d_name);
            count++;
        }
    if (folder)
        closedir(folder);
    return count;
}

static void cache_finish(struct cache *cache)
{
    char path[80];

    while (find_file(cache) > 0)
        EXPECT_EQUAL_FATAL(unlink(cache->file), 0);
    rmdir(cache->folder);
    snprintf(path, sizeof(path), "%s/cache", cache->outer);
    rmdir(path);
    EXPECT_EQUAL(rmdir(cache->outer), 0);
}

static void store(struct cache *cache)
{
    EXPECT_EQUAL_FATAL(cache_write(cache->folder, "test", key, data, sizeof(data)), 0);
    EXPECT_EQUAL_FATAL(find_file(cache), 1);
}

/* The error of reading; what was read must be what was written. */
static int reading(const struct cache *cache, const char *of)
{
    void *read;
    size_t size;
    const int error = cache_read(cache->folder, "test", of, &read, &size);

    if (error == 0) {
        EXPECT_EQUAL(size, sizeof(data));
        CU_ASSERT(size == sizeof(data) && memcmp(read, data, size) == 0);
        free(read);
    }
    return error;
}

static size_t file_size(const struct cache *cache)
{
    struct stat status;

    EXPECT_EQUAL_FATAL(stat(cache->file, &status), 0);
    return (size_t)status.st_size;
}

/* ---- The tests ---- */

static void test_round_trip(void)
{
    struct cache cache = cache_create();

    EXPECT_EQUAL(reading(&cache, key), -ENOENT);
    store(&cache);
    EXPECT_EQUAL(reading(&cache, key), 0);
    EXPECT_EQUAL(reading(&cache, "another key"), -ENOENT);
    EXPECT_EQUAL(cache_write(cache.folder, "test", key, "other", 6), 0);
    store(&cache); /* replaces it: there is still one file */
    EXPECT_EQUAL(reading(&cache, key), 0);
    cache_finish(&cache);
}

/* A bit of any byte: magic, sizes, checksum, key or data. */
static void test_damaged(void)
{
    struct cache cache = cache_create();

    store(&cache);
    const size_t size = file_size(&cache);
    for (size_t at = 0; at < size; at++) {
        char byte, changed;
        const int file = open(cache.file, O_RDWR | O_CLOEXEC);
        EXPECT_EQUAL_FATAL(pread(file, &byte, 1, (off_t)at), 1);
        changed = (char)(byte ^ (1 << at % 8));
        EXPECT_EQUAL_FATAL(pwrite(file, &changed, 1, (off_t)at), 1);
        EXPECT_EQUAL(reading(&cache, key), -EBADMSG);
        EXPECT_EQUAL_FATAL(pwrite(file, &byte, 1, (off_t)at), 1);
        close(file);
    }
    EXPECT_EQUAL(reading(&cache, key), 0);
    cache_finish(&cache);
}

static void test_truncated(void)
{
    struct cache cache = cache_create();

    store(&cache);
    EXPECT_EQUAL_FATAL(truncate(cache.file, (off_t)file_size(&cache) + 1), 0);
    EXPECT_EQUAL(reading(&cache, key), -EBADMSG);
    for (size_t size = file_size(&cache) - 1; size-- > 0;) {
        EXPECT_EQUAL_FATAL(truncate(cache.file, (off_t)size), 0);
        EXPECT_EQUAL(reading(&cache, key), -EBADMSG);
    }
    store(&cache);
    EXPECT_EQUAL(reading(&cache, key), 0);
    cache_finish(&cache);
}

/* The file of another key, as long as this one, under the name of this one: as if hashes met. */
static void test_wrong_key(void)
{
    static const char other_key[] = "a device\na driver\noptiont\n";
    struct cache cache = cache_create();
    char name[sizeof(cache.file)];

    store(&cache);
    memcpy(name, cache.file, sizeof(name));
    EXPECT_EQUAL_FATAL(unlink(name), 0);
    EXPECT_EQUAL_FATAL(cache_write(cache.folder, "test", other_key, data, sizeof(data)), 0);
    EXPECT_EQUAL_FATAL(find_file(&cache), 1);
    EXPECT_EQUAL(reading(&cache, other_key), 0);
    EXPECT_EQUAL_FATAL(rename(cache.file, name), 0);
    EXPECT_EQUAL(reading(&cache, key), -EBADMSG);
    cache_finish(&cache);
}

/* What others could have put there is not executed. */
static void test_not_ours_alone(void)
{
    struct cache cache = cache_create();
    char elsewhere[128];

    store(&cache);
    EXPECT_EQUAL_FATAL(chmod(cache.file, 0622), 0);
    EXPECT_EQUAL(reading(&cache, key), -EPERM);
    EXPECT_EQUAL_FATAL(chmod(cache.file, 0600), 0);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", cache.outer);
    EXPECT_EQUAL_FATAL(rename(cache.file, elsewhere), 0);
    EXPECT_EQUAL_FATAL(symlink(elsewhere, cache.file), 0);
    EXPECT_EQUAL(reading(&cache, key), -EPERM);
    EXPECT_EQUAL_FATAL(unlink(cache.file), 0);
    EXPECT_EQUAL_FATAL(mkfifo(cache.file, 0600), 0);
    EXPECT_EQUAL(reading(&cache, key), -EPERM);
    unlink(elsewhere);
    cache_finish(&cache);
}

/* A folder that cannot be: nothing is kept, and no temporary file is left. */
static void test_unwritable(void)
{
    struct cache cache = cache_create();
    char in_the_way[80];

    snprintf(in_the_way, sizeof(in_the_way), "%s/cache", cache.outer);
    close(open(in_the_way, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_EQUAL(cache_write(cache.folder, "test", key, data, sizeof(data)), -ENOTDIR);
    EXPECT_EQUAL(reading(&cache, key), -ENOTDIR);
    unlink(in_the_way);
    cache_finish(&cache);
}

static void check_folder(const char *expected)
{
    char *folder = cache_folder();

    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    EXPECT_EQUAL_STRING(folder, expected);
    free(folder);
}

static void test_folder(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *kept_cache = cache ? strdup(cache) : NULL, *kept_home = home ? strdup(home) : NULL;

    setenv("CACHE_DIRECTORY", "/var/cache/hearken:/var/cache/other", 1);
    check_folder("/var/cache/hearken");
    unsetenv("CACHE_DIRECTORY");
    setenv("HOME", "/home/someone", 1);
    setenv("XDG_CACHE_HOME", "/var/cache/of/someone", 1);
    check_folder("/var/cache/of/someone/hearken");
    setenv("XDG_CACHE_HOME", "relative", 1);
    check_folder("/home/someone/.cache/hearken");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    CU_ASSERT_PTR_NULL(cache_folder());
    if (kept_cache)
        setenv("XDG_CACHE_HOME", kept_cache, 1);
    if (kept_home)
        setenv("HOME", kept_home, 1);
    free(kept_cache);
    free(kept_home);
}

void add_disk_cache_tests(void)
{
    CU_pSuite suite = CU_add_suite("cache", NULL, NULL);

    CU_add_test(suite, "what is written is read", test_round_trip);
    CU_add_test(suite, "damaged", test_damaged);
    CU_add_test(suite, "truncated", test_truncated);
    CU_add_test(suite, "of another key", test_wrong_key);
    CU_add_test(suite, "not ours alone", test_not_ours_alone);
    CU_add_test(suite, "a folder that cannot be", test_unwritable);
    CU_add_test(suite, "which folder", test_folder);
}
