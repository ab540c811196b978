// The API over a real Unix socket and real loopback TCP, with controls in memory behind it.

import assert from 'node:assert/strict'
import { lstatSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { callNames, callRoutes } from '../../engine/api/calls.ts'
import type { CallInput, CallName } from '../../engine/api/calls.ts'
import { openClient } from '../../engine/api/client.ts'
import { callSchemas } from '../../engine/api/contract.ts'
import type { Progress } from '../../engine/api/controls.ts'
import { listenOnLoopback, listenOnSocket } from '../../engine/api/listen.ts'
import { bodyBytesMax, createApi } from '../../engine/api/server.ts'
import { EngineError } from '../../engine/base/errors.ts'
import type { ErrorCode } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { removeStaleSocket, restrictSocket } from '../../engine/platform/home.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { FakeControls, fakeLink } from '../support/fake-controls.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const token = 'a-token-that-nobody-would-guess-0123456789'
const door = { removeStale: removeStaleSocket, restrict: restrictSocket }
const parts = { clock: nodeClock(), log: silentLog }

async function openSocket(controls: FakeControls): Promise<AsyncDisposable & { readonly socketPath: string; end(): void }> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(temporaryDirectory())
  const ending = new AbortController()
  stack.defer(() => ending.abort())
  const socketPath = join(directory.path, 'api.sock')
  const app = createApi({ controls, ...parts, token: undefined, allowedHosts: ['holdfast.socket'], signal: ending.signal })
  stack.use(await listenOnSocket(socketPath, app, door, parts))
  stack.defer(() => ending.abort())
  const opened = stack.move()
  return { socketPath, end: () => ending.abort(), [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

async function openTcp(controls: FakeControls): Promise<AsyncDisposable & { readonly url: string }> {
  const ending = new AbortController()
  const listener = await listenOnLoopback(
    { host: '127.0.0.1', port: 0 },
    (allowedHosts) => createApi({ controls, ...parts, token, allowedHosts, signal: ending.signal }),
    parts,
  )
  return {
    url: listener.url ?? '',
    [Symbol.asyncDispose]: () => {
      ending.abort()
      return listener[Symbol.asyncDispose]()
    },
  }
}

interface Answer {
  readonly status: number
  readonly body: { readonly error?: { readonly code: string; readonly message: string } }
  readonly headers: IncomingHttpHeaders
}

function ask(url: string, method: string, path: string, headers: OutgoingHttpHeaders, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, url), { method, headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => (text += part))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : {} }),
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Sends raw bytes and gives what came back until the other side closed. */
function speak(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (part) => (heard += part.toString('latin1')))
    socket.on('error', () => resolve(heard)) // a reset is an answer too
    socket.on('close', () => resolve(heard))
  })
}

function isRefusedWith(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code && error.message.length > 10
}

const progress: Progress = {
  activity: 'scan',
  filesDone: 1,
  filesTotal: 4,
  bytesDone: 10,
  bytesTotal: 40,
  bytesPerSecond: 5,
  secondsLeft: 6,
}

