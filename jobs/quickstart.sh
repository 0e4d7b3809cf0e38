#!/usr/bin/env bash
# Sets the project up, then runs the main job on the shipped sample and entry list: without Java, then on Spark as well.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

case ${1:-} in
  -h | --help)
    cat <<'END'
Usage: bash jobs/quickstart.sh [--no-spark] [OPTIONS OF metaclip-spark run]

Installs the package into .venv, and curates the sample (jobs/sample/pool.wat.gz)
with the 500,000 entries of metadata/en.json.gz on the embedded engine, which
needs no Java. The tables go to the folder warehouse, or to $METACLIP_WAREHOUSE.

Then, if Java 17 or 21 is there or can be installed, it installs Spark, does the
same on Spark into warehouse-spark, and compares all tables row for row.

  --no-spark                   leave Spark out
  PYTHON=/path/to/python3.12   use this Python (3.10 or newer)
  JAVA_HOME=/path/to/java17    use this Java (17 or 21)

All options (such as --threshold 20): .venv/bin/metaclip-spark run --help
END
    exit 0 ;;
esac

spark=yes
warehouse=${METACLIP_WAREHOUSE:-}
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --no-spark) spark="" ;;
    --warehouse) warehouse=${2:-}; shift ;;
    --warehouse=*) warehouse=${1#*=} ;;
    # The engine is chosen, so there is nothing to compare.
    --engine | --engine=* | --master | --master=* | --remote | --remote=* | --catalog | --catalog=*)
      spark=""
      options+=("$1") ;;
    *) options+=("$1") ;;
  esac
  [ $# = 0 ] || shift
done

# shellcheck source=jobs/setup.sh
source "$here/setup.sh" ""
warehouse=${warehouse:-$root/warehouse}
warehouse=${warehouse%/}
python=$root/.venv/bin/python

# Prints one line: what was done, in how many seconds, and what lies on the disk now.
report() {
  printf '%-22s %4d s   %s %s\n' "$1" "$2" "$3" "$(du -sm -- "$4" 2>/dev/null | sed 's/[^0-9].*/ MB/')"
}

# Runs the job on the engine $1 into the warehouse $2. Status 3: it finished, but a source was not read to its end.
run_on() {
  "$root/.venv/bin/metaclip-spark" run --config "$root/conf/quickstart.yaml" --input "$root/jobs/sample/pool.wat.gz" \
    --metadata "$root/metadata/en.json.gz" --engine "$1" --warehouse "$2" ${options[@]+"${options[@]}"}
}

compare() { "$python" -m metaclip_spark.warehouse.compare "$warehouse" "$warehouse-spark"; }

if [ -z "$ready" ]; then
  say "Compiling the loops over bytes for this processor (once)"
  # Two processes take the parts from both ends. What they leave out, the run compiles.
  "$python" -m metaclip_spark.warmup match language wat hosts >/dev/null 2>&1 &
  "$python" -m metaclip_spark.warmup hosts wat language match >/dev/null 2>&1 &
  wait
fi
lines=$(report "set-up" "$SECONDS" .venv "$root/.venv")

SECONDS=0
status=0
run_on embedded "$warehouse" || status=$?
case $status in 0 | 3) ;; *) exit "$status" ;; esac
printf '\n%s\n%s\n' "$lines" "$(report "run" "$SECONDS" "${warehouse##*/}" "$warehouse")"

from=""
if [ "$PWD" != "$root" ]; then printf -v from '%q/' "$root"; fi
cat <<END

Next, curate your own pairs: Parquet with columns url and text, WAT or WARC files, or a crawl of Common Crawl:
  ${from}.venv/bin/metaclip-spark run --input 'pairs/*.parquet' --metadata ${from}metadata/en.json.gz --warehouse my-warehouse
  ${from}.venv/bin/metaclip-spark run --input 'crawl/*.wat.gz' --metadata ${from}metadata/en.json.gz --warehouse my-warehouse
  ${from}.venv/bin/metaclip-spark run --crawl CC-MAIN-2024-51 --max-files 2 --metadata ${from}metadata/en.json.gz --warehouse my-warehouse
END
[ -n "$spark" ] || exit "$status"

# ---- The same on Spark --------------------------------------------------------------------------

echo
if ! find_java && ! { can_install_java && (install_java) && find_java; }; then
  say "Spark is left out: it needs Java 17 or 21, and none was found${java_seen:+ ($java_seen)}; $(java_line) installs one."
  exit "$status"
fi
export JAVA_HOME=$java_home

# A start that has nothing to do leaves both warehouses as they are.
if [ -d "$warehouse-spark" ] && compare >/dev/null 2>&1; then
  echo "Spark has done the same before, and the tables of both engines are equal."
  exit "$status"
fi

SECONDS=0
echo "Now the same on Spark (--no-spark leaves this out):"
bash "$here/setup.sh" spark
lines=$(report "set-up with Spark" "$SECONDS" .venv "$root/.venv")
SECONDS=0
run_on spark "$warehouse-spark" >/dev/null || { [ $? = "$status" ] || fail "The run on Spark failed."; }
printf '%s\n%s\n\n' "$lines" "$(report "run on Spark" "$SECONDS" "${warehouse##*/}-spark" "$warehouse-spark")"
compare || fail "The tables of the two engines differ. Please report this."
echo "The tables of both engines are equal."
exit "$status"
