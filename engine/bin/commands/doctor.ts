// `holdfast doctor`: looks at what a node needs on this machine and says what to do about what is missing.

import type { Command } from 'commander'
import { openClient } from '../../api/client.ts'
import { errorCodeOf, messageOf } from '../../base/errors.ts'
import { homeFacts, homePaths, socketPathOf } from '../../platform/home.ts'
import type { HomeFacts } from '../../platform/home.ts'
import { homeOf, printResult, withExamples } from '../cli.ts'
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
    printResult(cli.terminal, json, { checks }, checksText(checks))
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
    await checkWatcher(),
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

async function checkWatcher(): Promise<Check> {
  try {
    await import('@parcel/watcher')
    return { name: 'watcher', result: 'ok', text: 'the native one loads' }
  } catch (error) {
    return {
      name: 'watcher',
      result: 'note',
      text: `the native one does not load (${messageOf(error)})`,
      next: 'a slower one is used in its place; "npm ci" may bring it back',
    }
  }
}
