// SPDX-License-Identifier: MIT
#include "daemon/models/model_facts.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *copy_value(const char *value)
{
    size_t length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
        return strndup(value + 1, length - 2);
    return strdup(value);
}

/* Takes the codes out of a list as text, however it is punctuated. */
static void note_languages(struct model_facts *facts, const char *value)
{
    while (*value != '\0') {
        size_t length = 0;
        while (isalnum((unsigned char)value[length]) || value[length] == '-')
            length++;
        if (length >= 2 && length <= 20)
            json_array_append_new(facts->languages, json_stringn(value, length));
        value += length > 0 ? length : 1;
    }
}

static void note_item(void *context, const struct hearken_model_item *item)
{
    struct model_facts *facts = context;
    if (item->shape || !item->value)
        return;
    char **text = NULL;
    if (strcmp(item->name, "general.name") == 0)
        text = &facts->name;
    else if (strcmp(item->name, "general.description") == 0)
        text = &facts->description;
    else if (strcmp(item->name, "general.version") == 0)
        text = &facts->version;
    else if (strcmp(item->name, "general.author") == 0)
        text = &facts->author;
    else if (strcmp(item->name, "general.url") == 0)
        text = &facts->url;
    if (text && !*text)
        *text = copy_value(item->value);
}

int model_facts_read(struct model_facts *facts, const char *file, struct hearken_error *error)
{
    *facts = (struct model_facts){.languages = json_array()};
    if (!facts->languages)
        return hearken_fail(error, -ENOMEM, "out of memory");
    char codes[2048];
    int result = hearken_model_inspect(file, note_item, facts, error);
    if (result == 0 && hearken_model_file_languages(file, codes, sizeof(codes), NULL) == 0)
        note_languages(facts, codes);
    if (result < 0) {
        model_facts_finish(facts);
        facts->languages = json_array();
    }
    if (json_array_size(facts->languages) == 0 &&
        json_array_append_new(facts->languages, json_string("en")) < 0) {
        model_facts_finish(facts);
        return hearken_fail(error, -ENOMEM, "out of memory");
    }
    return result;
}

void model_facts_finish(struct model_facts *facts)
{
    json_decref(facts->languages);
    free(facts->name);
    free(facts->description);
    free(facts->version);
    free(facts->author);
    free(facts->url);
    *facts = (struct model_facts){0};
}

static size_t primary_length(const char *tag)
{
    return strcspn(tag, "-_");
}

bool model_facts_speaks(const struct model_facts *facts, const char *tag)
{
    size_t index;
    json_t *language;
    json_array_foreach(facts->languages, index, language)
    {
        const char *known = json_string_value(language);
        size_t length = primary_length(known);
        if (length == primary_length(tag) && strncasecmp(known, tag, length) == 0)
            return true;
    }
    return false;
}
