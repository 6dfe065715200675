// SPDX-License-Identifier: MIT
#include "models/convert/pickle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL 2

/* Values of a storage at most, so that its size in bytes fits in 64 bits. */
#define MOST_VALUES (UINT64_MAX / 8)

/* The allowed globals; the last three are storage types. */
enum { ORDERED_DICTIONARY, REBUILD_TENSOR, FLOAT_STORAGE, HALF_STORAGE, BFLOAT_STORAGE, GLOBALS };

static const char *const global_names[GLOBALS] = {
    "collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage",
    "torch HalfStorage",       "torch BFloat16Storage",
};

struct dictionary {
    size_t first, last;
};

/* The first failure sticks. */
struct machine {
    struct pickle *pickle;
    const uint8_t *start, *at, *end;
    struct hearken_error *error;
    int result;
};

__attribute__((format(printf, 2, 3))) static void fail(struct machine *m, const char *format, ...)
{
    char text[400];
    va_list arguments;
    if (m->result < 0)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    m->result =
        hearken_fail(m->error, -EINVAL, "pickle, before byte %td: %s", m->at - m->start, text);
}

/* Appends an item of zeros; NULL after an error. */
static void *append(struct machine *m, struct pickle_list *list, size_t size)
{
    if (m->result < 0)
        return NULL;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        void *grown = realloc(list->items, room * size);
        if (!grown) {
            m->result = hearken_fail(m->error, -ENOMEM, "out of memory");
            return NULL;
        }
        list->items = grown;
        list->room = room;
    }
    return memset((char *)list->items + size * list->count++, 0, size);
}

static struct pickle_value *values_of(const struct pickle_list *list)
{
    return list->items;
}

/* ---- Bytes ---- */

static const uint8_t *take(struct machine *m, uint64_t size)
{
    if (m->result == 0 && size > (uint64_t)(m->end - m->at))
        fail(m, "it ends %" PRIu64 " bytes early", size - (uint64_t)(m->end - m->at));
    if (m->result < 0)
        return NULL;
    m->at += size;
    return m->at - size;
}

/* Little endian, of 1 to 8 bytes; 0 after an error. */
static uint64_t take_number(struct machine *m, size_t size)
{
    uint64_t value = 0;
    const uint8_t *at = take(m, size);
    if (at)
        memcpy(&value, at, size);
    return value;
}

static struct pickle_text take_line(struct machine *m)
{
    const uint8_t *line = m->at;
    const uint8_t *end = m->result < 0 ? NULL : memchr(line, '\n', (size_t)(m->end - line));
    if (!end) {
        fail(m, "a line without end");
        return (struct pickle_text){"", 0};
    }
    m->at = end + 1;
    return (struct pickle_text){(const char *)line, (size_t)(end - line)};
}

/* ---- The stack ---- */

static void push(struct machine *m, struct pickle_value value)
{
    struct pickle_value *top = append(m, &m->pickle->stack, sizeof(value));
    if (top)
        *top = value;
}

static void push_integer(struct machine *m, int64_t integer)
{
    push(m, (struct pickle_value){.kind = PICKLE_INTEGER, .integer = integer});
}

static struct pickle_value pop(struct machine *m)
{
    struct pickle_list *stack = &m->pickle->stack;
    if (m->result == 0 && stack->count == 0)
        fail(m, "the stack is empty");
    return m->result < 0 ? (struct pickle_value){0} : values_of(stack)[--stack->count];
}

static struct pickle_value pop_kind(struct machine *m, enum pickle_kind kind, const char *what)
{
    struct pickle_value value = pop(m);
    if (m->result == 0 && value.kind != kind)
        fail(m, "expected %s", what);
    return value;
}

/* Counts the values above the last mark, which stays on the stack. */
static size_t count_to_mark(struct machine *m)
{
    const struct pickle_list *stack = &m->pickle->stack;
    size_t at = stack->count;
    while (at > 0 && values_of(stack)[at - 1].kind != PICKLE_MARK)
        at--;
    if (at == 0)
        fail(m, "there is no mark");
    return m->result < 0 ? 0 : stack->count - at;
}

