// The command line as child processes against a real `serve` around controls in memory.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openClient } from '../../engine/api/client.ts'
import { fakeLink, fakePeerId } from '../support/fake-controls.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const launcher = new URL('../../engine/bin/holdfast.mjs', import.meta.url).pathname
const fakeDaemon = new URL('../support/fake-daemon.ts', import.meta.url).pathname

interface Ended {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

function collect(child: ChildProcess): Promise<Ended> {
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (out += part))
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (err += part))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? undefined, out, err })))
}

function plainEnv(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const env = { ...process.env, ...extra }
  // A test run is an npm script itself.
  for (const name of ['npm_lifecycle_event', 'npm_package_json', 'INIT_CWD', 'HOLDFAST_HOME', 'NODE_OPTIONS'])
    if (!(name in extra)) delete env[name]
  return env
}

function holdfast(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  return collect(
    spawn(process.execPath, [launcher, ...words], { ...options, env: plainEnv(options.env), stdio: ['ignore', 'pipe', 'pipe'] }),
  )
}

interface Daemon {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  readonly ready: string
}

async function startDaemon(home: string, words: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Daemon> {
  const child = spawn(process.execPath, [fakeDaemon, '--home', home, ...words], { env: plainEnv(env), stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = collect(child)
  const ready = await new Promise<string>((resolve, reject) => {
    let heard = ''
    child.stdout.on('data', (part: string) => {
      heard += part
      if (heard.includes('\n')) resolve(heard.slice(0, heard.indexOf('\n')))
    })
    void ended.then(({ code, err }) => reject(new Error(`the daemon ended with ${code}: ${err}`)))
  })
  return { child, ended, ready }
}

describe('the launcher', () => {
  test('passes output, words and exit codes through', async () => {
    using directory = temporaryDirectory()
    const home = join(directory.path, 'home')
    const { child, ended } = await startDaemon(home)
    const rows: readonly (readonly [string, number])[] = [
      ['id', 0],
      ['fly', 2],
      ['folder pause Nothing', 5],
      ['folder add missing', 5],
    ]
    for (const [line, code] of rows) assert.equal((await holdfast([...line.split(' '), '--home', home])).code, code, line)
    child.kill()
    await ended
  })

  test('takes paths as relative to where the person ran npm', async () => {
    using directory = temporaryDirectory()
    const home = join(directory.path, 'home')
    const { child, ended } = await startDaemon(home)
    const checkout = new URL('../../package.json', import.meta.url).pathname
    const env = { HOLDFAST_HOME: home, INIT_CWD: directory.path, npm_package_json: checkout, npm_lifecycle_event: 'holdfast' }
    const { out } = await holdfast(['join', fakeLink, 'Sub', '--json'], { cwd: '/', env })
    child.kill()
    await ended
    assert.equal(JSON.parse(out).folder.path, join(directory.path, 'Sub'))
  })
})

describe('without a daemon', () => {
  test('a command ends with 3 and says how to start one', async () => {
    using directory = temporaryDirectory()
    const { code, err } = await holdfast(['status', '--home', directory.path])
    assert.equal(code, 3)
    assert.match(err, /holdfast .*serve".*npm start/)
  })

  test('doctor says what is not there yet and ends with 0', async () => {
    using directory = temporaryDirectory()
    const { code, out } = await holdfast(['doctor', '--home', join(directory.path, 'none')])
    assert.equal(code, 0, out)
    assert.match(out, /note +daemon +not running/)
  })

  test('doctor calls a home that others can read a problem and ends with 1', async () => {
    using directory = temporaryDirectory()
    chmodSync(directory.path, 0o755)
    const { code, out } = await holdfast(['doctor', '--home', directory.path])
    assert.equal(code, 1)
    assert.match(out, /problem +home .*chmod 700/)
  })

  test('doctor finds a damaged database', async () => {
    using directory = temporaryDirectory()
    writeFileSync(join(directory.path, 'index.db'), 'this is no database, '.repeat(500))
    const { code, out } = await holdfast(['doctor', '--home', directory.path])
    assert.equal(code, 1)
    assert.match(out, /problem +database/)
  })
})

describe('serve', () => {
  test('prints the ready line first, makes a private home, and ends with stop', async () => {
    using directory = temporaryDirectory()
    const home = join(directory.path, 'new', 'home')
    const { ready, ended } = await startDaemon(home, ['--api', 'localhost:0'])
    assert.match(ready, /^holdfast ready \{/)
    const { peerId, addresses, ui } = JSON.parse(ready.slice('holdfast ready '.length))
    assert.equal(peerId, fakePeerId)
    assert.equal(addresses.length, 1)
    const token = readFileSync(join(home, 'api-token'), 'utf8').trim()
    assert.equal((await openClient({ url: ui, token }).call('identity', {})).peerId, peerId)
    for (const [name, mode] of [
      ['.', 0o700],
      ['api-token', 0o600],
      ['api.sock', 0o600],
      ['log', 0o700],
      ['log/holdfast.log', 0o600],
    ] as const) {
      assert.equal(statSync(join(home, name)).mode & 0o777, mode, name)
    }
    const stopped = await holdfast(['stop', '--home', home])
    assert.deepEqual(stopped, { code: 0, out: 'Stopped.\n', err: '' })
    const { code, out, err } = await ended
    assert.deepEqual([code, out, err], [0, `${ready}\n`, ''])
    assert.equal(existsSync(join(home, 'api.sock')), false)
    assert.match(readFileSync(join(home, 'log/holdfast.log'), 'utf8'), /"msg":"ended"/)
  })

  test('tells those who wait that it ends', async () => {
    using directory = temporaryDirectory()
    const { ended } = await startDaemon(directory.path)
    const client = openClient({ socketPath: join(directory.path, 'api.sock') })
    const { id } = await client.call('addFolder', { path: '/Held' })
    await client.call('pauseFolder', { folder: id })
    const wait = assert.rejects(client.call('waitSynced', {}), { code: 'ABORTED' })
    await client.call('identity', {}) // the daemon has taken the wait, which came before
    await client.call('stop', {})
    await wait
    assert.equal((await ended).code, 0)
  })

  test('says what to type next when npm started it, with the home in it', async () => {
    using directory = temporaryDirectory()
    const { child, ended } = await startDaemon(directory.path, [], { npm_lifecycle_event: 'start' })
    child.kill('SIGTERM')
    const { out } = await ended
    assert.match(out.split('\n').slice(1).join('\n'), new RegExp(`npm run -s holdfast -- --home ${directory.path} folder add`))
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`ends in order on ${signal}, also when it comes twice at once`, async () => {
      using directory = temporaryDirectory()
      const { child, ended } = await startDaemon(directory.path)
      child.kill(signal)
      child.kill(signal)
      assert.equal((await ended).code, 0)
      assert.equal(existsSync(join(directory.path, 'api.sock')), false)
    })
  }

  test('ends at once on a second signal', async () => {
    using directory = temporaryDirectory()
    const { child, ended } = await startDaemon(directory.path, [], { FAKE_SLOW_END: '1' })
    const again = setInterval(() => child.kill('SIGINT'), 100)
    assert.equal((await ended).code, 130)
    clearInterval(again)
  })

  test('is refused on a home where one runs, which goes on', async () => {
    using directory = temporaryDirectory()
    const { child, ended } = await startDaemon(directory.path)
    await assert.rejects(startDaemon(directory.path), /ended with 5: holdfast: another daemon answers/)
    assert.equal((await holdfast(['id', '--home', directory.path])).code, 0)
    child.kill()
    await ended
  })

  test('starts again after kill -9', async () => {
    using directory = temporaryDirectory()
    const first = await startDaemon(directory.path)
    first.child.kill('SIGKILL')
    await first.ended
    assert.ok(existsSync(join(directory.path, 'api.sock')))
    const second = await startDaemon(directory.path)
    second.child.kill()
    assert.equal((await second.ended).code, 0)
  })

  test('works in a home whose path is too long for a socket', async () => {
    using directory = temporaryDirectory()
    const home = join(directory.path, 'long'.repeat(40))
    const { child, ended } = await startDaemon(home)
    const { code, err } = await holdfast(['id', '--home', home])
    child.kill()
    await ended
    assert.deepEqual([code, err], [0, ''])
  })

  test('refuses a home that is a file, and one that holds a person’s things for all to read', async () => {
    using directory = temporaryDirectory()
    const file = join(directory.path, 'file')
    writeFileSync(file, '')
    await assert.rejects(startDaemon(file), /ended with 5: .*not a directory|EEXIST/)
    const open = join(directory.path, 'open')
    mkdirSync(open)
    chmodSync(open, 0o755)
    writeFileSync(join(open, 'letter'), '')
    await assert.rejects(startDaemon(open), /ended with 5: .*holds other things/)
    assert.equal(statSync(open).mode & 0o777, 0o755)
  })

  test('a degraded node gives status the exit code 4', async () => {
    using directory = temporaryDirectory()
    const { child, ended } = await startDaemon(directory.path, [], { FAKE_DEGRADED: '1' })
    const { code, out } = await holdfast(['status', '--home', directory.path])
    const problems = await holdfast(['problems', '--home', directory.path])
    child.kill()
    await ended
    assert.equal(code, 4)
    assert.match(out, /Photos: the disk is on fire\n +put it out/)
    assert.equal(problems.code, 0)
  })
})