describe('the API', () => {
  const inputs: { readonly [Name in CallName]: CallInput<Name> } = {
    identity: {},
    status: {},
    peers: {},
    problems: {},
    folders: {},
    addFolder: { path: '/somewhere/Music', name: 'Music', copies: 3 },
    rescanFolder: { folder: 'Photos' },
    setFolder: { folder: 'Photos', settings: { 'history.days': '7' } },
    needs: { folder: 'Photos', limit: 5 },
    acceptChanges: { folder: 'Photos' },
    rejectChanges: { folder: 'Photos' },
    store: {},
    rebuildStore: {},
    scrubStatus: {},
    startScrub: {},
    pauseScrub: {},
    resumeScrub: {},
    share: { folder: 'Photos', role: 'owner' },
    join: { link: fakeLink, path: '/somewhere/Joined' },
    history: { folder: 'Photos', path: 'a.jpg' },
    restore: { folder: 'Photos', path: 'a.jpg', version: '7', to: '/somewhere/b.jpg' },
    rollback: { folder: 'Photos', path: 'summer', atMs: 5 },
    members: { folder: 'Photos' },
    retry: { folder: 'Photos' },
    retireMember: { folder: 'Photos', peer: 'attic', undo: true },
    copies: { folder: 'Photos', path: 'a.jpg', worst: true },
    keepFolder: { folder: 'Photos', keep: 'selected', patterns: ['*.jpg'] },
    freeFiles: { folder: 'Photos', paths: ['a.jpg'], minCopies: 1 },
    fetchFiles: { folder: 'Photos', paths: ['a.jpg'], wait: true },
    files: { folder: 'Photos', path: 'a.jpg' },
    waitCopies: { folder: 'Photos', copies: 1 },
    waitSynced: { folder: 'Photos', timeoutMs: 1000 },
    verifyFolder: { folder: 'Photos' },
    conflicts: { folder: 'Photos' },
    resolveConflict: { folder: 'Photos', path: 'a.txt', keep: 'mine' },
    pauseFolder: { folder: 'Photos' },
    resumeFolder: { folder: '/somewhere/Photos' },
    removeFolder: { folder: 'a0' },
    stop: {},
  }

  test('every call answers over socket and TCP with what its schema promises', async () => {
    const controls = new FakeControls()
    await using local = await openSocket(controls)
    await using remote = await openTcp(controls)
    for (const client of [openClient({ socketPath: local.socketPath }), openClient({ url: remote.url, token })]) {
      await controls.addFolder({ path: '/somewhere/Photos' })
      controls.move('Photos', 'held', progress)
      controls.problems = [{ code: 'X', severity: 'warning', text: 'x', next: 'y', folder: 'Photos' }]
      controls.asked.length = 0
      for (const name of Object.keys(inputs) as CallName[]) {
        const output = await client.call(name, inputs[name])
        assert.deepEqual(callSchemas[name].output.parse(output), output, name)
      }
      assert.deepEqual(controls.asked, [
        'addFolder {"path":"/somewhere/Music","name":"Music","copies":3}',
        'rescanFolder Photos',
        'setFolder Photos',
        'needs Photos',
        'acceptChanges Photos',
        'rejectChanges Photos',
        'rebuildStore',
        'startScrub',
        'pauseScrub',
        'resumeScrub',
        'share Photos',
        'join /somewhere/Joined',
        'history Photos',
        'restore {"folder":"Photos","path":"a.jpg","version":"7","to":"/somewhere/b.jpg"}',
        'rollback {"folder":"Photos","path":"summer","atMs":5}',
        'members Photos',
        'retry Photos',
        'retireMember undone Photos',
        'copies {"folder":"Photos","path":"a.jpg","worst":true,"limit":1000}',
        'keepFolder {"folder":"Photos","keep":"selected","patterns":["*.jpg"]}',
        'freeFiles {"folder":"Photos","paths":["a.jpg"],"minCopies":1}',
        'fetchFiles {"folder":"Photos","paths":["a.jpg"],"wait":true}',
        'files {"folder":"Photos","path":"a.jpg","limit":1000}',
        'waitCopies Photos 1',
        'waitSynced Photos',
        'verifyFolder Photos',
        'conflicts Photos',
        'resolveConflict Photos',
        'pauseFolder Photos',
        'resumeFolder /somewhere/Photos',
        'removeFolder a0',
        'stop',
      ])
      await controls.removeFolder('Music')
    }
    assert.deepEqual(Object.keys(inputs).toSorted(), [...callNames].toSorted())
  })

  test('a refusal reaches the client with its code and message', async () => {
    const controls = new FakeControls()
    await using local = await openSocket(controls)
    const client = openClient(local)
    await assert.rejects(client.call('pauseFolder', { folder: 'nothing' }), isRefusedWith('UNKNOWN_FOLDER'))
    await assert.rejects(client.call('addFolder', { path: '/missing' }), isRefusedWith('PATH_MISSING'))
    await assert.rejects(client.call('join', { link: 'rubbish', path: '/x' }), isRefusedWith('BAD_LINK'))
  })

  test('what breaks inside is told as INTERNAL without its text', async () => {
    const controls = new FakeControls()
    await using local = await openSocket(controls)
    controls.failure = new TypeError('secret /path of things')
    await assert.rejects(
      openClient(local).call('status', {}),
      (error: Error) => isRefusedWith('INTERNAL')(error) && !error.message.includes('secret'),
    )
  })

  test('the OpenAPI document lists every call', async () => {
    await using remote = await openTcp(new FakeControls())
    const { status, body } = await ask(remote.url, 'GET', '/api/v1/openapi.json', { authorization: `Bearer ${token}` })
    assert.equal(status, 200)
    const paths = Object.keys('paths' in body && typeof body.paths === 'object' && body.paths !== null ? body.paths : {})
    assert.deepEqual(paths.toSorted(), [...callNames.map((name) => `/api/v1${callRoutes[name].path}`), '/api/v1/events'].toSorted())
  })
})

