// SPDX-License-Identifier: MIT
/* The reader of model files, on files that are right and on files that are wrong in one place. */
#include "models/file/gguf.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_gguf_tests(void);

/* ---- Helpers ---- */

static bool says(const struct hearken_error *error, const char *part)
{
    if (strstr(error->message, part))
        return true;
    printf("\n    '%s' does not say '%s' ", error->message, part);
    return false;
}

/* Opens a copy that ends where the bytes end; `copy` is to be freed after the file. */
static int open_exactly(const struct bytes *bytes, size_t size, void **copy, struct gguf **gguf,
                        struct hearken_error *error)
{
    *copy = exact_copy(bytes->data, size);
    *gguf = NULL;
    error->message[0] = 0;
    return gguf_open_memory(*copy, size, gguf, error);
}

/* Touches all that the reader hands out; a sum, so that no read is left out. */
static unsigned long walk(const struct gguf *gguf)
{
    unsigned long sum = 0;
    for (uint64_t i = 0; i < gguf->entry_count; i++) {
        const struct gguf_entry *entry = &gguf->entries[i];
        const uint8_t *cursor = entry->data;
        sum += strlen(entry->name) + (gguf_find_entry(gguf, entry->name) == entry);
        for (uint64_t k = 0; k < entry->count; k++)
            if (entry->type == GGUF_STRING) {
                struct gguf_string string = gguf_next_string(&cursor);
                for (size_t c = 0; c < string.length; c++)
                    sum += (uint8_t)string.data[c];
            } else {
                sum += gguf_number(entry, k) > 0;
            }
    }
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const struct gguf_tensor *tensor = &gguf->tensors[i];
        sum += gguf_find_tensor(gguf, tensor->name) == tensor;
        for (uint64_t b = 0; b < tensor->bytes; b++)
            sum += ((const uint8_t *)tensor->data)[b];
    }
    return sum;
}

/* The bytes are refused with -EINVAL and a message that holds `part`. */
static void refuses(struct bytes *bytes, const char *part)
{
    struct hearken_error error;
    struct gguf *gguf;
    void *copy;
    int result = open_exactly(bytes, bytes->length, &copy, &gguf, &error);
    EXPECT_EQUAL(result, -EINVAL);
    if (result == 0) {
        printf("\n    accepted, but should say '%s' ", part);
        gguf_destroy(gguf);
    } else {
        CU_ASSERT_PTR_NULL(gguf);
        CU_ASSERT(says(&error, part));
    }
    free(copy);
    bytes_finish(bytes);
}

static void accepts(struct bytes *bytes)
{
    struct hearken_error error;
    struct gguf *gguf;
    void *copy;
    int result = open_exactly(bytes, bytes->length, &copy, &gguf, &error);
    EXPECT_EQUAL(result, 0);
    if (result < 0)
        printf("\n    %s ", error.message);
    else
        walk(gguf);
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(bytes);
}

static struct bytes header(uint32_t version, uint64_t tensors, uint64_t entries)
{
    struct bytes bytes = {0};
    bytes_put(&bytes, "GGUF", 4);
    bytes_put_u32(&bytes, version);
    bytes_put_u64(&bytes, tensors);
    bytes_put_u64(&bytes, entries);
    return bytes;
}

/* So that counts are not refused for the size of the file. */
static void put_zeros(struct bytes *bytes, size_t count)
{
    while (count-- > 0)
        bytes_put(bytes, "", 1);
}

static void put_tensor(struct bytes *bytes, const char *name, uint32_t rank, const uint64_t *shape,
                       uint32_t type, uint64_t offset)
{
    bytes_put_string(bytes, name);
    bytes_put_u32(bytes, rank);
    for (uint32_t i = 0; i < rank; i++)
        bytes_put_u64(bytes, shape[i]);
    bytes_put_u32(bytes, type);
    bytes_put_u64(bytes, offset);
}

/* A file of one tensor "weight" with `data` bytes behind the header. */
static struct bytes one_tensor(uint32_t rank, const uint64_t *shape, uint32_t type, uint64_t offset,
                               size_t data)
{
    struct bytes bytes = header(3, 1, 0);
    put_tensor(&bytes, "weight", rank, shape, type, offset);
    while (bytes.length % 32)
        put_zeros(&bytes, 1);
    put_zeros(&bytes, data);
    return bytes;
}

/* A file of one entry "key" with `value` behind its name, and zeros. */
static struct bytes one_entry(const struct bytes *value)
{
    struct bytes bytes = header(3, 0, 1);
    bytes_put_string(&bytes, "key");
    bytes_put(&bytes, value->data, value->length);
    put_zeros(&bytes, 4);
    return bytes;
}

/* ---- A file with everything in it ---- */

