"""spark-submit's own code accepts the commands for YARN and Kubernetes, and Spark declares every setting that
docs/CLUSTER.md and conf/cluster.conf name. No cluster is needed."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

import pytest
from documented import ROOT, blocks, commands, section

pytestmark = pytest.mark.spark

CONF = (ROOT / "conf" / "cluster.conf").read_text(encoding="utf-8")
DECLARING_CLASSES = (
    "org.apache.spark.internal.config.package$",
    "org.apache.spark.internal.config.Python$",
    "org.apache.spark.internal.config.UI$",
    "org.apache.spark.deploy.yarn.config.package$",
    "org.apache.spark.deploy.k8s.Config$",
)
"""Classes in which Spark declares its settings. A setting is known once its class is loaded."""
UNDECLARED = (
    "spark.sql.catalog.",
    "spark.hadoop.",
    "spark.executorEnv.",
    "spark.yarn.appMasterEnv.",
    "spark.kubernetes.driverEnv.",
    "spark.kubernetes.driver.node.selector.",
    "spark.delta.logStore.",
)
"""Prefixes of settings that users, Hadoop or Delta define."""


@dataclass
class Submitted:
    """A command as spark-submit parses it."""

    main: str
    arguments: list[str]
    conf: dict[str, str]


@pytest.fixture(scope="module")
def jvm(spark):
    """Return the JVM of the shared session."""
    return spark._jvm


def none(jvm):
    """Return Scala's None."""
    return getattr(getattr(jvm.scala, "None$"), "MODULE$")


@pytest.fixture
def cleared_settings(jvm):
    """Clear the session's settings in the JVM during the test, because spark-submit would use them as defaults."""
    system = jvm.java.lang.System
    before = {name: system.getProperty(name) for name in system.getProperties().stringPropertyNames()}
    before = {name: value for name, value in before.items() if name.startswith("spark.")}
    for name in before:
        system.clearProperty(name)
    yield
    for name, value in before.items():
        system.setProperty(name, value)


@pytest.fixture
def submit(jvm, cleared_settings, tmp_path, monkeypatch):
    """Return a function that prepares a documented command as spark-submit does, without starting it.

    No remote address is used: files on HDFS are read from a local folder instead.
    """
    from metaclip_spark.spark.session import delta_package, ivy_folder

    monkeypatch.chdir(ROOT)
    (tmp_path / "metaclip-spark-env.tar.gz").touch()
    replacements = [("hdfs:///apps/metaclip-spark", f"file://{tmp_path}"), ("KUBERNETES", "127.0.0.1")]

    def prepare(words: list[str]) -> Submitted:
        for remote, local in replacements:
            words = [word.replace(remote, local) for word in words]
        words = [re.sub(r"io\.delta:delta-spark\S+", delta_package(), word) for word in words]
        words = ["--conf", f"spark.jars.ivy={ivy_folder()}", *words]
        env = jvm.PythonUtils.toScalaMap({"HADOOP_CONF_DIR": str(tmp_path)})
        given = jvm.org.apache.spark.deploy.SparkSubmitArguments(jvm.PythonUtils.toSeq(words), env)
        prepared = jvm.org.apache.spark.deploy.SparkSubmit().prepareSubmitEnvironment(given, none(jvm))
        arguments = list(jvm.scala.jdk.javaapi.CollectionConverters.asJava(prepared._1()))
        conf = {pair._1(): pair._2() for pair in prepared._3().getAll()}
        return Submitted(prepared._4(), arguments, conf)

    return prepare


def submits(heading: str) -> list[list[str]]:
    """Return the words after spark-submit of each such command below a heading."""
    found = [words for block in blocks("CLUSTER.md", heading) for words in commands(block)]
    return [words[1:] for words in found if words[0].endswith("spark-submit")]


def flags_are_known(words: list[str], script: str) -> None:
    """Check that the command line accepts the job's own flags. Missing files are not checked."""
    from metaclip_spark.cli.app import cli
    from metaclip_spark.cli.options import spread_variadic

    run = copy.copy(cli.commands["run"])  # click stores the help option in the command, and the parent decides it
    ours = spread_variadic(words[words.index(script) + 1 :])
    assert ours
    assert run.make_context("run", ours).params["warehouse"]


