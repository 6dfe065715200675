// SPDX-License-Identifier: MIT
#include "daemon/server/daemon_options.h"
#include "daemon/settings/settings.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void add_settings_tests(void);

/* Problems, one a line, without the name of the file. */
struct problems {
    char text[4096];
    const char *path;
};

static void note_problem(void *context, const char *problem)
{
    struct problems *problems = context;
    size_t path = problems->path ? strlen(problems->path) : 0;
    if (path > 0 && strncmp(problem, problems->path, path) == 0)
        problem += path;
    size_t length = strlen(problems->text);
    snprintf(problems->text + length, sizeof(problems->text) - length, "%s\n", problem);
}

/* Reads a file of this text over the defaults. */
static int read_text(struct settings *settings, const char *text, struct problems *problems)
{
    char path[] = "/tmp/hearken-settings-XXXXXX";
    int descriptor = mkstemp(path);
    CU_ASSERT_FATAL(descriptor >= 0);
    CU_ASSERT_FATAL(write(descriptor, text, strlen(text)) == (ssize_t)strlen(text));
    close(descriptor);
    *problems = (struct problems){.path = path};
    EXPECT_EQUAL_FATAL(settings_init(settings), 0);
    int status = settings_read_file(settings, path, note_problem, problems);
    unlink(path);
    problems->path = NULL;
    return status;
}

static void expect_problems(const char *text, const char *expected)
{
    struct settings settings;
    struct problems problems;
    EXPECT_EQUAL(read_text(&settings, text, &problems), *expected != '\0' ? -EINVAL : 0);
    EXPECT_EQUAL_STRING(problems.text, expected);
    settings_finish(&settings);
}

static void test_values(void)
{
    struct settings settings;
    struct problems problems;
    int status = read_text(&settings,
                           "# a comment\n"
                           "[model]\n"
                           "file = /somewhere/model with spaces.gguf ; and why\n"
                           "\n"
                           "[recognition]\n"
                           "  beam_width: 8\n"
                           "\tpadding=0.5\n"
                           "log_probability_threshold = -2.5\n"
                           "voice = off\n"
                           "endpointing = on\n"
                           "[server]\n"
                           "socket_mode = 0660\n"
                           "tcp =\n"
                           "[log]\n"
                           "level = debug",
                           &problems);
    EXPECT_EQUAL_FATAL(status, 0);
    EXPECT_EQUAL_STRING(settings.model_file, "/somewhere/model with spaces.gguf");
    EXPECT_EQUAL(settings.recognition.beam_width, 8);
    EXPECT_EQUAL(settings.recognition.padding, 0.5F);
    EXPECT_EQUAL(settings.recognition.log_probability_threshold, -2.5F);
    CU_ASSERT_FALSE(settings.recognition.voice);
    CU_ASSERT_TRUE(settings.recognition.endpointing);
    EXPECT_EQUAL(settings.socket_mode, 0660);
    EXPECT_EQUAL_STRING(settings.tcp, "");
    EXPECT_EQUAL(settings.log_level, HEARKEN_LOG_DEBUG);
    settings_finish(&settings);
}

/* Each problem of a file is told, with its line; and all problems, not the first alone. */
static void test_problems(void)
{
    expect_problems("[recognition]\nbeam_width = 17\n",
                    ":2: beam_width: got 17, expected a whole number from 1 to 16\n");
    expect_problems("[recognition]\nbeam_width = 2.5\nbeam_width = x\nbeam_width =\n",
                    ":2: beam_width: got 2.5, expected a whole number from 1 to 16\n"
                    ":3: beam_width: got x, expected a whole number from 1 to 16\n"
                    ":4: beam_width: got nothing, expected a whole number from 1 to 16\n");
    expect_problems("[recognition]\n\n\nctc_weight = nan\nctc_weight = 0x1\nctc_weight = 1e999\n",
                    ":4: ctc_weight: got nan, expected a number from 0 to 1\n"
                    ":5: ctc_weight: got 0x1, expected a number from 0 to 1\n"
                    ":6: ctc_weight: got 1e999, expected a number from 0 to 1\n");
    expect_problems("[server]\nsocket_mode = 0800\nsocket_mode = 1777\n",
                    ":2: socket_mode: got 0800, expected an octal mode from 0000 to 0777\n"
                    ":3: socket_mode: got 1777, expected an octal mode from 0000 to 0777\n");
    expect_problems("[log]\nlevel = loud\n",
                    ":2: level: got loud, expected one of: error, warning, info, debug\n");
    expect_problems("[recognition]\nvoice = yes\nendpointing =\n",
                    ":2: voice: got yes, expected on or off\n"
                    ":3: endpointing: got nothing, expected on or off\n");
    expect_problems("[recognition]\nvoice_threshold = 0\nendpoint_seconds = 11\npre_roll = 3\n",
                    ":2: voice_threshold: got 0, expected a number from 0.05 to 0.95\n"
                    ":3: endpoint_seconds: got 11, expected a number from 0.1 to 10\n"
                    ":4: pre_roll: got 3, expected a number from 0 to 2\n");
    expect_problems("[log]\nnonsense\n", ":2: expected [section], name = value or a comment\n");
}

