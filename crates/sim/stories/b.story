# A fifth of all requests fails, each by itself: all of it can be retried.
upstreams openai
load      10/s for 2000s
callers   stream, patience 120s
at 0s     openai fails 20%
expect    success >= 99.7%, attempts <= 1.27 per request, refusals 0
