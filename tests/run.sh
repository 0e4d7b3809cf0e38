#!/usr/bin/env bash
# Set-up, then the linters, the types and the tests.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

usage() {
  cat <<'END'
Usage: bash tests/run.sh [--all] [--newest] [--spark 4.0|4.1] [PYTEST OPTIONS]

  --all          the slow sets too; and the end-to-end tests over Spark Connect and on the oldest supported Spark
  --newest       with the newest packages that setup.py allows, not with those of jobs/requirements/tests.txt, in an
                 environment of its own
  --spark 4.0    with that Spark and its Delta, in an environment of its own

Everything else goes to pytest: bash tests/run.sh tests/unit -k spacing
END
}

marks="not slow"
packages=(--lock jobs/requirements/tests.txt)
spark=""
all=""
pytest=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --all) marks=""; all=1 ;;
    --newest) packages=(--venv .venv-newest) ;;
    --spark) spark=${2:-none}; if [ $# -gt 1 ]; then shift; fi ;;
    --spark=*) spark=${1#*=} ;;
    *) pytest+=("$1") ;;
  esac
  shift
done

case $spark in
  "") set -- "${packages[@]}" spark,report,test ;;
  # pyspark and pyspark-client have one folder, and need one version. Not every release of pyspark has its client.
  4.0 | 4.1)
    exact=4.0.4
    if [ "$spark" = 4.1 ]; then exact=4.1.3; fi
    set -- --venv ".venv-spark$spark" spark,report,test \
      "pyspark==$exact" "pyspark-client==$exact" "delta-spark==$spark.*"
    ;;
  *) echo "--spark takes 4.0 or 4.1, got $spark. Without it the newest supported Spark is used." >&2; exit 2 ;;
esac

# shellcheck source=jobs/setup.sh
source "$here/../jobs/setup.sh" "$@"
cd -- "$root"

# Compiled once, and not by each of the tests' workers at the same time; beside the linters, which take one core.
"$venv/bin/python" -m metaclip_spark.warmup > /dev/null & warmup=$!

# The tests run even where a linter complains; either one fails the whole.
lint=0
"$venv/bin/python" -m ruff check . || lint=$?
"$venv/bin/python" -m ruff format --check . || lint=$?
# The types of the newest supported Spark; an older one has others.
if [ -z "$spark" ]; then "$venv/bin/python" -m mypy || lint=$?; fi

wait "$warmup"

# With the classes of Spark in an archive, each JVM of the tests starts in half the time. Without it, they start slowly.
make_archive() { "$venv/bin/python" -m metaclip_spark.spark.class_archive > /dev/null 2>&1 || true; }

# End-to-end tests that run on Spark, too.
both=()
for name in engines crossing second_run object_store databricks connect; do
  both+=("tests/e2e/test_$name.py")
done
if [ -n "$all" ]; then both=(tests/e2e); fi

# Unit tests of the second queue; the first one has all others.
of_second=(tests/unit/core tests/unit/extract tests/unit/matchers tests/unit/report)

run_tests=("$venv/bin/python" -m pytest -m "$marks" -p no:cacheprovider)

status=0
if [ "${#pytest[@]}" = 0 ] && [ -n "$spark" ]; then
  make_archive
  "${run_tests[@]}" --ignore=tests/unit --ignore=tests/fuzz || status=$?
elif [ "${#pytest[@]}" = 0 ]; then
  # All of them, in two queues, because much of them uses one core. The second one says how it ended after the first.
  said=$(mktemp)
  trap 'kill "$beside" 2> /dev/null || true; rm -f -- "$said"' EXIT
  (
    failed=0
    child=""
    trap 'kill "$child" 2> /dev/null || true; exit 143' TERM
    make_archive
    # On Spark its own tests, and a part of those end to end that shows that both engines give the same.
    "${run_tests[@]}" tests/spark tests/cluster "${both[@]}" & child=$!
    wait "$child" || failed=$?
    "${run_tests[@]}" "${of_second[@]}" tests/fuzz & child=$!
    wait "$child" || failed=$?
    exit "$failed"
  ) > "$said" 2>&1 &
  beside=$!
  "${run_tests[@]}" --engine embedded --ignore=tests/e2e/test_engines.py --ignore=tests/e2e/test_crossing.py \
    tests/e2e tests/faults || status=$?
  "${run_tests[@]}" "${of_second[@]/#/--ignore=}" tests/unit || status=$?
  wait "$beside" || status=$?
  cat -- "$said"
else
  # The + form is for bash 3.2 of macOS, to which an empty array is an unset one.
  "$venv/bin/python" -m pytest -m "$marks" ${pytest[@]+"${pytest[@]}"} || status=$?
fi

# Only where everything was asked for: with tests or options named, --all means their slow ones.
if [ -n "$all" ] && [ "${#pytest[@]}" = 0 ] && [ -z "$spark" ]; then
  bash "$here/run.sh" --connect tests/e2e || status=$?
  bash "$here/run.sh" --spark 4.0 tests/e2e || status=$?
fi

if [ "$status" = 0 ]; then status=$lint; fi
exit "$status"
