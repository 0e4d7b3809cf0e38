"""The shell scripts run without network. Every outside program is a stub that a test writes."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = ["jobs/setup.sh", "jobs/quickstart.sh", "jobs/package.sh", "tests/run.sh", ".ci/run"]
BASH = shutil.which("bash")
TOOLS = [
    "bash",
    "sh",
    "cat",
    "cksum",
    "dirname",
    "du",
    "grep",
    "mkdir",
    "paste",
    "rm",
    "sed",
    "sort",
    "tail",
    "tr",
    "chmod",
    "cp",
    "mktemp",
]

LOCK = "jobs/requirements/tests.txt"

# A Python that answers the questions of setup.sh, and records the arguments of pip install and of our modules.
PYTHON = """\
case "$*" in
  *version_info*) echo "{version} {venv}" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip install "*) echo "$*" >>"{calls}"; echo "pip says hello"; exit {pip_status} ;;
  "-m metaclip_spark.warehouse.compare "*) echo "$*" >>"{calls}"; exit "${{COMPARED:-0}}" ;;
  "-m metaclip_spark."*) echo "$*" >>"{calls}" ;;
esac
"""

JAVA = """\
echo "Picked up JAVA_TOOL_OPTIONS: -Dsome.thing=1" >&2
echo "    java.home = {home}" >&2
echo "    java.specification.version = {version}" >&2
"""


def write_script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{BASH}\n{body}")
    path.chmod(0o755)
    return path


@dataclass
class Machine:
    """A clone of the repository's scripts in a folder with a space, and a PATH with stubs only."""

    root: Path
    bin: Path
    jvms: Path
    calls: Path
    env: dict

    def python(self, version="3.11.4", name="python3", venv="venv", pip_status=0):
        body = PYTHON.format(version=version, venv=venv, calls=self.calls, pip_status=pip_status)
        return write_script(self.bin / name, body)

    def java(self, version, home):
        write_script(home / "bin" / "java", JAVA.format(version=version, home=home))
        return home

    def java_on_path(self, version):
        home = self.java(version, self.jvms.parent / f"path java {version}")
        (self.bin / "java").symlink_to(home / "bin" / "java")
        return home

    def user(self, uid):
        write_script(self.bin / "id", f"echo {uid}\n")

    def system(self, name):
        write_script(self.bin / "uname", f"echo {name}\n")

    def apt(self, candidate="openjdk-17-jre-headless", install="exit 1"):
        policy = f'[ "$2" != {candidate} ] || echo "  Candidate: 17.0.1"'
        write_script(self.bin / "apt-cache", policy)
        write_script(self.bin / "apt-get", f'echo "apt-get $*" >>"{self.calls}"\n{install}\n')

    def run(self, script, *args, cwd="/", **env):
        return subprocess.run(
            [BASH, str(self.root / script), *args],
            cwd=cwd,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def all_calls(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def installs(self):
        """Return the installations, without that of a newer pip."""
        return [line for line in self.all_calls() if " install " in line and not line.endswith(" --upgrade pip")]

    def calls_of(self, module):
        return [line for line in self.all_calls() if line.startswith(f"-m metaclip_spark.{module}")]


@pytest.fixture
def machine(tmp_path):
    """Return a machine with the scripts, a Python, no Java, and no network."""
    root = tmp_path / "a clone"
    for name in [*SCRIPTS, "setup.py", "metaclip_spark/__init__.py", LOCK]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, root / name)
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    jvms = tmp_path / "jvms"
    jvms.mkdir()
    env = {"PATH": str(folder), "HOME": str(tmp_path), "METACLIP_JVM_FOLDERS": str(jvms)}
    machine = Machine(root, folder, jvms, tmp_path / "calls", env)
    machine.user(1000)
    machine.system("Linux")
    machine.python()
    return machine


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_parses_and_is_executable(script):
    """Every script is valid bash and has the executable bit."""
    done = subprocess.run([BASH, "-n", str(REPO / script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(REPO / script, os.X_OK)


@pytest.mark.parametrize("script", ["jobs/quickstart.sh", "jobs/package.sh", "tests/run.sh", "jobs/setup.sh"])
def test_help_needs_nothing_installed(machine, script):
    """--help answers on a machine with neither Python nor Java, and installs nothing."""
    (machine.bin / "python3").unlink()
    done = machine.run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert script.rsplit("/", 1)[1] in done.stdout
    assert not (machine.root / ".venv").exists()


def test_packaging_names_an_unusable_python(machine, tmp_path):
    """Nothing is built. The message has the command to type."""
    done = machine.run("jobs/package.sh", PYTHON=str(tmp_path / "python3"))
    assert done.returncode == 1
    assert f"modules venv and ensurepip is needed, but {tmp_path}/python3 does not have them.\n" in done.stderr
    assert "PYTHON=/path/to/python3.12 bash " in done.stderr
    assert not (machine.root / "dist").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--output", "x"], "unknown option --output"), (["--python-prefix"], "--python-prefix needs a folder, such as")],
)
def test_packaging_refuses_unknown_options(machine, words, message):
    """A misspelt option is not taken as the name of an extra."""
    done = machine.run("jobs/package.sh", *words)
    assert done.returncode == 1
    assert message in done.stderr


# ---- Java -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["17", "21"])
def test_java_on_path_is_used(machine, version):
    """Java 17 or 21 on PATH is found; its own home is reported, not the folder of the link."""
    home = machine.java_on_path(version)
    done = machine.run("jobs/setup.sh", "--check")
    assert done.returncode == 0
    assert f"Java {version} at {home}" in done.stderr


@pytest.mark.parametrize(("version", "shown"), [("1.8", "8"), ("11", "11"), ("25", "25")])
def test_java_of_another_version_is_refused_by_name(machine, version, shown):
    """The error names a Java that Spark cannot use and the command to type; the script ends with 1."""
    machine.java_on_path(version)
    machine.apt()
    done = machine.run("jobs/setup.sh", "--check")
    assert done.returncode == 1
    assert f"none was found (Java {shown} at {machine.bin}/java)." in done.stderr
    assert "\n  sudo apt-get install -y openjdk-17-jre-headless\n" in done.stderr


def test_java_home_wins_over_path(machine, tmp_path):
    """A usable JAVA_HOME is used although another Java is on PATH."""
    machine.java_on_path("17")
    named = machine.java("21", tmp_path / "named java")
    done = machine.run("jobs/setup.sh", "--check", JAVA_HOME=str(named))
    assert f"Java 21 at {named}" in done.stderr


def test_too_old_java_home_does_not_hide_a_usable_java(machine, tmp_path):
    """With JAVA_HOME at Java 8 and Java 11 on PATH, Java 17 in the system's folder of JVMs is found."""
    machine.java_on_path("11")
    good = machine.java("17", machine.jvms / "java 17")
    old = machine.java("1.8", tmp_path / "old")
    done = machine.run("jobs/setup.sh", "--check", JAVA_HOME=str(old))
    assert f"Java 17 at {good}" in done.stderr


def test_java_that_does_not_start_is_skipped(machine):
    """A java that ends with an error, as macOS's placeholder does, is not used."""
    write_script(machine.bin / "java", "exit 1\n")
    good = machine.java("17", machine.jvms / "real")
    done = machine.run("jobs/setup.sh", "--check")
    assert f"Java 17 at {good}" in done.stderr


def test_java_in_a_mac_bundle_is_found(machine):
    """On macOS, the JVM's home in Contents/Home is found."""
    home = machine.java("21", machine.jvms / "temurin-21.jdk" / "Contents" / "Home")
    done = machine.run("jobs/setup.sh", "--check")
    assert f"Java 21 at {home}" in done.stderr


@pytest.mark.parametrize(
    ("system", "manager", "line"),
    [
        ("Darwin", None, "brew install openjdk@17"),
        ("Linux", "dnf", "sudo dnf install -y java-21-openjdk-headless"),
        ("Linux", "zypper", "sudo zypper install -y java-17-openjdk-headless"),
        ("Linux", "pacman", "sudo pacman -S --noconfirm jre17-openjdk-headless"),
        ("Linux", "apk", "sudo apk add openjdk17-jre-headless"),
        ("Linux", None, "export JAVA_HOME=/path/to/java17   # after installing Java 17 or 21"),
    ],
)
def test_without_java_the_command_to_type_fits_the_system(machine, system, manager, line):
    """Without Java the script ends with 1 before it creates anything, and prints the command for this system."""
    machine.system(system)
    if manager:
        write_script(machine.bin / manager, "exit 9\n")
    done = machine.run("jobs/setup.sh")
    assert done.returncode == 1
    expected = "Spark needs Java 17 or 21, but none was found. Type this, then run the command again:"
    assert done.stderr == f"{expected}\n  {line}\n"
    assert not (machine.root / ".venv").exists()


@pytest.mark.parametrize("package", ["openjdk-17-jre-headless", "openjdk-21-jre-headless"])
def test_root_on_debian_gets_java_installed(machine, package):
    """As root with apt, the available Java is installed, and the set-up continues with it."""
    machine.user(0)
    java = machine.jvms / "new" / "bin" / "java"
    body = JAVA.format(version=package.split("-")[1], home=java.parents[1])
    installed = write_script(machine.root / "installed", body)
    machine.apt(package, f"mkdir -p '{java.parent}'; cp '{installed}' '{java}'")
    done = machine.run("jobs/setup.sh")
    assert done.returncode == 0, done.stderr
    assert f"Installing {package}, because Spark needs Java (about a minute)\n" in done.stderr
    assert machine.installs()[0].endswith(f"install -y --no-install-recommends {package}")


def test_failed_installation_of_java_shows_the_log_and_the_line(machine):
    """If apt fails as root, its last lines and the command to type are shown, and the status is 1."""
    machine.user(0)
    machine.apt(install="echo 'E: no space left'; exit 100")
    done = machine.run("jobs/setup.sh")
    assert done.returncode == 1
    assert "E: no space left" in done.stderr
    assert "\n  apt-get install -y openjdk-17-jre-headless\n" in done.stderr


# ---- Python ---------------------------------------------------------------------------------------


def test_too_old_python_is_named_with_what_to_do(machine):
    """With Python 3.8 alone, the error has its version and says how to name another one."""
    machine.python("3.8.10")
    done = machine.run("jobs/quickstart.sh")
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.10 or newer is needed (python3 is 3.8.10).\n")
    assert "PYTHON=/path/to/python3.12 bash " in done.stderr


def test_newer_python_beside_an_old_python3_is_used(machine):
    """python3.12 is used if python3 is 3.8."""
    machine.python("3.8.10")
    newer = machine.python("3.12.1", "python3.12")
    machine.java_on_path("17")
    done = machine.run("jobs/setup.sh", "--check")
    assert f"Python 3.12.1 at {newer}" in done.stderr


def test_python_variable_wins(machine):
    """PYTHON names the Python to use, whatever is on PATH."""
    own = machine.python("3.13.0", "my python")
    machine.java_on_path("17")
    done = machine.run("jobs/setup.sh", "--check", PYTHON=str(own))
    assert f"Python 3.13.0 at {own}" in done.stderr


def test_python_variable_that_is_wrong_is_an_error(machine):
    """A PYTHON that cannot start is an error; no other Python is used silently."""
    done = machine.run("jobs/setup.sh", "--check", PYTHON="/no/such/python")
    assert done.returncode == 1
    assert "Python 3.10 or newer is needed; PYTHON is set to /no/such/python." in done.stderr


def test_shim_that_does_not_start_is_skipped(machine):
    """A python3 that is on PATH but ends with an error does not hide python3.11."""
    write_script(machine.bin / "python3", "exit 127\n")
    good = machine.python("3.11.4", "python3.11")
    machine.java_on_path("17")
    assert f"at {good}" in machine.run("jobs/setup.sh", "--check").stderr


def test_missing_venv_module_gives_the_command_to_type(machine):
    """For Debian's Python without ensurepip, a user who is not root gets the name of the package."""
    machine.python("3.11.4", venv="-")
    machine.java_on_path("17")
    machine.apt()
    done = machine.run("jobs/setup.sh")
    assert done.returncode == 1
    assert "\n  sudo apt-get install -y python3.11-venv\n" in done.stderr


# ---- The environment ------------------------------------------------------------------------------


@pytest.fixture
def ready(machine):
    """Return a machine that has everything for an installation."""
    machine.java_on_path("17")
    return machine


def test_second_setup_installs_nothing_and_prints_nothing(ready):
    """The first set-up installs once; the second finds its stamp and is silent."""
    first = ready.run("jobs/setup.sh")
    assert first.returncode == 0, first.stderr
    assert first.stderr == (
        "Creating .venv with Python 3.11.4\nInstalling metaclip-spark into .venv (about a minute the first time)\n"
    )
    options = "--no-input --no-compile --prefer-binary"
    assert ready.installs() == [f"-m pip install {options} --editable {ready.root}[spark,report]"]
    second = ready.run("jobs/setup.sh")
    assert (second.returncode, second.stderr, len(ready.installs())) == (0, "", 1)


def test_a_new_environment_gets_a_new_pip_first(ready):
    """The environment gets a newer pip once, before the packages. Without a network the old one goes on."""
    ready.run("jobs/setup.sh")
    ready.run("jobs/setup.sh", "spark,report,test")
    upgrade = "-m pip install --no-input --upgrade pip"
    assert [line == upgrade for line in ready.all_calls() if " install " in line] == [True, False, False]


def test_a_lock_is_installed_before_the_package(ready):
    """What the lock names comes first, with hashes, and stays where no lock is asked for."""
    ready.run("jobs/setup.sh", "--lock", LOCK)
    options = "--no-input --no-compile --prefer-binary"
    locked = f"-m pip install {options} --require-hashes --requirement {ready.root}/{LOCK}"
    package = f"-m pip install {options} --editable {ready.root}[spark,report]"
    assert ready.installs() == [locked, package]
    ready.run("jobs/setup.sh", "--lock", LOCK)
    ready.run("jobs/setup.sh")
    assert len(ready.installs()) == 2


def test_a_changed_lock_and_an_environment_without_it_are_installed_again(ready):
    """The lock is compared by its content."""
    ready.run("jobs/setup.sh")
    ready.run("jobs/setup.sh", "--lock", LOCK)
    with (ready.root / LOCK).open("a") as file:
        file.write("# changed\n")
    ready.run("jobs/setup.sh", "--lock", LOCK)
    assert ["--require-hashes" in line for line in ready.installs()] == [False, True, False, True, False]


def test_a_package_that_differs_from_the_lock_ends_the_setup(ready):
    """If pip refuses what the lock names, nothing else is installed, and the next set-up tries again."""
    ready.python(pip_status=1)
    done = ready.run("jobs/setup.sh", "--lock", LOCK)
    assert done.returncode == 1
    assert "Installing failed. The last lines of" in done.stderr
    assert ["--require-hashes" in line for line in ready.installs()] == [True]


def test_setup_without_extras_needs_no_java(machine):
    """The package alone is installed where Java is absent. Its extras are added later, and stay."""
    done = machine.run("jobs/setup.sh", "")
    assert done.returncode == 0, done.stderr
    assert machine.installs()[0].endswith(f" --editable {machine.root}")
    assert machine.run("jobs/setup.sh", "report").returncode == 0
    assert machine.run("jobs/setup.sh", "").returncode == 0
    assert [line.rpartition("clone")[2] for line in machine.installs()] == ["", "[report]"]
    assert machine.run("jobs/setup.sh", "--check", "").stderr.startswith("Python 3.11.4 at ")
    assert machine.run("jobs/setup.sh", "--check", "report,all").returncode == 1


def test_more_extras_are_added_and_stay(ready):
    """The tests' extras are added, and the quickstart after them has nothing to do."""
    ready.run("jobs/setup.sh", "spark,report")
    ready.run("jobs/setup.sh", "spark,report,test")
    ready.run("jobs/setup.sh", "spark,report")
    assert len(ready.installs()) == 2
    assert ready.installs()[1].endswith("[report,spark,test]")


def test_changed_setup_py_is_installed_again(ready):
    """A changed setup.py triggers a new installation."""
    ready.run("jobs/setup.sh")
    with (ready.root / "setup.py").open("a") as file:
        file.write("# changed\n")
    ready.run("jobs/setup.sh")
    assert len(ready.installs()) == 2


def test_failed_installation_shows_pips_words_and_is_tried_again(ready):
    """If pip fails, its last lines and what to do are shown; the next set-up tries again."""
    ready.python(pip_status=1)
    done = ready.run("jobs/setup.sh")
    assert done.returncode == 1
    assert "Installing failed. The last lines of" in done.stderr
    assert "pip says hello" in done.stderr
    assert "run the command again" in done.stderr
    ready.run("jobs/setup.sh")
    assert len(ready.installs()) == 2


def test_moved_folder_gets_a_new_environment(ready):
    """The scripts in an environment contain its path, so a moved clone creates a new environment."""
    ready.run("jobs/setup.sh")
    ready.root = ready.root.rename(ready.root.with_name("moved clone"))
    done = ready.run("jobs/setup.sh")
    assert "Creating .venv with Python 3.11.4" in done.stderr
    assert str(ready.root) in ready.installs()[-1]


@pytest.mark.parametrize("home", ["", None])
def test_setup_works_without_a_home(ready, home):
    """Set-up works with an empty or missing HOME."""
    ready.env.pop("HOME")
    env = {} if home is None else {"HOME": home}
    done = ready.run("jobs/setup.sh", **env)
    assert done.returncode == 0, done.stderr


def install_command(machine, body):
    write_script(machine.root / ".venv" / "bin" / "metaclip-spark", body)


def quickstart_command(machine, warehouse, engine, *more):
    """Return what a stub of the command prints if it prints its words."""
    words = [
        "run",
        "--config",
        machine.root / "conf/quickstart.yaml",
        "--input",
        machine.root / "jobs/sample/pool.wat.gz",
    ]
    words += ["--metadata", machine.root / "metadata/en.json.gz", "--engine", engine, "--warehouse", warehouse, *more]
    return "".join(f"<{word}>" for word in words)


# A command that prints its words, records them, and makes the warehouse.
COMMAND = """\
printf "<%s>" "$@"; echo
printf "%s: " "${JAVA_HOME:-no java}" >>{calls}; printf "<%s>" "$@" >>{calls}; echo >>{calls}
mkdir -p "${11}"
"""


@pytest.fixture
def job(machine):
    """Return a machine with the package, whose command records its words."""
    machine.run("jobs/setup.sh", "")
    install_command(machine, COMMAND.replace("{calls}", f'"{machine.calls}"'))
    return machine


def runs(machine):
    return [line for line in machine.all_calls() if "<run>" in line]


def test_quickstart_runs_embedded_where_java_is_absent(job):
    """The job gets sample, list, engine, warehouse and the given options. Its time, its disk and three commands follow.

    One sentence says that Spark is left out, and how to get Java. The status is 0.
    """
    done = job.run("jobs/quickstart.sh", "--threshold", "20")
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == quickstart_command(job, job.root / "warehouse", "embedded", "--threshold", "20")
    assert [line.split()[0] for line in rest[1:3]] == ["set-up", "run"]
    assert [line.endswith(" MB") for line in rest[1:3]] == [True, True]
    lines = [line for line in rest if line.startswith("  ")]
    assert [".parquet" in line or ".wat.gz" in line for line in lines] == [True, True, False]
    assert "--crawl CC-MAIN-" in lines[-1]
    java = "export JAVA_HOME=/path/to/java17   # after installing Java 17 or 21"
    assert done.stderr == f"Spark is left out: it needs Java 17 or 21, and none was found; {java} installs one.\n"
    assert len(runs(job)) == 1
    assert not job.installs()[1:]


def test_quickstart_does_the_same_on_spark_and_compares(job):
    """With Java, Spark does the same into a second warehouse, and the tables are compared. Equal tables stay."""
    home = job.java_on_path("17")
    done = job.run("jobs/quickstart.sh", "--threshold", "20")
    assert done.returncode == 0, done.stderr
    warehouse = job.root / "warehouse"
    assert runs(job) == [
        f"no java: {quickstart_command(job, warehouse, 'embedded', '--threshold', '20')}",
        f"{home}: {quickstart_command(job, f'{warehouse}-spark', 'spark', '--threshold', '20')}",
    ]
    assert job.installs()[1].endswith("[spark]")
    assert job.calls_of("warehouse.compare") == [f"-m metaclip_spark.warehouse.compare {warehouse} {warehouse}-spark"]
    assert done.stdout.splitlines()[-1] == "The tables of both engines are equal."
    again = job.run("jobs/quickstart.sh", "--threshold", "20")
    assert again.returncode == 0, again.stderr
    assert [line for line in runs(job)[2:] if "<spark>" in line] == []
    assert again.stdout.splitlines()[-1] == "Spark has done the same before, and the tables of both engines are equal."


def test_quickstart_fails_if_the_tables_differ(job):
    """If the comparison ends with 1, so does the script, and it says so."""
    job.java_on_path("17")
    done = job.run("jobs/quickstart.sh", COMPARED="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "The tables of the two engines differ. Please report this."


@pytest.mark.parametrize(
    "words", [["--no-spark"], ["--seed", "1", "--no-spark"], ["--engine", "embedded"], ["--master=local"]]
)
def test_quickstart_leaves_spark_out_if_told(job, words):
    """With --no-spark anywhere, or an engine that is named, the job runs once, and nothing more is installed."""
    job.java_on_path("17")
    done = job.run("jobs/quickstart.sh", *words)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = runs(job)
    assert line.endswith("".join(f"<{word}>" for word in words if word != "--no-spark"))
    assert not job.installs()[1:]


@pytest.mark.parametrize("words", [["--warehouse", "my tables"], ["--warehouse=my tables/"]])
def test_quickstart_takes_a_warehouse(job, tmp_path, words):
    """A warehouse that is named is used, and the second one lies beside it."""
    job.java_on_path("17")
    assert job.run("jobs/quickstart.sh", *words, cwd=tmp_path).returncode == 0
    assert ["<my tables>" in runs(job)[0], "<my tables-spark>" in runs(job)[1]] == [True, True]


def test_quickstart_ends_well_if_java_cannot_be_installed(job):
    """As root, where apt fails, the job has run on the embedded engine: the status is 0, and why is said."""
    job.user(0)
    job.apt(install="echo 'E: no network'; exit 100")
    done = job.run("jobs/quickstart.sh")
    assert done.returncode == 0
    assert "E: no network" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Spark is left out: it needs Java 17 or 21, and none was found; ")
    assert len(runs(job)) == 1


def test_quickstart_compiles_in_two_processes_after_a_setup(machine):
    """The first start compiles what the sample needs; a later one does not."""
    machine.run("jobs/quickstart.sh", "--no-spark")
    parts = [f"-m metaclip_spark.warmup {parts}" for parts in ("hosts wat language match", "match language wat hosts")]
    assert sorted(machine.calls_of("warmup")) == parts
    machine.run("jobs/quickstart.sh", "--no-spark")
    assert sorted(machine.calls_of("warmup")) == parts


@pytest.mark.parametrize("status", [1, 2, 3])
def test_quickstart_ends_with_the_runs_status(job, status):
    """The script ends with the exit status of the run. Only a run that finished is repeated on Spark."""
    job.java_on_path("17")
    install_command(job, f'echo "<run>" >>"{job.calls}"; exit {status}\n')
    done = job.run("jobs/quickstart.sh")
    assert (done.returncode, len(runs(job))) == (status, 2 if status == 3 else 1)


TEST_RUNNER = """\
case "$2" in
  ruff | mypy) shift; echo "$*"; exit {lint} ;;
  pytest) shift 2; printf "<%s>" "$@"; echo; exit {pytest} ;;
esac
"""


LINT = "ruff check .\nruff format --check .\nmypy\n"
"""The linter, the formatter and the types are checked before the tests."""
BOTH = "".join(
    f"<tests/e2e/test_{name}.py>"
    for name in ("engines", "crossing", "second_run", "object_store", "databricks", "connect")
)
OF_SECOND = [f"tests/unit/{folder}" for folder in ("core", "extract", "matchers", "report")]
QUIET = "<-m><{0}><-p><no:cacheprovider>"
ALL = (
    f"{QUIET}<--engine><embedded><--ignore=tests/e2e/test_engines.py><--ignore=tests/e2e/test_crossing.py>"
    "<tests/e2e><tests/faults>\n"
    f"{QUIET}{''.join(f'<--ignore={folder}>' for folder in OF_SECOND)}<tests/unit>\n"
    f"{QUIET}<tests/spark><tests/cluster>{{1}}\n{QUIET}{''.join(f'<{folder}>' for folder in OF_SECOND)}<tests/fuzz>"
)
"""If no test is named: two queues, of which the second one says after the first how it ended."""


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ALL.format("not slow", BOTH)),
        (["--all"], ALL.format("", "<tests/e2e>") + f"\n{LINT}<-m><not slow><--connect><tests/e2e>"),
        (["tests/unit", "-k", "a or b", "--all"], "<-m><><tests/unit><-k><a or b>"),
    ],
)
def test_runner_passes_options_to_pytest(ready, given, passed):
    """Slow tests are deselected unless --all is given, which also tests Spark Connect; the rest goes to pytest word by
    word."""
    ready.run("jobs/setup.sh", "--lock", LOCK, "spark,report,test")
    write_script(ready.root / ".venv/bin/python", TEST_RUNNER.format(lint=0, pytest=0))
    done = ready.run("tests/run.sh", *given)
    assert (done.returncode, done.stdout) == (0, f"{LINT}{passed}\n")


@pytest.mark.parametrize("options", [["--newest"], ["--spark", "4.0"]])
def test_runner_installs_the_locked_packages_and_others_beside_them(ready, options):
    """The tests run with the same packages each time. Others that are asked for come into another environment."""
    ready.run("tests/run.sh")
    assert ["--require-hashes" in line for line in ready.installs()] == [True, False]
    ready.run("tests/run.sh", *options)
    assert ["--require-hashes" in line for line in ready.installs()] == [True, False, False]


@pytest.mark.parametrize(("lint", "tests", "status"), [(0, 5, 5), (1, 0, 1), (1, 5, 5)])
def test_runner_fails_if_tests_or_linter_do(ready, lint, tests, status):
    """The script ends with the tests' status, or the linter's if the tests pass; the tests run either way."""
    ready.run("jobs/setup.sh", "--lock", LOCK, "spark,report,test")
    write_script(ready.root / ".venv/bin/python", TEST_RUNNER.format(lint=lint, pytest=tests))
    done = ready.run("tests/run.sh")
    assert (done.returncode, "<-m>" in done.stdout) == (status, True)


@pytest.mark.parametrize("part", ["tests/spark", "tests/fuzz", "tests/faults", "--ignore=tests/unit/extract"])
def test_runner_fails_if_one_part_of_the_tests_does(ready, part):
    """Each part runs all the same."""
    ready.run("jobs/setup.sh", "--lock", LOCK, "spark,report,test")
    failing = f'case "$*" in *pytest*{part}*) shift 2; printf "<%s>" "$@"; echo; exit 1 ;; esac\n'
    write_script(ready.root / ".venv/bin/python", failing + TEST_RUNNER.format(lint=0, pytest=0))
    done = ready.run("tests/run.sh")
    assert (done.returncode, done.stdout) == (1, f"{LINT}{ALL.format('not slow', BOTH)}\n")


def test_runner_ends_with_the_oldest_spark_if_everything_is_requested(ready):
    """--all alone installs Spark 4.0 in a separate environment; with tests named it does not."""
    ready.run("tests/run.sh", "--all", "tests/unit")
    assert not (ready.root / ".venv-spark4.0").exists()
    ready.run("tests/run.sh", "--all")
    assert (ready.root / ".venv-spark4.0").is_dir()


def test_runner_keeps_another_spark_in_its_own_environment(ready):
    """--spark 4.0 installs that Spark with its Delta in a separate environment, not in .venv."""
    ready.run("tests/run.sh", "--spark", "4.0")
    assert ready.installs()[0].endswith("[spark,report,test] pyspark==4.0.4 pyspark-client==4.0.4 delta-spark==4.0.*")
    assert (ready.root / ".venv-spark4.0").is_dir()
    assert not (ready.root / ".venv").exists()


def test_runner_refuses_a_spark_it_does_not_know(ready):
    """An unknown version is wrong usage."""
    done = ready.run("tests/run.sh", "--spark", "3.5")
    assert done.returncode == 2
    assert "--spark takes 4.0 or 4.1, got 3.5." in done.stderr
