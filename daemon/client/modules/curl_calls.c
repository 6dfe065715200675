// SPDX-License-Identifier: MIT
/* What the client calls of the module: the same functions, which load it and call it. */
#include "daemon/client/modules/module_load.h"
#include "daemon/client/modules/modules.h"

#include <errno.h>

int http_recognise(const struct address *address, const struct stream_settings *settings,
                   struct recognition *recognition, struct hearken_error *error)
{
    const struct curl_module *curl = module_load("curl", "libcurl", error);
    return curl ? curl->recognise(address, settings, recognition, error) : -ENOSYS;
}

int model_download(struct download *download, struct hearken_error *error)
{
    struct hearken_error reason;
    const struct curl_module *curl = module_load("curl", "libcurl", &reason);
    if (!curl)
        return hearken_fail(error, -ENOSYS, "%s: %.300s; fetch it yourself and give --from FILE",
                            download->addresses[0], reason.message);
    return curl->download(download, error);
}

int model_download_text(const char *address, size_t limit, char **text, struct hearken_error *error)
{
    const struct curl_module *curl = module_load("curl", "libcurl", error);
    return curl ? curl->download_text(address, limit, text, error) : -ENOSYS;
}
