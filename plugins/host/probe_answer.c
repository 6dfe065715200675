// SPDX-License-Identifier: MIT
#include "plugins/host/probe_answer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 1024 };

void answer_copy_text(char *to, size_t size, const char *from)
{
    size_t length = 0;

    for (; from[length] && length + 1 < size; length++)
        to[length] = (unsigned char)from[length] < ' ' || from[length] == 0x7f ? '?' : from[length];
    to[length] = 0;
}

void answer_print_line(FILE *to, const char *key, const char *value)
{
    char text[ANSWER_LINE_SIZE - 32];

    answer_copy_text(text, sizeof(text), value);
    fprintf(to, "%s %s\n", key, text);
}

int answer_add_file(struct plugin_answer *answer, const char *path)
{
    if (answer->file_count == MAX_FILES)
        return -E2BIG;
    char **files = realloc(answer->files, (answer->file_count + 1) * sizeof(*files));
    if (!files)
        return -ENOMEM;
    answer->files = files;
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    files[answer->file_count++] = copy;
    return 0;
}

static int parse_score(struct plugin_answer *answer, const char *text)
{
    char *end;

    errno = 0;
    const long score = strtol(text, &end, 10);
    if (end == text || *end || errno || score < -1 || score > INT_MAX)
        return -EBADMSG;
    answer->score = (int)score;
    return 0;
}

int answer_parse_line(struct plugin_answer *answer, const char *line)
{
    const size_t length = strcspn(line, " ");
    const char *value = line + length + (line[length] == ' ');
    const struct {
        const char *key;
        char *to;
        size_t size;
    } texts[] = {
        {"name", answer->name, sizeof(answer->name)},
        {"description", answer->description, sizeof(answer->description)},
        {"reason", answer->reason, sizeof(answer->reason)},
    };

    if (answer->complete)
        return -EBADMSG;
    if (strcmp(line, "end") == 0) {
        answer->complete =
            answer->reason[0] && (answer->name[0] ? answer->score >= 0 : answer->score < 0);
        return answer->complete ? 0 : -EBADMSG;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (strncmp(line, texts[i].key, length) == 0 && !texts[i].key[length]) {
            answer_copy_text(texts[i].to, texts[i].size, value);
            return 0;
        }
    if (strncmp(line, "score ", 6) == 0)
        return parse_score(answer, value);
    if (strncmp(line, "file /", 6) == 0)
        return answer_add_file(answer, value);
    return -EBADMSG;
}

void answer_finish(struct plugin_answer *answer)
{
    for (size_t i = 0; i < answer->file_count; i++)
        free(answer->files[i]);
    free(answer->files);
    answer->files = NULL;
    answer->file_count = 0;
}
