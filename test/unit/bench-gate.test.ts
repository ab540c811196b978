// What the benchmark is a gate for: figures that were measured are held against the aims of rows.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Figures } from '../bench/figures.ts'
import { parseOptions } from '../bench/options.ts'
import { missedAims } from '../bench/report.ts'
import { tableRows } from '../bench/rows.ts'

const machine = { cpu: '', cores: 2, memoryBytes: 0, system: '', fileSystem: '', node: '' }

function missedBy(measured: Readonly<Record<string, number>>): number {
  const figures = new Figures()
  for (const [key, value] of Object.entries(measured)) figures.record('holdfast', key, value)
  return missedAims({ machine, versions: {}, rows: tableRows({ big: '', small: '', tiny: '' }), figures, isQuick: false, repeats: 1 })
    .length
}

test('scenario T49: npm run bench -- store --gate fails when an index of ten million opens in over 2 s, takes over 300 MB or looks up in over 5 ms', () => {
  const good = { 'store/open': 1999, 'store/memory': 299e6, 'store/lookup-p99': 4.9, 'store/miss-p99': 4.9 }
  assert.equal(missedBy(good), 0)
  assert.equal(missedBy({ ...good, 'store/open': 2001 }), 1)
  assert.equal(missedBy({ ...good, 'store/memory': 301e6 }), 1)
  assert.equal(missedBy({ ...good, 'store/lookup-p99': 5.1, 'store/miss-p99': 5.1 }), 2)
  assert.equal(parseOptions(['store', '--gate'])?.isGate, true)
  assert.equal(parseOptions(['store'])?.isGate, false)
})