static const double numbers[] = {0, 1, 77};

static struct made_file everything(void)
{
    static const char *const texts[] = {"", "two", "\xe2\x96\x81three"};
    static const float floats[6] = {0, 1, -2, 3.5f, 1e-3f, -1e9f};
    uint8_t halves[10], blocks[2 * 34];
    int32_t integers[5] = {1, -1, INT32_MAX, INT32_MIN, 0};
    struct made_file file = {0};
    for (size_t i = 0; i < sizeof(halves); i++)
        halves[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < sizeof(blocks); i++)
        blocks[i] = (uint8_t)(200 - i);
    made_string(&file, "general.architecture", "something");
    made_number(&file, "z.u8", GGUF_U8, 200);
    made_number(&file, "a.i8", GGUF_I8, -100);
    made_number(&file, "u16", GGUF_U16, 65535);
    made_number(&file, "i16", GGUF_I16, -32768);
    made_number(&file, "u32", GGUF_U32, 4294967295.0);
    made_number(&file, "i32", GGUF_I32, -2147483648.0);
    made_number(&file, "f32", GGUF_F32, 0.15625);
    made_number(&file, "bool", GGUF_BOOL, 1);
    made_number(&file, "u64", GGUF_U64, 9007199254740992.0);
    made_number(&file, "i64", GGUF_I64, -9007199254740992.0);
    made_number(&file, "f64", GGUF_F64, 1e300);
    made_numbers(&file, "numbers", GGUF_I16, numbers, 3);
    made_numbers(&file, "none", GGUF_F64, numbers, 0);
    made_strings(&file, "texts", texts, 3);
    made_tensor(&file, "floats", GGUF_TENSOR_F32, (uint64_t[4]){3, 2}, floats, sizeof(floats));
    made_tensor(&file, "a.halves", GGUF_TENSOR_F16, (uint64_t[4]){5}, halves, sizeof(halves));
    made_tensor(&file, "blocks", GGUF_TENSOR_Q8_0, (uint64_t[4]){32, 1, 2}, blocks, sizeof(blocks));
    made_tensor(&file, "integers", GGUF_TENSOR_I32, (uint64_t[4]){1, 1, 1, 5}, integers,
                sizeof(integers));
    return file;
}

static double scalar(const struct gguf *gguf, const char *name, enum gguf_type type)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    EXPECT_EQUAL_STRING(entry->name, name);
    CU_ASSERT_FALSE(entry->is_array);
    EXPECT_EQUAL(entry->count, 1);
    EXPECT_EQUAL(entry->type, type);
    return gguf_number(entry, 0);
}

static void check_scalars(const struct gguf *gguf)
{
    EXPECT_EQUAL(scalar(gguf, "z.u8", GGUF_U8), 200);
    EXPECT_EQUAL(scalar(gguf, "a.i8", GGUF_I8), -100);
    EXPECT_EQUAL(scalar(gguf, "u16", GGUF_U16), 65535);
    EXPECT_EQUAL(scalar(gguf, "i16", GGUF_I16), -32768);
    EXPECT_EQUAL(scalar(gguf, "u32", GGUF_U32), 4294967295.0);
    EXPECT_EQUAL(scalar(gguf, "i32", GGUF_I32), -2147483648.0);
    EXPECT_EQUAL(scalar(gguf, "f32", GGUF_F32), 0.15625);
    EXPECT_EQUAL(scalar(gguf, "bool", GGUF_BOOL), 1);
    EXPECT_EQUAL(scalar(gguf, "u64", GGUF_U64), 9007199254740992.0);
    EXPECT_EQUAL(scalar(gguf, "i64", GGUF_I64), -9007199254740992.0);
    EXPECT_EQUAL(scalar(gguf, "f64", GGUF_F64), 1e300);
}

static bool is_text(struct gguf_string string, const char *text)
{
    return string.length == strlen(text) && memcmp(string.data, text, string.length) == 0;
}

static void check_arrays(const struct gguf *gguf)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, "numbers");
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT(entry->is_array);
    EXPECT_EQUAL_FATAL(entry->count, 3);
    for (uint64_t i = 0; i < 3; i++)
        EXPECT_EQUAL(gguf_number(entry, i), numbers[i]);
    entry = gguf_find_entry(gguf, "none");
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT(entry->is_array);
    EXPECT_EQUAL(entry->count, 0);
    entry = gguf_find_entry(gguf, "texts");
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    EXPECT_EQUAL_FATAL(entry->count, 3);
    const uint8_t *cursor = entry->data;
    CU_ASSERT(is_text(gguf_next_string(&cursor), ""));
    CU_ASSERT(is_text(gguf_next_string(&cursor), "two"));
    CU_ASSERT(is_text(gguf_next_string(&cursor), "\xe2\x96\x81three"));
    entry = gguf_find_entry(gguf, "general.architecture");
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT(is_text(gguf_string(entry), "something"));
}

