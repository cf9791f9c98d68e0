# Half a minute of slowness at 50 % load, before a server that works on for callers who have gone.
upstreams openai
load      5/s for 900s
callers   plain, timeout 10s, patience 60s
at 0s     openai has 20 slots, 2s each
at 100s   openai slows 4x
at 130s   openai recovers
expect    recovery <= 20s, success >= 94.5%, attempts <= 1.05 per request
