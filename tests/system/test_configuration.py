"""Settings: where they come from, and what a wrong one says before it exits."""

import pytest
from support.daemons import TOKEN, Backend, program_path
from support.process import run

FRONTEND = "userli-bridge-frontend"
BACKEND = "userli-bridge-backend"
DAEMONS = (FRONTEND, BACKEND)

EX_USAGE = 64
EX_CONFIG = 78

# Enough for each to run, were it not for what a test makes wrong.
RIGHT = {
    FRONTEND: {
        "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
        "METRICS_LISTEN_ADDR": "127.0.0.1:0",
        "BACKEND_URLS": "tcp://127.0.0.1:9",
    },
    BACKEND: {
        "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
        "METRICS_LISTEN_ADDR": "127.0.0.1:0",
        "USERLI_TOKEN": "test-token",
    },
}

# program, variable, value, a word of what would be right
WRONG = [
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", "10001", ""),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", ":99999", "65535"),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", ":port", ""),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", "[::1:1", ""),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", ":10001,,:10003", ""),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", "relative.sock", ""),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", "/", "directory"),
    (FRONTEND, "SOCKETMAP_LISTEN_ADDR", "/" + "x" * 200, "107"),
    (FRONTEND, "METRICS_LISTEN_ADDR", "nonsense", ""),
    (FRONTEND, "BACKEND_URLS", "http://127.0.0.1:10010", "tcp://"),
    (FRONTEND, "BACKEND_URLS", "127.0.0.1:10010", "tcp://"),
    (FRONTEND, "BACKEND_URLS", "tcp://127.0.0.1", ""),
    (FRONTEND, "LOOKUP_TIMEOUT", "soon", ""),
    (FRONTEND, "LOOKUP_TIMEOUT", "10", "5s"),
    (FRONTEND, "LOOKUP_TIMEOUT", "-1s", ""),
    (FRONTEND, "LOOKUP_TIMEOUT", "200s", "90s"),
    (FRONTEND, "SOCKETMAP_IDLE_TIMEOUT", "1 week", ""),
    (FRONTEND, "SOCKETMAP_MAX_CONNECTIONS", "many", ""),
    (FRONTEND, "SOCKETMAP_MAX_CONNECTIONS", "0", "1"),
    (FRONTEND, "SOCKETMAP_MAX_CONNECTIONS", "99999999999999999999", ""),
    (FRONTEND, "SOCKETMAP_SOCKET_MODE", "rw", ""),
    (FRONTEND, "SOCKETMAP_SOCKET_MODE", "0888", ""),
    (FRONTEND, "SOCKETMAP_SOCKET_MODE", "7777", "0777"),
    (FRONTEND, "SOCKETMAP_SOCKET_OWNER", "no-such-user", ""),
    (FRONTEND, "SOCKETMAP_SOCKET_GROUP", "no-such-group", ""),
    (FRONTEND, "LOG_LEVEL", "loud", "debug"),
    (FRONTEND, "LOG_FORMAT", "xml", "json"),
    (FRONTEND, "LOG_PII", "maybe", ""),
    (BACKEND, "BACKEND_LISTEN_URL", ":10010", "tcp://"),
    (BACKEND, "METRICS_LISTEN_ADDR", "127.0.0.1", ""),
    (BACKEND, "USERLI_BASE_URL", "userli.example", "http"),
    (BACKEND, "USERLI_BASE_URL", "ftp://userli.example", "http"),
    (BACKEND, "USERLI_BASE_URL", "file:///etc/passwd", "http"),
    (BACKEND, "USERLI_BASE_URL", "http://", ""),
    (BACKEND, "USERLI_BASE_URL", "http://userli.example?x=1", ""),
    (BACKEND, "USERLI_BASE_URL", "http://userli.example:port", ""),
    (BACKEND, "USERLI_CA_FILE", "/nonexistent/ca.pem", ""),
    (BACKEND, "USERLI_TIMEOUT", "5", "5s"),
    (BACKEND, "USERLI_TIMEOUT", "0", ""),
    (BACKEND, "USERLI_MAX_REQUESTS", "0", "1"),
    (BACKEND, "USERLI_MAX_REQUESTS", "-4", ""),
    (BACKEND, "USERLI_MAX_REQUESTS", "3x", ""),
    (BACKEND, "LOG_LEVEL", "INFORMATIONAL", "info"),
]


def start(program, *arguments, **settings):
    env = {**RIGHT[program], **settings}
    env = {name: value for name, value in env.items() if value is not None}
    # A value that is taken after all would run until it is ended.
    return run([program_path(program), *arguments], env, timeout=30)


@pytest.mark.parametrize("program, name, value, remedy", WRONG)
@pytest.mark.parametrize("how", ("run", "check"))
def test_a_wrong_value_names_variable_value_and_remedy(
    program, name, value, remedy, how
):
    arguments = ["--check-config"] if how == "check" else []
    status, out, err = start(program, *arguments, **{name: value})
    assert status == EX_CONFIG, (status, out, err)
    assert name in err
    assert value[:60] in err
    assert remedy in err
    assert len(err.strip().splitlines()) <= 3, "one clear message"


def test_a_missing_token_says_how_to_give_one():
    status, _, err = start(BACKEND, USERLI_TOKEN=None)
    assert status == EX_CONFIG
    assert "USERLI_TOKEN" in err and "USERLI_TOKEN_FILE" in err