static void check_tensors(const struct gguf *gguf, const struct made_file *made, const void *start)
{
    static const char *const names[] = {"floats", "a.halves", "blocks", "integers"};
    static const uint64_t shapes[][4] = {{3, 2, 1, 1}, {5, 1, 1, 1}, {32, 1, 2, 1}, {1, 1, 1, 5}};
    static const uint32_t ranks[] = {2, 1, 3, 4};
    EXPECT_EQUAL_FATAL(gguf->tensor_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct gguf_tensor *tensor = gguf_find_tensor(gguf, names[i]);
        EXPECT_EQUAL_FATAL(tensor, &gguf->tensors[i]);
        EXPECT_EQUAL(tensor->type, made->tensors[i].type);
        EXPECT_EQUAL(tensor->rank, ranks[i]);
        EXPECT_EQUAL(memcmp(tensor->shape, shapes[i], sizeof(shapes[i])), 0);
        EXPECT_EQUAL_FATAL(tensor->bytes, made->tensors[i].data.length);
        EXPECT_EQUAL(memcmp(tensor->data, made->tensors[i].data.data, tensor->bytes), 0);
        EXPECT_EQUAL(((const char *)tensor->data - (const char *)start) % 32, 0);
    }
}

static void test_reads_everything(void)
{
    struct made_file made = everything();
    struct bytes bytes = made_bytes(&made);
    struct hearken_error error;
    struct gguf *gguf;
    void *copy;
    EXPECT_EQUAL_FATAL(open_exactly(&bytes, bytes.length, &copy, &gguf, &error), 0);
    EXPECT_EQUAL_FATAL(gguf->entry_count, made.entry_count);
    for (uint64_t i = 0; i < gguf->entry_count; i++)
        EXPECT_EQUAL_STRING(gguf->entries[i].name, made.entries[i].name);
    check_scalars(gguf);
    check_arrays(gguf);
    check_tensors(gguf, &made, copy);
    CU_ASSERT_PTR_NULL(gguf_find_entry(gguf, "floats"));
    CU_ASSERT_PTR_NULL(gguf_find_tensor(gguf, "u8"));
    static const char *const absent[] = {
        "", "a", "a.i7", "a.i88", "u", "zz", "general.architectur"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
        CU_ASSERT_PTR_NULL(gguf_find_entry(gguf, absent[i]));
        CU_ASSERT_PTR_NULL(gguf_find_tensor(gguf, absent[i]));
    }
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(&bytes);
    made_finish(&made);
}

static void test_names_of_types(void)
{
    static const char *const expected[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
    for (int i = 0; i < GGUF_TYPE_COUNT; i++)
        EXPECT_EQUAL_STRING(gguf_type_name((enum gguf_type)i), expected[i]);
    CU_ASSERT_PTR_NULL(gguf_type_name(GGUF_TYPE_COUNT));
    EXPECT_EQUAL_STRING(gguf_tensor_type_name(GGUF_TENSOR_F32), "F32");
    EXPECT_EQUAL_STRING(gguf_tensor_type_name(GGUF_TENSOR_F16), "F16");
    EXPECT_EQUAL_STRING(gguf_tensor_type_name(GGUF_TENSOR_Q8_0), "Q8_0");
    EXPECT_EQUAL_STRING(gguf_tensor_type_name(GGUF_TENSOR_I32), "I32");
    CU_ASSERT_PTR_NULL(gguf_tensor_type_name((enum gguf_tensor_type)2));
}

static void test_empty_file_of_nothing(void)
{
    struct bytes bytes = header(3, 0, 0);
    accepts(&bytes);
}

/* The last tensor ends with the file, so each byte is needed. */
static void test_truncated_anywhere(void)
{
    struct made_file made = everything();
    struct bytes bytes = made_bytes(&made);
    size_t refused = 0;
    for (size_t size = 0; size < bytes.length; size++) {
        struct hearken_error error;
        struct gguf *gguf;
        void *copy;
        int result = open_exactly(&bytes, size, &copy, &gguf, &error);
        refused += result == -EINVAL && error.message[0];
        if (result == 0)
            gguf_destroy(gguf);
        free(copy);
    }
    EXPECT_EQUAL(refused, bytes.length);
    CU_ASSERT(bytes.length > 700);
    bytes_finish(&bytes);
    made_finish(&made);
}

/* No byte, whatever is in it, makes the reader look outside: the sanitizers judge. */
static void test_each_byte_changed(void)
{
    static const uint8_t changes[] = {0x01, 0x04, 0x10, 0x7f, 0x80, 0xff};
    struct made_file made = everything();
    struct bytes bytes = made_bytes(&made);
    size_t opened = 0, refused = 0, count = sizeof(changes);
    unsigned long sum = 0;
    for (size_t at = 0; at < bytes.length; at++)
        for (size_t c = 0; c < count; c++) {
            struct hearken_error error;
            struct gguf *gguf;
            void *copy;
            bytes.data[at] ^= changes[c];
            int result = open_exactly(&bytes, bytes.length, &copy, &gguf, &error);
            bytes.data[at] ^= changes[c];
            if (result == 0) {
                opened++;
                sum += walk(gguf);
                gguf_destroy(gguf);
            } else {
                refused += result == -EINVAL && error.message[0];
            }
            free(copy);
        }
    EXPECT_EQUAL(opened + refused, bytes.length * count);
    CU_ASSERT(opened > 0 && refused > 0 && sum > 0);
    bytes_finish(&bytes);
    made_finish(&made);
}

/* ---- Wrong in one place ---- */

static void test_wrong_header(void)
{
    struct bytes bytes = {0};
    bytes_put(&bytes, "GGUX", 4);
    put_zeros(&bytes, 20);
    refuses(&bytes, "does not start with 'GGUF'");
    bytes_put(&bytes, "GGU", 3);
    refuses(&bytes, "does not start with 'GGUF'");
    static const uint32_t versions[] = {0, 1, 2, 4, 0x03000000};
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "version %u,", versions[i]);
        bytes = header(versions[i], 0, 0);
        refuses(&bytes, expected);
    }
}