describe('a request is refused', () => {
  const good = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const refusals: readonly (readonly [
    string,
    number,
    string,
    { method?: string; path?: string; headers?: OutgoingHttpHeaders; body?: string },
  ])[] = [
    ['without a token', 401, 'NOT_ALLOWED', { headers: { authorization: '' } }],
    ['with a wrong token', 401, 'NOT_ALLOWED', { headers: { authorization: `Bearer ${token.replace('a', 'b')}` } }],
    ['with a token cut short', 401, 'NOT_ALLOWED', { headers: { authorization: `Bearer ${token.slice(0, -1)}` } }],
    ['with the host name of a rebound page', 403, 'NOT_ALLOWED', { headers: { host: 'evil.example:80' } }],
    ['with a foreign origin', 403, 'NOT_ALLOWED', { headers: { origin: 'https://evil.example' } }],
    ['with the null origin of a sandboxed page', 403, 'NOT_ALLOWED', { headers: { origin: 'null' } }],
    ['when the browser says that another site sent it', 403, 'NOT_ALLOWED', { headers: { 'sec-fetch-site': 'cross-site' } }],
    ['for a path that does not exist', 404, 'BAD_ARGUMENT', { method: 'GET', path: '/api/v1/nothing' }],
    ['for a call with the wrong method', 404, 'BAD_ARGUMENT', { method: 'GET' }],
    ['with a body that is not called JSON', 400, 'BAD_ARGUMENT', { headers: { 'content-type': 'text/plain' } }],
    ['with a body that is not JSON', 400, 'BAD_ARGUMENT', { body: '{"folder":' }],
    ['with an unknown field', 400, 'BAD_ARGUMENT', { body: '{"folder":"x","force":true}' }],
    ['with a missing field', 400, 'BAD_ARGUMENT', { body: '{}' }],
    ['with a field of the wrong type', 400, 'BAD_ARGUMENT', { body: '{"folder":["x"]}' }],
    ['with a body over the limit', 413, 'FRAME_TOO_LARGE', { body: JSON.stringify({ folder: 'x'.repeat(bodyBytesMax) }) }],
    [
      'with a chunked body over the limit',
      413,
      'FRAME_TOO_LARGE',
      { body: ' '.repeat(bodyBytesMax + 1), headers: { 'transfer-encoding': 'chunked' } },
    ],
  ]
  for (const [how, status, code, { method, path, headers, body }] of refusals) {
    test(how, async () => {
      await using remote = await openTcp(new FakeControls())
      const sent = { ...good, ...headers }
      const answer = await ask(
        remote.url,
        method ?? 'POST',
        path ?? '/api/v1/folders/pause',
        sent,
        method === 'GET' ? undefined : (body ?? '{"folder":"x"}'),
      )
      assert.deepEqual([answer.status, answer.body.error?.code], [status, code])
    })
  }

  test('but not from a page of its own', async () => {
    await using remote = await openTcp(new FakeControls())
    const answer = await ask(remote.url, 'GET', '/api/v1/id', { ...good, origin: remote.url, 'sec-fetch-site': 'same-origin' })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['access-control-allow-origin'], undefined)
  })

  test('on the socket when a browser was led to it', async () => {
    await using local = await openSocket(new FakeControls())
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request({ socketPath: local.socketPath, path: '/api/v1/id', headers: { host: 'localhost' } }, (incoming) =>
        resolve(incoming.resume().statusCode),
      )
      outgoing.on('error', reject).end()
    })
    assert.equal(answer, 403)
  })
})

