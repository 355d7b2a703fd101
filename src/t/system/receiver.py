#!/usr/bin/python3
"""receiver.py PORT FOLDER: an SMTP server that keeps what it is sent, byte by byte.

A message is FOLDER/N.message, without the dots that SMTP adds; FOLDER/N.envelope has its sender, a line, and
its recipients, sorted, a line each; FOLDER/N.parameters what else MAIL and RCPT said. It offers what a
large server does, checks nothing, asks those called later@... to come again, once, and is ready when FOLDER/ready is
there."""
import itertools
import os
import re
import socketserver
import sys
import threading

OFFERS = ('receiver.example.net', 'PIPELINING', 'SIZE 0', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', 'DSN')
folder = sys.argv[2]
numbers = itertools.count(1)
naming = threading.Lock()
been_here = set()


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b'\r\n')

    def handle(self):
        self.sender, self.recipients, self.parameters = '', [], []
        self.say('220 receiver.example.net ESMTP')
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b'EHLO':
                for offer in OFFERS[:-1]:
                    self.say('250-' + offer)
                self.say('250 ' + OFFERS[-1])
            elif verb == b'DATA' and not self.recipients:
                self.say('554 5.5.1 for whom?')
            elif verb == b'DATA':
                self.say('354 go on')
                self.keep(self.data())
                self.say('250 2.0.0 kept')
            elif verb == b'QUIT':
                self.say('221 2.0.0 bye')
                return
            else:
                if verb == b'RCPT' and b'<later@' in line and line not in been_here:
                    been_here.add(line)
                    self.say('451 4.7.1 come again')
                    continue
                if verb in (b'MAIL', b'RCPT'):
                    self.address(verb, line)
                elif verb == b'RSET':
                    self.sender, self.recipients, self.parameters = '', [], []
                self.say('250 2.0.0 ok')

    def address(self, verb, line):
        address, parameters = re.match(rb'.*?<([^>]*)>\s*(.*?)\r?\n', line, re.S).groups()
        self.parameters.append(parameters.decode())
        if verb == b'MAIL':
            self.sender, self.recipients, self.parameters = address.decode(), [], [parameters.decode()]
        else:
            self.recipients.append(address.decode())

    def data(self):
        lines = []
        for line in self.rfile:
            if line == b'.\r\n':
                return b''.join(lines)
            lines.append(line[1:] if line.startswith(b'.') else line)
        raise ConnectionError('hung up in mid-body')

    def keep(self, message):
        with naming:
            name = f'{folder}/{next(numbers):03}'
        write(name + '.parameters', ''.join(p + '\n' for p in self.parameters).encode())
        write(name + '.envelope', '\n'.join([self.sender, *sorted(self.recipients), '']).encode())
        write(name + '.message', message)


def write(name, content):
    with open(name + '.new', 'wb') as f:
        f.write(content)
    os.rename(name + '.new', name)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64


with Server(('127.0.0.1', int(sys.argv[1])), Session) as server:
    write(folder + '/ready', b'')
    server.serve_forever()
