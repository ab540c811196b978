// The command line against the API on a real socket with controls in memory, in one process: what it asks and prints.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { socketHost } from '../../engine/api/calls.ts'
import type { Progress } from '../../engine/api/controls.ts'
import { listenOnSocket } from '../../engine/api/listen.ts'
import type { ApiListener } from '../../engine/api/listen.ts'
import { createApi } from '../../engine/api/server.ts'
import { silentLog } from '../../engine/base/log.ts'
import { removeStaleSocket, restrictSocket } from '../../engine/platform/home.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { runCaptured } from '../support/captured-cli.ts'
import type { Captured } from '../support/captured-cli.ts'
import { FakeControls, fakeLink } from '../support/fake-controls.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import type { TemporaryDirectory } from '../support/temporary-directory.ts'

function parse(text: string): Record<string, unknown> {
  assert.match(text, /^\{.*\}\n$/, 'one line of JSON')
  return JSON.parse(text)
}

describe('a command against a daemon', () => {
  let directory: TemporaryDirectory
  let home: string
  let ending: AbortController
  let listener: ApiListener
  const controls = new FakeControls()
  const run = (...words: string[]): Promise<Captured> =>
    runCaptured(words, { workingDirectory: directory.path, env: { HOLDFAST_HOME: home } })

  before(async () => {
    directory = temporaryDirectory()
    home = directory.path
    ending = new AbortController()
    const parts = { clock: nodeClock(), log: silentLog }
    const app = createApi({ controls, ...parts, token: undefined, allowedHosts: [socketHost], signal: ending.signal })
    const door = { removeStale: removeStaleSocket, restrict: restrictSocket }
    listener = await listenOnSocket(join(home, 'api.sock'), app, door, parts)
    for (const name of ['Photos', 'Held']) await controls.addFolder({ path: join(home, name) })
    await controls.pauseFolder('Held')
  })
  after(async () => {
    ending.abort()
    await listener[Symbol.asyncDispose]()
    directory[Symbol.dispose]()
  })

  const shapes: readonly (readonly [string, readonly string[]])[] = [
    ['id', ['schema', 'peerId', 'name', 'addresses']],
    ['status', ['schema', 'peerId', 'name', 'version', 'state', 'folders', 'peers', 'problems', 'traffic']],
    ['peers', ['schema', 'peers']],
    ['problems', ['schema', 'problems']],
    ['folder list', ['schema', 'folders']],
    ['folder add Music', ['schema', 'id', 'name', 'path']],
    ['folder pause Music', ['schema', 'ok']],
    ['folder resume ./Music', ['schema', 'ok']],
    ['folder rescan Music', ['schema', 'ok']],
    ['folder remove Music', ['schema', 'ok']],
    ['share Photos --role owner', ['schema', 'link', 'id']],
    [`join ${fakeLink} Joined`, ['schema', 'folder', 'state']],
    ['wait --folder Photos --synced --timeout 5s', ['schema', 'state', 'paused', 'full']],
    ['folder rescan Photos --verify', ['schema', 'files', 'bytes', 'rotten']],
    ['conflicts Photos', ['schema', 'conflicts']],
    ['resolve Photos a.txt --keep mine', ['schema', 'kept', 'removed', 'versions']],
    ['folder set Photos history.days=7', ['schema', 'settings']],
    ['history Photos a.jpg', ['schema', 'path', 'floorMs', 'current', 'total', 'versions']],
    ['restore Photos a.jpg --version 7', ['schema', 'path', 'state', 'undoAtMs']],
    ['rollback Photos --at 2h', ['schema', 'restored', 'removed', 'missing', 'missingCount', 'state', 'undoAtMs']],
    [
      'store status',
      ['schema', 'state', 'blocks', 'payloadBytes', 'usedBytes', 'diskBytes', 'capacityBytes', 'segments', 'damaged', 'folders'],
    ],
    ['store rebuild', ['schema', 'segments', 'blocks', 'missing', 'surplus', 'elsewhere', 'wasReadable', 'durationMs']],
    ['doctor', ['schema', 'checks']],
  ]
  for (const [line, keys] of shapes) {
    test(`${line} --json prints one object of schema 1`, async () => {
      const { code, out, err } = await run(...line.split(' '), '--json')
      assert.deepEqual([code, err], [0, ''])
      const printed = parse(out)
      assert.deepEqual(Object.keys(printed), keys)
      assert.equal(printed['schema'], 1)
    })
  }

  test('status --json has the fields that the contract of the commands names', async () => {
    const { folders, peers } = JSON.parse((await run('status', '--json')).out)
    for (const key of ['id', 'name', 'path', 'role', 'state', 'files', 'bytes', 'needFiles', 'needBytes', 'copies'])
      assert.ok(key in folders[0], key)
    assert.deepEqual(Object.keys(folders[0].copies), ['target', 'min', 'below', 'single'])
    for (const key of ['id', 'name', 'connected', 'class', 'zone']) assert.ok(key in peers[0], key)
  })

  test('prints aligned text for a person, without colours in a pipe', async () => {
    const { code, out } = await run('status')
    assert.equal(code, 0)
    assert.match(out, /Photos  idle +owner  3 files, 1\.2 GiB/)
    assert.ok(!out.includes('\u001B'))
  })

  test('folder rescan --verify says what it read and what changed by itself', async () => {
    assert.equal((await run('folder', 'rescan', 'Photos', '--verify')).out, 'Read 3 files, 1.2 GiB. All of them hold what they held.\n')
    assert.match(
      (await run('folder', 'rescan', 'Held', '--verify')).out,
      /Changed by themselves:\n {2}a\/b\nSee: holdfast --home \S+ problems\n$/,
    )
  })

  test('conflicts prints both versions, who and when, and how to decide', async () => {
    const { code, out } = await run('conflicts')
    assert.equal(code, 0)
    assert.match(out, /^Photos: a\.txt\n {2}winner {2}a\.txt +1\.5 KiB {2}2023-11-1\d \d\d:\d\d:\d\d {2}by desk \(this node\)\n/)
    assert.match(out, /copy {4}a\.conflict\.txt +20 B .* by several, or not known\n/)
    assert.match(out, /resolve Photos a\.txt --keep mine\|theirs\|both/)
    assert.equal((await run('conflicts', 'Held')).out, 'No conflicts.\n')
  })

  test('resolve says where each version is now', async () => {
    const { out } = await run('resolve', 'Photos', 'a.txt', '--keep', 'copy')
    const [head, winner, copy] = out.split('\n')
    assert.equal(head, 'Decided. Now there is')
    assert.match(
      winner ?? '',
      /^  in the history: the version by desk \(this node\), 1\.5 KiB, 2023-11-1.*, which was a\.txt: holdfast .* history Photos a\.txt$/,
    )
    assert.match(copy ?? '', /^  a\.txt: the version by several, or not known, 20 B, 2023-11-1.*, which was a\.conflict\.txt$/)
  })

  test('hints name the commands as this person would type them, with the home where it is not the usual one', async () => {
    controls.problems = [{ code: 'X', severity: 'error', text: 'it broke', next: 'See \'holdfast conflicts\', or holdfast accept "A".' }]
    const inCheckout = await runCaptured(['problems', '--home', home], { env: { npm_lifecycle_event: 'holdfast' } })
    controls.problems = []
    const typed = `npm run -s holdfast -- --home ${home}`
    assert.match(inCheckout.out, new RegExp(`See '${typed} conflicts', or ${typed} accept "A"\\.`))
    const refused = await runCaptured(['resolve', 'Nowhere', 'a', '--keep', 'mine', '--home', home], {
      env: { npm_lifecycle_event: 'holdfast' },
    })
    assert.ok(refused.err.includes(`'${typed} folder list'`) || !refused.err.includes("'holdfast "), refused.err)
    const json = await runCaptured(['resolve', 'Nowhere', 'a', '--keep', 'mine', '--home', home, '--json'], {
      env: { npm_lifecycle_event: 'holdfast' },
    })
    assert.ok(!json.err.includes('npm run'), json.err)
  })

  test('what a field lacks is said for a person', async () => {
    const { code, err } = await run('folder', 'pause', '')
    assert.deepEqual([code, err], [2, 'holdfast: pauseFolder: folder must not be empty\n'])
  })

  test('history prints what each version was, when and by whom it went, and where its content is', async () => {
    const { out } = await run('history', 'Photos', 'a.jpg')
    assert.match(
      out,
      /^  now: 5 B, since 1970-01-01 .*\n  7  deleted 1970-01-01 \d\d:\d\d:\d\d  5 B  by attic  not here, other members may have it\n$/,
    )
    const whole = await run('history', 'Photos', '--limit', '1')
    assert.match(whole.out, /^  7  note\.txt  deleted /)
    assert.match(whole.out, /\n  … and 1,233 older versions: --limit shows more, a path shows its own\n$/)
  })

  test('restore and rollback say how to undo them, and take paths as a shell has them', async () => {
    controls.asked.length = 0
    const restored = await run('restore', 'Photos', './a.jpg', '--version', '7')
    assert.match(
      restored.out,
      /^Restored .*a\.jpg\. Undo it with: holdfast .*rollback Photos --path .*a\.jpg --at 1970-01-01T00:00:00\.009Z\n$/,
    )
    const elsewhere = await run('restore', 'Photos', 'a.jpg', '--version', '7', '--to', 'old.jpg')
    assert.equal(elsewhere.out, `Restored ${join(home, 'old.jpg')}.\n`)
    const back = await run('rollback', 'Photos', '--at', '2026-01-02T03:04Z', '--path', 'summer')
    assert.match(back.out, /^2 paths brought back, 1 path removed\.\nUndo it with: .* --path summer --at 2023-11-14T22:13:20\.000Z\n$/)
    assert.deepEqual(controls.asked, [
      `restore ${JSON.stringify({ folder: 'Photos', path: join(home, 'a.jpg'), version: '7' })}`,
      `restore ${JSON.stringify({ folder: 'Photos', path: 'a.jpg', version: '7', to: join(home, 'old.jpg') })}`,
      `rollback ${JSON.stringify({ folder: 'Photos', path: 'summer', atMs: Date.UTC(2026, 0, 2, 3, 4) })}`,
    ])
  })

  test('rollback ends with 4 when some content could not be had, and names it', async () => {
    const { code, out } = await run('rollback', 'Photos', '--at', '1h', '--path', 'lost')
    assert.equal(code, 4)
    assert.match(out, /1 path could not be had.*\n  lost\/a\n/)
  })

  test('needs does not say that a folder is in step which does nothing', async () => {
    assert.equal((await run('folder', 'pause', 'Photos')).code, 0)
    assert.match((await run('needs', 'Photos')).out, /^The folder is paused/)
    assert.equal((await run('folder', 'resume', 'Photos')).code, 0)
    assert.match((await run('needs', 'Photos')).out, /NO_SOURCE/)
  })

  test('folder set shows every setting, and refuses what is none', async () => {
    assert.equal((await run('folder', 'set', 'Photos', 'history.days=9')).out, '  history.days  9\n')
    assert.equal((await run('folder', 'set', 'Photos', 'history.days')).code, 2)
  })

  test('share prints the link alone, for a pipe', async () => {
    assert.deepEqual(await run('share', 'Photos'), { code: 0, out: `${fakeLink}-write\n`, err: '' })
  })

  test('makes relative paths absolute before the daemon sees them', async () => {
    const { folder } = JSON.parse((await run('join', fakeLink, './a/../Sub', '--json')).out)
    assert.equal(folder.path, join(directory.path, 'Sub'))
  })

  const refusals: readonly (readonly [string, number, RegExp])[] = [
    ['folder pause Nothing', 5, /no folder "Nothing"/],
    ['folder add missing', 5, /does not exist/],
    ['folder add Photos', 5, /already/],
    ['join rubbish Sub', 5, /not a link/],
    ['wait --folder Held --timeout 50ms', 6, /not in step yet/],
    ['wait --timeout soon', 2, /--timeout soon: give a duration/],
    ['folder add Photos --copies none', 2, /whole number/],
    ['resolve Photos a.txt --keep theirs', 5, /keep 'winner'/],
    ['resolve Photos a.txt --keep all', 2, /Allowed choices are mine, theirs/],
    ['resolve Photos a.txt', 2, /--keep/],
    ['folder add', 2, /missing required argument/],
    ['share Photos --role king', 2, /Allowed choices are owner, write/],
    ['status --colour', 2, /unknown option/],
    ['fly', 2, /unknown command/],
    ['serve --api 0.0.0.0:80', 2, /this machine only/],
    ['serve --listen tcp:80', 2, /multiaddr/],
    ['serve --class sometimes', 2, /Allowed choices/],
    ['serve --capacity big', 2, /size/],
  ]
  for (const [line, code, message] of refusals) {
    test(`${line} ends with ${code} and says why, without a stack`, async () => {
      const ended = await run(...line.split(' '))
      assert.equal(ended.code, code, ended.err)
      assert.match(ended.err, message)
      assert.doesNotMatch(ended.err, /\n +at /)
      assert.equal(ended.out, '')
    })
  }

  test('tells an error as JSON when JSON was asked for', async () => {
    const { code, err } = await run('folder', 'pause', 'Nothing', '--json')
    assert.equal(code, 5)
    assert.deepEqual(JSON.parse(err).error.code, 'UNKNOWN_FOLDER')
  })

  test('shows where an error came from only when asked to', async () => {
    const { err } = await runCaptured(['folder', 'pause', 'Nothing'], { env: { HOLDFAST_HOME: home, HOLDFAST_DEBUG: '1' } })
    assert.match(err, /\n +at /)
  })

  const progress: Progress = {
    activity: 'scan',
    filesDone: 1,
    filesTotal: 4,
    bytesDone: 1024,
    bytesTotal: 4096,
    bytesPerSecond: 512,
    secondsLeft: 6,
  }
  const watched = (words: readonly string[], onError: (text: string, press: () => void) => void): Promise<Captured> =>
    runCaptured(words, { workingDirectory: home, env: { HOLDFAST_HOME: home }, isInteractive: true, onError })

  test('says which members have no room, and ends with the code of what is degraded', async () => {
    controls.full = [{ folder: 'Held', id: 'x', name: 'attic', needs: 12 }]
    controls.move('Held', 'idle')
    const { code, out } = await runCaptured(['wait', '--folder', 'Held'], { workingDirectory: home, env: { HOLDFAST_HOME: home } })
    controls.full = []
    assert.equal(code, 4)
    assert.match(out, /^In step, but for members that have no room:\n {2}attic has no room for 12 more of Held\. /)
  })

  test('on a terminal draws progress until the folder is in step, then cleans the line', async () => {
    controls.move('Held', 'scanning', progress)
    const { code, out, err } = await watched(['wait', '--folder', 'Held'], (text) => {
      if (text.includes('scanning')) controls.move('Held', 'idle')
    })
    assert.deepEqual([code, out], [0, 'In step.\n'])
    const bar = '\rHeld scanning  [######..................]  1 of 4 files  1.0 KiB of 4.0 KiB  512 B/s  6 s left\u001B[K'
    assert.equal(err.replaceAll(bar, 'BAR'), 'BAR\r\u001B[K')
  })

  test('on a terminal draws how far freeing is, and says what came of it', async () => {
    let free = (): void => undefined
    controls.freeing = new Promise((resolve) => (free = resolve))
    controls.move('Held', 'idle', { ...progress, activity: 'free', bytesTotal: 0 })
    const { code, out, err } = await watched(['free', 'Held', 'a'], (text) => {
      if (text.includes('Held freeing  [######')) free()
    })
    controls.freeing = undefined
    controls.move('Held', 'idle')
    assert.equal(code, 5)
    assert.match(out, /^Freed: 3 files/)
    assert.ok(err.endsWith('\r\u001B[K'), JSON.stringify(err))
  })

  test('says of what keep could not free that it is tried again', async () => {
    assert.match((await run('keep', 'Held', 'none')).out, /\n1 of them goes by itself as soon as others have proven enough copies/)
  })

  test('leaves the work going on at Ctrl-C', async () => {
    controls.move('Held', 'scanning', progress)
    const { code, err } = await watched(['wait', '--folder', 'Held'], (text, press) => {
      if (text.includes('scanning')) press()
    })
    assert.equal(code, 1)
    assert.match(err, /goes on in the daemon/)
  })

  test('says after folder add on a terminal what to do next', async () => {
    const { code, out } = await watched(['folder', 'add', 'New Things'], () => undefined)
    assert.equal(code, 0)
    assert.match(out, /^Added New Things \(.*\nThe first scan is done.*holdfast --home .* share 'New Things'\n$/)
  })
})
