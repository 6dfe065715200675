// SPDX-License-Identifier: MIT
#include "daemon/http/multipart.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t\r\n";

/* ---- Parameters ---- */

/* Reads a value, "quoted" or not, and moves behind it. False: it does not fit. */
static bool read_value(const char **text, char *value, size_t size)
{
    size_t length = 0;
    bool quoted = **text == '"';
    for (*text += quoted; **text && (quoted ? **text != '"' : !strchr("; \t\r\n", **text));
         (*text)++) {
        if (quoted && **text == '\\' && ((*text)[1] == '"' || (*text)[1] == '\\'))
            (*text)++;
        if (length + 1 < size)
            value[length] = **text;
        length++;
    }
    *text += quoted && **text == '"';
    value[length < size ? length : 0] = '\0';
    return length < size;
}

/* The value of a parameter of a header such as `form-data; name="file"; filename=a.wav`. */
static bool find_parameter(const char *header, const char *name, char *value, size_t size)
{
    const char *text = header + strcspn(header, ";");
    while (*text) {
        text += strspn(text, "; \t\r\n");
        size_t length = strcspn(text, "=; \t\r\n");
        bool wanted = length == strlen(name) && strncasecmp(text, name, length) == 0;
        text += length + strspn(text + length, blanks);
        if (*text != '=')
            continue;
        text += 1 + strspn(text + 1, blanks);
        if (wanted)
            return read_value(&text, value, size);
        char skipped[2];
        read_value(&text, skipped, sizeof(skipped));
        text += strcspn(text, ";");
    }
    return false;
}

/* ---- Headers ---- */

/* One whole header of a part. */
static void take_header(struct multipart *multipart)
{
    static const char wanted[] = "content-disposition";
    multipart->header[multipart->header_length] = '\0';
    const char *header = multipart->header;
    size_t length = strcspn(header, ": \t");
    if (length == sizeof(wanted) - 1 && strncasecmp(header, wanted, length) == 0 &&
        !find_parameter(header + length, "name", multipart->name, sizeof(multipart->name)))
        multipart->name[0] = '\0';
    if (!strchr(header, ':'))
        multipart->state = MULTIPART_BROKEN;
    multipart->header_length = 0;
}

static void begin_headers(struct multipart *multipart)
{
    multipart->state = MULTIPART_HEADERS;
    multipart->header_length = 0;
    multipart->line_begins = true;
    multipart->name[0] = '\0';
}

static void begin_content(struct multipart *multipart)
{
    multipart->state = MULTIPART_CONTENT;
    multipart->inside = true;
    multipart->matched = multipart->assumed = 2; /* a part may have no content at all */
    multipart->listener->part(multipart->context, multipart->name);
}

static void take_header_byte(struct multipart *multipart, char byte)
{
    if (byte == '\r')
        return;
    bool continues = byte == ' ' || byte == '\t';
    if (multipart->line_begins && !continues && multipart->header_length > 0)
        take_header(multipart);
    if (multipart->state == MULTIPART_BROKEN)
        return;
    if (byte == '\n' && multipart->line_begins) {
        begin_content(multipart);
        return;
    }
    multipart->line_begins = byte == '\n';
    if (byte == '\n')
        return;
    multipart->header[multipart->header_length++] = byte;
    if (multipart->header_length == sizeof(multipart->header))
        multipart->state = MULTIPART_BROKEN;
}

/* ---- Boundaries ---- */

/* Behind a boundary: two dashes, or blanks and the end of the line. */
static void take_line_byte(struct multipart *multipart, char byte)
{
    if (byte == '-' && multipart->header_length < 2) {
        if (++multipart->header_length == 2)
            multipart->state = MULTIPART_EPILOGUE;
    } else if (byte == '\n' && multipart->header_length != 1) {
        begin_headers(multipart);
    } else if ((byte == '\r' || byte == ' ' || byte == '\t') && multipart->header_length != 1) {
        multipart->header_length = 3; /* no dashes any more */
    } else {
        multipart->state = MULTIPART_BROKEN;
    }
}

static void tell(struct multipart *multipart, const char *bytes, size_t size)
{
    if (multipart->inside && size > 0)
        multipart->listener->content(multipart->context, bytes, size);
}

/* What looked like a boundary was content. */
static void give_back(struct multipart *multipart)
{
    size_t assumed = multipart->assumed;
    if (multipart->matched > assumed)
        tell(multipart, multipart->delimiter + assumed, multipart->matched - assumed);
    multipart->matched = multipart->assumed = 0;
}

/* Only the first byte of a delimiter is a CR: whatever does not match can begin there at most. */
static size_t take_content(struct multipart *multipart, const char *bytes, size_t size)
{
    if (multipart->matched == 0) {
        const char *next = memchr(bytes, '\r', size);
        size_t count = next ? (size_t)(next - bytes) : size;
        tell(multipart, bytes, count);
        multipart->matched = next != NULL;
        return count + (next != NULL);
    }
    if (*bytes != multipart->delimiter[multipart->matched]) {
        give_back(multipart);
        return 0;
    }
    if (++multipart->matched == multipart->length) {
        multipart->state = MULTIPART_LINE;
        multipart->inside = false;
        multipart->header_length = 0;
    }
    return 1;
}

/* ---- Interface ---- */

bool multipart_init(struct multipart *multipart, const char *content_type,
                    const struct multipart_listener *listener, void *context)
{
    static const char type[] = "multipart/form-data";
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    *multipart = (struct multipart){.listener = listener, .context = context};
    if (!content_type || strncasecmp(content_type, type, sizeof(type) - 1) != 0 ||
        !strchr("; \t", content_type[sizeof(type) - 1]) ||
        !find_parameter(content_type, "boundary", boundary, sizeof(boundary)) || !*boundary)
        return false;
    strcpy(stpcpy(multipart->delimiter, "\r\n--"), boundary);
    multipart->length = strlen(multipart->delimiter);
    multipart->matched = multipart->assumed = 2; /* the first may stand at the very start */
    return true;
}

int multipart_feed(struct multipart *multipart, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        switch (multipart->state) {
        case MULTIPART_CONTENT:
            i += take_content(multipart, bytes + i, size - i);
            break;
        case MULTIPART_LINE:
            take_line_byte(multipart, bytes[i++]);
            break;
        case MULTIPART_HEADERS:
            take_header_byte(multipart, bytes[i++]);
            break;
        case MULTIPART_EPILOGUE:
            return 0;
        case MULTIPART_BROKEN:
            return -EBADMSG;
        }
    }
    return multipart->state == MULTIPART_BROKEN ? -EBADMSG : 0;
}

bool multipart_is_complete(const struct multipart *multipart)
{
    return multipart->state == MULTIPART_EPILOGUE;
}
