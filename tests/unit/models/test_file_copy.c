// SPDX-License-Identifier: MIT
#include "models/file/file_copy.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void add_file_copy_tests(void);

#define SIZE 1000000u /* of many steps */

/* A file that is open, with a copy of it begun. */
struct begun {
    char *path;
    uint8_t *data;
    int file;
    struct file_copy copy;
    struct hearken_error error;
};

static struct begun begin(void)
{
    struct begun b = {.data = malloc(SIZE)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    for (size_t i = 0; i < SIZE; i++)
        b.data[i] = (uint8_t)(i * 7 + i / 251);
    b.path = write_temporary(b.data, SIZE);
    b.file = open(b.path, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(b.file >= 0);
    CU_ASSERT_EQUAL_FATAL(file_copy_start(&b.copy, b.file, "numbers", &b.error), 0);
    return b;
}

static void end(struct begun *b)
{
    file_copy_finish(&b->copy);
    CU_ASSERT_PTR_NULL(b->copy.data);
    close(b->file);
    unlink(b->path);
    free(b->path);
    free(b->data);
}

static void test_reads_as_asked(void)
{
    struct begun b = begin();
    CU_ASSERT_EQUAL(b.copy.size, SIZE);
    CU_ASSERT_EQUAL(b.copy.read, 0);
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, 10, &b.error), 0);
    CU_ASSERT(b.copy.read >= 10 && b.copy.read < SIZE);
    CU_ASSERT_EQUAL(memcmp(b.copy.data, b.data, b.copy.read), 0);
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, SIZE - 1, &b.error), 0);
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    CU_ASSERT_EQUAL(b.copy.read, SIZE);
    CU_ASSERT_EQUAL(memcmp(b.copy.data, b.data, SIZE), 0);
    CU_ASSERT_EQUAL(file_copy_check(&b.copy, &b.error), 0);
    end(&b);
}

/* What is read stays what it was; in a mapping, reading it ended the process. */
static void test_changed_afterwards(void)
{
    struct begun b = begin();
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    CU_ASSERT_EQUAL(truncate(b.path, 0), 0);
    CU_ASSERT_EQUAL(memcmp(b.copy.data, b.data, SIZE), 0);
    end(&b);
}

static void test_cut_short_meanwhile(void)
{
    struct begun b = begin();
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, 10, &b.error), 0);
    CU_ASSERT_EQUAL(truncate(b.path, SIZE / 2), 0);
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), -EIO);
    CU_ASSERT_STRING_EQUAL(b.error.message,
                           "cut short while it was read: 500000 of 1000000 bytes are left");
    CU_ASSERT_EQUAL(file_copy_check(&b.copy, &b.error), -EIO);
    end(&b);
}

static void test_written_to_meanwhile(void)
{
    struct begun b = begin();
    const struct timespec other[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, b.path, other, 0), 0);
    CU_ASSERT_EQUAL(file_copy_check(&b.copy, &b.error), -EIO);
    CU_ASSERT_STRING_EQUAL(b.error.message, "written to while it was read");
    end(&b);
}

/* A new name, another link or none is no other content. */
static void test_moved_meanwhile(void)
{
    struct begun b = begin();
    char moved[256];
    snprintf(moved, sizeof(moved), "%s.moved", b.path);
    CU_ASSERT_EQUAL(rename(b.path, moved), 0);
    CU_ASSERT_EQUAL(unlink(moved), 0);
    CU_ASSERT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    CU_ASSERT_EQUAL(memcmp(b.copy.data, b.data, SIZE), 0);
    CU_ASSERT_EQUAL(file_copy_check(&b.copy, &b.error), 0);
    end(&b);
}

void add_file_copy_tests(void)
{
    CU_pSuite suite = CU_add_suite("file copy", NULL, NULL);
    CU_ADD_TEST(suite, test_reads_as_asked);
    CU_ADD_TEST(suite, test_changed_afterwards);
    CU_ADD_TEST(suite, test_cut_short_meanwhile);
    CU_ADD_TEST(suite, test_written_to_meanwhile);
    CU_ADD_TEST(suite, test_moved_meanwhile);
}
