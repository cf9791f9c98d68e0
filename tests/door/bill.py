"""What it cost: the bill is what the upstream counted, and says where nobody could."""

import json

from claims import claim, hold, same
from programs import upstream, wait_for
from sdks import NODE, PYTHON

KEY = "sk-bill"
MODEL = "gpt-4o"
CHUNKS = 5
#: A stream is cut after this many chunks with content.
CUT_AFTER = 3
PRICES = '[[price]]\nmodel = "gpt-4*"\ninput = 2.5\ncached = 1.25\noutput = 10.0\n'
COUNTED = {"stream_options": {"include_usage": True}}


def usage_of(result):
    """What the SDK was told that the answer took: input and output."""
    events = result.get("told") or [result["answer"]]
    last = [event["usage"] for event in events if event.get("usage")][-1]
    return last["prompt_tokens"], last["completion_tokens"]


@claim
def the_bill_is_what_the_upstream_counted_and_marks_what_it_did_not(door):
    """Known usage exactly, a cut stream estimated, a retried 500 possibly charged, a 429 free, and one sum for all of it."""
    chaos = door.chaos("--chunks", str(CHUNKS))
    gateway = door.gateway('[server]\n[log]\nlevel = "error"\n[retry.class.rate_limited]\nbase = "2ms"\n' + upstream(chaos))
    case = {"base_url": gateway.base_url, "api_key": KEY, "model": MODEL, "tell": True}

    def call(build, kind, outcome, chaos=None, **more):
        headers = {"headers": {"x-chaos": chaos}} if chaos else {}
        result = door.sdks.call(build, {**case, "call": kind, **headers, **more}, 60)
        same(result["outcome"], outcome, f"{build}: {kind} {chaos}: {result}")
        return result

    counted, uncounted = [], 0
    for build in (PYTHON, NODE):
        for _ in range(3):
            counted.append(usage_of(call(build, "chat", "ok")))
        for _ in range(2):
            counted.append(usage_of(call(build, "chat_stream", "stream_end", extra=COUNTED)))
        call(build, "chat_stream", "stream_end")
        uncounted += 1
    saved = usage_of(call(PYTHON, "chat", "ok", chaos="500*1"))
    counted.append(saved)
    counted.append(usage_of(call(NODE, "chat", "ok", chaos="429*1")))
    call(PYTHON, "chat_stream", "error", chaos=f"stream_cut={CUT_AFTER}", extra=COUNTED)
    same(gateway.total("seawall_tokens_total", kind="output"), sum(output for _, output in counted), "tokens in /metrics")

    seen = chaos.stats()
    same(seen["ok"], len(counted) + uncounted, "answers that chaos gave whole")
    gateway.end()
    prices = door.folder / "prices.toml"
    prices.write_text(PRICES)
    bills = []
    for by in ("model", "class", "upstream"):
        code, out, err = door.run("bill", "--json", "--since", "1h", "--by", by, "--prices", prices, "--data-dir", gateway.data)
        same((code, err), (0, ""), f"seawall bill --by {by}")
        *rows, total = [json.loads(line) for line in out.splitlines()]
        same(sum(row["attempts"] for row in rows), total["attempts"], f"attempts by {by}")
        bills.append({key: value for key, value in total.items() if key != "by"})
    same(bills[1:], bills[:1] * 2, "the totals, however they are cut")
    total = bills[0]
    same(total["attempts"], seen["attempts"], "attempts, as chaos counts them")
    same(total["requests"], len(counted) + uncounted + 1, "requests")
    same((total["failed_first"], total["saved"], total["cut"], total["lost"]), (3, 2, 1, 0), "failed at first, saved, cut, lost")

    answers = total["answers"]
    known = (answers["known"], answers["input_tokens"], answers["output_tokens"])
    same(known, (len(counted), sum(one for one, _ in counted), sum(two for _, two in counted)), "what the upstream counted")
    same((answers["estimated"], answers["output_estimated"], answers["unknown"]), (uncounted, uncounted * CHUNKS, 0), "streams that were not asked to count")
    bodies = {one["number"]: one["body_bytes"] for one in seen["requests"]}
    hold(answers["input_estimated"] > 0, "the input of streams that were not asked to count")

    code, out, err = door.run("failures", "--json", "--data-dir", gateway.data)
    same(code, 0, err)
    failed = {row["class"]: row for row in map(json.loads, out.splitlines())}
    told = {name: (row["billed"], row["billed_why"], row["usage"]) for name, row in failed.items()}
    same(
        told,
        {
            "server_error": ("possibly", "server_error", "estimated"),
            "rate_limited": ("no", "rate_limited", "known"),
            "mid_stream": ("yes", "cut_after_content", "estimated"),
        },
        "why each attempt is charged, and how sure that is",
    )
    for row in failed.values():
        hold(row["body_bytes"] in bodies.values(), f"chaos saw no body of {row['body_bytes']} bytes")
    same(failed["server_error"]["input_tokens"], failed["server_error"]["body_bytes"] // 4, "input of the 500, estimated")
    same((failed["rate_limited"]["input_tokens"], failed["rate_limited"]["output_tokens"]), (0, 0), "the 429")
    same(failed["mid_stream"]["output_tokens"], CUT_AFTER, "output of the cut stream, estimated")
    first, cut = total["first_attempts"], total["cut_streams"]
    same((first["attempts"], first["free"], first["possible"]["input_estimated"]), (2, 1, failed["server_error"]["input_tokens"]), "failed first attempts")
    same((cut["attempts"], cut["certain"]["output_estimated"]), (1, CUT_AFTER), "cut streams")
    same(total["saved_answers"]["output_tokens"], 2 * saved[1], "tokens of what was saved")

    # In millionths of a millionth: 2.50 and 10.00 for a million tokens.
    read, made = known[1] + answers["input_estimated"], known[2] + answers["output_estimated"]
    whole, _, places = answers["cost"].partition(".")
    same(int(whole) * 10**12 + int(places.ljust(12, "0")), read * 2_500_000 + made * 10_000_000, "the cost of the answers")
    same((answers["unpriced_tokens"], total["unpriced_models"]), (0, []), "what has no price")

    code, out, err = door.run("show", failed["server_error"]["request_id"], "--data-dir", gateway.data)
    hold(code == 0 and "possibly: work may have begun" in out and f"{saved[0]} in, {saved[1]} out" in out, out + err)


@claim
def a_kill_loses_no_more_than_the_last_ten_seconds_of_counts(door):
    """What was counted is in the file ten seconds later, with the gateway still running."""
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[log]\nlevel = "error"\n' + upstream(chaos))
    case = {"base_url": gateway.base_url, "api_key": KEY, "model": MODEL, "call": "chat"}
    for _ in range(4):
        same(door.sdks.call(PYTHON, case, 60)["outcome"], "ok", "a call")

    def total():
        code, out, err = door.run("bill", "--json", "--data-dir", gateway.data)
        hold(code == 0, err)
        return json.loads(out.splitlines()[-1])

    # The sums go every ten seconds and are committed within a tenth of one.
    wait_for("the counts are in the file", 12, lambda: total()["requests"] == 4)
    gateway.kill()
    same((total()["requests"], total()["answers"]["known"]), (4, 4), "after a kill")