/* ---- Tuples and dictionaries ---- */

/* Replaces the `count` topmost values, and with `marked` the mark below them, by a tuple. */
static void make_tuple(struct machine *m, size_t count, bool marked)
{
    struct pickle *p = m->pickle;
    if (m->result == 0 && p->stack.count < count)
        fail(m, "a tuple of %zu, but %zu values", count, p->stack.count);
    struct pickle_value tuple = {
        .kind = PICKLE_TUPLE, .integer = (int64_t)p->tuples.count, .count = count};
    for (size_t i = 0; m->result == 0 && i < count; i++) {
        struct pickle_value *to = append(m, &p->tuples, sizeof(*to));
        if (to)
            *to = values_of(&p->stack)[p->stack.count - count + i];
    }
    if (m->result < 0)
        return;
    p->stack.count -= count + (marked ? 1 : 0);
    push(m, tuple);
}

/* A tuple's items; NULL if it is empty. */
static const struct pickle_value *tuple_items(const struct machine *m,
                                              const struct pickle_value *tuple)
{
    return tuple->count ? values_of(&m->pickle->tuples) + tuple->integer : NULL;
}

static void push_dictionary(struct machine *m)
{
    struct pickle_value value = {.kind = PICKLE_DICTIONARY,
                                 .integer = (int64_t)m->pickle->dictionaries.count};
    append(m, &m->pickle->dictionaries, sizeof(struct dictionary));
    push(m, value);
}

static void set_entry(struct machine *m, const struct pickle_value *dictionary,
                      struct pickle_value key, struct pickle_value value)
{
    struct pickle *p = m->pickle;
    size_t place = p->entries.count;
    struct pickle_entry *entry = append(m, &p->entries, sizeof(*entry));
    if (!entry)
        return;
    *entry = (struct pickle_entry){key, value, 0};
    struct dictionary *d = (struct dictionary *)p->dictionaries.items + dictionary->integer;
    if (d->last)
        ((struct pickle_entry *)p->entries.items)[d->last].next = place;
    else
        d->first = place;
    d->last = place;
}

/* Adds the `count` topmost values, keys and values in turn, to the dictionary below them. */
static void set_entries(struct machine *m, size_t count, bool marked)
{
    struct pickle *p = m->pickle;
    size_t above = count + (marked ? 1 : 0);
    if (m->result == 0 && (count % 2 || p->stack.count <= above))
        fail(m, "%zu keys and values, expected pairs and a dictionary", count);
    if (m->result < 0)
        return;
    size_t first = p->stack.count - count;
    struct pickle_value dictionary = values_of(&p->stack)[first - 1 - (marked ? 1 : 0)];
    if (dictionary.kind != PICKLE_DICTIONARY)
        fail(m, "keys and values, but no dictionary");
    for (size_t i = 0; m->result == 0 && i < count; i += 2)
        set_entry(m, &dictionary, values_of(&p->stack)[first + i],
                  values_of(&p->stack)[first + i + 1]);
    p->stack.count -= above;
}

/* ---- Globals ---- */

static void push_global(struct machine *m)
{
    struct pickle_text module = take_line(m), name = take_line(m);
    char full[128];
    if (m->result < 0)
        return;
    snprintf(full, sizeof(full), "%.*s %.*s", (int)(module.length > 60 ? 60 : module.length),
             module.data, (int)(name.length > 60 ? 60 : name.length), name.data);
    for (int i = 0; i < GLOBALS; i++)
        if (strcmp(full, global_names[i]) == 0) {
            push(m, (struct pickle_value){.kind = PICKLE_GLOBAL, .integer = i});
            return;
        }
    fail(m, "the global '%s', expected only those of a dictionary of tensors", full);
}

