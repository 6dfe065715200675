// SPDX-License-Identifier: MIT
#include "daemon/http/http_form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Memory of libmicrohttpd's parser: the largest piece of a file. */
#define PROCESSOR_BYTES 65536u

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

/* A piece of a part. One without a name cannot be meant for us. */
static enum MHD_Result take(void *context, enum MHD_ValueKind kind, const char *name,
                            const char *given_name, const char *type, const char *encoding,
                            const char *bytes, uint64_t offset, size_t size)
{
    struct http_form *form = context;
    (void)kind, (void)given_name, (void)type, (void)encoding;
    if (!name)
        return MHD_YES;
    if (strcmp(name, file_name) == 0) {
        form->has_file = true;
        form->file(form->context, bytes, size);
        return MHD_YES;
    }
    if (form->bytes + strlen(name) + size > HTTP_FORM_BYTES)
        form->failure = -E2BIG;
    if (size > 0 && memchr(bytes, 0, size))
        form->failure = -EBADMSG; /* no text */
    if (form->failure == 0 && offset == 0)
        form->failure = add_field(form, name);
    if (form->failure == 0 && form->count > 0)
        form->failure = extend_field(&form->fields[form->count - 1], bytes, size);
    form->bytes += size;
    return form->failure == 0 ? MHD_YES : MHD_NO;
}

bool http_form_init(struct http_form *form, struct MHD_Connection *connection,
                    void (*file)(void *context, const char *bytes, size_t size), void *context)
{
    static const char multipart[] = "multipart/form-data";
    const char *type =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    *form = (struct http_form){.file = file, .context = context};
    if (!type || strncasecmp(type, multipart, sizeof(multipart) - 1) != 0)
        return false;
    form->processor = MHD_create_post_processor(connection, PROCESSOR_BYTES, take, form);
    return form->processor;
}

void http_form_finish(struct http_form *form)
{
    if (form->processor)
        MHD_destroy_post_processor(form->processor);
    for (size_t i = 0; i < form->count; i++) {
        free(form->fields[i].name);
        free(form->fields[i].value);
    }
    free(form->fields);
    *form = (struct http_form){0};
}

int http_form_feed(struct http_form *form, const char *bytes, size_t size)
{
    if (form->failure == 0 && MHD_post_process(form->processor, bytes, size) != MHD_YES &&
        form->failure == 0)
        form->failure = -EBADMSG;
    return form->failure;
}

int http_form_end(struct http_form *form)
{
    struct MHD_PostProcessor *processor = form->processor;
    form->processor = NULL;
    if (processor && MHD_destroy_post_processor(processor) != MHD_YES && form->failure == 0)
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