/* Counts that the bytes behind them cannot hold, or that no model has. */
static void test_wrong_counts(void)
{
    static const uint64_t counts[] = {2, 1000, UINT64_C(1) << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct bytes bytes = header(3, counts[i], 0);
        put_zeros(&bytes, 24);
        refuses(&bytes, "tensors do not fit");
        bytes = header(3, 0, counts[i]);
        put_zeros(&bytes, 13);
        refuses(&bytes, "entries do not fit");
    }
    struct bytes bytes = header(3, 65537, 0);
    put_zeros(&bytes, 65537 * 24);
    refuses(&bytes, "65537 tensors do not fit");
    bytes = header(3, 0, 65537);
    put_zeros(&bytes, 65537 * 13);
    refuses(&bytes, "65537 entries do not fit");
}

static struct bytes many_entries(uint32_t count, uint32_t repeated)
{
    struct bytes bytes = header(3, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        /* Not in order, so that sorting has work to do. */
        uint32_t number = i * 40503u % 65536u;
        snprintf(name, sizeof(name), "%u", repeated && i == repeated ? 0 : number);
        bytes_put_string(&bytes, name);
        bytes_put_u32(&bytes, GGUF_U8);
        bytes_put(&bytes, &(uint8_t){(uint8_t)number}, 1);
    }
    return bytes;
}

static void test_as_many_entries_as_may_be(void)
{
    struct bytes bytes = many_entries(65536, 0);
    struct hearken_error error;
    struct gguf *gguf;
    void *copy;
    EXPECT_EQUAL_FATAL(open_exactly(&bytes, bytes.length, &copy, &gguf, &error), 0);
    size_t found = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", i);
        const struct gguf_entry *entry = gguf_find_entry(gguf, name);
        found += entry && gguf_number(entry, 0) == (uint8_t)i;
    }
    EXPECT_EQUAL(found, 65536);
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(&bytes);
    bytes = many_entries(65536, 4711);
    refuses(&bytes, "the name '0' is there twice");
}

static struct bytes named_entry(uint64_t length, const char *name, size_t size)
{
    struct bytes bytes = header(3, 0, 1);
    bytes_put_u64(&bytes, length);
    bytes_put(&bytes, name, size);
    bytes_put_u32(&bytes, GGUF_U8);
    put_zeros(&bytes, 40);
    return bytes;
}

static struct bytes named_tensor(uint64_t length, const char *name, size_t size)
{
    struct bytes bytes = header(3, 1, 0);
    bytes_put_u64(&bytes, length);
    bytes_put(&bytes, name, size);
    bytes_put_u32(&bytes, 1);
    bytes_put_u64(&bytes, 1);
    bytes_put_u32(&bytes, GGUF_TENSOR_F32);
    bytes_put_u64(&bytes, 0);
    put_zeros(&bytes, 64);
    return bytes;
}

