# The only provider refuses for a minute. Nothing can be answered: fail fast, come back soon.
upstreams openai
load      10/s for 460s
callers   stream, patience 120s
at 200s   openai fails 100%
at 260s   openai recovers
expect    attempts in incident <= 0.10 per request, fails p50 <= 10ms
expect    recovery <= 8s, recovery median <= 5s
