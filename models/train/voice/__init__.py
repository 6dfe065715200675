# SPDX-License-Identifier: MIT
"""Voice activity: training, measuring and exporting the network of models/vad/vad.h."""