static void test_wrong_names(void)
{
    static struct bytes (*const named[])(uint64_t, const char *, size_t) = {named_entry,
                                                                            named_tensor};
    static char longest[1025];
    memset(longest, 'n', sizeof(longest));
    for (size_t i = 0; i < 2; i++) {
        struct bytes bytes = named[i](1024, longest, 1024);
        accepts(&bytes);
        bytes = named[i](1025, longest, 1025);
        refuses(&bytes, "1025 bytes, expected 1 to 1024");
        bytes = named[i](0, "", 0);
        refuses(&bytes, "0 bytes, expected 1 to 1024");
        bytes = named[i](UINT64_MAX, "name", 4);
        refuses(&bytes, "18446744073709551615 bytes");
        bytes = named[i](1000, "name", 4);
        refuses(&bytes, "the file ends in the name of");
        bytes = named[i](5, "na\0me", 5);
        refuses(&bytes, "holds a zero byte");
        bytes = named[i](5, "name\0", 5);
        refuses(&bytes, "holds a zero byte");
    }
}

static void test_same_name_twice(void)
{
    struct bytes bytes = header(3, 0, 3);
    for (size_t i = 0; i < 3; i++) {
        bytes_put_string(&bytes, i == 1 ? "other" : "same");
        bytes_put_u32(&bytes, GGUF_U8);
        put_zeros(&bytes, 1);
    }
    refuses(&bytes, "the name 'same' is there twice");
    bytes = header(3, 3, 0);
    for (size_t i = 0; i < 3; i++)
        put_tensor(&bytes, i == 1 ? "other" : "same", 1, (uint64_t[]){1}, GGUF_TENSOR_F32, 0);
    put_zeros(&bytes, 64);
    refuses(&bytes, "the name 'same' is there twice");
    /* An entry and a tensor may be called alike. */
    bytes = header(3, 1, 1);
    bytes_put_string(&bytes, "same");
    bytes_put_u32(&bytes, GGUF_U8);
    put_zeros(&bytes, 1);
    put_tensor(&bytes, "same", 1, (uint64_t[]){1}, GGUF_TENSOR_F32, 0);
    put_zeros(&bytes, 64);
    accepts(&bytes);
}

static struct bytes entry_of(uint32_t type, const void *behind, size_t size)
{
    struct bytes value = {0};
    bytes_put_u32(&value, type);
    bytes_put(&value, behind, size);
    struct bytes bytes = one_entry(&value);
    bytes_finish(&value);
    return bytes;
}

static struct bytes array_entry(uint32_t type, uint64_t count, size_t zeros)
{
    struct bytes value = {0};
    bytes_put_u32(&value, GGUF_ARRAY);
    bytes_put_u32(&value, type);
    bytes_put_u64(&value, count);
    put_zeros(&value, zeros);
    struct bytes bytes = one_entry(&value);
    bytes_finish(&value);
    return bytes;
}

static void test_wrong_types(void)
{
    static const uint32_t types[] = {13, 14, 255, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "'key' has type %u, expected 0 to 12", types[i]);
        struct bytes bytes = entry_of(types[i], "\0\0\0\0\0\0\0\0", 8);
        refuses(&bytes, expected);
        bytes = array_entry(types[i], 1, 8);
        refuses(&bytes, expected);
    }
    struct bytes bytes = array_entry(GGUF_ARRAY, 1, 16);
    refuses(&bytes, "'key' is an array of arrays");
    bytes = array_entry(GGUF_ARRAY, 0, 0);
    refuses(&bytes, "'key' is an array of arrays");
}

static void test_wrong_arrays(void)
{
    static const uint64_t counts[] = {9, UINT64_C(1) << 61, UINT64_C(1) << 63, UINT64_MAX};
    static const uint32_t types[] = {GGUF_U8, GGUF_U16, GGUF_F32, GGUF_F64, GGUF_STRING};
    for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
        for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
            struct bytes bytes = array_entry(types[t], counts[c], 0);
            refuses(&bytes, "the file ends in key");
        }
    struct bytes bytes = array_entry(GGUF_U32, 3, 8);
    accepts(&bytes); /* with the 4 zeros behind every entry */
    bytes = array_entry(GGUF_U32, 3, 7);
    refuses(&bytes, "the file ends in key");
}

static void test_wrong_strings(void)
{
    static const uint64_t lengths[] = {5, 6, UINT64_C(1) << 40, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct bytes bytes = entry_of(GGUF_STRING, &lengths[i], 8);
        refuses(&bytes, "the file ends in key");
        struct bytes value = {0};
        bytes_put_u32(&value, GGUF_ARRAY);
        bytes_put_u32(&value, GGUF_STRING);
        bytes_put_u64(&value, 2);
        bytes_put_string(&value, "first");
        bytes_put_u64(&value, lengths[i]);
        bytes = one_entry(&value);
        bytes_finish(&value);
        refuses(&bytes, "the file ends in key");
    }
    struct bytes bytes = entry_of(GGUF_STRING, &(uint64_t){4}, 8);
    accepts(&bytes);
}

