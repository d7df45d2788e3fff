"""The engine's socket as a TCP port: `forward.py SOCKET [CA CERT KEY]`; with certificates over TLS, and clients need one too."""
import os, socket, ssl, sys, threading

path, *files = sys.argv[1:]
context = None
if files:
    ca, cert, key = files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    # The reading of TLS cannot be ended alone.
    try:
        sink.shutdown(socket.SHUT_RDWR if context else socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    try:
        if context:
            client = context.wrap_socket(client, server_side=True)
    except (OSError, ssl.SSLError):
        return
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(path)
    threading.Thread(target=copy, args=(client, engine), daemon=True).start()
    copy(engine, client)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1])


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
os._exit(0)
