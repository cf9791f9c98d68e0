# A healthy provider as it is: some answers take eight times as long, some never come, some break off.
upstreams openai
load      10/s for 1000s
callers   stream, patience 180s
at 0s     openai stumbles 4% slow 8x, 1% never, 0.2% broken
expect    lost <= 0.05%, first p99 <= 32s
