# Four requests in a hundred fail wherever they are sent: they must not take the others down.
upstreams openai
load      0.5/s for 6000s
callers   stream, patience 120s, 4% poison
expect    trips 0, lost <= 0.3%