def test_yarn_commands_are_what_spark_submit_takes(submit):
    """Client mode starts the driver here. Cluster mode sends the files along and names the interpreter there."""
    client, cluster = submits("YARN")
    submitted = submit(client)
    assert submitted.main == "org.apache.spark.deploy.PythonRunner"
    assert submitted.conf["spark.master"] == "yarn"
    assert submitted.conf["spark.executor.instances"] == "100"
    assert submitted.conf["spark.yarn.dist.archives"].endswith("metaclip-spark-env.tar.gz#environment")
    flags_are_known(client, "jobs/run.py")

    submitted = submit(cluster)
    assert submitted.main == "org.apache.spark.deploy.yarn.YarnClusterApplication"
    assert submitted.conf["spark.submit.deployMode"] == "cluster"
    assert submitted.conf["spark.yarn.dist.archives"].endswith("metaclip-spark-env.tar.gz#environment")
    sent = {path.rsplit("/", 1)[1] for path in submitted.conf["spark.yarn.dist.files"].split(",")}
    assert sent >= {cluster[cluster.index(flag) + 1] for flag in ("--config", "--metadata")}
    assert submitted.conf["spark.yarn.appMasterEnv.PYSPARK_PYTHON"] == "./environment/bin/python"
    flags_are_known(cluster, "jobs/run.py")


def test_kubernetes_command_makes_a_driver_pod(spark, jvm, submit):
    """The pod has the image, its Python, and the script with its flags. No local file has to be uploaded."""
    (words,) = submits("Kubernetes")
    submitted = submit(words)
    assert submitted.main == "org.apache.spark.deploy.k8s.submit.KubernetesClientApplication"
    script = "local:///opt/metaclip-spark/jobs/run.py"
    flags_are_known(words, script)
    local = {name for name, value in submitted.conf.items() if "file:" in value}
    to_upload = {"spark.jars", "spark.files", "spark.archives", "spark.submit.pyFiles"}
    assert not local & to_upload

    conf = jvm.org.apache.spark.SparkConf(False)
    for name, value in submitted.conf.items():
        conf.set(name, value)
    flags = words[words.index(script) + 1 :]
    array = spark.sparkContext._gateway.new_array(jvm.java.lang.String, len(flags))
    for at, word in enumerate(flags):
        array[at] = word
    k8s = jvm.org.apache.spark.deploy.k8s
    driver = k8s.KubernetesConf.createDriverConf(
        conf, "app", k8s.submit.PythonMainAppResource(script), "org.apache.spark.deploy.PythonRunner", array, none(jvm)
    )
    client = jvm.io.fabric8.kubernetes.client.KubernetesClientBuilder().build()
    pod = k8s.submit.KubernetesDriverBuilder().buildFromFeatures(driver, client).pod().container()
    client.close()
    assert pod.getImage() == "registry.example.org/metaclip-spark:0.1.0"
    assert list(pod.getArgs())[-len(flags) - 1 :] == [script, *flags]
    env = {variable.getName(): variable.getValue() for variable in pod.getEnv()}
    assert env["PYSPARK_PYTHON"] == "python3"


def test_standalone_refuses_cluster_mode_for_python(submit):
    """The page says that only client mode is available, and spark-submit refuses the other mode."""
    (words,) = submits("Standalone")
    with pytest.raises(Exception, match="not supported for python applications on standalone clusters"):
        submit(["--deploy-mode", "cluster", *words])


def test_every_setting_named_is_one_that_spark_declares(jvm):
    """Spark ignores a misspelt setting silently, so every name is looked up."""
    for name in DECLARING_CLASSES:
        jvm.java.lang.Class.forName(name)
    find = jvm.org.apache.spark.internal.config.ConfigEntry.findEntry
    assert find("spark.executor.memoryOverheads") is None
    page = (ROOT / "docs" / "CLUSTER.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bspark\.[a-z][\w.]*\w(?![\w.]*\.(?:py|sh|conf)\b)", page + CONF))
    named -= {"spark.storage.decommission", "spark.sql.delta.catalog.DeltaCatalog"}
    named -= {"spark.sql.connect.service.SparkConnectServer"}
    named = {name for name in named if not name.startswith("spark.deploy.")}
    named |= {f"spark.storage.decommission.{part}.enabled" for part in ("shuffleBlocks", "rddBlocks")}
    assert len(named) > 30
    unknown = {name for name in named if not f"{name}.".startswith(UNDECLARED) and find(name) is None}
    assert unknown == set()


def test_delta_is_named_as_local_sessions_name_it():
    """The page's coordinates, and the dependencies that conf/cluster.conf excludes, equal those of jars.py."""
    from metaclip_spark.spark import jars

    named = set(re.findall(r"io\.delta:delta-spark[\w.:]+\d", section("CLUSTER.md", "")))
    assert named == set(jars.DELTA_PACKAGES.values())
    words = CONF.replace("\\\n", "").split("spark.jars.excludes")[1].split("\n")[0]
    assert tuple(part.strip() for part in words.split(",")) == jars._PROVIDED_BY_SPARK
