// What every command shares: the terminal, the home, the client, the two ways to print. Commands hold nothing else.

import type { Command } from 'commander'
import { openClient } from '../api/client.ts'
import type { Client } from '../api/client.ts'
import type { Clock } from '../base/clock.ts'
import { defaultHome, secureSocketDirectory, socketPathOf } from '../platform/home.ts'
import type { Environment } from '../platform/home.ts'
import type { ExitCode } from './exit-codes.ts'
import { absolutePath, isLauncherScript } from './paths.ts'
import type { PathWorld } from './paths.ts'
import type { OpenNode } from './serve.ts'

export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Whether a person looks at stdout and stderr. */
  readonly isInteractive: boolean
  readonly columns: number
  /** Calls `listener` at Ctrl-C in place of ending the process. Returns the way to stop listening. */
  onInterrupt(listener: () => void): () => void
}

export interface Cli extends PathWorld {
  readonly terminal: Terminal
  readonly clock: Clock
  readonly env: Environment
  /** Brings in the node's code, which is heavy: for `serve` only. */
  loadOpenNode(): Promise<OpenNode>
  /** The code that the process ends with when nothing is thrown. */
  setExitCode(code: ExitCode): void
  exitNow(code: number): never
}

/** Options of every command. */
export interface GlobalOptions {
  readonly home?: string
  readonly json?: boolean
}

export interface Session {
  readonly home: string
  readonly isJson: boolean
  readonly client: Client
  /** Prints the one or the other. `schema` is added to the first. */
  readonly print: (json: object, text: string) => void
  /** A text of the daemon's with its commands as this person would type them. */
  readonly speak: (text: string) => string
  /** Whether a person watches and wants more than the result. */
  readonly isWatched: boolean
}

/** The session of a command that talks to the daemon of `--home`, HOLDFAST_HOME or the default home. */
export function openSession(cli: Cli, command: Command): Session {
  const home = homeOf(cli, command)
  const { json: isJson = false } = command.optsWithGlobals<GlobalOptions>()
  const socketPath = socketPathOf(home, cli.platform)
  secureSocketDirectory(socketPath, home)
  return {
    home,
    isJson,
    client: openClient({ socketPath }),
    print: (json, text) => printResult(cli.terminal, isJson, json, text),
    speak: (text) => spoken(text, typedCommand(cli, home)),
    isWatched: cli.terminal.isInteractive && !isJson,
  }
}

export function printResult(terminal: Terminal, isJson: boolean, json: object, text: string): void {
  if (isJson) terminal.out(JSON.stringify({ schema: 1, ...json }))
  else if (text !== '') terminal.out(text)
}

export function homeOf(cli: Cli, command: Command): string {
  const given = command.optsWithGlobals<GlobalOptions>().home ?? (cli.env['HOLDFAST_HOME'] || undefined)
  return absolutePath(given ?? defaultHome(cli.env, cli.platform, cli.homeDirectory), cli)
}

/** How a person would type this program, with `--home` when it is not the default one. */
export function typedCommand(cli: Cli, home: string): string {
  const isDefault = home === absolutePath(defaultHome(cli.env, cli.platform, cli.homeDirectory), cli)
  return isDefault ? typedProgram(cli.env) : `${typedProgram(cli.env)} --home ${quoted(home)}`
}

export function typedProgram(env: Environment): string {
  return isLauncherScript(env) ? 'npm run -s holdfast --' : 'holdfast'
}

/** Of `program.ts`. */
const commandNames =
  'serve|id|status|peers|stop|problems|conflicts|copies|keep|free|fetch|ls|members|member|resolve|folder|needs|accept|reject|share|join|history|restore|retry|rollback|scrub|store|wait|doctor'
const commandPattern = new RegExp(`(?<![\\w/.-])holdfast (?=(?:${commandNames})\\b|\\[options\\])`, 'g')

/**
 * The text with `typed` in place of `holdfast` before each command. Texts for people say `holdfast COMMAND`, also those that come from the
 * daemon, which cannot know how its clients were started; what is printed goes through here, and JSON does not.
 */
export function spoken(text: string, typed: string): string {
  return text.replaceAll(commandPattern, () => `${typed} `)
}

/** Safe to paste into a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Examples at the end of a command's help, as typed after `holdfast`. */
export function withExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ holdfast ${example}`).join('\n')}`)
}
