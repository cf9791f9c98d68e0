# One request in a hundred fails, by itself. Nobody should notice.
upstreams openai
load      10/s for 460s
callers   stream, patience 120s
at 0s     openai fails 1%
expect    success >= 99.99%, attempts <= 1.02 per request, slower <= 5%
