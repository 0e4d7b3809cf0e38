#!/usr/bin/env bash
# Creates a virtual environment with this package. With the extra spark, it also finds or installs Java 17 or 21, which
# Spark 4 needs.
#
#   bash jobs/setup.sh [--check] [--venv NAME] [--lock FILE] [EXTRAS [REQUIREMENT...]]
#
# --check       prints which Python would be used, and with the extra spark which Java, and changes nothing
# --venv NAME   the environment's folder in the repository (default .venv)
# --lock FILE   install the versions that FILE names and no other bytes (default: the newest ones that setup.py allows)
# EXTRAS        extras of setup.py, with commas (default spark,report); "" for none
# PYTHON        (environment) use this Python instead of the first one >= 3.10
# METACLIP_JVM_FOLDERS  (environment) folders with Java installations, separated by colons
#
# Other scripts source this one with arguments, and then use: root, venv, ready (not empty if nothing was to do),
# JAVA_HOME, and the functions.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s\n' "$@" >&2; }
fail() { say "$@"; exit 1; }

fail_with_log() {
  say "$1 The last lines of $log:"
  tail -n 15 -- "$log" >&2 || true
  shift
  fail "$@"
}

start_log() { mkdir -p -- "$venv" || fail "Copy the repository to a folder where you can write."; }

is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

# ---- Python -----------------------------------------------------------------------------------

# Prints the version of the Python $1, and "venv" if it can create virtual environments.
describe_python() {
  "$1" -c 'import sys, importlib.util as u
print("%d.%d.%d" % sys.version_info[:3], "venv" if u.find_spec("venv") and u.find_spec("ensurepip") else "-")' 2>/dev/null
}

is_new_enough() {
  local minor=${1#*.}
  [ "${1%%.*}" -eq 3 ] && [ "${minor%%.*}" -ge 10 ]
}

# Sets python and python_version: the first Python >= 3.10 that can create environments, else the first one >= 3.10.
find_python() {
  local candidate version venv_module too_old=""
  python=""
  python_has_venv=""
  if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else
    set -- python3 python3.13 python3.12 python3.11 python3.10 python3.14
  fi
  for candidate in "$@"; do
    # Run the candidate: a shim can be on PATH and still refuse to start.
    read -r version venv_module < <(describe_python "$candidate") || continue
    if ! is_new_enough "$version"; then
      too_old="${too_old:+$too_old, }$candidate is $version"
    elif [ "$venv_module" = venv ]; then
      python=$(command -v "$candidate") python_version=$version python_has_venv=yes
      return
    elif [ -z "$python" ]; then
      python=$(command -v "$candidate") python_version=$version
    fi
  done
  [ -n "$python" ] || fail \
    "Python 3.10 or newer is needed${too_old:+ ($too_old)}${PYTHON:+; PYTHON is set to $PYTHON}." \
    "Install it, or name the one that you have: PYTHON=/path/to/python3.12 bash $(printf %q "$0")"
}

install_venv_module() {
  local package="python${python_version%.*}-venv"
  if ! has apt-get; then
    fail "$python lacks the modules venv and ensurepip. Install them, or name another Python: PYTHON=/path/to/python3"
  elif ! is_root; then
    fail "$python cannot create virtual environments yet. Type this, then run the command again:" \
      "  sudo apt-get install -y $package"
  fi
  say "Installing $package"
  start_log
  apt_install "$package" || fail_with_log "$package could not be installed." \
    "Install it, then run the command again."
}

# ---- Java -------------------------------------------------------------------------------------

# Sets java_home and java_version if $1 is a java executable of version 17 or 21.
try_java() {
  local facts version home
  [ -x "$1" ] || return 1
  # Ask java for its home, because the java on PATH may be a shim elsewhere.
  facts=$("$1" -XshowSettings:properties -version 2>&1) || return 1
  version=$(sed -n 's/^ *java\.specification\.version = //p' <<<"$facts")
  version=${version#1.}
  home=$(sed -n 's/^ *java\.home = //p' <<<"$facts")
  case $version in
    17 | 21) [ -x "$home/bin/java" ] && java_home=$home java_version=$version ;;
    *) [ -z "$version" ] || java_seen="${java_seen:+$java_seen, }Java $version at $1"; return 1 ;;
  esac
}