static void test_suggestions(void)
{
    expect_problems("[recognition]\nbeam_widht = 2\n",
                    ":2: beam_widht: no such setting in section [recognition]; "
                    "did you mean beam_width?\n");
    expect_problems("[server]\nbackend = cpu\n",
                    ":2: backend: no such setting in section [server]; "
                    "did you mean backend in [compute]?\n");
    expect_problems("[server]\ncolour_of_the_sky = blue\n",
                    ":2: colour_of_the_sky: no such setting in section [server]\n");
    expect_problems("file = x\n",
                    ":1: file: stands before the first [section]; did you mean file in "
                    "[model]?\n");
}

static void test_long_line(void)
{
    char text[1000] = "[model]\nfile = ";
    memset(text + strlen(text), 'x', 191);
    strcat(text, "\n[log]\nlevel = debug\n");
    struct settings settings;
    struct problems problems;
    /* 198 bytes without the newline, as the manual says: 7 of "file = " and 191 of its value. */
    EXPECT_EQUAL(read_text(&settings, text, &problems), 0);
    EXPECT_EQUAL(strlen(settings.model_file), 191);
    settings_finish(&settings);

    strcpy(text, "[model]\nfile = ");
    memset(text + strlen(text), 'x', 400);
    strcat(text, "\n[log]\nlevel = loud\n");
    expect_problems(text, ":2: the line is longer than 198 bytes\n"
                          ":4: level: got loud, expected one of: error, warning, info, debug\n");
}

static void test_missing_file(void)
{
    struct settings settings;
    struct problems problems = {0};
    EXPECT_EQUAL_FATAL(settings_init(&settings), 0);
    EXPECT_EQUAL(settings_read_file(&settings, "/nonexistent/x", note_problem, &problems), -ENOENT);
    EXPECT_EQUAL_STRING(problems.text, "/nonexistent/x: No such file or directory\n");
    settings_finish(&settings);
}

static void expect_override(const char *assignment, const char *expected)
{
    struct settings settings;
    struct problems problems = {0};
    EXPECT_EQUAL_FATAL(settings_init(&settings), 0);
    int status = settings_apply_override(&settings, assignment, note_problem, &problems);
    EXPECT_EQUAL(status, *expected != '\0' ? -EINVAL : 0);
    EXPECT_EQUAL_STRING(problems.text, expected);
    settings_finish(&settings);
}

static void test_overrides(void)
{
    expect_override("recognition.beam_width=3", "");
    expect_override("model.file=/a=b.c", "");
    expect_override("model.file=", "");
    expect_override("recognition.beam_width=0",
                    "recognition.beam_width: got 0, expected a whole number from 1 to 16\n");
    expect_override("beam_width=3", "--set beam_width=3: expected section.name=value\n");
    expect_override("recognition.beam_width", "--set recognition.beam_width: expected "
                                              "section.name=value\n");
    expect_override("=", "--set =: expected section.name=value\n");
}

/* Each option of a stream is a setting of [recognition], whose default as it is written is the
 * library's. */
static void test_defaults(void)
{
    struct settings settings;
    struct hearken_stream_options options;
    const struct hearken_option *option;
    EXPECT_EQUAL_FATAL(settings_init(&settings), 0);
    hearken_stream_options_init(&options);
    for (size_t i = 0; (option = hearken_stream_option(i)); i++) {
        struct setting setting;
        const char *ours = (const char *)&settings.recognition + option->offset;
        CU_ASSERT_TRUE(setting_find("recognition", option->name, &setting));
        EXPECT_EQUAL(memcmp(ours, (const char *)&options + option->offset, option->size), 0);
        EXPECT_EQUAL(setting.meaning != NULL, *setting.standard == '\0');
    }
    CU_ASSERT_FALSE(settings.recognition.alignment);
    CU_ASSERT_FALSE(settings.recognition.voice_events);
    settings_finish(&settings);
}

/* A copy serves as well as the original: its options are taken by the library. */
static void test_copy_of_all(void)
{
    struct settings settings, copy = {0};
    struct problems problems = {0};
    struct setting setting;
    EXPECT_EQUAL_FATAL(settings_init(&settings), 0);
    settings_apply_override(&settings, "recognition.language=de", note_problem, &problems);
    EXPECT_EQUAL_FATAL(settings_copy(&copy, &settings), 0);
    for (size_t i = 0; setting_at(i, &setting); i++)
        CU_ASSERT_TRUE(setting_equal(&setting, &settings, &copy));
    EXPECT_EQUAL(copy.recognition.struct_size, sizeof(copy.recognition));
    settings_finish(&settings);
    settings_finish(&copy);
}

