// SPDX-License-Identifier: MIT
/* What is known of a model that is open. */
#include "tests/unit/common/event_record.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_model_tests(void);

static void test_model(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    CU_ASSERT_STRING_EQUAL(hearken_model_name(model), "random");
    CU_ASSERT_STRING_EQUAL(hearken_model_description(model), "Random weights for tests");
    CU_ASSERT_STRING_EQUAL(hearken_model_backend(model), "reference");
    hearken_model_destroy(model);
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    CU_ASSERT(made_remove(&file, "general.name"));
    made_number(&file, "general.description", GGUF_U32, 5);
    model = open_model(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_STRING_EQUAL(hearken_model_name(model), "");
    CU_ASSERT_STRING_EQUAL(hearken_model_description(model), "");
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
    CU_ASSERT_STRING_EQUAL(hearken_model_name(model), "caf\xef\xbf\xbd");
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
        CU_ASSERT_EQUAL(hearken_model_open(path, &reference_backend, &model, &error), -EINVAL);
        CU_ASSERT_PTR_NULL(model);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, names[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, path));
        unlink(path);
        free(path);
        bytes_finish(&bytes);
        made_finish(&file);
    }
}

static void test_default_model(void)
{
    char path[4096], exact[4096];
    CU_ASSERT_PTR_EQUAL_FATAL(hearken_find_model(NULL, path, sizeof(path)), path);
    CU_ASSERT_EQUAL(path[0], '/');
    CU_ASSERT_PTR_NOT_NULL(strstr(path, "/share/hearken/hearken-en.gguf"));
    CU_ASSERT_PTR_NULL(hearken_find_model(NULL, exact, strlen(path)));
    CU_ASSERT_PTR_NULL(hearken_find_model(NULL, exact, 0));
    CU_ASSERT_PTR_EQUAL(hearken_find_model("", exact, strlen(path) + 1), exact);
    CU_ASSERT_STRING_EQUAL(exact, path);
    CU_ASSERT_STRING_EQUAL(hearken_version(), "0.1.0");
}

static void test_find_model(void)
{
    static const char *const paths[] = {
        "no-such-model.gguf",         "ggml-base.bin", "/", ".", "..", "./hearken-en",
        "../share/hearken/hearken-en"};
    char path[4096];
    CU_ASSERT_PTR_EQUAL(hearken_find_model("no-such-model", path, sizeof(path)), path);
    CU_ASSERT_PTR_NOT_NULL(strstr(path, "/share/hearken/no-such-model.gguf"));
    CU_ASSERT_PTR_EQUAL(hearken_find_model("model-1.5", path, sizeof(path)), path);
    CU_ASSERT_PTR_NOT_NULL(strstr(path, "/share/hearken/model-1.5.gguf"));
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        CU_ASSERT_PTR_EQUAL(hearken_find_model(paths[i], path, sizeof(path)), path);
        CU_ASSERT_STRING_EQUAL(path, paths[i]);
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
    CU_ASSERT_EQUAL_FATAL(chdir(folder), 0);
    CU_ASSERT_EQUAL(mkdir("hearken-en", 0700), 0);
    CU_ASSERT_PTR_EQUAL(hearken_find_model("hearken-en", path, sizeof(path)), path);
    CU_ASSERT_STRING_EQUAL(path, installed);
    CU_ASSERT_EQUAL(rmdir("hearken-en"), 0);
    CU_ASSERT_EQUAL(mkdir("not-installed", 0700), 0);
    CU_ASSERT_PTR_EQUAL(hearken_find_model("not-installed", path, sizeof(path)), path);
    CU_ASSERT_EQUAL(hearken_model_open(path, NULL, &model, &error), -ENOENT);
    CU_ASSERT_EQUAL(strncmp(error.message, path, strlen(path)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "(what is here is ./not-installed)"));
    CU_ASSERT_EQUAL(rmdir("not-installed"), 0);
    CU_ASSERT_EQUAL(hearken_model_open(path, NULL, &model, &error), -ENOENT);
    CU_ASSERT_PTR_NULL(strstr(error.message, "what is here"));
    CU_ASSERT_EQUAL(chdir(before), 0);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
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
}
