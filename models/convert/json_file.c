// SPDX-License-Identifier: MIT
#include "models/convert/json_file.h"

#include <errno.h>

int json_file_read(const char *path, json_t **root, struct complaint *complaint)
{
    json_error_t error;
    *root = json_load_file(path, 0, &error);
    if (*root)
        return 0;
    if (json_error_code(&error) == json_error_out_of_memory)
        return complain_of_memory(complaint);
    if (json_error_code(&error) == json_error_cannot_open_file)
        return complain_of_file(complaint, -errno, path);
    if (error.line < 0)
        return complain(complaint, -EINVAL, "%s: %s", path, error.text);
    return complain(complaint, -EINVAL, "%s:%d:%d: %s", path, error.line, error.column, error.text);
}
