// SPDX-License-Identifier: MIT
/* Models: opening and finding them, and the copies that are made of their files. */
#include "models/file/file_copy.h"
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_model_tests(void);

static void test_model(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    EXPECT_EQUAL_STRING(hearken_model_name(model), "random");
    EXPECT_EQUAL_STRING(hearken_model_description(model), "Random weights for tests");
    EXPECT_EQUAL_STRING(hearken_model_backend(model), "reference");
    hearken_model_destroy(model);
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    CU_ASSERT(made_remove(&file, "general.name"));
    made_number(&file, "general.description", GGUF_U32, 5);
    model = open_model(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    EXPECT_EQUAL_STRING(hearken_model_name(model), "");
    EXPECT_EQUAL_STRING(hearken_model_description(model), "");
    hearken_model_destroy(model);
    made_finish(&file);
}

/* Strings of the interface are UTF-8, whatever is in the file. */
static void test_names_that_are_no_text(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    made_string(&file, "general.name", "caf\xe9");
    struct hearken_model *model = open_model(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    EXPECT_EQUAL_STRING(hearken_model_name(model), "caf\xef\xbf\xbd");
    hearken_model_destroy(model);
    made_finish(&file);
}

static void test_features_that_are_no_numbers(void)
{
    static const char *const names[] = {"features.window", "features.mel_filters"};
    for (size_t i = 0; i < 2; i++) {
        struct model_shape shape = recurrent_shape(1);
        struct made_file file = make_model(&shape);
        struct hearken_model *model = NULL;
        struct hearken_error error = {""};
        set_weight(&file, names[i], 17, i ? NAN : INFINITY);
        struct bytes bytes = made_bytes(&file);
        char *path = write_temporary(bytes.data, bytes.length);
        EXPECT_EQUAL(hearken_model_open(path, &reference_backend, &model, &error), -EINVAL);
        CU_ASSERT_PTR_NULL(model);
        EXPECT_CONTAINS(error.message, names[i]);
        EXPECT_CONTAINS(error.message, path);
        unlink(path);
        free(path);
        bytes_finish(&bytes);
        made_finish(&file);
    }
}

static void test_default_model(void)
{
    char path[4096], exact[4096];
    EXPECT_EQUAL_FATAL(hearken_find_model(NULL, path, sizeof(path)), path);
    EXPECT_EQUAL(path[0], '/');
    EXPECT_CONTAINS(path, "/share/hearken/hearken-en.gguf");
    CU_ASSERT_PTR_NULL(hearken_find_model(NULL, exact, strlen(path)));
    CU_ASSERT_PTR_NULL(hearken_find_model(NULL, exact, 0));
    EXPECT_EQUAL(hearken_find_model("", exact, strlen(path) + 1), exact);
    EXPECT_EQUAL_STRING(exact, path);
    EXPECT_EQUAL_STRING(hearken_version(), "0.1.0");
}

static void test_find_model(void)
{
    static const char *const paths[] = {
        "no-such-model.gguf",         "ggml-base.bin", "/", ".", "..", "./hearken-en",
        "../share/hearken/hearken-en"};
    char path[4096];
    EXPECT_EQUAL(hearken_find_model("no-such-model", path, sizeof(path)), path);
    EXPECT_CONTAINS(path, "/share/hearken/no-such-model.gguf");
    EXPECT_EQUAL(hearken_find_model("model-1.5", path, sizeof(path)), path);
    EXPECT_CONTAINS(path, "/share/hearken/model-1.5.gguf");
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        EXPECT_EQUAL(hearken_find_model(paths[i], path, sizeof(path)), path);
        EXPECT_EQUAL_STRING(path, paths[i]);
        CU_ASSERT_PTR_NULL(hearken_find_model(paths[i], path, strlen(paths[i])));
    }
}

/* What is here by that name is taken as a path alone, and the message says so. */
static void test_model_that_is_here(void)
{
    struct hearken_error error = {""};
    struct hearken_model *model = NULL;
    char installed[4096], path[4096], before[4096], folder[] = "/tmp/hearken-model-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(hearken_find_model(NULL, installed, sizeof(installed)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(before, sizeof(before)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    EXPECT_EQUAL_FATAL(chdir(folder), 0);
    EXPECT_EQUAL(mkdir("hearken-en", 0700), 0);
    EXPECT_EQUAL(hearken_find_model("hearken-en", path, sizeof(path)), path);
    EXPECT_EQUAL_STRING(path, installed);
    EXPECT_EQUAL(rmdir("hearken-en"), 0);
    EXPECT_EQUAL(mkdir("not-installed", 0700), 0);
    EXPECT_EQUAL(hearken_find_model("not-installed", path, sizeof(path)), path);
    EXPECT_EQUAL(hearken_model_open(path, NULL, &model, &error), -ENOENT);
    EXPECT_EQUAL(strncmp(error.message, path, strlen(path)), 0);
    EXPECT_CONTAINS(error.message, "(what is here is ./not-installed)");
    EXPECT_EQUAL(rmdir("not-installed"), 0);
    EXPECT_EQUAL(hearken_model_open(path, NULL, &model, &error), -ENOENT);
    CU_ASSERT_PTR_NULL(strstr(error.message, "what is here"));
    EXPECT_EQUAL(chdir(before), 0);
    EXPECT_EQUAL(rmdir(folder), 0);
}

/* ---- Copies of files ---- */

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
    EXPECT_EQUAL_FATAL(file_copy_start(&b.copy, b.file, "numbers", &b.error), 0);
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
    EXPECT_EQUAL(b.copy.size, SIZE);
    EXPECT_EQUAL(b.copy.read, 0);
    EXPECT_EQUAL(file_copy_read(&b.copy, 10, &b.error), 0);
    CU_ASSERT(b.copy.read >= 10 && b.copy.read < SIZE);
    EXPECT_EQUAL(memcmp(b.copy.data, b.data, b.copy.read), 0);
    EXPECT_EQUAL(file_copy_read(&b.copy, SIZE - 1, &b.error), 0);
    EXPECT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    EXPECT_EQUAL(b.copy.read, SIZE);
    EXPECT_EQUAL(memcmp(b.copy.data, b.data, SIZE), 0);
    EXPECT_EQUAL(file_copy_check(&b.copy, &b.error), 0);
    end(&b);
}

