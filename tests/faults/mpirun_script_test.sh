#!/usr/bin/env bash
# mpirun_script_test.sh TUTTI: launch/mpirun.sh around runs that are stopped, killed, misconfigured, locked and out of time.
set -euo pipefail
tutti="$1"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=tests/support/tiny_run.sh
source "$root/tests/support/tiny_run.sh"
work="$(mktemp -d)"
job=""
# The script passes USR2 on to its launcher and ends when that does.
trap '[[ -z "$job" ]] || { kill -USR2 "$job" && wait "$job"; } 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
tiny_data "$tutti"
long=("${tiny_train[@]}" --steps 100000 --checkpoint-every 100000)

# in_background RUN WORDS...: starts launch/mpirun.sh and waits until the run has made some steps.
in_background() {
  local run="$1"
  shift
  "$root/launch/mpirun.sh" -n 2 "$@" >"$run.txt" 2>&1 &
  job=$!
  await has_steps "$run" 20
}
ends_with() { # CODE
  local code=0
  wait "$job" || code=$?
  job=""
  ((code == $1)) || { cat ./*.txt && fail "ended with $code, expected $1"; }
}
# The start under way has come to its first steps.
running_again() { [[ "$(field "$1" reason 2>/dev/null)" == running ]] && has_steps "$1" 5; }
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1/exit.json" "$2"; }
expect() { [[ "$2" == "$3" ]] || fail "$1: found '$2', expected '$3'"; }

# A TERM to the script stops the run with a checkpoint, where a TERM to mpirun would not.
in_background term -- "$tutti" "${long[@]}" --out term --resume
expect "while it runs" "$(field term reason)" running
code=0
"$tutti" "${long[@]}" --out term --resume >second.txt 2>&1 || code=$?
expect "a second job on the folder" "$code" 2
grep -q "writing it, expected one job at a time" second.txt || { cat second.txt && fail "no word of the lock"; }
# Another script on the folder is refused, and does not disturb the record of the first.
code=0
"$root/launch/mpirun.sh" -n 1 -- "$tutti" "${long[@]}" --out term --resume >third.txt 2>&1 || code=$?
expect "a second script on the folder" "$code $(field term reason)" "2 running"
kill -TERM "$job"
ends_with 5
expect "after TERM" "$(field term code) $(field term reason)" "5 signal 12"
ls -d term/checkpoints/step-* >/dev/null
[[ ! -e term/lock.json ]] || fail "the lock stayed"
echo "ok: TERM to the script"

# The run goes on by itself when a rank is killed, and ends with the bytes of a run that went through.
train=("${tiny_train[@]}" --steps 400 --checkpoint-every 100)
"$root/launch/mpirun.sh" -n 2 -- "$tutti" "${train[@]}" --out through --resume >through.txt 2>&1
in_background killed -- "$tutti" "${train[@]}" --out killed --resume
await has_steps killed 150
mapfile -t ranks < <(ranks_below "$job")
kill -KILL "${ranks[1]}"
ends_with 0
grep -q "starting again from step" killed.txt || { cat killed.txt && fail "it was not started again"; }
newest() { find "$1/checkpoints" -name 'step-*' | sort | tail -n 1; }
diff -r "$(newest through)" "$(newest killed)" || fail "the run that lost a rank ended with other bytes"
expect "the end" "$(field killed reason)" "done"
echo "ok: a rank was killed"

# Two ranks are lost in a row before there is a newer checkpoint: bad luck, the run goes on.
in_background unlucky -- "$tutti" "${tiny_train[@]}" --steps 600 --checkpoint-every 100000 --out unlucky --resume
for ((i = 1; i <= 2; ++i)); do
  mapfile -t ranks < <(ranks_below "$job")
  kill -KILL "${ranks[0]}"
  await grep -q "restart $i of" unlucky.txt
  await running_again unlucky || { cat unlucky.txt && fail "no start after fault $i"; }
done
ends_with 0
expect "a run that was unlucky twice" "$(field unlucky reason)" "done"
echo "ok: two ranks lost before a checkpoint"

# A launcher that hangs when its ranks have ended is ended; what a rank of an earlier start left behind does not count.
cat >hanging_tutti <<'SCRIPT'
#!/usr/bin/env bash
printf '{\n  "code": 4\n}\n' >hanging/exit.json
trap 'exit 143' TERM
while :; do sleep 0.1; done
SCRIPT
chmod +x hanging_tutti
mkdir hanging
code=0
TUTTI_LAUNCHER_PATIENCE=1 "$root/launch/mpirun.sh" -n 1 --restarts 0 -- ./hanging_tutti train --out hanging --resume >hanging.txt 2>&1 || code=$?
expect "a launcher that hangs" "$code $(grep -c "their launcher has not" hanging.txt)" "4 1"
echo "ok: a launcher that hangs"

# A run that never gets further than before is given up.
cat >hopeless_tutti <<'SCRIPT'
#!/usr/bin/env bash
mkdir -p hopeless/checkpoints
printf '{\n  "code": -1,\n  "reason": "running"\n}\n' >hopeless/exit.json
kill -KILL $$
SCRIPT
chmod +x hopeless_tutti
code=0
"$root/launch/mpirun.sh" -n 2 --restarts 9 -- ./hopeless_tutti train --out hopeless --resume >hopeless.txt 2>&1 || code=$?
expect "a run without progress" "$code $(grep -c "starting again" hopeless.txt)" "4 2"
grep -q "given up: 3 starts in a row brought no newer checkpoint" hopeless.txt || { cat hopeless.txt && fail "it does not say why"; }
echo "ok: a run without progress"

# Nothing is tried again that cannot work.
code=0
"$root/launch/mpirun.sh" -n 2 -- "$tutti" "${train[@]}" --out wrong --resume --learning-rte 1 >wrong.txt 2>&1 || code=$?
expect "a wrong option" "$code" 2
grep -q "starting again" wrong.txt && fail "a wrong option was tried again"
echo "ok: a wrong option"

# Out of time, and a stop file.
code=0
"$tutti" "${long[@]}" --out timed --time-limit 3s >timed.txt 2>&1 || code=$?
expect "out of time" "$code $(field timed reason)" "5 time-limit"
in_background filed -- "$tutti" "${long[@]}" --out filed --resume
touch filed/stop
ends_with 5
expect "a stop file" "$(field filed reason)" stop-file
code=0
"$tutti" "${long[@]}" --out filed --resume >again.txt 2>&1 || code=$?
expect "a stop file that is still there" "$code" 2
grep -q "filed/stop" again.txt || fail "the stop file is not named"
echo "ok: time limit and stop file"