/* A persistent id ("storage", type, name, device, count) refers to a file of values. */
static void push_storage(struct machine *m)
{
    static const enum value_type types[] = {
        [FLOAT_STORAGE] = VALUE_F32, [HALF_STORAGE] = VALUE_F16, [BFLOAT_STORAGE] = VALUE_BF16};
    struct pickle_value tuple = pop_kind(m, PICKLE_TUPLE, "a tuple for a storage");
    if (m->result < 0)
        return;
    const struct pickle_value *items = tuple_items(m, &tuple);
    if (tuple.count != 5 || items[0].kind != PICKLE_TEXT || items[0].text.length != 7 ||
        memcmp(items[0].text.data, "storage", 7) != 0 || items[1].kind != PICKLE_GLOBAL ||
        items[1].integer < FLOAT_STORAGE || items[2].kind != PICKLE_TEXT ||
        items[4].kind != PICKLE_INTEGER || items[4].integer < 0) {
        fail(m, "a persistent object that is no storage of float, half or bfloat16");
        return;
    }
    if ((uint64_t)items[4].integer > MOST_VALUES) {
        fail(m, "a storage of %" PRId64 " values, expected at most %" PRIu64, items[4].integer,
             MOST_VALUES);
        return;
    }
    struct pickle_value value = {.kind = PICKLE_STORAGE,
                                 .integer = (int64_t)m->pickle->storages.count};
    const struct pickle_storage made = {items[2].text, types[items[1].integer],
                                        (uint64_t)items[4].integer};
    struct pickle_storage *storage = append(m, &m->pickle->storages, sizeof(*storage));
    if (storage)
        *storage = made;
    push(m, value);
}

/* Reads a tensor's sizes and strides, which must be those of contiguous values. */
static void read_shape(struct machine *m, struct pickle_tensor *tensor,
                       const struct pickle_value *sizes, const struct pickle_value *steps)
{
    if (sizes->kind != PICKLE_TUPLE || steps->kind != PICKLE_TUPLE ||
        sizes->count != steps->count || sizes->count > CHECKPOINT_MAX_RANK) {
        fail(m, "a tensor without sizes and strides, of at most %d dimensions",
             CHECKPOINT_MAX_RANK);
        return;
    }
    const struct pickle_value *size = tuple_items(m, sizes), *step = tuple_items(m, steps);
    uint64_t values = 1;
    tensor->rank = (uint32_t)sizes->count;
    for (size_t i = sizes->count; i-- > 0;) {
        if (size[i].kind != PICKLE_INTEGER || size[i].integer < 1 ||
            step[i].kind != PICKLE_INTEGER ||
            (size[i].integer > 1 && step[i].integer != (int64_t)values) ||
            __builtin_mul_overflow(values, (uint64_t)size[i].integer, &values) ||
            values > INT64_MAX) {
            fail(m, "a tensor whose values are not contiguous");
            return;
        }
        tensor->shape[i] = (uint64_t)size[i].integer;
    }
    const struct pickle_storage *storage = pickle_storage(m->pickle, tensor->storage);
    if (values > storage->count || tensor->offset > storage->count - values)
        fail(m, "a tensor of %" PRIu64 " values from %" PRIu64 ", but the storage has %" PRIu64,
             values, tensor->offset, storage->count);
}

/* Arguments: (storage, offset, sizes, strides, requires_grad, hooks, ...). */
static void push_tensor(struct machine *m, const struct pickle_value *arguments)
{
    const struct pickle_value *items = tuple_items(m, arguments);
    if (arguments->count < 4 || items[0].kind != PICKLE_STORAGE ||
        items[1].kind != PICKLE_INTEGER || items[1].integer < 0) {
        fail(m, "a tensor without storage and offset");
        return;
    }
    struct pickle_tensor made = {.storage = (size_t)items[0].integer,
                                 .offset = (uint64_t)items[1].integer};
    read_shape(m, &made, &items[2], &items[3]);
    struct pickle_value value = {.kind = PICKLE_TENSOR,
                                 .integer = (int64_t)m->pickle->tensors.count};
    struct pickle_tensor *tensor = append(m, &m->pickle->tensors, sizeof(*tensor));
    if (tensor)
        *tensor = made;
    push(m, value);
}

