// The real watchers on this machine's file system, and how one is chosen.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { it } from 'node:test'

import { EngineError } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import type { OpenWatcher, WatchEvent } from '../../engine/disk/watch.ts'
import { openFirst, openNativeWatcher, openParcelWatcher, openPortableWatcher, openWatcherAuto } from '../../engine/platform/watchers.ts'
import { eventually } from '../support/daemon.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { watcherSuite } from './watcher.ts'

watcherSuite('native', openNativeWatcher, { seesNewTrees: true, seesModes: true })
// On Linux it does not, which is why it is not the native one there.
watcherSuite('@parcel/watcher', openParcelWatcher, { seesNewTrees: process.platform !== 'linux', seesModes: true })
watcherSuite('portable', openPortableWatcher, { seesNewTrees: true, seesModes: false })

const signal = new AbortController().signal
const refuses =
  (code: 'DISK_FAILED' | 'PATH_MISSING'): OpenWatcher =>
  async () => {
    throw new EngineError(code, 'refused')
  }

it('scenario 86: the limit of watches is reached: the next watcher is taken when one cannot be opened', async () => {
  using directory = temporaryDirectory()
  const options = { root: directory.path, isIgnored: () => false, onEvent: () => undefined }
  const open = openFirst(
    [
      ['broken', refuses('DISK_FAILED')],
      ['portable', openPortableWatcher],
    ],
    silentLog,
  )
  await using watcher = await open(options, signal)
  assert.equal(watcher.method, 'portable')
  await assert.rejects(
    openFirst(
      [
        ['a', refuses('PATH_MISSING')],
        ['portable', openPortableWatcher],
      ],
      silentLog,
    )(options, signal),
  )
  await assert.rejects(openFirst([['a', refuses('DISK_FAILED')]], silentLog)(options, signal))
})

it('polling is what one gets who asks for it', async () => {
  using directory = temporaryDirectory()
  const options = { root: directory.path, isIgnored: () => false, onEvent: () => undefined }
  await using watcher = await openWatcherAuto('polling', silentLog)(options, signal)
  assert.equal(watcher.method, 'polling')
  await using native = await openWatcherAuto('auto', silentLog)(options, signal)
  assert.equal(native.method, 'native')
})

it('a burst that may have overflowed the queue of the kernel is told as lost', { skip: process.platform !== 'linux' }, async () => {
  using directory = temporaryDirectory()
  const lost = Promise.withResolvers<void>()
  const options = {
    root: directory.path,
    isIgnored: () => false,
    onEvent: (event: WatchEvent) => (event.kind === 'lost' ? lost.resolve() : undefined),
  }
  await using _ = await openNativeWatcher(options, signal)
  for (let at = 0; at < 5000; at++) writeFileSync(`${directory.path}/${at}`, 'x')
  const deadline = AbortSignal.timeout(10_000)
  deadline.addEventListener('abort', () => lost.reject(new Error('nothing was said to be lost')))
  await lost.promise
})

it('a path longer than the system takes is hinted and kills nobody', { skip: process.platform !== 'linux' }, async () => {
  using directory = temporaryDirectory()
  const root = directory.path
  const events: WatchEvent[] = []
  const options = { root, isIgnored: () => false, onEvent: (event: WatchEvent) => void events.push(event) }
  await using watcher = await openWatcherAuto('auto', silentLog)(options, signal)
  // By steps: the whole path is longer than one call takes.
  const go = (then: string): number | null => {
    const script = `const fs = require('node:fs'); let bytes = Buffer.byteLength(process.argv[1]); const name = 'd'.repeat(60)
      while (bytes < 4000) { fs.mkdirSync(name, { recursive: true }); process.chdir(name); bytes += 61 }; ${then}`
    return spawnSync(process.execPath, ['-e', script, root], { cwd: root }).status
  }
  const hinted = (isIt: (path: string) => boolean): true | undefined =>
    events.some((event) => event.kind === 'hint' && event.paths.some(isIt)) ? true : undefined
  assert.equal(go(''), 0)
  await eventually('the tree to be watched to its depth', 10_000, () => hinted((path) => path === 'd'.repeat(60)))
  assert.equal(go("fs.writeFileSync('f'.repeat(200), '')"), 0)
  writeFileSync(`${root}/after`, '')
  await eventually('the later file to be hinted', 10_000, () => hinted((path) => path === 'after'))
  assert.ok(events.every((event) => event.kind !== 'dead'))
  spawnSync('sh', ['-c', 'rm -rf "$1"/d*', 'sh', root]) // too deep for Node's own
  assert.equal(watcher.method, 'native')
})
