"""The files of claims, in the order in which they are run."""

import vectors  # noqa: F401
import guide  # noqa: F401
import canaries  # noqa: F401
import passing  # noqa: F401
import cuts  # noqa: F401
import bad_input  # noqa: F401
import leaving  # noqa: F401
import realtime  # noqa: F401
import record  # noqa: F401
import doctor  # noqa: F401
import pages  # noqa: F401
import noise  # noqa: F401
import waves  # noqa: F401
import hedges  # noqa: F401
import bill  # noqa: F401
import diagnoses  # noqa: F401
import streams  # noqa: F401
import reframe  # noqa: F401
import verbs  # noqa: F401
import terminal  # noqa: F401
import starts  # noqa: F401
import cold_read  # noqa: F401
import report  # noqa: F401
import stories  # noqa: F401
import incidents  # noqa: F401
import api  # noqa: F401