static void call(struct machine *m)
{
    struct pickle_value arguments = pop_kind(m, PICKLE_TUPLE, "arguments in a tuple");
    struct pickle_value global = pop_kind(m, PICKLE_GLOBAL, "a global to call");
    if (m->result < 0)
        return;
    if (global.integer == ORDERED_DICTIONARY && arguments.count == 0)
        push_dictionary(m);
    else if (global.integer == REBUILD_TENSOR)
        push_tensor(m, &arguments);
    else
        fail(m, "%s is called with %zu arguments", global_names[global.integer], arguments.count);
}

/* ---- The memo ---- */

static void remember(struct machine *m, uint64_t place)
{
    struct pickle *p = m->pickle;
    /* Memo indices are consecutive, and each takes at least one byte of the pickle. */
    uint64_t places = (uint64_t)(m->end - m->start);
    if (m->result == 0 && (p->stack.count == 0 || place >= places))
        fail(m, "place %" PRIu64 " of the memo, expected less than %" PRIu64 " and a value", place,
             places);
    while (m->result == 0 && p->memo.count <= place) {
        struct pickle_value *empty = append(m, &p->memo, sizeof(*empty));
        if (empty)
            empty->kind = PICKLE_MARK;
    }
    if (m->result == 0)
        values_of(&p->memo)[place] = values_of(&p->stack)[p->stack.count - 1];
}

static void recall(struct machine *m, uint64_t place)
{
    const struct pickle_list *memo = &m->pickle->memo;
    if (m->result == 0 && (place >= memo->count || values_of(memo)[place].kind == PICKLE_MARK))
        fail(m, "place %" PRIu64 " of the memo is empty", place);
    if (m->result == 0)
        push(m, values_of(memo)[place]);
}

/* ---- Opcodes ---- */

static void push_text(struct machine *m)
{
    uint64_t length = take_number(m, 4);
    const uint8_t *text = take(m, length);
    if (text)
        push(m, (struct pickle_value){.kind = PICKLE_TEXT, .text = {(const char *)text, length}});
}

/* LONG1: a length byte, then a little-endian two's complement number. */
static void push_long(struct machine *m)
{
    uint64_t size = take_number(m, 1);
    if (m->result == 0 && size > 8)
        fail(m, "a number of %" PRIu64 " bytes, expected at most 8", size);
    uint64_t value = take_number(m, m->result < 0 ? 0 : size);
    bool negative = size > 0 && size <= 8 && value >> (8 * size - 1) & 1;
    if (negative && size < 8)
        value |= UINT64_MAX << 8 * size;
    push_integer(m, (int64_t)value);
}

/* BUILD sets the attributes of an OrderedDict, which are ignored. */
static void build(struct machine *m)
{
    pop(m);
    struct pickle_value built = pop_kind(m, PICKLE_DICTIONARY, "a dictionary to build");
    push(m, built);
}

static void check_protocol(struct machine *m)
{
    uint64_t protocol = take_number(m, 1);
    if (m->result == 0 && protocol != PROTOCOL)
        fail(m, "protocol %" PRIu64 ", expected %d", protocol, PROTOCOL);
}

