// SPDX-License-Identifier: MIT
/* Files that are there whole or not at all; numbers that a server tells, whatever they are. */
#include "daemon/client/program/atomic_file.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/common/peer_value.h"
#include "include/internal/write_all.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_client_program_tests(void);

/* A folder of the test's own, and a path in it. */
struct place {
    char folder[64], file[96];
};

static void begin(struct place *place)
{
    strcpy(place->folder, "/tmp/hearken-atomic-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(place->folder));
    snprintf(place->file, sizeof(place->file), "%s/file", place->folder);
}

/* Removes the folder and returns how many files were in it. */
static int end(const struct place *place)
{
    int count = 0;
    DIR *directory = opendir(place->folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    closedir(directory);
    rmdir(place->folder);
    return count;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_FATAL(file >= 0);
    EXPECT_EQUAL(write_all(file, text, strlen(text)), 0);
    EXPECT_EQUAL(fchmod(file, mode), 0);
    close(file);
}

static bool holds(const char *path, const char *text)
{
    char found[64] = "";
    int file = open(path, O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, found, sizeof(found) - 1);
    if (file >= 0)
        close(file);
    return length == (ssize_t)strlen(text) && strcmp(found, text) == 0;
}

static mode_t mode_of(const char *path)
{
    struct stat state = {0};
    EXPECT_EQUAL(stat(path, &state), 0);
    return state.st_mode & 07777;
}

static void test_nothing_changes_before_the_end(void)
{
    struct place place;
    struct atomic_file file;
    struct hearken_error error;
    begin(&place);
    put(place.file, "old", 0640);
    EXPECT_EQUAL_FATAL(atomic_file_open(&file, place.file, &error), 0);
    EXPECT_EQUAL(write_all(file.descriptor, "new text", 8), 0);
    CU_ASSERT_TRUE(holds(place.file, "old"));
    EXPECT_EQUAL(atomic_file_commit(&file, &error), 0);
    CU_ASSERT_TRUE(holds(place.file, "new text"));
    EXPECT_EQUAL(mode_of(place.file), 0640);
    EXPECT_EQUAL(end(&place), 1);
}

static void test_discarded(void)
{
    struct place place;
    struct atomic_file file;
    struct hearken_error error;
    begin(&place);
    EXPECT_EQUAL_FATAL(atomic_file_open(&file, place.file, &error), 0);
    EXPECT_EQUAL(write_all(file.descriptor, "new", 3), 0);
    atomic_file_discard(&file);
    EXPECT_EQUAL(access(place.file, F_OK), -1);
    EXPECT_EQUAL(end(&place), 0);
}

static void test_new_file_has_the_usual_mode(void)
{
    struct place place;
    struct hearken_error error;
    begin(&place);
    mode_t mask = umask(0027);
    EXPECT_EQUAL(atomic_file_write(place.file, "new", 3, &error), 0);
    umask(mask);
    EXPECT_EQUAL(mode_of(place.file), 0640);
    EXPECT_EQUAL(end(&place), 1);
}

static void test_owner_is_kept(void)
{
    struct place place;
    struct stat state;
    struct hearken_error error;
    begin(&place);
    put(place.file, "old", 0604);
    if (geteuid() == 0) { /* nobody else may give files away */
        EXPECT_EQUAL(chown(place.file, 65534, 65534), 0);
        EXPECT_EQUAL(atomic_file_write(place.file, "new", 3, &error), 0);
        EXPECT_EQUAL(stat(place.file, &state), 0);
        EXPECT_EQUAL(state.st_uid, 65534);
        EXPECT_EQUAL(state.st_gid, 65534);
        EXPECT_EQUAL(mode_of(place.file), 0604);
    }
    end(&place);
}

/* A chain of relative links, to a file that is there and to one that is not. */
static void test_links_stay(void)
{
    struct hearken_error error;
    for (int there = 0; there < 2; there++) {
        struct place place;
        char first[96], second[96], found[16] = "";
        begin(&place);
        snprintf(first, sizeof(first), "%s/first", place.folder);
        snprintf(second, sizeof(second), "%s/second", place.folder);
        EXPECT_EQUAL(symlink("second", first), 0);
        EXPECT_EQUAL(symlink("file", second), 0);
        if (there)
            put(place.file, "old", 0600);
        EXPECT_EQUAL(atomic_file_check(first, &error), 0);
        EXPECT_EQUAL(atomic_file_write(first, "new", 3, &error), 0);
        EXPECT_EQUAL(readlink(first, found, sizeof(found)), 6);
        EXPECT_EQUAL(readlink(second, found, sizeof(found)), 4);
        CU_ASSERT_TRUE(holds(place.file, "new"));
        EXPECT_EQUAL(end(&place), 3);
    }
}

static void test_circle_of_links(void)
{
    struct place place;
    struct hearken_error error;
    begin(&place);
    EXPECT_EQUAL(symlink("file", place.file), 0);
    EXPECT_EQUAL(atomic_file_write(place.file, "new", 3, &error), -ELOOP);
    EXPECT_EQUAL(end(&place), 1);
}

/* What a shell has opened is written on, where it stands: `(echo a; hearken -o /dev/stdout) >file`.
 */
static void test_descriptor_of_ours(void)
{
    struct place place;
    struct hearken_error error;
    char path[32], link[96];
    begin(&place);
    int file = open(place.file, O_WRONLY | O_CREAT, 0600);
    EXPECT_EQUAL(write_all(file, "before ", 7), 0);
    snprintf(path, sizeof(path), "/dev/fd/%d", file);
    EXPECT_EQUAL(atomic_file_write(path, "one ", 4, &error), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    snprintf(link, sizeof(link), "%s/link", place.folder);
    EXPECT_EQUAL(symlink(path, link), 0);
    EXPECT_EQUAL(atomic_file_write(link, "two", 3, &error), 0);
    close(file);
    CU_ASSERT_TRUE(holds(place.file, "before one two"));
    EXPECT_EQUAL(end(&place), 2);
}

static void test_pipe(void)
{
    struct place place;
    struct hearken_error error;
    char got[8] = "";
    begin(&place);
    EXPECT_EQUAL(mkfifo(place.file, 0600), 0);
    int reader = open(place.file, O_RDONLY | O_NONBLOCK);
    EXPECT_EQUAL(atomic_file_write(place.file, "new", 3, &error), 0);
    EXPECT_EQUAL(read(reader, got, sizeof(got)), 3);
    EXPECT_EQUAL_STRING(got, "new");
    close(reader);
    EXPECT_EQUAL(end(&place), 1);
}

static void test_full_disk(void)
{
    struct hearken_error error;
    EXPECT_EQUAL(atomic_file_write("/dev/full", "new", 3, &error), -ENOSPC);
    EXPECT_EQUAL_STRING(error.message, "/dev/full: No space left on device");
}

static void test_places_that_cannot_be(void)
{
    struct place place;
    struct hearken_error error;
    char path[400];
    begin(&place);
    EXPECT_EQUAL(atomic_file_check(place.folder, &error), -EISDIR);
    EXPECT_EQUAL(atomic_file_write(place.folder, "", 0, &error), -EISDIR);
    snprintf(path, sizeof(path), "%s/no/file", place.folder);
    EXPECT_EQUAL(atomic_file_check(path, &error), -ENOENT);
    EXPECT_EQUAL(atomic_file_write(path, "", 0, &error), -ENOENT);
    snprintf(path, sizeof(path), "%s/%0256d", place.folder, 0);
    EXPECT_EQUAL(atomic_file_check(path, &error), -ENAMETOOLONG);
    snprintf(path, sizeof(path), "%s/%0255d", place.folder, 0);
    EXPECT_EQUAL(atomic_file_check(path, &error), 0);
    EXPECT_EQUAL(atomic_file_write(path, "new", 3, &error), 0);
    put(place.file, "old", 0600);
    snprintf(path, sizeof(path), "%s/x", place.file);
    EXPECT_EQUAL(atomic_file_check(path, &error), -ENOTDIR);
    EXPECT_EQUAL(end(&place), 2);
}

/* ---- What a server tells ---- */

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

void add_client_program_tests(void)
{
    CU_pSuite suite = CU_add_suite("atomic file", NULL, NULL);
    CU_add_test(suite, "nothing changes before the end", test_nothing_changes_before_the_end);
    CU_add_test(suite, "discarded", test_discarded);
    CU_add_test(suite, "a new file has the usual mode", test_new_file_has_the_usual_mode);
    CU_add_test(suite, "the owner is kept", test_owner_is_kept);
    CU_add_test(suite, "links stay", test_links_stay);
    CU_add_test(suite, "a circle of links", test_circle_of_links);
    CU_add_test(suite, "a descriptor of ours", test_descriptor_of_ours);
    CU_add_test(suite, "a pipe", test_pipe);
    CU_add_test(suite, "a full disk", test_full_disk);
    CU_add_test(suite, "places that cannot be", test_places_that_cannot_be);
    suite = CU_add_suite("what a peer tells", NULL, NULL);
    CU_add_test(suite, "numbers", test_numbers);
    CU_add_test(suite, "counts", test_counts);
    CU_add_test(suite, "members", test_members);
}
