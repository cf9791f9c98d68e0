# Long requests are cut off after a minute by a proxy on the way. Asking again buys the same again.
upstreams openai
load      1/s for 2000s
callers   plain, patience 600s, 20% too-long 60s
expect    billed <= 1.05 per request, fails p99 <= 60.1s
