// SPDX-License-Identifier: MIT
#include "daemon/http/http_form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 4096u

static const char file_name[] = "file";

static int add_field(struct http_form *form, const char *name)
{
    if (form->count == FIELDS_MAX)
        return -E2BIG;
    struct http_field *grown = realloc(form->fields, (form->count + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    form->fields = grown;
    struct http_field *field = &grown[form->count];
    *field = (struct http_field){.name = strdup(name), .value = strdup("")};
    if (!field->name || !field->value) {
        free(field->name);
        free(field->value);
        return -ENOMEM;
    }
    form->bytes += strlen(name);
    form->count++;
    return 0;
}

static int extend_field(struct http_field *field, const char *bytes, size_t size)
{
    char *grown = realloc(field->value, field->length + size + 1);
    if (!grown)
        return -ENOMEM;
    if (size > 0)
        memcpy(grown + field->length, bytes, size);
    field->value = grown;
    field->length += size;
    grown[field->length] = '\0';
    return 0;
}

int http_form_add(struct http_form *form, const char *name, const char *value)
{
    size_t length = strlen(value);
    if (form->bytes + strlen(name) + length > HTTP_FORM_BYTES)
        return -E2BIG;
    int result = add_field(form, name);
    if (result < 0)
        return result;
    form->bytes += length;
    return extend_field(&form->fields[form->count - 1], value, length);
}

static void begin_part(void *context, const char *name)
{
    struct http_form *form = context;
    form->in_file = strcmp(name, file_name) == 0;
    form->in_field = !form->in_file && *name != '\0'; /* without a name it is not meant for us */
    if (form->failure < 0)
        return;
    if (form->in_file && form->has_file) {
        form->failure = -EEXIST;
    } else if (form->in_file) {
        form->has_file = true;
        form->file(form->context, "", 0);
    } else if (form->bytes + strlen(name) > HTTP_FORM_BYTES) {
        form->failure = -E2BIG;
    } else if (form->in_field) {
        form->failure = add_field(form, name);
    }
}

static void take_content(void *context, const char *bytes, size_t size)
{
    struct http_form *form = context;
    if (form->failure < 0)
        return;
    if (form->in_file) {
        form->file(form->context, bytes, size);
    } else if (form->in_field && form->bytes + size > HTTP_FORM_BYTES) {
        form->failure = -E2BIG;
    } else if (form->in_field && memchr(bytes, 0, size)) {
        form->failure = -EBADMSG; /* no text */
    } else if (form->in_field) {
        form->failure = extend_field(&form->fields[form->count - 1], bytes, size);
        form->bytes += size;
    }
}

static const struct multipart_listener part_listener = {
    .part = begin_part,
    .content = take_content,
};

bool http_form_init(struct http_form *form, const char *content_type,
                    void (*file)(void *context, const char *bytes, size_t size), void *context)
{
    *form = (struct http_form){.file = file, .context = context};
    return multipart_init(&form->multipart, content_type, &part_listener, form);
}

void http_form_finish(struct http_form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        free(form->fields[i].name);
        free(form->fields[i].value);
    }
    free(form->fields);
    *form = (struct http_form){0};
}

int http_form_feed(struct http_form *form, const char *bytes, size_t size)
{
    int result = form->failure < 0 ? 0 : multipart_feed(&form->multipart, bytes, size);
    if (form->failure == 0)
        form->failure = result;
    return form->failure;
}

int http_form_end(struct http_form *form)
{
    if (form->failure == 0 && !multipart_is_complete(&form->multipart))
        form->failure = -EBADMSG;
    return form->failure;
}

bool http_field_is(const struct http_field *field, const char *name)
{
    size_t length = strlen(name);
    return strncmp(field->name, name, length) == 0 &&
           (field->name[length] == '\0' || strcmp(field->name + length, "[]") == 0);
}

const char *http_form_value(const struct http_form *form, const char *name)
{
    for (size_t i = form->count; i > 0; i--)
        if (http_field_is(&form->fields[i - 1], name))
            return form->fields[i - 1].value;
    return NULL;
}
