#!/usr/bin/env bash
# Sets the project up, then runs the main job on the shipped sample and entry list.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

case ${1:-} in
  -h | --help)
    cat <<'END'
Usage: bash jobs/quickstart.sh [OPTIONS OF metaclip-spark run]

Installs the package into .venv, finds Java 17 or 21, and curates the sample
(jobs/sample/pool.wat.gz) with the 500,000 entries of metadata/en.json.gz.
The tables go to the folder warehouse, or to $METACLIP_WAREHOUSE.

  PYTHON=/path/to/python3.12   use this Python (3.10 or newer)
  JAVA_HOME=/path/to/java17    use this Java (17 or 21)

All options (such as --threshold 20): .venv/bin/metaclip-spark run --help
END
    exit 0 ;;
esac

# shellcheck source=jobs/setup.sh
source "$here/setup.sh" spark,report

status=0
"$root/.venv/bin/metaclip-spark" run --config "$root/conf/quickstart.yaml" --input "$root/jobs/sample/pool.wat.gz" \
  --metadata "$root/metadata/en.json.gz" --warehouse "${METACLIP_WAREHOUSE:-$root/warehouse}" "$@" ||
  status=$?

# Status 3: the run finished, but some sources were not read to their end.
if [ "$status" = 0 ] || [ "$status" = 3 ]; then
  from=""
  if [ "$PWD" != "$root" ]; then printf -v from '%q/' "$root"; fi
  cat <<END

Next, curate your own pairs: Parquet with columns url and text, WAT or WARC files, or a crawl of Common Crawl:
  ${java_prefix}${from}.venv/bin/metaclip-spark run --input 'pairs/*.parquet' --metadata ${from}metadata/en.json.gz --warehouse my-warehouse
  ${java_prefix}${from}.venv/bin/metaclip-spark run --input 'crawl/*.wat.gz' --metadata ${from}metadata/en.json.gz --warehouse my-warehouse
  ${java_prefix}${from}.venv/bin/metaclip-spark run --crawl CC-MAIN-2024-51 --max-files 2 --metadata ${from}metadata/en.json.gz --warehouse my-warehouse
END
fi
exit "$status"
