#!/usr/bin/env python3
"""Measures what the add-on costs: ORM writes per second and their latency, without and with it.

Takes two databases of one Odoo that differ only in the add-on (it may be installed with its
defaults, so res.partner is tracked) and, optionally, runs several clients at once, each a process
of its own. A write is what a request does: open a cursor, write one field of one partner, commit.
Rounds of the two databases alternate, so that a slow moment of the machine hits both. The columns
are medians over the rounds; the change is the median of the changes within each pair of rounds,
with its quartiles. The processor time is that of the Odoo process alone; unlike the rates it hardly
depends on what else the machine is doing.

    python bench_cost.py --without DB --with DB [--rounds 15] [--writes 200] [--clients 1] -- ODOO OPTIONS

Run it with the Python of Odoo. Both databases are changed: use copies.
"""

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import sys
import time

PARTNERS = 50
FIELDS = ('phone', 'name')     # a plain column, and one that a stored computed field depends on


def main():
    options = parse_arguments()
    results = {}
    for field in FIELDS:
        results[field] = measure(options, field)
    print(table(options, results))
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(results, file, indent=1)


def measure(options, field):
    """``{label: {'rate', 'p50_ms', 'p99_ms', 'cpu_ms'}}`` with one value for each round."""
    labels = {'without': options.without, 'with': options.tracked}
    clients = {label: [Client(options.odoo, dbname, number) for number in range(options.clients)]
               for label, dbname in labels.items()}
    found = {label: {'rate': [], 'p50_ms': [], 'p99_ms': [], 'cpu_ms': []} for label in labels}
    for round_ in range(options.rounds + 1):
        order = list(labels) if round_ % 2 else list(reversed(labels))
        for label in order:
            begun = time.perf_counter()
            for client in clients[label]:
                client.start(field, options.writes)
            answers = [client.result() for client in clients[label]]
            latencies = sorted(value for answer in answers for value in answer[0])
            elapsed_s = time.perf_counter() - begun
            if round_ == 0:
                continue    # warms the caches of processes and database
            found[label]['rate'].append(len(latencies) / elapsed_s)
            found[label]['cpu_ms'].append(1000 * sum(cpu_s for _, cpu_s in answers) / len(latencies))
            found[label]['p50_ms'].append(1000 * latencies[len(latencies) // 2])
            found[label]['p99_ms'].append(1000 * latencies[int(len(latencies) * 0.99)])
    for group in clients.values():
        for client in group:
            client.stop()
    return found


class Client:
    """A process that writes when it is told to."""

    def __init__(self, odoo_options, dbname, number):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(other, odoo_options, dbname, number), daemon=True)
        self.process.start()
        self.pipe.recv()

    def start(self, field, writes):
        self.pipe.send((field, writes))

    def result(self):
        return self.pipe.recv()

    def stop(self):
        self.pipe.send(None)
        self.process.join()


def serve(pipe, odoo_options, dbname, number):
    """The client process: load Odoo, make partners of its own, then write on demand."""
    import odoo
    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry

    odoo.tools.config.parse_config(['-d', dbname, *odoo_options])
    logging.disable(logging.INFO)
    registry = Registry(dbname)
    with registry.cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        user_id = env.ref('base.user_admin').id
        partner_ids = env['res.partner'].create(
            [{'name': 'Bench %s %s' % (number, index)} for index in range(PARTNERS)]).ids
    pipe.send('ready')
    counter = 0
    while (order := pipe.recv()) is not None:
        field, writes = order
        latencies = []
        cpu_begun = time.process_time()
        for _ in range(writes):
            counter += 1
            begun = time.perf_counter()
            with registry.cursor() as cr:
                env = api.Environment(cr, user_id, {})
                env['res.partner'].browse(partner_ids[counter % PARTNERS]).write({field: 'v%s' % counter})
            latencies.append(time.perf_counter() - begun)
        pipe.send((latencies, time.process_time() - cpu_begun))


def table(options, results):
    """The result as Markdown."""
    lines = [
        '| field written | clients | without: writes/s | with: writes/s | change | p50 ms | p99 ms | CPU ms/write |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for field, found in results.items():
        rate, p50, p99, cpu = ({label: statistics.median(found[label][name]) for label in found}
                          for name in ('rate', 'p50_ms', 'p99_ms', 'cpu_ms'))
        changes = [100 * (with_ / without - 1) for without, with_ in zip(found['without']['rate'], found['with']['rate'])]
        low, middle, high = statistics.quantiles(changes, n=4)
        lines.append('| `%s` | %s | %.0f | %.0f | %+.1f %% (%+.1f to %+.1f) | %.2f → %.2f | %.2f → %.2f | %.2f → %.2f |' % (
            field, options.clients, rate['without'], rate['with'], middle, low, high,
            p50['without'], p50['with'], p99['without'], p99['with'], cpu['without'], cpu['with']))
    return '\n'.join(lines)


def parse_arguments():
    arguments = sys.argv[1:]
    odoo_options = []
    if '--' in arguments:
        cut = arguments.index('--')
        arguments, odoo_options = arguments[:cut], arguments[cut + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--without', required=True, metavar='DB', help='database without the add-on')
    parser.add_argument('--with', required=True, metavar='DB', dest='tracked', help='database with the add-on')
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--writes', type=int, default=200, help='writes of each client in a round')
    parser.add_argument('--clients', type=int, default=1)
    parser.add_argument('--json', metavar='FILE', help='also keep the value of every round')
    options = parser.parse_args(arguments)
    options.odoo = odoo_options
    return options


if __name__ == '__main__':
    multiprocessing.set_start_method('spawn')
    os.environ.setdefault('PYTHONWARNINGS', 'ignore')
    main()