static void test_copy_and_compare(void)
{
    struct settings a, b;
    struct problems problems = {0};
    EXPECT_EQUAL_FATAL(settings_init(&a), 0);
    EXPECT_EQUAL_FATAL(settings_init(&b), 0);
    settings_apply_override(&b, "server.socket=/x", note_problem, &problems);
    settings_apply_override(&b, "timeouts.idle_seconds=7.5", note_problem, &problems);
    settings_apply_override(&b, "recognition.voice=off", note_problem, &problems);
    unsigned different = 0;
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        different += !setting_equal(&setting, &a, &b);
        EXPECT_EQUAL(setting_copy(&setting, &a, &b), 0);
        CU_ASSERT_TRUE(setting_equal(&setting, &a, &b));
    }
    EXPECT_EQUAL(different, 3);
    EXPECT_EQUAL_STRING(a.socket, "/x");
    EXPECT_NOT_EQUAL(a.socket, b.socket);
    settings_finish(&a);
    settings_finish(&b);
}

static void test_numbers(void)
{
    struct settings settings;
    struct hearken_error error;
    struct setting beam, level;
    CU_ASSERT_TRUE_FATAL(setting_find("recognition", "beam_width", &beam));
    CU_ASSERT_TRUE_FATAL(setting_find("log", "level", &level));
    CU_ASSERT_FALSE(setting_find("log", "beam_width", &(struct setting){0}));
    EXPECT_EQUAL_FATAL(settings_init(&settings), 0);
    EXPECT_EQUAL(setting_assign_number(&beam, &settings, 7, &error), 0);
    EXPECT_EQUAL(settings.recognition.beam_width, 7);
    EXPECT_EQUAL(setting_assign_number(&beam, &settings, 7.5, &error), -EINVAL);
    EXPECT_EQUAL_STRING(error.message, "got 7.5, expected a whole number from 1 to 16");
    EXPECT_EQUAL(setting_assign_number(&beam, &settings, NAN, &error), -EINVAL);
    EXPECT_EQUAL(setting_assign_number(&level, &settings, 1, &error), -EINVAL);
    EXPECT_EQUAL(settings.recognition.beam_width, 7);
    settings_finish(&settings);
}

/* ---- What is printed ---- */

static char *print(void (*printer)(FILE *stream))
{
    char *text;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    printer(stream);
    fclose(stream);
    return text;
}

/* The printed configuration is one, as it is and with all its settings uncommented; and it sets the
 * defaults. */
static void test_printed_configuration(void)
{
    struct settings settings, defaults;
    struct problems problems;
    char *text = print(settings_print_configuration);
    EXPECT_EQUAL(read_text(&settings, text, &problems), 0);
    settings_finish(&settings);
    unsigned uncommented = 0;
    for (char *line = text; line; line = strchr(line + 1, '\n')) {
        char *start = *line == '\n' ? line + 1 : line;
        if (start[0] == '#' && start[1] != ' ') {
            *start = ' ';
            uncommented++;
        }
    }
    struct setting setting;
    size_t count = 0;
    while (setting_at(count, &setting))
        count++;
    EXPECT_EQUAL(uncommented, count);
    EXPECT_EQUAL(read_text(&settings, text, &problems), 0);
    EXPECT_EQUAL_STRING(problems.text, "");
    EXPECT_EQUAL_FATAL(settings_init(&defaults), 0);
    for (size_t i = 0; setting_at(i, &setting); i++)
        CU_ASSERT_TRUE(setting_equal(&setting, &settings, &defaults));
    settings_finish(&settings);
    settings_finish(&defaults);
    free(text);
}