describe('garbage', () => {
  const garbage: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['random bytes', Uint8Array.from({ length: 4096 }, (_, at) => (at * 167 + 13) % 256), /^HTTP\/1.1 400|^$/],
    ['a TLS hello', Uint8Array.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]), /^HTTP\/1.1 400/],
    ['headers without end', Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(70_000)}`), /^HTTP\/1.1 431/],
    [
      'two lengths',
      Buffer.from('POST /api/v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\n{}'),
      /^HTTP\/1.1 400/,
    ],
    [
      'an absolute target that is no address',
      Buffer.from('GET http://[::: HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.1 40[03]/,
    ],
    ['no host', Buffer.from('GET /api/v1/id HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 40[03]/],
  ]
  for (const [what, bytes, expected] of garbage) {
    test(`${what} on the port is refused and the daemon goes on`, async () => {
      const controls = new FakeControls()
      await using remote = await openTcp(controls)
      assert.match(await speak(Number(new URL(remote.url).port), bytes), expected)
      assert.equal((await openClient({ url: remote.url, token }).call('identity', {})).name, 'desk')
      assert.equal(controls.isStopped, false)
    })
  }
})

describe('events', () => {
  test('tell the state at the start and after each change, and let go when the reader leaves', async () => {
    const controls = new FakeControls()
    await controls.addFolder({ path: '/somewhere/Photos' })
    await using local = await openSocket(controls)
    const leaving = new AbortController()
    const seen: string[] = []
    for await (const { state, folders, peersConnected } of openClient(local).events(leaving.signal)) {
      seen.push(`${state} ${folders[0]?.state} ${folders[0]?.progress?.filesDone ?? '-'} ${peersConnected}`)
      if (seen.length === 1) controls.move('Photos', 'scanning', progress)
      else if (seen.length === 2) controls.move('Photos', 'idle')
      else break
    }
    assert.deepEqual(seen, ['ok idle - 1', 'ok scanning 1 1', 'ok idle - 1'])
    await until(() => controls.listeners === 0)
  })

  test('end when the daemon does', async () => {
    const controls = new FakeControls()
    await using local = await openSocket(controls)
    let seen = 0
    for await (const _ of openClient(local).events(new AbortController().signal)) {
      seen++
      local.end()
    }
    assert.equal(seen, 1)
    assert.equal(controls.listeners, 0)
  })
})

describe('a long call', () => {
  test('ends in the daemon when the client goes away', async () => {
    const controls = new FakeControls()
    await controls.addFolder({ path: '/somewhere/Photos' })
    controls.move('Photos', 'paused')
    await using local = await openSocket(controls)
    const leaving = new AbortController()
    const wait = openClient(local).call('waitSynced', {}, leaving.signal)
    await until(() => controls.asked.includes('waitSynced all'))
    leaving.abort()
    await assert.rejects(wait, isRefusedWith('ABORTED'))
    await until(() => controls.aborts === 1)
  })

  test('ends with TIMED_OUT when its time is up', async () => {
    const controls = new FakeControls()
    await controls.addFolder({ path: '/somewhere/Photos' })
    controls.move('Photos', 'paused')
    await using local = await openSocket(controls)
    await assert.rejects(openClient(local).call('waitSynced', { folder: 'Photos', timeoutMs: 20 }), isRefusedWith('TIMED_OUT'))
    assert.equal(controls.aborts, 1)
  })

  test('does not hold up the end of the daemon', async () => {
    const controls = new FakeControls()
    await controls.addFolder({ path: '/somewhere/Photos' })
    controls.move('Photos', 'paused')
    const local = await openSocket(controls)
    const wait = openClient(local).call('waitSynced', {})
    await until(() => controls.asked.includes('waitSynced all'))
    local.end()
    await assert.rejects(wait, isRefusedWith('ABORTED'))
    await local[Symbol.asyncDispose]()
  })
})

describe('the socket', () => {
  test('is for its owner only', async () => {
    await using local = await openSocket(new FakeControls())
    assert.equal(lstatSync(local.socketPath).mode & 0o777, 0o600)
  })

  test('takes the place of one that nobody listens on', async () => {
    using directory = temporaryDirectory()
    const socketPath = join(directory.path, 'api.sock')
    writeFileSync(socketPath, '')
    const app = { fetch: () => new Response('here') }
    await using _ = await listenOnSocket(socketPath, app, door, parts)
  })

  test('does not take the place of one that a daemon answers on', async () => {
    const controls = new FakeControls()
    await using local = await openSocket(controls)
    const app = { fetch: () => new Response('intruder') }
    await assert.rejects(listenOnSocket(local.socketPath, app, door, parts), isRefusedWith('ALREADY_RUNNING'))
    assert.equal((await openClient(local).call('identity', {})).name, 'desk')
  })

  test('that is missing is told as NOT_RUNNING with the way to start', async () => {
    const client = openClient({ socketPath: '/nonexistent/api.sock' })
    await assert.rejects(
      client.call('identity', {}),
      (error: Error) => isRefusedWith('NOT_RUNNING')(error) && error.message.includes('holdfast serve'),
    )
  })

  test('a TCP port in use is told as PORT_IN_USE', async () => {
    await using remote = await openTcp(new FakeControls())
    const address = { host: '127.0.0.1', port: Number(new URL(remote.url).port) }
    await assert.rejects(
      listenOnLoopback(address, () => ({ fetch: () => new Response() }), parts),
      isRefusedWith('PORT_IN_USE'),
    )
  })
})

async function until(claim: () => boolean): Promise<void> {
  const clock = nodeClock()
  const deadlineMs = clock.monotonicMs() + 5000
  while (!claim()) {
    assert.ok(clock.monotonicMs() < deadlineMs, `not within 5 s: ${String(claim)}`)
    await clock.sleep(2, AbortSignal.timeout(5000))
  }
}
