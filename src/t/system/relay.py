#!/usr/bin/python3
"""relay.py FOLDER: a provider's relay (aiosmtpd) at 127.0.0.1:587: TLS first, then a login, then mail, which is kept in
FOLDER. FOLDER/relay.pem has its certificate and key."""
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder = sys.argv[1]
count = 0


class Keep:
    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        with open(f'{folder}/{count}.mail', 'wb') as f:
            f.write(f'{session.auth_data.login.decode()} {session.ssl["cipher"][1]}\n'.encode()
                    if session.ssl else b'in clear\n')
            f.write(envelope.original_content)
        return '250 2.0.0 kept'


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b'me@example.com' and data.password == b'correct horse', auth_data=data)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(f'{folder}/relay.pem')
Controller(Keep(), hostname='127.0.0.1', port=587, tls_context=context, require_starttls=True, auth_required=True,
           authenticator=authenticator).start()
open(f'{folder}/ready', 'w').close()
time.sleep(3600)
