// SPDX-License-Identifier: MIT
/* A configuration file of any bytes; its first line is also what a command line may say. */
#include "daemon/settings/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Each is one line. */
static void count_problem(void *context, const char *problem)
{
    unsigned *problems = context;
    require(*problem && !strchr(problem, '\n'));
    ++*problems;
}

static void check_range(const struct setting *setting, const struct settings *settings)
{
    const char *member = (const char *)settings + setting->offset;
    if (setting->type == SETTING_NUMBER) {
        double value = (double)*(const float *)(const void *)member;
        require(value >= (double)(float)setting->minimum &&
                value <= (double)(float)setting->maximum);
    } else if (setting->type == SETTING_COUNT) {
        unsigned value = *(const unsigned *)(const void *)member;
        require(value >= setting->minimum && value <= setting->maximum);
    } else if (setting->type == SETTING_STRING) {
        require(memchr(member, 0, (size_t)setting->maximum + 1) != NULL);
    }
}

static void check_settings(const struct settings *settings)
{
    struct settings copy = {0};
    require(settings_copy(&copy, settings) == 0);
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        check_range(&setting, settings);
        require(setting_equal(&setting, &copy, settings));
    }
    require(settings->model_count <= SETTINGS_MODELS_MAX);
    for (size_t i = 0; i < settings->model_count; i++)
        require(*settings->models[i].name && strlen(settings->models[i].name) <= SETTINGS_NAME_MAX);
    settings_finish(&copy);
}

static void apply_first_line(const uint8_t *data, size_t size)
{
    struct settings settings;
    unsigned problems = 0;
    const uint8_t *end = memchr(data, '\n', size);
    char *line = strndup((const char *)data, end ? (size_t)(end - data) : size);
    require(line && settings_init(&settings) == 0);
    int status = settings_apply_override(&settings, line, count_problem, &problems);
    require((status == 0) == (problems == 0));
    if (status == 0)
        check_settings(&settings);
    settings_finish(&settings);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings;
    unsigned problems = 0;
    char path[64];
    int file = memfd_create("settings", MFD_CLOEXEC);
    require(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    require(settings_init(&settings) == 0);
    int status = settings_read_file(&settings, path, count_problem, &problems);
    require((status == 0) == (problems == 0));
    require(status == 0 || status == -EINVAL);
    if (status == 0)
        check_settings(&settings);
    settings_finish(&settings);
    close(file);
    if (size > 0)
        apply_first_line(data, size);
    return 0;
}