/* ---- Tensors ---- */

static void test_wrong_ranks(void)
{
    static const uint64_t shape[] = {1, 1, 1, 1, 1, 1};
    struct bytes bytes = one_tensor(0, shape, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "'weight' has 0 dimensions, expected 1 to 4");
    bytes = one_tensor(5, shape, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "'weight' has 5 dimensions, expected 1 to 4");
    bytes = header(3, 1, 0);
    bytes_put_string(&bytes, "weight");
    bytes_put_u32(&bytes, UINT32_MAX);
    put_zeros(&bytes, 64);
    refuses(&bytes, "'weight' has 4294967295 dimensions");
    for (uint32_t rank = 1; rank <= 4; rank++) {
        bytes = one_tensor(rank, shape, GGUF_TENSOR_F32, 0, 4);
        accepts(&bytes);
    }
}

static void test_wrong_dimensions(void)
{
    struct bytes bytes = one_tensor(2, (uint64_t[]){0, 3}, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "dimension 0 of 'weight' is 0");
    bytes = one_tensor(3, (uint64_t[]){1, 1, 0}, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "dimension 2 of 'weight' is 0");
    bytes = one_tensor(1, (uint64_t[]){UINT64_MAX}, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "dimension 0 of 'weight' is 18446744073709551615");
    /* Products of 2^64 and a little more, which would come out as small numbers. */
    bytes =
        one_tensor(2, (uint64_t[]){UINT64_C(1) << 32, UINT64_C(1) << 32}, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "dimension 1 of 'weight'");
    bytes = one_tensor(4, (uint64_t[]){65536, 65536, 65536, 65536}, GGUF_TENSOR_F16, 0, 64);
    refuses(&bytes, "dimension 3 of 'weight'");
    /* 2^62 elements of 4 bytes: the product fits, the bytes would not. */
    bytes =
        one_tensor(2, (uint64_t[]){UINT64_C(1) << 31, UINT64_C(1) << 31}, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "'weight'");
    bytes = one_tensor(1, (uint64_t[]){UINT64_MAX >> 8}, GGUF_TENSOR_F32, 0, 64);
    refuses(&bytes, "'weight' needs 288230376151711740 bytes");
}

static void test_wrong_elements(void)
{
    static const uint32_t types[] = {2, 7, 9, 25, 27, INT32_MAX, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct bytes bytes = one_tensor(1, (uint64_t[]){32}, types[i], 0, 256);
        refuses(&bytes, "'weight' has element type");
    }
    static const uint64_t rows[] = {1, 31, 33, 48};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bytes bytes =
            one_tensor(2, (uint64_t[]){rows[i], 32}, GGUF_TENSOR_Q8_0, 0, rows[i] * 64);
        refuses(&bytes, "expected a multiple of 32");
    }
}

/* One byte less than it takes is refused, for each type. */
static void test_data_ends_early(void)
{
    static const struct {
        enum gguf_tensor_type type;
        size_t bytes;
    } cases[] = {{GGUF_TENSOR_F32, 64 * 3 * 4},
                 {GGUF_TENSOR_I32, 64 * 3 * 4},
                 {GGUF_TENSOR_F16, 64 * 3 * 2},
                 {GGUF_TENSOR_Q8_0, 2 * 3 * 34}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        static const uint64_t shape[] = {64, 3};
        char expected[64];
        snprintf(expected, sizeof(expected), "'weight' needs %zu bytes at ", cases[i].bytes);
        struct bytes bytes = one_tensor(2, shape, cases[i].type, 0, cases[i].bytes);
        accepts(&bytes);
        bytes = one_tensor(2, shape, cases[i].type, 0, cases[i].bytes - 1);
        refuses(&bytes, expected);
        bytes = one_tensor(2, shape, cases[i].type, 32, cases[i].bytes + 32);
        accepts(&bytes);
        bytes = one_tensor(2, shape, cases[i].type, 32, cases[i].bytes + 31);
        refuses(&bytes, expected);
    }
}

static void test_wrong_offsets(void)
{
    static const uint64_t shape[] = {4};
    static const uint64_t unaligned[] = {1, 4, 16, 31, 33, UINT64_MAX};
    for (size_t i = 0; i < sizeof(unaligned) / sizeof(*unaligned); i++) {
        struct bytes bytes = one_tensor(1, shape, GGUF_TENSOR_F32, unaligned[i], 128);
        refuses(&bytes, "expected a multiple of 32");
    }
    static const uint64_t beyond[] = {128, 4096, UINT64_C(1) << 63, UINT64_MAX - 31,
                                      UINT64_MAX - 95};
    for (size_t i = 0; i < sizeof(beyond) / sizeof(*beyond); i++) {
        struct bytes bytes = one_tensor(1, shape, GGUF_TENSOR_F32, beyond[i], 128);
        refuses(&bytes, "'weight' needs 16 bytes at ");
    }
    struct bytes bytes = one_tensor(1, shape, GGUF_TENSOR_F32, 96, 128);
    accepts(&bytes);
    /* The header itself ends before the data could begin. */
    bytes = header(3, 1, 0);
    put_tensor(&bytes, "weight", 1, shape, GGUF_TENSOR_F32, 0);
    CU_ASSERT(bytes.length % 32 != 0);
    refuses(&bytes, "(truncated?)");
}

