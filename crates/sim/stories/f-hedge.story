# The same provider, and a second attempt beside the first for streams that are later than usual.
upstreams openai
load      10/s for 1000s
callers   stream, patience 180s
at 0s     openai stumbles 4% slow 8x, 1% never, 0.2% broken
policy    hedge on
expect    lost <= 0.05%, attempts <= 1.06, first p99 <= 3.6s, total p99 <= 17.5s
