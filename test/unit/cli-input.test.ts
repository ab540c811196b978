// What a person types, made into what the daemon takes: paths, folders, options, homes.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseApiAddress } from '../../engine/api/listen.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { quoted } from '../../engine/bin/cli.ts'
import { absolutePath, folderArgument, workingDirectoryOf } from '../../engine/bin/paths.ts'
import type { PathWorld } from '../../engine/bin/paths.ts'
import { defaultListen, parseDurationMs, parseNodeConfig, parseSizeBytes } from '../../engine/config.ts'
import type { NodeOptions } from '../../engine/config.ts'
import { defaultHome, socketPathOf } from '../../engine/platform/home.ts'

function isBadArgument(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'BAD_ARGUMENT'
}

const linux: PathWorld = { platform: 'linux', workingDirectory: '/srv', homeDirectory: '/home/ada' }
const windows: PathWorld = { platform: 'win32', workingDirectory: 'C:\\srv', homeDirectory: 'C:\\Users\\ada' }

describe('a path', () => {
  const rows: readonly (readonly [PathWorld, string, string])[] = [
    [linux, '/a/b', '/a/b'],
    [linux, 'a', '/srv/a'],
    [linux, './a/../b/', '/srv/b'],
    [linux, '.', '/srv'],
    [linux, '~', '/home/ada'],
    [linux, '~/Photos', '/home/ada/Photos'],
    [linux, '~ada', '/srv/~ada'],
    [windows, 'D:\\Photos', 'D:/Photos'],
    [windows, 'Photos', 'C:/srv/Photos'],
    [windows, '~\\Photos', 'C:/Users/ada/Photos'],
  ]
  for (const [world, typed, path] of rows)
    test(`${typed} on ${world.platform} is ${path}`, () => assert.equal(absolutePath(typed, world), path))
})

describe('a folder', () => {
  const rows: readonly (readonly [PathWorld, string, string])[] = [
    [linux, 'Photos', 'Photos'],
    [linux, 'aeb2c4', 'aeb2c4'],
    [linux, 'My Photos.old', 'My Photos.old'],
    [linux, './Photos', '/srv/Photos'],
    [linux, 'sub/Photos', '/srv/sub/Photos'],
    [linux, '..', '/'],
    [linux, '~', '/home/ada'],
    [linux, 'back\\slash', 'back\\slash'],
    [windows, 'sub\\Photos', 'C:/srv/sub/Photos'],
  ]
  for (const [world, typed, folder] of rows)
    test(`${typed} on ${world.platform} is ${folder}`, () => assert.equal(folderArgument(typed, world), folder))
})

describe('the working directory', () => {
  const npm = { npm_package_json: '/src/holdfast/package.json', npm_lifecycle_event: 'holdfast', INIT_CWD: '/home/ada' }
  const rows: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['is the process’s own', {}, '/src/holdfast'],
    ['is the person’s under npm run holdfast', npm, '/home/ada'],
    ['is the person’s under npm start', { ...npm, npm_lifecycle_event: 'start' }, '/home/ada'],
    ['is the process’s own in another script', { ...npm, npm_lifecycle_event: 'test' }, '/src/holdfast'],
    ['is the process’s own in another package’s script', { ...npm, npm_package_json: '/src/other/package.json' }, '/src/holdfast'],
  ]
  for (const [claim, env, directory] of rows) {
    test(claim, () => assert.equal(workingDirectoryOf(env, 'linux', '/src/holdfast', '/src/holdfast/'), directory))
  }
})

describe('the home', () => {
  const rows: readonly (readonly [NodeJS.Platform, Readonly<Record<string, string>>, string, string])[] = [
    ['linux', {}, '/home/ada', '/home/ada/.local/share/holdfast'],
    ['linux', { XDG_DATA_HOME: '/data' }, '/home/ada', '/data/holdfast'],
    ['linux', { XDG_DATA_HOME: 'data' }, '/home/ada', '/home/ada/.local/share/holdfast'],
    ['freebsd', {}, '/home/ada', '/home/ada/.local/share/holdfast'],
    ['darwin', { XDG_DATA_HOME: '/data' }, '/Users/ada', '/Users/ada/Library/Application Support/Holdfast'],
    ['win32', {}, 'C:\\Users\\ada', 'C:\\Users\\ada\\AppData\\Local\\Holdfast'],
    ['win32', { LOCALAPPDATA: 'D:\\Local' }, 'C:\\Users\\ada', 'D:\\Local\\Holdfast'],
  ]
  for (const [platform, env, person, home] of rows) {
    test(`on ${platform} with ${JSON.stringify(env)} is ${home}`, () => assert.equal(defaultHome(env, platform, person), home))
  }

  test('has its socket inside, unless its path is too long for one', () => {
    assert.equal(socketPathOf('/home/ada/h', 'linux'), '/home/ada/h/api.sock')
    const long = `/${'é'.repeat(60)}`
    const path = socketPathOf(long, 'linux', '/tmp')
    assert.match(path, /^\/tmp\/holdfast-[0-9a-f]{16}\/api\.sock$/)
    assert.notEqual(path, socketPathOf(`${long}x`, 'linux', '/tmp'))
    assert.match(socketPathOf('C:\\h', 'win32'), /^\\\\\.\\pipe\\holdfast-[0-9a-f]{16}$/)
  })
})