/* ---- Alignment ---- */

static struct bytes aligned_file(struct bytes alignment, size_t start)
{
    struct bytes bytes = header(3, 1, 1);
    bytes_put_string(&bytes, "general.alignment");
    bytes_put(&bytes, alignment.data, alignment.length);
    bytes_finish(&alignment);
    put_tensor(&bytes, "weight", 1, (uint64_t[]){2}, GGUF_TENSOR_F32, 0);
    while (bytes.length % start)
        put_zeros(&bytes, 1);
    bytes_put(&bytes, "\1\2\3\4\5\6\7\10", 8);
    return bytes;
}

static struct bytes alignment_number(enum gguf_type type, uint64_t value, size_t size)
{
    struct bytes bytes = {0};
    bytes_put_u32(&bytes, type);
    bytes_put(&bytes, &value, size);
    return bytes;
}

static void test_alignments(void)
{
    for (uint32_t alignment = 32; alignment <= 65536; alignment *= 2) {
        struct bytes bytes = aligned_file(alignment_number(GGUF_U32, alignment, 4), alignment);
        struct hearken_error error;
        struct gguf *gguf;
        void *copy;
        EXPECT_EQUAL_FATAL(open_exactly(&bytes, bytes.length, &copy, &gguf, &error), 0);
        EXPECT_EQUAL(memcmp(gguf->tensors[0].data, "\1\2\3\4\5\6\7\10", 8), 0);
        gguf_destroy(gguf);
        free(copy);
        bytes_finish(&bytes);
    }
    static const uint32_t wrong[] = {0, 1, 16, 33, 48, 96, 131072, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct bytes bytes = aligned_file(alignment_number(GGUF_U32, wrong[i], 4), 32);
        refuses(&bytes, "general.alignment is ");
    }
    struct bytes bytes = aligned_file(alignment_number(GGUF_U64, 32, 8), 32);
    refuses(&bytes, "general.alignment is ");
    bytes = aligned_file(alignment_number(GGUF_STRING, 0, 8), 32);
    refuses(&bytes, "general.alignment is ");
    struct bytes empty = alignment_number(GGUF_ARRAY, GGUF_U32, 4);
    bytes_put_u64(&empty, 0);
    bytes = aligned_file(empty, 32);
    refuses(&bytes, "general.alignment is ");
}

/* Offsets follow the file's alignment, not only the reader's own. */
static void test_offset_of_wider_alignment(void)
{
    struct bytes bytes = header(3, 1, 1);
    bytes_put_string(&bytes, "general.alignment");
    bytes_put_u32(&bytes, GGUF_U32);
    bytes_put_u32(&bytes, 64);
    put_tensor(&bytes, "weight", 1, (uint64_t[]){2}, GGUF_TENSOR_F32, 32);
    put_zeros(&bytes, 256);
    refuses(&bytes, "'weight' is at offset 32, expected a multiple of 64");
}

/* ---- Files ---- */

static void refuses_path(const char *path, int code, const char *part)
{
    struct hearken_error error = {""};
    struct gguf *gguf = NULL;
    EXPECT_EQUAL(gguf_open(path, GGUF_WHOLE, &gguf, &error), code);
    CU_ASSERT_PTR_NULL(gguf);
    EXPECT_EQUAL(strncmp(error.message, path, strlen(path)), 0);
    CU_ASSERT(says(&error, part));
    EXPECT_EQUAL(gguf_open(path, GGUF_WHOLE, &gguf, NULL), code);
}

static void test_paths(void)
{
    refuses_path("/nonexistent/model.gguf", -ENOENT, "No such file");
    refuses_path("/tmp", -EINVAL, "not a regular file");
    refuses_path("/dev/null", -EINVAL, "not a regular file");
    char *path = write_temporary("", 0);
    refuses_path(path, -EINVAL, "empty, expected a GGUF file");
    unlink(path);
    free(path);
    path = write_temporary("RIFF and more", 13);
    refuses_path(path, -EINVAL, "not a GGUF file");
    unlink(path);
    free(path);
}

