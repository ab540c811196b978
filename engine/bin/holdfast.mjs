#!/usr/bin/env node
// Starts the `holdfast` command on a Node that can run it. Plain JavaScript, so that an old Node can read it.
//
// On Node 24 or later everything happens in this process: one process to signal, to kill and to wait for. On an older one
// the binary that came with the packages is started and this process only stands in front of it.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const nodeMajorMin = 24

// Flushing files in parallel needs as many threads as flushes in flight: 4, the default, gave a seventh of the files a
// second that 64 gave. libuv reads this when its first thread starts: nothing above may use it.
process.env.UV_THREADPOOL_SIZE ??= '64'

if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) {
  quietExperimental()
  cacheCode()
  if (process.argv[2] === 'serve') saveMemory()
  await import('./holdfast.ts')
} else {
  const binary = packagedNode()
  if (binary === undefined) {
    process.stderr.write(
      `holdfast: Node ${process.versions.node} is too old and no newer one came with the packages.\n` +
        `Run "npm ci" in the checkout, or install Node ${nodeMajorMin} or later.\n`,
    )
    process.exitCode = 1
  } else {
    standInFor(binary)
  }
}

/**
 * A daemon lives beside what people work with: garbage is collected early instead of letting the heap grow to several times
 * what is in use, and glibc keeps two pools instead of one for each of many threads. None of that can be changed in a process
 * that runs, so it starts itself anew in its own place: same process id, same streams. Where the system has no execve (Windows), it
 * goes on as it is. `npm run bench` prints the peak.
 */
function saveMemory() {
  const flags = ['--max-semi-space-size=1', '--heap-growing-percent=20']
  if (process.execve === undefined || process.env.MALLOC_ARENA_MAX !== undefined) return
  const env = { ...process.env, MALLOC_ARENA_MAX: '2' }
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)], env)
}

/**
 * Compiled code is kept beside the packages, whose owner is who may change the program anyway. It halves the start of every
 * command and saves 15 to 25 MB in each thread, because sources need not be parsed. Where nobody may write, it is done without.
 */
function cacheCode() {
  const directory = fileURLToPath(new URL('../../node_modules/.cache/holdfast-code', import.meta.url))
  process.env.NODE_COMPILE_CACHE ??= directory // worker threads look here
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE)
}

/** node:sqlite was announced as experimental by the first releases of Node 24: not news for who runs this. */
function quietExperimental() {
  const printers = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') for (const print of printers) print.call(process, warning)
  })
}

/** The Node binary of the package for this platform, or undefined. */
function packagedNode() {
  const require = nodeModule.createRequire(import.meta.url)
  const tag = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  for (const name of [`node-${tag}`, `node-bin-${tag}`]) {
    try {
      const manifestPath = require.resolve(`${name}/package.json`)
      const { bin } = JSON.parse(readFileSync(manifestPath, 'utf8'))
      return join(dirname(manifestPath), bin.node)
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return undefined
}

/** Runs this very command on `binary`: same terminal, signals passed on, same exit code. */
function standInFor(binary) {
  const words = [fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  // The channel is how a daemon notices that this process was killed.
  const child = spawn(binary, words, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`holdfast: cannot start ${binary}: ${error.message}\nRun "npm ci" again to repair it.\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
    if (child.connected) child.disconnect()
  })
}
