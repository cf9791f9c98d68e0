# The same, and whoever is late for a first token gets a second chance beside the first.
upstreams openai
load      10/s for 1000s
callers   stream, patience 180s
policy    hedge on
at 0s     openai stumbles 4% slow 8x, 1% never, 0.2% broken
expect    lost <= 0.05%, first p99 <= 3.6s, attempts <= 1.06 per request, total p99 <= 17.5s
