#!/usr/bin/python3
"""compare.py OURS THEIRS DIFFERENCES: two folders of side.sh, call by call: how each ended, what it printed, who got
what from whom, and every byte of it.

Received, Message-ID and Date are compared in that both have as many; of what MAIL and RCPT say besides, what the caller
has asked for. The boundaries and dates that programs make up are made alike (MADE_UP). DIFFERENCES has what may
differ, each with its reason; one that is there no longer is a failure, too."""
import collections
import os
import re
import sys

# Fields that both write where they are missing, each in its place.
ADDED = ('received', 'message-id', 'date', 'from')

# What programs make up themselves.
MADE_UP = (
    (rb'--[-=_A-Za-z0-9.+/]{8,}(?=(--)?\r\n)', b'--BOUNDARY'),
    (rb'boundary="[^"]*"', b'boundary="BOUNDARY"'),
    (rb'Processing Initiated: .*', b'Processing Initiated: NOW'),
    (rb'(?m)^Date Range Processed: .*', b'Date Range Processed: NOW'),
    (rb'at: [A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [0-9:]{8} \d{4} UTC', b'at: NOW'),
    (rb'\b[A-Z][a-z]{2},? +\d+ [A-Z][a-z]{2} \d{4} [0-9:]{8} [-+]\d{4}', b'NOW'),
    (rb'[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [0-9:]{8} (UTC )?\d{4}', b'NOW'),
)


def read(*path):
    try:
        with open(os.path.join(*path), 'rb') as f:
            return f.read()
    except FileNotFoundError:
        return b''


def made_up(text):
    for pattern, instead in MADE_UP:
        text = re.sub(pattern, instead, text)
    return text


class Message:
    def __init__(self, stem):
        envelope = read(stem + '.envelope').decode().split('\n')
        self.sender, self.recipients = envelope[0], envelope[1:-1]
        head, _, body = (b'\r\n' + read(stem + '.message')).partition(b'\r\n\r\n')
        head = head.removeprefix(b'\r\n').removesuffix(b'\r\n')
        self.body = made_up(body)
        self.fields = [f.partition(b':') for f in re.split(rb'\r\n(?![ \t])', head)]
        self.parameters = sorted(set(re.findall(r'(?:NOTIFY|RET|ENVID)=\S+', read(stem + '.parameters').decode())))
        self.fields = [(n.decode('utf-8', 'replace'), made_up(v)) for n, _, v in self.fields]

    def key(self): # in whatever order they have arrived
        return self.recipients, dict(self.fields).get('Subject', b''), self.body, sorted(n.lower() for n, _ in self.fields)

    def named(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]


def messages(folder):
    stems = sorted(os.path.join(folder, f[:-8]) for f in os.listdir(folder) if f.endswith('.message'))
    return sorted((Message(s) for s in stems), key=Message.key)


def fields_differ(ours, theirs):
    names = {n.lower() for n, _ in ours.fields + theirs.fields}
    for name in sorted(names):
        a, b = ours.named(name), theirs.named(name)
        if name in ('received', 'message-id', 'date'):
            if len(a) != len(b):
                yield name, len(a), len(b)
        elif a != b:
            yield name, a, b


def message_differs(ours, theirs):
    for aspect in 'sender', 'recipients', 'parameters', 'body':
        if getattr(ours, aspect) != getattr(theirs, aspect):
            yield aspect, getattr(ours, aspect), getattr(theirs, aspect)
    yield from fields_differ(ours, theirs)
    a, b = ([n for n, _ in m.fields if n.lower() not in ADDED and o.named(n)] for m, o in ((ours, theirs), (theirs, ours)))
    if a != b:
        yield 'order', a, b


def call_differs(ours, theirs):
    for name in 'exit', 'stdout', 'stuck':
        a, b = made_up(read(ours, name)), made_up(read(theirs, name))
        if a != b:
            yield name, a, b
    a, b = read(ours, 'stderr'), read(theirs, 'stderr')
    if bool(a) != bool(b):
        yield 'stderr', a, b
    a, b = messages(ours), messages(theirs)
    if len(a) != len(b):
        yield 'messages', [(m.sender, m.recipients) for m in a], [(m.sender, m.recipients) for m in b]
    elif not a:
        yield 'nothing', 'nothing has arrived', 'nothing either'
    else:
        for pair in zip(a, b):
            yield from message_differs(*pair)


def short(value):
    text = repr(value)
    return text if len(text) < 300 else f'{text[:200]} ... {text[-80:]}'


def allowances(name):
    with open(name, encoding='utf-8') as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                call, aspect, _ = line.split(None, 2)
                yield call, aspect


def main(ours, theirs, differences):
    allowed = set(allowances(differences))
    seen, same, failed = set(), 0, collections.Counter()
    for call in sorted(os.listdir(ours)):
        if not os.path.isdir(os.path.join(ours, call)):
            continue
        a, b = os.path.join(ours, call), os.path.join(theirs, call)
        if skipped := read(a, 'skipped') or read(b, 'skipped'):
            print(f'system: {call}: skipped: {skipped.decode().strip()}')
            continue
        known = False
        for aspect, x, y in call_differs(a, b):
            key = next((k for k in ((call, aspect), ('*', aspect)) if k in allowed), None)
            known = True
            if key:
                seen.add(key)
            else:
                failed[call] += 1
                print(f'system: {call}: {aspect}: {short(x)}\n\tPostfix: {short(y)}')
        same += not known
    for call, aspect in sorted(allowed - seen):
        failed[call] += 1
        print(f'system: {call}: {aspect}: listed in differences, and there is none')
    print(f'system: calls of sendmail like Postfix\'s: {same} in every byte, {len(seen)} differences known, '
          f'{len(failed)} calls FAILED' if failed else
          f'system: ok: calls of sendmail like Postfix\'s ({same} in every byte, {len(seen)} differences known)')
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