/* If this fails: hearkend --help-config=man >daemon/man/hearkend.conf.5 */
static void test_manual_is_up_to_date(void)
{
    char *expected = print(settings_print_manual);
    char *committed = calloc(1, 65536);
    FILE *file = fopen(HEARKEN_SOURCE_ROOT "/daemon/man/hearkend.conf.5", "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t length = fread(committed, 1, 65535, file);
    fclose(file);
    EXPECT_EQUAL(length, strlen(expected));
    EXPECT_EQUAL_STRING(committed, expected);
    free(committed);
    free(expected);
}

/* ---- Command line ---- */

/* getopt moves pointers about, but does not write to the texts. */
static int parse(struct options *options, struct hearken_error *error, const char *const *arguments)
{
    char *copy[20];
    int count = 0;
    for (; arguments[count]; count++)
        copy[count] = (char *)arguments[count];
    copy[count] = NULL;
    return options_parse(options, count, copy, error);
}

static void test_command_line(void)
{
    struct options options;
    struct hearken_error error;
    struct settings settings;
    struct problems problems = {0};
    const char *const arguments[] = {"hearkend",  "--config",
                                     "/dev/null", "-m",
                                     "a.gguf",    "-s",
                                     "/x",        "--set=recognition.beam_width=2",
                                     "-o",        "recognition.beam_width=3",
                                     "-v",        NULL};
    EXPECT_EQUAL_FATAL(parse(&options, &error, arguments), 0);
    EXPECT_EQUAL(options.action, OPTIONS_RUN);
    EXPECT_EQUAL_STRING(options.file, "/dev/null");
    EXPECT_EQUAL_FATAL(options_load_settings(&options, &settings, note_problem, &problems), 0);
    EXPECT_EQUAL_STRING(settings.model_file, "a.gguf");
    EXPECT_EQUAL_STRING(settings.socket, "/x");
    EXPECT_EQUAL(settings.recognition.beam_width, 3);
    EXPECT_EQUAL(settings.log_level, HEARKEN_LOG_DEBUG);
    settings_finish(&settings);
    options_finish(&options);
}

static void expect_usage(const char *const *arguments, const char *message)
{
    struct options options;
    struct hearken_error error = {""};
    EXPECT_EQUAL(parse(&options, &error, arguments), -EINVAL);
    EXPECT_CONTAINS(error.message, message);
    options_finish(&options);
}

static void test_bad_usage(void)
{
    expect_usage((const char *[]){"hearkend", "--no-such-thing", NULL},
                 "no option --no-such-thing");
    expect_usage((const char *[]){"hearkend", "-v", "--model", NULL},
                 "--model: expected a value after it");
    expect_usage((const char *[]){"hearkend", "-vm", NULL}, "--model: expected a value after it");
    expect_usage((const char *[]){"hearkend", "-vxq", NULL}, "no option -x;");
    expect_usage((const char *[]){"hearkend", "-v\xc3\xbc", NULL}, "no option -v\xc3\xbc;");
    expect_usage((const char *[]){"hearkend", "--verbose=3", NULL}, "--verbose takes no value");
    expect_usage((const char *[]){"hearkend", "--s", NULL},
                 "--s is the beginning of several: --socket, --set;");
    expect_usage((const char *[]){"hearkend", "file", NULL}, "file: hearkend takes options only");
    expect_usage((const char *[]){"hearkend", "file", "--nope", NULL}, "file: hearkend takes");
    expect_usage((const char *[]){"hearkend", "--", "-v", NULL}, "-v: hearkend takes options only");
    expect_usage((const char *[]){"hearkend", "", NULL}, "an empty argument: hearkend takes");
    expect_usage((const char *[]){"hearkend", "-c", "", NULL}, "--config: expected FILE, got an");
    expect_usage((const char *[]){"hearkend", "--help-config=html", NULL}, "got html, expected");
}

static void test_named_file_must_exist(void)
{
    struct options options;
    struct hearken_error error;
    struct settings settings;
    struct problems problems = {0};
    const char *const arguments[] = {"hearkend", "-c", "/nonexistent/x", NULL};
    EXPECT_EQUAL_FATAL(parse(&options, &error, arguments), 0);
    EXPECT_EQUAL(options_load_settings(&options, &settings, note_problem, &problems), -ENOENT);
    options_finish(&options);
}

void add_settings_tests(void)
{
    CU_pSuite suite = CU_add_suite("settings", NULL, NULL);
    CU_add_test(suite, "values of a file", test_values);
    CU_add_test(suite, "problems are told with their lines", test_problems);
    CU_add_test(suite, "unknown names, with the nearest known", test_suggestions);
    CU_add_test(suite, "lines up to the limit, and beyond", test_long_line);
    CU_add_test(suite, "a missing file", test_missing_file);
    CU_add_test(suite, "--set", test_overrides);
    CU_add_test(suite, "defaults are the library's", test_defaults);
    CU_add_test(suite, "copy of all", test_copy_of_all);
    CU_add_test(suite, "copying and comparing", test_copy_and_compare);
    CU_add_test(suite, "numbers from clients", test_numbers);
    CU_add_test(suite, "--help-config prints a configuration", test_printed_configuration);
    CU_add_test(suite, "hearkend.conf.5 is up to date", test_manual_is_up_to_date);
    CU_add_test(suite, "command line", test_command_line);
    CU_add_test(suite, "bad usage", test_bad_usage);
    CU_add_test(suite, "a configuration that is named must exist", test_named_file_must_exist);
}
