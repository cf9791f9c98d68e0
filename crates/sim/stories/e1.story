# One of two providers dies for a hundred seconds. Nobody should notice.
upstreams openai azure
load      10/s for 470s
callers   stream, patience 120s
at 200s   openai fails 100%
at 300s   openai recovers
expect    success in incident >= 99.95%, attempts <= 1.02 per request, slower <= 5%, return <= 10s
