"""A mail server of RFC 5321 that takes mail after a login, and keeps it."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default


@dataclass
class Mailbox:
    """Where the server listens, and what came: to whom, and the message."""

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A server on a free port."""
    found = Mailbox()

    class Session(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 local ESMTP")
            recipients: list[str] = []
            logged_in = False
            while words := self.rfile.readline().decode().strip():
                verb = words.upper()
                if verb.startswith("EHLO"):
                    self.say("250-local\r\n250 AUTH PLAIN")
                elif verb.startswith("AUTH PLAIN "):
                    logged_in = True
                    self.say("235 2.7.0 welcome")
                elif not logged_in and not verb.startswith(("QUIT", "RSET", "HELO")):
                    self.say("530 5.7.0 log in first")
                elif verb.startswith("RCPT TO:"):
                    recipients.append(words[8:].strip("<> "))
                    self.say("250 2.1.5 ok")
                elif verb == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    content = b"".join(line.removeprefix(b".") for line in lines)
                    found.mails.append((recipients, email.message_from_bytes(content, policy=default)))
                    recipients = []
                    self.say("250 2.0.0 taken")
                elif verb == "QUIT":
                    self.say("221 2.0.0 bye")
                    return
                else:
                    self.say("250 2.0.0 ok")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.port = server.server_address[1]
    yield found
    server.shutdown()
    server.server_close()
