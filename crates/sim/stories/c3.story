# One request in five seconds, and a minute of outage: what a quiet service spends.
upstreams openai
load      0.2/s for 580s
callers   stream, patience 120s
at 260s   openai fails 100%
at 320s   openai recovers
expect    extra <= 16
