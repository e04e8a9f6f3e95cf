"""process - programs under test: started, watched, stopped by their own pid.

A Program collects what its child writes, line by line, in threads; tests wait
for a line instead of sleeping.  A Keeper owns the programs of one test: at the
end it stops them all, the youngest first, and reports every unexpected exit
status, every sanitizer report and everything personal in a log.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from support.wait import PATIENCE, TimedOut

SANITIZER_REPORT = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer"
    r"|: runtime error: |ThreadSanitizer:|DEADLYSIGNAL"
)

# A sanitizer's report ends the program with a status that no daemon uses.
SANITIZER_EXIT = 99
NNG_LEAKS = Path(__file__).with_name("lsan-nng.txt")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": f"detect_leaks=1:exitcode={SANITIZER_EXIT}",
    "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:print_suppressions=0"
    f":suppressions={NNG_LEAKS}",
    "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={SANITIZER_EXIT}",
    "TSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}",
}


def clean_environment(extra=None):
    """An environment with nothing of the caller's that configures a daemon."""
    env = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")
        if name in os.environ
    }
    for name, options in SANITIZER_OPTIONS.items():
        inherited = os.environ.get(name)
        env[name] = f"{options}:{inherited}" if inherited else options
    env.update(extra or {})
    return env


class Program:
    """A running child.  Lines are kept as text; JSON lines also as events."""

    def __init__(
        self,
        argv,
        env=None,
        name=None,
        exit_codes=(0,),
        stdin=subprocess.DEVNULL,
        pass_fds=(),
    ):
        self.argv = [str(arg) for arg in argv]
        self.name = name or os.path.basename(self.argv[0])
        self.exit_codes = exit_codes
        self.lines = []  # of standard error
        self.events = []  # those of them that are JSON objects
        self.output = []  # of standard output
        self._changed = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._child = subprocess.Popen(
            self.argv,
            env=clean_environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
        )
        self.pid = self._child.pid
        self._threads = [
            threading.Thread(target=self._read, args=args, daemon=True)
            for args in (
                (self._child.stderr, self._keep_error),
                (self._child.stdout, self._keep_output),
            )
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, keep):
        for raw in stream:
            self._reading.wait()
            line = raw.decode("utf-8", "replace").rstrip("\n")
            with self._changed:
                keep(line)
                self._changed.notify_all()
        stream.close()
        with self._changed:
            self._changed.notify_all()

    def _keep_error(self, line):
        self.lines.append(line)
        if line.startswith("{"):
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.events.append({"msg": "not JSON", "line": line})

    def _keep_output(self, line):
        self.output.append(line)

    @property
    def running(self):
        return self._child.poll() is None

    @property
    def exit_code(self):
        """The status, None while running, or minus the signal's number."""
        return self._child.poll()

    def _wait_for(self, find, timeout, what):
        """find() until it returns something, woken by each new line."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = find()
                if found is not None:
                    return found
                # A last look after the end: its threads may still be reading.
                if not self.running and not any(t.is_alive() for t in self._threads):
                    found = find()
                    if found is not None:
                        return found
                    raise TimedOut(
                        f"{self.name} ended with {self.exit_code} before {what}\n"
                        + self.transcript()
                    )
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimedOut(
                        f"{self.name}: no {what} within {timeout:g} s\n"
                        + self.transcript()
                    )
                self._changed.wait(min(left, 0.2))

    def wait_event(self, msg, timeout=PATIENCE, skip=0, **fields):
        """The first event with this msg and these fields after `skip` others."""

        def find():
            found = self.find_events(msg, **fields)
            return found[skip] if len(found) > skip else None

        return self._wait_for(find, timeout, f"event {msg!r} {fields or ''}")

    def find_events(self, msg=None, **fields):
        """Every event so far with this msg (any, if None) and these fields."""
        return [
            event
            for event in list(self.events)
            if (msg is None or event.get("msg") == msg)
            and all(event.get(name) == value for name, value in fields.items())
        ]

    def wait_output(self, pattern, timeout=PATIENCE):
        """The match of a pattern in a line of standard output."""

        def find():
            for line in self.output:
                match = re.search(pattern, line)
                if match:
                    return match
            return None

        return self._wait_for(find, timeout, f"output {pattern!r}")

    @contextlib.contextmanager
    def unread(self):
        """Within it, nobody reads what the child writes: its pipes fill up."""
        self._reading.clear()
        try:
            yield
        finally:
            self._reading.set()

    @contextlib.contextmanager
    def starting(self):
        """Within it, a failure ends the child: nobody else owns it yet."""
        try:
            yield
        except BaseException:
            self._child.kill()
            self.wait()
            raise

    def signal(self, number):
        if self.running:
            self._child.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit status, with everything that was written collected."""
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimedOut(
                f"{self.name} did not end within {timeout:g} s\n" + self.transcript()
            ) from None
        for thread in self._threads:
            thread.join(PATIENCE)
        return self._child.returncode

    def kill(self):
        """End it as a crash would; any status is right after this."""
        self.exit_codes = None
        self.signal(signal.SIGKILL)
        self.wait()

    def before_stop(self):
        """A last look at the running program; AssertionError if it is bad."""

    def stop(self, timeout=PATIENCE):
        """Ask it to end, and end it if it does not.  Returns the status."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except TimedOut:
            self._child.kill()
            self.wait()
            raise

    def transcript(self, last=60):
        """What it wrote, for a failure's report."""
        lines = [f"--- {self.name} (pid {self.pid}, exit {self.exit_code})"]
        lines += [f"stdout: {line}" for line in self.output[-last:]]
        lines += self.lines[-last:]
        return "\n".join(lines)

    def problems(self):
        """What is wrong with how it ran; called after it has ended."""
        found = []
        if self.exit_codes is not None and self.exit_code not in self.exit_codes:
            found.append(f"exit status {self.exit_code}, not {self.exit_codes}")
        for line in self.lines + self.output:
            if SANITIZER_REPORT.search(line):
                found.append(f"sanitizer: {line}")
        return found