/* Nobody writes to it: an open that waits would wait for ever. */
static void test_pipe_is_refused_at_once(void)
{
    char *path = write_temporary("", 0);
    unlink(path);
    EXPECT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    alarm(20);
    refuses_path(path, -EINVAL, "not a regular file");
    alarm(0);
    unlink(path);
    free(path);
}

static void test_file_is_read(void)
{
    struct made_file made = everything();
    struct bytes bytes = made_bytes(&made);
    char *path = write_temporary(bytes.data, bytes.length);
    struct hearken_error error = {""};
    struct gguf *gguf = NULL;
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_WHOLE, &gguf, &error), 0);
    unlink(path); /* what was read outlives it */
    check_scalars(gguf);
    check_tensors(gguf, &made, gguf->memory);
    EXPECT_EQUAL(gguf->memory_size, bytes.length);
    gguf_destroy(gguf);
    gguf_destroy(NULL);
    free(path);
    bytes_finish(&bytes);
    made_finish(&made);
}

/* All but the values. */
static void test_head_of_a_file(void)
{
    struct made_file made = everything();
    struct bytes bytes = made_bytes(&made);
    char *path = write_temporary(bytes.data, bytes.length);
    struct hearken_error error = {""};
    struct gguf *gguf = NULL;
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_HEAD, &gguf, &error), 0);
    check_scalars(gguf);
    EXPECT_EQUAL_FATAL(gguf->tensor_count, made.tensor_count);
    for (size_t i = 0; i < made.tensor_count; i++) {
        EXPECT_EQUAL_STRING(gguf->tensors[i].name, made.tensors[i].name);
        EXPECT_EQUAL(gguf->tensors[i].bytes, made.tensors[i].data.length);
        CU_ASSERT_PTR_NULL(gguf->tensors[i].data);
    }
    gguf_destroy(gguf);
    unlink(path);
    free(path);
    bytes_finish(&bytes);
    made_finish(&made);
}

/* Its own values go, those of its neighbours stay. */
static void test_release(void)
{
    struct made_file made = {0};
    uint8_t *values = malloc(40000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    memset(values, 1, 40000);
    for (uint32_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "t%u", (unsigned)i);
        made_tensor(&made, name, GGUF_TENSOR_F32, (uint64_t[]){10000, 0, 0, 0}, values, 40000);
    }
    struct bytes bytes = made_bytes(&made);
    char *path = write_temporary(bytes.data, bytes.length);
    struct gguf *gguf = NULL;
    EXPECT_EQUAL_FATAL(gguf_open(path, GGUF_WHOLE, &gguf, NULL), 0);
    gguf_release(gguf, &gguf->tensors[1]);
    const uint8_t *middle = gguf->tensors[1].data;
    EXPECT_EQUAL(middle[20000], 0);
    EXPECT_EQUAL(memcmp(gguf->tensors[0].data, values, 40000), 0);
    EXPECT_EQUAL(memcmp(gguf->tensors[2].data, values, 40000), 0);
    gguf_destroy(gguf);
    unlink(path);
    free(path);
    free(values);
    bytes_finish(&bytes);
    made_finish(&made);
}

void add_gguf_tests(void)
{
    CU_pSuite suite = CU_add_suite("gguf", NULL, NULL);
    CU_ADD_TEST(suite, test_reads_everything);
    CU_ADD_TEST(suite, test_names_of_types);
    CU_ADD_TEST(suite, test_empty_file_of_nothing);
    CU_ADD_TEST(suite, test_truncated_anywhere);
    CU_ADD_TEST(suite, test_each_byte_changed);
    CU_ADD_TEST(suite, test_wrong_header);
    CU_ADD_TEST(suite, test_wrong_counts);
    CU_ADD_TEST(suite, test_as_many_entries_as_may_be);
    CU_ADD_TEST(suite, test_wrong_names);
    CU_ADD_TEST(suite, test_same_name_twice);
    CU_ADD_TEST(suite, test_wrong_types);
    CU_ADD_TEST(suite, test_wrong_arrays);
    CU_ADD_TEST(suite, test_wrong_strings);
    CU_ADD_TEST(suite, test_wrong_ranks);
    CU_ADD_TEST(suite, test_wrong_dimensions);
    CU_ADD_TEST(suite, test_wrong_elements);
    CU_ADD_TEST(suite, test_data_ends_early);
    CU_ADD_TEST(suite, test_wrong_offsets);
    CU_ADD_TEST(suite, test_alignments);
    CU_ADD_TEST(suite, test_offset_of_wider_alignment);
    CU_ADD_TEST(suite, test_paths);
    CU_ADD_TEST(suite, test_pipe_is_refused_at_once);
    CU_ADD_TEST(suite, test_file_is_read);
    CU_ADD_TEST(suite, test_head_of_a_file);
    CU_ADD_TEST(suite, test_release);
}
