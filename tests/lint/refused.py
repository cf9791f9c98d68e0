"""Real definitions that providers do refuse, so that the linter's error is right.

Each entry names one error of one tool and why it is no false one. An entry that is not found any more is a
failure too. The list is to stay short: what is on it weakens the claim that real definitions pass.
"""

ARRAY_WITHOUT_ITEMS = (
    "an array without items, which OpenAI answers with 400 'array schema missing items' in every mode;"
    " reported of other MCP servers in ruvnet/ruflo#1294, garrytan/gbrain#831, bnb-chain/bnbchain-mcp#68"
)

# (package, tool, rule) → why it is refused, and where that is known from.
REFUSED = {
    ("@digitalocean/mcp", "genai-inference-router-create", "SW204"): ARRAY_WITHOUT_ITEMS,
    ("@digitalocean/mcp", "genai-inference-router-update", "SW204"): ARRAY_WITHOUT_ITEMS,
    ("@digitalocean/mcp", "nfs-file-share-create", "SW204"): ARRAY_WITHOUT_ITEMS,
    ("@digitalocean/mcp", "vector-db-create", "SW204"): ARRAY_WITHOUT_ITEMS,
    ("@hubspot/mcp-server", "hubspot-search-objects", "SW204"): ARRAY_WITHOUT_ITEMS,
}
