# SPDX-License-Identifier: MIT
"""How a run is asked to end."""

import signal


class Stop:
    """Set by SIGTERM and SIGINT: the step in flight is finished, then all is saved."""

    def __init__(self) -> None:
        self.asked = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.ask)

    def ask(self, *_) -> None:
        self.asked = True
