"""Seawall: a gateway in front of OpenAI-compatible APIs that retries right.

One line gives a program a gateway of its own, for as long as a block lasts:

    with seawall.gateway() as url:
        client = openai.OpenAI(base_url=url, max_retries=0)

`seawall.explain(error)` says what an exception means, whose fault it is and what to do. The program itself is installed as
the command `seawall`; `python -m seawall` is the same.
"""

from ._binary import find_binary
from ._errors import BinaryMissing, GatewayDied, SeawallError, StartError
from ._explain import Explanation, explain
from ._gateway import Gateway, gateway

__all__ = [
    "BinaryMissing",
    "Explanation",
    "Gateway",
    "GatewayDied",
    "SeawallError",
    "StartError",
    "explain",
    "find_binary",
    "gateway",
]
