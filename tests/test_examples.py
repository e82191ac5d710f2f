"""``python -m examples`` does what it prints: every curl command, pasted into a shell, brings what its comment says."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pymongo.collection import Collection

from examples import audio

from .servers import find_program, free_port, stop
from .servers.example import PROJECT, ExampleFactory, clean_environment
from .servers.mongod import Mongod
from .servers.moto_s3 import Bucket
from .servers.origin import OriginFactory


@pytest.fixture
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """A directory of the test's own to paste commands into."""
    find_program(request, "curl", "curl")
    return Shell(find_program(request, "bash", "bash"), tmp_path)


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs pasted lines."""

    program: str
    directory: Path

    def run(self, line: str) -> str:
        done = subprocess.run(
            [self.program, "-c", line],
            cwd=self.directory,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def check(self, comment: str, command: str) -> None:
        """Run a command of the example, and hold what it brings against the comment."""
        promised = re.search(r"(?P<status>\d{3})(?:, (?P<size>\d+) bytes, sha256 (?P<digest>[0-9a-f]{64}))?$", comment)
        assert promised is not None, comment

        status, media_type, size, _ = self.run(command).splitlines()[-1].split()

        assert status == promised["status"], comment
        if promised["digest"]:
            words = shlex.split(command)
            received = (self.directory / words[words.index("-o") + 1]).read_bytes()
            assert size == promised["size"] == str(len(received)), comment
            assert sha256(received).hexdigest() == promised["digest"], comment
            assert media_type.startswith("audio/"), comment


def variables(bucket: Bucket) -> dict[str, str]:
    return {
        "CXB_MINIO_ENDPOINT": bucket.server.endpoint,
        "CXB_MINIO_ACCESS_KEY": bucket.server.access_key,
        "CXB_MINIO_SECRET_KEY": bucket.server.secret_key,
        "CXB_MINIO_BUCKET": bucket.name,
    }


def fails(environment: Mapping[str, str], *arguments: str) -> str:
    """What the example says before it ends without having served."""
    done = subprocess.run(
        [sys.executable, "-m", "examples", "--port", "0", *arguments],
        cwd=PROJECT,
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_every_printed_command_does_what_its_comment_says(example: ExampleFactory, shell: Shell) -> None:
    commands = example().commands()

    kinds = ["An administrator plays", "A public link", "only fleet hosts have", "A seek", "An unknown token"]
    assert [kind for kind in [*kinds, "A finished call"] if not any(kind in comment for comment, _ in commands)] == []
    assert any("mp3" in command for _, command in commands) == (shutil.which("ffmpeg") is not None)
    for comment, command in commands:
        shell.check(comment, command)


@pytest.mark.full
def test_an_administrator_with_a_wrong_password_gets_no_token(example: ExampleFactory, shell: Shell) -> None:
    command = next(command for comment, command in example().commands() if "administrator" in comment)

    wrong = re.sub(r"password=\w+", "password=wrong", command)

    assert shell.run(wrong).startswith("401 application/problem+json")


@pytest.mark.full
@pytest.mark.parametrize("any_bucket", ["moto", "ceph"], indirect=True)
def test_the_example_plays_from_a_real_store(
    any_bucket: Bucket, make_origin: OriginFactory, example: ExampleFactory, shell: Shell
) -> None:
    environment = {**variables(any_bucket), "CXB_FLEET": make_origin(secret="s").url, "CXB_FLEET_SECRET": "s"}

    commands = example("--seed", environment=environment).commands()

    assert not any("fleet" in comment for comment, _ in commands), "nothing was put on somebody else's fleet host"
    for comment, command in commands:
        shell.check(comment, command)
    for bucket, key in (("", "02.wav"), ("-iberia", "hour.wav"), ("-nordic", "short call ü.wav")):
        stored = any_bucket.client.list_objects_v2(Bucket=any_bucket.name + bucket)["Contents"]
        assert f"demo/2026/05/{key}" in [item["Key"] for item in stored]


@pytest.mark.full
def test_the_example_makes_the_bucket_where_it_is_absent(
    moto_bucket: Bucket, example: ExampleFactory, shell: Shell
) -> None:
    environment = {**variables(moto_bucket), "CXB_MINIO_BUCKET": f"{moto_bucket.name}-absent"}

    for comment, command in example("--seed", environment=environment).commands():
        shell.check(comment, command)


def test_calls_that_were_stored_in_a_real_mongodb_are_played_by_the_next_start(
    moto_bucket: Bucket,
    mongod: Mongod,
    mongo_collection: Collection[dict[str, Any]],
    example: ExampleFactory,
    shell: Shell,
) -> None:
    environment = {
        **variables(moto_bucket),
        "CXB_MONGODB_URI": f"{mongod.uri}{mongo_collection.database.name}",
        "CXB_MONGODB_COLLECTION": mongo_collection.name,
    }
    seeding = example("--seed", environment=environment)
    for comment, command in seeding.commands():
        shell.check(comment, command)
    stop(seeding.process)

    [(comment, login)] = example(environment=environment).commands()

    url = re.search(r"http://\S+/SESSION_ID", comment)
    assert url is not None
    play = f'curl -sS -H "Authorization: Bearer $({login})" {url[0].replace("SESSION_ID", "demo-short")} | sha256sum'
    assert shell.run(play).split()[0] == sha256(audio.make_wav(5)).hexdigest()
    page = f'curl -sS -H "Authorization: Bearer $({login})" {url[0].partition("/api")[0]}/calls?q=northwind'
    assert "1:00:00" in shell.run(page), "the dashboard lists what the database has"


@pytest.mark.full
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_the_example_stops_at_once_when_told_to(example: ExampleFactory, signal_number: signal.Signals) -> None:
    running = example()

    running.process.send_signal(signal_number)

    assert running.process.wait(timeout=30) == 0
    assert running.log.read_text().endswith("stopped\n")


def test_a_port_that_is_taken_is_said_clearly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = fails({}, "--port", str(port))

    assert f"--port {port}: Address already in use" in error
    assert "--port 0 takes any free one" in error


@pytest.mark.full
def test_variables_that_are_missing_are_named() -> None:
    error = fails({"CXB_MINIO_ENDPOINT": "http://127.0.0.1:1", "CXB_MINIO_BUCKET": "recordings"}, "--seed")

    assert "CXB_MINIO_ACCESS_KEY, CXB_MINIO_SECRET_KEY" in error


def test_a_real_service_without_calls_asks_for_seed() -> None:
    assert "--seed" in fails({"CXB_FLEET": "http://127.0.0.1:1"})


@pytest.mark.full
@pytest.mark.parametrize("service", ["store", "database"])
def test_a_real_service_that_is_away_is_named_by_its_variable(service: str, moto_bucket: Bucket) -> None:
    away = f"127.0.0.1:{free_port()}"
    if service == "store":
        error = fails({**variables(moto_bucket), "CXB_MINIO_ENDPOINT": f"http://{away}"}, "--seed")
        assert error.startswith("CXB_MINIO_ENDPOINT: Could not connect")
    else:
        error = fails({"CXB_MONGODB_URI": f"mongodb://{away}/?serverSelectionTimeoutMS=200"}, "--seed")
        assert error.startswith("CXB_MONGODB_URI: MongoDB: ServerSelectionTimeoutError")
    assert moto_bucket.server.secret_key not in error


@pytest.mark.parametrize("seconds", [5, 3600])
def test_audio_is_a_wav_file_of_the_right_length(seconds: int) -> None:
    with wave.open(io.BytesIO(audio.make_wav(seconds))) as recording:
        assert recording.getnframes() / recording.getframerate() == seconds


def test_no_second_of_an_hour_of_audio_is_like_another() -> None:
    frames = audio.make_wav(3600)[44:]
    blocks = {frames[start : start + 80_000] for start in range(0, len(frames), 80_000)}

    assert len(blocks) == 720


def test_without_an_encoder_there_is_wav_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert audio.encode(audio.make_wav(5)) == {}
