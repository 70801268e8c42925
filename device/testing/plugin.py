"""The pytest plugin: fixtures `mqtt_broker`, `cloud`, `echo`, `make_echo`; options for policy, clock, store, broker.

pytest imports this module in every run, also in those that do not use it, so it imports nothing of ours at its top.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloud_stub.contract.address import BrokerAddress
    from device.cloud_process import Cloud
    from device.testing.remote import RemoteEcho

#: By name: what stands where nothing is given, and what may be given.
OPTIONS = {
    "policy": ("amazon-2019", "the retention policy: the name of one that ships, or a file"),
    "clock": (
        "system",
        "system, simulated (stands still until cloud.advance), or the time at which that starts",
    ),
    "store": ("sqlite", "sqlite, or postgresql://USER@HOST where the user may create databases: one for each test"),
    "broker": ("auto", "auto (mosquitto if present), mosquitto, embedded, or the mqtt://HOST:PORT of one that runs"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """--echo-policy and its like, and the same in the ini file as echo_policy."""
    group = parser.getgroup("residual-echo", "an emulated smart speaker and its cloud (Residual Echo)")
    for name, (default, text) in OPTIONS.items():
        group.addoption(f"--echo-{name}", metavar=name.upper(), help=f"{text} (default: {default})")
        parser.addini(f"echo_{name}", f"{text} (default: {default})", default=default)


def pytest_configure(config: pytest.Config) -> None:
    """The marker, so that --strict-markers knows it."""
    config.addinivalue_line(
        "markers", f"echo({', '.join(f'{name}=' for name in OPTIONS)}): for this test, over options"
    )


def chosen(request: pytest.FixtureRequest, name: str) -> str:
    """What holds for the test: its nearest marker before the command line, that before the ini file."""
    for marker in request.node.iter_markers("echo"):
        if marker.args:
            raise pytest.UsageError(f"the marker echo takes names. Write echo(policy={marker.args[0]!r}), for example.")
        if unknown := marker.kwargs.keys() - OPTIONS.keys():
            raise pytest.UsageError(f"the marker echo has no {min(unknown)}. It has: {', '.join(OPTIONS)}.")
        if name in marker.kwargs:
            return str(marker.kwargs[name])
    return str(request.config.getoption(f"echo_{name}") or request.config.getini(f"echo_{name}"))


@pytest.fixture
def mqtt_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[BrokerAddress]":
    """A broker of the test's own, on 127.0.0.1: `host` and `port`, or `str(mqtt_broker)`."""
    from cloud_stub.contract.address import BrokerAddress  # noqa: PLC0415
    from device.testing import processes  # noqa: PLC0415

    wanted = chosen(request, "broker")
    with ExitStack() as stack:
        if wanted == "embedded" or (wanted == "auto" and processes.mosquitto_program() is None):
            wanted = stack.enter_context(processes.embedded_broker())
        elif wanted in {"auto", "mosquitto"}:
            wanted = stack.enter_context(processes.mosquitto(tmp_path_factory.mktemp("broker")))
        try:
            address = BrokerAddress.parse(wanted)
        except ValueError as error:
            raise pytest.UsageError(f"{error} Or auto, mosquitto or embedded, which start one.") from error
        yield address


@pytest.fixture
def cloud(
    request: pytest.FixtureRequest, mqtt_broker: "BrokerAddress", tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Cloud]":
    """A cloud of the test's own, with an empty data folder: history(), left(), residue(), advance(), ask(), kill()."""
    from device.testing import processes  # noqa: PLC0415

    data = tmp_path_factory.mktemp("residual-echo") / "data"
    options = ["--policy", _policy(request)]
    if (clock := chosen(request, "clock")) != "system":
        options += ["--simulated-clock"] if clock == "simulated" else ["--simulated-clock", clock]
    with ExitStack() as stack:
        if (store := chosen(request, "store")) != "sqlite":
            options += ["--store", stack.enter_context(_database(store))]
        stack.callback(_show, data.parent / f"{data.name}-serve.log")
        yield stack.enter_context(processes.cloud(data, *options, broker=str(mqtt_broker)))


@pytest.fixture
def make_echo(
    request: pytest.FixtureRequest, mqtt_broker: "BrokerAddress", cloud: "Cloud"
) -> "Iterator[Callable[..., RemoteEcho]]":
    """Starts a device of that cloud's, with settings: `bedroom = make_echo("bedroom", wake_word="computer")`."""
    from device.errors import EchoError  # noqa: PLC0415
    from device.testing import processes  # noqa: PLC0415
    from device.testing.remote import remote  # noqa: PLC0415

    log, names = cloud.data.parent / "run.log", set[str]()
    with ExitStack() as stack:
        stack.callback(_show, log)

        def make(name: str, **settings: object) -> "RemoteEcho":
            if name in names:
                raise EchoError(f"a device {name} runs already. Give this one another name.")
            names.add(name)
            made = stack.enter_context(remote(str(mqtt_broker), name))
            # A file of its own, and no variables: a test is not to depend on the settings of who runs it.
            config = cloud.data.parent / f"device-{len(names)}.toml"
            config.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in settings.items()), "utf-8")
            unset = {variable: "" for variable in os.environ if variable.startswith("RESIDUAL_ECHO_")}
            options = ("--config", str(config), "--microphone", "none", "--no-voice", "--device", name)
            process = stack.enter_context(processes.device(str(mqtt_broker), cloud.data, *options, **unset))
            processes.until(lambda: made.is_online() or process.poll() is not None, f"the device {name} to be online")
            if process.returncode is not None:
                complaint = log.read_text().strip().splitlines() or ["no reason"]
                raise EchoError(f"the device {name} did not start: {complaint[-1]}")
            cloud.know_the_time[name] = made.knows_the_time
            if chosen(request, "clock") not in {"system", "simulated"}:
                # It would learn only with its first answer that it is another time.
                cloud.advance("PT0S", name)
            return made

        yield make


@pytest.fixture
def echo(make_echo: "Callable[..., RemoteEcho]") -> "RemoteEcho":
    """An emulated device, `kitchen`, that listens and is online: say(), play(), wait_for_interaction(), command()."""
    return make_echo("kitchen")


def _toml(value: object) -> str:
    """A setting as a settings file holds it: texts, numbers and truth are written there as in JSON."""
    return json.dumps(value if isinstance(value, int) else str(value), ensure_ascii=False)


def _policy(request: pytest.FixtureRequest) -> str:
    """A policy file is looked for beside the ini file too, so that it is found wherever pytest is started."""
    policy = chosen(request, "policy")
    beside = request.config.rootpath / policy
    return str(beside) if beside.is_file() else policy


@contextmanager
def _database(url: str) -> Iterator[str]:
    """A new database on that server, and no longer: the address of it."""
    import uuid  # noqa: PLC0415
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    import psycopg  # noqa: PLC0415

    name = f"echo_{uuid.uuid4().hex}"
    parts = urlsplit(url)
    with (
        psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as connection,
        pytest.MonkeyPatch.context() as patch,
    ):
        if parts.password:
            # The cloud's other commands find it there: the data folder remembers the address without it.
            patch.setenv("PGPASSWORD", unquote(parts.password))
        connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield parts._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _show(log: Path) -> None:
    """pytest shows it with a test that fails."""
    if log.exists():
        print(log.read_text())
