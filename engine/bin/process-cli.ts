// The Cli of a real process: its terminal, environment and directories.

import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { nodeClock } from '../platform/node-clock.ts'
import type { Cli, Terminal } from './cli.ts'
import { workingDirectoryOf } from './paths.ts'
import type { OpenNode } from './serve.ts'

const columnsWithoutTerminal = 100

/** `loadOpenNode` is called by `serve` only: it brings everything heavy with it. */
export function processCli(loadOpenNode: () => Promise<OpenNode>): Cli {
  const checkout = fileURLToPath(new URL('../..', import.meta.url))
  return {
    terminal: processTerminal(),
    clock: nodeClock(),
    env: process.env,
    platform: process.platform,
    workingDirectory: workingDirectoryOf(process.env, process.platform, process.cwd(), checkout),
    homeDirectory: homedir(),
    loadOpenNode,
    setExitCode: (code) => (process.exitCode = code),
    // oxlint-disable-next-line unicorn/no-process-exit -- a daemon ends by decision, not when the last handle happens to close
    exitNow: (code) => process.exit(code),
  }
}

function processTerminal(): Terminal {
  // The reader of a pipe may leave first (`holdfast status | head -1`): nobody is left to tell, and a daemon goes on.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(text),
    isInteractive: process.stdout.isTTY && process.stderr.isTTY,
    columns: process.stderr.columns ?? columnsWithoutTerminal,
    onInterrupt: (listener) => {
      process.once('SIGINT', listener)
      return () => void process.off('SIGINT', listener)
    },
  }
}