@pytest.mark.parametrize("content", (None, "", "\n"))
def test_a_token_file_that_is_of_no_use_is_named(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    status, _, err = start(BACKEND, USERLI_TOKEN=None, USERLI_TOKEN_FILE=str(path))
    assert status == EX_CONFIG
    assert "USERLI_TOKEN" in err and (str(path) in err or content is not None)


def test_a_password_in_a_url_is_refused_unseen():
    url = "http://user:secret-part@userli.example"
    status, _, err = start(BACKEND, USERLI_BASE_URL=url)
    assert status == EX_CONFIG
    assert "USERLI_BASE_URL" in err and "userli.example" in err
    assert "secret-part" not in err


def test_a_token_that_would_break_a_header_is_refused_unseen():
    token = "secret-part\r\nX-Evil: 1"
    status, _, err = start(BACKEND, USERLI_TOKEN=token)
    assert status == EX_CONFIG
    assert "USERLI_TOKEN" in err and "secret-part" not in err


@pytest.mark.parametrize("program", DAEMONS)
@pytest.mark.parametrize(
    "arguments", (["--nonsense"], ["stray"], ["--config"], ["--log-level"])
)
def test_a_wrong_command_line_is_a_usage_error(program, arguments):
    status, out, err = start(program, *arguments)
    assert status == EX_USAGE
    assert arguments[0] in err and not out


@pytest.mark.parametrize("program", DAEMONS)
def test_help_lists_every_setting_and_needs_none(program):
    status, out, err = run([program_path(program), "--help"])
    assert status == 0 and not err
    for name in RIGHT[program]:
        assert name in out
    for option in ("--version", "--check-config", "--print-config", "--config"):
        assert option in out


@pytest.mark.parametrize("program", DAEMONS)
def test_version_is_one_line(program):
    status, out, err = run([program_path(program), "--version"])
    assert status == 0 and not err
    assert out.startswith(program + " ") and out.count("\n") == 1


@pytest.mark.parametrize("program", DAEMONS)
def test_a_right_configuration_is_checked_without_starting(program):
    status, _, err = start(program, "--check-config")
    assert status == 0
    assert "listening" not in err


@pytest.mark.parametrize("program", DAEMONS)
def test_print_config_shows_values_and_their_sources(program, tmp_path):
    path = tmp_path / "config"
    path.write_text("# a comment\n\nLOG_FORMAT=text\nLOG_LEVEL=warn\n")
    status, out, err = start(
        program, "--print-config", "--config", path, "--log-pii", "1", LOG_LEVEL="error"
    )
    assert status == 0, err
    shown = {line.partition("=")[0]: line for line in out.splitlines() if "=" in line}
    for name, value, source in (
        ("LOG_FORMAT", "text", "file"),
        ("LOG_LEVEL", "error", "environment"),
        ("LOG_PII", "1", "flag"),
        ("SHUTDOWN_TIMEOUT", "s", "default"),
    ):
        assert value in shown[name] and source in shown[name], shown[name]


def test_print_config_redacts_the_token():
    status, out, err = start(BACKEND, "--print-config", USERLI_TOKEN=TOKEN)
    assert status == 0
    assert "USERLI_TOKEN" in out
    assert TOKEN not in out + err


@pytest.mark.parametrize(
    "content", ("LOG_LEVEL", "=x", "NO_SUCH_NAME=1")
)
def test_a_wrong_line_of_a_config_file_is_named_with_its_number(tmp_path, content):
    path = tmp_path / "bridge.conf"
    path.write_text(f"# first line\n{content}\n")
    status, _, err = start(FRONTEND, "--config", path)
    assert status == EX_CONFIG
    assert str(path) in err and "2" in err


def test_a_missing_config_file_is_named(tmp_path):
    status, _, err = start(FRONTEND, "--config", tmp_path / "none.conf")
    assert status == EX_CONFIG and str(tmp_path / "none.conf") in err


def test_a_token_may_come_from_a_file(sandbox, keeper, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    settings = {"USERLI_TOKEN": None, "USERLI_TOKEN_FILE": path}
    keeper.add(Backend(sandbox().url, **settings)).wait_ready()


def test_a_token_may_come_from_systemds_credentials(sandbox, keeper, tmp_path):
    (tmp_path / "USERLI_TOKEN").write_text(TOKEN)
    keeper.add(
        Backend(sandbox().url, USERLI_TOKEN=None, CREDENTIALS_DIRECTORY=tmp_path)
    ).wait_ready()


def test_a_flag_beats_the_environment(sandbox, keeper):
    rear = Backend("http://127.0.0.1:9", arguments=("--userli-base-url", sandbox().url))
    keeper.add(rear).wait_ready()


def test_an_unknown_name_of_ours_is_a_warning(sandbox, backend):
    rear = backend(sandbox().url, USERLI_TIMEOUTS="5s", UNRELATED="x")
    warnings = [e for e in rear.events if e.get("level") == "warn"]
    assert any("USERLI_TIMEOUTS" in str(event) for event in warnings)
    assert not any("UNRELATED" in str(event) for event in warnings)


def test_the_other_tiers_names_are_no_warning(sandbox, backend):
    rear = backend(sandbox().url, SOCKETMAP_LISTEN_ADDR=":10001", LOOKUP_TIMEOUT="10s")
    assert not [e for e in rear.events if e.get("level") == "warn"]


def test_logs_may_be_text():
    status, _, err = start(FRONTEND, LOG_FORMAT="text", SOCKETMAP_LISTEN_ADDR="/no/where")
    assert status == 69
    assert err and not err.lstrip().startswith("{")