# Sets java_home.
find_java() {
  local folder found folders
  java_home="" java_seen=""
  if [ -n "${JAVA_HOME:-}" ] && try_java "$JAVA_HOME/bin/java"; then
    java_home=$JAVA_HOME
    return 0
  fi
  if try_java "$(command -v java || true)"; then return 0; fi
  folders=${METACLIP_JVM_FOLDERS-/usr/lib/jvm:/opt/java${HOME:+:$HOME/.sdkman/candidates/java}:/Library/Java/JavaVirtualMachines:/opt/homebrew/opt:/usr/local/opt}
  while IFS= read -r -d : folder; do
    [ -n "$folder" ] || continue
    for found in "$folder"/*/bin/java "$folder"/*/Contents/Home/bin/java; do
      if try_java "$found"; then return 0; fi
    done
  done <<<"$folders:"
  if [ -z "${METACLIP_JVM_FOLDERS+set}" ] && [ -x /usr/libexec/java_home ]; then
    for found in 17 21; do
      if try_java "$(/usr/libexec/java_home -v "$found" 2>/dev/null || true)/bin/java"; then return 0; fi
    done
  fi
  return 1
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$1" \
    </dev/null >>"$log" 2>&1
}

# Prints the newest Java package that apt knows and Spark can use: Debian 13 has 21, Debian 12 has 17.
apt_java_package() {
  local package
  for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
    if apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
      printf '%s\n' "$package"
      return
    fi
  done
}

# Prints the command that installs Java on this system.
java_line() {
  local sudo="sudo " package
  if is_root; then sudo=""; fi
  if [ "$(uname -s)" = Darwin ]; then echo "brew install openjdk@17"
  elif has apt-get; then
    package=$(apt_java_package)
    echo "${sudo}apt-get install -y ${package:-openjdk-17-jre-headless}"
  elif has dnf; then echo "${sudo}dnf install -y java-21-openjdk-headless"
  elif has zypper; then echo "${sudo}zypper install -y java-17-openjdk-headless"
  elif has pacman; then echo "${sudo}pacman -S --noconfirm jre17-openjdk-headless"
  elif has apk; then echo "${sudo}apk add openjdk17-jre-headless"
  else echo "export JAVA_HOME=/path/to/java17   # after installing Java 17 or 21"
  fi
}

can_install_java() { is_root && has apt-get; }

ask_for_java() {
  fail "Spark needs Java 17 or 21, but none was found${java_seen:+ ($java_seen)}. Type this, then run the command again:" \
    "  $(java_line)"
}

install_java() {
  local package
  can_install_java || ask_for_java
  start_log
  package=$(apt_java_package)
  if [ -z "$package" ]; then
    say "Updating the list of system packages"
    apt-get update </dev/null >>"$log" 2>&1 || true
    package=$(apt_java_package)
  fi
  [ -n "$package" ] || ask_for_java
  say "Installing $package, because Spark needs Java (about a minute)"
  # An outdated list names packages that are no longer available: update it once and try again.
  apt_install "$package" || { apt-get update </dev/null >>"$log" 2>&1 && apt_install "$package"; } ||
    fail_with_log "$package could not be installed." "Type this to see why, then run the command again:" "  $(java_line)"
  find_java || ask_for_java
}

# ---- The environment --------------------------------------------------------------------------

# The stamp is written last, so a set-up that was killed runs again.
read_stamp() {
  stamp_key="" stamp_extras="" stamp_python="" stamp_root="" stamp_lock=""
  if [ -f "$stamp" ]; then
    { read -r stamp_key; read -r stamp_extras; IFS= read -r stamp_python; IFS= read -r stamp_root
      read -r stamp_lock; } <"$stamp" || true
  fi
}

covers() {
  local extra
  for extra in ${2//,/ }; do
    case ",$1," in *",$extra,"*) ;; *) return 1 ;; esac
  done
}

is_ready() {
  read_stamp
  [ "$stamp_key" = "$key" ] && [ "$stamp_root" = "$root" ] && covers "$stamp_extras" "$extras" &&
    { [ -z "${PYTHON:-}" ] || [ "$stamp_python" = "$(command -v "$PYTHON")" ]; } &&
    { [ -z "$lock" ] || [ "$stamp_lock" = "$lock_key" ]; } &&
    "$venv/bin/python" -c '' 2>/dev/null
}

# Uses an environment that the user made by hand as it is. A broken, moved or outdated one is created again.
is_usable() {
  local version
  [ -z "$stamp_root" ] || [ "$stamp_root" = "$root" ] || return 1
  [ -z "${PYTHON:-}" ] || [ "$stamp_python" = "$python" ] || return 1
  read -r version _ < <(describe_python "$venv/bin/python") && is_new_enough "$version"
}

