"""`seawall doctor`, as a person runs it: against upstreams that validate late, that are down, and on this machine."""

import json

from claims import claim, hold, same
from programs import free_port, upstream

PROMPT = "the launch code is 7391-tango"
KEY = "sk-door-0123456789abcdef0123"
LOOKAROUND = "^(?!admin)[a-z]+$"


def request(form, count, bad):
    """A streamed request with `count` tools; those at `bad` have a pattern that no engine compiles."""
    tools = []
    for at in range(count):
        pattern = LOOKAROUND if at in bad else "^[a-z]+$"
        schema = {
            "type": "object",
            "properties": {"who": {"type": "string", "pattern": pattern}, "age": {"type": "integer"}},
            "required": ["who"],
        }
        function = {"name": f"tool_{at}", "description": "does it", "parameters": schema}
        tools.append({"type": "function", "function": function} if form == "chat" else {"type": "function", **function})
    asked = {"messages": [{"role": "user", "content": PROMPT}]} if form == "chat" else {"input": PROMPT}
    return {"model": "gpt-4o", "stream": True, "tools": tools, **asked}


def pattern_of(form, at):
    function = "/function" if form == "chat" else ""
    return f"/tools/{at}{function}/parameters/properties/who/pattern"


def send(door, base_url, body, *flags):
    """`doctor --send --json`: its exit code, the lines of its output, and all that it said."""
    file = door.folder / "request.json"
    file.write_text(json.dumps(body))
    environment = {"OPENAI_API_KEY": KEY}
    code, out, err = door.run("doctor", file, "--send", "--json", "--upstream", base_url, *flags, environment=environment)
    return code, [json.loads(line) for line in out.splitlines()], out + err


@claim
def doctor_names_the_tool_and_the_pattern_that_a_lazy_upstream_chokes_on(door):
    for how in ("500", "in_stream", "flat"):
        chaos = door.chaos(f"--lazy-tools={how}", name=f"chaos-{how}")
        for form in ("chat", "responses"):
            code, lines, said = send(door, chaos.base_url, request(form, 5, {3}))
            verdict = lines[-1]
            same((code, verdict["verdict"]), (1, "yours"), f"{how}, {form}: {said[-800:]}")
            same([part["pointer"] for part in verdict["parts"]], [pattern_of(form, 3)], f"{how}, {form}")
            hold(bool(verdict["message"]) == (how != "flat"), f"{how}, {form}: message {verdict['message']}")
            hold("launch" not in said and KEY not in said, f"{how}, {form}: the prompt or the key is told")


@claim
def doctor_blames_an_upstream_that_is_down_and_not_the_tools(door):
    chaos = door.chaos("--fault", "500:1")
    code, lines, said = send(door, chaos.base_url, request("chat", 5, {2}))
    verdict = lines[-1]
    same((code, verdict["verdict"], verdict["parts"]), (5, "theirs", []), said[-800:])
    ids = [failure["request_id"] for failure in verdict["failures"]]
    hold(len(ids) >= 5 and all(one.startswith("req_") for one in ids), f"ids for support: {ids}")
    seen = {one["request_id"] for one in chaos.stats()["requests"]}
    hold(set(ids) <= seen, "the ids are those of the upstream")
    code, lines, _ = send(door, f"http://127.0.0.1:{free_port()}/v1", request("chat", 1, set()))
    same((code, lines[-1]["verdict"]), (4, "unclear"), "a port that is closed")


@claim
def doctor_sees_through_noise(door):
    for seed in range(4):
        flags = ["--lazy-tools=flat", "--fault", "500:0.2", "--seed", str(seed)]
        chaos = door.chaos(*flags, name=f"chaos-{seed}")
        _, lines, said = send(door, chaos.base_url, request("chat", 12, {(seed * 5) % 12}))
        same([part["pointer"] for part in lines[-1]["parts"]], [pattern_of("chat", (seed * 5) % 12)], f"{seed}: {said[-600:]}")


@claim
def doctor_sends_nothing_unless_it_is_told_to(door):
    chaos = door.chaos()
    file = door.folder / "request.json"
    file.write_text(json.dumps(request("chat", 2, {1})))
    code, out, err = door.run("doctor", file, "--upstream", chaos.base_url)
    same((code, chaos.stats()["attempts"]), (0, 0), out + err)
    hold("doctor --send" in err and "tokens each" in err, err)


@claim
def doctor_looks_at_this_machine_beside_a_gateway_and_after_its_death(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos, key=KEY))

    def looked(environment=None):
        arguments = ["doctor", "--json", "--config", gateway.config, "--data-dir", gateway.data]
        code, out, err = door.run(*arguments, environment=environment)
        hold(KEY not in out + err, "the key is told")
        return code, {one["check"]: one for one in map(json.loads, out.splitlines())}

    code, checks = looked({"OPENAI_BASE_URL": gateway.base_url})
    same(code, 0, checks)
    for name in ("gateway", "server.listen", "server.admin", "OPENAI_BASE_URL", "chaos: dns", "chaos: connect", "chaos: http"):
        same(checks[name]["state"], "ok", checks[name])
    hold(str(gateway.pid) in checks["gateway"]["says"], checks["gateway"])
    _, checks = looked({"HTTP_PROXY": "http://me:hunter22@127.0.0.1:9"})
    same(checks["proxy variables"]["state"], "warn", checks["proxy variables"])
    hold("hunter22" not in json.dumps(checks), "a proxy's password is told")
    _, checks = looked({"OPENAI_BASE_URL": chaos.base_url})
    same(checks["OPENAI_BASE_URL"]["state"], "warn", checks["OPENAI_BASE_URL"])
    gateway.kill()
    code, checks = looked()
    same((code, checks["gateway"]["state"], checks["server.listen"]["state"]), (0, "warn", "ok"), checks)


@claim
def doctor_says_who_has_the_port_and_what_is_wrong_with_the_configuration(door):
    chaos = door.chaos()
    file = door.folder / "seawall.toml"
    file.write_text(f'[server]\nlisten = "127.0.0.1:{chaos.port}"\n' + upstream("http://127.0.0.1:9/v1"))
    data = door.folder / "data"
    code, out, err = door.run("doctor", "--json", "--config", file, "--data-dir", data)
    checks = {one["check"]: one for one in map(json.loads, out.splitlines())}
    same((code, checks["server.listen"]["state"], checks["chaos: connect"]["state"]), (1, "fail", "fail"), out + err)
    hold(f"(pid {chaos.pid})" in checks["server.listen"]["says"], checks["server.listen"])
    file.write_text("[serve]\n")
    code, out, err = door.run("doctor", "--config", file, "--data-dir", data)
    same(code, 3, out + err)
    hold("did you mean" in err, err)