class Keeper:
    """Owns the programs of a test; nothing it started outlives it."""

    def __init__(self):
        self.programs = []
        self._cleanups = []

    def add(self, program):
        self.programs.append(program)
        return program

    def start(self, argv, **options):
        return self.add(Program(argv, **options))

    def defer(self, cleanup):
        """Call cleanup once all programs have ended."""
        self._cleanups.append(cleanup)

    def finish(self):
        """Stop everything, then fail with all that was wrong."""
        wrong = []
        for program in reversed(self.programs):
            try:
                program.before_stop()
            except (AssertionError, OSError) as error:
                wrong.append((program, f"before its end: {error}"))
            try:
                program.stop()
            except TimedOut as error:
                wrong.append((program, str(error).splitlines()[0]))
            wrong += [(program, problem) for problem in program.problems()]
        for cleanup in reversed(self._cleanups):
            cleanup()
        self.programs, self._cleanups = [], []
        if wrong:
            lines = [f"{program.name}: {problem}" for program, problem in wrong]
            culprits = {id(program): program for program, _ in wrong}.values()
            raise AssertionError(
                "\n".join(lines + [program.transcript() for program in culprits])
            )


def run(argv, env=None, timeout=PATIENCE, stdin=b""):
    """Run a program to its end; (status, standard output, standard error)."""
    result = subprocess.run(
        [str(arg) for arg in argv],
        env=clean_environment(env),
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    out = result.stdout.decode("utf-8", "replace")
    err = result.stderr.decode("utf-8", "replace")
    report = SANITIZER_REPORT.search(out + err)
    assert not report, f"sanitizer report from {argv[0]}\n{err}"
    return result.returncode, out, err
