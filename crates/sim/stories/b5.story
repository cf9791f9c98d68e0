# Every second request fails. Retries are paid for by successes, and there are too few.
# budget.deposit = 1.0 buys more, where the provider can bear it.
upstreams openai
load      10/s for 2000s
callers   stream, patience 120s
at 0s     openai fails 50%
expect    success >= 57%, attempts <= 1.25 per request
