// SPDX-License-Identifier: MIT
/* A vocabulary beside a checkpoint, of any bytes: the first two are the number of its tokens. */
#include "models/convert/vocabulary_files.h"

#include <stdio.h>
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

static void check_tokens(const struct tokens *tokens)
{
    require(tokens->kept_count == tokens->count);
    for (uint32_t i = 0; i < tokens->count; i++) {
        require(tokens_find(tokens, tokens->names[i]) == i);
        require(!tokens_is_control(tokens, i) || tokens->names[i][0] == '<');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokens tokens = {0};
    struct hearken_error error = {""};
    char path[64];
    if (size < 2)
        return 0;
    int file = memfd_create("vocabulary", MFD_CLOEXEC);
    require(file >= 0 && write(file, data + 2, size - 2) == (ssize_t)(size - 2));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    uint32_t count = data[0] | (uint32_t)data[1] << 8;
    if (vocabulary_files_read(&tokens, path, count, &error) == 0)
        check_tokens(&tokens);
    else
        require(error.message[0] != 0 && !strchr(error.message, '\n'));
    tokens_finish(&tokens);
    close(file);
    return 0;
}
