# The only provider is down for a minute, and callers can wait for it.
upstreams openai
load      10/s for 460s
callers   stream, patience 120s
policy    wait 90s
at 200s   openai fails 100%
at 260s   openai recovers
expect    success in incident >= 99.5%, attempts <= 1.15 per request, peak <= 40