describe('the address of the API', () => {
  const good: readonly (readonly [string, string, number])[] = [
    ['127.0.0.1:8384', '127.0.0.1', 8384],
    ['localhost:0', '127.0.0.1', 0],
    ['[::1]:8384', '::1', 8384],
    ['127.9.9.9:1', '127.9.9.9', 1],
  ]
  for (const [text, host, port] of good) test(`${text} is taken`, () => assert.deepEqual(parseApiAddress(text), { host, port }))
  const bad = [
    '8384',
    '127.0.0.1',
    '0.0.0.0:80',
    '[::]:80',
    '192.168.1.2:80',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1.evil.example:80',
    ':80',
    '::1:80',
  ]
  for (const text of bad) test(`${text} is refused`, () => assert.throws(() => parseApiAddress(text), isBadArgument))
})

describe('sizes and durations', () => {
  const sizes: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['500GB', 500e9],
    ['500 GiB', 500 * 1024 ** 3],
    ['1.5t', 1.5 * 1024 ** 4],
    ['', undefined],
    ['-1GB', undefined],
    ['1e9', undefined],
    ['12 parsecs', undefined],
    ['99999999TB', undefined],
  ]
  for (const [text, sizeBytes] of sizes) {
    test(`size "${text}" is ${sizeBytes ?? 'refused'}`, () => {
      if (sizeBytes === undefined) assert.throws(() => parseSizeBytes('--capacity', text), isBadArgument)
      else assert.equal(parseSizeBytes('--capacity', text), sizeBytes)
    })
  }
  const durations: readonly (readonly [string, number | undefined])[] = [
    ['60s', 60_000],
    ['500ms', 500],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['7', 7000],
    ['', undefined],
    ['-1s', undefined],
    ['1w', undefined],
  ]
  for (const [text, durationMs] of durations) {
    test(`duration "${text}" is ${durationMs ?? 'refused'}`, () => {
      if (durationMs === undefined) assert.throws(() => parseDurationMs('--timeout', text), isBadArgument)
      else assert.equal(parseDurationMs('--timeout', text), durationMs)
    })
  }
})

describe('the configuration', () => {
  test('is whole without options', () => {
    assert.deepEqual(parseNodeConfig({ home: '/h' }, 'desk'), {
      home: '/h',
      listen: defaultListen,
      name: 'desk',
      zone: 'home',
      class: 'daily',
      discovery: true,
      watch: 'auto',
      newStore: false,
      metered: false,
    })
  })

  test('takes every option', () => {
    const listen = ['/ip4/0.0.0.0/tcp/4001', '/ip6/::1/tcp/0']
    const options: NodeOptions = {
      home: '/h',
      listen,
      name: 'Büro 2',
      zone: 'office',
      class: 'always-on',
      capacity: '1MB',
      discovery: false,
      watch: 'polling',
      newStore: true,
      metered: true,
    }
    const { capacity: _, ...same } = options
    assert.deepEqual(parseNodeConfig(options, 'desk'), { ...same, capacityBytes: 1_000_000 })
  })

  const bad: readonly (readonly [string, Partial<NodeOptions>])[] = [
    ['a listen address that is no multiaddr', { listen: ['0.0.0.0:4001'] }],
    ['a port that does not exist', { listen: ['/ip4/0.0.0.0/tcp/70000'] }],
    ['an empty name', { name: '  ' }],
    ['a name that steers terminals', { name: 'desk\u001B[31m' }],
    ['a name without end', { name: 'x'.repeat(65) }],
    ['an unknown class', { class: 'sometimes' }],
    ['an unknown way to watch', { watch: 'never' }],
    ['a capacity that is no size', { capacity: 'lots' }],
  ]
  for (const [what, options] of bad)
    test(`refuses ${what}`, () => assert.throws(() => parseNodeConfig({ home: '/h', ...options }, 'desk'), isBadArgument))
})

describe('a word for the shell', () => {
  for (const [text, typed] of [
    ['/a/b-c_1.x', '/a/b-c_1.x'],
    ['My Photos', `'My Photos'`],
    [`it's`, `'it'\\''s'`],
    ['$x', `'$x'`],
  ] as const) {
    test(`${text} is typed ${typed}`, () => assert.equal(quoted(text), typed))
  }
})
