# Nothing answers for ten minutes, and no breaker helps: the budget alone keeps the load down.
upstreams openai
load      10/s for 600s
callers   stream, patience 120s
policy    breaker off
at 0s     openai fails 100%
expect    attempts <= 1.02 per request, unpaid 0
