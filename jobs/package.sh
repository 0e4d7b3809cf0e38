#!/usr/bin/env bash
# Builds the files for a cluster in dist/: the wheel, a zip for --py-files, and an archive for --archives.
set -euo pipefail

root=$(CDPATH='' cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s\n' "$@" >&2; }
fail() { say "$@"; exit 1; }

usage() {
  cat <<'END'
Usage: bash jobs/package.sh [--python-prefix FOLDER] [EXTRAS [REQUIREMENT...]]

Builds, in the folder dist (or $METACLIP_DIST):

  metaclip_spark-VERSION+cluster-py3-none-any.whl   the package, which requires no Spark of any kind
  metaclip_spark.zip          the package's modules alone, for --py-files
  metaclip-spark-env.tar.gz   the package and its dependencies without Spark, for --archives

EXTRAS         extras of setup.py, with commas (default report; report,s3 to read from s3://)
REQUIREMENT    more packages for the archive: gcsfs, adlfs, the imports of your filters
PYTHON=/path/to/python3.11   build with this Python (default python3)
--python-prefix FOLDER       the nodes' Python is FOLDER/bin/python3.X, not the path of PYTHON on this machine

The archive has no Python interpreter: each node needs the same version at the same path. docs/CLUSTER.md
explains how to use the files.
END
}

prefix=()
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --python-prefix) [ $# -gt 1 ] || fail "--python-prefix needs a folder, such as /usr."; prefix=("$1" "$2"); shift 2 ;;
  -*) fail "unknown option $1; bash jobs/package.sh --help lists them." ;;
esac
extras=${1:-report}
if [ $# -gt 0 ]; then shift; fi

python=${PYTHON:-python3}
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE NUMBA_CACHE_DIR
# Resolve the interpreter itself, not a shim or a temporary environment: nodes need it at this path.
base=$("$python" -c 'import ensurepip, os, sys, venv
sys.version_info >= (3, 10) or sys.exit(1)
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))' 2>/dev/null) ||
  fail "Python 3.10 or newer with the modules venv and ensurepip is needed, but $python does not have them." \
    "Name another one: PYTHON=/path/to/python3.12 bash $(printf %q "$0")"

dist=${METACLIP_DIST:-$root/dist}
mkdir -p -- "$dist" || fail "The folder $dist cannot be created. Name another one: METACLIP_DIST=/path/to/folder"
work=$(mktemp -d "${TMPDIR:-/tmp}/metaclip-package.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
log=$work/log

step() {
  say "$1"
  shift
  "$@" </dev/null >"$log" 2>&1 || {
    say "This failed. The last lines of its output:"
    tail -n 15 -- "$log" >&2
    exit 1
  }
}
pip() { "$work/tools/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

make_wheel() {
  "$base" -m venv "$work/tools" && pip install venv-pack && rm -f -- "$dist"/metaclip_spark-*+cluster-*.whl &&
    METACLIP_FOR=cluster pip wheel --no-deps --wheel-dir "$dist" "$root"
}

# Modules only: the wheel's .dist-info folder marks a package as installed, and a zip installs nothing.
make_zip() {
  "$base" - "$1" "$dist/metaclip_spark.zip" <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as out:
    for entry in wheel.infolist():
        if entry.filename.startswith("metaclip_spark/"):
            out.writestr(entry, wheel.read(entry))
END
}

# Do not byte-compile here: warming up compiles the modules that are used, a tenth of them.
make_environment() {
  "$base" -m venv --without-pip "$work/env" &&
    pip --python "$work/env/bin/python" install --no-compile "$1[$extras]" "${@:2}"
}

warm_up() { "$work/env/bin/metaclip-spark" --version && "$work/env/bin/python" -m metaclip_spark.warmup; }

pack() {
  "$work/tools/bin/venv-pack" --quiet --force --prefix "$work/env" --output "$dist/metaclip-spark-env.tar.gz" \
    --compress-level 1 --exclude '*/site-packages/*/tests/*' --exclude '*/site-packages/*/include/*' \
    ${prefix[@]+"${prefix[@]}"} && chmod 644 "$dist/metaclip-spark-env.tar.gz"
}

step "Building the wheel" make_wheel
wheel=$(printf '%s\n' "$dist"/metaclip_spark-*+cluster-*.whl)
step "Building the zip" make_zip "$wheel"
step "Installing [$extras] into a new environment (half a minute)" make_environment "$wheel" "$@"
for module in pyspark pysail; do
  if "$work/env/bin/python" -c "import $module" 2>/dev/null; then
    fail "One of the packages installs $module, but the cluster has its own Spark. Remove that package."
  fi
done
step "Compiling functions for this machine's processor" warm_up
step "Packing the archive" pack

node=$base
if [ ${#prefix[@]} -gt 0 ]; then node=${prefix[1]%/}/bin/$(basename -- "$base"); fi
say "In $dist:"
ls -1sh -- "$dist" | sed '1d; s/^/  /' >&2
say "The archive starts $node: every node, and the machine that submits, needs Python at this path."
