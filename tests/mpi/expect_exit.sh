#!/bin/bash
# expect_exit.sh CODE TEXT COMMAND...: COMMAND must exit with CODE ("fail": any but 0) and its
# output must hold TEXT.
set -u
code=$1 text=$2
shift 2
output=$("$@" 2>&1)
found=$?
printf '%s\n' "$output"
if [ "$code" = fail ]; then
  [ "$found" != 0 ] || { echo "exit code 0, expected another"; exit 1; }
elif [ "$found" != "$code" ]; then
  echo "exit code $found, expected $code"
  exit 1
fi
case $output in
  *"$text"*) ;;
  *) echo "the output does not hold: $text"; exit 1 ;;
esac
