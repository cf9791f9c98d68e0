# The only provider takes every request for a minute, and answers none.
upstreams openai
load      10/s for 460s
callers   stream, patience 120s
at 200s   openai hangs
at 260s   openai recovers
expect    wasted <= 25%, recovery <= 8s, attempts in incident <= 0.5 per request