/* What is read stays what it was; in a mapping, reading it ended the process. */
static void test_changed_afterwards(void)
{
    struct begun b = begin();
    EXPECT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    EXPECT_EQUAL(truncate(b.path, 0), 0);
    EXPECT_EQUAL(memcmp(b.copy.data, b.data, SIZE), 0);
    end(&b);
}

static void test_cut_short_meanwhile(void)
{
    struct begun b = begin();
    EXPECT_EQUAL(file_copy_read(&b.copy, 10, &b.error), 0);
    EXPECT_EQUAL(truncate(b.path, SIZE / 2), 0);
    EXPECT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), -EIO);
    EXPECT_EQUAL_STRING(b.error.message,
                        "cut short while it was read: 500000 of 1000000 bytes are left");
    EXPECT_EQUAL(file_copy_check(&b.copy, &b.error), -EIO);
    end(&b);
}

static void test_written_to_meanwhile(void)
{
    struct begun b = begin();
    const struct timespec other[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    EXPECT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    EXPECT_EQUAL(utimensat(AT_FDCWD, b.path, other, 0), 0);
    EXPECT_EQUAL(file_copy_check(&b.copy, &b.error), -EIO);
    EXPECT_EQUAL_STRING(b.error.message, "written to while it was read");
    end(&b);
}

/* A new name, another link or none is no other content. */
static void test_moved_meanwhile(void)
{
    struct begun b = begin();
    char moved[256];
    snprintf(moved, sizeof(moved), "%s.moved", b.path);
    EXPECT_EQUAL(rename(b.path, moved), 0);
    EXPECT_EQUAL(unlink(moved), 0);
    EXPECT_EQUAL(file_copy_read(&b.copy, SIZE, &b.error), 0);
    EXPECT_EQUAL(memcmp(b.copy.data, b.data, SIZE), 0);
    EXPECT_EQUAL(file_copy_check(&b.copy, &b.error), 0);
    end(&b);
}

void add_model_tests(void)
{
    CU_pSuite suite = CU_add_suite("model", NULL, NULL);
    CU_ADD_TEST(suite, test_model);
    CU_ADD_TEST(suite, test_names_that_are_no_text);
    CU_ADD_TEST(suite, test_features_that_are_no_numbers);
    CU_ADD_TEST(suite, test_default_model);
    CU_ADD_TEST(suite, test_find_model);
    CU_ADD_TEST(suite, test_model_that_is_here);
    suite = CU_add_suite("file copy", NULL, NULL);
    CU_ADD_TEST(suite, test_reads_as_asked);
    CU_ADD_TEST(suite, test_changed_afterwards);
    CU_ADD_TEST(suite, test_cut_short_meanwhile);
    CU_ADD_TEST(suite, test_written_to_meanwhile);
    CU_ADD_TEST(suite, test_moved_meanwhile);
}
