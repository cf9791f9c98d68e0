# For a minute there are one and a half times as many requests as the server can take; it says 503 to the rest.
upstreams openai
load      8/s for 660s
callers   plain, patience 120s
at 0s     openai has 20 slots, 2s each, line 60
at 300s   load 15/s
at 360s   load 8/s
expect    success in incident >= 63%, attempts in incident <= 1.35 per request
