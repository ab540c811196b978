// `holdfast doctor`: looks at what a node needs on this machine and says what to do about what is missing.

import { tmpdir } from 'node:os'
import type { Command } from 'commander'
import { openClient } from '../../api/client.ts'
import { errorCodeOf, messageOf } from '../../base/errors.ts'
import { silentLog, type LogFields } from '../../base/log.ts'
import { homeFacts, homePaths, socketPathOf } from '../../platform/home.ts'
import type { HomeFacts } from '../../platform/home.ts'
import { homeOf, printResult, spoken, typedCommand, withExamples } from '../cli.ts'
import type { Cli, GlobalOptions } from '../cli.ts'
import { exitFailed } from '../exit-codes.ts'
import { columnsText, sizeText } from '../text.ts'

export interface Check {
  readonly name: string
  readonly result: 'ok' | 'note' | 'problem'
  readonly text: string
  /** The next step; absent when there is none to take. */
  readonly next?: string
}

const nodeMajorMin = 24
const freeBytesMin = 1024 ** 3

export function addDoctorCommand(program: Command, cli: Cli): void {
  const command = program.command('doctor').description('check what a node needs on this machine (exit code 1 when there is a problem)')
  withExamples(command, ['doctor', 'doctor --json']).action(async () => {
    const home = homeOf(cli, command)
    const { json = false } = command.optsWithGlobals<GlobalOptions>()
    const checks = await runChecks(home, cli.platform)
    printResult(cli.terminal, json, { checks }, spoken(checksText(checks), typedCommand(cli, home)))
    if (checks.some(({ result }) => result === 'problem')) cli.setExitCode(exitFailed)
  })
}

export function checksText(checks: readonly Check[]): string {
  return columnsText(checks.map(({ name, result, text, next }) => [result, name, next === undefined ? text : `${text}: ${next}`]))
}

async function runChecks(home: string, platform: NodeJS.Platform): Promise<readonly Check[]> {
  const daemon = await checkDaemon(socketPathOf(home, platform))
  return [
    checkRuntime(process.versions.node),
    ...checkHome(home),
    daemon,
    await checkDatabase(home, daemon.result === 'ok'),
    await checkWatcher(platform),
  ]
}

export function checkRuntime(version: string): Check {
  const isNew = Number.parseInt(version, 10) >= nodeMajorMin
  return isNew
    ? { name: 'Node', result: 'ok', text: version }
    : {
        name: 'Node',
        result: 'problem',
        text: `${version} is too old`,
        next: `install Node ${nodeMajorMin}, or run "npm ci", which brings it along`,
      }
}

function checkHome(home: string): readonly Check[] {
  try {
    const facts = homeFacts(home)
    if (facts === undefined)
      return [{ name: 'home', result: 'note', text: `${home} does not exist yet`, next: 'the first "holdfast serve" makes it' }]
    return judgeHome(home, facts)
  } catch (error) {
    return [{ name: 'home', result: 'problem', text: messageOf(error) }]
  }
}

export function judgeHome(home: string, { trouble, isOpenToOthers, freeBytes }: HomeFacts): readonly Check[] {
  if (trouble !== undefined) return [{ name: 'home', result: 'problem', text: trouble }]
  const access: Check = isOpenToOthers
    ? { name: 'home', result: 'problem', text: `other users can look into ${home}`, next: `chmod 700 ${home}` }
    : { name: 'home', result: 'ok', text: home }
  const space = `${sizeText(freeBytes)} free`
  const room: Check =
    freeBytes < freeBytesMin
      ? {
          name: 'space',
          result: 'problem',
          text: `only ${space} on the disk of the home`,
          next: 'free some space there, or choose another --home',
        }
      : { name: 'space', result: 'ok', text: space }
  return [access, room]
}

async function checkDaemon(socketPath: string): Promise<Check> {
  try {
    const { peerId } = await openClient({ socketPath }).call('identity', {})
    return { name: 'daemon', result: 'ok', text: `answers as ${peerId}` }
  } catch (error) {
    if (errorCodeOf(error) === 'NOT_RUNNING')
      return { name: 'daemon', result: 'note', text: 'not running', next: 'start it with "holdfast serve" (in a checkout: "npm start")' }
    return { name: 'daemon', result: 'problem', text: messageOf(error) }
  }
}

async function checkDatabase(home: string, isRunning: boolean): Promise<Check> {
  const name = 'database'
  if (isRunning) return { name, result: 'ok', text: 'in use by the daemon' }
  try {
    if (homeFacts(home)?.hasDatabase !== true)
      return { name, result: 'note', text: 'none yet', next: 'the first "holdfast serve" makes it' }
    const { openDatabase } = await import('../../index/database.ts')
    openDatabase(homePaths(home).database)[Symbol.dispose]()
    return { name, result: 'ok', text: 'opens, and its pages are sound' }
  } catch (error) {
    return { name, result: 'problem', text: messageOf(error) }
  }
}

/** Opens what a folder would get, on a directory that is always there, and tells which it was. */
async function checkWatcher(platform: NodeJS.Platform): Promise<Check> {
  const { openWatcherAuto } = await import('../../platform/watchers.ts')
  const failures: string[] = []
  const log = { ...silentLog, warn: (_message: string, fields?: LogFields) => void failures.push(String(fields?.['reason'])) }
  try {
    const options = { root: tmpdir(), isIgnored: () => true, onEvent: () => undefined }
    const watcher = await openWatcherAuto('auto', log)(options, new AbortController().signal)
    await watcher[Symbol.asyncDispose]()
    return judgeWatcher(watcher.method, failures, platform)
  } catch {
    return judgeWatcher('none', failures, platform)
  }
}

/** `failures`: why better ones could not be opened. */
export function judgeWatcher(method: string, failures: readonly string[], platform: NodeJS.Platform): Check {
  const name = 'watcher'
  const why = failures.join('; ')
  switch (method) {
    case 'native':
      return { name, result: 'ok', text: `${method}, works here` }
    case 'none':
      return {
        name,
        result: 'problem',
        text: `none can be opened (${why})`,
        next: 'changes are found by the hourly walk only; free some memory or handles',
      }
    default:
      return {
        name,
        result: 'note',
        text: `${method}, slower than the native one, which does not work here (${why})`,
        next: platform === 'linux' ? 'raise fs.inotify.max_user_watches' : '"npm ci" may bring the native one back',
      }
  }
}
