// A name that changes its kind while the watcher looks: no walk helps here, the hints must be enough.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { allSynced, eventually, TestNodes } from '../support/daemon.ts'
import { makeTree } from '../support/tree.ts'

const arrivalMs = 30_000
const names = Array.from({ length: 12 }, (_, at) => `name-${at}`)

test('what is in a directory that took the place of a file arrives without a walk', async (t) => {
  const nodes = new TestNodes(t)
  const [a, b] = [nodes.path('a'), nodes.path('b')]
  makeTree(a, 'swap', { files: 5, directories: 2, fileBytesMax: 2000 })
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')])
  await one.call('addFolder', { path: a, name: 'swapped' })
  await two.call('join', { link: await one.share('swapped'), path: b })
  for (const name of names) writeFileSync(join(a, name), name)
  await allSynced([one, two])
  for (const name of names) {
    rmSync(join(a, name))
    mkdirSync(join(a, name))
    writeFileSync(join(a, name, 'inside'), name)
  }
  await eventually('the content of every directory', arrivalMs, async () =>
    names.every((name) => existsSync(join(b, name, 'inside'))) ? true : undefined,
  )
})
