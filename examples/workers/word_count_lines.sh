#!/bin/sh
# A lines worker in plain shell: counts the lines, words and bytes of the file that it is named. A shell has no JSON, but
# a job is one line whose members always look the same, and wc does the work.
while IFS= read -r line; do
  case $line in
  '{"type":"job",'*) ;;
  *) continue ;; # a cancel: the job has ended by now
  esac
  input=$(printf '%s\n' "$line" | sed -n 's/.*"inputs":\["\([^"]*\)".*/\1/p')
  # shellcheck disable=SC2046 # three numbers, three arguments
  if set -- $(wc -lwc 2>/dev/null <"$input") && [ $# = 3 ]; then
    printf '{"type":"done","result":{"lines":%d,"words":%d,"bytes":%d}}\n' "$1" "$2" "$3"
  else
    printf '{"type":"failed","code":"failed","message":"the input cannot be counted"}\n'
  fi
done
