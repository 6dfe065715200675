// SPDX-License-Identifier: MIT
#include "daemon/settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is known while a file is read. inih tells its handler no line numbers: the reader that
 * feeds it counts. */
struct reading {
    struct settings *settings;
    const char *path;
    FILE *file;
    unsigned line;
    struct {
        char name[SETTINGS_NAME_MAX + 1];
        unsigned line; /* of its file */
    } models[SETTINGS_MODELS_MAX];
    size_t model_count;
    unsigned problems;
    int status; /* -EINVAL after a problem, or -ENOMEM */
    setting_problem_callback *callback;
    void *context;
};

static void __attribute__((format(printf, 2, 3)))
complain(struct reading *reading, const char *format, ...)
{
    char text[1024];
    size_t length = 0;
    if (reading->path)
        length = (size_t)snprintf(text, sizeof(text), "%.400s:%u: ", reading->path, reading->line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    if (reading->status == 0)
        reading->status = -EINVAL;
    if (reading->callback)
        reading->callback(reading->context, text);
}

/* About the value of a setting. */
static void complain_of_value(struct reading *reading, const char *section, const char *name,
                              int result, const struct hearken_error *error)
{
    if (reading->path)
        complain(reading, "%.100s: %s", name, error->message);
    else
        complain(reading, "%.100s.%.100s: %s", section, name, error->message);
    if (result == -ENOMEM)
        reading->status = result;
}

static void complain_of_name(struct reading *reading, const char *section, const char *name)
{
    struct setting near;
    bool found = setting_suggest(section, name, &near);
    if (*section == '\0' && !found)
        complain(reading, "%.100s: stands before the first [section]", name);
    else if (*section == '\0')
        complain(reading, "%.100s: stands before the first [section]; did you mean %s in [%s]?",
                 name, near.name, near.section);
    else if (!found)
        complain(reading, "%.100s: no such setting in section [%.100s]", name, section);
    else if (strcmp(near.section, section) == 0)
        complain(reading, "%.100s: no such setting in section [%.100s]; did you mean %s?", name,
                 section, near.name);
    else
        complain(reading, "%.100s: no such setting in section [%.100s]; did you mean %s in [%s]?",
                 name, section, near.name, near.section);
}

/* The line where this file has named that model, which is good so far; 0: it has not. */
static unsigned note_model(struct reading *reading, const char *model)
{
    for (size_t i = 0; i < reading->model_count; i++)
        if (strcmp(reading->models[i].name, model) == 0)
            return reading->models[i].line;
    if (reading->model_count < SETTINGS_MODELS_MAX) {
        strcpy(reading->models[reading->model_count].name, model);
        reading->models[reading->model_count++].line = reading->line;
    }
    return 0;
}

static void assign_model(struct reading *reading, const char *section, const char *name,
                         const char *value)
{
    struct hearken_error error;
    const char *model = settings_model_name(section);
    int result = settings_assign_model(reading->settings, model, name, value, &error);
    unsigned line = result == 0 && reading->path ? note_model(reading, model) : 0;
    if (line > 0)
        result =
            hearken_fail(&error, -EINVAL, "[model %s] has a file already, in line %u", model, line);
    if (result < 0)
        complain_of_value(reading, section, name, result, &error);
}

static void assign(struct reading *reading, const char *section, const char *name,
                   const char *value)
{
    struct setting setting;
    if (settings_model_name(section)) {
        assign_model(reading, section, name, value);
        return;
    }
    if (!setting_find(section, name, &setting)) {
        complain_of_name(reading, section, name);
        return;
    }
    struct hearken_error error;
    int result = setting_assign(&setting, reading->settings, value, &error);
    if (result < 0)
        complain_of_value(reading, section, name, result, &error);
}

static int handle_assignment(void *context, const char *section, const char *name,
                             const char *value)
{
    assign(context, section, name, value);
    return 1;
}

static bool ends_line(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && text[length - 1] == '\n';
}

/* As fgets, but without the indentation, which inih would take for the sign of a continued value;
 * and a line that does not fit in is a problem instead of two lines. */
static char *read_line(char *text, int size, void *context)
{
    struct reading *reading = context;
    if (!fgets(text, size, reading->file))
        return NULL;
    reading->line++;
    if (!ends_line(text) && !feof(reading->file)) {
        int c = fgetc(reading->file);
        if (c != EOF) {
            complain(reading, "the line is longer than %d bytes", size - 2);
            while (c != '\n' && c != EOF)
                c = fgetc(reading->file);
            strcpy(text, "\n");
        }
    }
    size_t indentation = strspn(text, " \t");
    memmove(text, text + indentation, strlen(text + indentation) + 1);
    return text;
}

/* What inih itself refuses, it reports once, at the end, for the first such line only. */
static void check_syntax(struct reading *reading, int result)
{
    if (result > 0) {
        reading->line = (unsigned)result;
        complain(reading, "expected [section], name = value or a comment");
    } else if (result < 0) {
        complain(reading, "out of memory");
        reading->status = -ENOMEM;
    }
}

#define FILE_BYTES_MAX (1u << 20)

/* The whole file, whatever it is: a device may have no end, and a pipe nothing to give. The caller
 * frees it. NULL after a problem. */
static char *read_whole_file(struct reading *reading, size_t *size)
{
    int descriptor = open(reading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *bytes = descriptor >= 0 ? malloc(FILE_BYTES_MAX + 1) : NULL;
    ssize_t got = bytes ? 1 : -1;
    *size = 0;
    while (got > 0 && *size <= FILE_BYTES_MAX) {
        got = read(descriptor, bytes + *size, FILE_BYTES_MAX + 1 - *size);
        *size += got > 0 ? (size_t)got : 0;
    }
    int result = got < 0 ? -errno : *size > FILE_BYTES_MAX ? -EFBIG : 0;
    if (descriptor >= 0)
        close(descriptor);
    if (result == 0)
        return bytes;
    free(bytes);
    const char *path = reading->path;
    reading->path = NULL; /* it has no line */
    if (result == -EFBIG)
        complain(reading, "%s: larger than %u bytes, expected a configuration", path,
                 FILE_BYTES_MAX);
    else
        complain(reading, "%s: %s", path, strerror(-result));
    reading->status = result;
    return NULL;
}

int settings_read_file(struct settings *settings, const char *path,
                       setting_problem_callback *callback, void *context)
{
    struct reading reading = {
        .settings = settings,
        .path = path,
        .callback = callback,
        .context = context,
    };
    size_t size;
    char *bytes = read_whole_file(&reading, &size);
    if (!bytes)
        return reading.status;
    const char *zero = memchr(bytes, 0, size);
    for (const char *at = bytes; zero && at <= zero; at++)
        reading.line += at == bytes || at[-1] == '\n';
    if (zero) {
        complain(&reading, "holds a zero byte, expected text");
        free(bytes);
        return reading.status;
    }
    bytes[size] = '\n'; /* so that there is something to open */
    reading.file = fmemopen(bytes, size + 1, "r");
    if (reading.file) {
        check_syntax(&reading, ini_parse_stream(read_line, &reading, handle_assignment, &reading));
        fclose(reading.file);
    } else {
        complain(&reading, "out of memory");
        reading.status = -ENOMEM;
    }
    free(bytes);
    return reading.status;
}

/* A model's name may have dots: the last one parts it from the setting's. */
static bool split_name(const char *text, size_t length, char section[128], char name[64])
{
    const char *dot = memrchr(text, '.', length);
    if (!dot || dot == text || dot - text > 127 || text + length - dot - 1 > 63 ||
        text + length == dot + 1)
        return false;
    memcpy(section, text, (size_t)(dot - text));
    section[dot - text] = '\0';
    memcpy(name, dot + 1, (size_t)(text + length - dot - 1));
    name[text + length - dot - 1] = '\0';
    return true;
}

int settings_apply_override(struct settings *settings, const char *assignment,
                            setting_problem_callback *callback, void *context)
{
    struct reading reading = {
        .settings = settings,
        .callback = callback,
        .context = context,
    };
    char section[128] = "", name[64] = "";
    const char *equals = strchr(assignment, '=');
    if (!equals || !split_name(assignment, (size_t)(equals - assignment), section, name))
        complain(&reading, "--set %.200s: expected section.name=value", assignment);
    else
        assign(&reading, section, name, equals + 1);
    return reading.status;
}