run_pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip "$@" </dev/null >>"$log" 2>&1; }

pip_install() {
  # A module is compiled to byte code when it is first imported. Most modules of the packages never are.
  run_pip install --no-input --no-compile --prefer-binary "$@" || fail_with_log "Installing failed." \
    "If the network failed (behind a proxy: set HTTPS_PROXY), run the command again; it continues from there." \
    "To start from scratch, delete the folder ${venv##*/} first."
}

# Runs in a subshell: descriptor 9 has the lock, and the lock ends with the subshell, however it ends.
install_package() (
  exec 9<"$root/setup.py"
  if ! "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null; then
    say "Waiting for another set-up in this folder to finish"
    # Continue without a lock if the file system has none.
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || true
  fi
  if is_ready; then exit 0; fi
  if ! is_usable; then
    say "Creating ${venv##*/} with Python $python_version"
    rm -rf -- "$venv"
    start_log
    "$python" -m venv "$venv" >>"$log" 2>&1 ||
      fail_with_log "${venv##*/} could not be created." "Name another Python: PYTHON=/path/to/python3"
    # The pip that comes with an older Python takes twice as long. It does where this fails.
    run_pip install --no-input --upgrade pip || true
  fi
  rm -f -- "$stamp"
  say "Installing metaclip-spark into ${venv##*/} (about a minute the first time)"
  # A Python that was killed while it created the environment leaves one without pip.
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >"$log" 2>&1 || true
  # Keep the extras that are installed already: the tests' set-up must not undo that of the quickstart.
  if [ "$stamp_key" = "$key" ]; then
    extras=$(tr ',' '\n' <<<"$stamp_extras,$extras" | sed '/^$/d' | sort -u | paste -s -d , -)
  fi
  : >"$log"
  if [ -n "$lock" ]; then pip_install --require-hashes --requirement "$lock"; fi
  pip_install --editable "$root${extras:+[$extras]}" "$@"
  # One of pyspark and pyspark-client can have overwritten files of the other: say so now, not in the middle of a run.
  "$venv/bin/python" -m metaclip_spark.spark.installation >>"$log" 2>&1 ||
    fail_with_log "pyspark is not installed as it should be." "Type the command above, then run the command again."
  # Commands that are typed later store no byte code where this variable is set: store it now.
  [ -z "$no_byte_code" ] || "$venv/bin/python" -m metaclip_spark.warmup >>"$log" 2>&1 || true
  printf '%s\n' "$key" "$extras" "$python" "$root" "$lock_key" >"$stamp"
)

# ---- In order ---------------------------------------------------------------------------------

check=""
venv=$root/.venv
lock=""
while [ $# -gt 0 ]; do
  case $1 in
    --check) check=yes; shift ;;
    --venv) venv=$root/$2; shift 2 ;;
    --lock) lock=$root/$2; shift 2 ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) break ;;
  esac
done
extras=${1-spark,report}
if [ $# -gt 0 ]; then shift; fi

# An empty HOME is worse than none: programs then use / as the home.
if [ -z "${HOME:-}" ]; then unset HOME; fi
# Another Spark on this machine must not be mixed with the one in the environment.
unset SPARK_HOME SPARK_CONF_DIR PYTHONPATH PYTHONHOME PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON
# Without stored byte code, every start compiles each module that it imports again: seconds instead of one.
no_byte_code=${PYTHONDONTWRITEBYTECODE:-}
unset PYTHONDONTWRITEBYTECODE

stamp=$venv/setup.stamp
log=$venv/setup.log
# Install again if the package changed, or if other versions are requested.
key=$({ cat -- "$root/setup.py" "$root/metaclip_spark/__init__.py"; printf '%s\n' "$@"; } | cksum)
lock_key=${lock:+$(cksum <"$lock")}

ready=""
if is_ready; then ready=yes; fi
if [ -z "$ready" ] || [ -n "$check" ]; then find_python; fi

wants_java=""
if covers "$extras" spark || covers "$extras" all; then wants_java=yes; fi

if [ -n "$check" ]; then
  if [ -n "$wants_java" ]; then find_java || ask_for_java; fi
  say "Python $python_version at $python" ${wants_java:+"Java $java_version at $java_home"}
  exit 0
fi

if [ -n "$wants_java" ]; then
  find_java || install_java
  export JAVA_HOME=$java_home
fi

if [ -z "$ready" ]; then
  if [ -z "$python_has_venv" ]; then install_venv_module; fi
  install_package "$@"
fi
