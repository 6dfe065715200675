// SPDX-License-Identifier: MIT
#include "daemon/client/modules/modules.h"

__attribute__((visibility("default"))) const struct curl_module curl_module = {
    .recognise = http_recognise,
    .download = model_download,
    .download_text = model_download_text,
};
