// The command line inside the test's own process: what it prints is caught, Ctrl-C is pressed by calling.

import type { Cli } from '../../engine/bin/cli.ts'
import { runProgram } from '../../engine/bin/program.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'

export interface Captured {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface CapturedOptions {
  readonly workingDirectory?: string
  readonly env?: Readonly<Record<string, string>>
  readonly isInteractive?: boolean
  /** Called with each piece of stderr as it comes, and with the way to press Ctrl-C where the command listens for it. */
  readonly onError?: (text: string, press: () => void) => void
}

/** Runs one command line; `serve` is refused. */
export async function runCaptured(words: readonly string[], options: CapturedOptions = {}): Promise<Captured> {
  let out = ''
  let err = ''
  let code = 0
  let press = (): void => undefined
  const cli: Cli = {
    terminal: {
      out: (text) => void (out += `${text}\n`),
      err: (text) => {
        err += text
        options.onError?.(text, press)
      },
      isInteractive: options.isInteractive ?? false,
      columns: 100,
      onInterrupt: (listener) => {
        press = listener
        return () => void (press = () => undefined)
      },
    },
    clock: nodeClock(),
    env: options.env ?? {},
    platform: process.platform,
    workingDirectory: options.workingDirectory ?? '/nowhere',
    homeDirectory: '/nowhere/person',
    loadOpenNode: () => Promise.reject(new Error('no node in here')),
    setExitCode: (given) => void (code = given),
    exitNow: (given) => {
      throw new Error(`ended with ${given}`)
    },
  }
  const failed = await runProgram(cli, words)
  return { code: failed ?? code, out, err }
}
