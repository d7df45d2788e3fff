"""How soon a rollout is called, next to `kubectl rollout status`: the table of the records that the cases of tests/rollouts leave.

Owns the records; the cases are played by the tests (tests/it/rollouts). `python3 scripts/bench_rollouts.py RECORDS` prints
the table of records that are there already.
"""
import json, os, statistics, subprocess, sys
from pathlib import Path


def play(root, records, at_once=3):
    """Plays all cases with the release binary; a case that goes wrong shows in the table."""
    records.unlink(missing_ok=True)
    env = {**os.environ, "ML_DEPLOY_CASE_RECORDS": str(records), "ML_DEPLOY_CASES_AT_ONCE": str(at_once)}
    done = subprocess.run(["cargo", "test", "--release", "--locked", "--test", "it", "rollouts::"], cwd=root, env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if not records.exists():
        sys.exit(done.stdout[-4000:])


def seconds(value):
    return "-" if value is None else f"{value:.1f}"


def said(record):
    """What kubectl said, and when, counted from the decisive event too."""
    theirs = record["kubectl"]
    if theirs is None:
        return "does not know the kind", "-"
    text = "rolled out" if theirs["status"] == 0 else theirs["said"].removeprefix("error: ").split(": context")[0]
    return text[:44], seconds(theirs["after"])


def table(title, records):
    print(f"\n{title}")
    print(f"  {'case':<36} {'ml-deploy':<22} {'after':>6}   {'kubectl rollout status':<44} {'after':>6}")
    for record in records:
        code = record["code"] or ("live" if record["status"] == 0 else f"status {record['status']}")
        wrong = "" if record["right"] else "   WRONG: expected {status} {code}".format(**record["expected"])
        text, when = said(record)
        print(f"  {record['case']:<36} {code:<22} {seconds(record['delay']):>6}   {text:<44} {when:>6}{wrong}")


def show(records):
    read = [json.loads(line) for line in records.read_text().splitlines()]
    of = lambda file: [record for record in read if record["file"] == file]
    fails, heals, mistakes = of("fails.yaml"), of("heals.yaml"), of("mistakes.yaml")
    table("rollouts that cannot succeed: seconds from the decisive event to the verdict", fails)
    table("rollouts that heal: seconds from the trouble to the end", heals)
    print("\nmistakes, found before anything is applied: seconds of the whole run")
    for record in mistakes:
        wrong = "" if record["right"] else "   WRONG"
        print(f"  {record['case']:<36} {record['code'] or 'warning':<22} {record['took']:6.1f}{wrong}")
    ours = [record["delay"] for record in fails if record["right"] and record["delay"] is not None]
    asked = [record["kubectl"] for record in fails if record["kubectl"] and record["delay"] is not None]
    timed = [record for record in fails if record["delay"] is None]
    print()
    if ours:
        print(f"  ml-deploy                  median {statistics.median(ours):5.1f} s from the decisive event, worst {max(ours):.1f}, {len(ours)} cases (goal: 3)")
        print(f"                             {len(timed)} more have no decisive event: they end at the deadline, or the moment is set by the case")
    if asked:
        print(f"  kubectl rollout status     median {statistics.median(one['after'] for one in asked):5.1f} s, asked for at most 60; "
              f"{sum(one['status'] == 0 for one in asked)} of {len(asked)} called a success")
    print(f"  verdicts and codes right   {sum(r['right'] for r in fails)} of {len(fails)} that fail, {sum(r['right'] for r in mistakes)} of {len(mistakes)} mistakes")
    print(f"  false verdicts             {sum(not r['right'] for r in heals)} of {len(heals)} that heal (goal: 0)")


if __name__ == "__main__":
    show(Path(sys.argv[1]))