static void step(struct machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 0x80:
        check_protocol(m);
        break;
    case '(':
        push(m, (struct pickle_value){.kind = PICKLE_MARK});
        break;
    case '}':
        push_dictionary(m);
        break;
    case ')':
        make_tuple(m, 0, false);
        break;
    case 't':
        make_tuple(m, count_to_mark(m), true);
        break;
    case 0x85:
    case 0x86:
    case 0x87:
        make_tuple(m, opcode - 0x84u, false);
        break;
    case 's':
        set_entries(m, 2, false);
        break;
    case 'u':
        set_entries(m, count_to_mark(m), true);
        break;
    case 'q':
        remember(m, take_number(m, 1));
        break;
    case 'r':
        remember(m, take_number(m, 4));
        break;
    case 'h':
        recall(m, take_number(m, 1));
        break;
    case 'j':
        recall(m, take_number(m, 4));
        break;
    case 'X':
        push_text(m);
        break;
    case 'J':
        push_integer(m, (int32_t)take_number(m, 4));
        break;
    case 'K':
        push_integer(m, (int64_t)take_number(m, 1));
        break;
    case 'M':
        push_integer(m, (int64_t)take_number(m, 2));
        break;
    case 0x8a:
        push_long(m);
        break;
    case 'N':
        push(m, (struct pickle_value){.kind = PICKLE_NONE});
        break;
    case 0x88:
    case 0x89:
        push_integer(m, opcode == 0x88);
        break;
    case 'c':
        push_global(m);
        break;
    case 'Q':
        push_storage(m);
        break;
    case 'R':
        call(m);
        break;
    case 'b':
        build(m);
        break;
    default:
        fail(m, "the opcode 0x%02x, expected only those of a dictionary of tensors", opcode);
    }
}

int pickle_read(struct pickle *pickle, const uint8_t *data, size_t size,
                struct hearken_error *error)
{
    struct machine m = {pickle, data, data, data + size, error, 0};
    *pickle = (struct pickle){.root.kind = PICKLE_NONE};
    append(&m, &pickle->entries, sizeof(struct pickle_entry));
    for (;;) {
        const uint8_t *opcode = take(&m, 1);
        if (!opcode || *opcode == '.')
            break;
        step(&m, *opcode);
    }
    pickle->root = pop_kind(&m, PICKLE_DICTIONARY, "a dictionary in the end");
    return m.result;
}

void pickle_finish(struct pickle *pickle)
{
    free(pickle->stack.items);
    free(pickle->memo.items);
    free(pickle->tuples.items);
    free(pickle->entries.items);
    free(pickle->dictionaries.items);
    free(pickle->storages.items);
    free(pickle->tensors.items);
    *pickle = (struct pickle){.root.kind = PICKLE_NONE};
}

/* ---- Access ---- */

static const struct pickle_entry *entry_at(const struct pickle *pickle, size_t place)
{
    return place ? (const struct pickle_entry *)pickle->entries.items + place : NULL;
}

const struct pickle_entry *pickle_first(const struct pickle *pickle,
                                        const struct pickle_value *dictionary)
{
    if (!dictionary || dictionary->kind != PICKLE_DICTIONARY)
        return NULL;
    const struct dictionary *all = pickle->dictionaries.items;
    return entry_at(pickle, all[dictionary->integer].first);
}

const struct pickle_entry *pickle_next(const struct pickle *pickle,
                                       const struct pickle_entry *entry)
{
    return entry_at(pickle, entry->next);
}

const struct pickle_value *pickle_find(const struct pickle *pickle,
                                       const struct pickle_value *dictionary, const char *key)
{
    for (const struct pickle_entry *entry = pickle_first(pickle, dictionary); entry;
         entry = pickle_next(pickle, entry))
        if (entry->key.kind == PICKLE_TEXT && entry->key.text.length == strlen(key) &&
            memcmp(entry->key.text.data, key, strlen(key)) == 0)
            return &entry->value;
    return NULL;
}

const struct pickle_tensor *pickle_tensor(const struct pickle *pickle,
                                          const struct pickle_value *value)
{
    return (const struct pickle_tensor *)pickle->tensors.items + value->integer;
}

const struct pickle_storage *pickle_storage(const struct pickle *pickle, size_t place)
{
    return (const struct pickle_storage *)pickle->storages.items + place;
}
