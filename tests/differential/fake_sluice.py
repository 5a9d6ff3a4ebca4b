#!/usr/bin/env python3
"""The binary's place taken by the model itself: it shows that run.py can pass, and with FAKE_FAULT that it can fail.

FAKE_FAULT: reason, state, trigger, generation, tier, lost_gate, event, stale, twice
"""
import json, os, sys

import yaml

import model as gate_model


def load_plan(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return json.load(file)


def replay(config, plan):
    model = gate_model.Model(config)
    for kind, *rest in plan:
        if kind == "import":
            model.load(*rest)
        elif kind == "ingest":
            model.use(config, rest[1])
            gate_model.feed_file(model, rest[0])
        else:
            model.add_known_gap(*rest)
    return model


def gate_lines(model, plan, fault):
    rows = [dict(g.line(), is_production_ready=g.ready, missing=g.missing, late=[]) for g in model.newest_gates()]
    if rows and fault == "lost_gate":
        rows.pop()
    for row in rows[-1:]:
        row.update({"reason": {"reasons": ["grace"]}, "state": {"state": "waiting"}, "trigger": {"trigger_id": "x"},
                    "generation": {"generation": 9}, "tier": {"quality_tier": "poor"}}.get(fault, {}))
    if fault == "twice":
        rows[0]["reasons"] = [str(sum(kind == "ingest" for kind, _, _ in plan))]
    return rows


def event_lines(model, fault):
    rows = [{"event_type": k[0], "severity": s, "phase": k[1], "game_date": k[4], "game_id": k[5]} for k, s in model.events.items()]
    return rows[1:] if fault == "event" else rows


def main():
    arguments, settings = sys.argv[1:], []
    config_path = arguments[arguments.index("--config") + 1]
    while arguments[0].startswith("--"):
        settings += [arguments[1]] if arguments[0] == "--set" else []
        arguments = arguments[2:]
    command, *rest = arguments
    plan_path, fault = os.path.dirname(config_path) + "/plan.json", os.environ.get("FAKE_FAULT")
    plan = load_plan(plan_path)
    if command in ("import", "ingest", "known-gaps"):
        plan.append({"import": lambda: ["import", rest[2], rest[0], rest[4] if "--replace-date" in rest else None], "ingest": lambda: ["ingest", rest[0], settings],
                     "known-gaps": lambda: ["known-gap", rest[2], rest[4], rest[6] if "--table" in rest else None]}[command]())
        with open(plan_path, "w") as file:
            json.dump(plan, file)
        print('{"rejected":0}')
    if command in ("gates", "events", "stale"):
        with open(config_path) as file:
            model = replay(yaml.safe_load(file), plan)
        lines = {"gates": lambda: gate_lines(model, plan, fault), "events": lambda: event_lines(model, fault),
                 "stale": lambda: model.stale.plan()[fault == "stale":]}[command]
        for row in lines():
            print(json.dumps(row))


if __name__ == "__main__":
    main()
